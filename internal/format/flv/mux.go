package flv

import (
	"encoding/binary"

	"weir/internal/media"
)

// Muxer writes an FLV stream for many readers at once: every piece can be
// shared, and frames' bytes are referred to, not copied. Small pieces are
// carved out of blocks; a block lives as long as a piece of it.
type Muxer struct {
	dialect Dialect
	bodies  *Bodies
	newest  Newest
	block   []byte
}

const (
	blockSize  = 4096
	tagHeader  = 11
	longestTag = tagHeader + 16 // and the head of the body
	backSize   = 4
)

// NewMuxer prepares an FLV stream in a dialect.
func NewMuxer(d Dialect) *Muxer { return &Muxer{dialect: d} }

// Start begins a set of tracks. header is what a newcomer needs before any
// tag: the file header, onMetaData and sequence headers; inband is what a
// reader needs who is there already.
func (m *Muxer) Start(tracks []media.Track) (header, inband [][]byte, err error) {
	if m.bodies, err = NewBodies(m.dialect, tracks); err != nil {
		return nil, nil, err
	}
	flags := byte(0)
	for _, t := range m.bodies.Tracks() {
		if t.Kind == media.Video {
			flags |= 1
		} else {
			flags |= 4
		}
	}
	start := []byte{'F', 'L', 'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0}
	return [][]byte{m.describe(start)}, [][]byte{m.describe(nil)}, nil
}

func (m *Muxer) describe(dst []byte) []byte {
	// FFmpeg makes an empty subtitle track of metadata whose time is not 0.
	dst = appendTag(dst, TagScript, 0, AppendMetadata(nil, m.dialect, m.bodies.Tracks()))
	m.bodies.SequenceHeaders(func(kind TagType, body []byte) {
		dst = appendTag(dst, kind, m.newest.Of(kind), body)
	})
	return dst
}

// AppendTag appends the wire form of a frame: its tag's header, f.Data itself,
// and the size that ends it. Frames of tracks that are not written add nothing.
func (m *Muxer) AppendTag(dst [][]byte, f *media.Frame, ms uint32) [][]byte {
	if m.bodies == nil {
		return dst
	}
	if cap(m.block)-len(m.block) < longestTag+backSize {
		m.block = make([]byte, 0, blockSize)
	}
	start := len(m.block)
	piece := m.block[start : start+tagHeader]
	piece, kind, ok := m.bodies.AppendHead(piece, f)
	if !ok {
		return dst
	}
	m.newest.See(kind, ms)
	size := uint32(len(piece) - tagHeader + len(f.Data))
	putTagHeader(piece, kind, size, ms)
	head := len(piece)
	piece = binary.BigEndian.AppendUint32(piece, size+tagHeader)
	m.block = m.block[:start+len(piece)]
	return append(dst, piece[:head:head], f.Data, piece[head:len(piece):len(piece)])
}

func putTagHeader(b []byte, kind TagType, size, ms uint32) {
	b[0] = byte(kind)
	b[1], b[2], b[3] = byte(size>>16), byte(size>>8), byte(size)
	b[4], b[5], b[6], b[7] = byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24) // Annex E.4.1: the high byte stands last
	b[8], b[9], b[10] = 0, 0, 0
}

func appendTag(dst []byte, kind TagType, ms uint32, body []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, tagHeader)...)
	putTagHeader(dst[start:], kind, uint32(len(body)), ms)
	dst = append(dst, body...)
	return binary.BigEndian.AppendUint32(dst, uint32(tagHeader+len(body)))
}
