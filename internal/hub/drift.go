package hub

import "time"

// How a publisher's drift is seen and followed.
const (
	delayWindow  = 10 * time.Second
	delayWindows = 3                     // that the least delay is taken of: the least delayed frame tells the clocks apart, all others tell of the network
	slewFrom     = 40 * time.Millisecond // nearer clocks are left alone: most timestamps need no bending
	slewTo       = 2 * time.Millisecond
	slewPPM      = 500
	slewAtOnce   = time.Second / 2 // one frame makes up for so much of a pause at most
	slewOwed     = 5 * time.Second // those after it for so much

	runawayRate  = 50 // 1/50: a clock farther off is not slewed but replaced
	runawayBy    = 1500 * time.Millisecond
	creepRate    = 1000 // 1/1000: farther off than slewing can follow
	creepBy      = time.Second
	creepWindows = 6
	blastRate    = 2 // 1/2: frames that come so much too fast are a file being sent, not a clock
)

// drift measures how the delay between a publisher's timestamps and the wall clock changes: the least of each window.
type drift struct {
	begun   time.Duration // of the present window
	least   time.Duration // delay in it
	any     bool
	closed  [creepWindows + 1]delay // the newest last
	count   int
	slewing bool
	slewed  time.Duration // up to when
}

type delay struct{ at, least time.Duration }

// reset forgets the delays: the timestamps have another base.
func (d *drift) reset() { *d = drift{slewed: d.slewed} }

// see takes a frame's delay before the shift, and reports a clock that must not be followed any more.
func (d *drift) see(by, shift, now time.Duration) (runaway bool) {
	if !d.any {
		d.any, d.begun, d.least = true, now, by
	}
	if now-d.begun >= delayWindow {
		copy(d.closed[:], d.closed[1:])
		d.closed[len(d.closed)-1] = delay{d.begun, d.least}
		d.count = min(d.count+1, len(d.closed))
		d.begun, d.least = now, by
		runaway = d.runaway(shift)
	}
	d.least = min(d.least, by)
	return runaway
}

// runaway reports a clock that is too far off, or that slewing cannot follow.
func (d *drift) runaway(shift time.Duration) bool {
	running, creeping, by := d.trend()
	return running >= delayWindows && by.Abs() >= runawayBy ||
		creeping >= creepWindows && (d.closed[len(d.closed)-1].least-shift).Abs() > creepBy
}

// trend tells for how many windows back the delay has gone one way, fast or slowly, and by how much in all.
func (d *drift) trend() (running, creeping int, by time.Duration) {
	for i := len(d.closed) - 1; i > len(d.closed)-d.count; i-- {
		a, b := d.closed[i-1], d.closed[i]
		change, span := b.least-a.least, b.at-a.at
		if change*blastRate < -span || by != 0 && (by > 0) != (change > 0) || change.Abs()*creepRate < span {
			break
		}
		by += change
		if change.Abs()*runawayRate >= span && running == creeping {
			running++
		}
		creeping++
	}
	return running, creeping, by
}

// behind reports whether the publisher has become slow for good, rather than been held up.
func (d *drift) behind() bool {
	running, _, by := d.trend()
	return running > 1 && by > 0
}

// recent is the least delay of late.
func (d *drift) recent() time.Duration {
	if d.count > 0 {
		return min(d.least, d.closed[len(d.closed)-1].least)
	}
	return d.least
}

// target is the delay that the shift should have, if enough is known.
func (d *drift) target() (by time.Duration, ok bool) {
	if d.count < 2 {
		return 0, false
	}
	by = d.least
	for i := len(d.closed) - min(d.count, delayWindows); i < len(d.closed); i++ {
		by = min(by, d.closed[i].least)
	}
	return by, true
}

// slew is what must be added to the shift now.
func (d *drift) slew(shift, now time.Duration) time.Duration {
	d.slewed = max(d.slewed, now-slewOwed)
	elapsed := min(now-d.slewed, slewAtOnce)
	d.slewed += max(elapsed, 0)
	target, ok := d.target()
	if !ok || elapsed <= 0 {
		return 0
	}
	off := target - shift
	switch {
	case off.Abs() > slewFrom:
		d.slewing = true
	case off.Abs() < slewTo:
		d.slewing = false
	}
	if !d.slewing {
		return 0
	}
	limit := elapsed * slewPPM / 1e6
	return max(min(off, limit), -limit)
}
