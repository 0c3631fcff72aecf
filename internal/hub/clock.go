package hub

import (
	"time"

	"weir/internal/media"
)

// Limits of what a publisher's clock may do before it is repaired.
const (
	maxStep  = 10 * time.Second       // a longer step forward is a jump
	maxBack  = 200 * time.Millisecond // a step back within it is jitter, beyond it a jump
	maxLag   = 5 * time.Second        // media time this far behind the wall clock, and not coming nearer, is set right
	lagTime  = 2 * time.Second        // how long it may lag: what a network held back comes in a burst
	maxCTS   = 10 * time.Second       // a larger composition offset is a lie
	agree    = 2 * time.Second        // how near a base must bring a frame to count as right
	oldBases = 4
)

// clock maps one publication's timestamps to epoch media time. A track's base brings it to the wall clock, and the
// shift, common to all tracks so that they stay in sync, follows the publisher's drift. A track that jumps first tries
// the bases that its siblings jumped to. A publisher whose timestamps say nothing is timed by arrival.
//
// The wall clock that it is given must not step (see Stream.look).
type clock struct {
	floor   time.Duration   // nothing of this publication may lie before it (end of the previous run)
	bases   []time.Duration // candidates, newest last
	shift   time.Duration
	drift   drift
	trouble trouble
	arrival bool // timed by arrival
	tracks  map[media.TrackID]*trackClock
}

type trackClock struct {
	scale   uint32
	base    time.Duration
	raw     int64         // last DTS as published
	out     int64         // last DTS handed out
	step    int64         // last plausible distance
	seen    time.Duration // when the last frame came
	started bool
	still   stillness
	late    lateness
	pace    pace
}

// verdict is what mapping one frame needed.
type verdict struct {
	repaired bool
	reason   string // why a new run must begin, "" if none must
}

func newClock(floor time.Duration) *clock {
	return &clock{floor: floor, tracks: map[media.TrackID]*trackClock{}}
}

// source names what the times come from.
func (c *clock) source() string {
	if c.arrival {
		return ClockArrival
	}
	return ClockPublisher
}

// mapFrame rewrites f's times and reports what it had to do. now is the wall clock as time since the Unix epoch.
func (c *clock) mapFrame(f *media.Frame, scale uint32, now time.Duration) verdict {
	var v verdict
	if cts := f.PTS - f.DTS; cts > media.FromDuration(maxCTS, scale) || -cts > media.FromDuration(maxCTS, scale) {
		f.PTS, v.repaired = f.DTS, true
	}
	t := c.tracks[f.Track]
	if t == nil || t.scale != scale {
		t = &trackClock{scale: scale}
		c.tracks[f.Track] = t
	}
	if !c.arrival {
		v.reason = c.place(t, f.DTS, now)
	}
	t.pace.see(now)
	var out int64
	switch {
	case !c.arrival:
		c.shift += c.drift.slew(c.shift, now)
		out = f.DTS + media.FromDuration(t.base+c.shift, scale)
	case !t.started:
		out = media.FromDuration(now, scale)
	default:
		c.rouse(now)
		out = t.arrive(now, c.foremost())
	}
	if floor := media.FromDuration(c.floor, scale); !t.started && out < floor {
		out, v.repaired = floor, true // sound that came behind the first picture, though its time is before the picture's
	}
	if t.started && out <= t.out {
		out, v.repaired = t.out+1, true
		if c.stands() {
			out = c.stand(t, now)
		}
	}
	if t.started && out-t.out < media.FromDuration(maxStep, scale) {
		t.step = out - t.out
	}
	t.raw, t.out, t.seen, t.started = f.DTS, out, now, true
	f.PTS += out - f.DTS
	f.DTS = out
	return v
}

// place finds the base of a frame and answers why a new run must begin, if one must.
func (c *clock) place(t *trackClock, dts int64, now time.Duration) (reason string) {
	switch {
	case len(c.bases) == 0:
		t.base = c.rebase(dts, t.scale, max(now, c.floor))
	case !t.started:
		c.start(t, dts, now)
	case t.still.frozen(dts == t.raw, now):
		return c.useArrival(t, now)
	case c.follow(t, dts, now):
		c.drift.reset()
		if c.trouble.jumped(now) {
			return c.useArrival(t, now)
		}
		return ReasonTimestamps
	}
	delay := now - media.ToDuration(dts, t.scale) - t.base
	if lasting, late := t.late.see(delay-c.shift, now); late {
		if lasting && (c.trouble.lagged(now) || c.drift.behind()) {
			return c.useArrival(t, now)
		}
		c.setRight(t, now)
		return ReasonTimestamps
	}
	if c.drift.see(delay, c.shift, now) {
		return c.useArrival(t, now)
	}
	return ""
}

