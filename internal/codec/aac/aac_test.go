package aac

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"pgregory.net/rapid"

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

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, config   string
		rate, channels int
		samples        int
		codecs         string
	}{
		{"LC 44.1 mono, sample.mp4", "1208", 44100, 1, 1024, "mp4a.40.2"},
		{"LC 48 stereo, an empty extension behind", "119056e500", 48000, 2, 1024, "mp4a.40.2"},
		{"LC 44.1 5.1", "1230", 44100, 6, 1024, "mp4a.40.2"},
		{"LC 48 7.1", "11b8", 48000, 8, 1024, "mp4a.40.2"},
		{"ELD 480", "f8e85000", 44100, 2, 480, "mp4a.40.39"},
		{"LC 960", "1214", 44100, 2, 960, "mp4a.40.2"},
		{"LC explicit rate 12345 Hz", "1780181c90", 12345, 2, 1024, "mp4a.40.2"},
		{"HE hierarchical 22.05 to 44.1", "2b920800", 44100, 2, 2048, "mp4a.40.5"},
		{"HE v2 hierarchical", "eb8a0800", 44100, 2, 2048, "mp4a.40.29"},
		{"HE backward compatible", "139056e5a0", 44100, 2, 2048, "mp4a.40.5"},
		{"HE v2 backward compatible", "138856e5a54880", 44100, 2, 2048, "mp4a.40.29"},
		{"Main", "0a10", 44100, 2, 1024, "mp4a.40.1"},
		{"ELD", "f8e84000", 44100, 2, 512, "mp4a.40.39"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.config)
			p, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if p.SampleRate != c.rate || p.Channels != c.channels || p.Samples() != c.samples || Samples(b) != c.samples || p.String() != c.codecs {
				t.Errorf("%s %+v", p, p)
			}
		})
	}
}

// Everything Build writes is read back, and mediacommon reads the core alike.
func TestBuildRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(LC, rapid.SampledFrom([]int{8000, 22050, 24000, 44100, 48000, 96000, 12345}).Draw(t, "rate"),
			rapid.SampledFrom([]int{1, 2, 3, 4, 5, 6, 8}).Draw(t, "channels"))
		if rapid.Bool().Draw(t, "short") {
			c.FrameLength = 960
		}
		if rapid.Bool().Draw(t, "sbr") {
			c.SBR, c.SampleRate = true, 2*c.CoreRate
			c.Compatible = rapid.Bool().Draw(t, "compatible")
			if c.CoreChannels == 1 && rapid.Bool().Draw(t, "ps") {
				c.PS, c.Channels = true, 2
			}
		}
		b, err := Build(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(b)
		if err != nil || *got != *c {
			t.Fatalf("%x: %+v\nwant %+v (%v)", b, got, c, err)
		}
		if c.FrameLength == 960 || c.SBR && c.Compatible {
			return
		}
		var j judge.AudioSpecificConfig
		if err := j.Unmarshal(b); err != nil {
			t.Fatalf("mediacommon: %x %v", b, err)
		}
		if j.SampleRate != c.CoreRate || j.ExtensionSampleRate != c.SampleRate && c.SBR || int(j.ChannelConfig) != c.ChannelConfig {
			t.Fatalf("mediacommon says %+v of %+v", j, c)
		}
	})
}

// buildProgram writes a config with a program config element of 5.1 channels and a comment.
func buildProgram() []byte {
	var w bits.Writer
	w.U(5, LC)
	w.U(4, 3)
	w.U(4, 0)
	w.U(3, 0)
	w.U(10, 0)
	w.U(4, 2) // front: a single channel and a pair
	w.U(4, 0)
	w.U(4, 1) // back: a pair
	w.U(2, 1)
	w.U(3, 0)
	w.U(4, 1)
	w.Flag(true)
	w.U(4, 0)
	w.U(2, 0)
	for _, pair := range []bool{false, true, true} {
		w.Flag(pair)
		w.U(4, 0)
	}
	w.U(4, 0)
	w.U(5, 0)
	w.Align()
	w.Append(3, 'a', 'b', 'c')
	return w.Bytes()
}

