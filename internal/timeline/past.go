package timeline

import (
	"context"
	"slices"
	"time"

	"weir/internal/fault"
)

// ErrNoFootage says that a range of a timeline is empty.
var ErrNoFootage = fault.New(fault.NotFound, "no_footage", "There is no footage of this stream at that time.",
	"Choose another time; the timeline shows where there is footage.")

// Past lists the finished segments of a stream that have an instant in the range, from files and from the
// live window, with gaps where a segment is missing inside a run. Its segments have no parts. Its version grows
// when a finished segment or a run was added, and it has ended when nothing can come in this range any more.
func (s *Store) Past(ctx context.Context, name string, r Range) (*Snapshot, error) {
	runs, live, err := s.pastRuns(ctx, name, r)
	if err != nil {
		return nil, err
	}
	snap := &Snapshot{Runs: assemble(runs, r)}
	if len(snap.Runs) == 0 {
		return nil, ErrNoFootage
	}
	if n := len(runs); n > 0 {
		snap.Version = runs[n-1].version()
	}
	snap.Ended = pastEnded(runs, live, r, time.Now())
	return snap, nil
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
	if n := len(runs); live && n > 0 && !runs[n-1].ended {
		open := runs[n-1]
		for i := range open.rends {
			segs := open.rends[i].segs
			if k := len(segs); i == 0 && (k == 0 || open.at(i, segs[k-1].Start+segs[k-1].Duration).Before(r.To)) {
				return false
			}
		}
	}
	return true
}

// pastRuns collects what is known of the runs that may have something in the range, and whether the stream lives.
func (s *Store) pastRuns(_ context.Context, name string, _ Range) ([]*pastRun, bool, error) {
	t := s.Get(name)
	if t == nil {
		return nil, false, nil
	}
	runs, live := t.pastRuns()
	slices.SortFunc(runs, func(a, b *pastRun) int { return int(int64(a.ID) - int64(b.ID)) })
	return runs, live, nil
}

// pastRuns gives what the head knows: the finished segments of the window.
func (t *Timeline) pastRuns() ([]*pastRun, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*pastRun, 0, len(t.runs))
	for _, r := range t.runs {
		p := &pastRun{Run: r.Run, ended: r.ended, lastN: r.lastN, rends: make([]pastRendition, len(r.rends))}
		for i, rd := range r.rends {
			p.rends[i] = rd.finished(r.FirstN - 1)
		}
		out = append(out, p)
	}
	return out, !t.ended && !t.closed
}

// finished lists the complete segments of the window.
func (rd *rendition) finished(before int64) pastRendition {
	p := pastRendition{upTo: before}
	for k := range rd.views {
		v := rd.views[k]
		if !v.Complete {
			break
		}
		p.upTo = v.N
		if v.Gap {
			continue
		}
		v.Parts = nil
		p.segs = append(p.segs, v)
	}
	return p
}

// OpenSegment opens a segment, of the live window or of the past.
func (s *Store) OpenSegment(_ context.Context, name string, run uint64, rendition string, n int64) (*Reader, error) {
	if t := s.Get(name); t != nil {
		return t.OpenSegment(run, rendition, n)
	}
	return nil, ErrGone
}

// Init gives the CMAF header of a rendition.
func (s *Store) Init(_ context.Context, name string, run uint64, rendition string) ([]byte, error) {
	if t := s.Get(name); t != nil {
		if r := t.runOf(run); r != nil {
			if i := r.indexOf(rendition); i >= 0 {
				return r.Renditions[i].Init, nil
			}
		}
	}
	return nil, ErrGone
}

func (t *Timeline) runOf(id uint64) *run {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.runs {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Spans lists the unbroken stretches of footage in a range; stretches of one run that are at most join apart
// count as one.
func (s *Store) Spans(ctx context.Context, name string, r Range, join time.Duration) ([]Span, error) {
	runs, _, err := s.pastRuns(ctx, name, r)
	if err != nil {
		return nil, err
	}
	var out []Span
	for _, run := range runs {
		out = append(out, run.spans(r, join)...)
	}
	return out, nil
}

// Coverage sums up the streams that have footage, by name, beginning after the name after.
func (s *Store) Coverage(ctx context.Context, prefix, after string, limit int) ([]Coverage, error) {
	var out []Coverage
	for _, name := range s.names(prefix, after) {
		if len(out) == limit {
			break
		}
		spans, err := s.Spans(ctx, name, Range{}, 0)
		if err != nil {
			return nil, err
		}
		if len(spans) == 0 {
			continue
		}
		c := Coverage{Timeline: name, From: spans[0].From}
		for _, sp := range spans {
			c.Bytes += sp.Bytes
			c.To = sp.To
			c.Live = c.Live || sp.Live
		}
		out = append(out, c)
	}
	return out, nil
}
