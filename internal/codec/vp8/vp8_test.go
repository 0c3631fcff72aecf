package vp8

import (
	"testing"

	"weir/internal/fault"
)

func TestParseHeader(t *testing.T) {
	// 176x144, the key frame of ../testdata/clips/vp8.clip; then with scaling bits; then an inter frame
	h, err := ParseHeader([]byte{0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0xB0, 0x00, 0x90, 0x40})
	if err != nil || h != (Header{Key: true, Show: true, Width: 176, Height: 144}) {
		t.Errorf("%+v %v", h, err)
	}
	h, err = ParseHeader([]byte{0x11, 0x02, 0x00})
	if err != nil || h != (Header{Show: true}) {
		t.Errorf("%+v %v", h, err)
	}
	for _, b := range [][]byte{{}, {0x10, 2}, {0x10, 2, 0, 0x9D, 1, 0x2B, 1, 0, 1, 0}, {0x10, 2, 0, 0x9D, 1, 0x2A, 0, 0x40, 1, 0}} {
		if _, err := ParseHeader(b); fault.Code(err) != "vp8_frame_bad" {
			t.Errorf("% x: %v", b, err)
		}
	}
}

func BenchmarkIsKey(b *testing.B) {
	frame := make([]byte, 9999)
	copy(frame, []byte{0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0xB0})
	b.ReportAllocs()
	for b.Loop() {
		if !IsKey(frame) {
			b.Fatal("no key")
		}
	}
}

func FuzzVP8(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		switch {
		case err != nil && fault.Code(err) != "vp8_frame_bad":
			t.Fatal(err)
		case err == nil && IsKey(b) != h.Key:
			t.Fatal("IsKey and the header differ")
		case err == nil && h.Key && (h.Width < 1 || h.Width > 16383 || h.Height < 1 || h.Height > 16383):
			t.Fatalf("%+v", h)
		}
	})
}
