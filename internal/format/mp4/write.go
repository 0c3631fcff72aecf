package mp4

import (
	"encoding/binary"
	"io"
	"math"
)

// layout is what the sizes of a movie's boxes follow from.
type layout struct {
	head, moov  int64
	large       bool // the mdat needs a 64-bit size
	wide        bool // chunk offsets need 64 bits (co64)
	boxes       []boxes
	ftyp, brand int64
}

// boxes are the sizes of one track's boxes.
type boxes struct {
	trak, edts, mdia, minf, stbl             int64
	stsd, stts, ctts, stsc, stsz, stco, stss int64
}

const (
	ftypSize = 8 + 8 + 3*4
	mvhdSize = 12 + 108 // version 1
	tkhdSize = 12 + 32 + lookSize
	mdhdSize = 12 + 32
)

func (m *Movie) lay() layout {
	l := layout{ftyp: ftypSize, large: m.payload+8 > math.MaxUint32}
	for {
		l.moov, l.boxes = 8+mvhdSize, l.boxes[:0]
		for _, t := range m.tables {
			b := t.lay(l.wide)
			l.boxes = append(l.boxes, b)
			l.moov += b.trak
		}
		l.head = l.ftyp + l.moov + 8
		if l.large {
			l.head += 8
		}
		if l.wide || l.head+m.payload <= math.MaxUint32 {
			return l
		}
		l.wide = true
	}
}

func (t *Table) lay(wide bool) boxes {
	b := boxes{stsd: 16, stts: 16 + 8*int64(t.times.n), stsc: 16 + 12*int64(t.chunkRuns.n), stsz: 20, stco: 16 + 4*int64(t.chunk.count)}
	for _, e := range t.entries {
		b.stsd += int64(len(e))
	}
	if t.shifted() {
		b.ctts = 16 + 8*int64(t.shifts.n)
	}
	if t.oneSize <= 0 {
		b.stsz += 4 * int64(t.count)
	}
	if wide {
		b.stco += 4 * int64(t.chunk.count)
	}
	if t.keyCount != t.count {
		b.stss = 16 + 4*int64(t.keyCount)
	}
	if n := int64(len(t.Edits)); n > 0 {
		b.edts = 8 + 16 + 20*n
	}
	b.stbl = 8 + b.stsd + b.stts + b.ctts + b.stsc + b.stsz + b.stco + b.stss
	b.minf = 8 + int64(len(t.head.kind)+len(t.head.dinf)) + b.stbl
	b.mdia = 8 + mdhdSize + int64(len(t.head.elng)+len(t.head.hdlr)) + b.minf
	b.trak = 8 + tkhdSize + b.edts + b.mdia
	return b
}

// shifted says whether the track needs composition offsets.
func (t *Table) shifted() bool { return t.shifts.n != 1 || t.shifts.value != 0 }

// emitter writes a stretch of what passes through it: it drops the first skip bytes and stops after left more.
type emitter struct {
	w          io.Writer
	buf        []byte
	skip, left int64
	err        error
	pad        []byte // zeros
}

const emitBuffer = 32 << 10

// pass says that n bytes need not be made, as they are dropped.
func (e *emitter) pass(n int64) bool {
	e.flush()
	if e.done() {
		return true
	}
	if n > e.skip {
		return false
	}
	e.skip -= n
	return true
}

func (e *emitter) done() bool { return e.left <= 0 || e.err != nil }

func (e *emitter) flush() {
	b := e.buf
	e.buf = e.buf[:0]
	n := min(e.skip, int64(len(b)))
	e.skip -= n
	b = b[n:]
	b = b[:min(e.left, int64(len(b)))]
	if len(b) == 0 || e.err != nil {
		return
	}
	e.left -= int64(len(b))
	_, e.err = e.w.Write(b)
}

func (e *emitter) room(n int) {
	if len(e.buf)+n > emitBuffer {
		e.flush()
	}
}

// grab gives n bytes of the buffer to be filled; n is at most emitBuffer.
func (e *emitter) grab(n int) []byte {
	e.room(n)
	at := len(e.buf)
	e.buf = append(e.buf, e.pad[:n]...)
	return e.buf[at:]
}

