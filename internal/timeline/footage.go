package timeline

import (
	"os"
	"slices"
	"time"

	"weir/internal/format/box"
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
	pend    []piece   // not yet written
	tables  []stretch // where in pend sample tables lie
	size    int64     // of what was written and of pend
	pos     int64     // written so far
	synced  int64     // safe from a power cut
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
func (f *footage) add(p piece) {
	f.pend = append(f.pend, p)
	f.size += int64(len(p.b))
}

// stretch is bytes of a file.
type stretch struct{ from, to int64 }

// addPart takes a part, and notes where its sample tables lie.
func (f *footage) addPart(p piece) {
	for at := int64(0); at < int64(len(p.b)); {
		kind, _, n, ok := box.Head(p.b[at:])
		if !ok || n == 0 || kind == "mdat" {
			break
		}
		if kind == "moof" {
			f.tables = append(f.tables, stretch{f.size + at, f.size + at + n})
		}
		at += n
	}
	f.add(p)
}

// feed takes news of a segment.
func (f *footage) feed(n *news) {
	if n.first {
		seg := trackfile.Segment{N: n.b.n, Start: n.b.start, DTS: n.b.dts, Independent: n.b.independent, Key: n.b.key}
		f.add(piece{trackfile.AppendMark(nil, &seg), n.parts[0].came})
		seg.Offset = f.size
		f.all = append(f.all, seg)
		f.waiting = append(f.waiting, unsafe{b: n.b})
	}
	seg := &f.all[len(f.all)-1]
	for _, p := range n.parts {
		f.addPart(p)
		seg.CRC = trackfile.Add(seg.CRC, p.b)
	}
	seg.Size, seg.Duration = f.size-seg.Offset, n.duration
	if n.complete {
		f.waiting[len(f.waiting)-1].end = f.size
	}
}

// finish adds the index: nothing follows.
func (f *footage) finish(end string, now time.Time) {
	f.end = end
	f.add(piece{trackfile.AppendIndex(nil, f.all, f.size, end), now})
}

// whole is how far a file can be written so that no page has to be written again, and so that what is there plays if this is
// all that ever gets there: a file that ends inside of sample tables is refused by ffmpeg, one that ends in a frame is not.
func (f *footage) whole() int64 {
	upTo := f.size / page * page
	for i := len(f.tables) - 1; i >= 0; i-- {
		if t := f.tables[i]; t.from < upTo && upTo < t.to {
			upTo = t.from / page * page
		}
	}
	return max(upTo, f.pos)
}

// oldest is since when the byte at an offset beyond pos waits.
func (f *footage) oldest(offset int64) time.Time {
	at := f.pos
	for i := range f.pend {
		if at += int64(len(f.pend[i].b)); at > offset {
			return f.pend[i].came
		}
	}
	return time.Time{}
}

// write writes what is pending. A page that is not full yet waits until its oldest byte came before the deadline, since a page
// that is synced twice is written twice. Then, and if all is set, everything is written.
func (f *footage) write(v *volume, all bool, deadline time.Time) (bool, error) {
	upTo := f.size
	if !all && f.end == "" {
		if upTo = f.whole(); upTo < f.size && f.oldest(upTo).Before(deadline) {
			upTo = f.size
		}
	}
	if upTo == f.pos {
		return false, nil
	}
	for f.pos < upTo {
		buf := v.buf[:0]
		for len(f.pend) > 0 && f.pos+int64(len(buf)) < upTo && len(buf) < cap(buf) {
			p := &f.pend[0]
			k := min(len(p.b), cap(buf)-len(buf), int(upTo-f.pos)-len(buf))
			buf = append(buf, p.b[:k]...)
			if p.b = p.b[k:]; len(p.b) == 0 {
				*p = piece{}
				f.pend = f.pend[1:]
			}
		}
		if err := v.disk.write(f.w, buf, f.pos); err != nil {
			return true, err
		}
		f.pos += int64(len(buf))
		v.written.Add(int64(len(buf)))
	}
	k := 0
	for k < len(f.tables) && f.tables[k].to <= f.pos {
		k++
	}
	f.tables = slices.Delete(f.tables, 0, k)
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
