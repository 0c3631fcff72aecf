package trackfile

import (
	"errors"
	"fmt"
	"io"

	"weir/internal/fault"
)

// Verify looks at every byte of a file and tells what is wrong with it: the head, each mark,
// the checksum and the boxes of each segment, the index, and what belongs to nothing. Of a file
// that is not sealed it can tell all but damage inside of frames. An error is one of reading.
func Verify(r io.ReaderAt, size int64, found func(at int64, what string)) error {
	w := newWindow(r, size, windowSize)
	f, err := w.head()
	if err != nil {
		return asFinding(err, 0, found)
	}
	index, err := w.index(f)
	if errors.Is(err, ErrUnsealed) {
		return verifyOpen(r, size, found)
	}
	if err == nil {
		err = f.check(index)
	}
	if err != nil {
		if err := asFinding(err, max(size-trailerSize, 0), found); err != nil {
			return err
		}
		return verifyOpen(r, size, found)
	}
	v := verifier{w: w, f: f, found: found}
	return v.sealed(index)
}

func asFinding(err error, at int64, found func(at int64, what string)) error {
	if !isFault(err) {
		return err
	}
	found(at, fault.Of(err).Message)
	return nil
}

// isFault tells damage from a disk that does not read.
func isFault(err error) bool {
	var f *fault.Error
	return errors.As(err, &f)
}

// verifyOpen looks at a file without a readable index.
func verifyOpen(r io.ReaderAt, size int64, found func(at int64, what string)) error {
	_, err := scan(r, size, found)
	if err != nil {
		return asFinding(err, 0, found)
	}
	return nil
}

type verifier struct {
	w     *window
	f     *File
	found func(at int64, what string)
}

func (v *verifier) tell(at int64, format string, args ...any) {
	v.found(at, fmt.Sprintf(format, args...))
}

// sealed holds the file against its index.
func (v *verifier) sealed(index int64) error {
	at := v.f.HeadSize
	for i := range v.f.Segments {
		s := &v.f.Segments[i]
		begin := at
		if !s.Gap {
			begin = s.Offset - markSize
		}
		if begin != at {
			v.tell(at, "%d bytes belong to nothing", begin-at)
		}
		if err := v.segment(begin, s); err != nil {
			return err
		}
		at = begin + markSize + s.Size
	}
	if at != index {
		v.tell(at, "%d bytes belong to nothing", index-at)
	}
	return nil
}

func (v *verifier) segment(at int64, s *Segment) error {
	b, err := v.w.peek(at, markSize)
	if err != nil {
		return err
	}
	m, ok := parseMark(b)
	switch {
	case !ok:
		v.tell(at, "the mark of segment %d is damaged", s.N)
	case m.N != s.N || m.Start != s.Start || m.DTS != s.DTS || m.Independent != s.Independent || m.Gap != s.Gap:
		v.tell(at, "the mark of segment %d is not what the index says", s.N)
	}
	if s.Gap {
		return nil
	}
	sum, err := v.w.sum(0, s.Offset, s.Size)
	if err != nil {
		return err
	}
	if sum != s.CRC {
		v.tell(s.Offset, "the checksum of segment %d is wrong", s.N)
		return nil // its boxes need no second word
	}
	return v.chunks(s)
}

// chunks walks over the boxes of a segment whose bytes are as they were written.
func (v *verifier) chunks(s *Segment) error {
	c := scanner{w: v.w, f: v.f, limit: s.Offset + s.Size, solid: s.Offset + s.Size}
	c.seg = &Segment{N: s.N, Offset: s.Offset}
	for at := s.Offset; at < c.limit; {
		next, err := c.chunk(at)
		if err != nil {
			return err
		}
		if next <= at {
			v.tell(at, "segment %d has something else than chunks in it", s.N)
			return nil
		}
		at = next
	}
	if c.seg.Duration != s.Duration {
		v.tell(s.Offset, "segment %d lasts %d ticks, and the index says %d", s.N, c.seg.Duration, s.Duration)
	}
	if c.seg.Key != s.Key && s.Key != 0 {
		v.tell(s.Offset, "the first frame of segment %d ends at %d, and the index says %d", s.N, c.seg.Key, s.Key)
	}
	return nil
}
