// Package rtp turns frames into RTP packets and RTP packets back into frames,
// one payload format per codec (RFC 6184, 7798, 7741, 9628, the AV1 RTP payload
// specification, RFC 7587 and RFC 3551).
//
// What belongs here: the bytes of RTP payloads, the shared form of a packet that
// all viewers of a stream are served from, and the assembler that restores
// order, notices loss and gives back whole access units. What does not: sockets,
// SRTP, RTCP scheduling, session descriptions, and the clock: time is always an
// argument.
package rtp

import (
	"encoding/binary"

	"weir/internal/fault"
	"weir/internal/media"
)

const (
	// MaxPayload is the most that follows the RTP header. With 12 bytes of header and
	// 16 of authentication tag a packet stays below 1280 bytes of IPv6 with room to spare.
	MaxPayload = 1188
	// HeaderSize is the length of the fixed RTP header, which is all the header a shared packet has.
	HeaderSize = 12
	// VideoClock is the RTP clock rate of every video payload format.
	VideoClock = 90000
	// OpusClock is the RTP clock rate of Opus, whatever the audio's sample rate (RFC 7587 section 4.1).
	OpusClock = 48000
)

// ClockRate is the RTP clock rate of a codec, 0 when the codec has no payload format here.
func ClockRate(c media.Codec) uint32 {
	switch c {
	case media.H264, media.HEVC, media.VP8, media.VP9, media.AV1:
		return VideoClock
	case media.Opus:
		return OpusClock
	case media.PCMA, media.PCMU:
		return 8000
	default:
		return 0
	}
}

// Header is the part of a packet's header that differs between viewers of one shared packet.
type Header struct {
	PayloadType uint8
	Sequence    uint16
	Timestamp   uint32
	SSRC        uint32
}

// Put writes the header over the first 12 bytes of p, keeping the marker and padding bits that are there.
func (h Header) Put(p []byte) {
	_ = p[11]
	p[0] = p[0]&0x20 | 0x80
	p[1] = p[1]&0x80 | h.PayloadType&0x7f
	binary.BigEndian.PutUint16(p[2:], h.Sequence)
	binary.BigEndian.PutUint32(p[4:], h.Timestamp)
	binary.BigEndian.PutUint32(p[8:], h.SSRC)
}

// Read gives the header of a shared packet. It must be at least 12 bytes long.
func Read(p []byte) Header {
	_ = p[11]
	return Header{
		PayloadType: p[1] & 0x7f,
		Sequence:    binary.BigEndian.Uint16(p[2:]),
		Timestamp:   binary.BigEndian.Uint32(p[4:]),
		SSRC:        binary.BigEndian.Uint32(p[8:]),
	}
}

// Marker tells whether the packet is the last one of its frame (video).
func Marker(p []byte) bool { return p[1]&0x80 != 0 }

func unsupported(c media.Codec) error {
	return fault.New(fault.Unsupported, "codec_not_in_rtp",
		c.String()+" has no RTP payload format in Weir.", "Publish H.264 with Opus, or watch over HLS.")
}
