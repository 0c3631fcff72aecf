package timeline

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"weir/internal/fault"
	"weir/internal/timeline/index"
)

// maxPast bounds what one Past lists: some days of a stream of two renditions.
const maxPast = 400_000

var (
	// ErrNoFootage says that a range of a timeline is empty.
	ErrNoFootage = fault.New(fault.NotFound, "no_footage", "There is no footage of this stream at that time.",
		"Choose another time; the timeline shows where there is footage.")
	errTooLong = fault.New(fault.TooLarge, "range_too_long", "The range is too long to be played at once.", "Choose a shorter range.")
)

// Past lists the finished segments of a stream that have an instant in the range, from files and from the
// live window, with gaps where a segment is missing inside a run. Its segments have no parts. Its version grows
// when a finished segment or a run was added, and it has ended when nothing can come in this range any more.
// A run that has a hole of many hours comes as several views of the same id.
func (s *Store) Past(ctx context.Context, name string, r Range) (*Snapshot, error) {
	p := s.remember(name, false)
	if s.volume() != nil {
		if err := s.volume().recall(ctx, name, r, p); err != nil {
			s.volume().distrust(err)
			return nil, err
		}
	}
	runs := p.sorted()
	snap := &Snapshot{Runs: assemble(runs, r)}
	if len(snap.Runs) == 0 {
		return nil, ErrNoFootage
	}
	if !s.omitSpoiled(ctx, name, snap) {
		return nil, ErrDamaged
	}
	snap.Version = runs[len(runs)-1].version()
	snap.Ended = pastEnded(runs, p.live, r, time.Now())
	return snap, nil
}

// pasts collects what is known of the runs of a stream.
type pasts struct {
	byID map[uint64]*pastRun
	live bool
}

func (p *pasts) sorted() []*pastRun {
	out := make([]*pastRun, 0, len(p.byID))
	for _, r := range p.byID {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *pastRun) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// remember collects what memory knows of a stream: the window, and the files that the index does not have yet. The
// index is asked afterwards, so that what moves there meanwhile is seen twice rather than not at all. With news set,
// what the index has already is left out.
func (s *Store) remember(name string, news bool) *pasts {
	p := &pasts{byID: map[uint64]*pastRun{}}
	if t := s.Get(name); t != nil {
		t.mu.Lock()
		p.live = !t.ended && !t.closed
		for _, r := range t.runs {
			pr := p.of(r)
			for i, rd := range r.rends {
				pr.rends[i].addWindow(rd, news)
			}
		}
		t.mu.Unlock()
	}
	if s.volume() == nil {
		return p
	}
	for _, tr := range s.volume().of(name) {
		tr.t.mu.Lock()
		pr := p.of(tr.r)
		for _, f := range tr.files {
			pr.rends[tr.i].add(viewsOf(f.safe, &tr.r.Run))
		}
		pr.rends[tr.i].add(tr.backlog())
		tr.t.mu.Unlock()
	}
	return p
}

// backlog lists the finished segments that wait for the disk, in the window and beyond it. It is called with the
// timeline's lock.
func (tr *track) backlog() []SegmentView {
	var out []SegmentView
	for _, b := range tr.queue {
		if b.complete && !b.lost && b.file == nil {
			out = append(out, SegmentView{N: b.n, MSN: tr.r.MSN(b.n), Start: b.start, DTS: b.dts, Duration: b.duration,
				Independent: b.independent, Complete: true, Size: b.size, Key: b.key})
		}
	}
	return out
}

// of is the entry of a run in memory. It is called with the timeline's lock.
func (p *pasts) of(r *run) *pastRun {
	pr := p.byID[r.ID]
	if pr == nil {
		pr = &pastRun{Run: r.Run, ended: r.ended, lastN: r.lastN, rends: make([]pastRendition, len(r.rends))}
		for i := range pr.rends {
			pr.rends[i].upTo = r.FirstN - 1
		}
		p.byID[r.ID] = pr
	}
	return pr
}

// addWindow adds the finished segments of the live window.
func (p *pastRendition) addWindow(rd *rendition, news bool) {
	var segs []SegmentView
	for k := range rd.views {
		v := rd.views[k]
		if !v.Complete {
			break
		}
		p.upTo = max(p.upTo, v.N)
		b := rd.bodies[k]
		if v.Gap || b.lost || news && b.file != nil && b.file.indexed {
			continue
		}
		v.Parts = nil
		segs = append(segs, v)
	}
	p.add(segs)
}

// add merges segments, which are ordered by number, into the list. Of two with one number the one that is there stays.
func (p *pastRendition) add(segs []SegmentView) {
	if len(segs) == 0 {
		return
	}
	p.upTo = max(p.upTo, segs[len(segs)-1].N)
	switch n := len(p.segs); {
	case n == 0:
		p.segs = append(p.segs, segs...)
		return
	case segs[0].N > p.segs[n-1].N:
		p.segs = append(p.segs, segs...)
		return
	}
	out := make([]SegmentView, 0, len(p.segs)+len(segs))
	a, b := p.segs, segs
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].N <= b[0].N:
			if a[0].N == b[0].N {
				b = b[1:]
			}
			out, a = append(out, a[0]), a[1:]
		default:
			out, b = append(out, b[0]), b[1:]
		}
	}
	p.segs = append(append(out, a...), b...)
}

