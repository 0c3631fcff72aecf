// Package mpegts turns tracks and frames into an MPEG-2 transport stream (ISO/IEC
// 13818-1) and back. What belongs here: packets, program tables, PES, and how each
// codec lies in them. What does not: sockets, jitter, SRT, HLS segments, and repairing
// times beyond unwrapping them.
package mpegts

import (
	"weir/internal/fault"
	"weir/internal/media"
)

const (
	packetSize = 188
	syncByte   = 0x47
	nullPID    = 0x1FFF
	clock      = 90000   // of PTS, DTS and the PCR's base
	wrap       = 1 << 33 // PTS, DTS and PCR base count modulo this
)

// Stream types (13818-1 table 2-34; 0x81 and 0x87 from ATSC A/52 and A/53).
const (
	typeMPEG1Audio = 0x03
	typeMPEG2Audio = 0x04
	typePrivate    = 0x06
	typeADTS       = 0x0F
	typeLATM       = 0x11
	typeH264       = 0x1B
	typeHEVC       = 0x24
	typeAC3        = 0x81
	typeEAC3       = 0x87
)

// Descriptor tags (13818-1 2.6, ETSI EN 300 468 6.1).
const (
	tagRegistration = 0x05
	tagLanguage     = 0x0A
	tagAC3          = 0x6A
	tagEAC3         = 0x7A
	tagExtension    = 0x7F
	extOpus         = 0x80 // Opus in MPEG-TS: channel configuration
)

// kind is how a codec is announced in the program map table and in PES.
type kind struct {
	stream   byte
	id       byte   // PES stream_id
	register string // registration descriptor
}

func kindOf(t *media.Track) (kind, bool) {
	switch t.Codec {
	case media.H264:
		return kind{stream: typeH264, id: 0xE0}, true
	case media.HEVC:
		return kind{stream: typeHEVC, id: 0xE0, register: "HEVC"}, true
	case media.AAC:
		return kind{stream: typeADTS, id: 0xC0}, true
	case media.MP3:
		if t.SampleRate > 0 && t.SampleRate < 32000 {
			return kind{stream: typeMPEG2Audio, id: 0xC0}, true
		}
		return kind{stream: typeMPEG1Audio, id: 0xC0}, true
	case media.AC3:
		return kind{stream: typeAC3, id: 0xBD, register: "AC-3"}, true
	case media.EAC3:
		return kind{stream: typeEAC3, id: 0xBD, register: "EAC3"}, true
	case media.Opus:
		return kind{stream: typePrivate, id: 0xBD, register: "Opus"}, true
	}
	return kind{}, false
}

// Supports returns nil if frames of the track can be carried, else the reason.
func Supports(t *media.Track) error {
	if _, ok := kindOf(t); ok && t.TimeScale > 0 {
		return nil
	}
	return fault.New(fault.Unsupported, "ts_codec_unsupported",
		t.Codec.String()+" cannot be carried in an MPEG transport stream.", "Play the stream as HLS, DASH or fMP4, or publish H.264 with AAC.")
}

// crcTable is of the CRC of program tables (13818-1 annex A), polynomial 0x04C11DB7.
var crcTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&0x80000000 != 0 {
				c = c<<1 ^ 0x04C11DB7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

func crc32(b []byte) uint32 {
	c := uint32(0xFFFFFFFF)
	for _, v := range b {
		c = c<<8 ^ crcTable[byte(c>>24)^v]
	}
	return c
}
