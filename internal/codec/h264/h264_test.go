package h264

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

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

// The sets are those of the clips in ../testdata/clips; the values are ffprobe's, reorder is has_b_frames.
var spsCases = []struct {
	name, sps     string
	width, height int
	rate          float64
	reorder       int
	chroma        int
}{
	{"high", "6764001facd9404405be5f011000003e90000ea600f1831960", 1080, 720, 30000. / 1001, 2, 1},
	{"pyramid", "6764001facd900c8146ffc010000b440000003004000000f23c60c6580", 800, 640, 30, 2, 1},
	{"main with captions", "274d400da918343ff2600d418041adb7a0d0265ef7c040", 416, 234, 0, -1, 1},
	{"constrained baseline", "6742c028d900780227e584000003000400000300f03c60c920", 1920, 1080, 30, 0, 1},
	{"4:4:4", "67f40016919b2816024d80880000030008000003001078b16cb0", 704, 576, 1, 2, 3},
	{"main", "674d401eeca05017fcb0800000030080000019078b16cb", 640, 360, 25, 2, 1},
	{"interlaced with hrd", "67640015acd941433f26022000000300200000064c4c013880271c90601f142996", 320, 180, 25, 2, 1},
	{"high without B", "67640034acb402202df2f2901010106d0a1350", 1080, 720, 0, 0, 1},
}

func TestParseSPS(t *testing.T) {
	for _, c := range spsCases {
		t.Run(c.name, func(t *testing.T) {
			nal := unhex(t, c.sps)
			s, err := ParseSPS(nal)
			if err != nil {
				t.Fatal(err)
			}
			if s.Width != c.width || s.Height != c.height || math.Abs(s.FrameRate-c.rate) > 1e-9 || s.Reorder != c.reorder || s.ChromaFormat != c.chroma {
				t.Errorf("%+v", s)
			}
			var j judge.SPS
			if err := j.Unmarshal(nal); err != nil {
				t.Fatal(err)
			}
			if j.Width() != s.Width || j.Height() != s.Height || math.Abs(j.FPS()-s.FrameRate) > 1e-9 ||
				j.ProfileIdc != s.Profile || j.LevelIdc != s.Level || int(j.PicOrderCntType) != s.POCType || int(j.ID) != s.ID {
				t.Errorf("mediacommon says %dx%d at %v: %+v", j.Width(), j.Height(), j.FPS(), j)
			}
		})
	}
}

