// Package bits is the alphabet that coded video and audio share: numbers of n
// bits and Exp-Golomb numbers, NAL units and their two framings, emulation
// prevention, SEI messages, the beginning of the VUI. What belongs here: what at least two codecs write the
// same way. What does not: what a field means for one of them (internal/codec).
package bits

import mathbits "math/bits"

// Reader takes big-endian bits off a byte slice. It never panics: reading past
// the end gives zeros and is remembered, so a parser asks OK once at its end
// (and before it trusts a count).
type Reader struct {
	data  []byte
	next  int    // index of the byte to load next
	acc   uint64 // loaded bits, the next one on top
	have  uint   // how many bits of acc are loaded
	zeros int    // zero bytes just before next
	nal   bool   // drop emulation prevention bytes while loading
	bad   bool
}

// NewReader reads plain bytes.
func NewReader(data []byte) Reader { return Reader{data: data} }

// NewNALReader reads the payload of a NAL unit, leaving out the emulation
// prevention bytes (ITU-T H.264 7.4.1.1) without copying the unit.
func NewNALReader(nal []byte) Reader { return Reader{data: nal, nal: true} }

// OK reports that nothing was read past the end and no number was malformed.
func (r *Reader) OK() bool { return !r.bad }

// Left is the number of bits not yet read. In a NAL unit it counts the emulation
// prevention bytes still ahead, so it is an upper bound there.
func (r *Reader) Left() int { return int(r.have) + 8*(len(r.data)-r.next) }

// Offset is the index of the first byte not yet touched (plain bytes only).
func (r *Reader) Offset() int { return r.next - int(r.have/8) }

func (r *Reader) fill() {
	for r.have <= 56 && r.next < len(r.data) {
		b := r.data[r.next]
		r.next++
		if r.nal {
			if r.zeros >= 2 && b == 3 {
				r.zeros = 0
				continue
			}
			if b == 0 {
				r.zeros++
			} else {
				r.zeros = 0
			}
		}
		r.acc |= uint64(b) << (56 - r.have)
		r.have += 8
	}
}

func (r *Reader) fail() {
	r.bad = true
	r.acc, r.have, r.next = 0, 0, len(r.data)
}

// U reads an unsigned number of n bits, n from 0 to 32.
func (r *Reader) U(n uint) uint32 {
	if r.have < n {
		if r.fill(); r.have < n {
			r.fail()
			return 0
		}
	}
	v := uint32(r.acc >> (64 - n))
	r.acc <<= n
	r.have -= n
	return v
}

// U64 reads an unsigned number of n bits, n from 0 to 64.
func (r *Reader) U64(n uint) uint64 {
	if n <= 32 {
		return uint64(r.U(n))
	}
	high := uint64(r.U(n - 32))
	return high<<32 | uint64(r.U(32))
}

// Flag reads one bit.
func (r *Reader) Flag() bool { return r.U(1) == 1 }

// Skip passes over n bits.
func (r *Reader) Skip(n int) {
	if n < 0 || n > r.Left() {
		r.fail()
		return
	}
	for ; n > 32; n -= 32 {
		r.U(32)
	}
	r.U(uint(n))
}

// Align passes over the rest of a byte that was begun.
func (r *Reader) Align() { r.U(r.have % 8) }

// UE reads an unsigned Exp-Golomb number (ITU-T H.264 9.1).
func (r *Reader) UE() uint32 {
	if r.have <= 32 {
		r.fill()
	}
	zeros := uint(mathbits.LeadingZeros64(r.acc))
	if zeros > 31 || zeros >= r.have {
		r.fail()
		return 0
	}
	r.U(zeros)
	return r.U(zeros+1) - 1
}

// SE reads a signed Exp-Golomb number (ITU-T H.264 9.1.1).
func (r *Reader) SE() int32 {
	v := r.UE()
	if v&1 == 1 {
		return int32(v/2 + 1)
	}
	return -int32(v / 2)
}
