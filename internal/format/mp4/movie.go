package mp4

import (
	"bytes"
	"math"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

// MovieScale is the ticks per second of a movie's own times: those of its edit lists.
const MovieScale = 90000

// Movie is the head of a progressive MP4 whose samples lie behind it in the order in which they were added.
// Its zero value is empty. It is built by one goroutine; after Finish it is immutable and may be written by many.
type Movie struct {
	created time.Time
	tables  []*Table
	payload int64
	layout  layout
}

// SetCreated sets the time kept in the file as that of its making: the instant of its first picture.
func (m *Movie) SetCreated(at time.Time) { m.created = at }

// Edit is one row of an edit list (8.6.6): Duration in MovieScale, Media in ticks of the track, -1 for an empty edit.
type Edit struct{ Duration, Media int64 }

// Table is the sample table of one track.
type Table struct {
	Edits []Edit // may be set until Finish; none: the track plays from media time 0

	movie   *Movie
	head    *Header
	entries [][]byte

	zero, origin, last int64 // media time 0 of presentation and of decoding; DTS of the last sample
	count              uint32
	duration           int64
	negative           bool // some composition offset is below 0

	times, shifts, chunkRuns runs
	sizes, keys, chunks      column
	chunk                    openChunk
	keyCount, lastKey        uint32
	oneSize                  int64 // of all samples so far, -1 if they differ or are empty
}

// openChunk is the chunk that is being filled, and the count of those before.
type openChunk struct {
	entry, samples, count uint32
	at, was               int64 // where it begins in the payload, and the one before
}

// Faults of a movie.
var (
	errHole = fault.New(fault.Unsupported, "clip_hole", "A track of this range pauses for longer than an MP4 can say.", "Ask for a shorter range.")
	errMany = fault.New(fault.TooLarge, "clip_too_long", "The range has more frames than an MP4 can hold.", "Ask for a shorter range.")
)

// Track adds a track as the header describes it; at most as many as a header has bits for.
func (m *Movie) Track(h *Header) *Table {
	t := &Table{movie: m, head: h}
	t.Entry(h)
	m.tables = append(m.tables, t)
	return t
}

// Scale is the time scale of the track.
func (t *Table) Scale() uint32 { return t.head.Scale }

// Entry gives the number of the header's sample entry among those of the track, which is added if it is new (8.5.2). There may be
// at most 255.
func (t *Table) Entry(h *Header) uint32 {
	for i, e := range t.entries {
		if bytes.Equal(e, h.entry) {
			return uint32(i + 1)
		}
	}
	t.entries = append(t.entries, h.entry)
	// The track is as large as its largest picture (8.3.2.3).
	if i := len(t.entries); i > 1 {
		head := *t.head
		head.look = bytes.Clone(head.look)
		for at := lookSize - 8; at < lookSize; at += 4 {
			if bytes.Compare(h.look[at:at+4], head.look[at:at+4]) > 0 {
				copy(head.look[at:], h.look[at:at+4])
			}
		}
		t.head = &head
	}
	return uint32(len(t.entries))
}

// Begin sets what times count from, before the first sample: dts becomes decode time 0, and a sample with
// presentation time zero is at media time 0. zero below or at the first PTS.
func (t *Table) Begin(dts, zero int64) { t.origin, t.last, t.zero = dts, dts, zero }

// Chunk begins a chunk: samples that follow lie together, behind what was added to any track so far.
func (t *Table) Chunk(entry uint32) {
	t.closeChunk()
	t.chunk.entry, t.chunk.at = entry, t.movie.payload
}

func (t *Table) closeChunk() {
	if t.chunk.samples == 0 {
		return
	}
	t.chunk.count++
	t.chunkRuns.add(int64(t.chunk.samples)<<8 | int64(t.chunk.entry))
	t.chunks.put(uint64(t.chunk.at - t.chunk.was))
	t.chunk.was, t.chunk.samples = t.chunk.at, 0
}

// Add adds a sample with its times in ticks of the track. A DTS that does not grow is moved by a tick, and the
// presentation time kept.
func (t *Table) Add(dts, pts int64, size uint32, key bool) error {
	if t.count > 0 {
		dts = max(dts, t.last+1)
		if dts-t.last > math.MaxUint32 {
			return errHole
		}
		t.times.add(dts - t.last)
	}
	shift := pts - t.zero - (dts - t.origin)
	switch {
	case shift > math.MaxInt32 || shift < math.MinInt32:
		return errHole
	case t.count == math.MaxUint32:
		return errMany
	case t.count == 0 && size > 0:
		t.oneSize = int64(size)
	case t.oneSize != int64(size):
		t.oneSize = -1
	}
	t.last, t.count, t.negative = dts, t.count+1, t.negative || shift < 0
	t.shifts.add(shift)
	t.sizes.put(uint64(size))
	if key {
		t.keys.put(uint64(t.count - t.lastKey))
		t.lastKey, t.keyCount = t.count, t.keyCount+1
	}
	t.chunk.samples++
	t.movie.payload += int64(size)
	return nil
}

// Last is the DTS of the last sample, as it was kept.
func (t *Table) Last() int64 { return t.last }

// Samples is how many there are.
func (t *Table) Samples() uint32 { return t.count }

// End says how long the last sample lasts.
func (t *Table) End(duration int64) {
	if t.count > 0 {
		duration = min(max(duration, 1), math.MaxUint32)
		t.times.add(duration)
		t.duration = t.last + duration - t.origin
	}
}

// length is how long the track plays, in MovieScale.
func (t *Table) length() int64 {
	if len(t.Edits) == 0 {
		return media.Rescale(t.duration, t.head.Scale, MovieScale)
	}
	sum := int64(0)
	for _, e := range t.Edits {
		sum += e.Duration
	}
	return sum
}

// Finish ends the building; every table must have had its End. Tables without samples are left out.
func (m *Movie) Finish() {
	kept := m.tables[:0]
	for _, t := range m.tables {
		if t.count == 0 {
			continue
		}
		t.closeChunk()
		t.times.close()
		t.shifts.close()
		t.chunkRuns.close()
		kept = append(kept, t)
	}
	m.tables = kept
	m.layout = m.lay()
}

// HeadSize is the number of bytes before the first sample; Size that of the whole file.
func (m *Movie) HeadSize() int64 { return m.layout.head }

// Size is the size of the file.
func (m *Movie) Size() int64 { return m.layout.head + m.payload }

// Payload is the size of all samples.
func (m *Movie) Payload() int64 { return m.payload }

// Length is how long the movie plays.
func (m *Movie) Length() time.Duration {
	longest := int64(0)
	for _, t := range m.tables {
		longest = max(longest, t.length())
	}
	return media.ToDuration(longest, MovieScale)
}

// Memory is about what the tables hold, in bytes.
func (m *Movie) Memory() int {
	n := 0
	for _, t := range m.tables {
		n += 512 + t.times.size() + t.shifts.size() + t.chunkRuns.size() + t.sizes.size() + t.keys.size() + t.chunks.size()
		for _, e := range t.entries {
			n += len(e)
		}
	}
	return n
}
