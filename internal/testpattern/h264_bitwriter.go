package testpattern

import "math/bits"

// bitWriter collects the bits of one RBSP, most significant first.
type bitWriter struct {
	buf  []byte
	acc  uint64 // the bits not yet in buf, right-aligned
	free int    // how many bits of acc are in use
}

func (w *bitWriter) reset() { w.buf, w.acc, w.free = w.buf[:0], 0, 0 }

// u writes the n (at most 32) low bits of v.
func (w *bitWriter) u(n int, v uint32) {
	w.acc = w.acc<<n | uint64(v)&(1<<n-1)
	w.free += n
	for w.free >= 8 {
		w.free -= 8
		w.buf = append(w.buf, byte(w.acc>>w.free))
	}
}

func (w *bitWriter) flag(b bool) {
	if b {
		w.u(1, 1)
		return
	}
	w.u(1, 0)
}

// ue writes an unsigned Exp-Golomb code (9.1).
func (w *bitWriter) ue(v uint32) {
	n := bits.Len32(v + 1)
	w.u(n-1, 0)
	w.u(n, v+1)
}

// se writes a signed Exp-Golomb code (9.1.1).
func (w *bitWriter) se(v int32) {
	if v > 0 {
		w.ue(uint32(2*v - 1))
		return
	}
	w.ue(uint32(-2 * v))
}

// trailing ends the RBSP: a stop bit and zeros up to the next byte (7.3.2.11).
func (w *bitWriter) trailing() {
	w.u(1, 1)
	if w.free > 0 {
		w.u(8-w.free, 0)
	}
}

// appendNAL appends header and rbsp as one NAL unit, with emulation prevention (7.4.1.1) and without any framing.
func appendNAL(dst []byte, header byte, rbsp []byte) []byte {
	dst = append(dst, header)
	zeros := 0
	for _, b := range rbsp {
		if zeros == 2 && b <= 3 {
			dst = append(dst, 3)
			zeros = 0
		}
		dst = append(dst, b)
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return dst
}
