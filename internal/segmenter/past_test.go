package segmenter

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/format/cmaf"
	"weir/internal/timeline"
)

// The first bytes of a part, up to its Key, are a file of their own with one picture: what trick play fetches.
func TestKeyHoldsTheFirstPicture(t *testing.T) {
	frames := gop(epoch*time.Second, 100, 50, 25, 0)
	run := testRun(2*time.Second, epoch*time.Second, videoTrack(), audioTrack())
	col := cutAll(t, run, interleave(frames, aac(epoch*time.Second, 180), 0))
	header, err := cmaf.Init(videoTrack())
	if err != nil {
		t.Fatal(err)
	}
	h, err := cmaf.ParseInit(header)
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range col.segs["video0"] {
		first := seg.parts[0]
		if first.Key <= 0 || first.Key >= int64(len(first.Data)) || !bytes.HasSuffix(first.Data[:first.Key], seg.frames[0].Data) {
			t.Fatalf("segment %d: key of %d bytes in %d", seg.n, first.Key, len(first.Data))
		}
		if _, err := h.Frames(nil, first.Data); err != nil {
			t.Fatal(err)
		}
		for _, p := range seg.parts[1:] {
			if p.Key != 0 {
				t.Errorf("segment %d: a later part has a key", seg.n)
			}
		}
	}
	for _, seg := range col.segs["audio1"] {
		if seg.parts[0].Key != 0 {
			t.Errorf("audio segment %d has a key", seg.n)
		}
	}
}

func TestRunsSayWhyTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStage(t, videoTrack())
		s.send(p, gop(0, 25*3, 50, 25, 0))
		p.Close(nil)
		synctest.Wait()
		faketime.Pass(time.Second)
		p = s.publish(videoTrack())
		s.send(p, gop(0, 25*3, 50, 25, 0))
		s.stop()
		<-s.done
		runs := s.tl.Snapshot().Runs
		if len(runs) != 2 || runs[0].EndReason != timeline.EndPublisherGone || runs[1].EndReason != timeline.EndStop {
			t.Fatalf("runs %+v", runs)
		}
	})
}
