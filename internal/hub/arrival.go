package hub

import (
	"time"

	"weir/internal/media"
)

// A publisher whose timestamps stand still, jump again and again, or run at another speed than its frames come is timed
// by the arrival of its frames: one new run instead of endless ones.
const (
	frozenFrames = 8
	frozenTime   = 500 * time.Millisecond
	manyJumps    = 6
	jumpTime     = 30 * time.Second // so many jumps within it are no accident
	lagAgain     = time.Minute      // nor is having lagged twice within it
)

// stillness finds a clock that stands.
type stillness struct {
	since  time.Duration
	frames int
}

func (s *stillness) frozen(same bool, now time.Duration) bool {
	if !same {
		*s = stillness{since: now}
		return false
	}
	s.frames++
	return s.frames >= frozenFrames && now-s.since >= frozenTime
}

// trouble remembers what was repaired.
type trouble struct {
	jumps []time.Duration // when, the newest last
	lags  []time.Duration
}

func (t *trouble) jumped(now time.Duration) (often bool) {
	return noted(&t.jumps, now, jumpTime) >= manyJumps
}

func (t *trouble) lagged(now time.Duration) (often bool) {
	return noted(&t.lags, now, lagAgain) > 1
}

// noted adds now to a list and counts what lies within the given time.
func noted(list *[]time.Duration, now, within time.Duration) int {
	kept := (*list)[:0]
	for _, at := range *list {
		if now-at < within {
			kept = append(kept, at)
		}
	}
	*list = append(kept, now)
	return len(*list)
}

// stand times a frame whose clock stands, until that is certain: by its arrival, as late as those before.
func (c *clock) stand(t *trackClock, now time.Duration) int64 {
	every := media.FromDuration(t.pace.every(), t.scale)
	if t.still.frames == 1 && t.step > 0 && t.step < every { // the clock stopped before the last frame already
		t.out += every - t.step
	}
	return t.arrive(now-(c.drift.recent()-c.shift), c.foremost())
}

// stands reports whether the clock of a track stands, if not for certain. Others may go back and forth then: sound is dated
// by its samples until its stamps are too far from that.
func (c *clock) stands() bool {
	for _, t := range c.tracks {
		if t.still.frames > 0 {
			return true
		}
	}
	return false
}

// useArrival leaves the publisher's timestamps for good, at a frame of t.
func (c *clock) useArrival(t *trackClock, now time.Duration) (reason string) {
	c.arrival = true
	c.align(t)
	c.rouse(now)
	return ReasonClockSource
}

// align takes tracks that lost each other to within a frame of where t goes on: they come together.
func (c *clock) align(t *trackClock) {
	at := c.foremost()
	if t.started {
		at = max(at, media.ToDuration(t.out, t.scale)+t.pace.every())
	}
	for _, o := range c.tracks {
		if o.started {
			o.out = max(o.out, media.FromDuration(at-o.pace.every(), o.scale))
		}
	}
}

// silence is what no jitter explains: who was silent for so long goes on at the present time.
const silence = time.Second

// rouse brings tracks that were silent, all of them, to now by one and the same step.
func (c *clock) rouse(now time.Duration) {
	next := time.Duration(0) // where a frame is expected
	for _, t := range c.tracks {
		if t.started {
			next = max(next, media.ToDuration(t.out, t.scale)+t.pace.every())
		}
	}
	by := now - next
	if by <= silence {
		return
	}
	for _, t := range c.tracks {
		if t.started {
			t.out += media.FromDuration(by, t.scale)
		}
	}
}

// foremost is how far the tracks have come.
func (c *clock) foremost() time.Duration {
	last := c.floor
	for _, t := range c.tracks {
		if t.started {
			last = max(last, media.ToDuration(t.out, t.scale))
		}
	}
	return last
}

// How the pace of a track is found and drawn towards the arrivals. All of it is in time and not in frames: what holds up
// a connection holds up all tracks, so that they lose and regain the same time however many frames a second each has.
const (
	paceOver  = 4 * time.Second // that frames are counted over
	drawnOver = time.Second     // that what is left of a delay shrinks to a third in
)

// pace is how often the frames of a track come: so many in so long.
type pace struct {
	at, span time.Duration
	frames   float64
}

// see counts a frame.
func (p *pace) see(now time.Duration) {
	if p.at == 0 {
		p.at = now
		return
	}
	gap := max(min(now-p.at, 2*time.Second), 0)
	fade := float64(paceOver) / float64(paceOver+gap)
	p.at = now
	p.span = time.Duration(float64(p.span)*fade) + gap
	p.frames = p.frames*fade + 1
}

// every is how far apart the frames are.
func (p *pace) every() time.Duration { return time.Duration(float64(p.span) / max(p.frames, 1)) }

// arrive times a frame by its arrival. Frames come in bursts and hold each other up, so that each is put where the pace
// expects it, and the pace is drawn towards the arrivals. lead is how far the tracks have come.
func (t *trackClock) arrive(now, lead time.Duration) int64 {
	every := t.pace.every()
	at := media.ToDuration(t.out, t.scale) + every
	if lead-at > silence {
		at = lead // it was silent while the others went on
	}
	drawn := time.Duration(float64(now-at) * float64(min(every, drawnOver)) / float64(drawnOver))
	return max(media.FromDuration(at+max(min(drawn, every/2), -every/2), t.scale), t.out+1)
}
