package mp4

import (
	"errors"
	"io"

	"weir/internal/format/box"
)

const (
	peek     = 2 << 10  // what is read where a moof is expected
	swallow  = 48 << 10 // segments up to this size are read whole: one call instead of one per part
	mostMoof = 1 << 20
)

// Located is a sample and where its bytes lie in the segment.
type Located struct {
	Sample
	At int64
}

// Scanner lists the samples of segments by their moofs, without reading the payload. It is used again and again; it
// belongs to one goroutine.
type Scanner struct {
	Read int64 // bytes read so far, of all segments

	r       io.ReaderAt
	size    int64
	buf     []byte // what is in memory of the segment
	base    int64  // where buf begins in it
	moofs   []Sample
	samples []Located
}

// Scan lists the samples that a segment of the given size (whole boxes) has of the track; they are valid until the next call.
func (s *Scanner) Scan(r io.ReaderAt, size int64, h *Header) ([]Located, error) {
	s.r, s.size, s.buf, s.base, s.samples = r, size, s.buf[:0], 0, s.samples[:0]
	for at := int64(0); at < size; {
		b, err := s.get(at, min(16, size-at))
		if err != nil {
			return nil, err
		}
		kind, _, n, ok := box.Head(b)
		if n == 0 {
			n = size - at
		}
		if !ok || n > size-at {
			return nil, bad("a box reaches over the end of its segment")
		}
		if kind == "moof" {
			if err := s.moof(h, at, n); err != nil {
				return nil, err
			}
		}
		at += n
	}
	return s.samples, nil
}

func (s *Scanner) moof(h *Header, at, n int64) error {
	if n > mostMoof {
		return bad("a moof is larger than any can be")
	}
	b, err := s.get(at, n)
	if err != nil {
		return err
	}
	var part Fragment
	if s.moofs, part, err = h.Samples(s.moofs[:0], b); err != nil {
		return err
	}
	from := at + part.Offset
	if from < 0 || part.Size > s.size-from {
		return bad("a sample lies outside of its segment")
	}
	for _, x := range s.moofs {
		s.samples = append(s.samples, Located{Sample: x, At: from})
		from += int64(x.Size)
	}
	return nil
}

// get gives n bytes of the segment from at on, reading some more than that.
func (s *Scanner) get(at, n int64) ([]byte, error) {
	if at >= s.base && at+n <= s.base+int64(len(s.buf)) {
		return s.buf[at-s.base:][:n], nil
	}
	want := max(n, peek)
	if s.size <= swallow {
		want = s.size
	}
	want = min(want, s.size-at)
	if int64(cap(s.buf)) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.base = s.buf[:want], at
	m, err := s.r.ReadAt(s.buf, at)
	s.Read += int64(m)
	s.buf = s.buf[:m]
	if int64(m) < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return s.buf[:n], nil
}
