package health

import (
	"math"
	"time"
)

// uplink follows how far media falls behind the clock. The least of each second counts: jitter delays some
// frames, a line that is too slow delays all.
type uplink struct {
	least time.Duration // of this second
	seen  bool
	lag   time.Duration // of the last second
	base  time.Duration // the best so far, raised a little all the time since clocks differ
	based bool
	over  int // seconds in a row
	last  time.Duration
	peak  time.Duration // the most since the last tick, over a cut too
	until time.Time
}

const (
	lagWarn   = 500 * time.Millisecond // OBS begins to drop frames at 700 ms
	lagBad    = 2 * time.Second
	lagTicks  = 4
	clockSkew = 200 * time.Microsecond // per second
	lagHold   = 30 * time.Second
)

func (u *uplink) observe(lag time.Duration) {
	if !u.seen || lag < u.least {
		u.least = lag
	}
	u.seen, u.last, u.peak = true, lag, max(u.peak, lag)
}

func (u *uplink) tick(now, arrived time.Time) {
	switch {
	case u.seen:
		u.lag = u.least
	case u.based:
		u.lag = u.last + now.Sub(arrived) // nothing came: it grows
	default:
		return
	}
	u.seen, u.peak = false, 0
	if u.base += clockSkew; !u.based || u.lag < u.base {
		u.base, u.based = u.lag, true
	}
	if u.behind() >= lagWarn {
		u.over++
	} else {
		u.over = 0
	}
}

func (u *uplink) behind() time.Duration {
	if !u.based {
		return 0
	}
	return u.lag - u.base
}

func (u *uplink) cut() { *u = uplink{until: u.until, peak: u.peak} }

// hold keeps the finding for a while after the hub set the lag right.
func (u *uplink) hold(now time.Time) { u.until = now.Add(lagHold) }

// stamps follows the timestamps that had to be put right.
type stamps struct {
	backwards uint64 // seen by the judge itself, where no hub repairs
	recent    float64
	count     uint64
	until     time.Time
	told      time.Time
	untold    uint64
}

const (
	stampHold  = 30 * time.Second
	stampsMany = 1.5 // a single repair is no finding
	tellEvery  = 10 * time.Second
)

// tick takes the counts of this second and returns how many an event should tell of.
func (s *stamps) tick(now time.Time, repairs, jumps uint64) (tell uint64) {
	n := repairs + jumps + s.backwards
	s.recent = s.recent*0.9 + float64(n)
	if jumps > 0 || s.backwards > 0 || s.recent >= stampsMany && n > 0 {
		if now.After(s.until) {
			s.count = 0
		}
		s.until = now.Add(stampHold)
	}
	s.backwards = 0
	s.count += n
	if s.untold += n; s.untold == 0 || now.Sub(s.told) < tellEvery {
		return 0
	}
	tell, s.untold, s.told = s.untold, 0, now
	return tell
}

// looks decides from pictures whether all is black.
type looks struct {
	dark  int // pictures in a row
	asked time.Time
	luma  float64
}

const (
	blackLuma   = 20 // limited range calls black 16
	blackSpread = 6
	lookAgain   = 3 * time.Second // after the first dark picture: it may be a cut
	lookEvery   = 10 * time.Second
	lookSeldom  = time.Minute
	darkPixels  = 0.2 // bits per pixel of a key frame; a black picture needs far less
)

// LookDue reports whether a look at a key frame is worth an FFmpeg now: a key frame of many bytes cannot be
// black, and is looked at only rarely.
func (j *Judge) LookDue(now time.Time, bytes, pixels int) bool {
	every := lookEvery
	switch {
	case pixels > 0 && float64(8*bytes)/float64(pixels) > darkPixels:
		every = lookSeldom
	case j.look.dark == 1:
		every = lookAgain
	}
	if !j.look.asked.IsZero() && now.Sub(j.look.asked) < every {
		return false
	}
	j.look.asked = now
	return true
}

// Look takes in what a look said.
func (j *Judge) Look(p Picture) {
	j.look.luma = p.Luma
	if p.Luma <= blackLuma && p.Spread <= blackSpread {
		j.look.dark++
	} else {
		j.look.dark = 0
	}
}

// Bitrate swings.
const (
	swingSeconds = 30
	swingLeast   = 10      // seconds of media before it is judged
	swingRatio   = 7.0     // of the second highest to the second lowest second: "tenfold", less some noise
	swingFloor   = 500_000 // bit/s: below, even the peaks fit any line
	swingTurns   = 3       // up, down, up: a scene change is not a swing
)

// swing looks for a bitrate that goes up and down again and again. Key frames are left out: in a
// still scene they are nearly all there is, and that is as it should be.
func (m *meter) swing() (low, high float64, found bool) {
	var rates [swingSeconds]float64
	n := 0
	now := m.last / int64(m.track.TimeScale)
	for s := now - swingSeconds; s < now; s++ {
		if b := &m.ring[uint64(s)%buckets]; b.second == s && b.frames > 0 {
			rates[n] = 8 * float64(b.inters)
			n++
		}
	}
	if n < swingLeast {
		return 0, 0, false
	}
	low, high = extremes(rates[:n])
	if high < swingFloor || high < swingRatio*max(low, 8000) {
		return low, high, false
	}
	middle := math.Sqrt(max(low, 8000) * high)
	turns, highs, up := 0, 0, rates[0] > middle
	for _, r := range rates[:n] {
		if r > middle {
			highs++
		}
		if now := r > middle; now != up && (r > 2*middle || r < middle/2) {
			turns++
			up = now
		}
	}
	return low, high, turns >= swingTurns && highs >= n/5 && n-highs >= n/5
}

// extremes are the second lowest and second highest: one odd second says nothing.
func extremes(rates []float64) (low, high float64) {
	lowest, highest := math.Inf(1), math.Inf(-1)
	low, high = lowest, highest
	for _, r := range rates {
		switch {
		case r < lowest:
			lowest, low = r, lowest
		case r < low:
			low = r
		}
		switch {
		case r > highest:
			highest, high = r, highest
		case r > high:
			high = r
		}
	}
	return low, high
}
