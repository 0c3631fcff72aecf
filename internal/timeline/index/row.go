package index

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
	"math"
	"time"
)

// What a row's checksum begins with, so that no row passes for one of another table.
const (
	inFile     = 'f'
	inRun      = 'r'
	inTimeline = 't'
	inCoverage = 'c'
	inGarbage  = 'g'
	inMeta     = 'm'
	inMoves    = 'n'
	inHour     = 'h'
)

const hashSize = 16 // of the SHA-256 of a CMAF header

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC32C over a row: its table, its numbers, its texts with their lengths.
func checksum(table byte, numbers []int64, texts ...[]byte) uint32 {
	var b [1 + 10*binary.MaxVarintLen64]byte
	s := append(b[:0], table)
	for _, n := range numbers {
		s = binary.AppendVarint(s, n)
	}
	for _, t := range texts {
		s = binary.AppendUvarint(s, uint64(len(t)))
	}
	sum := crc32.Update(0, castagnoli, s)
	for _, t := range texts {
		sum = crc32.Update(sum, castagnoli, t)
	}
	return sum
}

func initHash(b []byte) [hashSize]byte {
	full := sha256.Sum256(b)
	return [hashSize]byte(full[:])
}

// fileID tells apart the files of one timeline that begin at the same instant. It fits
// six bytes, the size of SQLite's second-largest integer.
func fileID(object string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(object)) // a hash returns no error
	return int64(h.Sum64() >> 17)
}

func nanos(t time.Time) int64 { return t.UnixNano() }

func instant(n int64) time.Time { return time.Unix(0, n).UTC() }

// earliest and latest give a range's ends as numbers; a zero time means no end.
func earliest(t time.Time) int64 {
	if t.IsZero() || t.Unix() < 0 {
		return 0
	}
	return latest(t)
}

func latest(t time.Time) int64 {
	if t.IsZero() || t.Year() >= 2260 {
		return math.MaxInt64
	}
	return t.UnixNano()
}

// place is where a file's row lies.
type place struct {
	timeline, start, id int64
}

// packFile makes the column `row`: what no query needs to compare, then the checksum over all.
func packFile(f *File, at place) []byte {
	b := make([]byte, 0, 64+len(f.Groups))
	b = binary.AppendUvarint(b, f.Run)
	b = appendText(b, f.Rendition)
	b = binary.AppendUvarint(b, uint64(f.Seq))
	b = binary.AppendUvarint(b, uint64(f.Size))
	b = binary.AppendUvarint(b, uint64(f.To.Sub(f.From)))
	b = binary.AppendVarint(b, f.FirstN)
	b = binary.AppendUvarint(b, uint64(f.LastN-f.FirstN))
	b = appendText(b, f.End)
	b = append(b, f.Groups...)
	return binary.LittleEndian.AppendUint32(b, sumFile(at, flag(f.Held), f.Object, b))
}

func sumFile(at place, held int64, object string, row []byte) uint32 {
	return checksum(inFile, []int64{at.timeline, at.start, at.id, held}, []byte(object), row)
}

// unpackFile reads a row; groups are left out unless wanted.
func unpackFile(name string, at place, held int64, object string, row []byte, groups bool) (File, error) {
	body, ok := sealed(row, func(body []byte) uint32 { return sumFile(at, held, object, body) })
	if !ok {
		return File{}, damaged("the row of file %q does not match its checksum", object)
	}
	c := cursor{b: body}
	f := File{
		Timeline: name, Object: object, Held: held != 0,
		Run: c.uint(), Rendition: c.text(), Seq: int(c.uint()), Size: int64(c.uint()),
		From: instant(at.start), To: instant(at.start + int64(c.uint())),
		FirstN: c.int(),
	}
	f.LastN = f.FirstN + int64(c.uint())
	f.End = c.text()
	if c.bad {
		return File{}, damaged("the row of file %q is too short", object)
	}
	if groups && len(c.b) > 0 {
		f.Groups = append([]byte(nil), c.b...)
	}
	return f, nil
}

