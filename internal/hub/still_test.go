package hub

import (
	"testing"
	"time"

	"weir/internal/media"
)

// A clock that stands is known for one after a while only. Until then picture and sound keep their pace, and each other.
func TestFramesOfAStandingClockKeepTheirPace(t *testing.T) {
	clk := newClock(0)
	var video, audio time.Duration
	for ms := int64(0); ms < 4000; ms++ {
		stamp := min(ms, 2010) // between two pictures
		wall := day + time.Duration(ms)*time.Millisecond
		if ms == 0 {
			wall += 15 * time.Millisecond // the first frame was held up: the others come before their time
		}
		put := func(id media.TrackID, last *time.Duration, every time.Duration) {
			f := media.Frame{Track: id, DTS: stamp * 90, PTS: stamp * 90}
			clk.mapFrame(&f, 90000, wall)
			at := media.ToDuration(f.DTS, 90000)
			if step := at - *last; ms > 100 && (step < every/4 || step > every*2) {
				t.Errorf("at %d ms track %d steps by %v", ms, id, step)
			}
			*last = at
		}
		if ms%40 == 0 {
			put(0, &video, 40*time.Millisecond)
		}
		if ms%20 == 0 {
			put(1, &audio, 20*time.Millisecond)
		}
		if off := (video - audio).Abs(); ms%40 == 0 && off > 40*time.Millisecond {
			t.Errorf("at %d ms sound and picture are %v apart", ms, off)
		}
	}
}
