package av1

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"

	"weir/internal/bits"
	"weir/internal/fault"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Sequence headers of the clips in ../testdata/clips.
const (
	hdr10 = "0a0e000000fa6acf9fe210ae8488049a"
	sdr   = "0a0b0000002d4c37b3dfff9804"
)

func TestSequenceHeader(t *testing.T) {
	for _, c := range []struct {
		obu                         string
		width, height, depth, level int
		colour                      bits.Colour
		codecs                      string
	}{
		{hdr10, 720, 1280, 10, 31, bits.Colour{Primaries: 9, Transfer: 16, Matrix: 9, FullRange: false}, "av01.0.31M.10.0.111.09.16.09.0"},
		{sdr, 1080, 720, 8, 5, bits.Colour{Primaries: 2, Transfer: 2, Matrix: 2, FullRange: false}, "av01.0.05M.08"},
	} {
		b := unhex(t, c.obu)
		o, ok := InBand(b)
		if !ok {
			t.Fatal("no sequence header")
		}
		s, err := ParseSequenceHeader(o.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if s.Width != c.width || s.Height != c.height || s.BitDepth != c.depth || int(s.Level) != c.level || s.Colour != c.colour || !s.SubX || !s.SubY {
			t.Errorf("%+v", s)
		}
		var j judge.SequenceHeader
		if err := j.Unmarshal(append([]byte{b[0] &^ 2}, o.Payload...)); err != nil {
			t.Fatal(err)
		}
		if j.Width() != s.Width || j.Height() != s.Height || j.ColorConfig.BitDepth != s.BitDepth || j.ColorConfig.MonoChrome != s.Monochrome {
			t.Errorf("mediacommon says %+v", j)
		}
		record, err := BuildConfig(o)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParseConfig(record)
		if err != nil || p.String() != c.codecs || p.BitDepth != c.depth || p.Header == nil {
			t.Errorf("%s %+v %v", p, p, err)
		}
		if Update(record, b) != nil || !bytes.Equal(Update(nil, b), record) {
			t.Error("Update")
		}
	}
}

// FFmpeg wrote this record for sample_av1.mp4.
func TestBuildConfigAsFFmpeg(t *testing.T) {
	want := unhex(t, "81050c00"+sdr)
	o, _ := InBand(unhex(t, sdr))
	if got, err := BuildConfig(o); err != nil || !bytes.Equal(got, want) {
		t.Errorf("% x, want % x (%v)", got, want, err)
	}
}

func writePoints(w *bits.Writer) {
	w.Flag(true) // initial display delay
	w.U(5, 1)
	for range 2 {
		w.U(12, 0)
		w.U(5, 8)
		w.Flag(true)
		w.Flag(true)
		w.U(21, 0)
		w.Flag(true)
		w.U(4, 3)
	}
}

// buildHeader writes a sequence header with timing, a decoder model, two operating points and 12 bits of 4:2:2.
func buildHeader(profile uint32, mono, sRGB bool) []byte {
	var w bits.Writer
	w.U(3, profile)
	w.U(2, 0)
	w.Flag(true) // timing
	w.U(32, 1001)
	w.U(32, 60000)
	w.Flag(true)
	w.U(3, 0b010) // num_ticks_per_picture - 1 = 1
	w.Flag(true)  // decoder model
	w.U(5, 9)
	w.U(32, 1)
	w.U(10, 0)
	writePoints(&w)
	w.U(4, 10)
	w.U(4, 10)
	w.U(11, 1919)
	w.U(11, 1079)
	w.Flag(true) // frame ids
	w.U(7, 0)
	w.U(3, 0)
	w.U(4, 0)
	w.Flag(true) // order hint
	w.U(2, 0)
	w.Flag(false)
	w.Flag(true) // screen content forced
	w.Flag(false)
	w.Flag(true)
	w.U(3, 6)
	w.U(3, 0)
	w.Flag(true) // high bit depth
	if profile == 2 {
		w.Flag(true)
	}
	if profile != 1 {
		w.Flag(mono)
	}
	w.Flag(sRGB)
	if sRGB {
		w.U(8, 1)
		w.U(8, 13)
		w.U(8, 0)
		w.U(8, 0)
		return w.Bytes()
	}
	w.Flag(true) // full range
	if !mono && profile == 2 {
		w.U(2, 0b10)
	}
	w.U(8, 0)
	return w.Bytes()
}

func TestBuiltHeaders(t *testing.T) {
	for _, c := range []struct {
		profile    uint32
		mono, sRGB bool
		codecs     string
	}{
		{2, false, false, "av01.2.08H.12.0.100.02.02.02.1"},
		{0, true, false, "av01.0.08H.10.1.110.02.02.02.1"},
		{1, false, true, "av01.1.08H.10.0.000.01.13.00.1"},
	} {
		payload := buildHeader(c.profile, c.mono, c.sRGB)
		s, err := ParseSequenceHeader(payload)
		if err != nil {
			t.Fatal(err)
		}
		if s.Width != 1920 || s.Height != 1080 || math.Abs(s.FrameRate-30000./1001) > 1e-9 || !s.HighTier {
			t.Errorf("%+v", s)
		}
		record, err := BuildConfig(OBU{Type: OBUSequenceHeader, Header: 1, Raw: append([]byte{8}, payload...), Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := ParseConfig(record); err != nil || p.String() != c.codecs {
			t.Errorf("%s, want %s (%v)", p, c.codecs, err)
		}
	}
}

func TestBad(t *testing.T) {
	o, _ := InBand(unhex(t, hdr10))
	for n := range 9 {
		if _, err := ParseSequenceHeader(o.Payload[:n]); fault.Code(err) != "av1_sequence_bad" {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := ParseSequenceHeader([]byte{0xE0, 0, 0}); err == nil {
		t.Error("reserved profile")
	}
	for _, b := range []string{"", "81", "01050c00", "81050c00" + "0a02e000"} {
		if _, err := ParseConfig(unhex(t, b)); err == nil {
			t.Errorf("%s is no record", b)
		}
	}
	if _, err := BuildConfig(OBU{Type: OBUFrame}); fault.Code(err) != "av1_config_bad" {
		t.Error(err)
	}
	for _, b := range []string{"8a00", "0a05", "0a", "0aFFFFFFFFFFFFFFFFFF", "0e", "0aFFFFFFFF7F"} {
		if Framed(unhex(t, b)) {
			t.Errorf("%s adds up", b)
		}
	}
}

func TestUnits(t *testing.T) {
	sample := unhex(t, "1200 0a01AA 3600 02 BBCC 7A0100 30 10DD") // delimiter, sequence header, frame with extension, padding, frame without size
	var kinds []int
	for o := range OBUs(sample) {
		kinds = append(kinds, o.Type)
	}
	if !Framed(sample) || len(kinds) != 5 {
		t.Errorf("%v", kinds)
	}
	if !Disposable(OBUTemporalDelimiter) || Disposable(OBUFrame) {
		t.Error("Disposable")
	}
	last, _, _ := next(unhex(t, "3010DD"))
	if got := AppendSized(nil, last); !bytes.Equal(got, unhex(t, "320210DD")) {
		t.Errorf("% x", got)
	}
	if got := AppendLEB128(nil, 300); !bytes.Equal(got, []byte{0xAC, 2}) {
		t.Errorf("% x", got)
	}
}

func TestIsKey(t *testing.T) {
	for sample, want := range map[string]bool{
		"320110": true, "320100": false, "320130": false, "320190": false, "1a0110": true, "1200": false, "3200": false,
		"0a0618" + "000000000000"[:10] + "32014F": true, // reduced still picture header: every frame is a key frame
	} {
		if got := IsKey(unhex(t, sample)); got != want {
			t.Errorf("%s: %v", sample, got)
		}
	}
}

func BenchmarkIsKey(b *testing.B) {
	sample := append(unhex(b, hdr10), append([]byte{0x32, 0x90, 0x4E, 0x10}, make([]byte, 9999)...)...)
	b.ReportAllocs()
	for b.Loop() {
		if !IsKey(sample) {
			b.Fatal("no key")
		}
	}
}

func FuzzAV1(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseSequenceHeader(b); err == nil {
			if s.Width < 1 || s.Height < 1 || s.Width > MaxSize || s.Height > MaxSize || s.FrameRate < 0 || s.FrameRate > 1000 {
				t.Fatalf("%+v", s)
			}
			record, err := BuildConfig(OBU{Type: OBUSequenceHeader, Header: 1, Raw: append([]byte{8}, b...), Payload: b})
			if err != nil {
				t.Fatal(err)
			}
			c, err := ParseConfig(record)
			if err != nil || c.Header == nil || *c.Header != *s || c.BitDepth != s.BitDepth || c.HighTier != s.HighTier || c.Level != s.Level || !strings.HasPrefix(c.String(), "av01.") {
				t.Fatalf("%+v %v", c, err)
			}
		} else if fault.Code(err) != "av1_sequence_bad" {
			t.Fatal(err)
		}
		if c, err := ParseConfig(b); err == nil {
			_ = c.String()
		}
		total, sized := 0, []byte(nil)
		for o := range OBUs(b) {
			total += len(o.Raw)
			sized = AppendSized(sized, o)
			Disposable(o.Type)
		}
		if Framed(b) != (total == len(b)) || !Framed(sized) {
			t.Fatal("framing")
		}
		if IsKey(b) != IsKey(sized) {
			t.Fatal("a size field changes what the sample is")
		}
		if fresh := Update(nil, b); fresh != nil && Update(fresh, b) != nil {
			t.Fatal("an update that does not settle")
		}
		half := len(b) / 2
		Update(b[:half], b[half:])
	})
}
