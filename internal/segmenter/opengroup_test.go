package segmenter

import (
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/media"
)

// TestOpenGroups: pictures that are shown before a key picture and stand behind it belong to its segment, which begins with
// them: segments follow each other without a hole, the first of which holds those pictures fewer.
func TestOpenGroups(t *testing.T) {
	const group, ahead = 50, 3
	const step = 90000 / 25
	var frames []media.Frame
	for g := range int64(4) {
		for k := range int64(group) {
			shown := g*group + k // of frames in the order of decoding: the key picture, those shown before it, the rest
			switch {
			case g == 0 || k > ahead:
			case k == 0:
				shown += ahead
			default:
				shown--
			}
			if g == 0 && k >= group-ahead {
				continue // these are the next group's
			}
			if g > 0 {
				shown -= ahead
			}
			dts := int64(len(frames)) * step
			frames = append(frames, media.Frame{Track: 1, Key: k == 0, DTS: dts, PTS: (shown + 2) * step, Data: []byte("picture")})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack())
		s.send(p, frames)
		s.stop()
		<-s.done
		segs := s.tl.Snapshot().Runs[0].Renditions[0].Segments
		if len(segs) != 4 {
			t.Fatalf("%d segments", len(segs))
		}
		for i := range segs[1:] {
			if end := segs[i].Start + segs[i].Duration; segs[1+i].Start != end {
				t.Errorf("segment %d begins %v behind the end of the one before", 1+i, media.ToDuration(segs[1+i].Start-end, 90000))
			}
		}
		if d := media.ToDuration(segs[0].Duration, 90000); d != 2*time.Second-ahead*40*time.Millisecond {
			t.Errorf("the first segment lasts %v", d)
		}
	})
}
