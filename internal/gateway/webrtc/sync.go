package webrtc

import "time"

// clockSync puts the tracks of a publisher on one clock. Until a track's first sender report its packets are
// placed by their arrival; from then on by the sender's own clock (RFC 3550 section 6.4.1), to which it
// moves in small steps, so that time neither jumps nor runs backwards.
type clockSync struct {
	tied   bool
	offset time.Duration // arrival clock minus the sender's clock
}

// trackSync is the clock of one track.
type trackSync struct {
	rate    int64
	started bool
	shift   int64 // added to RTP times, ticks
	target  int64 // where shift is going
	last    int64 // RTP time last placed
}

const (
	tolerance = 8 * time.Millisecond   // sender reports scatter by so much
	jump      = 500 * time.Millisecond // over this a step is better than a slide
)

func (s *clockSync) track(rate uint32) *trackSync { return &trackSync{rate: int64(rate)} }

// place gives the publication time of an RTP time, in ticks.
func (t *trackSync) place(at int64, arrival time.Duration) int64 {
	if !t.started {
		t.started = true
		t.shift = t.ticks(arrival) - at
		t.target = t.shift
	}
	if t.shift != t.target {
		step := max((at-t.last)/16, 1)
		t.shift += min(max(t.target-t.shift, -step), step)
	}
	t.last = at
	return at + t.shift
}

func (t *trackSync) ticks(d time.Duration) int64 {
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*t.rate + rest*t.rate/int64(time.Second)
}

// report takes a sender report: the sender's time at an RTP timestamp.
func (s *clockSync) report(t *trackSync, ntp uint64, stamp uint32) {
	if !t.started || ntp == 0 {
		return
	}
	at := t.last + int64(int32(stamp-uint32(t.last)))
	sender := time.Duration(ntp>>32)*time.Second + time.Duration((ntp&0xffffffff)*uint64(time.Second)>>32)
	if !s.tied {
		s.tied = true
		sec := (at + t.shift) / t.rate
		rest := (at + t.shift) % t.rate
		s.offset = time.Duration(sec)*time.Second + time.Duration(rest)*time.Second/time.Duration(t.rate) - sender
	}
	target := t.ticks(sender+s.offset) - at
	switch diff := target - t.target; {
	case diff > t.ticks(jump) || diff < -t.ticks(jump):
		t.shift, t.target = target, target
	case diff > t.ticks(tolerance) || diff < -t.ticks(tolerance):
		t.target = target
	}
}
