package trackfile

import (
	"errors"
	"io"

	"weir/internal/format/box"
)

const windowSize = 256 << 10

// window reads a file through one buffer, so that a walk costs few reads and little memory.
type window struct {
	r    io.ReaderAt
	size int64
	at   int64 // where buf begins
	buf  []byte
	room []byte
}

func newWindow(r io.ReaderAt, size, room int64) *window {
	return &window{r: r, size: size, room: make([]byte, min(max(size, 0), room))}
}

// peek returns up to n bytes at off, fewer at the end of the file. They are valid until the
// next call.
func (w *window) peek(off int64, n int) ([]byte, error) {
	n = int(max(min(int64(n), w.size-off), 0))
	if n > len(w.room) {
		b := make([]byte, n)
		k, err := w.read(b, off)
		return b[:k], err
	}
	if off < w.at || off+int64(n) > w.at+int64(len(w.buf)) {
		room := w.room[:min(int64(len(w.room)), w.size-off)]
		k, err := w.read(room, off)
		if err != nil {
			return nil, err
		}
		w.at, w.buf = off, room[:k]
		n = min(n, k)
	}
	return w.buf[off-w.at:][:n], nil
}

// read fills b, less if the file turns out to be shorter than was said.
func (w *window) read(b []byte, off int64) (int, error) {
	n, err := w.r.ReadAt(b, off)
	if n < len(b) && errors.Is(err, io.EOF) {
		w.size = off + int64(n)
	}
	if n == len(b) || errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// sum continues a checksum over the n bytes at off.
func (w *window) sum(sum uint32, off, n int64) (uint32, error) {
	for n > 0 {
		b, err := w.peek(off, int(min(n, int64(len(w.room)))))
		if err != nil || len(b) == 0 {
			return sum, err
		}
		sum = Add(sum, b)
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return sum, nil
}

// header is the beginning of a box.
type header struct {
	kind string
	size int64
	head int64 // bytes before the payload
}

// parseHeader reads the beginning of a box; ok is false if b is too short or it claims less
// than itself. Boxes to the end of the file (size 0) are not written here.
func parseHeader(b []byte) (h header, ok bool) {
	kind, head, size, ok := box.Head(b)
	return header{kind: kind, size: size, head: int64(head)}, ok && size > 0
}

// boxAt reads the box header at off.
func (w *window) boxAt(off int64) (header, bool, error) {
	b, err := w.peek(off, 16)
	if err != nil {
		return header{}, false, err
	}
	h, ok := parseHeader(b)
	return h, ok && h.size <= w.size-off, nil
}
