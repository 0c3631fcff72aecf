package timeline

import (
	"context"
	"errors"
	"io"
	"os"

	"weir/internal/blob"
	"weir/internal/format/cmaf/trackfile"
)

const readChunk = 64 << 10

// Reader gives the bytes of a segment or of a part. It belongs to one goroutine and
// must be closed.
//
// When File is not nil the whole content is that file from Offset on, Size bytes, and
// the file descriptor belongs to the reader alone until Close: it may be used for
// sendfile, which moves its offset. Otherwise use Next.
type Reader struct {
	t      *Timeline
	seg    *body    // what is read; nil once it is read from an object, and for a part in memory
	bytes  []byte   // a part in memory
	part   bool     // a single part
	from   *objects // owner of object
	object blob.Object
	offset int64
	size   int64
	pos    int64
	buf    []byte
}

// OpenSegment opens a segment of the live window: whole if it is finished, else what there is of it, and
// Next waits for the rest (the chunked transfer of low-latency DASH).
func (t *Timeline) OpenSegment(run uint64, rendition string, n int64) (*Reader, error) {
	t.mu.Lock()
	b, _ := t.find(run, rendition, n)
	if b == nil || b.gap || b.lost && b.mem == nil {
		t.mu.Unlock()
		return nil, ErrGone
	}
	r := &Reader{t: t, seg: b, size: -1}
	if b.complete {
		r.size = b.size
	}
	stored := b.file != nil
	t.mu.Unlock()
	if stored {
		return r, r.useFile(b, 0, b.size)
	}
	return r, nil
}

// OpenPart opens one part that exists; see PartView.
func (t *Timeline) OpenPart(run uint64, rendition string, n int64, index int) (*Reader, error) {
	t.mu.Lock()
	b, v := t.find(run, rendition, n)
	if b == nil || index < 0 || index >= len(v.Parts) || b.lost && b.mem == nil {
		t.mu.Unlock()
		return nil, ErrGone
	}
	p := v.Parts[index]
	r := &Reader{t: t, part: true, size: p.Size}
	stored := b.file != nil
	if !stored {
		r.bytes = b.mem[index].b
	}
	t.mu.Unlock()
	if stored {
		return r, r.useFile(b, p.Offset, p.Size)
	}
	return r, nil
}

// useFile goes on in the file, which is compared with the checksum before its first use. A segment that is in a file
// stays as it is, so the lock is not needed for more than the mark.
func (r *Reader) useFile(b *body, at, size int64) error {
	o, err := b.file.get()
	if err != nil {
		return err
	}
	r.t.mu.Lock()
	checked := b.checked
	r.t.mu.Unlock()
	if !checked {
		seg := trackfile.Segment{Offset: b.offset, Size: b.size, CRC: b.crc}
		if ok, err := compare(o, &seg, make([]byte, b.size)); err != nil || !ok {
			b.file.put(o)
			p := place{b.file.head.Run, b.file.head.Rendition, b.n}
			r.t.store.volume().reportSegment(r.t.name, b.file.key, p, err)
			r.t.spoilWindow(p)
			return ErrDamaged
		}
		r.t.mu.Lock()
		b.checked = true
		r.t.mu.Unlock()
	}
	r.from, r.object, r.offset, r.size, r.seg = &b.file.objects, o, b.offset+at, size, nil
	return nil
}

// File is the file that holds the content, or nil if it is in memory or still growing.
func (r *Reader) File() *os.File {
	if r.object == nil {
		return nil
	}
	return fileOf(r.object)
}

// Offset is where the content begins in File.
func (r *Reader) Offset() int64 { return r.offset }

// Size is the length of the content in bytes, -1 while the segment is still growing.
func (r *Reader) Size() int64 { return r.size }

// Next returns the next bytes, waiting for them if the segment is still growing, and
// io.EOF at the end. They are shared: they must not be changed, and are valid until
// the next call.
func (r *Reader) Next(ctx context.Context) ([]byte, error) {
	switch {
	case r.object != nil:
		return r.readFile()
	case r.part:
		if r.pos > 0 || len(r.bytes) == 0 {
			return nil, io.EOF
		}
		r.pos = int64(len(r.bytes))
		return r.bytes, nil
	case r.seg == nil:
		return nil, io.EOF
	}
	for {
		b, wait, err := r.readOpen()
		if r.seg != nil && err == nil && b == nil && wait == nil {
			if err := r.useFile(r.seg, 0, r.seg.size); err != nil {
				return nil, err
			}
			return r.readFile()
		}
		if wait == nil {
			return b, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (r *Reader) readFile() ([]byte, error) {
	left := r.size - r.pos
	if left <= 0 {
		return nil, io.EOF
	}
	if r.buf == nil {
		r.buf = make([]byte, min(left, readChunk))
	}
	n, err := r.object.ReadAt(r.buf[:min(left, int64(len(r.buf)))], r.offset+r.pos)
	r.pos += int64(n)
	if n > 0 {
		return r.buf[:n], nil
	}
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return nil, err
}

// readOpen takes the next part of an open segment, or says what to wait for. Nothing at all means that it is in a file.
func (r *Reader) readOpen() (b []byte, wait <-chan struct{}, err error) {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	s := r.seg
	switch {
	case s.file != nil:
		return nil, nil, nil
	case s.lost && s.mem == nil:
		return nil, nil, ErrGone
	}
	at := int64(0)
	for _, p := range s.mem {
		if at >= r.pos && len(p.b) > 0 {
			r.pos = at + int64(len(p.b))
			return p.b, nil, nil
		}
		at += int64(len(p.b))
	}
	if s.complete {
		return nil, nil, io.EOF
	}
	return nil, r.t.changedLocked(), nil
}

// WriteTo writes the whole remaining content to w without waiting for more than there is.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	done, stop := context.WithCancel(context.Background())
	stop()
	total := int64(0)
	for {
		b, err := r.Next(done)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
				return total, nil
			}
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Close gives the descriptor back.
func (r *Reader) Close() {
	if r.object != nil {
		r.from.put(r.object)
		r.object = nil
	}
	r.seg, r.bytes, r.buf = nil, nil, nil
}
