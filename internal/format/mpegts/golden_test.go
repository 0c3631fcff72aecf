package mpegts

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"weir/internal/media"
)

// The packets of two frames, byte for byte; -update writes them anew.
func TestGolden(t *testing.T) {
	b, err := os.ReadFile("testdata/sample_h265.ts")
	if err != nil {
		t.Fatal(err)
	}
	video := demux(t, b, len(b)).tracks[0][0]
	video.ID = 1
	audio := media.Track{ID: 2, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, SampleRate: 48000, Channels: 2, Config: []byte{0x11, 0x90}, Language: "deu"}
	m := NewMuxer(0)
	if err := m.Start([]media.Track{video, audio}); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, f := range []media.Frame{
		{Track: 1, Key: true, DTS: 900000, PTS: 903000, Data: []byte{0, 0, 0, 3, 0x26, 1, 0xAF}},
		{Track: 2, Key: true, DTS: 480000, PTS: 480000, Data: make([]byte, 170)},
	} {
		for _, c := range m.AppendFrame(nil, &f) {
			out = append(out, c...)
		}
	}
	file := filepath.Join("testdata", "golden", "frames.hex")
	got := hex.Dump(out)
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
		t.Errorf("the packets have changed:\n%s", got)
	}
}
