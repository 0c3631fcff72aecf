package mp3

import (
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg1audio"

	"weir/internal/fault"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []byte
		want   Header
	}{
		// the first three are the clips of ../testdata/clips, where the next header stands behind Size bytes
		{"LAME 48 kHz 128k", []byte{0xFF, 0xFB, 0x94, 0xC4}, Header{1, 3, 128000, 48000, 1, 1152, 384}},
		{"LAME 22.05 kHz 32k", []byte{0xFF, 0xF3, 0x40, 0xC4}, Header{2, 3, 32000, 22050, 1, 576, 104}},
		{"MP2 48 kHz 384k", []byte{0xFF, 0xFD, 0xE4, 0x04}, Header{1, 2, 384000, 48000, 2, 1152, 1152}},
		{"44.1 kHz padded", []byte{0xFF, 0xFB, 0x92, 0x64}, Header{1, 3, 128000, 44100, 2, 1152, 418}},
		{"MPEG-2.5 8 kHz", []byte{0xFF, 0xE3, 0x18, 0xC4}, Header{25, 3, 8000, 8000, 1, 576, 72}},
		{"layer I padded", []byte{0xFF, 0xFF, 0xC2, 0x04}, Header{1, 1, 384000, 44100, 2, 384, 420}},
		{"MPEG-2 layer I", []byte{0xFF, 0xF7, 0xC4, 0x04}, Header{2, 1, 192000, 24000, 2, 384, 384}},
		{"MPEG-2 layer II", []byte{0xFF, 0xF5, 0xC4, 0x04}, Header{2, 2, 128000, 24000, 2, 1152, 768}},
		{"free format", []byte{0xFF, 0xFB, 0x00, 0x04}, Header{1, 3, 0, 44100, 2, 1152, 0}},
	} {
		got, err := Parse(c.header)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, want %+v (%v)", c.name, got, c.want, err)
		}
		var j judge.FrameHeader
		if err := j.Unmarshal(append(c.header, 0)); err == nil &&
			(j.SampleRate != got.SampleRate || j.Bitrate != got.Bitrate || j.SampleCount() != got.Samples ||
				got.Version == 1 && got.Layer > 1 && j.FrameLen() != got.Size) { // its FrameLen holds for these only
			t.Errorf("%s: mediacommon says %+v", c.name, j)
		}
	}
}

func TestBad(t *testing.T) {
	for _, b := range [][]byte{{}, {0xFF, 0xFB, 0x94}, {0xFF, 0x1B, 0x94, 0}, {0xFF, 0xEB, 0x94, 0}, {0xFF, 0xF9, 0x94, 0}, {0xFF, 0xFB, 0xF4, 0}, {0xFF, 0xFB, 0x9C, 0}} {
		if _, err := Parse(b); fault.Code(err) != "mp3_frame_bad" {
			t.Errorf("% x: %v", b, err)
		}
	}
}

// A publisher may send anything: looking for headers in it costs no memory.
func TestLookingForHeadersAllocatesNothing(t *testing.T) {
	for _, b := range []string{"\x21\x10\x04\x60", "\xff\xff\xff\xff"} {
		in := []byte(b)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Parse(in); err == nil {
				t.Fatalf("%x is no header", in)
			}
		}); n != 0 {
			t.Errorf("%x: %v allocations", in, n)
		}
	}
}

func FuzzMP3(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if Silent(b) && !Silent(append(b, 0xA5)) {
			t.Fatal("what comes behind silence made it a sound")
		}
		h, err := Parse(b)
		if err != nil {
			if fault.Code(err) != "mp3_frame_bad" {
				t.Fatal(err)
			}
			return
		}
		if h.SampleRate < 8000 || h.Samples < 384 || h.Channels < 1 || h.Size < 0 || h.Size > 5000 || h.Size == 0 != (h.Bitrate == 0) {
			t.Fatalf("%+v", h)
		}
	})
}
