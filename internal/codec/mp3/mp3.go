// Package mp3 reads the header of MPEG audio frames: MPEG-1, MPEG-2 and MPEG-2.5,
// layers I to III (ISO/IEC 11172-3 2.4.2.3, ISO/IEC 13818-3). What belongs here:
// facts read from bytes. What does not: decoding audio, ID3 tags.
package mp3

import (
	"errors"

	"weir/internal/bits"
	"weir/internal/fault"
)

// CodecString is the CODECS parameter: RFC 6381 with object type 0x6B, the one form for MP3 in MP4 that
// Chromium's file playback takes ("probably"; its Media Source takes MP3 only as audio/mpeg, and neither "mp4a.40.34" nor "mp3" in MP4).
const CodecString = "mp4a.6B"

// Header is one frame's header.
type Header struct {
	Version    int // 1, 2, or 25 for MPEG-2.5
	Layer      int // 1, 2 or 3
	Bitrate    int // bit/s; 0 = free format
	SampleRate int
	Channels   int
	Samples    int // per channel in this frame
	Size       int // bytes of the frame with its header; 0 = free format
}

func bad(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "mp3_frame_bad",
		"An MPEG audio frame header cannot be read.", "Check the connection between encoder and server; restart the encoder if it stays.")
}

// Made once: who looks for a header asks at every byte.
var (
	errNoSync   = bad("no sync word")
	errReserved = bad("reserved value")
)

// bitrates gives kbit/s by table row and index.
var bitrates = [...][15]int{
	{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}, // MPEG-1 layer I
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},    // MPEG-1 layer II
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},     // MPEG-1 layer III
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},    // MPEG-2 layer I
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},         // MPEG-2 layers II and III
}

var sampleRates = [...]int{44100, 48000, 32000}

// Parse reads the header at the start of b. The frame itself need not be whole.
func Parse(b []byte) (Header, error) {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE0 != 0xE0 {
		return Header{}, errNoSync
	}
	version, layer := b[1]>>3&3, 4-int(b[1]>>1&3)
	rate, index := int(b[2]>>2&3), int(b[2]>>4)
	if version == 1 || layer == 4 || rate == 3 || index == 15 {
		return Header{}, errReserved
	}
	h := Header{Layer: layer, SampleRate: sampleRates[rate], Channels: 2}
	if b[3]>>6 == 3 {
		h.Channels = 1
	}
	row := layer - 1
	switch version {
	case 3:
		h.Version = 1
	case 2:
		h.Version = 2
		h.SampleRate /= 2
	default:
		h.Version = 25
		h.SampleRate /= 4
	}
	if h.Version != 1 {
		row = 3
		if layer > 1 {
			row = 4
		}
	}
	h.Bitrate = bitrates[row][index] * 1000
	h.Samples = samples(h.Version, layer)
	h.Size = h.size(int(b[2] >> 1 & 1))
	return h, nil
}

func samples(version, layer int) int {
	switch {
	case layer == 1:
		return 384
	case layer == 3 && version != 1:
		return 576
	default:
		return 1152
	}
}

func (h Header) size(padding int) int {
	if h.Bitrate == 0 {
		return 0
	}
	if h.Layer == 1 {
		return (12*h.Bitrate/h.SampleRate + padding) * 4
	}
	return h.Samples/8*h.Bitrate/h.SampleRate + padding
}

// Silent reports digital silence in a frame of MPEG-1 layer III by its side information (ISO/IEC 11172-3 2.4.1.7): it has no values in any granule.
func Silent(f []byte) bool {
	if len(f) < 36 || f[1]>>3&3 != 3 || f[1]>>1&3 != 1 { // MPEG-1 layer III
		return false
	}
	at, channels := 4, 2
	if f[1]&1 == 0 {
		at += 2 // CRC
	}
	if f[3]>>6 == 3 {
		channels = 1
	}
	r := bits.NewReader(f[at:])
	r.Skip(9 + 7 - 2*channels + 4*channels) // main_data_begin, private_bits (5 or 3), scfsi
	for range 2 * channels {
		r.Skip(12)
		if r.U(9) != 0 { // big_values
			return false
		}
		r.Skip(38)
	}
	return r.OK()
}
