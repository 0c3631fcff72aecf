package codec_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"weir/internal/bits"
	"weir/internal/codec"
	"weir/internal/codec/av1"
	"weir/internal/fault"
	"weir/internal/media"
)

func TestNormalize(t *testing.T) {
	idr := "\x65\x01\x02"
	want := "\x00\x00\x00\x03" + idr + "\x00\x00\x00\x02\x41\x09"
	long := "\x00\x00\x01\x01" + "\x65" + string(bytes.Repeat([]byte{7}, 256)) // a length of 257 looks like a start code
	for _, c := range []struct {
		name, in   string
		codec      media.Codec
		lengthSize int
		want       string
	}{
		{"as it should be", want, media.H264, 4, want},
		{"annex B", "\x00\x00\x00\x01\x09\xF0\x00\x00\x01" + idr + "\x00\x00\x00\x00\x01\x41\x09", media.H264, 0, want},
		{"annex B where lengths were promised", "\x00\x00\x00\x01" + idr + "\x00\x00\x01\x41\x09\x00\x00", media.H264, 4, want},
		{"delimiter and filler", "\x00\x00\x00\x02\x09\xF0\x00\x00\x00\x03" + idr + "\x00\x00\x00\x02\x0C\xFF\x00\x00\x00\x02\x41\x09", media.H264, 4, want},
		{"2-byte lengths", "\x00\x03" + idr + "\x00\x02\x41\x09", media.H264, 2, want},
		{"3-byte lengths and an empty unit", "\x00\x00\x00\x00\x00\x03" + idr + "\x00\x00\x02\x41\x09", media.H264, 3, want},
		{"1-byte lengths, delimiter", "\x02\x09\xF0\x03" + idr + "\x02\x41\x09", media.H264, 1, want},
		{"a length like a start code", long, media.H264, 4, long},
		{"HEVC delimiter", "\x00\x00\x00\x03\x46\x01\x50\x00\x00\x00\x03\x26\x01\xAF", media.HEVC, 4, "\x00\x00\x00\x03\x26\x01\xAF"},
		{"HEVC annex B", "\x00\x00\x01\x46\x01\x50\x00\x00\x01\x26\x01\xAF", media.HEVC, 0, "\x00\x00\x00\x03\x26\x01\xAF"},
		{"HEVC end of sequence stays", "\x00\x00\x00\x03\x26\x01\xAF\x00\x00\x00\x02\x48\x01", media.HEVC, 4, "\x00\x00\x00\x03\x26\x01\xAF\x00\x00\x00\x02\x48\x01"},
		{"only a delimiter", "\x00\x00\x00\x02\x09\xF0", media.H264, 4, ""},
		{"AV1 temporal delimiter", "\x12\x00\x32\x01\x10", media.AV1, 0, "\x32\x01\x10"},
		{"AV1 without size", "\x12\x00\x30\x10\x11", media.AV1, 0, "\x32\x02\x10\x11"},
		{"AV1 as it should be", "\x32\x02\x10\x11", media.AV1, 0, "\x32\x02\x10\x11"},
		{"VP9 is left alone", "\x82\x49", media.VP9, 4, "\x82\x49"},
	} {
		got, err := codec.Normalize(c.codec, []byte(c.in), c.lengthSize)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: % x, want % x (%v)", c.name, got, c.want, err)
		}
	}
	for _, c := range []struct {
		in         string
		codec      media.Codec
		lengthSize int
	}{
		{"\x00\x00\x00\x09\x65", media.H264, 4}, {"\x65\x88", media.HEVC, 0}, {"\x00\x05\x65", media.H264, 2}, {"\x0A\x05\x00", media.AV1, 0}, {"\x65", media.H264, 9},
	} {
		if _, err := codec.Normalize(c.codec, []byte(c.in), c.lengthSize); fault.Code(err) != "sample_framing_bad" {
			t.Errorf("% x: %v", c.in, err)
		}
	}
}

