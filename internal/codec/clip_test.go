package codec_test

import (
	"encoding/binary"
	"math"
	"os"
	"testing"

	"weir/internal/codec"
	"weir/internal/codec/h264"
	"weir/internal/media"
)

// clip is one excerpt of testdata/clips: a configuration and samples.
type clip struct {
	config  []byte
	samples [][]byte
}

func readClip(t testing.TB, name string) clip {
	t.Helper()
	b, err := os.ReadFile("testdata/clips/" + name + ".clip")
	if err != nil {
		t.Fatal(err)
	}
	next := func() []byte {
		n := binary.BigEndian.Uint32(b)
		part := b[4 : 4+n]
		b = b[4+n:]
		return part
	}
	c := clip{config: next()}
	for len(b) > 0 {
		c.samples = append(c.samples, next())
	}
	return c
}

// videoClips hold what ffprobe says: size, rate, key flag of each packet and
// picture type of each frame in decoding order.
var videoClips = []struct {
	name          string
	codec         media.Codec
	width, height int
	rate          float64 // as the bitstream declares it; 0 = it does not
	codecs        string
	reorder       int
	keys, types   string
}{
	{"h264_high", media.H264, 1080, 720, 30000. / 1001, "avc1.64001f", 2, "K-----------------------", "IPBPBBBPBBBPBBPBBBPBBBPB"},
	{"h264_pyramid", media.H264, 800, 640, 30, "avc1.64001f", 2, "K-----------------------", "IPBBBPBBBPBBBPBBBPBBBPBB"},
	{"h264_captions", media.H264, 416, 234, 0, "avc1.4d400d", -1, "K-----------------------", "IPBPBPBPBPBPBPBPBPBPBPBP"},
	{"h264_cbp", media.H264, 1920, 1080, 30, "avc1.42c028", 0, "K-----------------------", "IPPPPPPPPPPPPPPPPPPPPPPP"},
	{"h264_main", media.H264, 640, 360, 25, "avc1.4d401e", 2, "K-----------------------", "IPBBBPBBBPBBBPBBBPBBBPBB"},
	{"h264_portrait", media.H264, 720, 1080, 30000. / 1001, "avc1.64001f", 2, "K-----------------------", "IPBPBPBPBPBBBPBBBPBBBPBB"},
	{"h264_nob", media.H264, 1080, 720, 0, "avc1.640034", 0, "K-----------------------", "IPPPPPPPPPPPPPPPPPPPPPPP"},
	{"h264_interlaced", media.H264, 320, 180, 25, "avc1.640015", 2, "K-----------K-----------", "IPBBBPBBBPBBIPBBBPBBPBBB"},
	{"h264_slices", media.H264, 320, 180, 25, "avc1.42c00c", 0, "K-----------K-----------", "IPPPPPPPPPPPIPPPPPPPPPPP"},
	{"hevc_bframes", media.HEVC, 854, 480, 30, "hvc1.1.6.L90.90", 2, "K-----------------------", "IIPBBBBPBBBBPBBPPBBBBPBB"},
	{"hevc_hlg10", media.HEVC, 1920, 1080, 0, "hvc1.2.4.L153", 0, "K--------", "IPPPPPPPP"},
	{"hevc_422", media.HEVC, 318, 178, 25, "hvc1.4.10.L60.9D.8", 2, "K---------K-----------K-", "??BPBBBPBBIBBPBBBPBBPBIB"},
	{"av1_hdr10", media.AV1, 720, 1280, 0, "av01.0.31M.10.0.111.09.16.09.0", 0, "K-----------------------", ""},
	{"av1_sdr", media.AV1, 1080, 720, 0, "av01.0.05M.08", 0, "K-----------------------", ""},
	{"vp9_bbb", media.VP9, 800, 640, 0, "vp09.00.30.08", 0, "K-----------------------", ""},
	{"vp9_bear", media.VP9, 320, 240, 0, "vp09.00.20.08", 0, "K-----------------------", ""},
	{"vp9_10bit", media.VP9, 176, 144, 0, "vp09.02.10.10", 0, "K-------K------", ""},
	{"vp8", media.VP8, 176, 144, 0, "vp08.00.41.08", 0, "K-------K------", ""},
}

