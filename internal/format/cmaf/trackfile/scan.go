package trackfile

import (
	"bytes"
	"fmt"
	"io"

	"weir/internal/media"
)

// zeroTail is how many zero bytes at the end of a file are the disk's and not the
// stream's: after a power loss a file can be longer than what was written to it. A frame
// that truly ends in so many costs its chunk, and only in a file that was not sealed.
const zeroTail = 32

// Scan reads a file by walking its boxes, as after a crash. What is torn at its end is left
// out of Size; what is damaged inside is skipped up to the next mark.
func Scan(r io.ReaderAt, size int64) (*File, error) {
	return scan(r, size, nil)
}

// scanner walks over the boxes of one file.
type scanner struct {
	w     *window
	f     *File
	solid int64 // behind the last byte that is not zero
	limit int64 // where the index begins, or the file ends
	found func(at int64, what string)

	seg   *Segment // the open one
	last  int64    // number of the segment before, if any
	any   bool
	hole  int64 // where the walk lost its way last
	whole int64
}

func scan(r io.ReaderAt, size int64, found func(at int64, what string)) (*File, error) {
	w := newWindow(r, size, windowSize)
	f, err := w.head()
	if err != nil {
		return nil, err
	}
	s := &scanner{w: w, f: f, found: found, whole: f.HeadSize, limit: w.size}
	switch at, err := w.index(f); {
	case err == nil:
		s.limit = at
	case !isFault(err):
		return nil, err
	}
	f.Segments = nil
	if s.solid, err = s.findSolid(); err != nil {
		return nil, err
	}
	if err := s.walk(); err != nil {
		return nil, err
	}
	s.close()
	f.Size = s.whole
	if f.Sealed {
		f.Size = w.size
	}
	return f, nil
}

func (s *scanner) tell(at int64, format string, args ...any) {
	if s.found != nil {
		s.found(at, fmt.Sprintf(format, args...))
	}
}

// findSolid finds the last byte that is not zero.
func (s *scanner) findSolid() (int64, error) {
	if s.f.Sealed {
		return s.w.size, nil
	}
	for end := s.w.size; end > s.f.HeadSize; {
		from := max(end-windowSize/4, s.f.HeadSize)
		b, err := s.w.peek(from, int(end-from))
		if err != nil {
			return 0, err
		}
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			return from + int64(n), nil
		}
		end = from
	}
	return s.f.HeadSize, nil
}

// real says whether what ends at end was written to the disk, as far as can be told.
func (s *scanner) real(end int64) bool { return end-s.solid < zeroTail }

func (s *scanner) walk() error {
	at := s.f.HeadSize
	for at < s.limit {
		next, err := s.step(at)
		if err != nil {
			return err
		}
		if next > at {
			at = next
			continue
		}
		// Lost: go on at the next mark, which may lie inside of a box that was cut off.
		s.close()
		next, err = s.resync(max(at, s.hole))
		if err != nil {
			return err
		}
		if next < 0 {
			s.tell(at, "the last %d bytes are torn", s.limit-at)
			return nil
		}
		s.tell(at, "%d bytes belong to nothing", next-at)
		at, s.hole = next, next+1
	}
	return nil
}

// step takes what is at at, a mark or a chunk, and returns what follows it; at itself if
// it is neither.
func (s *scanner) step(at int64) (int64, error) {
	b, err := s.w.peek(at, markSize)
	if err != nil {
		return 0, err
	}
	if m, ok := parseMark(b); ok {
		return s.mark(at, &m), nil
	}
	if s.seg == nil {
		return at, nil
	}
	return s.chunk(at)
}

func (s *scanner) mark(at int64, m *Segment) int64 {
	s.close()
	if s.any && m.N <= s.last {
		s.tell(at, "the mark of segment %d comes after that of segment %d", m.N, s.last)
		return at
	}
	m.Offset = at + markSize
	s.seg = m
	if !m.Gap {
		m.Duration = 0 // the chunks tell
	} else {
		s.whole = m.Offset
		s.close()
	}
	return at + markSize
}

// close ends the open segment; a mark without a whole chunk is nothing.
func (s *scanner) close() {
	if s.seg == nil {
		return
	}
	if s.seg.Gap || s.seg.Size > 0 {
		s.f.Segments = append(s.f.Segments, *s.seg)
		s.last, s.any = s.seg.N, true
	} else {
		s.tell(s.seg.Offset-markSize, "segment %d has a mark and nothing else", s.seg.N)
	}
	s.seg = nil
}