// A sample in the right form is handed through without a copy.
func TestNormalizeAllocatesNothing(t *testing.T) {
	h := readClip(t, "h264_high").samples[0]
	a := readClip(t, "av1_sdr").samples[0]
	if n := testing.AllocsPerRun(100, func() {
		if got, err := codec.Normalize(media.H264, h, 4); err != nil || &got[0] != &h[0] {
			t.Fatal("copied")
		}
		if got, err := codec.Normalize(media.AV1, a, 0); err != nil || &got[0] != &a[0] {
			t.Fatal("copied")
		}
		codec.IsKey(media.H264, h)
		codec.IsB(media.H264, h)
		codec.IsKey(media.AV1, a)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The configuration that a first sample gives in band describes the same as the one the container had.
func TestInBandConfig(t *testing.T) {
	for _, c := range []struct {
		name  string
		codec media.Codec
	}{
		{"h264_slices", media.H264}, {"h264_captions", media.H264}, {"hevc_bframes", media.HEVC}, {"hevc_422", media.HEVC}, {"av1_sdr", media.AV1}, {"av1_hdr10", media.AV1},
		{"vp9_bbb", media.VP9}, {"vp9_10bit", media.VP9}, {"ac3_51", media.AC3}, {"ac3_44", media.AC3}, {"eac3_51", media.EAC3}, {"flac", media.FLAC},
	} {
		k := readClip(t, c.name)
		known := &media.Track{Codec: c.codec, Config: k.config, FrameRate: 30}
		if err := codec.Describe(known, k.samples[0]); err != nil {
			t.Fatal(c.name, err)
		}
		if got := codec.InBandConfig(known, k.samples[0]); got != nil {
			t.Errorf("%s: % x is news beside % x", c.name, got, known.Config)
		}
		fresh := &media.Track{Codec: c.codec, FrameRate: 30}
		if err := codec.Describe(fresh, k.samples[0]); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		known.Bitrate, fresh.Bitrate = 0, 0
		a, b := *known, *fresh
		a.Config, b.Config = nil, nil
		if !a.SameFormat(&b) || a.FrameRate != b.FrameRate || codec.String(known) != codec.String(fresh) {
			t.Errorf("%s: in band %+v %s\nwas %+v %s", c.name, fresh, codec.String(fresh), known, codec.String(known))
		}
		for _, s := range k.samples[1:] {
			if got := codec.InBandConfig(fresh, s); got != nil {
				t.Errorf("%s: a later sample brings % x beside % x", c.name, got, fresh.Config)
			}
		}
		if has := codec.HasParameterSets(c.codec, k.samples[0]); has != (c.codec <= media.AV1) {
			t.Errorf("%s: HasParameterSets = %v", c.name, has)
		}
	}
}

func TestParameterSets(t *testing.T) {
	for name, want := range map[string]struct {
		codec media.Codec
		first []byte
		count int
	}{"h264_high": {media.H264, []byte{0x67}, 2}, "hevc_bframes": {media.HEVC, []byte{0x40}, 3}, "av1_sdr": {media.AV1, nil, 0}} {
		sets := codec.ParameterSets(&media.Track{Codec: want.codec, Config: readClip(t, name).config})
		if len(sets) != want.count || len(sets) > 0 && !bytes.HasPrefix(sets[0], want.first) {
			t.Errorf("%s: % x", name, sets)
		}
	}
	if codec.ParameterSets(&media.Track{Codec: media.H264}) != nil {
		t.Error("sets out of nothing")
	}
}

func TestLengthSize(t *testing.T) {
	for name, c := range map[string]media.Codec{"h264_high": media.H264, "hevc_bframes": media.HEVC} {
		config := readClip(t, name).config
		at := 4
		if c == media.HEVC {
			at = 21
		}
		short := bytes.Clone(config)
		short[at] = short[at]&^3 | 1
		if codec.LengthSize(c, config) != 4 || codec.LengthSize(c, short) != 2 {
			t.Errorf("%s: %d and %d", name, codec.LengthSize(c, config), codec.LengthSize(c, short))
		}
		if got := codec.WithFourByteLengths(c, short); !bytes.Equal(got, config) || short[at]&3 != 1 {
			t.Errorf("%s: % x", name, got)
		}
		if got := codec.WithFourByteLengths(c, config); &got[0] != &config[0] {
			t.Errorf("%s: copied for nothing", name)
		}
	}
	if codec.LengthSize(media.AV1, nil) != 0 || codec.WithFourByteLengths(media.H264, nil) != nil {
		t.Error("no lengths there")
	}
}

func TestDescribeWithoutConfig(t *testing.T) {
	for c := media.H264; c <= media.PCMU; c++ {
		tr := &media.Track{Codec: c}
		err := codec.Describe(tr, nil)
		want := "codec_config_missing"
		switch c {
		case media.VP8, media.PCMA, media.PCMU:
			want = ""
		case media.MP3:
			want = "mp3_frame_bad"
		}
		if fault.Code(err) != want {
			t.Errorf("%v: %v", c, err)
		}
		if tr.Kind != c.Kind() {
			t.Errorf("%v is %v", c, tr.Kind)
		}
	}
	tr := &media.Track{Codec: media.PCMA}
	if err := codec.Describe(tr, nil); err != nil || tr.SampleRate != 8000 || tr.Channels != 1 || tr.TimeScale != 8000 || codec.SampleDuration(tr, make([]byte, 160)) != 160 {
		t.Errorf("%+v %v", tr, err)
	}
	tr = &media.Track{Codec: media.MP3, SampleRate: 44100, Channels: 2}
	if err := codec.Describe(tr, nil); err != nil || tr.TimeScale != 44100 {
		t.Errorf("%+v %v", tr, err)
	}
	tr = &media.Track{Codec: media.AAC, Config: []byte{0x12, 0x10}, TimeScale: 1000}
	if err := codec.Describe(tr, nil); err != nil || tr.TimeScale != 1000 || tr.SampleRate != 44100 {
		t.Errorf("%+v %v", tr, err)
	}
}

// RTP carries Opus without a header.
func TestDescribeOpusByChannels(t *testing.T) {
	tr := &media.Track{Codec: media.Opus, Channels: 2}
	if err := codec.Describe(tr, nil); err != nil || tr.SampleRate != 48000 || tr.TimeScale != 48000 || !bytes.Equal(tr.Config, readClip(t, "opus").config) {
		t.Errorf("%+v %v", tr, err)
	}
	if err := codec.Describe(&media.Track{Codec: media.Opus, Channels: 6}, []byte{0xFC}); fault.Code(err) != "codec_config_missing" {
		t.Error(err)
	}
}

// Some publishers send an avcC without parameter sets and have them in band.
func TestDescribeMendsConfig(t *testing.T) {
	k := readClip(t, "h264_slices")
	tr := &media.Track{Codec: media.H264, Config: []byte{1, 0x42, 0xC0, 12, 0xFF, 0xE0, 0}}
	if err := codec.Describe(tr, k.samples[0]); err != nil || tr.Width != 320 || !bytes.Equal(tr.Config, k.config) {
		t.Errorf("%+v %v", tr, err)
	}
}

// Hundreds of padded parameter sets make a configuration that no header takes.
func TestDescribeHugeConfig(t *testing.T) {
	k := readClip(t, "h264_slices")
	tr := &media.Track{Codec: media.H264, Config: append(bytes.Clone(k.config), make([]byte, 64<<10)...)}
	if err := codec.Describe(tr, nil); fault.Code(err) != "codec_config_large" {
		t.Error(err)
	}
	if err := codec.Describe(tr, k.samples[0]); err != nil || len(tr.Config) > 64<<10 {
		t.Errorf("%d bytes, %v", len(tr.Config), err)
	}
}

// A configuration of another codec, or none of any, is an error and never a wrong answer.
func TestDescribeBadConfig(t *testing.T) {
	for c := media.H264; c <= media.FLAC; c++ {
		if c == media.VP8 || c == media.MP3 {
			continue
		}
		tr := &media.Track{Codec: c, Config: []byte{0xFF, 0xFF, 0xFF}}
		if err := codec.Describe(tr, nil); err == nil {
			t.Errorf("%v: %+v", c, tr)
		}
		if s := codec.String(tr); s != "" && c < media.Opus && c != media.VP8 {
			t.Errorf("%v: %s", c, s)
		}
		if n := codec.Reorder(tr); n != -1 && c <= media.HEVC {
			t.Errorf("%v: reorder %d", c, n)
		}
	}
}

func BenchmarkIsKey(b *testing.B) {
	for _, c := range videoClips[:18] {
		sample := readClip(b, c.name).samples[1]
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if codec.IsKey(c.codec, sample) {
					b.Fatal("key")
				}
			}
		})
	}
}

