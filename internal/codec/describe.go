package codec

import (
	"weir/internal/codec/aac"
	"weir/internal/codec/ac3"
	"weir/internal/codec/av1"
	"weir/internal/codec/flac"
	"weir/internal/codec/g711"
	"weir/internal/codec/h264"
	"weir/internal/codec/hevc"
	"weir/internal/codec/mp3"
	"weir/internal/codec/opus"
	"weir/internal/codec/vp8"
	"weir/internal/codec/vp9"
	"weir/internal/fault"
	"weir/internal/media"
)

// Describe fills the fields of t that its Config (and codec) determine: Kind, Width, Height, FrameRate,
// SampleRate, Channels. TimeScale is left alone unless it is 0; then it becomes 90000 for video, the sample rate
// for audio, 48000 for Opus.
//
// For a track without Config (MP3, VP8 and G.711 have none; AC-3, FLAC, VP9 and AV1 derive it from the first frame;
// H.264 and HEVC may carry it in band) sample may hold the first frame in Weir's sample form, from which Config is built too.
// It also mends a Config that cannot be read. Opus without Config is described by Channels (1 or 2), as RTP has it.
func Describe(t *media.Track, sample []byte) error {
	t.Kind = t.Codec.Kind()
	switch {
	case len(t.Config) > 0:
	case t.Codec == media.Opus && (t.Channels == 1 || t.Channels == 2):
		t.Config = opus.Build(opus.New(t.Channels))
	default:
		t.Config = InBandConfig(t, sample)
	}
	if len(t.Config) == 0 && needsConfig(t.Codec) {
		return fault.New(fault.Invalid, "codec_config_missing",
			"The "+t.Codec.String()+" track came without its decoder configuration.",
			"Let the encoder send its parameter sets or headers at the start of the stream.")
	}
	if err := describe(t, sample); err != nil {
		blank := media.Track{Codec: t.Codec, FrameRate: t.FrameRate}
		fresh := InBandConfig(&blank, sample)
		if fresh == nil {
			return err
		}
		t.Config = fresh
		if err = describe(t, sample); err != nil {
			return err
		}
	}
	if t.TimeScale == 0 {
		t.TimeScale = defaultScale(t)
	}
	return nil
}

// maxConfig bounds a configuration: it goes into the header of every file and into their index, which take no more than
// 1 MiB. Real ones have a few hundred bytes.
const maxConfig = 64 << 10

func describe(t *media.Track, sample []byte) error {
	if len(t.Config) > maxConfig {
		return fault.New(fault.TooLarge, "codec_config_large", "The decoder configuration of the "+t.Codec.String()+" track has more than 64 KiB.",
			"Restart the encoder; if it stays, the encoder or the file is broken.")
	}
	if t.Kind == media.Video {
		return describeVideo(t, sample)
	}
	return describeAudio(t, sample)
}

func needsConfig(c media.Codec) bool {
	switch c {
	case media.UnknownCodec, media.VP8, media.MP3, media.PCMA, media.PCMU:
		return false
	}
	return true
}

func defaultScale(t *media.Track) uint32 {
	switch {
	case t.Kind == media.Video:
		return 90000
	case t.Codec == media.Opus:
		return opus.Rate
	case t.Kind == media.Audio && t.SampleRate > 0:
		return uint32(t.SampleRate)
	default:
		return 1000
	}
}

func describeVideo(t *media.Track, sample []byte) error {
	switch t.Codec {
	case media.H264:
		s, err := h264SPS(t.Config)
		if err != nil {
			return err
		}
		setPicture(t, s.Width, s.Height, s.FrameRate)
	case media.HEVC:
		s, err := hevcSPS(t.Config)
		if err != nil {
			return err
		}
		setPicture(t, s.Width, s.Height, s.FrameRate)
	case media.AV1:
		c, err := av1.ParseConfig(t.Config)
		if err != nil {
			return err
		}
		if fresh := InBandConfig(t, sample); c.Header == nil && fresh != nil {
			t.Config = fresh // a record may leave the sequence header to the first sample
			return describeVideo(t, nil)
		}
		if c.Header != nil {
			setPicture(t, c.Header.Width, c.Header.Height, c.Header.FrameRate)
		}
	case media.VP9:
		if _, err := vp9.ParseConfig(t.Config); err != nil {
			return err
		}
		if h, err := vp9.ParseHeader(sample); err == nil && h.Key {
			setPicture(t, h.Width, h.Height, 0) // vpcC does not tell the size
		}
	case media.VP8:
		if h, err := vp8.ParseHeader(sample); err == nil && h.Key {
			setPicture(t, h.Width, h.Height, 0)
		}
	}
	return nil
}

func setPicture(t *media.Track, width, height int, rate float64) {
	t.Width, t.Height = width, height
	if rate > 0 {
		t.FrameRate = rate
	}
}

func h264SPS(config []byte) (*h264.SPS, error) {
	c, err := h264.ParseConfig(config)
	if err != nil {
		return nil, err
	}
	return h264.ParseSPS(c.SPS[0])
}

func hevcSPS(config []byte) (*hevc.SPS, error) {
	c, err := hevc.ParseConfig(config)
	if err != nil {
		return nil, err
	}
	return hevc.ParseSPS(c.SPS[0])
}

func describeAudio(t *media.Track, sample []byte) error {
	switch t.Codec {
	case media.AAC:
		c, err := aac.Parse(t.Config)
		if err != nil {
			return err
		}
		t.SampleRate, t.Channels = c.SampleRate, c.Channels
	case media.Opus:
		c, err := opus.Parse(t.Config)
		if err != nil {
			return err
		}
		t.SampleRate, t.Channels = opus.Rate, c.Channels
	case media.MP3:
		return describeMP3(t, sample)
	case media.AC3, media.EAC3:
		return describeAC3(t, sample)
	case media.FLAC:
		s, err := flac.Parse(t.Config)
		if err != nil {
			return err
		}
		t.SampleRate, t.Channels = s.SampleRate, s.Channels
	case media.PCMA, media.PCMU:
		if t.SampleRate == 0 {
			t.SampleRate = g711.Rate
		}
		if t.Channels == 0 {
			t.Channels = 1
		}
	}
	return nil
}

// describeMP3 trusts a container's word when there is no frame yet.
func describeMP3(t *media.Track, sample []byte) error {
	if len(sample) == 0 && t.SampleRate > 0 && t.Channels > 0 {
		return nil
	}
	h, err := mp3.Parse(sample)
	if err != nil {
		return err
	}
	t.SampleRate, t.Channels = h.SampleRate, h.Channels
	if t.Bitrate == 0 {
		t.Bitrate = h.Bitrate
	}
	return nil
}

func describeAC3(t *media.Track, sample []byte) error {
	parse := ac3.ParseConfig
	if t.Codec == media.EAC3 {
		parse = ac3.ParseEnhancedConfig
	}
	c, err := parse(t.Config)
	if err != nil {
		return err
	}
	t.Channels = c.Channels
	if c.SampleRate == 0 {
		if h, err := ac3.ParseHeader(sample); err == nil {
			c.SampleRate = h.SampleRate
		}
	}
	if c.SampleRate > 0 {
		t.SampleRate = c.SampleRate
	}
	if t.Bitrate == 0 {
		t.Bitrate = c.Bitrate
	}
	return nil
}
