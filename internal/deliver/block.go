package deliver

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
	"strconv"
	"sync"
)

// Block is a piece of a long document that many versions of it have in common. It is compressed once, by itself: pieces
// of deflate that end at a byte and look back at nothing before them can be strung together (RFC 1951 section 3.2.4), so
// that a new version of a long playlist costs no more than what is new in it.
type Block struct {
	text []byte
	hash uint64

	once     sync.Once
	deflated []byte
}

// NewBlock wraps a piece of text.
func NewBlock(text []byte) *Block {
	h := fnv.New64a()
	_, _ = h.Write(text)
	return &Block{text: text, hash: h.Sum64()}
}

// blockKey names a block; print is a fingerprint of all that its text depends on.
type blockKey struct {
	name, kind, query string
	run               uint64
	from              int64
	print             uint64
}

// Block gives the block of a stream's list that is of that kind, run, first number and fingerprint, rendered now if it is
// not kept.
func (s *Server) Block(name, kind, query string, run uint64, from int64, print uint64, render func() []byte) *Block {
	return s.blocks.get(blockKey{name, kind, query, run, from, print}, func() (*Block, int64) {
		b := NewBlock(render())
		return b, int64(len(b.text)) + int64(len(b.text))/4 + 200
	})
}

// NewDocOf makes a document of blocks.
func NewDocOf(blocks []*Block) *Doc {
	d := &Doc{blocks: blocks}
	h := fnv.New64a()
	var b [8]byte
	for _, x := range blocks {
		d.size += len(x.text)
		binary.LittleEndian.PutUint64(b[:], x.hash)
		_, _ = h.Write(b[:])
	}
	d.etag = `"` + strconv.FormatUint(h.Sum64(), 36) + `"`
	return d
}

var flatePool = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, 4)
	return w
}}

func (b *Block) deflate() []byte {
	b.once.Do(func() {
		w := flatePool.Get().(*flate.Writer)
		defer flatePool.Put(w)
		var out bytes.Buffer
		w.Reset(&out)
		_, _ = w.Write(b.text)
		_ = w.Flush() // ends at a byte
		b.deflated = bytes.Clone(out.Bytes())
	})
	return b.deflated
}

var (
	gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255} // RFC 1952 section 2.3, no time, system unknown
	lastNone = []byte{0x03, 0x00}                           // a final block of nothing (RFC 1951 section 3.2.6)
)

// joinGzip strings compressed blocks together to one gzip member.
func joinGzip(blocks []*Block) [][]byte {
	out := make([][]byte, 0, len(blocks)+2)
	out = append(out, gzipHead)
	sum, size := uint32(0), uint32(0)
	for _, b := range blocks {
		out = append(out, b.deflate())
		sum = crc32.Update(sum, crc32.IEEETable, b.text)
		size += uint32(len(b.text))
	}
	tail := make([]byte, 0, 10)
	tail = append(tail, lastNone...)
	tail = binary.LittleEndian.AppendUint32(tail, sum)
	return append(out, binary.LittleEndian.AppendUint32(tail, size))
}