func TestProgramConfig(t *testing.T) {
	c, err := Parse(buildProgram())
	if err != nil || c.Channels != 6 || c.SampleRate != 48000 {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := Build(c); fault.Code(err) != "aac_config_bad" {
		t.Errorf("Build without channel configuration: %v", err)
	}
}

func TestBad(t *testing.T) {
	for name, config := range map[string]string{
		"empty": "", "one byte": "12", "reserved rate": "1690", "rate 0": "178000000090", "no channels": "1240", "object type 1 of nothing": "0010",
		"HE with reserved rate": "2b968800", "program cut": "1200", "MP3 on MP4": "f9485000",
	} {
		if c, err := Parse(unhex(t, config)); fault.Code(err) != "aac_config_bad" {
			t.Errorf("%s: %+v %v", name, c, err)
		}
		if Samples(unhex(t, config)) != 0 {
			t.Errorf("%s lasts", name)
		}
	}
	for _, c := range []*Config{New(0, 48000, 2), New(LC, 1, 2), New(LC, 48000, 7), {ObjectType: LC, CoreRate: 24000, ChannelConfig: 2, SBR: true}} {
		if _, err := Build(c); err == nil {
			t.Errorf("%+v built", c)
		}
	}
}

func TestADTS(t *testing.T) {
	for _, rate := range []int{44100, 48000, 8000} {
		for _, channels := range []int{1, 2, 6, 8} {
			c := New(LC, rate, channels)
			b, err := AppendADTS(nil, c, 300)
			if err != nil || len(b) != 7 {
				t.Fatal(err)
			}
			h, err := ParseADTS(b)
			if err != nil || h.SampleRate != rate || h.FrameSize != 307 || h.HeaderSize != 7 || h.Blocks != 1 || *h.Config() != *c {
				t.Errorf("%+v %v", h, err)
			}
			var j judge.ADTSPackets
			if err := j.Unmarshal(append(b, make([]byte, 300)...)); err != nil || len(j) != 1 || j[0].SampleRate != rate || j[0].ChannelCount != channels {
				t.Errorf("mediacommon says %+v %v", j, err)
			}
		}
	}
	if h, err := ParseADTS(unhex(t, "fff04c001ffffcaabb")); err != nil || h.HeaderSize != 9 || h.Config().Channels != 2 {
		t.Errorf("%+v %v", h, err)
	}
	for _, b := range []string{"", "fff15080", "fff250800abffc", "fff17480 0abffc", "fff1508000fffc"} {
		if _, err := ParseADTS(unhex(t, strings.ReplaceAll(b, " ", ""))); fault.Code(err) != "aac_adts_bad" {
			t.Errorf("%s: %v", b, err)
		}
	}
	for _, size := range []int{0, 8185} {
		if _, err := AppendADTS(nil, New(LC, 48000, 2), size); fault.Code(err) != "aac_adts_bad" {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := AppendADTS(nil, New(LC, 12345, 2), 9); err == nil {
		t.Error("a rate without index")
	}
}

func TestSamplesAllocatesNothing(t *testing.T) {
	config := []byte{0x12, 0x10}
	if n := testing.AllocsPerRun(100, func() {
		if Samples(config) != 1024 {
			t.Fatal("samples")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A publisher may send anything: looking for headers in it costs no memory.
func TestLookingForADTSAllocatesNothing(t *testing.T) {
	for _, b := range []string{"\x21\x10\x04\x60\x8c\x1c\x00", "\xff\xf1\x7c\x80\x02\x1f\xfc", "\xff\xf1\x50\x80\x00\x1f\xfc"} {
		in := []byte(b)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := ParseADTS(in); err == nil {
				t.Fatalf("%x is no header", in)
			}
		}); n != 0 {
			t.Errorf("%x: %v allocations", in, n)
		}
	}
}

func FuzzAAC(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil && fault.Code(err) != "aac_config_bad" {
			t.Fatal(err)
		}
		if err == nil {
			if c.SampleRate < 1000 || c.Channels < 1 || c.Samples() != Samples(b) || !strings.HasPrefix(c.String(), "mp4a.40.") {
				t.Fatalf("%+v", c)
			}
			if built, err := Build(c); err == nil {
				if again, err := Parse(built); err != nil || again.SampleRate != c.SampleRate || again.Channels != c.Channels || again.String() != c.String() {
					t.Fatalf("%+v, was %+v (%v)", again, c, err)
				}
			}
		}
		if Silent(b) && !Silent(append(b, 0xA5)) {
			t.Fatal("what comes behind silence made it a sound")
		}
		h, err := ParseADTS(b)
		if err != nil {
			return
		}
		head, err := AppendADTS(nil, h.Config(), h.FrameSize-h.HeaderSize)
		if err != nil {
			return
		}
		if again, err := ParseADTS(head); err != nil || !bytes.Equal(head[:2], []byte{0xFF, 0xF1}) || again.SampleRate != h.SampleRate {
			t.Fatalf("%+v %v", again, err)
		}
	})
}
