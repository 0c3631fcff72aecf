// Package vp8 reads what a server must know of a VP8 stream: the frame tag (RFC
// 6386 9.1). What belongs here: facts read from bytes. What does not: decoding
// pictures, and any container.
package vp8

import (
	"errors"

	"weir/internal/fault"
)

// CodecString is the CODECS parameter for a VP8 track in ISO BMFF, in the form of the
// VP Codec ISO Media File Format Binding 1.0 ("Codecs Parameter String"): profile, level, bit depth. VP8 streams state no
// level, so it is a fixed 4.1. Chromium plays VP8 in WebM ("vp8") and not in MP4, whatever the parameter.
const CodecString = "vp08.00.41.08"

// Header is the frame tag; only a key frame has a size.
type Header struct {
	Key           bool
	Version       int
	Show          bool
	Width, Height int
}

func bad(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "vp8_frame_bad",
		"A VP8 frame header cannot be read.", "Check the connection between encoder and server; restart the encoder if it stays.")
}

// ParseHeader reads the frame tag at the start of a frame.
func ParseHeader(frame []byte) (Header, error) {
	if len(frame) < 3 {
		return Header{}, bad("cut short")
	}
	h := Header{Key: frame[0]&1 == 0, Version: int(frame[0] >> 1 & 7), Show: frame[0]&0x10 != 0}
	if !h.Key {
		return h, nil
	}
	if len(frame) < 10 || frame[3] != 0x9D || frame[4] != 0x01 || frame[5] != 0x2A {
		return Header{}, bad("no start code in a key frame")
	}
	h.Width = int(frame[6]) | int(frame[7]&0x3F)<<8 // the top two bits are a scaling hint
	h.Height = int(frame[8]) | int(frame[9]&0x3F)<<8
	if h.Width == 0 || h.Height == 0 {
		return Header{}, bad("empty picture")
	}
	return h, nil
}

// IsKey reports whether a frame is a key frame.
func IsKey(frame []byte) bool {
	return len(frame) >= 10 && frame[0]&1 == 0 && frame[3] == 0x9D && frame[4] == 0x01 && frame[5] == 0x2A
}