func TestVideoClips(t *testing.T) {
	for _, want := range videoClips {
		t.Run(want.name, func(t *testing.T) {
			c := readClip(t, want.name)
			tr := &media.Track{Codec: want.codec, Config: c.config}
			if err := codec.Describe(tr, c.samples[0]); err != nil {
				t.Fatal(err)
			}
			if tr.Kind != media.Video || tr.TimeScale != 90000 || tr.Width != want.width || tr.Height != want.height ||
				math.Abs(tr.FrameRate-want.rate) > 1e-9 {
				t.Errorf("described as %+v", tr)
			}
			if got := codec.String(tr); got != want.codecs {
				t.Errorf("String = %s, want %s", got, want.codecs)
			}
			if got := codec.Reorder(tr); got != want.reorder {
				t.Errorf("Reorder = %d, want %d", got, want.reorder)
			}
			keys, types := "", ""
			for i, s := range c.samples {
				keys += mark(codec.IsKey(want.codec, s), "K", "-")
				if want.types == "" {
					continue
				}
				other := want.types[i : i+1]
				if other == "B" {
					other = "not B"
				}
				types += mark(codec.IsB(want.codec, s), "B", other)
			}
			if keys != want.keys {
				t.Errorf("keys  %s\n want %s", keys, want.keys)
			}
			if types != want.types {
				t.Errorf("types %s\n want %s", types, want.types)
			}
		})
	}
}

func mark(v bool, yes, no string) string {
	if v {
		return yes
	}
	return no
}

// An encoder with open groups sends one IDR picture and recovery points after it; ffprobe calls both key frames.
func TestOpenGroups(t *testing.T) {
	c := readClip(t, "h264_444")
	tr := &media.Track{Codec: media.H264, Config: c.config}
	if err := codec.Describe(tr, nil); err != nil || tr.Width != 704 || tr.Height != 576 || tr.FrameRate != 1 || codec.String(tr) != "avc1.f40016" || codec.Reorder(tr) != 2 {
		t.Errorf("%+v %v", tr, err)
	}
	keys, types := "", ""
	for _, s := range c.samples {
		frames, recovers := h264.RecoveryPoint(s)
		keys += mark(codec.IsKey(media.H264, s), "K", mark(recovers && frames == 0, "R", "-"))
		types += mark(codec.IsB(media.H264, s), "B", "I")
	}
	if keys != "KR--R--R--R--" || types != "IIBBIBBIBBIBB" {
		t.Errorf("keys %s, types %s", keys, types)
	}
}

func TestAudioClips(t *testing.T) {
	for _, want := range []struct {
		name           string
		codec          media.Codec
		rate, channels int
		codecs         string
		samples        int
	}{
		{"aac_44m", media.AAC, 44100, 1, "mp4a.40.2", 1024},
		{"aac_48s", media.AAC, 48000, 2, "mp4a.40.2", 1024},
		{"opus", media.Opus, 48000, 2, "opus", 480},
		{"ac3_51", media.AC3, 48000, 6, "ac-3", 1536},
		{"ac3_44", media.AC3, 44100, 2, "ac-3", 1536},
		{"eac3_51", media.EAC3, 48000, 6, "ec-3", 1536},
		{"flac", media.FLAC, 44100, 2, "fLaC", 4608},
		{"mp3_48", media.MP3, 48000, 2, "mp4a.6B", 1152},
		{"mp3_22", media.MP3, 22050, 1, "mp4a.6B", 576},
		{"mp2_48", media.MP3, 48000, 2, "mp4a.6B", 1152},
	} {
		t.Run(want.name, func(t *testing.T) {
			c := readClip(t, want.name)
			tr := &media.Track{Codec: want.codec, Config: c.config}
			if err := codec.Describe(tr, c.samples[0]); err != nil {
				t.Fatal(err)
			}
			if tr.Kind != media.Audio || tr.TimeScale != uint32(want.rate) || tr.SampleRate != want.rate || tr.Channels != want.channels {
				t.Errorf("described as %+v", tr)
			}
			if got := codec.String(tr); got != want.codecs {
				t.Errorf("String = %s, want %s", got, want.codecs)
			}
			for i, s := range c.samples {
				if got := codec.SampleDuration(tr, s); got != want.samples {
					t.Errorf("sample %d lasts %d, want %d", i, got, want.samples)
				}
				if !codec.IsKey(want.codec, s) {
					t.Errorf("sample %d is no key", i)
				}
			}
			if got := codec.Reorder(tr); got != 0 {
				t.Errorf("Reorder = %d", got)
			}
		})
	}
}
