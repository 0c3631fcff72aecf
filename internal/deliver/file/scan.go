package file

import (
	"context"
	"errors"
	"io"

	"weir/internal/fault"
	"weir/internal/format/mp4"
	"weir/internal/timeline"
)

const (
	peek      = 2 << 10  // what is read where a moof is expected
	swallow   = 48 << 10 // segments up to this size are read whole: one call instead of one per part
	mostMoof  = 1 << 20
	mostInMem = 64 << 20
)

var errSegment = fault.New(fault.Invalid, "footage_damaged", "A segment of this range cannot be read.", "Run weir check; ask for a range without it.")

// scanned is a sample and where its bytes lie in the segment.
type scanned struct {
	mp4.Sample
	at int64
}

// scanner reads the moofs of segments, not their payload. It is used again and again.
type scanner struct {
	buf     []byte // what is in memory of the segment
	base    int64  // where buf begins in it
	mp4     []mp4.Sample
	samples []scanned
	read    int64 // bytes read so far, of all segments
}

// scan lists the samples of a segment; they are valid until the next call.
func (s *scanner) scan(ctx context.Context, rd *timeline.Reader, h *mp4.Header) ([]scanned, error) {
	s.buf, s.base, s.samples = s.buf[:0], 0, s.samples[:0]
	size := rd.Size()
	if rd.File() == nil {
		if err := s.collect(ctx, rd); err != nil {
			return nil, err
		}
		size = int64(len(s.buf))
	}
	for at := int64(0); at < size; {
		b, err := s.get(rd, at, min(16, size-at), size)
		if err != nil {
			return nil, err
		}
		kind, _, n, ok := mp4.BoxHead(b)
		if n == 0 {
			n = size - at
		}
		if !ok || at+n > size {
			return nil, errSegment
		}
		if kind == "moof" {
			if err := s.moof(rd, h, at, n, size); err != nil {
				return nil, err
			}
		}
		at += n
	}
	return s.samples, nil
}

func (s *scanner) moof(rd *timeline.Reader, h *mp4.Header, at, n, size int64) error {
	if n > mostMoof {
		return errSegment
	}
	b, err := s.get(rd, at, n, size)
	if err != nil {
		return err
	}
	var part mp4.Fragment
	if s.mp4, part, err = h.Samples(s.mp4[:0], b); err != nil {
		return err
	}
	from := at + part.Offset
	if from < 0 || from+part.Size > size {
		return errSegment
	}
	for _, x := range s.mp4 {
		s.samples = append(s.samples, scanned{Sample: x, at: from})
		from += int64(x.Size)
	}
	return nil
}

// get gives n bytes of the segment from at on, reading some more than that.
func (s *scanner) get(rd *timeline.Reader, at, n, size int64) ([]byte, error) {
	if at >= s.base && at+n <= s.base+int64(len(s.buf)) {
		return s.buf[at-s.base:][:n], nil
	}
	f := rd.File()
	if f == nil {
		return nil, errSegment
	}
	want := max(n, peek)
	if size <= swallow {
		want = size
	}
	want = min(want, size-at)
	if int64(cap(s.buf)) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.base = s.buf[:want], at
	m, err := f.ReadAt(s.buf, rd.Offset()+at)
	s.read += int64(m)
	if int64(m) < n {
		s.buf = s.buf[:0]
		return nil, fault.Wrap(err, errSegment.Kind, errSegment.Code, errSegment.Message, errSegment.Remedy)
	}
	s.buf = s.buf[:m]
	return s.buf[:n], nil
}

// collect takes a segment that is not in a file: it lies in memory already.
func (s *scanner) collect(ctx context.Context, rd *timeline.Reader) error {
	for {
		b, err := rd.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(s.buf)+len(b) > mostInMem {
			return errSegment
		}
		s.buf = append(s.buf, b...)
	}
}
