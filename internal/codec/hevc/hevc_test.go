package hevc

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

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

const (
	mainRecord = "0101600000009000000000005af000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003005a959809210001002942010101600000030090000003000003005aa006b201e1d796566924cae68080000003008000000f0422000100074401c172b46240"
	hlgRecord  = "01022000000000000000000099f000fcfdfafa00000303a00001001840010c01ffff022000000300000300000300000300992c09a10001002842010102200000030000030000030000030099a003c0801107cada2d2bb04bb9a848904815c50a40a20001000a4401c06670c8640cc640"
	rextRecord = "0104080000009d08000000003cf000fcfefafa00000f03a00001001740010c01ffff0408000003009d0800000300003c959809a10001002b4201010408000003009d0800000300003cb00a080b9d4ed96566924caf016808000003000800000300c840a2000100074401c172b46240"
)

// The records are those of the clips in ../testdata/clips; the values are ffprobe's.
var records = []struct {
	name, record         string
	width, height, depth int
	rate                 float64
	reorder              int
	codecs               string
}{
	{"main", mainRecord, 854, 480, 8, 30, 2, "hvc1.1.6.L90.90"},
	{"main 10 HLG", hlgRecord, 1920, 1080, 10, 0, 0, "hvc1.2.4.L153"},
	{"range extensions 4:2:2", rextRecord, 318, 178, 10, 25, 2, "hvc1.4.10.L60.9D.8"},
}

func TestRecords(t *testing.T) {
	for _, r := range records {
		t.Run(r.name, func(t *testing.T) {
			c, err := ParseConfig(unhex(t, r.record))
			if err != nil {
				t.Fatal(err)
			}
			if len(c.VPS) != 1 || len(c.SPS) != 1 || len(c.PPS) != 1 || c.LengthSize != 4 || c.String() != r.codecs {
				t.Errorf("%s %+v", c, c)
			}
			s, err := ParseSPS(c.SPS[0])
			if err != nil {
				t.Fatal(err)
			}
			if s.Width != r.width || s.Height != r.height || s.BitDepthLuma != r.depth || s.Reorder != r.reorder || math.Abs(s.FrameRate-r.rate) > 1e-9 || s.Profile != c.Profile {
				t.Errorf("%+v", s)
			}
			var j judge.SPS
			if err := j.Unmarshal(c.SPS[0]); err != nil {
				t.Fatal(err)
			}
			if j.Width() != s.Width || j.Height() != s.Height || math.Abs(j.FPS()-s.FrameRate) > 1e-9 || int(j.ChromaFormatIdc) != s.ChromaFormat {
				t.Errorf("mediacommon says %dx%d at %v", j.Width(), j.Height(), j.FPS())
			}
		})
	}
}

func TestHLGColour(t *testing.T) {
	c, err := ParseConfig(unhex(t, hlgRecord))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSPS(c.SPS[0])
	if err != nil || s.Colour != (bits.Colour{Primaries: 9, Transfer: 18, Matrix: 9, FullRange: false}) { // bt2020, arib-std-b67, bt2020nc
		t.Errorf("%+v %v", s, err)
	}
}

