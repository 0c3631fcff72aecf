package bits

import mathbits "math/bits"

// Writer puts big-endian bits behind one another. The zero Writer is empty and ready.
type Writer struct {
	data []byte
	free uint // unused low bits of the last byte
}

// Bytes gives what was written; the last byte is padded with zeros.
func (w *Writer) Bytes() []byte { return w.data }

// U writes the low n bits of v, n from 0 to 32.
func (w *Writer) U(n uint, v uint32) {
	for n > 0 {
		if w.free == 0 {
			w.data = append(w.data, 0)
			w.free = 8
		}
		take := min(n, w.free)
		part := v >> (n - take) & (1<<take - 1)
		w.data[len(w.data)-1] |= byte(part << (w.free - take))
		w.free -= take
		n -= take
	}
}

// Flag writes one bit.
func (w *Writer) Flag(v bool) {
	if v {
		w.U(1, 1)
	} else {
		w.U(1, 0)
	}
}

// UE writes an unsigned Exp-Golomb number below 2^32-1.
func (w *Writer) UE(v uint32) {
	n := uint(mathbits.Len32(v + 1))
	w.U(n-1, 0)
	w.U(n, v+1)
}

// Align fills the rest of a byte that was begun with zeros.
func (w *Writer) Align() { w.free = 0 }

// Append writes whole bytes, after aligning.
func (w *Writer) Append(b ...byte) {
	w.Align()
	w.data = append(w.data, b...)
}
