package cmaf

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"weir/internal/codec"
	"weir/internal/media"
)

// golden compares bytes with a committed hex dump; -update writes it.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name+".hex")
	got := hex.Dump(b)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, []byte(got))
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed:\n%s", name, got)
	}
}

func TestGolden(t *testing.T) {
	src, err := os.ReadFile("testdata/sample_fragmented.mp4")
	if err != nil {
		t.Fatal(err)
	}
	h, frames := parseAll(t, src)
	for i := range h.Tracks {
		if codec.String(&h.Tracks[i]) == "" {
			t.Fatalf("track %d has no CODECS string", i)
		}
	}
	header, err := Init(h.Tracks...)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "header", header)
	var video, audio []media.Frame
	for _, f := range frames {
		f.Wall = 1_750_000_000_123_456_789
		f.Data = f.Data[:min(len(f.Data), 5)]
		if f.Track == h.Tracks[0].ID {
			video = append(video, f)
		} else {
			audio = append(audio, f)
		}
	}
	golden(t, "first-chunk", AppendChunk(nil, &Chunk{Sequence: 0x100, Styp: true, Producer: true, Frames: video[:5]}))
	golden(t, "audio-chunk", AppendChunk(nil, &Chunk{Sequence: 0x101, Frames: audio[3:6]}))
}