// each calls fill for n rows of size bytes, a bufferful at a time.
func (e *emitter) each(n uint32, size int, fill func(row []byte)) {
	for n > 0 && !e.done() {
		k := min(int(n), emitBuffer/size)
		for b := e.grab(k * size); len(b) >= size; b = b[size:] {
			fill(b)
		}
		n -= uint32(k)
	}
}

func (e *emitter) u8(v ...byte) { e.room(len(v)); e.buf = append(e.buf, v...) }
func (e *emitter) u16(v uint16) { e.room(2); e.buf = binary.BigEndian.AppendUint16(e.buf, v) }
func (e *emitter) u32(v uint32) { e.room(4); e.buf = binary.BigEndian.AppendUint32(e.buf, v) }
func (e *emitter) u64(v uint64) { e.room(8); e.buf = binary.BigEndian.AppendUint64(e.buf, v) }
func (e *emitter) str(v string) { e.room(len(v)); e.buf = append(e.buf, v...) }

func (e *emitter) zero(n int) {
	for range n {
		e.u8(0)
	}
}

func (e *emitter) raw(b []byte) {
	for len(b) > 0 {
		e.room(min(len(b), 1024))
		n := min(len(b), 1024)
		e.buf = append(e.buf, b[:n]...)
		b = b[n:]
	}
}

func (e *emitter) box(size int64, kind string) {
	e.u32(uint32(size))
	e.str(kind)
}

func (e *emitter) full(size int64, kind string, version byte, flags uint32) {
	e.box(size, kind)
	e.u32(uint32(version)<<24 | flags)
}

// WriteHead writes n bytes of the head from byte at on.
func (m *Movie) WriteHead(w io.Writer, at, n int64) error {
	e := &emitter{w: w, skip: at, left: min(n, m.layout.head-at), buf: make([]byte, 0, emitBuffer), pad: make([]byte, emitBuffer)}
	l := &m.layout
	e.box(l.ftyp, "ftyp")
	e.str("isom")
	e.u32(0x200)
	e.str("isomiso6mp41") // iso6: composition offsets may be negative
	e.box(l.moov, "moov")
	m.mvhd(e)
	for i, t := range m.tables {
		if !e.pass(l.boxes[i].trak) {
			t.trak(e, l, &l.boxes[i], uint32(i+1), m.macTime())
		}
	}
	if l.large {
		e.u32(1)
		e.str("mdat")
		e.u64(uint64(m.payload + 16))
	} else {
		e.box(m.payload+8, "mdat")
	}
	e.flush()
	return e.err
}

// macTime is the creation time in seconds since 1904 (8.2.2).
func (m *Movie) macTime() uint64 {
	const unixFrom1904 = 2082844800
	return uint64(max(m.created.Unix()+unixFrom1904, 0))
}

// matrix is the unity matrix.
var matrix = [...]uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000}

func (m *Movie) mvhd(e *emitter) {
	longest := int64(0)
	for _, t := range m.tables {
		longest = max(longest, t.length())
	}
	e.full(mvhdSize, "mvhd", 1, 0)
	e.u64(m.macTime())
	e.u64(m.macTime())
	e.u32(MovieScale)
	e.u64(uint64(longest))
	e.u32(0x10000)
	e.u16(0x100)
	e.zero(10)
	for _, v := range matrix {
		e.u32(v)
	}
	e.zero(24)
	e.u32(uint32(len(m.tables) + 1))
}

