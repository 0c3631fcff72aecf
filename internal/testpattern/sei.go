package testpattern

import (
	"bytes"
	"encoding/binary"

	"weir/internal/media"
)

// markUUID names our user_data_unregistered SEI message (H.264 D.1.7): after it come the counter in 4 bytes and
// the send time in 8, big endian.
const markUUID = "\x7c\x1e\x5f\x0a\x93\x4d\x4b\x62\x8e\x27Weir\xe5\xa0"

const (
	seiFiller  = 3 // filler_payload
	seiUser    = 5 // user_data_unregistered
	markLength = len(markUUID) + 4 + 8
)

// appendMarkSEI appends the mark as an SEI NAL unit with its 4-byte length.
func appendMarkSEI(dst []byte, m Mark) []byte {
	rbsp := make([]byte, 0, 2+markLength+1)
	rbsp = append(rbsp, seiUser, byte(markLength))
	rbsp = append(rbsp, markUUID...)
	rbsp = binary.BigEndian.AppendUint32(rbsp, m.Counter)
	rbsp = binary.BigEndian.AppendUint64(rbsp, uint64(m.SentMS))
	rbsp = append(rbsp, 0x80)
	return appendUnit(dst, func(b []byte) []byte { return appendNAL(b, nalSEI, rbsp) })
}

// appendFillerSEI appends size bytes, or as few as a filler message needs, that say nothing. A filler data NAL unit would be the
// plainer way, but ISO/IEC 14496-15 keeps those out of MP4, and gateways are right to drop them.
func appendFillerSEI(dst []byte, size int) []byte {
	const overhead = 4 + 1 + 1 + 1 // length, header, payload type, trailing bits
	payload := max(0, size-overhead)
	payload -= payload/256 + 1 // its size is written in steps of 255 (7.3.2.3.1)
	payload = max(0, payload)
	return appendUnit(dst, func(b []byte) []byte {
		b = append(b, nalSEI, seiFiller)
		b = append(b, bytes.Repeat([]byte{0xFF}, payload/255)...)
		b = append(b, byte(payload%255))
		b = append(b, bytes.Repeat([]byte{0xFF}, payload)...)
		return append(b, 0x80)
	})
}

// appendUnit appends what nal appends, behind its 4-byte length.
func appendUnit(dst []byte, nal func([]byte) []byte) []byte {
	at := len(dst)
	dst = nal(append(dst, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// ReadSEI finds the mark in a sample in ISO BMFF form (4-byte lengths), H.264 or HEVC.
func ReadSEI(sample []byte, codec media.Codec) (Mark, bool) {
	for len(sample) > 4 {
		size := binary.BigEndian.Uint32(sample)
		if uint64(size) > uint64(len(sample)-4) {
			return Mark{}, false
		}
		nal := sample[4 : 4+size]
		sample = sample[4+size:]
		if payload, ok := seiPayload(nal, codec); ok {
			if m, ok := findMark(unescape(payload)); ok {
				return m, true
			}
		}
	}
	return Mark{}, false
}

// seiPayload returns what follows the header of a NAL unit if that is SEI.
func seiPayload(nal []byte, codec media.Codec) ([]byte, bool) {
	switch {
	case codec == media.H264 && len(nal) > 1 && nal[0]&0x1F == nalSEI:
		return nal[1:], true
	case codec == media.HEVC && len(nal) > 2 && nal[0]>>1&0x3F == 39: // prefix SEI
		return nal[2:], true
	default:
		return nil, false
	}
}

// findMark walks the messages of an SEI RBSP (7.3.2.3.1).
func findMark(b []byte) (Mark, bool) {
	for len(b) > 2 {
		kind, rest := seiNumber(b)
		size, rest := seiNumber(rest)
		if size > len(rest) {
			return Mark{}, false
		}
		if kind == seiUser && size == markLength && string(rest[:len(markUUID)]) == markUUID {
			rest = rest[len(markUUID):]
			return Mark{Counter: binary.BigEndian.Uint32(rest), SentMS: int64(binary.BigEndian.Uint64(rest[4:]))}, true
		}
		b = rest[size:]
	}
	return Mark{}, false
}

// seiNumber reads a number that is written as a run of 255s and a rest.
func seiNumber(b []byte) (n int, rest []byte) {
	for i, v := range b {
		n += int(v)
		if v != 255 {
			return n, b[i+1:]
		}
	}
	return n, nil
}

// unescape takes out emulation prevention bytes (7.4.1.1).
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, v := range b {
		if zeros >= 2 && v == 3 {
			zeros = 0
			continue
		}
		out = append(out, v)
		if v == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}