// The examples of ISO/IEC 14496-15 E.3.
func TestStringExamples(t *testing.T) {
	for want, c := range map[string]Config{
		"hvc1.1.6.L93.B0": {Profile: Profile{IDC: 1, Compatibility: 0x60000000, Level: 93, Constraints: 0xB00000000000}},
		"hvc1.A4.41.H120.B0.23": {Profile: Profile{Space: 1, IDC: 4, High: true, Compatibility: 0x82000000,
			Level: 120, Constraints: 0xB02300000000}},
		"hvc1.1.6.L93.80.0.1": {Profile: Profile{IDC: 1, Compatibility: 0x60000000, Level: 93, Constraints: 0x800001000000}},
	} {
		if got := c.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestBuildConfig(t *testing.T) {
	for _, r := range records {
		record := unhex(t, r.record)
		c, err := ParseConfig(record)
		if err != nil {
			t.Fatal(err)
		}
		built, err := BuildConfig(c.VPS, c.SPS, c.PPS)
		if err != nil {
			t.Fatal(err)
		}
		for i := range built {
			// FFmpeg leaves the arrays incomplete for hev1 and does not state temporal nesting or chroma of its own accord
			if i < len(record) && built[i] != record[i] && i != 21 && built[i]&0x7F != record[i]&0x7F {
				t.Errorf("%s: byte %d is %02x, FFmpeg has %02x", r.name, i, built[i], record[i])
			}
		}
		again, err := ParseConfig(built)
		if err != nil || again.Profile != c.Profile || !bytes.Equal(again.PPS[0], c.PPS[0]) {
			t.Errorf("%+v %v", again, err)
		}
		for n := range len(record) {
			if _, err := ParseConfig(record[:n]); fault.Code(err) != "hevc_config_bad" && n < 23+3 {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
}

func TestUpdate(t *testing.T) {
	c, err := ParseConfig(unhex(t, mainRecord))
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseConfig(unhex(t, rextRecord))
	if err != nil {
		t.Fatal(err)
	}
	idr := []byte{NALIDRWithRADL << 1, 1, 0xAF}
	otherPPS := []byte{NALPPS << 1, 1, 0x51, 0x73} // number 1
	for _, u := range []struct {
		name          string
		units         [][]byte
		vps, sps, pps [][]byte
	}{
		{"nothing", [][]byte{idr}, nil, nil, nil},
		{"the same", [][]byte{c.VPS[0], c.SPS[0], c.PPS[0], idr}, nil, nil, nil},
		{"all new", [][]byte{d.VPS[0], d.SPS[0], d.PPS[0], idr}, d.VPS, d.SPS, d.PPS},
		{"new SPS", [][]byte{d.SPS[0], idr}, c.VPS, d.SPS, c.PPS},
		{"one more PPS", [][]byte{otherPPS, idr}, c.VPS, c.SPS, [][]byte{c.PPS[0], otherPPS}},
		{"behind the picture", [][]byte{idr, d.SPS[0]}, nil, nil, nil},
	} {
		var sample []byte
		for _, nal := range u.units {
			sample = bits.AppendUnit(sample, nal)
		}
		got := Update(unhex(t, mainRecord), sample)
		var want []byte
		if u.sps != nil {
			if want, err = BuildConfig(u.vps, u.sps, u.pps); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: % x\nwant % x", u.name, got, want)
		}
	}
}

// Reference picture sets coded as changes of one another decide where the VUI begins.
func TestPredictedReferenceSets(t *testing.T) {
	var w bits.Writer
	w.UE(4) // before -1 -3, after +2: explicit
	for _, set := range []struct{ before, after []uint32 }{{[]uint32{1, 2}, []uint32{2}}} {
		w.UE(uint32(len(set.before)))
		w.UE(uint32(len(set.after)))
		for _, d := range append(set.before, set.after...) {
			w.UE(d - 1)
			w.Flag(true)
		}
	}
	// shift -2, all used: -3 -5 +0(dropped) and -2 -> 3 pictures
	w.Flag(true)
	w.Flag(true)
	w.UE(1)
	for range 4 {
		w.Flag(true)
	}
	// so the third set has 3+1 flags: shift +1, the first not used at all
	w.Flag(true)
	w.Flag(false)
	w.UE(0)
	w.Flag(false)
	w.Flag(false)
	for range 3 {
		w.Flag(true)
	}
	// -2+1, -4+1 or so, +1: again 3 pictures, 4 flags
	w.Flag(true)
	w.Flag(false)
	w.UE(9)
	for range 4 {
		w.Flag(true)
	}
	w.Flag(true) // long-term
	w.UE(2)
	w.U(18, 0)
	w.U(8, 0xA5)
	r := bits.NewReader(w.Bytes())
	if !skipReferences(&r, 8) {
		t.Fatal("not understood")
	}
	if got := r.U(8); got != 0xA5 {
		t.Errorf("stopped at the wrong bit: %x", got)
	}
}

func TestBadSPS(t *testing.T) {
	c, err := ParseConfig(unhex(t, mainRecord))
	if err != nil {
		t.Fatal(err)
	}
	sps := c.SPS[0]
	for n := range 24 {
		if _, err := ParseSPS(sps[:n]); fault.Code(err) != "hevc_sps_bad" {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	wide := bytes.Clone(sps)
	copy(wide[20:], []byte{0xA0, 0x00, 0x01, 0xFF, 0xFF, 0xFF})
	if _, err := ParseSPS(wide); fault.Code(err) != "hevc_sps_bad" {
		t.Errorf("too wide: %v", err)
	}
}

func TestUserData(t *testing.T) {
	uuid := [16]byte{0: 9, 15: 7}
	sample := bits.AppendUnit(nil, []byte{NALAUD << 1, 1, 0x50})
	sample = bits.AppendUnit(sample, BuildUserData(uuid, []byte("counter\x00\x00\x01")))
	sample = bits.AppendUnit(sample, []byte{NALCRA << 1, 1, 0xAF})
	n := 0
	for id, data := range UserData(sample) {
		n++
		if id != uuid || string(data) != "counter\x00\x00\x01" {
			t.Errorf("%x %q", id, data)
		}
	}
	if n != 1 || !IsKey(sample) || IsB(sample) {
		t.Errorf("%d messages", n)
	}
}

func TestIsBWithExtraBits(t *testing.T) {
	// first slice, PPS 0, two extra bits of 1, then B (ue 0)
	slice := []byte{1 << 1, 1, 0b1_1_11_1_000, 0x80}
	pps := []byte{NALPPS << 1, 1, 0b1_1_0_0_010_0, 0x80}
	alone := bits.AppendUnit(nil, slice)
	with := append(bits.AppendUnit(nil, pps), alone...)
	if !IsB(with) {
		t.Error("B slice behind extra bits not seen")
	}
	if IsB(bits.AppendUnit(nil, []byte{1 << 1, 1, 0x40})) {
		t.Error("a later slice segment tells nothing")
	}
}

func BenchmarkIsKey(b *testing.B) {
	sample := bits.AppendUnit(nil, BuildUserData([16]byte{}, make([]byte, 700)))
	sample = bits.AppendUnit(sample, append([]byte{1 << 1, 1, 0xD0}, make([]byte, 8000)...))
	b.ReportAllocs()
	for b.Loop() {
		if IsKey(sample) {
			b.Fatal("key")
		}
	}
}

func FuzzHEVC(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseSPS(b); err == nil {
			if s.Width < 1 || s.Height < 1 || s.Width > MaxSize || s.Height > MaxSize || s.Reorder > 15 || s.FrameRate < 0 || s.FrameRate > 1000 {
				t.Fatalf("%+v", s)
			}
			config, err := BuildConfig(nil, [][]byte{b}, nil)
			if len(b) > 0xFFFF || err != nil {
				return
			}
			c, err := ParseConfig(config)
			if err != nil || !bytes.Equal(c.SPS[0], b) || c.Profile != s.Profile || !strings.HasPrefix(c.String(), "hvc1.") {
				t.Fatalf("%+v %v", c, err)
			}
		} else if fault.Code(err) != "hevc_sps_bad" {
			t.Fatal(err)
		}
		if c, err := ParseConfig(b); err == nil {
			if built, err := BuildConfig(c.VPS, c.SPS, c.PPS); err == nil {
				if again, err := ParseConfig(built); err != nil || len(again.SPS) != len(c.SPS) {
					t.Fatalf("%+v %v", again, err)
				}
			}
		}
		for _, data := range UserData(b) {
			if len(data) > len(b) {
				t.Fatal("data larger than the sample")
			}
		}
		if IsKey(b) && IsB(b) {
			t.Fatal("a random access point with B slices")
		}
		if fresh := Update(nil, b); fresh != nil && Update(fresh, b) != nil {
			t.Fatal("an update that does not settle")
		}
		half := len(b) / 2
		Update(b[:half], b[half:])
		for nal := range bits.Units(b) {
			Disposable(nal)
		}
	})
}
