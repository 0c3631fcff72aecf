package timeline

import (
	"hash/fnv"
	"strconv"
	"time"

	"weir/internal/format/cmaf/trackfile"
)

// track is the recording of one rendition of a run: the segments that wait for the disk, and the files they go to.
type track struct {
	t *Timeline
	r *run
	i int // of the rendition

	// Guarded by the timeline's lock.
	queue []*body    // not yet safe, oldest first
	files []*footage // not yet in the index, oldest first
	over  bool       // everything has been handed over

	// The flusher's alone.
	next     int        // of the queue: what is fed to the file now
	fed      int        // parts of it that the file has
	file     *footage   // the one that is fed
	writing  []*footage // not yet safe as a whole, oldest first
	seq      int        // of the next file
	retryAt  time.Time
	pause    time.Duration // 0: no trouble
	stumbled bool          // at this tick
}

// news is what has come of a segment since the last tick.
type news struct {
	b        *body
	parts    []piece
	duration int64
	first    bool
	complete bool
}

// news lists what has come; ended says why, if nothing will come any more.
func (tr *track) news(buf []news) (list []news, lastN int64, ended string) {
	tr.t.mu.Lock()
	defer tr.t.mu.Unlock()
	list = buf[:0]
	fed := tr.fed
	for _, b := range tr.queue[tr.next:] {
		n := news{b: b, parts: b.mem[min(fed, len(b.mem)):], duration: b.duration, first: fed == 0, complete: b.complete}
		fed = 0
		if n.first && !b.lost {
			if len(n.parts) == 0 {
				break
			}
			b.taken = true
		}
		list = append(list, n)
		if !b.complete {
			break
		}
	}
	if tr.r.ended {
		ended = tr.r.EndReason
		if ended == "" {
			ended = EndStop
		}
	}
	return list, tr.r.lastN, ended
}

// gather feeds what has come to files, and begins and ends them.
func (tr *track) gather(v *volume, now time.Time) error {
	list, lastN, ended := tr.news(v.list)
	v.list = list
	for i := range list {
		n := &list[i]
		if n.b.lost {
			tr.next, tr.fed = tr.next+1, 0
			continue
		}
		if n.first {
			if tr.file != nil && (tr.file.size >= fileBytes || tr.minute(n.b.n) != tr.minute(tr.file.all[0].N)) {
				tr.finish("rotate", now)
			}
			if tr.file == nil {
				if err := tr.create(v, now); err != nil {
					return err
				}
			}
		}
		tr.file.feed(n)
		tr.fed += len(n.parts)
		if n.complete {
			tr.next, tr.fed = tr.next+1, 0
		}
	}
	switch {
	case tr.file == nil || tr.fed > 0:
	case ended != "":
		tr.finish(ended, now)
	case tr.minute(lastN) > tr.minute(tr.file.all[0].N)+1:
		tr.finish("rotate", now) // a rendition that has fallen silent
	}
	return nil
}

// minute numbers the files of a stream by time, so that all its renditions begin a new one together, and that
// streams do so at different moments.
func (tr *track) minute(n int64) int64 {
	at := time.Duration(n) * tr.r.SegmentDuration
	return int64((at + tr.t.phase) / fileTime)
}

func phaseOf(name string) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash returns no error
	return time.Duration(h.Sum32()%uint32(fileTime/time.Millisecond)) * time.Millisecond
}

func (tr *track) finish(end string, now time.Time) {
	tr.file.finish(end, now)
	tr.file = nil
}

// create begins a file.
func (tr *track) create(v *volume, now time.Time) error {
	r := &tr.r.Run
	h := trackfile.Head{Timeline: tr.t.name, Rendition: r.Renditions[tr.i].Name, Run: r.ID, RunStart: r.Start,
		SegmentDuration: r.SegmentDuration, PartDuration: r.PartDuration, FirstN: r.FirstN, MSNBase: r.MSNBase,
		DiscontinuitySeq: r.DiscontinuitySeq, Seq: tr.seq, Volume: v.id, Created: now.UTC(), Clock: r.Clock}
	for i := range r.Renditions {
		h.Renditions = append(h.Renditions, r.Renditions[i].Name)
	}
	f := &footage{tr: tr, head: h, path: v.openPath(&h), key: keyOf(&h)}
	w, err := v.disk.create(f.path)
	if err != nil {
		return err
	}
	v.created = true
	f.w = w
	f.objects.open = v.opener(f.path, f.key)
	f.add(piece{trackfile.AppendHead(nil, &h, r.Renditions[tr.i].Init), now})
	tr.seq++
	tr.file = f
	tr.writing = append(tr.writing, f)
	tr.t.mu.Lock()
	tr.files = append(tr.files, f)
	tr.t.mu.Unlock()
	return nil
}

// fileName is a file's name in the open folder.
func fileName(h *trackfile.Head) string {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(h.Timeline)) // a hash returns no error
	return strconv.FormatUint(h.Run, 10) + "-" + escape(h.Rendition) + "-" + strconv.Itoa(h.Seq) + "-" +
		strconv.FormatUint(sum.Sum64(), 16) + openSuffix
}

// keyOf is the object's key once the file is sealed: the stream, the day, the run.
func keyOf(h *trackfile.Head) string {
	name := escapeName(h.Timeline)
	return name + "/" + h.RunStart.Add(time.Duration(h.Seq)*fileTime).UTC().Format("2006-01-02") + "/" +
		strconv.FormatUint(h.Run, 10) + "-" + escape(h.Rendition) + "-" + strconv.Itoa(h.Seq) + ".mp4"
}

// popped takes safe segments off the queue. It is called with the timeline's lock.
func (tr *track) popped(v *volume) {
	k := 0
	for k < tr.next && (tr.queue[k].file != nil || tr.queue[k].lost) {
		if b := tr.queue[k]; b.beyond {
			b.beyond = false
			v.backlog.Add(-b.size)
		}
		tr.queue[k] = nil
		k++
	}
	tr.queue = tr.queue[k:]
	tr.next -= k
}