// start gives a track that begins later the base its siblings use, if that puts it near now.
func (c *clock) start(t *trackClock, dts int64, now time.Duration) {
	t.base = c.bases[len(c.bases)-1]
	if at := media.ToDuration(dts, t.scale) + t.base + c.shift; (at - now).Abs() > maxStep {
		t.base = c.rebase(dts, t.scale, max(now, c.floor))
	}
}

// follow checks the step from the last frame and finds another base if the publisher's clock jumped.
func (c *clock) follow(t *trackClock, dts int64, now time.Duration) (jumped bool) {
	step := media.ToDuration(dts-t.raw, t.scale)
	if step > -maxBack && step < maxStep {
		return false
	}
	if turn := wrapped(step, t.scale); turn != 0 {
		t.base += turn
		return false
	}
	at := media.ToDuration(dts, t.scale)
	if step >= maxStep && (at+t.base+c.shift-now).Abs() < agree {
		return false // it was silent, and is right about how long
	}
	expected := media.ToDuration(t.out+t.step, t.scale)
	if now-expected > maxLag || step >= maxStep {
		expected = max(expected, now)
	}
	for i := len(c.bases) - 1; i >= 0; i-- {
		if base := c.bases[i]; base != t.base && (at+base+c.shift-expected).Abs() < agree {
			t.base = base
			return false // the sibling's jump already began a new run
		}
	}
	t.base = c.rebase(dts, t.scale, expected)
	return true
}

// wrapped tells a counter that began anew from a jump: it returns the counter's turn when step is one, else 0. Counters
// have 33 bits at 90 kHz (MPEG-TS), 32 bits in milliseconds (RTMP), or 32 bits of the track's own scale (RTP).
func wrapped(step time.Duration, scale uint32) time.Duration {
	for _, turn := range [...]time.Duration{media.ToDuration(1<<33, 90000), 1 << 32 * time.Millisecond, media.ToDuration(1<<32, scale)} {
		if rest := step + turn; rest > -maxBack && rest < maxStep {
			return turn
		}
	}
	return 0
}

// rebase adds the base that puts dts at the given epoch time.
func (c *clock) rebase(dts int64, scale uint32, at time.Duration) time.Duration {
	base := at - media.ToDuration(dts, scale) - c.shift
	c.bases = append(c.bases, base)
	if len(c.bases) > oldBases {
		c.bases = c.bases[1:]
	}
	return base
}

// setRight brings what lags back to the wall clock: all tracks together, or the one that lags alone.
func (c *clock) setRight(t *trackClock, now time.Duration) {
	by := t.late.least
	for _, o := range c.tracks {
		if o != t && o.started && !o.late.on && now-o.seen < lagTime {
			t.base += by
			c.bases = append(c.bases, t.base)
			t.late = lateness{}
			c.drift.reset()
			return
		}
	}
	c.shift += by
	for _, o := range c.tracks {
		o.late = lateness{}
	}
}

// end is the latest time handed out.
func (c *clock) end() time.Duration {
	last := c.floor
	for _, t := range c.tracks {
		if t.started {
			last = max(last, media.ToDuration(t.out+max(t.step, 1), t.scale))
		}
	}
	return last
}

// lateness watches a track that lies behind the wall clock.
type lateness struct {
	on    bool
	since time.Duration
	least time.Duration // lag since then
}

// see takes how far a frame lies behind. late: it must be set right; lasting: because it stayed so.
func (l *lateness) see(lag, now time.Duration) (lasting, late bool) {
	if lag <= maxLag {
		*l = lateness{}
		return false, false
	}
	if !l.on {
		*l = lateness{on: true, since: now, least: lag}
	}
	if l.least = min(l.least, lag); lag-l.least > maxLag {
		l.least = lag // it has fallen behind once more
	}
	lasting = now-l.since >= lagTime
	return lasting, lasting || lag > maxStep
}
