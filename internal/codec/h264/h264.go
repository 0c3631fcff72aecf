// Package h264 reads what a server must know of an H.264 stream (ITU-T H.264):
// parameter sets, the avcC record, NAL unit types, the slice type, SEI messages.
// What belongs here: facts read from bytes. What does not: decoding pictures, and
// any container but the avcC record (ISO/IEC 14496-15 5.3.3).
package h264

import (
	"bytes"
	"encoding/binary"
	"iter"

	"weir/internal/bits"
)

// NAL unit types (ITU-T H.264 table 7-1).
const (
	NALSlice       = 1
	NALPartitionA  = 2
	NALIDR         = 5
	NALSEI         = 6
	NALSPS         = 7
	NALPPS         = 8
	NALAUD         = 9
	NALEndSequence = 10
	NALEndStream   = 11
	NALFiller      = 12
	NALSPSExt      = 13
)

// NALType gives the type of a NAL unit, 0 for an empty one.
func NALType(nal []byte) int {
	if len(nal) == 0 {
		return 0
	}
	return int(nal[0] & 0x1F)
}

// IsKey reports whether a sample (4-byte lengths) is an IDR access unit.
func IsKey(sample []byte) bool {
	for nal := range bits.Units(sample) {
		switch NALType(nal) {
		case NALIDR:
			return true
		case NALSlice, NALPartitionA:
			return false
		}
	}
	return false
}

// IsB reports whether the first slice of a sample is a B slice (table 7-6). It
// reads the slice header only, so no parameter set is needed.
func IsB(sample []byte) bool {
	for nal := range bits.Units(sample) {
		switch NALType(nal) {
		case NALIDR:
			return false
		case NALSlice, NALPartitionA:
			r := bits.NewNALReader(nal[1:])
			r.UE() // first_mb_in_slice
			kind := r.UE()
			return r.OK() && kind <= 9 && kind%5 == 1
		}
	}
	return false
}

// RecoveryPoint reports whether a sample carries a recovery point SEI message, and
// after how many frames decoding that begins here shows good pictures (D.2.8). Encoders
// with open groups or intra refresh send it in the place of IDR pictures. It stands before
// the picture's slices (7.4.1.2.3), so the look at a sample ends with the first of them.
func RecoveryPoint(sample []byte) (frames int, ok bool) {
	for nal := range bits.Units(sample) {
		switch NALType(nal) {
		case NALSEI:
		case NALSlice, NALIDR, NALPartitionA:
			return 0, false
		default:
			continue
		}
		for kind, payload := range bits.SEI(bits.Unescape(nal[1:])) {
			if kind == bits.RecoveryPoint {
				r := bits.NewReader(payload)
				n := r.UE()
				return int(n), r.OK() && n < 1<<16
			}
		}
	}
	return 0, false
}

// UserData walks the user_data_unregistered SEI messages of a sample.
func UserData(sample []byte) iter.Seq2[[16]byte, []byte] {
	return func(yield func([16]byte, []byte) bool) {
		for nal := range bits.Units(sample) {
			if NALType(nal) != NALSEI {
				continue
			}
			for kind, payload := range bits.SEI(bits.Unescape(nal[1:])) {
				if kind == bits.UserDataUnregistered && len(payload) >= 16 &&
					!yield([16]byte(payload), payload[16:]) {
					return
				}
			}
		}
	}
}

// BuildUserData builds an SEI NAL unit with one user_data_unregistered message.
func BuildUserData(uuid [16]byte, data []byte) []byte {
	return bits.BuildUserData([]byte{NALSEI}, uuid, data)
}

// Disposable reports whether a NAL unit has no place in a sample: access unit
// delimiters and fillers say nothing that the container does not say (ISO/IEC 14496-15 5.3.2).
func Disposable(nal []byte) bool {
	switch NALType(nal) {
	case 0, NALAUD, NALFiller:
		return true
	}
	return false
}

// InBand collects the parameter sets that a sample carries, each once. They share
// the sample's memory.
func InBand(sample []byte) (sps, pps [][]byte) {
	for nal := range bits.Units(sample) {
		switch NALType(nal) {
		case NALSPS:
			sps = appendNew(sps, nal)
		case NALPPS:
			pps = appendNew(pps, nal)
		case NALSlice, NALIDR, NALPartitionA:
			return sps, pps // parameter sets of this picture come before its slices
		}
	}
	return sps, pps
}

func appendNew(list [][]byte, nal []byte) [][]byte {
	if contains(list, nal) || len(list) == maxSets {
		return list
	}
	return append(list, nal)
}

func contains(list [][]byte, nal []byte) bool {
	for _, have := range list {
		if bytes.Equal(have, nal) {
			return true
		}
	}
	return false
}

// PPSID gives the number of a picture parameter set and of the sequence parameter
// set that it refers to.
func PPSID(pps []byte) (id, sps int, ok bool) {
	if NALType(pps) != NALPPS {
		return 0, 0, false
	}
	r := bits.NewNALReader(pps[1:])
	p, s := r.UE(), r.UE()
	return int(p), int(s), r.OK() && p <= 255 && s <= 31
}

func appendSet(dst, nal []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(nal)))
	return append(dst, nal...)
}
