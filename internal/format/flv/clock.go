package flv

// unwrapper turns the 32-bit milliseconds of tags into a time that goes on past
// the wraps: at 2^32, and at 2^31 for writers that keep FLV's SI32 positive.
type unwrapper struct {
	started bool
	last    int64
}

func (u *unwrapper) at(ms uint32) int64 {
	if !u.started {
		u.started, u.last = true, int64(ms)
		return u.last
	}
	step := int64(int32(ms - uint32(u.last)))
	if step < -(1<<30) || step > 1<<30 {
		const wrap31 = 60_000 // ms around 24.8 days in which a jump of 2^31 is that wrap
		if short := int64(int32((ms-uint32(u.last))<<1) >> 1); short > -wrap31 && short < wrap31 {
			step = short
		}
	}
	u.last += step
	return u.last
}

// smoother gives audio frames exact times: a tag's time is rounded to
// milliseconds, so while it agrees with the sum of the frames' durations the
// sum is right. A single late or early tag is jitter; what stays off, or is
// off by a lot, is a real jump.
type smoother struct {
	started bool
	next    int64 // where the next frame stands if nothing was lost
	off     int   // frames in a row that disagreed
}

const (
	jumpTicks    = 10 // 1/10 s: off by more is a jump at once
	jumpPatience = 4  // frames that must agree on a smaller one
)

// stamp returns the frame's time. at is the tag's, duration the frame's (0 =
// unknown), both in ticks of the scale.
func (s *smoother) stamp(at, duration, scale int64) int64 {
	if !s.started || duration <= 0 {
		s.started, s.next, s.off = true, at+duration, 0
		return at
	}
	diff := at - s.next
	if diff < 0 {
		diff = -diff
	}
	// Less than a frame, so that a lost one shows; at least the rounding of two tags.
	tolerance := max(min(duration*3/4, scale/50), scale/333)
	switch {
	case diff <= tolerance:
		s.off = 0
	case diff > scale/jumpTicks, s.off+1 >= jumpPatience:
		s.next, s.off = at, 0
	default:
		s.off++
	}
	at = s.next
	s.next += duration
	return at
}