func (t *Table) trak(e *emitter, l *layout, b *boxes, id uint32, created uint64) {
	e.box(b.trak, "trak")
	e.full(tkhdSize, "tkhd", 1, 3) // enabled, in the movie
	e.u64(created)
	e.u64(created)
	e.u32(id)
	e.u32(0)
	e.u64(uint64(t.length()))
	e.raw(t.head.look)
	if b.edts > 0 {
		e.box(b.edts, "edts")
		e.full(b.edts-8, "elst", 1, 0)
		e.u32(uint32(len(t.Edits)))
		for _, x := range t.Edits {
			e.u64(uint64(x.Duration))
			e.u64(uint64(x.Media))
			e.u32(0x10000) // rate 1
		}
	}
	e.box(b.mdia, "mdia")
	e.full(mdhdSize, "mdhd", 1, 0)
	e.u64(created)
	e.u64(created)
	e.u32(t.head.Scale)
	e.u64(uint64(t.duration))
	e.u16(t.head.language)
	e.u16(0)
	e.raw(t.head.elng)
	e.raw(t.head.hdlr)
	e.box(b.minf, "minf")
	e.raw(t.head.kind)
	e.raw(t.head.dinf)
	e.box(b.stbl, "stbl")
	e.full(b.stsd, "stsd", 0, 0)
	e.u32(uint32(len(t.entries)))
	for _, x := range t.entries {
		e.raw(x)
	}
	t.stts(e, b)
	t.ctts(e, b)
	t.stsc(e, b)
	t.stsz(e, b)
	t.stco(e, l, b)
	t.stss(e, b)
}

func (t *Table) stts(e *emitter, b *boxes) {
	if e.pass(b.stts) {
		return
	}
	e.full(b.stts, "stts", 0, 0)
	e.u32(t.times.n)
	r := t.times.read()
	e.each(t.times.n, 8, func(row []byte) {
		binary.BigEndian.PutUint32(row, uint32(r.next()))
		binary.BigEndian.PutUint32(row[4:], uint32(r.nextSigned()))
	})
}

func (t *Table) ctts(e *emitter, b *boxes) {
	if b.ctts == 0 || e.pass(b.ctts) {
		return
	}
	version := byte(0)
	if t.negative {
		version = 1 // signed offsets (8.6.1.3)
	}
	e.full(b.ctts, "ctts", version, 0)
	e.u32(t.shifts.n)
	r := t.shifts.read()
	e.each(t.shifts.n, 8, func(row []byte) {
		binary.BigEndian.PutUint32(row, uint32(r.next()))
		binary.BigEndian.PutUint32(row[4:], uint32(int32(r.nextSigned())))
	})
}

func (t *Table) stsc(e *emitter, b *boxes) {
	if e.pass(b.stsc) {
		return
	}
	e.full(b.stsc, "stsc", 0, 0)
	e.u32(t.chunkRuns.n)
	first, r := uint32(1), t.chunkRuns.read()
	e.each(t.chunkRuns.n, 12, func(row []byte) {
		chunks, v := uint32(r.next()), r.nextSigned()
		binary.BigEndian.PutUint32(row, first)
		binary.BigEndian.PutUint32(row[4:], uint32(v>>8))
		binary.BigEndian.PutUint32(row[8:], uint32(v&0xFF))
		first += chunks
	})
}

func (t *Table) stsz(e *emitter, b *boxes) {
	if e.pass(b.stsz) {
		return
	}
	e.full(b.stsz, "stsz", 0, 0)
	e.u32(uint32(max(t.oneSize, 0)))
	e.u32(t.count)
	if t.oneSize > 0 {
		return
	}
	r := t.sizes.read()
	e.each(t.count, 4, func(row []byte) { binary.BigEndian.PutUint32(row, uint32(r.next())) })
}

func (t *Table) stco(e *emitter, l *layout, b *boxes) {
	if e.pass(b.stco) {
		return
	}
	kind := "stco"
	if l.wide {
		kind = "co64"
	}
	e.full(b.stco, kind, 0, 0)
	e.u32(t.chunk.count)
	at, r := uint64(l.head), t.chunks.read()
	if l.wide {
		e.each(t.chunk.count, 8, func(row []byte) {
			at += r.next()
			binary.BigEndian.PutUint64(row, at)
		})
		return
	}
	e.each(t.chunk.count, 4, func(row []byte) {
		at += r.next()
		binary.BigEndian.PutUint32(row, uint32(at))
	})
}

func (t *Table) stss(e *emitter, b *boxes) {
	if b.stss == 0 || e.pass(b.stss) {
		return
	}
	e.full(b.stss, "stss", 0, 0)
	e.u32(t.keyCount)
	n, r := uint32(0), t.keys.read()
	e.each(t.keyCount, 4, func(row []byte) {
		n += uint32(r.next())
		binary.BigEndian.PutUint32(row, n)
	})
}
