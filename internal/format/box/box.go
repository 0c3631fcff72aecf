// Package box is the alphabet of ISO base media files: boxes, the numbers in them, and the runs of samples that fragments list. What belongs here: what
// every reader of such files reads the same way. What does not: what a header or a fragment means to one of them (format/cmaf, format/mp4), and writing.
//
// Sections cited are those of ISO/IEC 14496-12.
package box

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Head reads the head of the box at the start of b: its four characters, the length of its head and its whole size;
// ok is false while b is too short to tell or what it says cannot be. Size 0 stands for "to the end" (4.2.2).
func Head(b []byte) (kind string, head int, size int64, ok bool) {
	if len(b) < 8 {
		return "", 0, 0, false
	}
	kind, head, size = string(b[4:8]), 8, int64(binary.BigEndian.Uint32(b))
	if size == 1 {
		if len(b) < 16 {
			return "", 0, 0, false
		}
		if head, size = 16, int64(binary.BigEndian.Uint64(b[8:])); size < 16 { // also 0: only the short form can say "to the end"
			return kind, head, size, false
		}
	}
	return kind, head, size, size == 0 || size >= int64(head)
}

// Box is one box of a buffer.
type Box struct {
	Kind        string // four characters
	Body, Whole []byte // without and with its head
	At          int    // where it begins
}

// Next reads the box at b[at:]; ok is false if it does not lie in b whole: what is incomplete is not looked at.
func Next(b []byte, at int) (x Box, ok bool) {
	rest := b[at:]
	kind, head, size, ok := Head(rest)
	if size == 0 {
		size = int64(len(rest))
	}
	if !ok || size > int64(len(rest)) {
		return Box{}, false
	}
	return Box{Kind: kind, Body: rest[head:size], Whole: rest[:size], At: at}, true
}

// Each calls visit for every box in b, of which there may be most; bad makes the error of a b that is not boxes to its end.
func Each(b []byte, most int, bad func(why string) error, visit func(Box) error) error {
	for at, n := 0, 0; at < len(b); n++ {
		x, ok := Next(b, at)
		if !ok {
			return bad("a box is cut off or longer than what holds it")
		}
		if n >= most {
			return bad("too many boxes")
		}
		if err := visit(x); err != nil {
			return err
		}
		at += len(x.Whole)
	}
	return nil
}

// Fields reads the numbers of a box. Past its end they are 0, and that is remembered.
type Fields struct {
	rest  []byte
	short bool
}

// NewFields reads what b holds.
func NewFields(b []byte) Fields { return Fields{rest: b} }

// Short reports that something was read past the end.
func (f *Fields) Short() bool { return f.short }

// Rest is what was not read yet.
func (f *Fields) Rest() []byte { return f.rest }

// Take reads n bytes; they share memory with the box. nil: there are not so many.
func (f *Fields) Take(n int) []byte {
	if n < 0 || n > len(f.rest) {
		f.short, f.rest = true, nil
		return nil
	}
	v := f.rest[:n]
	f.rest = f.rest[n:]
	return v
}

// U8 reads one byte.
func (f *Fields) U8() byte {
	if v := f.Take(1); v != nil {
		return v[0]
	}
	return 0
}

// U16 reads two bytes.
func (f *Fields) U16() uint16 {
	if v := f.Take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

// U32 reads four bytes.
func (f *Fields) U32() uint32 {
	if v := f.Take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// U64 reads eight bytes.
func (f *Fields) U64() uint64 {
	if v := f.Take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// Full reads the version and flags of a full box (4.2).
func (f *Fields) Full() (version byte, flags uint32) {
	v := f.U32()
	return byte(v >> 24), v & 0xFFFFFF
}

// Time reads the decode time of a tfdt (8.8.12). Writers put the negative times of B-frames there too.
func (f *Fields) Time(version byte) int64 {
	if version == 1 {
		return int64(f.U64())
	}
	return int64(f.U32())
}

// ErrSize is of a box whose size cannot be, or is more than is taken.
var ErrSize = errors.New("a box has an odd size")

// Read reads the next box of a stream, of at most so many bytes. io.EOF: no whole one comes any more. Memory grows with what comes, not with what is claimed.
func Read(r io.Reader, most int64) (Box, error) {
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, 8); err != nil {
		return Box{}, err
	}
	_, head, size, ok := Head(b.Bytes())
	if !ok || size == 0 || size > most { // no stream needs the long form
		return Box{}, ErrSize
	}
	if _, err := io.CopyN(&b, r, size-int64(head)); err != nil {
		return Box{}, err
	}
	x, _ := Next(b.Bytes(), 0)
	return x, nil
}
