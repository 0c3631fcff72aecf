package timeline

import (
	"context"
	"strconv"
	"sync"
	"time"

	"weir/internal/media"
)

// Timeline is one stream's window of runs. One segmenter writes; any number read.
type Timeline struct {
	store  *Store
	name   string
	phase  time.Duration // when it begins new files
	window time.Duration // how much of finished segments stays

	mu      sync.Mutex
	runs    []*run
	version uint64
	ended   bool
	closed  bool
	snap    *Snapshot     // cached for the present version
	changed chan struct{} // closed at the next change; nil when nobody waits
	began   bool          // there has been a run before: next counts
	next    continuity
}

type run struct {
	Run
	t     *Timeline
	ended bool
	told  bool      // the index knows how it ended
	liveN int64     // first segment number still in the window
	lastN int64     // last segment number of any rendition; FirstN-1 if none
	until time.Time // end of the latest segment
	rends []*rendition
}

type rendition struct {
	views  []SegmentView
	bodies []*body // parallel to views
	rec    *track  // nil if nothing is recorded
}

// body is where a segment's bytes are, and what its file will say of it.
type body struct {
	n, start, dts, duration, key int64
	independent                  bool

	complete bool
	gap      bool
	beyond   bool     // left the window before it was safe
	taken    bool     // is on its way to the disk
	lost     bool     // was given up: too much waits for the disk
	checked  bool     // what the file holds has been compared with crc
	mem      []piece  // one per part, until the file is safe
	file     *footage // once it is safe
	offset   int64
	size     int64
	crc      uint32
}

// piece is bytes that wait for the disk, and since when.
type piece struct {
	b    []byte
	came time.Time
}

// Name is the stream's name.
func (t *Timeline) Name() string { return t.name }

// Window is how much of finished segments stays in the head.
func (t *Timeline) Window() time.Duration { return t.window }

// BeginRun ends the open run, if any, and starts the next one. It fills in the id, the
// names of the CMAF headers, the media sequence base and the discontinuity sequence.
// The very first base is the segment number itself, which grows with the wall clock, so
// that the media sequence does not go back when the server restarts.
func (t *Timeline) BeginRun(r Run) (Run, error) {
	if err := checkRun(&r); err != nil {
		return Run{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return Run{}, ErrClosed
	}
	t.endRunLocked(EndConfig)
	if !t.began {
		t.began, t.next.nextMSN = true, max(r.FirstN, 0)
	}
	r.ID, r.EndReason = t.store.newRunID(t.next.run), ""
	r.MSNBase, r.DiscontinuitySeq = t.next.nextMSN, t.next.nextSeq
	if t.next.absent < 0 {
		t.next.absent = unknownAbsences(&r)
	}
	r.Absent = absence(t.next.until, r.Start, r.SegmentDuration)
	r.AbsentSoFar = t.next.absent + r.Absent
	r.Renditions = append([]Rendition(nil), r.Renditions...)
	nr := &run{t: t, liveN: r.FirstN, lastN: r.FirstN - 1}
	for i := range r.Renditions {
		rd := &r.Renditions[i]
		rd.InitName = "init-" + strconv.FormatUint(r.ID, 10) + "-" + rd.Name + ".mp4"
		nr.rends = append(nr.rends, &rendition{})
	}
	nr.Run = r
	if v := t.store.volume(); v != nil {
		v.record(nr)
	}
	t.runs = append(t.runs, nr)
	t.ended = false
	t.bumpLocked()
	return r, nil
}

// unknownAbsences is no less than AbsentSoFar was before the server was started anew. Footage and absences together have taken as
// long as the clock went on since the first run, whose number was that of the clock, and each run has begun and ended, and
// its absence has ended, within a segment.
func unknownAbsences(r *Run) int64 {
	const rounded = 3
	return max(0, r.FirstN+rounded*int64(r.DiscontinuitySeq)-r.MSNBase)
}

func checkRun(r *Run) error {
	if r.SegmentDuration <= 0 || len(r.Renditions) == 0 || len(r.Renditions) > maxRenditions {
		return errRun
	}
	seen := make(map[string]bool, len(r.Renditions))
	for i := range r.Renditions {
		rd := &r.Renditions[i]
		if rd.Name == "" || seen[rd.Name] || rd.Track.TimeScale == 0 {
			return errRun
		}
		seen[rd.Name] = true
	}
	return nil
}

// EndRun closes the open segments of the current run: the publisher is away. Renditions
// that are behind get gaps, so that all of them end with the same media sequence number.
func (t *Timeline) EndRun() { t.EndRunFor(EndPublisherGone) }

// EndRunFor is EndRun for another reason, one of the End constants.
func (t *Timeline) EndRunFor(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.endRunLocked(reason) {
		t.bumpLocked()
	}
}

func (t *Timeline) endRunLocked(reason string) bool {
	r := t.openRun()
	if r == nil {
		return false
	}
	for i, rd := range r.rends {
		t.completeLocked(r, i)
		if rd.rec != nil {
			rd.rec.over = true
		}
		t.fillLocked(r, i, r.lastN+1)
	}
	r.ended, r.EndReason = true, reason
	if r.lastN < r.FirstN {
		// Nothing was ever published of it: its numbers are free again.
		t.runs = t.runs[:len(t.runs)-1]
		return true
	}
	t.next = continuity{run: r.ID, nextMSN: r.MSN(r.lastN) + 1, nextSeq: r.DiscontinuitySeq + 1, absent: r.AbsentSoFar}
	if reason == EndPublisherGone {
		t.next.until = r.until
	}
	if v := t.store.volume(); v != nil {
		v.runEnded(r)
	}
	t.evictLocked()
	return true
}

// End marks the stream as over, after EndRun.
func (t *Timeline) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endRunLocked(EndPublisherGone)
	t.next.until = time.Time{} // nobody waits for what comes next
	if !t.ended {
		t.ended = true
		t.bumpLocked()
	}
}

