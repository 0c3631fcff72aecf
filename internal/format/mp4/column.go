package mp4

import "encoding/binary"

const (
	firstBlock = 128
	mostBlock  = 32 << 10
)

// column holds many small numbers as varints, in blocks that never move: what a sample table of hours costs is about
// what the numbers say, not what they could.
type column struct {
	blocks [][]byte
	bytes  int
}

func (c *column) put(v uint64) {
	n := len(c.blocks)
	if n == 0 || cap(c.blocks[n-1])-len(c.blocks[n-1]) < binary.MaxVarintLen64 {
		c.blocks = append(c.blocks, make([]byte, 0, min(max(firstBlock, c.bytes), mostBlock)))
		n++
	}
	last := c.blocks[n-1]
	was := len(last)
	last = binary.AppendUvarint(last, v)
	c.bytes += len(last) - was
	c.blocks[n-1] = last
}

func (c *column) putSigned(v int64) { c.put(uint64(v)<<1 ^ uint64(v>>63)) }

// size is the memory held.
func (c *column) size() int {
	n := 0
	for _, b := range c.blocks {
		n += cap(b)
	}
	return n
}

// cursor reads a column from its beginning.
type cursor struct {
	blocks [][]byte
	b      []byte
}

func (c *column) read() cursor { return cursor{blocks: c.blocks} }

func (r *cursor) next() uint64 {
	for len(r.b) == 0 {
		if len(r.blocks) == 0 {
			return 0
		}
		r.b, r.blocks = r.blocks[0], r.blocks[1:]
	}
	v := r.b[0]
	if v < 0x80 {
		r.b = r.b[1:]
		return uint64(v)
	}
	if b := r.b; len(b) > 1 && b[1] < 0x80 {
		r.b = b[2:]
		return uint64(v&0x7F) | uint64(b[1])<<7
	}
	w, n := binary.Uvarint(r.b)
	r.b = r.b[n:]
	return w
}

func (r *cursor) nextSigned() int64 {
	v := r.next()
	return int64(v>>1) ^ -int64(v&1)
}

// runs holds numbers that repeat as (count, number) pairs.
type runs struct {
	column
	n     uint32 // pairs, the open one too
	count uint64
	value int64
}

func (r *runs) add(v int64) {
	if r.count > 0 && v == r.value {
		r.count++
		return
	}
	r.close()
	r.n, r.count, r.value = r.n+1, 1, v
}

func (r *runs) close() {
	if r.count > 0 {
		r.put(r.count)
		r.putSigned(r.value)
	}
	r.count = 0
}
