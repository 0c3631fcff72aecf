package trackfile

import (
	"encoding/binary"
	"encoding/json"
	"io"

	"weir/internal/format/cmaf"
)

// tailGuess holds the index of a file of a minute, so that one read finds it.
const tailGuess = 4 << 10

// Read reads a sealed file by its head and its index; the segments' bytes are not looked at.
func Read(r io.ReaderAt, size int64) (*File, error) {
	w := newWindow(r, size, tailGuess)
	f, err := w.head()
	if err != nil {
		return nil, err
	}
	at, err := w.index(f)
	if err != nil {
		return nil, err
	}
	return f, f.check(at)
}

// head reads the CMAF header and the head behind it.
func (w *window) head() (*File, error) {
	off, seenMoov := int64(0), false
	for {
		h, ok, err := w.boxAt(off)
		if err != nil {
			return nil, err
		}
		if !ok || off > maxInit {
			return nil, damaged("its head is not whole")
		}
		if h.kind == "uuid" {
			break
		}
		seenMoov = seenMoov || h.kind == "moov"
		off += h.size
	}
	h, _, err := w.boxAt(off)
	if err != nil {
		return nil, err
	}
	if off > maxInit || h.size > maxHead || h.size < uuidSize+8 || !seenMoov {
		return nil, damaged("its head is not whole")
	}
	all, err := w.peek(0, int(off+h.size))
	if err != nil {
		return nil, err
	}
	return parseHead(all, int(off))
}

// parseHead reads the head: b is all of the file up to its end, at where its box begins.
func parseHead(b []byte, at int) (*File, error) {
	if len(b) < at+uuidSize+8 || binary.BigEndian.Uint32(b[len(b)-4:]) != Sum(b[:len(b)-4]) {
		return nil, damaged("the checksum of its head is wrong")
	}
	box := b[at : len(b)-4]
	if string(box[8:uuidSize]) != headKind || binary.BigEndian.Uint32(box[uuidSize:]) != version {
		return nil, damaged("its head is of an unknown form")
	}
	f := &File{Init: append([]byte(nil), b[:at]...), HeadSize: int64(len(b))}
	var text headJSON
	err := json.Unmarshal(box[uuidSize+4:], &text)
	if err == nil {
		f.Head, err = text.head()
	}
	if err != nil {
		return nil, damaged("its head does not read")
	}
	h, err := cmaf.ParseInit(f.Init)
	if err != nil {
		return nil, damaged("its CMAF header does not read")
	}
	f.Track = h.Tracks[0]
	return f, nil
}

// index reads the index into f and returns where it begins. Without a trailer it is
// ErrUnsealed.
func (w *window) index(f *File) (int64, error) {
	if w.size < trailerSize+uuidSize {
		return 0, ErrUnsealed
	}
	from := max(w.size-int64(len(w.room)), 0)
	b, err := w.peek(from, int(w.size-from))
	if err != nil {
		return 0, err
	}
	if len(b) < trailerSize || string(b[len(b)-4:]) != magic {
		return 0, ErrUnsealed
	}
	at := int64(binary.BigEndian.Uint64(b[len(b)-trailerSize:]))
	if at < 0 || at > w.size-trailerSize-uuidSize-2 || w.size-at > maxIndex {
		return 0, damaged("its index is not where its end says")
	}
	if at >= from {
		b = b[at-from:]
	} else if b, err = w.peek(at, int(w.size-at)); err != nil {
		return 0, err
	}
	f.Size = w.size
	return at, f.parseIndex(b)
}

// parseIndex reads the whole box b, which is the last of a file.
func (f *File) parseIndex(b []byte) error {
	if len(b) < uuidSize+2+trailerSize || binary.BigEndian.Uint32(b[len(b)-8:]) != Sum(b[:len(b)-8]) {
		return damaged("the checksum of its index is wrong")
	}
	if int64(binary.BigEndian.Uint32(b)) != int64(len(b)) || string(b[4:8]) != "uuid" || string(b[8:uuidSize]) != indexKind {
		return damaged("its index is no index")
	}
	body := b[uuidSize : len(b)-trailerSize]
	end := 2 + int(body[1])
	if body[0] != version || end > len(body) {
		return damaged("its index is of an unknown form")
	}
	segs, err := ParseGroups(body[end:])
	if err != nil {
		return err
	}
	f.Segments, f.End, f.Sealed = segs, string(body[2:end]), true
	return nil
}

// check holds the segments against the place they have to be in: after the head, before the
// index, one after another.
func (f *File) check(index int64) error {
	at := f.HeadSize
	for i := range f.Segments {
		s := &f.Segments[i]
		if i > 0 && s.N <= f.Segments[i-1].N {
			return damaged("the segments of its index are out of order")
		}
		if s.Gap {
			continue
		}
		if s.Offset < at+markSize || s.Size > index-s.Offset {
			return damaged("a segment of its index lies outside of it")
		}
		at = s.Offset + s.Size
	}
	return nil
}
