package presentation

import (
	"time"

	"weir/internal/timeline"
)

// Cut is where a rendition of a run goes on after a gap. DASH cannot leave out a number, so a new Period begins there.
// It is remembered for as long as anything after it is listed: a Period keeps its name and its start when the list has
// moved beyond the gap.
type Cut struct {
	Run uint64
	N   int64
	At  time.Time // when segment N begins
}

// FindCuts lists the cuts of all Periods, oldest first. before is what was found in an earlier version.
func (p *Presentation) FindCuts(before []Cut) {
	var out []Cut
	for i := range p.Periods {
		found := p.Periods[i].cuts(before)
		if first, _, ok := p.Periods[i].Numbers(); ok && i > 0 && p.Periods[i-1].Run.ID == p.Periods[i].Run.ID && (len(found) == 0 || found[0].N > first) {
			// A run with a very long hole comes as two Periods.
			found = append([]Cut{{Run: p.Periods[i].Run.ID, N: first, At: p.Periods[i].begins(first)}}, found...)
		}
		out = append(out, found...)
	}
	p.Cuts = out
}

func (p *Period) cuts(before []Cut) []Cut {
	first, last, ok := p.Numbers()
	if !ok {
		return nil
	}
	var out []Cut
	for _, c := range before {
		if c.Run != p.Run.ID || c.N > first {
			continue
		}
		out = append(out[:0], c) // the last one before the list begins
	}
	has := false // something of the run was listed before n
	for n := first; n <= last; n++ {
		resumes := false
		for i := range p.Run.Renditions {
			segs := p.Run.Renditions[i].Segments
			resumes = resumes || here(segs, n) && has && !here(segs, n-1) && within(segs, n-1)
		}
		has = has || !lacking(p.Run.Renditions, n)
		if resumes && hadBefore(p.Run.Renditions, n) {
			out = append(out, Cut{Run: p.Run.ID, N: n, At: p.begins(n)})
		}
	}
	return out
}

// hadBefore reports whether a rendition that resumes at n has been there earlier: one that only begins late needs no cut.
func hadBefore(views []timeline.RenditionView, n int64) bool {
	for i := range views {
		segs := views[i].Segments
		if !here(segs, n) || here(segs, n-1) || !within(segs, n-1) {
			continue
		}
		for k := n - 1 - segs[0].N; k >= 0; k-- {
			if !segs[k].Gap {
				return true
			}
		}
	}
	return false
}

func within(segs []timeline.SegmentView, n int64) bool {
	return len(segs) > 0 && n >= segs[0].N && n-segs[0].N < int64(len(segs))
}

func here(segs []timeline.SegmentView, n int64) bool {
	return within(segs, n) && !segs[n-segs[0].N].Gap
}

// begins is when segment n begins, by the first rendition that has it.
func (p *Period) begins(n int64) time.Time {
	for i := range p.Run.Renditions {
		if segs := p.Run.Renditions[i].Segments; here(segs, n) {
			return At(segs[n-segs[0].N].Start, p.Run.Run.Renditions[i].Track.TimeScale)
		}
	}
	return time.Unix(0, n*int64(p.Run.SegmentDuration)).UTC()
}

// Stretch is a Period, or what lies of it between two cuts.
type Stretch struct {
	Period
	Cut *Cut // that it begins at; nil: at the run's start
}

// Stretches cuts the Periods at the cuts. A stretch has no gap inside any rendition.
func (p *Presentation) Stretches() []Stretch {
	var out []Stretch
	for i := range p.Periods {
		period := &p.Periods[i]
		first, last, ok := period.Numbers()
		if !ok {
			continue
		}
		var at *Cut
		for j := range p.Cuts {
			c := &p.Cuts[j]
			if c.Run != period.Run.ID {
				continue
			}
			if c.N > last {
				break
			}
			if c.N > first {
				out = appendStretch(out, period, at, first, c.N-1)
				first = c.N
			}
			at = c
		}
		out = appendStretch(out, period, at, first, last)
		if n := len(out); n > 0 && out[n-1].Run.ID == period.Run.ID {
			out[n-1].Run.Ended, out[n-1].To = period.Run.Ended, period.To
		}
	}
	return out
}

func appendStretch(out []Stretch, p *Period, at *Cut, first, last int64) []Stretch {
	s := Stretch{Period: *p, Cut: at}
	s.Run.Renditions = make([]timeline.RenditionView, len(p.Run.Renditions))
	any := false
	for i := range p.Run.Renditions {
		segs := p.Run.Renditions[i].Segments
		for len(segs) > 0 && (segs[0].N < first || segs[0].Gap) {
			segs = segs[1:]
		}
		for len(segs) > 0 && (segs[len(segs)-1].N > last || segs[len(segs)-1].Gap) {
			segs = segs[:len(segs)-1]
		}
		s.Run.Renditions[i].Segments = segs
		any = any || len(segs) > 0
	}
	if !any {
		return out
	}
	s.Run.Ended, s.To = true, end(&s.Run)
	return append(out, s)
}