// recall adds what the index knows.
func (v *volume) recall(ctx context.Context, name string, r Range, p *pasts) error {
	files, err := v.db.Files(ctx, name, r.From, r.To)
	if err != nil {
		return err
	}
	rows, err := v.db.Runs(ctx, name, r.From, r.To)
	if err != nil {
		return err
	}
	for i := range rows {
		if p.byID[rows[i].ID] == nil {
			pr, err := v.pastRun(&rows[i])
			if err != nil {
				return err
			}
			p.byID[pr.ID] = pr
		}
	}
	// A file that was given up may hold the beginning of a segment that the next one holds whole.
	slices.SortStableFunc(files, func(a, b index.File) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Rendition, b.Rendition), cmp.Compare(a.Seq, b.Seq))
	})
	disk := map[*pastRun][]sources{}
	total := 0
	for i := range files {
		f := &files[i]
		pr := p.byID[f.Run]
		if pr == nil {
			continue // its run begins after the range, by a clock that lied
		}
		j := pr.indexOf(f.Rendition)
		if j < 0 {
			continue
		}
		views, err := v.cache.views(f, &pr.Run)
		if err != nil {
			return err
		}
		if total += len(views); total > maxPast {
			return errTooLong
		}
		if disk[pr] == nil {
			disk[pr] = make([]sources, len(pr.rends))
		}
		from := &disk[pr][j]
		from.files, from.views = append(from.files, f), append(from.views, views)
	}
	for pr, rends := range disk {
		for j := range rends {
			rends[j].memory = pr.rends[j].segs
			v.cache.join(name, pr, j, &rends[j])
		}
	}
	return nil
}

// join puts together what files and memory have of a rendition.
func (c *pastCache) join(name string, pr *pastRun, j int, s *sources) {
	rd := &pr.rends[j]
	if len(s.files) == 0 {
		return
	}
	if segs, ok := c.joined.list(name, pr.ID, pr.Renditions[j].Name, s); ok {
		rd.segs = segs
		rd.upTo = max(rd.upTo, segs[len(segs)-1].N)
		return
	}
	var all pastRendition
	for _, views := range s.views {
		all.addOver(views)
	}
	rd.segs = all.segs
	rd.addOver(s.memory)
	rd.upTo = max(rd.upTo, all.upTo)
}

// addOver is add, but of two segments with one number the new one counts.
func (p *pastRendition) addOver(segs []SegmentView) {
	if n := len(p.segs); n == 0 || len(segs) == 0 || segs[0].N > p.segs[n-1].N {
		p.add(segs)
		return
	}
	old := p.segs
	p.segs = append([]SegmentView(nil), segs...)
	p.add(old)
}

func (r *Run) indexOf(name string) int {
	for i := range r.Renditions {
		if r.Renditions[i].Name == name {
			return i
		}
	}
	return -1
}

// pastRun makes a run out of its row. What is not in memory has ended.
func (v *volume) pastRun(row *index.Run) (*pastRun, error) {
	pr := &pastRun{ended: true, lastN: row.LastN, Run: Run{ID: row.ID, Start: row.Start, FirstN: row.FirstN, MSNBase: row.MSNBase,
		DiscontinuitySeq: row.Seq, SegmentDuration: row.SegmentDuration, PartDuration: row.PartDuration, Clock: row.Clock, EndReason: row.Reason}}
	if pr.EndReason == "" {
		pr.EndReason = EndCrash
	}
	for _, t := range row.Renditions {
		if len(t.Init) == 0 {
			continue // none of its files was found
		}
		track, err := v.cache.trackOf(t.Init)
		if err != nil {
			return nil, err
		}
		pr.Renditions = append(pr.Renditions, Rendition{Name: t.Name, Track: track, Init: t.Init, InitName: initName(row.ID, t.Name)})
		pr.rends = append(pr.rends, pastRendition{upTo: row.FirstN - 1})
	}
	return pr, nil
}

func initName(run uint64, rendition string) string {
	return "init-" + strconv.FormatUint(run, 10) + "-" + rendition + ".mp4"
}

// version grows with each finished segment and with each run. Run ids are milliseconds, so that no run has as
// many segments as would reach into the next one's versions.
func (r *pastRun) version() uint64 {
	v := r.ID << 22
	for i := range r.rends {
		if n := len(r.rends[i].segs); n > 0 {
			v += uint64(max(0, r.rends[i].segs[n-1].N-r.FirstN+1))
		}
	}
	if r.ended {
		v++
	}
	return v
}

// pastEnded says whether nothing can come in the range any more.
func pastEnded(runs []*pastRun, live bool, r Range, now time.Time) bool {
	if r.To.IsZero() {
		return !live
	}
	if now.Before(r.To) {
		return false
	}
	open := runs[len(runs)-1]
	if !live || open.ended {
		return true
	}
	segs := open.rends[0].segs
	k := len(segs)
	return k > 0 && !open.at(0, segs[k-1].Start+segs[k-1].Duration).Before(r.To)
}
