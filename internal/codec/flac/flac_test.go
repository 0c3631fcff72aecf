package flac

import (
	"bytes"
	"encoding/hex"
	"testing"

	"weir/internal/bits"
	"weir/internal/fault"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStreamInfo(t *testing.T) {
	block := append(unhex(t, "120012000003050005140ac442f00000ac44"), make([]byte, 16)...) // FFmpeg, 44.1 kHz stereo 16 bit
	s, err := Parse(block)
	if err != nil || s.MinBlock != 4608 || s.MaxBlock != 4608 || s.SampleRate != 44100 || s.Channels != 2 || s.BitDepth != 16 || s.Samples != 44100 || s.MinFrame != 0x305 {
		t.Fatalf("%+v %v", s, err)
	}
	if !bytes.Equal(Build(s), block) {
		t.Errorf("% x", Build(s))
	}
	for _, b := range [][]byte{nil, block[:33], make([]byte, 34)} {
		if _, err := Parse(b); fault.Code(err) != "flac_bad" {
			t.Errorf("% x: %v", b, err)
		}
	}
}

// frame writes a frame header of the given codes with a number of n bytes.
func frame(block, rate, channels, depth uint32, n int, extra ...byte) []byte {
	var w bits.Writer
	w.U(16, 0xFFF8)
	w.U(4, block)
	w.U(4, rate)
	w.U(4, channels)
	w.U(3, depth)
	w.U(1, 0)
	if n == 1 {
		w.U(8, 5)
	} else {
		w.U(8, 0xFF<<(8-n)&0xFF)
		for range n - 1 {
			w.U(8, 0x85)
		}
	}
	w.Append(extra...)
	w.Append(0)
	return w.Bytes()
}

func TestParseFrame(t *testing.T) {
	for _, c := range []struct {
		frame []byte
		want  Frame
	}{
		{frame(5, 9, 1, 4, 1), Frame{4608, 44100, 2, 16}},
		{frame(1, 10, 0, 6, 2), Frame{192, 48000, 1, 24}},
		{frame(2, 0, 8, 0, 7), Frame{576, 0, 2, 0}},
		{frame(6, 12, 10, 1, 3, 99, 48), Frame{100, 48000, 2, 8}},
		{frame(7, 13, 7, 7, 6, 0x12, 0, 0xBB, 0x80), Frame{4609, 48000, 8, 32}},
		{frame(8, 14, 5, 5, 1, 0x11, 0x3A), Frame{256, 44100, 6, 20}},
		{frame(15, 11, 9, 2, 1), Frame{32768, 96000, 2, 12}},
	} {
		got, err := ParseFrame(c.frame)
		if err != nil || got != c.want {
			t.Errorf("% x: %+v, want %+v (%v)", c.frame, got, c.want, err)
		}
	}
	for name, b := range map[string][]byte{
		"empty": nil, "no sync": {0xFF, 0xFF, 0, 0, 0}, "block 0": frame(0, 9, 1, 4, 1), "rate 15": frame(5, 15, 1, 4, 1),
		"channels 11": frame(5, 9, 11, 4, 1), "number": {0xFF, 0xF8, 0x59, 0x18, 0x80, 0}, "number cut": {0xFF, 0xF8, 0x59, 0x18, 0xC0, 0x01}, "cut": frame(7, 13, 1, 4, 1)[:6],
	} {
		if f, err := ParseFrame(b); fault.Code(err) != "flac_bad" {
			t.Errorf("%s: %+v %v", name, f, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	first := frame(5, 9, 1, 4, 1)
	config := Update(nil, first)
	if s, err := Parse(config); err != nil || s.MaxBlock != 4608 || s.SampleRate != 44100 || s.BitDepth != 16 {
		t.Fatalf("%+v %v", s, err)
	}
	if Update(config, first) != nil || Update(config, frame(1, 9, 1, 4, 1)) != nil {
		t.Error("a frame that fits brings nothing new")
	}
	if Update(config, frame(5, 10, 1, 4, 1)) == nil {
		t.Error("another rate is news")
	}
	if Update(nil, frame(5, 0, 1, 4, 1)) != nil || Update(nil, nil) != nil {
		t.Error("a header that leaves the rate open describes nothing")
	}
}

func FuzzFLAC(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := Parse(b); err == nil {
			if built := Build(s); !bytes.Equal(built, b[:StreamInfoSize]) {
				t.Fatalf("% x\nwas % x", built, b)
			}
		} else if fault.Code(err) != "flac_bad" {
			t.Fatal(err)
		}
		if h, err := ParseFrame(b); err == nil && (h.Block < 1 || h.Block > 65536 || h.Channels < 1 || h.Channels > 8) {
			t.Fatalf("%+v", h)
		}
		if Silent(b, 2) != (len(b) <= 19) {
			t.Fatal("silence of a strange size")
		}
		if fresh := Update(nil, b); fresh != nil && Update(fresh, b) != nil {
			t.Fatal("an update that does not settle")
		}
	})
}
