// Package codec answers the questions that hold for every codec: what a track's
// configuration says, which frames are random access points, how the CODECS
// parameter is written. What belongs here: dispatch over media.Codec. What does
// not: the parsing itself, which each codec's own package below does, and anything
// about containers or wires.
package codec

import (
	"weir/internal/bits"
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
	"weir/internal/media"
)

// String gives the RFC 6381 CODECS parameter for the track ("avc1.64001f"), "" where the configuration does not tell.
func String(t *media.Track) string {
	switch t.Codec {
	case media.H264:
		return text(h264.ParseConfig(t.Config))
	case media.HEVC:
		return text(hevc.ParseConfig(t.Config))
	case media.AV1:
		return text(av1.ParseConfig(t.Config))
	case media.VP9:
		return text(vp9.ParseConfig(t.Config))
	case media.AAC:
		return text(aac.Parse(t.Config))
	case media.VP8:
		return vp8.CodecString
	case media.Opus:
		return opus.CodecString
	case media.MP3:
		return mp3.CodecString
	case media.AC3:
		return ac3.CodecString
	case media.EAC3:
		return ac3.EnhancedCodecString
	case media.FLAC:
		return flac.CodecString
	case media.PCMA:
		return g711.ALaw
	case media.PCMU:
		return g711.MuLaw
	}
	return ""
}

func text[C interface{ String() string }](c C, err error) string {
	if err != nil {
		return ""
	}
	return c.String()
}

// IsKey reports whether a sample is a random access point. Every audio frame is one.
func IsKey(c media.Codec, sample []byte) bool {
	switch c {
	case media.H264:
		return h264.IsKey(sample)
	case media.HEVC:
		return hevc.IsKey(sample)
	case media.AV1:
		return av1.IsKey(sample)
	case media.VP9:
		return vp9.IsKey(sample)
	case media.VP8:
		return vp8.IsKey(sample)
	}
	return c.Kind() == media.Audio
}

// IsB reports whether an H.264 or HEVC sample holds a B slice (false where it cannot be told).
func IsB(c media.Codec, sample []byte) bool {
	switch c {
	case media.H264:
		return h264.IsB(sample)
	case media.HEVC:
		return hevc.IsB(sample)
	}
	return false
}

// Reorder returns how many frames the configuration says may be reordered: -1 unknown, 0 no B-frames.
func Reorder(t *media.Track) int {
	switch t.Codec {
	case media.H264:
		if s, err := h264SPS(t.Config); err == nil {
			return s.Reorder
		}
		return -1
	case media.HEVC:
		if s, err := hevcSPS(t.Config); err == nil {
			return s.Reorder
		}
		return -1
	case media.UnknownCodec:
		return -1
	}
	return 0 // AV1, VP9 and VP8 hide reordering inside their samples; audio has none
}

// ParameterSets gives the parameter set NAL units of t.Config in the order VPS, SPS, PPS, without lengths or start
// codes; nil for codecs other than H.264 and HEVC. They share the memory of Config.
func ParameterSets(t *media.Track) [][]byte {
	switch t.Codec {
	case media.H264:
		if c, err := h264.ParseConfig(t.Config); err == nil {
			return join(c.SPS, c.PPS)
		}
	case media.HEVC:
		if c, err := hevc.ParseConfig(t.Config); err == nil {
			return join(c.VPS, c.SPS, c.PPS)
		}
	}
	return nil
}

func join(lists ...[][]byte) (all [][]byte) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// HasParameterSets reports whether a sample carries parameter sets of its own (H.264, HEVC) or a sequence header (AV1).
func HasParameterSets(c media.Codec, sample []byte) bool {
	if c == media.AV1 {
		_, ok := av1.InBand(sample)
		return ok
	}
	if c != media.H264 && c != media.HEVC {
		return false
	}
	for nal := range bits.Units(sample) {
		if c == media.H264 && h264.NALType(nal) == h264.NALSPS || c == media.HEVC && hevc.NALType(nal) == hevc.NALSPS {
			return true
		}
	}
	return false
}

// SampleDuration is the number of samples in one audio frame, at the track's sample rate (Opus: at 48 kHz); 0 if unknown.
func SampleDuration(t *media.Track, sample []byte) int {
	switch t.Codec {
	case media.AAC:
		return aac.Samples(t.Config)
	case media.Opus:
		return opus.Samples(sample)
	case media.MP3:
		if h, err := mp3.Parse(sample); err == nil {
			return h.Samples
		}
	case media.AC3, media.EAC3:
		return ac3.Samples(sample)
	case media.FLAC:
		if f, err := flac.ParseFrame(sample); err == nil {
			return f.Block
		}
	case media.PCMA, media.PCMU:
		return g711.Samples(len(sample), t.Channels)
	}
	return 0
}

// Silent reports whether an audio frame holds digital silence, as far as that can be told without decoding it.
func Silent(t *media.Track, frame []byte) bool {
	switch t.Codec {
	case media.AAC:
		return aac.Silent(frame)
	case media.Opus:
		return opus.Silent(frame)
	case media.MP3:
		return mp3.Silent(frame)
	case media.FLAC:
		return flac.Silent(frame, t.Channels)
	case media.PCMA:
		return g711.SilentALaw(frame)
	case media.PCMU:
		return g711.SilentMuLaw(frame)
	}
	return false
}

// InBandConfig looks for parameter sets or a sequence header inside a sample and returns a new Config if one is there
// and differs from t.Config, else nil.
func InBandConfig(t *media.Track, sample []byte) []byte {
	switch t.Codec {
	case media.H264:
		return h264.Update(t.Config, sample)
	case media.HEVC:
		return hevc.Update(t.Config, sample)
	case media.AV1:
		return av1.Update(t.Config, sample)
	case media.VP9:
		return vp9.Update(t.Config, sample, t.FrameRate)
	case media.AC3, media.EAC3:
		return ac3.Update(t.Config, sample, t.Codec == media.EAC3)
	case media.FLAC:
		return flac.Update(t.Config, sample)
	}
	return nil
}