// Append adds a part to a rendition of the current run. Parts of one segment come in
// order, segments in growing number; numbers left out become gaps. ErrGone means that the
// part's segment number has already left the window, because the other renditions are so
// far ahead.
func (t *Timeline) Append(rendition string, p Part) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.openRun()
	if r == nil {
		return errNoRun
	}
	i := r.indexOf(rendition)
	if i < 0 {
		return errUnknown
	}
	rd := r.rends[i]
	last := len(rd.views) - 1
	open := last >= 0 && !rd.views[last].Complete && rd.views[last].N == p.N
	if !open {
		if p.N < r.liveN {
			return ErrGone
		}
		if last >= 0 && p.N <= rd.views[last].N || p.N > r.lastN+maxJump {
			return ErrOrder
		}
		t.openSegmentLocked(r, i, p)
	}
	v, b := &rd.views[len(rd.views)-1], rd.bodies[len(rd.bodies)-1]
	v.Duration += p.Duration
	b.duration = v.Duration
	if !p.Gap {
		v.Parts = append(v.Parts, PartView{Index: len(v.Parts), Start: p.Start, Duration: p.Duration,
			Independent: p.Independent, Offset: v.Size, Size: int64(len(p.Data))})
		v.Size += int64(len(p.Data))
		b.mem = append(b.mem, piece{p.Data, time.Now()})
		b.size = v.Size
	}
	if p.Last {
		t.completeLocked(r, i)
	}
	t.bumpLocked()
	return nil
}

// openSegmentLocked closes the rendition's open segment and begins the one of part p.
func (t *Timeline) openSegmentLocked(r *run, i int, p Part) {
	rd := r.rends[i]
	t.completeLocked(r, i)
	r.lastN = max(r.lastN, p.N)
	t.evictLocked()
	t.fillLocked(r, i, p.N)
	rd.views = append(rd.views, SegmentView{N: p.N, MSN: r.MSN(p.N), Start: p.Start, DTS: p.DTS,
		Independent: p.Independent, Gap: p.Gap, Key: p.Key})
	b := &body{n: p.N, start: p.Start, dts: p.DTS, key: p.Key, independent: p.Independent, gap: p.Gap}
	rd.bodies = append(rd.bodies, b)
	if rd.rec != nil && !p.Gap {
		rd.rec.queue = append(rd.rec.queue, b)
	}
}

func (t *Timeline) openRun() *run {
	if n := len(t.runs); n > 0 && !t.runs[n-1].ended && !t.closed {
		return t.runs[n-1]
	}
	return nil
}

func (r *run) indexOf(name string) int {
	for i := range r.Renditions {
		if r.Renditions[i].Name == name {
			return i
		}
	}
	return -1
}

// fillLocked appends gaps to a rendition up to, not including, segment number n.
func (t *Timeline) fillLocked(r *run, i int, n int64) {
	rd := r.rends[i]
	from := r.liveN
	if k := len(rd.views); k > 0 {
		from = rd.views[k-1].N + 1
	}
	for ; from < n; from++ {
		rd.views = append(rd.views, r.gap(i, from))
		rd.bodies = append(rd.bodies, &body{complete: true, gap: true})
	}
}

// completeLocked closes a rendition's open segment.
func (t *Timeline) completeLocked(r *run, i int) {
	rd := r.rends[i]
	k := len(rd.views) - 1
	if k < 0 || rd.views[k].Complete {
		return
	}
	v := &rd.views[k]
	v.Complete = true
	rd.bodies[k].complete = true
	if !v.Gap {
		r.until = later(r.until, at(v.Start+v.Duration, r.Renditions[i].Track.TimeScale))
	}
}

// at is the instant of an epoch media time.
func at(ticks int64, scale uint32) time.Time {
	return time.Unix(0, int64(media.ToDuration(ticks, scale))).UTC()
}

// changedLocked returns a channel that is closed at the next change.
func (t *Timeline) changedLocked() <-chan struct{} {
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

func (t *Timeline) bumpLocked() {
	t.version++
	t.snap = nil
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// Wait returns a snapshot newer than version after, or the present one if the stream
// has ended.
func (t *Timeline) Wait(ctx context.Context, after uint64) (*Snapshot, error) {
	for {
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			return nil, ErrClosed
		}
		if t.version > after || t.ended {
			s := t.snapshotLocked()
			t.mu.Unlock()
			return s, nil
		}
		changed := t.changedLocked()
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Snapshot returns the present state. It is made when it is first asked for after a
// change, so parts that nobody looks at cost nothing.
func (t *Timeline) Snapshot() *Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshotLocked()
}

func (t *Timeline) snapshotLocked() *Snapshot {
	if t.snap != nil {
		return t.snap
	}
	s := &Snapshot{Version: t.version, Ended: t.ended, Runs: make([]RunView, len(t.runs))}
	for i, r := range t.runs {
		rv := RunView{Run: r.Run, Ended: r.ended, Renditions: make([]RenditionView, len(r.rends))}
		for j, rd := range r.rends {
			// Elements of Parts are written once and only beyond the length copied here.
			rv.Renditions[j].Segments = append([]SegmentView(nil), rd.views...)
		}
		s.Runs[i] = rv
	}
	t.snap = s
	return s
}
