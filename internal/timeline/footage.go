package timeline

import (
	"os"
	"slices"
	"time"

	"weir/internal/format/cmaf/trackfile"
	"weir/internal/timeline/index"
)

const (
	fileTime  = 60 * time.Second // media in one file
	fileBytes = 64 << 20
	page      = 4096 // what the system counts and syncs
	copyBytes = 1 << 20
)

// footage is one track file while it is written, and until the index knows it.
type footage struct {
	objects // for readers; before it is sealed, the file in the open folder

	tr        *track
	head      trackfile.Head
	path, key string

	// The flusher's alone, then the sealer's.
	w       *os.File
	pend    [][]byte // not yet written
	size    int64    // of what was written and of pend
	pos     int64    // written so far
	synced  int64    // safe from a power cut
	fresh   int64    // bytes of pend that came at this tick
	all     []trackfile.Segment
	waiting []unsafe // segments that are not safe yet, oldest first
	end     string   // why it ends; set when it is finished
	given   bool     // given up: what is written beyond the safe segments is not to be trusted

	// Guarded by the timeline's lock.
	safe    []trackfile.Segment // what of all has been synced
	checked map[int64]bool      // segments that were read back and compared
	indexed bool                // the index knows it
}

// unsafe is a segment on its way to the disk.
type unsafe struct {
	b   *body
	end int64 // where in the file it ends; 0 while it is open
}

// add takes new bytes to write.
func (f *footage) add(b []byte) {
	f.pend = append(f.pend, b)
	f.size += int64(len(b))
	f.fresh += int64(len(b))
}

// feed takes news of a segment.
func (f *footage) feed(n *news) {
	if n.first {
		seg := trackfile.Segment{N: n.b.n, Start: n.b.start, DTS: n.b.dts, Independent: n.b.independent, Key: n.b.key}
		f.add(trackfile.AppendMark(nil, &seg))
		seg.Offset = f.size
		f.all = append(f.all, seg)
		f.waiting = append(f.waiting, unsafe{b: n.b})
	}
	seg := &f.all[len(f.all)-1]
	for _, p := range n.parts {
		f.add(p)
		seg.CRC = trackfile.Add(seg.CRC, p)
	}
	seg.Size, seg.Duration = f.size-seg.Offset, n.duration
	if n.complete {
		f.waiting[len(f.waiting)-1].end = f.size
	}
}

// finish adds the index: nothing follows.
func (f *footage) finish(end string) {
	f.end = end
	f.add(trackfile.AppendIndex(nil, f.all, f.size, end))
}

// write writes what is pending. A page that is not full yet waits for one more tick, since a page that is synced
// twice is written twice; everything is written if all is set, or if it has waited already.
func (f *footage) write(v *volume, all bool) (bool, error) {
	left := f.size - f.pos
	upTo := f.size
	if !all && f.end == "" {
		if upTo = f.size / page * page; upTo <= f.pos {
			upTo = f.pos
		}
		if f.size-upTo > f.fresh {
			upTo = f.size
		}
	}
	f.fresh = 0
	if left == 0 || upTo == f.pos {
		return false, nil
	}
	for f.pos < upTo {
		buf := v.buf[:0]
		for len(f.pend) > 0 && f.pos+int64(len(buf)) < upTo && len(buf) < cap(buf) {
			k := min(len(f.pend[0]), cap(buf)-len(buf), int(upTo-f.pos)-len(buf))
			buf = append(buf, f.pend[0][:k]...)
			if f.pend[0] = f.pend[0][k:]; len(f.pend[0]) == 0 {
				f.pend[0] = nil
				f.pend = f.pend[1:]
			}
		}
		if err := v.disk.write(f.w, buf, f.pos); err != nil {
			return true, err
		}
		f.pos += int64(len(buf))
		v.written.Add(int64(len(buf)))
	}
	return true, nil
}

// settle notes that everything written is safe now. It is called with the timeline's lock.
func (f *footage) settle() {
	f.synced = f.pos
	k := 0
	for ; k < len(f.waiting); k++ {
		w := f.waiting[k]
		if w.end == 0 || w.end > f.synced {
			break
		}
		seg := &f.all[len(f.safe)]
		w.b.file, w.b.offset, w.b.mem, w.b.crc = f, seg.Offset, nil, seg.CRC
		f.safe = f.all[:len(f.safe)+1]
	}
	f.waiting = slices.Delete(f.waiting, 0, k)
}

// times gives the presentation time of the first frame and the end of the last.
func times(segs []trackfile.Segment, scale uint32) (from, to time.Time) {
	for i := range segs {
		s := &segs[i]
		if s.Gap {
			continue
		}
		a, b := at(s.Start, scale), at(s.Start+s.Duration, scale)
		if from.IsZero() || a.Before(from) {
			from = a
		}
		if b.After(to) {
			to = b
		}
	}
	return from, to
}

// row is the file's row in the index.
func row(h *trackfile.Head, key string, size int64, segs []trackfile.Segment, scale uint32, end string) index.File {
	from, to := times(segs, scale)
	if to.Sub(from) > index.MaxFile { // a publisher whose timestamps lie
		to = from.Add(index.MaxFile)
	}
	return index.File{Timeline: h.Timeline, Run: h.Run, Rendition: h.Rendition, Seq: h.Seq, Object: key, Size: size,
		From: from, To: to, FirstN: segs[0].N, LastN: segs[len(segs)-1].N, Groups: trackfile.AppendGroups(nil, segs), End: end}
}
