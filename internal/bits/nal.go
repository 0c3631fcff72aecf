package bits

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// Units walks the NAL units of a sample whose units carry 4-byte lengths. It
// stops at the first length that does not fit; empty units are passed over.
// Nothing is copied.
func Units(sample []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(sample) >= 4 {
			n := uint64(binary.BigEndian.Uint32(sample))
			if n > uint64(len(sample)-4) {
				return
			}
			if n > 0 && !yield(sample[4:4+n]) {
				return
			}
			sample = sample[4+n:]
		}
	}
}

// Framed reports whether the lengths of a sample, each of size bytes (1 to 4),
// add up to exactly the sample.
func Framed(sample []byte, size int) bool {
	if size < 1 || size > 4 {
		return false
	}
	for len(sample) >= size {
		n := readLength(sample, size)
		if n > uint64(len(sample)-size) {
			return false
		}
		sample = sample[uint64(size)+n:]
	}
	return len(sample) == 0
}

func readLength(b []byte, size int) (n uint64) {
	for _, c := range b[:size] {
		n = n<<8 | uint64(c)
	}
	return n
}

// AppendWidened appends sample with its lengths of size bytes widened to 4 bytes.
// The sample must be Framed.
func AppendWidened(dst, sample []byte, size int) []byte {
	for len(sample) >= size {
		n := readLength(sample, size)
		if n > uint64(len(sample)-size) {
			return dst
		}
		dst = AppendUnit(dst, sample[size:uint64(size)+n])
		sample = sample[uint64(size)+n:]
	}
	return dst
}

// AppendUnit appends one NAL unit behind its 4-byte length.
func AppendUnit(dst, nal []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(nal)))
	return append(dst, nal...)
}

// HasStartCode reports whether b begins as an Annex B byte stream does: zeros,
// at least two of them, then a one. A 4-byte length of 1 or of 256 to 511 looks
// the same, so ask Framed first.
func HasStartCode(b []byte) bool {
	i := 0
	for i < len(b) && b[i] == 0 {
		i++
	}
	return i >= 2 && i < len(b) && b[i] == 1
}

// AnnexB walks the NAL units of a byte stream (ITU-T H.264 Annex B): start codes
// of three bytes with any number of zeros before them; zeros behind a unit do not
// belong to it. Bytes before the first start code are passed over. Nothing is copied.
func AnnexB(stream []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start, size := findStart(stream, 0)
		for start >= 0 {
			begin := start + size
			start, size = findStart(stream, begin)
			end := start
			if start < 0 {
				end = len(stream)
			}
			for end > begin && stream[end-1] == 0 {
				end--
			}
			if end > begin && !yield(stream[begin:end]) {
				return
			}
		}
	}
}

// findStart gives the index of the next 00 00 01 from the given index on, and its size.
func findStart(b []byte, from int) (at, size int) {
	for from+3 <= len(b) {
		i := bytes.IndexByte(b[from+2:], 1)
		if i < 0 {
			return -1, 0
		}
		if from += i; b[from] == 0 && b[from+1] == 0 {
			return from, 3
		}
		from++
	}
	return -1, 0
}

// AppendAnnexB appends a sample with 4-byte lengths as a byte stream with 4-byte start codes.
func AppendAnnexB(dst, sample []byte) []byte {
	for nal := range Units(sample) {
		dst = append(dst, 0, 0, 0, 1)
		dst = append(dst, nal...)
	}
	return dst
}

// Unescape gives the payload of a NAL unit without its emulation prevention
// bytes: nal itself when it has none, otherwise a copy.
func Unescape(nal []byte) []byte {
	var out []byte
	kept, zeros := 0, 0
	for i, b := range nal {
		switch {
		case zeros >= 2 && b == 3:
			out = append(out, nal[kept:i]...)
			kept, zeros = i+1, 0
		case b == 0:
			zeros++
		default:
			zeros = 0
		}
	}
	if kept == 0 {
		return nal
	}
	return append(out, nal[kept:]...)
}

// AppendEscaped appends a payload with the emulation prevention bytes it needs.
func AppendEscaped(dst, payload []byte) []byte {
	zeros := 0
	for _, b := range payload {
		if zeros == 2 && b <= 3 {
			dst = append(dst, 3)
			zeros = 0
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		dst = append(dst, b)
	}
	if zeros > 0 {
		dst = append(dst, 3) // a unit must not end in a zero byte (7.4.1.1)
	}
	return dst
}
