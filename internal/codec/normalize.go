package codec

import (
	"weir/internal/bits"
	"weir/internal/codec/h264"
	"weir/internal/fault"
	"weir/internal/media"
)

// Normalize brings a video sample into Weir's sample form: access unit delimiters, fillers and AV1 temporal delimiters
// go, H.264 and HEVC come with 4-byte lengths. lengthSize is the size of the lengths that the sample has (1 to 4), or 0
// for an Annex B byte stream; a sample whose lengths do not add up is taken for Annex B if it begins with a start code,
// and is an error otherwise. The result is the sample itself when nothing had to change.
func Normalize(c media.Codec, sample []byte, lengthSize int) ([]byte, error) {
	switch c {
	case media.H264:
		return normalizeNALs(sample, lengthSize, h264.Disposable)
	}
	return sample, nil
}

func normalizeNALs(sample []byte, lengthSize int, drop func([]byte) bool) ([]byte, error) {
	if lengthSize == 0 || !bits.Framed(sample, lengthSize) {
		if !bits.HasStartCode(sample) {
			return nil, fault.New(fault.Invalid, "sample_framing_bad",
				"A video frame is damaged: the lengths of its parts do not add up.",
				"Check the connection between encoder and server; restart the encoder if it stays.")
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
	return dropUnits(sample, drop), nil
}

// dropUnits copies only when there is something to drop.
func dropUnits(sample []byte, drop func([]byte) bool) []byte {
	clean := 0 // bytes that the units kept so far take
	for nal := range bits.Units(sample) {
		if drop(nal) {
			break
		}
		clean += 4 + len(nal)
	}
	if clean == len(sample) {
		return sample
	}
	out := make([]byte, 0, len(sample))
	for nal := range bits.Units(sample) {
		if !drop(nal) {
			out = bits.AppendUnit(out, nal)
		}
	}
	return out
}
