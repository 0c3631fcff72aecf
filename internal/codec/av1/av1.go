// Package av1 reads what a server must know of an AV1 stream (AV1 Bitstream &
// Decoding Process Specification, version 1.0.0 with errata 1): open bitstream units, the sequence header, the
// frame type, the av1C record. What belongs here: facts read from bytes. What does
// not: decoding pictures, and any container but the av1C record (AV1 ISOBMFF binding 2.3).
package av1

import (
	"iter"

	"weir/internal/bits"
)

// OBU types (6.2.2).
const (
	OBUSequenceHeader    = 1
	OBUTemporalDelimiter = 2
	OBUFrameHeader       = 3
	OBUTileGroup         = 4
	OBUMetadata          = 5
	OBUFrame             = 6
	OBURedundantHeader   = 7
	OBUTileList          = 8
	OBUPadding           = 15
)

// OBU is one open bitstream unit. Its slices share the sample's memory.
type OBU struct {
	Type    int
	Raw     []byte // header, size and payload
	Payload []byte
	Header  int  // bytes of the header, extension included, size not
	Sized   bool // carries its size
}

// next takes the first OBU off b. Only the last one may lack a size field, as the low-overhead format (5.2) allows.
func next(b []byte) (o OBU, rest []byte, ok bool) {
	if len(b) == 0 || b[0]&0x80 != 0 {
		return o, nil, false
	}
	o.Type = int(b[0] >> 3 & 15)
	o.Header = 1
	if b[0]&4 != 0 {
		o.Header = 2
	}
	if len(b) < o.Header {
		return o, nil, false
	}
	if b[0]&2 == 0 {
		o.Raw, o.Payload = b, b[o.Header:]
		return o, nil, true
	}
	size, n := readLEB128(b[o.Header:])
	begin := o.Header + n
	if n == 0 || size > uint64(len(b)-begin) {
		return o, nil, false
	}
	end := begin + int(size)
	o.Raw, o.Payload, o.Sized = b[:end], b[begin:end], true
	return o, b[end:], true
}

// readLEB128 reads a number of at most 8 bytes (4.10.5); n is 0 when it is cut short or over 32 bits.
func readLEB128(b []byte) (v uint64, n int) {
	for i := 0; i < 8 && i < len(b); i++ {
		v |= uint64(b[i]&0x7F) << (7 * i)
		if b[i]&0x80 == 0 {
			if v > 1<<32-1 {
				return 0, 0
			}
			return v, i + 1
		}
	}
	return 0, 0
}

// AppendLEB128 appends a number in as few bytes as it needs.
func AppendLEB128(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// OBUs walks the units of a sample. It stops at the first one that does not fit.
func OBUs(sample []byte) iter.Seq[OBU] {
	return func(yield func(OBU) bool) {
		for len(sample) > 0 {
			o, rest, ok := next(sample)
			if !ok || !yield(o) {
				return
			}
			sample = rest
		}
	}
}

// Framed reports whether the sizes of a sample's units add up to exactly the sample.
func Framed(sample []byte) bool {
	for len(sample) > 0 {
		_, rest, ok := next(sample)
		if !ok {
			return false
		}
		sample = rest
	}
	return true
}

// IsKey reports whether the first frame of a sample is a key frame that is shown at once. (A key frame shown
// later is a delayed random access point, 7.6.2, where not every decoder begins.)
func IsKey(sample []byte) bool {
	still := false
	for o := range OBUs(sample) {
		switch o.Type {
		case OBUSequenceHeader:
			still = len(o.Payload) > 0 && o.Payload[0]&0x08 != 0 // reduced_still_picture_header
		case OBUFrame, OBUFrameHeader:
			if still {
				return true
			}
			// show_existing_frame = 0, frame_type = KEY_FRAME (0), show_frame = 1 (5.9.2)
			return len(o.Payload) > 0 && o.Payload[0]&0xF0 == 0x10
		}
	}
	return false
}

// Disposable reports whether a unit has no place in a sample (AV1 ISOBMFF binding 2.4).
func Disposable(kind int) bool {
	switch kind {
	case OBUTemporalDelimiter, OBUTileList, OBUPadding, OBURedundantHeader:
		return true
	}
	return false
}

// AppendSized appends a unit with a size field, whether it had one or not.
func AppendSized(dst []byte, o OBU) []byte {
	dst = append(dst, o.Raw[0]|2)
	dst = append(dst, o.Raw[1:o.Header]...)
	dst = AppendLEB128(dst, uint64(len(o.Payload)))
	return append(dst, o.Payload...)
}

// InBand gives the sequence header unit of a sample, nil if there is none.
func InBand(sample []byte) (header OBU, ok bool) {
	for o := range OBUs(sample) {
		if o.Type == OBUSequenceHeader {
			return o, true
		}
	}
	return OBU{}, false
}

// readUVLC reads a variable length number (4.10.3).
func readUVLC(r *bits.Reader) uint32 {
	zeros := uint(0)
	for !r.Flag() {
		if zeros++; zeros >= 32 || !r.OK() {
			return 1<<32 - 1
		}
	}
	return r.U(zeros) + 1<<zeros - 1
}
