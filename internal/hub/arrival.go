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

// useArrival leaves the publisher's timestamps for good. What lies behind is brought to now; what lies ahead waits.
func (c *clock) useArrival(now time.Duration) (reason string) {
	c.arrival = true
	for _, t := range c.tracks {
		t.pace = pace{at: t.seen, every: media.ToDuration(t.step, t.scale)}
		if t.pace.every < time.Millisecond || t.pace.every > time.Second {
			t.pace.every = 40 * time.Millisecond
		}
		if t.started {
			t.out = max(t.out, media.FromDuration(now-t.pace.every, t.scale))
		}
	}
	return ReasonClockSource
}

// pace is how often the frames of a track come.
type pace struct{ at, every time.Duration }

// arrive times a frame by its arrival. Frames come in bursts and hold each other up, so that each is put where the pace
// expects it, and the pace is drawn towards the arrivals.
func (t *trackClock) arrive(now, floor time.Duration) int64 {
	if !t.started {
		t.pace = pace{at: now, every: 40 * time.Millisecond}
		return media.FromDuration(max(now, floor), t.scale)
	}
	p := &t.pace
	p.every = max(p.every+(min(now-p.at, 2*time.Second)-p.every)/32, 0)
	p.at = now
	at := media.ToDuration(t.out, t.scale) + p.every
	if off := now - at; off > time.Second {
		at = now // it was silent
	} else {
		at += max(min(off/8, p.every/2), -p.every/2)
	}
	return max(media.FromDuration(at, t.scale), t.out+1)
}