func BenchmarkNormalize(b *testing.B) {
	noise := make([]byte, 3000)
	rand.NewChaCha8([32]byte{1}).Read(noise) // coded video looks like noise
	var framed []byte
	for range 4 {
		framed = bits.AppendUnit(framed, append(bits.AppendEscaped([]byte{0x41, 0x9A}, noise), 0x80))
	}
	annexB := bits.AppendAnnexB(nil, framed)
	units := av1.AppendLEB128([]byte{0x32}, 12000)
	units = append(units, make([]byte, 12000)...)
	for _, c := range []struct {
		name   string
		codec  media.Codec
		sample []byte
		size   int
	}{{"clean", media.H264, framed, 4}, {"annexB", media.H264, annexB, 0}, {"av1", media.AV1, units, 0}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.sample)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.Normalize(c.codec, c.sample, c.size); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzCodec(f *testing.F) {
	f.Fuzz(func(t *testing.T, kind, lengthSize uint8, config, sample []byte) {
		c := media.Codec(kind % (uint8(media.PCMU) + 1))
		clean, err := codec.Normalize(c, sample, int(lengthSize%6))
		if err != nil && fault.Code(err) != "sample_framing_bad" {
			t.Fatal(err)
		}
		if err == nil {
			if again, err := codec.Normalize(c, clean, 4); err != nil || !bytes.Equal(again, clean) {
				t.Fatalf("normalized twice: % x, once: % x (%v)", again, clean, err)
			}
			sample = clean
		}
		tr := &media.Track{Codec: c, Config: codec.WithFourByteLengths(c, config)}
		described := codec.Describe(tr, sample)
		if described == nil {
			if tr.TimeScale == 0 || tr.Width > 16384 || tr.Height > 16384 || tr.Kind != c.Kind() {
				t.Fatalf("%+v", tr)
			}
			if codec.String(tr) == "" && c != media.UnknownCodec {
				t.Fatalf("no CODECS parameter for %+v", tr)
			}
			if c <= media.HEVC && c != media.UnknownCodec && (len(codec.ParameterSets(tr)) == 0 || codec.LengthSize(c, tr.Config) != 4) {
				t.Fatalf("%+v", tr)
			}
		} else if fault.Of(described).Kind != fault.Invalid || fault.Of(described).Remedy == "" {
			t.Fatal(described)
		}
		if n := codec.SampleDuration(tr, sample); n < 0 || c.Kind() == media.Video && n != 0 {
			t.Fatal(n)
		}
		if n := codec.Reorder(tr); n < -1 || n > 16 {
			t.Fatal(n)
		}
		if fresh := codec.InBandConfig(tr, sample); fresh != nil {
			tr.Config = fresh
			if err := codec.Describe(tr, sample); err != nil {
				t.Fatalf("own config % x: %v", fresh, err)
			}
			if twice := codec.InBandConfig(tr, sample); twice != nil {
				t.Fatalf("news twice: % x, then % x", fresh, twice)
			}
			if c <= media.AV1 && len(codec.ParameterSets(tr)) == 0 && !codec.HasParameterSets(c, sample) {
				t.Fatal("a configuration out of nothing")
			}
		}
		if codec.Silent(tr, sample) && c.Kind() != media.Audio {
			t.Fatal("a silent picture")
		}
		if codec.IsB(c, sample) && codec.IsKey(c, sample) {
			t.Fatal("a random access point with B slices")
		}
	})
}
