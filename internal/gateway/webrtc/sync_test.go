package webrtc

import (
	"testing"
	"time"
)

// ntpAt is a sender's clock, in seconds since 1900.
func ntpAt(d time.Duration) uint64 {
	const base = 3_900_000_000
	return uint64(base+d/time.Second)<<32 | uint64(d%time.Second)<<32/uint64(time.Second)
}

func TestSenderReportsTieTracksTogether(t *testing.T) {
	for _, late := range []time.Duration{0, 40 * time.Millisecond, 200 * time.Millisecond, 2 * time.Second} {
		var s clockSync
		video, audio := s.track(90000), s.track(48000)
		// Both begin at the same moment; the video's packets arrive late.
		const v0, a0 = 1 << 31, 77
		var vt, at int64
		lastV := int64(0)
		for ms := int64(0); ms <= 6000; ms += 20 {
			now := time.Duration(ms) * time.Millisecond
			at = audio.place(a0+ms*48, now)
			v := video.place(v0+ms*90, now+late)
			if ms > 0 && v <= lastV {
				t.Fatalf("late %v: time ran backwards at %d ms", late, ms)
			}
			vt, lastV = v, v
			if ms%1000 == 500 {
				s.report(audio, ntpAt(now), uint32(a0+ms*48))
				s.report(video, ntpAt(now), uint32((v0+ms*90)&0xffffffff))
			}
		}
		diff := time.Duration(vt)*time.Second/90000 - time.Duration(at)*time.Second/48000
		if diff.Abs() > tolerance {
			t.Errorf("%v late: still %v apart", late, diff)
		}
	}
}
