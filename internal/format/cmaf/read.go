package cmaf

import (
	"encoding/binary"

	"weir/internal/fault"
)

// maxBoxes bounds the boxes looked at in one container, so that a file of empty boxes
// costs no more than its bytes.
const maxBoxes = 4096

func bad(why string) error {
	return fault.New(fault.Invalid, "mp4_damaged", "The MP4 data is damaged: "+why+".", "Check how the file was made or transferred.")
}

// box is one box of a buffer: its four characters, its payload, and where it begins.
type box struct {
	kind string
	body []byte
	at   int
}

// nextBox reads the box at b[at:] and returns where the next one begins. A box that
// reaches over the end of b is an error: what is incomplete is not looked at.
func nextBox(b []byte, at int) (box, int, error) {
	rest := b[at:]
	if len(rest) < 8 {
		return box{}, 0, bad("a box is cut off")
	}
	size, head := uint64(binary.BigEndian.Uint32(rest)), uint64(8)
	switch size {
	case 0: // to the end (14496-12 4.2.2)
		size = uint64(len(rest))
	case 1:
		if len(rest) < 16 {
			return box{}, 0, bad("a box is cut off")
		}
		size, head = binary.BigEndian.Uint64(rest[8:]), 16
	}
	if size < head || size > uint64(len(rest)) {
		return box{}, 0, bad("a box is longer than what holds it")
	}
	return box{kind: string(rest[4:8]), body: rest[head:size], at: at}, at + int(size), nil
}

// each calls visit for every box in b.
func each(b []byte, visit func(box) error) error {
	for at, n := 0, 0; at < len(b); n++ {
		x, next, err := nextBox(b, at)
		if err != nil {
			return err
		}
		if n >= maxBoxes {
			return bad("too many boxes")
		}
		if err := visit(x); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// fields reads numbers from a box; past the end they are 0 and short is set.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.b) {
		f.short, f.b = true, nil
		return nil
	}
	v := f.b[:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) u8() byte {
	if v := f.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (f *fields) u16() uint16 {
	if v := f.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if v := f.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (f *fields) u64() uint64 {
	if v := f.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// full reads the version and flags of a full box.
func (f *fields) full() (version byte, flags uint32) {
	v := f.u32()
	return byte(v >> 24), v & 0xFFFFFF
}