func TestSPSDetails(t *testing.T) {
	s, err := ParseSPS(unhex(t, spsCases[7].sps))
	if err != nil {
		t.Fatal(err)
	}
	if s.Colour != (bits.Colour{Primaries: 1, Transfer: 1, Matrix: 1, FullRange: false}) || s.BitDepthLuma != 8 || s.MaxDecFrameBuffering < 1 || !s.FrameMBsOnly {
		t.Errorf("%+v", s)
	}
	if s, err = ParseSPS(unhex(t, spsCases[6].sps)); err != nil || s.FrameMBsOnly || s.SARWidth != 1 || s.SARHeight != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

// buildSPS writes a baseline SPS of any size in macroblocks, with a VUI that sets an extended aspect ratio.
func buildSPS(profile uint32, wide, high uint32, poc uint32) []byte {
	var w bits.Writer
	w.U(8, NALSPS|0x60)
	w.U(8, profile)
	w.U(8, 0)
	w.U(8, 31)
	w.UE(0)
	if hasChroma(uint8(profile)) {
		w.UE(3)
		w.Flag(false)
		w.UE(2)
		w.UE(2)
		w.Flag(false)
		w.Flag(true)
		for i := range 12 {
			w.Flag(i%5 == 1) // a list that ends at once: its first delta makes 0
			if i%5 == 1 {
				w.UE(16) // -8
			}
		}
	}
	w.UE(0)
	w.UE(poc)
	switch poc {
	case 0:
		w.UE(0)
	case 1:
		w.Flag(false)
		w.UE(1)
		w.UE(2)
		w.UE(2)
		w.UE(1)
		w.UE(3)
	}
	w.UE(1)
	w.Flag(false)
	w.UE(wide - 1)
	w.UE(high - 1)
	w.Flag(true)
	w.Flag(true)
	w.Flag(false)
	w.Flag(true)
	w.Flag(true)
	w.U(8, 255)
	w.U(16, 5)
	w.U(16, 4)
	w.Flag(false)
	w.U(1, 0)
	w.Flag(true)
	w.UE(0)
	w.UE(0)
	w.U(5, 0)
	w.Flag(true)
	return w.Bytes()
}

func TestBuiltSPS(t *testing.T) {
	for _, poc := range []uint32{0, 1, 2} {
		s, err := ParseSPS(buildSPS(66, 40, 30, poc))
		if err != nil || s.Width != 640 || s.Height != 480 || s.SARWidth != 5 || s.SARHeight != 4 || s.Reorder != 0 {
			t.Errorf("poc %d: %+v %v", poc, s, err)
		}
	}
	s, err := ParseSPS(buildSPS(244, 40, 30, 2))
	if err != nil || s.ChromaFormat != 3 || s.BitDepthLuma != 10 || s.Reorder != 0 {
		t.Errorf("4:4:4: %+v %v", s, err)
	}
	if s, err = ParseSPS(buildSPS(77, 1024, 1024, 0)); err != nil || s.Width != 16384 || s.Reorder != -1 {
		t.Errorf("largest: %+v %v", s, err)
	}
}

func TestBadSPS(t *testing.T) {
	good := unhex(t, spsCases[0].sps)
	for name, nal := range map[string][]byte{
		"empty": {}, "other type": {0x68, 1, 2, 3, 4}, "cut": good[:6],
		"too wide": buildSPS(66, 1025, 10, 0), "too high": buildSPS(66, 10, 1025, 0), "poc": buildSPS(66, 10, 10, 3),
	} {
		if _, err := ParseSPS(nal); fault.Code(err) != "h264_sps_bad" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigRoundTrip(t *testing.T) {
	// sample_portrait.mp4 was muxed by FFmpeg
	record := unhex(t, "0164001fffe100196764001facd940b4089f97011000003e90000ea600f183196001000668ebe3cb22c0fdf8f800")
	c, err := ParseConfig(record)
	if err != nil {
		t.Fatal(err)
	}
	if c.String() != "avc1.64001f" || c.LengthSize != 4 || len(c.SPS) != 1 || len(c.PPS) != 1 {
		t.Errorf("%+v", c)
	}
	built, err := BuildConfig(c.SPS, c.PPS)
	if err != nil || !bytes.Equal(built, record) {
		t.Errorf("% x\nwant % x (%v)", built, record, err)
	}
	for n := range 37 {
		if _, err := ParseConfig(record[:n]); fault.Code(err) != "h264_config_bad" {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := BuildConfig(nil, c.PPS); err == nil {
		t.Error("a record without SPS")
	}
}

func TestUpdate(t *testing.T) {
	sps, other := unhex(t, spsCases[0].sps), unhex(t, spsCases[5].sps)
	pps0, pps0b, pps1 := []byte{0x68, 0xEB, 0xE3}, []byte{0x68, 0xEB, 0xE4}, []byte{0x68, 0x4B, 0xE3} // numbers 0, 0, 1
	config, err := BuildConfig([][]byte{sps}, [][]byte{pps0})
	if err != nil {
		t.Fatal(err)
	}
	idr := []byte{0x65, 0x88}
	for _, c := range []struct {
		name     string
		units    [][]byte
		sps, pps [][]byte // nil = no update
	}{
		{"nothing", [][]byte{idr}, nil, nil},
		{"the same", [][]byte{sps, pps0, idr}, nil, nil},
		{"the same PPS", [][]byte{pps0, idr}, nil, nil},
		{"new SPS", [][]byte{other, pps0, idr}, [][]byte{other}, [][]byte{pps0}},
		{"new SPS alone", [][]byte{other, idr}, [][]byte{other}, [][]byte{pps0}},
		{"new PPS of the same number", [][]byte{pps0b, idr}, [][]byte{sps}, [][]byte{pps0b}},
		{"one more PPS", [][]byte{pps1, idr}, [][]byte{sps}, [][]byte{pps0, pps1}},
		{"twice", [][]byte{other, other, pps1, pps1, idr}, [][]byte{other}, [][]byte{pps1}},
		{"behind the picture", [][]byte{idr, other, pps0}, nil, nil},
		{"broken SPS", [][]byte{{0x67, 1}, pps0, idr}, nil, nil},
	} {
		var sample []byte
		for _, nal := range c.units {
			sample = bits.AppendUnit(sample, nal)
		}
		got := Update(config, sample)
		if c.sps == nil {
			if got != nil {
				t.Errorf("%s: % x", c.name, got)
			}
			continue
		}
		want, err := BuildConfig(c.sps, c.pps)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: % x\nwant % x (%v)", c.name, got, want, err)
		}
	}
	if Update(nil, bits.AppendUnit(nil, sps)) != nil {
		t.Error("an SPS without PPS makes no record")
	}
}

func TestUserData(t *testing.T) {
	uuid := [16]byte{0: 9, 15: 7}
	sample := bits.AppendUnit(nil, []byte{NALAUD, 0xF0})
	sample = bits.AppendUnit(sample, BuildUserData(uuid, []byte("counter\x00\x00\x01")))
	sample = bits.AppendUnit(sample, []byte{0x65, 1})
	n := 0
	for id, data := range UserData(sample) {
		n++
		if id != uuid || string(data) != "counter\x00\x00\x01" {
			t.Errorf("%x %q", id, data)
		}
	}
	if n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestRecoveryPoint(t *testing.T) {
	sample := bits.AppendUnit(nil, []byte{NALSEI, 6, 2, 0b00110_1_0_0, 0x40, 0x80}) // recovery_frame_cnt = 5
	if n, ok := RecoveryPoint(sample); n != 5 || !ok {
		t.Errorf("%d %v", n, ok)
	}
	if _, ok := RecoveryPoint(bits.AppendUnit(nil, []byte{0x65, 1})); ok {
		t.Error("a recovery point without SEI")
	}
}

func BenchmarkIsKey(b *testing.B) {
	sample := bits.AppendUnit(nil, BuildUserData([16]byte{}, make([]byte, 700)))
	sample = bits.AppendUnit(sample, append([]byte{0x41, 0x9A}, make([]byte, 8000)...))
	b.ReportAllocs()
	for b.Loop() {
		if IsKey(sample) {
			b.Fatal("key")
		}
	}
}

func FuzzH264(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseSPS(b); err == nil {
			if s.Width < 1 || s.Height < 1 || s.Width > MaxSize || s.Height > MaxSize || s.Reorder > 16 || s.FrameRate < 0 || s.FrameRate > 1000 {
				t.Fatalf("%+v", s)
			}
			config, err := BuildConfig([][]byte{b}, nil)
			if len(b) > 0xFFFF || err != nil {
				return
			}
			if c, err := ParseConfig(config); err != nil || !bytes.Equal(c.SPS[0], b) || !strings.HasPrefix(c.String(), "avc1.") {
				t.Fatalf("%+v %v", c, err)
			}
		} else if fault.Code(err) != "h264_sps_bad" {
			t.Fatal(err)
		}
		if c, err := ParseConfig(b); err == nil {
			if built, err := BuildConfig(c.SPS, c.PPS); err == nil {
				again, err := ParseConfig(built)
				if err != nil || len(again.SPS) != len(c.SPS) || len(again.PPS) != len(c.PPS) {
					t.Fatalf("%+v %v", again, err)
				}
			}
		}
		if n, ok := RecoveryPoint(b); ok && n < 0 {
			t.Fatal(n)
		}
		for _, data := range UserData(b) {
			if len(data) > len(b) {
				t.Fatal("data larger than the sample")
			}
		}
		if IsKey(b) && IsB(b) {
			t.Fatal("an IDR picture with B slices")
		}
		if fresh := Update(nil, b); fresh != nil {
			if Update(fresh, b) != nil {
				t.Fatal("an update that does not settle")
			}
		}
		half := len(b) / 2
		Update(b[:half], b[half:])
		for nal := range bits.Units(b) {
			Disposable(nal)
			PPSID(nal)
		}
	})
}
