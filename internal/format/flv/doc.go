// Package flv turns FLV bytes into media frames and back: the bodies of audio
// and video tags, which RTMP messages share, and the FLV file around them.
//
// What belongs here: Adobe's Video File Format 10.1 Annex E, Enhanced RTMP v1
// and v2 (veovera), the dialect that sends HEVC as codec id 12, and the tracks
// that a stream of tags describes, as pure code. What does not: RTMP messages
// and AMF decoding (format/rtmpmsg), sockets, and repairing clocks over
// publishers (hub).
package flv

import (
	"errors"

	"weir/internal/fault"
	"weir/internal/media"
)

// TagType is the kind of a tag; RTMP's message types are the same numbers.
type TagType uint8

// Tag types, Annex E.4.1.
const (
	TagAudio  TagType = 8
	TagVideo  TagType = 9
	TagScript TagType = 18
)

// Sound formats, Annex E.4.2.1; 9 is Enhanced RTMP's header, 13 the Chinese dialect's Opus.
const (
	soundMP3      = 2
	soundPCMA     = 7
	soundPCMU     = 8
	soundEnhanced = 9
	soundAAC      = 10
	soundOpus     = 13
	soundMP3At8k  = 14
)

// Video codec ids, Annex E.4.3.1; 12 is the Chinese dialect's HEVC, 13 its AV1.
const (
	videoAVC  = 7
	videoHEVC = 12
	videoAV1  = 13
)

// Packet types of Enhanced RTMP. The first two of legacy AVC and AAC are the same.
const (
	packetStart     = 0
	packetFrames    = 1
	packetEnd       = 2
	packetFramesX   = 3 // video: coded frames without composition time
	packetMetadata  = 4 // video; audio: multichannel configuration
	packetTSStart   = 5 // video: sequence start in MPEG-2 TS form; audio: multitrack
	packetMultitrk  = 6 // video
	packetModEx     = 7
	audioMultitrk   = 5
	frameTypeKey    = 1
	frameTypeInter  = 2
	frameTypeCmd    = 5
	exHeader        = 0x80
	oneTrack        = 0
	manyTracksCodec = 2
	modExNano       = 0 // the ModEx that carries a nanosecond offset
)

type fourCC uint32

const (
	fourAVC  fourCC = 'a'<<24 | 'v'<<16 | 'c'<<8 | '1'
	fourHEVC fourCC = 'h'<<24 | 'v'<<16 | 'c'<<8 | '1'
	fourAV1  fourCC = 'a'<<24 | 'v'<<16 | '0'<<8 | '1'
	fourVP9  fourCC = 'v'<<24 | 'p'<<16 | '0'<<8 | '9'
	fourVP8  fourCC = 'v'<<24 | 'p'<<16 | '0'<<8 | '8'
	fourAAC  fourCC = 'm'<<24 | 'p'<<16 | '4'<<8 | 'a'
	fourOpus fourCC = 'O'<<24 | 'p'<<16 | 'u'<<8 | 's'
	fourFLAC fourCC = 'f'<<24 | 'L'<<16 | 'a'<<8 | 'C'
	fourAC3  fourCC = 'a'<<24 | 'c'<<16 | '-'<<8 | '3'
	fourEAC3 fourCC = 'e'<<24 | 'c'<<16 | '-'<<8 | '3'
	fourMP3  fourCC = '.'<<24 | 'm'<<16 | 'p'<<8 | '3'
)

func (f fourCC) String() string {
	return string([]byte{byte(f >> 24), byte(f >> 16), byte(f >> 8), byte(f)})
}

func (f fourCC) codec() media.Codec {
	switch f {
	case fourAVC:
		return media.H264
	case fourHEVC:
		return media.HEVC
	case fourAV1:
		return media.AV1
	case fourVP9:
		return media.VP9
	case fourVP8:
		return media.VP8
	case fourAAC:
		return media.AAC
	case fourOpus:
		return media.Opus
	case fourFLAC:
		return media.FLAC
	case fourAC3:
		return media.AC3
	case fourEAC3:
		return media.EAC3
	case fourMP3:
		return media.MP3
	}
	return media.UnknownCodec
}

func fourOf(c media.Codec) fourCC {
	switch c {
	case media.H264:
		return fourAVC
	case media.HEVC:
		return fourHEVC
	case media.AV1:
		return fourAV1
	case media.VP9:
		return fourVP9
	case media.VP8:
		return fourVP8
	case media.AAC:
		return fourAAC
	case media.Opus:
		return fourOpus
	case media.FLAC:
		return fourFLAC
	case media.AC3:
		return fourAC3
	case media.EAC3:
		return fourEAC3
	case media.MP3:
		return fourMP3
	}
	return 0
}

// FourCC is the codec's name in Enhanced RTMP ("hvc1"), "" if it has none.
func FourCC(c media.Codec) string {
	if f := fourOf(c); f != 0 {
		return f.String()
	}
	return ""
}

// What a stream can do wrong.
var (
	ErrTruncated   = errors.New("flv: the tag is cut short")
	ErrTagTooLarge = errors.New("flv: the tag is larger than allowed")
	ErrNotFLV      = errors.New("flv: not an FLV stream")
	ErrTooMany     = errors.New("flv: too many tracks")
)

func unsupported(what string) error {
	return fault.New(fault.Unsupported, "codec_unsupported", "The publisher sends "+what+", which Weir does not read.",
		"Use H.264, HEVC, AV1, VP9 or VP8 for video and AAC, Opus, MP3, AC-3, FLAC or G.711 for audio.")
}
