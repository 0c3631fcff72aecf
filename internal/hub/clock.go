package hub

import (
	"time"

	"weir/internal/media"
)

// Limits of what a publisher's clock may do before it is repaired.
const (
	maxStep    = 10 * time.Second       // a longer step forward is a jump
	maxBack    = 200 * time.Millisecond // a step back within it is jitter, beyond it a jump
	maxLag     = 5 * time.Second        // media time this far behind the wall clock is set right
	maxCTS     = 10 * time.Second       // a larger composition offset is a lie
	agree      = 2 * time.Second        // how near another track's offset must bring a frame to count as the same clock
	oldOffsets = 4
)

// clock maps one publication's timestamps to epoch media time. All tracks share an offset, so that they stay in
// sync; a track that jumps first tries the offsets that its siblings jumped to.
type clock struct {
	floor   time.Duration   // nothing of this publication may lie before it (end of the previous run)
	offsets []time.Duration // candidates, newest last
	tracks  map[media.TrackID]*trackClock
}

type trackClock struct {
	scale   uint32
	offset  int64 // ticks
	raw     int64 // last DTS as published
	out     int64 // last DTS handed out
	step    int64 // last plausible distance
	started bool
}

// verdict is what mapping one frame needed.
type verdict struct{ repaired, jumped bool }

func newClock(floor time.Duration) *clock {
	return &clock{floor: floor, tracks: map[media.TrackID]*trackClock{}}
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
	switch {
	case len(c.offsets) == 0:
		t.offset = c.rebase(f.DTS, scale, max(now, c.floor))
	case !t.started:
		c.start(t, f.DTS, now)
	default:
		v.jumped = c.follow(t, f.DTS, now)
	}
	out := f.DTS + t.offset
	if t.started && out <= t.out {
		out, v.repaired = t.out+1, true
	}
	if t.started && out-t.out < media.FromDuration(maxStep, scale) {
		t.step = out - t.out
	}
	t.raw, t.out, t.started = f.DTS, out, true
	f.PTS += out - f.DTS
	f.DTS = out
	return v
}

// start gives a track that begins later the offset its siblings use, if that puts it near now.
func (c *clock) start(t *trackClock, dts int64, now time.Duration) {
	newest := c.offsets[len(c.offsets)-1]
	t.offset = media.FromDuration(newest, t.scale)
	if at := media.ToDuration(dts+t.offset, t.scale); (at - now).Abs() > maxStep {
		t.offset = c.rebase(dts, t.scale, max(now, c.floor))
	}
}

// follow checks the step from the last frame and finds another offset if the clock jumped.
func (c *clock) follow(t *trackClock, dts int64, now time.Duration) (jumped bool) {
	step := media.ToDuration(dts-t.raw, t.scale)
	at := media.ToDuration(dts+t.offset, t.scale)
	if step > -maxBack && step < maxStep && now-at < maxLag {
		return false
	}
	expected := media.ToDuration(t.out+t.step, t.scale)
	if now-expected > maxLag || step >= maxStep {
		expected = max(expected, now)
	}
	for i := len(c.offsets) - 1; i >= 0; i-- {
		offset := media.FromDuration(c.offsets[i], t.scale)
		if offset != t.offset && (media.ToDuration(dts+offset, t.scale)-expected).Abs() < agree {
			t.offset = offset
			return false // the sibling's jump already began a new run
		}
	}
	t.offset = c.rebase(dts, t.scale, expected)
	return true
}

// rebase adds the offset that puts dts at the given epoch time.
func (c *clock) rebase(dts int64, scale uint32, at time.Duration) int64 {
	offset := at - media.ToDuration(dts, scale)
	c.offsets = append(c.offsets, offset)
	if len(c.offsets) > oldOffsets {
		c.offsets = c.offsets[1:]
	}
	return media.FromDuration(offset, scale)
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
