package codec

import (
	"weir/internal/bits"
	"weir/internal/codec/av1"
	"weir/internal/codec/h264"
	"weir/internal/codec/hevc"
	"weir/internal/fault"
	"weir/internal/media"
)

// Normalize brings a video sample into Weir's sample form: access unit delimiters, fillers and AV1 temporal delimiters
// go, H.264 and HEVC come with 4-byte lengths. lengthSize is the size of the lengths that the sample has (1 to 4), or 0
// for an Annex B byte stream; a sample whose lengths do not add up is taken for Annex B if it begins with a start code,
// and is an error otherwise. The result is the sample itself when nothing had to change; it may be empty.
func Normalize(c media.Codec, sample []byte, lengthSize int) ([]byte, error) {
	switch c {
	case media.H264:
		return normalizeNALs(sample, lengthSize, h264.Disposable)
	case media.HEVC:
		return normalizeNALs(sample, lengthSize, hevc.Disposable)
	case media.AV1:
		return normalizeOBUs(sample)
	}
	return sample, nil
}

func badFraming() error {
	return fault.New(fault.Invalid, "sample_framing_bad",
		"A video frame is damaged: the lengths of its parts do not add up.",
		"Check the connection between encoder and server; restart the encoder if it stays.")
}

func normalizeNALs(sample []byte, lengthSize int, drop func([]byte) bool) ([]byte, error) {
	if lengthSize == 0 || !bits.Framed(sample, lengthSize) {
		if !bits.HasStartCode(sample) {
			return nil, badFraming()
		}
		out := make([]byte, 0, len(sample)+16)
		for nal := range bits.AnnexB(sample) {
			if !drop(nal) {
				out = bits.AppendUnit(out, nal)
			}
		}
		return out, nil
	}
	if lengthSize != 4 {
		sample = bits.AppendWidened(make([]byte, 0, len(sample)+64), sample, lengthSize)
	}
	clean := 0 // bytes that the units to keep take
	for nal := range bits.Units(sample) {
		if drop(nal) {
			break
		}
		clean += 4 + len(nal)
	}
	if clean == len(sample) {
		return sample, nil
	}
	out := make([]byte, 0, len(sample))
	for nal := range bits.Units(sample) {
		if !drop(nal) {
			out = bits.AppendUnit(out, nal)
		}
	}
	return out, nil
}

// normalizeOBUs gives every unit a size field, so that samples can be cut and joined.
func normalizeOBUs(sample []byte) ([]byte, error) {
	if !av1.Framed(sample) {
		return nil, badFraming()
	}
	clean := true
	for o := range av1.OBUs(sample) {
		if av1.Disposable(o.Type) || !o.Sized {
			clean = false
			break
		}
	}
	if clean {
		return sample, nil
	}
	out := make([]byte, 0, len(sample)+8)
	for o := range av1.OBUs(sample) {
		if !av1.Disposable(o.Type) {
			out = av1.AppendSized(out, o)
		}
	}
	return out, nil
}

// LengthSize is the size of the NAL unit lengths that samples of a configuration have (1, 2 or 4), 0 when it does not tell.
func LengthSize(c media.Codec, config []byte) int {
	switch c {
	case media.H264:
		if p, err := h264.ParseConfig(config); err == nil {
			return p.LengthSize
		}
	case media.HEVC:
		if p, err := hevc.ParseConfig(config); err == nil {
			return p.LengthSize
		}
	}
	return 0
}

// WithFourByteLengths gives a configuration that fits samples as Normalize makes them: config itself when its lengths are
// of 4 bytes already, otherwise a changed copy.
func WithFourByteLengths(c media.Codec, config []byte) []byte {
	if n := LengthSize(c, config); n == 0 || n == 4 {
		return config
	}
	at := 4 // lengthSizeMinusOne in avcC
	if c == media.HEVC {
		at = 21
	}
	out := append([]byte(nil), config...)
	out[at] |= 3
	return out
}
