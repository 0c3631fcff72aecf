// Package codec answers the questions that hold for every codec: what a track's
// configuration says, which frames are random access points, how the CODECS
// parameter is written. What belongs here: dispatch over media.Codec. What does
// not: the parsing itself, which each codec's own package below does, and anything
// about containers or wires.
package codec

import (
	"weir/internal/codec/aac"
	"weir/internal/codec/h264"
	"weir/internal/fault"
	"weir/internal/media"
)

// Describe fills the fields of t that its Config (and codec) determine: Kind, Width, Height, FrameRate,
// SampleRate, Channels. TimeScale is left alone unless it is 0; then it becomes 90000 for video, the sample rate
// for audio, 48000 for Opus.
//
// For a track without Config (MP3, VP8 and G.711 have none; AC-3, FLAC, VP9 and AV1 derive it from the first frame;
// H.264 and HEVC may carry it in band) sample may hold the first frame in Weir's sample form, from which Config is built too.
func Describe(t *media.Track, sample []byte) error {
	t.Kind = t.Codec.Kind()
	if len(t.Config) == 0 && len(sample) > 0 {
		t.Config = InBandConfig(t, sample)
	}
	if err := describe(t, sample); err != nil {
		return err
	}
	if t.TimeScale == 0 {
		t.TimeScale = defaultScale(t)
	}
	return nil
}

func defaultScale(t *media.Track) uint32 {
	switch {
	case t.Kind == media.Video:
		return 90000
	case t.Codec == media.Opus:
		return 48000
	case t.Kind == media.Audio && t.SampleRate > 0:
		return uint32(t.SampleRate)
	default:
		return 1000
	}
}

func describe(t *media.Track, sample []byte) error {
	switch t.Codec {
	case media.H264:
		return describeH264(t)
	case media.AAC:
		return describeAAC(t)
	}
	return nil
}

// errNoConfig is the answer for a track whose codec needs a configuration that neither Config nor the sample holds.
func errNoConfig(t *media.Track) error {
	return fault.New(fault.Invalid, "codec_config_missing",
		"The "+t.Codec.String()+" track came without its decoder configuration.",
		"Let the encoder send its parameter sets or headers at the start of the stream.")
}

func describeH264(t *media.Track) error {
	if len(t.Config) == 0 {
		return errNoConfig(t)
	}
	c, err := h264.ParseConfig(t.Config)
	if err != nil {
		return err
	}
	s, err := h264.ParseSPS(c.SPS[0])
	if err != nil {
		return err
	}
	t.Width, t.Height = s.Width, s.Height
	if s.FrameRate > 0 {
		t.FrameRate = s.FrameRate
	}
	return nil
}

func describeAAC(t *media.Track) error {
	if len(t.Config) == 0 {
		return errNoConfig(t)
	}
	c, err := aac.Parse(t.Config)
	if err != nil {
		return err
	}
	t.SampleRate, t.Channels = c.SampleRate, c.Channels
	return nil
}

// String gives the RFC 6381 CODECS parameter for the track ("avc1.64001f"), "" where the configuration does not tell.
func String(t *media.Track) string {
	switch t.Codec {
	case media.H264:
		if c, err := h264.ParseConfig(t.Config); err == nil {
			return c.String()
		}
	case media.AAC:
		if c, err := aac.Parse(t.Config); err == nil {
			return c.String()
		}
	}
	return ""
}

// IsKey reports whether a sample is a random access point. Every audio frame is one.
func IsKey(c media.Codec, sample []byte) bool {
	switch c {
	case media.H264:
		return h264.IsKey(sample)
	}
	return c.Kind() == media.Audio
}

// ParameterSets gives the parameter set NAL units of t.Config in the order VPS, SPS, PPS, without lengths or start
// codes; nil for codecs other than H.264 and HEVC. They share the memory of Config.
func ParameterSets(t *media.Track) [][]byte {
	switch t.Codec {
	case media.H264:
		if c, err := h264.ParseConfig(t.Config); err == nil {
			return append(append(make([][]byte, 0, len(c.SPS)+len(c.PPS)), c.SPS...), c.PPS...)
		}
	}
	return nil
}

// SampleDuration is the number of samples in one audio frame, at the track's sample rate (Opus: at 48 kHz); 0 if unknown.
func SampleDuration(t *media.Track, sample []byte) int {
	switch t.Codec {
	case media.AAC:
		if c, err := aac.Parse(t.Config); err == nil {
			return c.Samples()
		}
	}
	return 0
}

// InBandConfig looks for parameter sets or a sequence header inside a sample and returns a new Config if one is there
// and differs from t.Config, else nil.
func InBandConfig(t *media.Track, sample []byte) []byte {
	switch t.Codec {
	case media.H264:
		sps, pps := h264.InBand(sample)
		return h264.Update(t.Config, sps, pps)
	}
	return nil
}

// IsB reports whether an H.264 or HEVC sample holds a B slice (false where it cannot be told).
func IsB(c media.Codec, sample []byte) bool {
	switch c {
	case media.H264:
		return h264.IsB(sample)
	}
	return false
}

// Reorder returns how many frames the configuration says may be reordered: -1 unknown, 0 no B-frames.
func Reorder(t *media.Track) int {
	switch t.Codec {
	case media.H264:
		c, err := h264.ParseConfig(t.Config)
		if err != nil {
			return -1
		}
		s, err := h264.ParseSPS(c.SPS[0])
		if err != nil {
			return -1
		}
		return s.Reorder
	case media.UnknownCodec, media.HEVC:
		return -1
	}
	return 0
}
