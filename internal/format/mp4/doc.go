// Package mp4 builds the head (ftyp, moov, the mdat's header) of a progressive MP4 from the headers and moof boxes of
// fragments, without their payload: the payload is then sent from where it lies.
//
// What belongs here: reading one-track headers and moofs, sample tables held small, writing any stretch of a head.
// What does not: which samples a clip takes, files, HTTP; fragmented MP4 (format/cmaf).
//
// Sections cited are those of ISO/IEC 14496-12.
package mp4

import (
	"encoding/binary"

	"weir/internal/fault"
)

func bad(why string) error {
	return fault.New(fault.Invalid, "mp4_damaged", "The MP4 data is damaged: "+why+".", "Check the stored footage with weir check.")
}

// BoxHead reads the head of the box at the start of b: its four characters, the length of its head and its whole size;
// ok is false while b is too short to tell or what it says cannot be. Size 0 stands for "to the end" (4.2.2).
func BoxHead(b []byte) (kind string, head int, size int64, ok bool) {
	if len(b) < 8 {
		return "", 0, 0, false
	}
	kind, head, size = string(b[4:8]), 8, int64(binary.BigEndian.Uint32(b))
	if size == 1 {
		if len(b) < 16 {
			return "", 0, 0, false
		}
		head, size = 16, int64(binary.BigEndian.Uint64(b[8:]))
	}
	return kind, head, size, size == 0 || size >= int64(head)
}

// maxBoxes bounds the boxes looked at in one container.
const maxBoxes = 1024

// each calls visit for every box in b, with its payload and where it stands whole.
func each(b []byte, visit func(kind string, body, whole []byte) error) error {
	for n := 0; len(b) > 0; n++ {
		kind, head, size, ok := BoxHead(b)
		if size == 0 {
			size = int64(len(b))
		}
		if !ok || size > int64(len(b)) || n >= maxBoxes {
			return bad("a box is longer than what holds it")
		}
		if err := visit(kind, b[head:size], b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// fields reads numbers from a box; past the end they are 0 and short is set.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.short, f.b = true, nil
		return nil
	}
	v := f.b[:n]
	f.b = f.b[n:]
	return v
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

// full reads the version and flags of a full box (4.2).
func (f *fields) full() (version byte, flags uint32) {
	v := f.u32()
	return byte(v >> 24), v & 0xFFFFFF
}