// chunk takes the boxes up to and with an mdat.
func (s *scanner) chunk(from int64) (int64, error) {
	var frag fragment
	var moof header
	moofAt := int64(-1)
	for at := from; at < s.limit; {
		h, ok, err := s.w.boxAt(at)
		if err != nil {
			return 0, err
		}
		if !ok || h.size > s.limit-at || !isChunkBox(h.kind) {
			break
		}
		switch {
		case h.kind == "moof":
			if moofAt >= 0 || h.size > maxMoof {
				return from, nil
			}
			b, err := s.w.peek(at, int(h.size))
			if err != nil {
				return 0, err
			}
			if frag, ok = parseMoof(b, &s.f.Track); !ok {
				return from, nil
			}
			moof, moofAt = h, at
		case h.kind == "mdat":
			if moofAt < 0 || at != moofAt+moof.size || frag.bytes != h.size-h.head || frag.offset != moof.size+h.head {
				return from, nil
			}
			return s.take(from, at+h.size, &frag, moofAt)
		case moofAt >= 0:
			return from, nil
		}
		at += h.size
	}
	return from, nil
}

func isChunkBox(kind string) bool {
	switch kind {
	case "styp", "prft", "emsg", "sidx", "free", "moof", "mdat":
		return true
	}
	return false
}

// take adds a chunk to the open segment, unless what follows shows that it is torn.
func (s *scanner) take(from, end int64, frag *fragment, moof int64) (int64, error) {
	ok, err := s.follows(end)
	if err != nil || !ok || !s.real(end) || s.seg.Duration+frag.duration > maxDuration {
		return from, err
	}
	seg := s.seg
	sum, ok, err := s.sum(seg.CRC, from, end)
	if err != nil || !ok {
		return from, err
	}
	seg.CRC = sum
	if seg.Size == 0 && s.f.Track.Kind == media.Video && frag.key {
		seg.Key = moof + frag.offset + frag.first - seg.Offset
	}
	seg.Size = end - seg.Offset
	seg.Duration += frag.duration
	s.whole = end
	return end, nil
}

// sum continues a checksum from from to end; ok is false if there is a mark in between, which
// shows that a box reaches into what was written after it and ends well by accident.
func (s *scanner) sum(sum uint32, from, end int64) (_ uint32, ok bool, err error) {
	for from < end {
		b, err := s.w.peek(from, int(min(end-from, windowSize)))
		if err != nil || len(b) == 0 {
			return 0, false, err
		}
		for k := 0; ; k++ {
			i := bytes.Index(b[k:], []byte(markKind))
			if i < 0 {
				break
			}
			k += i
			if m, ok := parseMark(b[max(k-8, 0):]); ok && m.N > s.seg.N {
				return 0, false, nil
			}
		}
		if from+int64(len(b)) < end {
			b = b[:max(len(b)-markSize+1, 1)] // the next mark may be cut by the window
		}
		sum, from = Add(sum, b), from+int64(len(b))
	}
	return sum, true, nil
}

// follows says whether at at something may begin: a box that was torn claims to reach into
// what was written after it, and ends in the middle of things.
func (s *scanner) follows(at int64) (bool, error) {
	if at == s.limit || at >= s.solid {
		return true, nil
	}
	// Not through the window, which stands at the chunk whose checksum comes next.
	var b [uuidSize]byte
	n, err := s.w.read(b[:min(uuidSize, s.limit-at)], at)
	if err != nil {
		return false, err
	}
	if n < 8 {
		return true, nil
	}
	kind := string(b[4:8])
	return isChunkBox(kind) && kind != "mdat" || kind == "uuid", nil
}

// resync finds the next whole mark at or behind at; -1 if there is none.
func (s *scanner) resync(at int64) (int64, error) {
	for at+markSize <= s.limit {
		b, err := s.w.peek(at, int(min(windowSize/2, s.limit-at)))
		if err != nil {
			return 0, err
		}
		i := bytes.Index(b, []byte(markKind))
		switch {
		case i < 0:
			if len(b) <= uuidSize {
				return -1, nil
			}
			at += int64(len(b) - uuidSize + 1) // the next may be cut by the window
			continue
		case i < 8:
			at += int64(i + 1)
			continue
		}
		mark, err := s.w.peek(at+int64(i)-8, markSize)
		if err != nil {
			return 0, err
		}
		if m, ok := parseMark(mark); ok && (!s.any || m.N > s.last) {
			return at + int64(i) - 8, nil
		}
		at += int64(i + 1)
	}
	return -1, nil
}
