package opus

import (
	"bytes"
	"encoding/hex"
	"testing"

	judge "github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

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

func TestRecord(t *testing.T) {
	record := unhex(t, "000201380000bb80000000") // sample_opus.mp4
	c, err := Parse(record)
	if err != nil || c.Channels != 2 || c.PreSkip != 312 || c.InputRate != 48000 || c.Gain != 0 || c.Family != 0 {
		t.Fatalf("%+v %v", c, err)
	}
	if got := Build(New(2)); !bytes.Equal(got, record) {
		t.Errorf("% x", got)
	}
	// the same in little-endian order (RFC 7845 5.1)
	head := append([]byte("OpusHead"), unhex(t, "0102380180bb0000000000")...)
	if got := BuildHead(c); !bytes.Equal(got, head) {
		t.Errorf("% x", got)
	}
	h, err := ParseHead(head)
	if err != nil || !bytes.Equal(Build(h), record) {
		t.Errorf("%+v %v", h, err)
	}
}

func TestSurround(t *testing.T) {
	c := &Config{Channels: 6, PreSkip: 312, InputRate: 44100, Gain: -256, Family: 1, Streams: 4, Coupled: 2, Mapping: []byte{0, 4, 1, 2, 3, 5}}
	for _, again := range []func() (*Config, error){
		func() (*Config, error) { return Parse(Build(c)) },
		func() (*Config, error) { return ParseHead(BuildHead(c)) },
	} {
		got, err := again()
		if err != nil || got.Gain != -256 || got.Streams != 4 || got.Coupled != 2 || !bytes.Equal(got.Mapping, c.Mapping) {
			t.Errorf("%+v %v", got, err)
		}
	}
}

func TestBad(t *testing.T) {
	for _, s := range []string{"", "010201380000bb80000000", "000001380000bb80000000", "000301380000bb80000000",
		"000301380000bb80000001", "000301380000bb800000010000000102", "000301380000bb800000010102000102"} {
		if _, err := Parse(unhex(t, s)); fault.Code(err) != "opus_config_bad" {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := ParseHead([]byte("OpusHuad\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00")); err == nil {
		t.Error("wrong magic")
	}
}

// Every configuration and frame count lasts what mediacommon says.
func TestSamples(t *testing.T) {
	for toc := range 256 {
		for count := range 64 {
			packet := []byte{byte(toc), byte(count), 1, 2, 3}
			got := Samples(packet)
			want := int(judge.PacketDuration2(packet))
			if got != want && !(got == 0 && want > 5760) {
				t.Fatalf("%08b, %d frames: %d, want %d", toc, count, got, want)
			}
		}
	}
	if Samples(nil) != 0 || Samples([]byte{3}) != 0 {
		t.Error("broken packets last 0")
	}
	if Stereo(nil) || !Stereo([]byte{0xFC}) || Stereo([]byte{0xF8}) {
		t.Error("Stereo")
	}
}

func FuzzOpus(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := Samples(b); n < 0 || n > 5760 {
			t.Fatal(n)
		}
		Stereo(b)
		if Silent(b) && len(b) > 2 && b[0] < 0x80 {
			t.Fatal("SILK says nothing of silence")
		}
		c, err := Parse(b)
		if err != nil {
			if c, err = ParseHead(b); err != nil {
				if fault.Code(err) != "opus_config_bad" {
					t.Fatal(err)
				}
				return
			}
		}
		for _, parse := range []func() (*Config, error){
			func() (*Config, error) { return Parse(Build(c)) },
			func() (*Config, error) { return ParseHead(BuildHead(c)) },
		} {
			again, err := parse()
			if err != nil || !bytes.Equal(Build(again), Build(c)) {
				t.Fatalf("%+v, was %+v (%v)", again, c, err)
			}
		}
		if New(2).Channels != 2 {
			t.Fatal("New")
		}
	})
}
