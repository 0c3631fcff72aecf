package vp9

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"

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

// Key frames of the clips in ../testdata/clips; sizes are ffprobe's, the records FFmpeg's.
func TestKeyFrames(t *testing.T) {
	for _, c := range []struct {
		frame, record, codecs string
		rate                  float64
		width, height         int
	}{
		{"824983420031f027f60438241c184a100aa87fd5", "01000000001e800202020000", "vp09.00.30.08", 30, 800, 640},
		{"824983420013f00ef43a38241c19220004b07f8d", "010000000014820202020000", "vp09.00.20.08", 30000. / 1001, 320, 240},
		{"92498342000578047b011c120e0c290003b87fd5", "01000000020aa20202020000", "vp09.02.10.10", 15, 176, 144},
	} {
		frame := unhex(t, c.frame)
		h, err := ParseHeader(frame)
		if err != nil || h.Width != c.width || h.Height != c.height || !h.Key || !IsKey(frame) {
			t.Fatalf("%+v %v", h, err)
		}
		var j judge.Header
		if err := j.Unmarshal(frame); err != nil || j.Width() != h.Width || j.Height() != h.Height || int(j.Profile) != h.Profile {
			t.Errorf("mediacommon says %+v %v", j, err)
		}
		p, err := FromHeader(h, c.rate)
		if err != nil || p.String() != c.codecs {
			t.Errorf("%s %v", p, err)
		}
		q, err := ParseConfig(unhex(t, c.record))
		if err != nil || q.Level != p.Level || q.Profile != p.Profile || q.BitDepth != p.BitDepth || q.FullRange != p.FullRange || q.String() != c.codecs {
			t.Errorf("FFmpeg says %+v, we %+v (%v)", q, p, err)
		}
		if !bytes.Equal(Build(q), unhex(t, c.record)) {
			t.Errorf("% x", Build(q))
		}
		if Update(unhex(t, c.record), frame, c.rate) != nil || !bytes.Equal(Update(nil, frame, c.rate), Build(p)) {
			t.Error("Update")
		}
	}
}

// keyFrame writes the header of a 640x416 key frame; colour is what follows the bit depth.
func keyFrame(profile uint32, depth12 bool, colour ...bool) []byte {
	var w bits.Writer
	w.U(2, 2)
	w.U(1, profile&1)
	w.U(1, profile>>1)
	if profile == 3 {
		w.Flag(false)
	}
	w.U(4, 0b0010) // key frame, shown
	w.U(24, 0x498342)
	if profile > 1 {
		w.Flag(depth12)
	}
	for _, v := range colour {
		w.Flag(v)
	}
	w.U(16, 639)
	w.U(16, 415)
	return w.Bytes()
}

func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		frame  []byte
		codecs string
	}{
		{keyFrame(0, false, false, true, false, true), "vp09.00.30.08.01.01.01.01.01"},                       // BT.709, full range
		{keyFrame(1, false, true, true, true, false), "vp09.01.30.08.03.01.13.00.01"},                        // sRGB
		{keyFrame(1, false, false, false, true, false, false, false, false), "vp09.01.30.08.03.06.06.06.00"}, // BT.601 4:4:4
		{keyFrame(2, false, true, false, true, false), "vp09.02.30.10.01.09.02.09.00"},                       // BT.2020 10 bit
		{keyFrame(3, true, false, false, false, false, true, false, false), "vp09.03.30.12.02.01.01.01.00"},  // 12 bit 4:2:2
	} {
		h, err := ParseHeader(c.frame)
		if err != nil || h.Width != 640 || h.Height != 416 || !h.Key {
			t.Fatalf("%s: %+v %v", c.codecs, h, err)
		}
		p, err := FromHeader(h, 25)
		if err != nil || p.String() != c.codecs {
			t.Errorf("%s, want %s (%v)", p, c.codecs, err)
		}
		var j judge.Header
		if err := j.Unmarshal(c.frame); err != nil || j.Width() != 640 || int(j.Profile) != h.Profile {
			t.Errorf("%s: mediacommon says %+v %v", c.codecs, j, err)
		}
	}
}

func TestOtherFrames(t *testing.T) {
	for frame, existing := range map[string]bool{"86000000": false, "88": true} {
		h, err := ParseHeader(unhex(t, frame))
		if err != nil || h.Key || !h.Show || h.Existing != existing {
			t.Errorf("%s: %+v %v", frame, h, err)
		}
		if _, err := FromHeader(h, 0); err == nil {
			t.Error("a record from no key frame")
		}
	}
	for _, b := range []string{"", "00", "8249834300", "82498342", "82498342ff", "8249834200fffffffffffff0", "b8"} {
		if _, err := ParseHeader(unhex(t, b)); fault.Code(err) != "vp9_frame_bad" {
			t.Errorf("%s: %v", b, err)
		}
	}
	if _, err := ParseConfig([]byte{1, 0, 0}); fault.Code(err) != "vp9_config_bad" {
		t.Error(err)
	}
}

func TestString(t *testing.T) {
	// the example of the binding: profile 2, level 1, 10 bit, 4:2:0 colocated, BT.2020 PQ
	c := Config{Profile: 2, Level: 10, BitDepth: 10, Chroma: 1, Primaries: 9, Transfer: 16, Matrix: 9, FullRange: true}
	if got := c.String(); got != "vp09.02.10.10.01.09.16.09.01" {
		t.Error(got)
	}
	c = Config{Profile: 1, Level: 30, BitDepth: 8, Chroma: 3, Primaries: 2, Transfer: 2, Matrix: 2}
	if got := c.String(); got != "vp09.01.30.08.03.01.01.01.00" {
		t.Error(got)
	}
	if level(16384, 16384, 60) != 62 || level(1920, 1080, 30) != 40 || level(1920, 1080, 60) != 41 || level(3840, 2160, 60) != 51 {
		t.Error("level")
	}
}

func BenchmarkIsKey(b *testing.B) {
	frame := append(unhex(b, "824983420031f027f60438241c184a100aa87fd5"), make([]byte, 9999)...)
	b.ReportAllocs()
	for b.Loop() {
		if !IsKey(frame) {
			b.Fatal("no key")
		}
	}
}

func FuzzVP9(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil && fault.Code(err) != "vp9_frame_bad" {
			t.Fatal(err)
		}
		if err == nil && IsKey(b) != h.Key {
			t.Fatal("IsKey and the header differ")
		}
		if fresh := Update(nil, b, 25); fresh != nil {
			c, err := ParseConfig(fresh)
			if err != nil || !bytes.Equal(Build(c), fresh) || !strings.HasPrefix(c.String(), "vp09.") {
				t.Fatalf("%+v %v", c, err)
			}
			if h.Width > MaxSize || h.Height > MaxSize || Update(fresh, b, 25) != nil {
				t.Fatalf("%+v", h)
			}
		}
		if c, err := ParseConfig(b); err == nil {
			_ = c.String()
			if again, err := ParseConfig(Build(c)); err != nil || *again != *c {
				t.Fatalf("%+v, was %+v", again, c)
			}
		}
	})
}
