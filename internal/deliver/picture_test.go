package deliver

import (
	"bytes"
	"testing"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/timeline"
)

// TestFirstPicture: the picture of a segment is its key frame, and lasts as long as the segment.
func TestFirstPicture(t *testing.T) {
	tracks, segments := patternSegments(t, 2)
	of := func(kind media.Kind) (*cmaf.Header, []byte, []media.Frame) {
		var frames []media.Frame
		track := tracks[0]
		for _, tr := range tracks {
			if tr.Kind == kind {
				track = tr
			}
		}
		for _, f := range segments[1] {
			if f.Track == track.ID {
				if f.Duration == 0 {
					f.Duration = track.Ticks(1e8)
				}
				frames = append(frames, f)
			}
		}
		b, err := cmaf.Init(track)
		if err != nil {
			t.Fatal(err)
		}
		h, err := cmaf.ParseInit(b)
		if err != nil {
			t.Fatal(err)
		}
		return h, cmaf.AppendChunk(nil, &cmaf.Chunk{Sequence: 1, Styp: true, Frames: frames}), frames
	}
	header, data, frames := of(media.Video)
	b, err := firstPicture(header, data, 1001)
	if err != nil {
		t.Fatal(err)
	}
	got, err := header.Frames(nil, b)
	if err != nil || len(got) != 1 || !got[0].Key || got[0].PTS != frames[0].PTS || !bytes.Equal(got[0].Data, frames[0].Data) || got[0].Duration != 2*90000 {
		t.Errorf("%d frames, %v", len(got), err)
	}
	if _, err := firstPicture(header, cmaf.AppendChunk(nil, &cmaf.Chunk{Sequence: 1, Frames: frames[1:]}), 1); err != timeline.ErrGone { //nolint:errorlint // it is returned as it is
		t.Error("no key frame:", err)
	}
	if header, data, _ := of(media.Audio); len(data) > 0 {
		if _, err := firstPicture(header, data, 1); err == nil {
			t.Error("a picture of sound")
		}
	}
	if _, err := firstPicture(header, []byte("nonsense"), 1); err == nil {
		t.Error("a picture of nonsense")
	}
}
