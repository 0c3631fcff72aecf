package flv

import (
	"encoding/binary"
	"fmt"

	"weir/internal/media"
)

// packet is what one tag body says about one track.
type packet struct {
	codec media.Codec
	track uint8
	kind  uint8 // packetStart, packetFrames or packetEnd
	cts   int32 // ms
	nano  int64 // to be added to the tag's timestamp
	sound uint8 // legacy audio: the flags byte
	data  []byte
}

// parseVideo appends what a video tag body holds. Bodies that carry no media
// (info frames, colour metadata, commands) append nothing.
func parseVideo(dst []packet, b []byte) ([]packet, error) {
	if len(b) == 0 {
		return dst, nil // DJI and OBS send empty tags
	}
	if b[0]&exHeader != 0 {
		return parseEnhanced(dst, b, media.Video)
	}
	if b[0]>>4 == frameTypeCmd {
		return dst, nil
	}
	p := packet{kind: packetFrames}
	switch b[0] & 0x0F {
	case videoAVC:
		p.codec = media.H264
	case videoHEVC:
		p.codec = media.HEVC
	case videoAV1:
		p.codec = media.AV1
	default:
		return dst, unsupported(fmt.Sprintf("video in FLV codec id %d", b[0]&0x0F))
	}
	if len(b) < 5 {
		return dst, nil // ffmpeg ends a stream with a header and nothing behind it
	}
	p.kind, p.cts, p.data = b[1], int24(b[2:]), b[5:]
	if p.kind > packetEnd {
		return dst, nil
	}
	return append(dst, p), nil
}

// parseAudio appends what an audio tag body holds.
func parseAudio(dst []packet, b []byte) ([]packet, error) {
	if len(b) == 0 {
		return dst, nil
	}
	p := packet{kind: packetFrames, sound: b[0], data: b[1:]}
	switch b[0] >> 4 {
	case soundEnhanced:
		return parseEnhanced(dst, b, media.Audio)
	case soundAAC, soundOpus:
		p.codec = media.AAC
		if b[0]>>4 == soundOpus {
			p.codec = media.Opus
		}
		if len(b) < 2 {
			return dst, nil
		}
		p.kind, p.data = b[1], b[2:]
		if p.kind > packetFrames {
			return dst, nil
		}
	case soundMP3, soundMP3At8k:
		p.codec = media.MP3
	case soundPCMA:
		p.codec = media.PCMA
	case soundPCMU:
		p.codec = media.PCMU
	default:
		return dst, unsupported(soundName(b[0] >> 4))
	}
	if len(p.data) == 0 {
		return dst, nil
	}
	return append(dst, p), nil
}

func soundName(format uint8) string {
	switch format {
	case 0, 3:
		return "uncompressed audio (PCM)"
	case 1:
		return "ADPCM audio"
	case 4, 5, 6:
		return "Nellymoser audio"
	case 11:
		return "Speex audio"
	}
	return fmt.Sprintf("audio in FLV sound format %d", format)
}

// enhanced is the state of reading one Enhanced RTMP body.
type enhanced struct {
	kind      media.Kind
	packet    uint8
	nano      int64
	multi     bool
	multiKind uint8
	codec     media.Codec
	rest      []byte
}

// parseEnhanced reads ExVideoTagHeader or ExAudioTagHeader and the bodies behind it.
func parseEnhanced(dst []packet, b []byte, kind media.Kind) ([]packet, error) {
	e := enhanced{kind: kind, packet: b[0] & 0x0F, rest: b[1:]}
	command := kind == media.Video && b[0]>>4&7 == frameTypeCmd
	if err := e.modifiers(); err != nil {
		return dst, err
	}
	if command && e.packet != packetMetadata {
		return dst, nil // one byte that starts or ends seeking
	}
	multitrack := uint8(packetMultitrk)
	if kind == media.Audio {
		multitrack = audioMultitrk
	}
	if e.packet == multitrack {
		if len(e.rest) < 1 {
			return dst, ErrTruncated
		}
		e.multi, e.multiKind, e.packet = true, e.rest[0]>>4, e.rest[0]&0x0F
		e.rest = e.rest[1:]
		if e.packet == multitrack || e.multiKind > manyTracksCodec {
			return dst, ErrTruncated
		}
	}
	if !e.multi || e.multiKind != manyTracksCodec {
		if err := e.fourCC(); err != nil {
			return dst, err
		}
	}
	return e.tracks(dst)
}

// modifiers reads ModEx packets, which stand before the real packet type. The
// only one defined carries nanoseconds; others are skipped by their size.
func (e *enhanced) modifiers() error {
	for e.packet == packetModEx {
		size, used := 0, 1
		if len(e.rest) > 0 {
			size = int(e.rest[0]) + 1
		}
		if size == 256 && len(e.rest) >= 3 {
			size, used = int(binary.BigEndian.Uint16(e.rest[1:]))+1, 3
		}
		if size == 0 || len(e.rest) < used+size+1 {
			return ErrTruncated
		}
		data, next := e.rest[used:used+size], e.rest[used+size]
		if next>>4 == modExNano && size >= 3 {
			e.nano += int64(uint24(data))
		}
		e.packet = next & 0x0F
		e.rest = e.rest[used+size+1:]
	}
	return nil
}

func (e *enhanced) fourCC() error {
	if len(e.rest) < 4 {
		return ErrTruncated
	}
	f := fourCC(binary.BigEndian.Uint32(e.rest))
	e.codec, e.rest = f.codec(), e.rest[4:]
	if e.codec == media.UnknownCodec || e.codec.Kind() != e.kind {
		return unsupported(fmt.Sprintf("%s %q", e.kind, f.String()))
	}
	return nil
}

// tracks reads one body, or one for each track of a multitrack packet.
func (e *enhanced) tracks(dst []packet) ([]packet, error) {
	if !e.multi {
		return e.body(dst, 0, e.rest)
	}
	var err error
	for len(e.rest) > 0 && err == nil {
		if e.multiKind == manyTracksCodec {
			if err := e.fourCC(); err != nil {
				return dst, err
			}
		}
		if len(e.rest) < 1 {
			return dst, ErrTruncated
		}
		id := e.rest[0]
		e.rest = e.rest[1:]
		body := e.rest
		if e.multiKind != oneTrack {
			if len(e.rest) < 3 || len(e.rest)-3 < int(uint24(e.rest)) {
				return dst, ErrTruncated
			}
			size := int(uint24(e.rest))
			body = e.rest[3 : 3+size : 3+size]
		}
		e.rest = e.rest[len(body):]
		if e.multiKind != oneTrack {
			e.rest = e.rest[3:]
		}
		dst, err = e.body(dst, id, body)
	}
	return dst, err
}

func (e *enhanced) body(dst []packet, track uint8, b []byte) ([]packet, error) {
	p := packet{codec: e.codec, track: track, kind: e.packet, nano: e.nano, data: b}
	switch {
	case e.packet == packetStart, e.packet == packetEnd:
		return append(dst, p), nil
	case e.packet == packetFrames:
		if e.codec == media.H264 || e.codec == media.HEVC {
			if len(b) < 3 {
				return dst, ErrTruncated
			}
			p.cts, p.data = int24(b), b[3:]
		}
	case e.packet == packetFramesX && e.kind == media.Video:
		p.kind = packetFrames
	default:
		return dst, nil // colour metadata, channel maps, and what later versions add
	}
	if len(p.data) == 0 {
		return dst, nil
	}
	return append(dst, p), nil
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func int24(b []byte) int32 { return int32(uint24(b)<<8) >> 8 }
