// Package hevc reads what a server must know of an HEVC stream (ITU-T H.265):
// parameter sets, the hvcC record, NAL unit types, the slice type, SEI messages.
// What belongs here: facts read from bytes. What does not: decoding pictures, and
// any container but the hvcC record (ISO/IEC 14496-15 8.3.3).
package hevc

import (
	"bytes"
	"iter"

	"weir/internal/bits"
)

// NAL unit types (ITU-T H.265 table 7-1).
const (
	NALFirstIRAP   = 16 // BLA_W_LP
	NALIDRWithRADL = 19
	NALIDRNoLP     = 20
	NALCRA         = 21
	NALLastIRAP    = 23
	NALLastSlice   = 31
	NALVPS         = 32
	NALSPS         = 33
	NALPPS         = 34
	NALAUD         = 35
	NALEndSequence = 36
	NALEndStream   = 37
	NALFiller      = 38
	NALPrefixSEI   = 39
	NALSuffixSEI   = 40
)

const headerSize = 2

// NALType gives the type of a NAL unit, -1 for one too short to have a header.
func NALType(nal []byte) int {
	if len(nal) < headerSize {
		return -1
	}
	return int(nal[0] >> 1 & 0x3F)
}

// firstSlice gives the first slice segment of a sample.
func firstSlice(sample []byte) []byte {
	for nal := range bits.Units(sample) {
		if t := NALType(nal); t >= 0 && t <= NALLastSlice {
			return nal
		}
	}
	return nil
}

// IsKey reports whether a sample is an intra random access point: IDR, CRA or BLA
// (nal_unit_type 16 to 23).
func IsKey(sample []byte) bool {
	t := NALType(firstSlice(sample))
	return t >= NALFirstIRAP && t <= NALLastIRAP
}

// IsB reports whether the first slice of a sample is a B slice. The picture parameter
// set that says how many bits stand before the slice type is looked for in the sample; without one they are
// taken to be none, as nearly all encoders have it. An encoder for low delay may write B slices that only look back:
// a B slice here does not prove that pictures are reordered, SPS.Reorder does.
func IsB(sample []byte) bool {
	extra := uint(0)
	for nal := range bits.Units(sample) {
		t := NALType(nal)
		switch {
		case t == NALPPS:
			if p, ok := ParsePPS(nal); ok {
				extra = p.ExtraSliceHeaderBits
			}
		case t >= NALFirstIRAP && t <= NALLastIRAP:
			return false
		case t >= 0 && t <= NALLastSlice:
			return sliceIsB(nal, extra)
		}
	}
	return false
}

func sliceIsB(nal []byte, extra uint) bool {
	r := bits.NewNALReader(nal[headerSize:])
	if !r.Flag() {
		return false // not the first segment: the slice type stands behind an address of unknown size
	}
	r.UE() // slice_pic_parameter_set_id
	r.U(extra)
	return r.UE() == 0 && r.OK() // 0 = B (table 7-7)
}

// PPS is the part of a picture parameter set that a slice header needs (7.3.2.3.1).
type PPS struct {
	ID, SPS              int
	DependentSegments    bool
	ExtraSliceHeaderBits uint
}

// ParsePPS reads the beginning of a picture parameter set NAL unit.
func ParsePPS(nal []byte) (PPS, bool) {
	if NALType(nal) != NALPPS {
		return PPS{}, false
	}
	r := bits.NewNALReader(nal[headerSize:])
	id, sps := r.UE(), r.UE()
	p := PPS{ID: int(id), SPS: int(sps), DependentSegments: r.Flag()}
	r.Flag() // output_flag_present_flag
	p.ExtraSliceHeaderBits = uint(r.U(3))
	return p, r.OK() && id <= 63 && sps <= 15
}

// UserData walks the user_data_unregistered SEI messages of a sample.
func UserData(sample []byte) iter.Seq2[[16]byte, []byte] {
	return func(yield func([16]byte, []byte) bool) {
		for nal := range bits.Units(sample) {
			if t := NALType(nal); t != NALPrefixSEI && t != NALSuffixSEI {
				continue
			}
			for kind, payload := range bits.SEI(bits.Unescape(nal[headerSize:])) {
				if kind == bits.UserDataUnregistered && len(payload) >= 16 &&
					!yield([16]byte(payload), payload[16:]) {
					return
				}
			}
		}
	}
}

// BuildUserData builds a prefix SEI NAL unit with one user_data_unregistered message.
func BuildUserData(uuid [16]byte, data []byte) []byte {
	return bits.BuildUserData([]byte{NALPrefixSEI << 1, 1}, uuid, data)
}

// Disposable reports whether a NAL unit has no place in a sample: access unit
// delimiters and fillers say nothing that the container does not say. An end of sequence stays: it
// changes how the next CRA picture is decoded (8.1.3).
func Disposable(nal []byte) bool {
	switch NALType(nal) {
	case -1, NALAUD, NALFiller:
		return true
	}
	return false
}

// InBand collects the parameter sets that a sample carries, each once. They share
// the sample's memory.
func InBand(sample []byte) (vps, sps, pps [][]byte) {
	for nal := range bits.Units(sample) {
		switch t := NALType(nal); {
		case t == NALVPS:
			vps = appendNew(vps, nal)
		case t == NALSPS:
			sps = appendNew(sps, nal)
		case t == NALPPS:
			pps = appendNew(pps, nal)
		case t >= 0 && t <= NALLastSlice:
			return vps, sps, pps // parameter sets of this picture come before its slices
		}
	}
	return vps, sps, pps
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
