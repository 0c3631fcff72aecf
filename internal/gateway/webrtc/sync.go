package webrtc

import "time"

// clockSync puts the tracks of a publisher on one clock. Until a track's first sender report its packets are
// placed by their arrival. The first track that reports leads: its own clock is the publication's. The others
// are then moved to where their reports put them beside it (RFC 3550 section 6.4.1), in small steps, so
// that time neither jumps nor runs backwards.
type clockSync struct {
	lead   *trackSync
	sender time.Duration // the sender's clock at the lead's last report
	at     time.Duration // publication time of the same moment
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
	hurry     = 100 * time.Millisecond // over this it slides at half speed instead of a sixteenth
	jump      = 10 * time.Second       // over this the report is believed at once
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
		diff, step := t.target-t.shift, max((at-t.last)/16, 1)
		if limit := t.ticks(hurry); diff > limit || diff < -limit {
			step = max((at-t.last)/2, 1)
		}
		t.shift += min(max(diff, -step), step)
	}
	t.last = at
	return at + t.shift
}

func (t *trackSync) ticks(d time.Duration) int64 {
	sec, rest := int64(d/time.Second), int64(d%time.Second)
	return sec*t.rate + rest*t.rate/int64(time.Second)
}

func (t *trackSync) duration(ticks int64) time.Duration {
	return time.Duration(ticks/t.rate)*time.Second + time.Duration(ticks%t.rate)*time.Second/time.Duration(t.rate)
}

// report takes a sender report: the sender's time at an RTP timestamp.
func (s *clockSync) report(t *trackSync, ntp uint64, stamp uint32) {
	if !t.started || ntp == 0 {
		return
	}
	at := t.last + int64(int32(stamp-uint32(t.last)))
	sender := time.Duration(ntp>>32)*time.Second + time.Duration((ntp&0xffffffff)*uint64(time.Second)>>32)
	if s.lead == nil {
		s.lead = t
	}
	if s.lead == t {
		s.sender, s.at = sender, t.duration(at+t.shift)
		return
	}
	target := t.ticks(s.at+sender-s.sender) - at
	switch diff := target - t.target; {
	case diff > t.ticks(jump) || diff < -t.ticks(jump):
		t.shift, t.target = target, target
	case diff > t.ticks(tolerance) || diff < -t.ticks(tolerance):
		t.target = target
	}
}
