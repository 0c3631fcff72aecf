package flv

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Tag is one tag of an FLV stream. Body belongs to whoever read it.
type Tag struct {
	Type      TagType
	Timestamp uint32 // ms
	Body      []byte
}

// Reader reads the tags of an FLV stream.
type Reader struct {
	r       *bufio.Reader
	limit   int
	started bool
	header  [tagHeader + backSize]byte
}

const (
	// DefaultLimit is the largest tag that is read.
	DefaultLimit    = 16 << 20
	firstAllocation = 64 << 10
	encrypted       = 0x20
)

// NewReader reads from r; tags larger than limit are refused.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 16<<10), limit: limit}
}

// Next returns the next audio, video or script tag. io.EOF ends the stream.
func (r *Reader) Next() (Tag, error) {
	if !r.started {
		if err := r.start(); err != nil {
			return Tag{}, err
		}
		r.started = true
	}
	for {
		// Each tag is preceded by the size of the one before it (Annex E.3), which nobody needs.
		if _, err := io.ReadFull(r.r, r.header[:backSize]); err != nil {
			return Tag{}, err
		}
		h := r.header[backSize:]
		if _, err := io.ReadFull(r.r, h); err != nil {
			return Tag{}, err // io.EOF after the last size is a clean end
		}
		size := int(uint24(h[1:]))
		if size > r.limit {
			return Tag{}, ErrTagTooLarge
		}
		body, err := r.body(size)
		if err != nil {
			return Tag{}, err
		}
		t := Tag{Type: TagType(h[0] & 0x1F), Timestamp: uint24(h[4:]) | uint32(h[7])<<24, Body: body}
		if h[0]&encrypted == 0 && (t.Type == TagAudio || t.Type == TagVideo || t.Type == TagScript) {
			return t, nil
		}
	}
}

// start reads Annex E.2's header.
func (r *Reader) start() error {
	var h [9]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		return err
	}
	if string(h[:3]) != "FLV" {
		return ErrNotFLV
	}
	more := int64(binary.BigEndian.Uint32(h[5:])) - int64(len(h))
	if more < 0 || more > 1<<16 {
		return ErrNotFLV
	}
	_, err := io.CopyN(io.Discard, r.r, more)
	return err
}

// body reads size bytes into memory that grows with what arrives.
func (r *Reader) body(size int) ([]byte, error) {
	b := make([]byte, 0, min(size, firstAllocation))
	for len(b) < size {
		if len(b) == cap(b) {
			bigger := make([]byte, len(b), min(size, 4*cap(b)))
			copy(bigger, b)
			b = bigger
		}
		n, err := io.ReadFull(r.r, b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return b, nil
}
