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
	store *Store
	name  string

	mu       sync.Mutex
	runs     []*run
	version  uint64
	ended    bool
	closed   bool
	warned   bool
	snap     *Snapshot     // cached for the present version
	changed  chan struct{} // closed at the next change; nil when nobody waits
	current  *scratch      // the file being written
	scratchs []*scratch    // all files, oldest first
	spills   []*body       // finished, and still to be written
	began    bool          // a run has been begun before: nextMSN and nextSeq count
	nextMSN  int64
	nextSeq  int
}

type run struct {
	Run
	ended bool
	liveN int64 // first segment number still in the window
	lastN int64 // last segment number of any rendition; FirstN-1 if none
	rends []*rendition
}

type rendition struct {
	views  []SegmentView
	bodies []*body // parallel to views
}

// body is where a segment's bytes are.
type body struct {
	complete bool
	gap      bool
	dropped  bool     // left the window
	mem      [][]byte // one per part, until written
	file     *scratch // once written
	offset   int64
	size     int64
}

// Name is the stream's name.
func (t *Timeline) Name() string { return t.name }

// BeginRun ends the open run, if any, and starts the next one. It fills in the id, the
// names of the CMAF headers, the media sequence base and the discontinuity sequence.
// The very first base is the segment number itself, which grows with the wall clock, so
// that the media sequence does not go back when the server restarts.
func (t *Timeline) BeginRun(r Run) (Run, error) {
	if err := checkRun(&r); err != nil {
		return Run{}, err
	}
	t.mu.Lock()
	defer t.unlockAndSpill()
	if t.closed {
		return Run{}, ErrClosed
	}
	t.endRunLocked()
	if !t.began {
		t.began, t.nextMSN = true, max(r.FirstN, 0)
	}
	r.ID = t.store.newRunID()
	r.MSNBase, r.DiscontinuitySeq = t.nextMSN, t.nextSeq
	r.Renditions = append([]Rendition(nil), r.Renditions...)
	nr := &run{liveN: r.FirstN, lastN: r.FirstN - 1}
	for i := range r.Renditions {
		rd := &r.Renditions[i]
		rd.InitName = "init-" + strconv.FormatUint(r.ID, 10) + "-" + rd.Name + ".mp4"
		nr.rends = append(nr.rends, &rendition{})
	}
	nr.Run = r
	t.runs = append(t.runs, nr)
	t.ended = false
	t.bumpLocked()
	return r, nil
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
func (t *Timeline) EndRun() {
	t.mu.Lock()
	defer t.unlockAndSpill()
	if t.endRunLocked() {
		t.bumpLocked()
	}
}

func (t *Timeline) endRunLocked() bool {
	r := t.openRun()
	if r == nil {
		return false
	}
	for i, rd := range r.rends {
		t.completeLocked(rd)
		t.fillLocked(r, i, r.lastN+1)
	}
	r.ended = true
	if r.lastN < r.FirstN {
		// Nothing was ever published of it: its numbers are free again.
		t.runs = t.runs[:len(t.runs)-1]
		return true
	}
	t.nextMSN, t.nextSeq = r.MSN(r.lastN)+1, r.DiscontinuitySeq+1
	t.evictLocked()
	return true
}

// End marks the stream as over, after EndRun.
func (t *Timeline) End() {
	t.mu.Lock()
	defer t.unlockAndSpill()
	t.endRunLocked()
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
	defer t.unlockAndSpill()
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
	if !p.Gap {
		v.Parts = append(v.Parts, PartView{Index: len(v.Parts), Start: p.Start, Duration: p.Duration,
			Independent: p.Independent, Offset: v.Size, Size: int64(len(p.Data))})
		v.Size += int64(len(p.Data))
		b.mem = append(b.mem, p.Data)
		b.size = v.Size
	}
	if p.Last {
		t.completeLocked(rd)
	}
	t.bumpLocked()
	return nil
}

// openSegmentLocked closes the rendition's open segment and begins the one of part p.
func (t *Timeline) openSegmentLocked(r *run, i int, p Part) {
	rd := r.rends[i]
	t.completeLocked(rd)
	r.lastN = max(r.lastN, p.N)
	t.evictLocked()
	t.fillLocked(r, i, p.N)
	rd.views = append(rd.views, SegmentView{N: p.N, MSN: r.MSN(p.N), Start: p.Start, DTS: p.DTS,
		Independent: p.Independent, Gap: p.Gap, Key: p.Key})
	rd.bodies = append(rd.bodies, &body{gap: p.Gap})
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
	rd, scale := r.rends[i], r.Renditions[i].Track.TimeScale
	from := r.liveN
	if k := len(rd.views); k > 0 {
		from = rd.views[k-1].N + 1
	}
	for ; from < n; from++ {
		start := media.FromDuration(time.Duration(from)*r.SegmentDuration, scale)
		end := media.FromDuration(time.Duration(from+1)*r.SegmentDuration, scale)
		rd.views = append(rd.views, SegmentView{N: from, MSN: r.MSN(from), Start: start, DTS: start,
			Duration: end - start, Complete: true, Gap: true})
		rd.bodies = append(rd.bodies, &body{complete: true, gap: true})
	}
}

// completeLocked closes a rendition's open segment.
func (t *Timeline) completeLocked(rd *rendition) {
	k := len(rd.views) - 1
	if k < 0 || rd.views[k].Complete {
		return
	}
	rd.views[k].Complete = true
	b := rd.bodies[k]
	b.complete = true
	if !b.gap && t.store.cfg.Dir != "" {
		t.spills = append(t.spills, b)
	}
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