// sealed takes the checksum off a row's end and compares it.
func sealed(row []byte, sum func(body []byte) uint32) ([]byte, bool) {
	n := len(row) - 4
	if n < 0 || binary.LittleEndian.Uint32(row[n:]) != sum(row[:n]) {
		return nil, false
	}
	return row[:n], true
}

const open = math.MaxInt64 // the column `stop` of a run that has not ended

func stopOf(r *Run) int64 {
	if r.End.IsZero() {
		return open
	}
	return nanos(r.End)
}

// packRun makes the column `row`. The headers of the renditions become hashes.
func packRun(r *Run, timeline int64) []byte {
	bare := *r
	bare.Renditions = make([]Rendition, len(r.Renditions))
	for i, t := range r.Renditions {
		h := initHash(t.Init)
		bare.Renditions[i] = Rendition{t.Name, h[:]}
	}
	return packBare(&bare, timeline)
}

// packBare is packRun for a run that has hashes for headers.
func packBare(r *Run, timeline int64) []byte {
	b := make([]byte, 0, 128)
	b = binary.AppendVarint(b, nanos(r.Start))
	b = binary.AppendVarint(b, r.FirstN)
	b = binary.AppendVarint(b, r.LastN)
	b = binary.AppendVarint(b, r.MSNBase)
	b = binary.AppendUvarint(b, uint64(r.Seq))
	b = binary.AppendVarint(b, int64(r.SegmentDuration))
	b = binary.AppendVarint(b, int64(r.PartDuration))
	b = appendText(b, r.Clock)
	b = appendText(b, r.Reason)
	b = binary.AppendUvarint(b, uint64(len(r.Renditions)))
	for _, t := range r.Renditions {
		b = appendText(b, t.Name)
		b = append(b, t.Init...)
	}
	return binary.LittleEndian.AppendUint32(b, sumRun(timeline, int64(r.ID), stopOf(r), b))
}

func sumRun(timeline, id, stop int64, row []byte) uint32 {
	return checksum(inRun, []int64{timeline, id, stop}, row)
}

// unpackRun reads a row; the headers of the renditions are still their hashes.
func unpackRun(name string, timeline, id, stop int64, row []byte) (Run, error) {
	body, ok := sealed(row, func(body []byte) uint32 { return sumRun(timeline, id, stop, body) })
	if !ok {
		return Run{}, damaged("the row of run %d of %q does not match its checksum", id, name)
	}
	c := cursor{b: body}
	r := Run{
		ID: uint64(id), Timeline: name, Start: instant(c.int()), FirstN: c.int(), LastN: c.int(), MSNBase: c.int(), Seq: int(c.uint()),
		SegmentDuration: time.Duration(c.int()), PartDuration: time.Duration(c.int()), Clock: c.text(), Reason: c.text(),
	}
	if stop != open {
		r.End = instant(stop)
	}
	n := c.uint()
	if n > maxTracks {
		c.bad = true
	}
	for i := uint64(0); i < n && !c.bad; i++ {
		r.Renditions = append(r.Renditions, Rendition{Name: c.text(), Init: c.bytes(hashSize)})
	}
	if c.bad {
		return Run{}, damaged("the row of run %d of %q is too short", id, name)
	}
	return r, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cursor reads what the appenders wrote; bad is set at the first value that is not whole.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uint() uint64 {
	v, n := binary.Uvarint(c.b)
	return step(c, v, n)
}

func (c *cursor) int() int64 {
	v, n := binary.Varint(c.b)
	return step(c, v, n)
}

func step[T any](c *cursor, v T, n int) T {
	if n <= 0 || c.bad {
		var none T
		c.bad = true
		return none
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) || c.bad {
		c.bad = true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

// text is a short word. Those that nearly every row has are not made anew.
func (c *cursor) text() string {
	switch b := c.bytes(c.uint()); string(b) {
	case "v0":
		return "v0"
	case "a0":
		return "a0"
	case "rotate":
		return "rotate"
	default:
		return string(b)
	}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
