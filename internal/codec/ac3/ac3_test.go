package ac3

import (
	"bytes"
	"encoding/hex"
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/ac3"

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

// header writes the start of an AC-3 syncframe.
func header(fscod, size, bsid, acmod uint32, lfe bool) []byte {
	var w bits.Writer
	w.U(32, syncWord<<16)
	w.U(2, fscod)
	w.U(6, size)
	w.U(5, bsid)
	w.U(3, 0)
	w.U(3, acmod)
	if acmod&1 != 0 && acmod != 1 {
		w.U(2, 1)
	}
	if acmod&4 != 0 {
		w.U(2, 1)
	}
	if acmod == 2 {
		w.U(2, 1)
	}
	w.Flag(lfe)
	w.U(32, 0)
	return w.Bytes()
}

// Every size and rate code agrees with mediacommon.
func TestHeaders(t *testing.T) {
	for fscod := range uint32(3) {
		for size := range uint32(38) {
			for acmod := range uint32(8) {
				b := header(fscod, size, 8, acmod, size%2 == 0)
				h, err := ParseHeader(b)
				if err != nil {
					t.Fatal(err)
				}
				var sync judge.SyncInfo
				var bsi judge.BSI
				if err := sync.Unmarshal(b); err != nil {
					t.Fatal(err)
				}
				if err := bsi.Unmarshal(b[5:]); err != nil {
					t.Fatal(err)
				}
				if h.Size != sync.FrameSize() || h.SampleRate != sync.SampleRate() || h.Channels() != bsi.ChannelCount() || h.Samples != 1536 {
					t.Fatalf("%+v, mediacommon says %d %d %d", h, sync.FrameSize(), sync.SampleRate(), bsi.ChannelCount())
				}
				record, err := Build(b)
				if err != nil {
					t.Fatal(err)
				}
				c, err := ParseConfig(record)
				if err != nil || c.SampleRate != h.SampleRate || c.Channels != h.Channels() || c.Bitrate != h.Bitrate {
					t.Fatalf("%+v %v", c, err)
				}
			}
		}
	}
	if h, err := ParseHeader(header(0, 20, 9, 2, false)); err != nil || h.SampleRate != 24000 {
		t.Errorf("half rate: %+v %v", h, err)
	}
}

// FFmpeg wrote these records for frames that begin so (../testdata/clips).
func TestRecords(t *testing.T) {
	got, err := Build(unhex(t, "0b770dd41c30e1dffdcdc924a000"))
	if want := unhex(t, "0c3dc0"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("dac3 % x, want % x (%v)", got, want, err)
	}
	c, err := ParseEnhancedConfig(unhex(t, "0600200f00"))
	if err != nil || c.SampleRate != 48000 || c.Channels != 6 || c.Bitrate != 192000 {
		t.Errorf("%+v %v", c, err)
	}
}

// enhanced writes the start of an E-AC-3 syncframe, filled up to size bytes.
func enhanced(kind, id uint32, size int, fscod, blocks, acmod uint32, lfe bool, chanmap int) []byte {
	var w bits.Writer
	w.U(16, syncWord)
	w.U(2, kind)
	w.U(3, id)
	w.U(11, uint32(size/2-1))
	w.U(2, fscod)
	w.U(2, blocks)
	w.U(3, acmod)
	w.Flag(lfe)
	w.U(5, 16)
	for range 1 + bit(acmod == 0) {
		w.U(5, 27)
		w.Flag(true)
		w.U(8, 0)
	}
	if kind == 1 {
		w.Flag(chanmap >= 0)
		w.U(16, uint32(max(chanmap, 0)))
	}
	return append(w.Bytes(), make([]byte, size)...)[:size]
}

func TestEnhanced(t *testing.T) {
	surround := append(enhanced(0, 0, 768, 0, 3, 7, true, -1), enhanced(1, 0, 256, 0, 3, 2, false, 0x8000>>6)...)
	for _, c := range []struct {
		name                    string
		sample                  []byte
		rate, channels, samples int
	}{
		{"5.1", enhanced(0, 0, 768, 0, 3, 7, true, -1), 48000, 6, 1536},
		{"7.1 by a dependent substream", surround, 48000, 8, 1536},
		{"two access units of one block", append(enhanced(0, 0, 64, 1, 0, 1, false, -1), enhanced(0, 0, 64, 1, 0, 1, false, -1)...), 44100, 1, 512},
		{"half rate dual mono", enhanced(0, 0, 128, 3, 1, 0, false, -1), 22050, 2, 1536},
		{"two programs", append(enhanced(0, 0, 64, 2, 3, 2, false, -1), enhanced(0, 1, 64, 2, 3, 1, false, -1)...), 32000, 2, 1536},
	} {
		h, err := ParseHeader(c.sample)
		if err != nil || h.SampleRate != c.rate {
			t.Errorf("%s: %+v %v", c.name, h, err)
		}
		record := Update(nil, c.sample, true)
		p, err := ParseEnhancedConfig(record)
		if err != nil || p.Channels != c.channels || p.SampleRate != c.rate && h.RateCode != 3 {
			t.Errorf("%s: %+v %v", c.name, p, err)
		}
		if got := Samples(c.sample); got != c.samples {
			t.Errorf("%s: lasts %d", c.name, got)
		}
		record[0] ^= 0x80 // another data rate
		if Update(record, c.sample, true) != nil || Update(nil, c.sample, false) != nil || Update(record, enhanced(0, 0, 768, 0, 3, 3, true, -1), true) == nil {
			t.Errorf("%s: Update", c.name)
		}
	}
}

func TestBad(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": nil, "no sync": make([]byte, 9), "rate": header(3, 4, 8, 2, false), "size": header(0, 38, 8, 2, false), "version": header(0, 4, 17, 2, false),
		"cut": header(0, 4, 8, 2, false)[:6], "stream type": enhanced(3, 0, 64, 0, 3, 2, false, -1), "half rate": enhanced(0, 0, 64, 3, 3, 2, false, -1),
		"dependent alone": enhanced(1, 0, 64, 0, 3, 2, false, 0),
	} {
		if _, err := Build(b); fault.Code(err) != "ac3_bad" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range [][]byte{nil, {0xFF, 0, 0}, {0x0c, 0x3d}} {
		if _, err := ParseConfig(b); fault.Code(err) != "ac3_bad" {
			t.Errorf("% x: %v", b, err)
		}
		if _, err := ParseEnhancedConfig(b); fault.Code(err) != "ac3_bad" {
			t.Errorf("% x: %v", b, err)
		}
	}
}

// A publisher may send anything: looking for headers in it costs no memory.
func TestLookingForHeadersAllocatesNothing(t *testing.T) {
	for _, b := range []string{"\x21\x10\x04\x60\x00\x00", "\x0b\x77\x00\x00\xff\x40", "\x0b\x77\x00\x00\x00\xff", "\x0b\x77\xc0\x00\x00\x80", "\x0b\x77\x00\x00\x00\x40"} {
		in := []byte(b)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := ParseHeader(in); err == nil {
				t.Fatalf("%x is no header", in)
			}
		}); n != 0 {
			t.Errorf("%x: %v allocations", in, n)
		}
	}
}

func FuzzAC3(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil && fault.Code(err) != "ac3_bad" {
			t.Fatal(err)
		}
		if err == nil && (h.Size < 2 || h.SampleRate < 8000 || h.Channels() < 1 || h.Channels() > 6 || h.Samples < 256) {
			t.Fatalf("%+v", h)
		}
		if n := Samples(b); n < 0 || n > 1536*len(b) {
			t.Fatal(n)
		}
		for _, enhanced := range []bool{false, true} {
			parse := ParseConfig
			if enhanced {
				parse = ParseEnhancedConfig
			}
			if fresh := Update(nil, b, enhanced); fresh != nil {
				if c, err := parse(fresh); err != nil || c.Channels < 1 || Update(fresh, b, enhanced) != nil {
					t.Fatalf("%+v %v", c, err)
				}
			}
			if c, err := parse(b); err == nil && c.Channels < 1 {
				t.Fatalf("%+v", c)
			}
		}
	})
}
