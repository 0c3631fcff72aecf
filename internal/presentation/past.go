package presentation

import (
	"slices"
	"time"

	"weir/internal/media"
	"weir/internal/timeline"
)

// Past is the presentation of a range of stored footage: every finished segment that the snapshot lists, whatever run
// it is in. Within a run all renditions begin with the same number, and end with the same one where nothing more can
// come, so that they count alike. What no rendition has at either end of the range is left out.
func Past(name string, s *timeline.Snapshot) Presentation {
	p := Presentation{Name: name, Version: s.Version, Live: !s.Ended}
	for i := range s.Runs {
		run := s.Runs[i]
		last := i == len(s.Runs)-1
		open := p.Live && last && !run.Ended
		if !level(&run, open, len(p.Periods) == 0, last) {
			continue
		}
		run.Ended = !open
		p.Periods = append(p.Periods, Period{Run: run, From: run.Start, To: end(&run)})
		if open {
			p.Periods[len(p.Periods)-1].To = time.Time{}
		}
	}
	if n := len(s.Runs); n > 0 {
		p.Away = p.Live && s.Runs[n-1].Ended
	}
	return p
}

// end is when the last frame of a run ends.
func end(run *timeline.RunView) time.Time {
	var last time.Time
	for i := range run.Renditions {
		segs := run.Renditions[i].Segments
		for j := len(segs) - 1; j >= 0; j-- {
			if !segs[j].Gap {
				if e := At(segs[j].Start+segs[j].Duration, run.Run.Renditions[i].Track.TimeScale); e.After(last) {
					last = e
				}
				break
			}
		}
	}
	return last
}

// level makes the renditions of a run count alike; it reports false where there is nothing to play. In the first and the last
// run of a range, what no rendition has is left out; between runs it counts.
func level(run *timeline.RunView, open, isFirst, isLast bool) bool {
	views := make([]timeline.RenditionView, len(run.Renditions))
	lead := -1
	for i := range run.Renditions {
		views[i].Segments = finishedOnly(run.Renditions[i].Segments)
		if len(views[i].Segments) > 0 && (lead < 0 || run.Run.Renditions[i].Track.Kind == media.Video && run.Run.Renditions[lead].Track.Kind != media.Video) {
			lead = i
		}
	}
	if lead < 0 {
		return false
	}
	first, last := bounds(views, lead, run.FirstN)
	for isFirst && first < last && lacking(views, first) {
		first++
	}
	for isLast && first < last && lacking(views, last) {
		last--
	}
	for i := range views {
		until := last
		if n := len(views[i].Segments); open && n > 0 {
			until = views[i].Segments[n-1].N
		} else if open {
			until = first - 1
		}
		views[i].Segments = fill(&run.Run, i, views[i].Segments, first, until)
	}
	run.Renditions = views
	return true
}

// finishedOnly leaves the open segment out.
func finishedOnly(segs []timeline.SegmentView) []timeline.SegmentView {
	for len(segs) > 0 && !segs[len(segs)-1].Complete {
		segs = segs[:len(segs)-1]
	}
	return segs
}

// bounds is the first and the last number that is listed. Audio is cut a frame after the video, so one of them may reach
// into the range with a segment of which the other has nothing: the list does not begin there, because players wait for
// what is missing at the beginning.
func bounds(views []timeline.RenditionView, lead int, runFirst int64) (first, last int64) {
	segs := views[lead].Segments
	first, last = segs[0].N, segs[len(segs)-1].N
	for i := range views {
		if segs := views[i].Segments; len(segs) > 0 {
			if segs[0].N == first+1 && first > runFirst && last > first {
				first++
			}
			last = max(last, segs[len(segs)-1].N)
		}
	}
	return first, last
}

// lacking reports whether no rendition has segment n.
func lacking(views []timeline.RenditionView, n int64) bool {
	for i := range views {
		segs := views[i].Segments
		if len(segs) == 0 {
			continue
		}
		if k := n - segs[0].N; k >= 0 && k < int64(len(segs)) && !segs[k].Gap {
			return false
		}
	}
	return true
}

// fill gives the segments first to last of a rendition; what is not there is a gap.
func fill(run *timeline.Run, rendition int, segs []timeline.SegmentView, first, last int64) []timeline.SegmentView {
	for len(segs) > 0 && segs[0].N < first {
		segs = segs[1:]
	}
	for len(segs) > 0 && segs[len(segs)-1].N > last {
		segs = segs[:len(segs)-1]
	}
	if n := len(segs); int64(n) == last-first+1 || last < first {
		return segs
	}
	out := make([]timeline.SegmentView, 0, last-first+1)
	for n, k := first, 0; n <= last; n++ {
		if k < len(segs) && segs[k].N == n {
			out = append(out, segs[k])
			k++
			continue
		}
		out = append(out, gap(run, rendition, n))
	}
	return out
}

func gap(run *timeline.Run, rendition int, n int64) timeline.SegmentView {
	scale := run.Renditions[rendition].Track.TimeScale
	start := media.FromDuration(time.Duration(n)*run.SegmentDuration, scale)
	stop := media.FromDuration(time.Duration(n+1)*run.SegmentDuration, scale)
	return timeline.SegmentView{N: n, MSN: run.MSN(n), Start: start, DTS: start, Duration: stop - start, Complete: true, Gap: true}
}

// Mark remembers which segments of a run a presentation listed.
type Mark struct {
	Run         timeline.Run
	First, Last int64
}

// Marks says what is listed, so that Restore can keep it listed.
func (p *Presentation) Marks() []Mark {
	marks := make([]Mark, 0, len(p.Periods))
	for i := range p.Periods {
		m := Mark{Run: p.Periods[i].Run.Run}
		m.First, m.Last, _ = p.Periods[i].Numbers()
		marks = append(marks, m)
	}
	return marks
}

// Numbers are the first and the last segment number listed of any rendition.
func (p *Period) Numbers() (first, last int64, ok bool) {
	for i := range p.Run.Renditions {
		segs := p.Run.Renditions[i].Segments
		if len(segs) == 0 {
			continue
		}
		if !ok || segs[0].N < first {
			first = segs[0].N
		}
		if !ok || segs[len(segs)-1].N > last {
			last = segs[len(segs)-1].N
		}
		ok = true
	}
	return first, last, ok
}

// Restore lists again, as gaps, what was listed before and is there no more: an EVENT playlist never loses a segment
// (RFC 8216bis section 4.4.3.5), even if retention has deleted it meanwhile.
func (p *Presentation) Restore(marks []Mark) {
	out := make([]Period, 0, max(len(marks), len(p.Periods)))
	for i := range p.Periods {
		for len(marks) > 0 && marks[0].Run.ID < p.Periods[i].Run.ID {
			out = append(out, lost(marks[0]))
			marks = marks[1:]
		}
		period := p.Periods[i]
		if len(marks) > 0 && marks[0].Run.ID == period.Run.ID {
			again := i+1 < len(p.Periods) && p.Periods[i+1].Run.ID == period.Run.ID
			period = widened(period, marks[0], again)
			marks = marks[1:]
		}
		out = append(out, period)
	}
	for _, m := range marks {
		out = append(out, lost(m))
	}
	p.Periods = out
}

// lost is a run of which nothing is left.
func lost(m Mark) Period {
	run := timeline.RunView{Run: m.Run, Ended: true, Renditions: make([]timeline.RenditionView, len(m.Run.Renditions))}
	for i := range run.Renditions {
		run.Renditions[i].Segments = fill(&m.Run, i, nil, m.First, m.Last)
	}
	return Period{Run: run, From: m.Run.Start, To: time.Unix(0, (m.Last+1)*int64(m.Run.SegmentDuration)).UTC()}
}

// widened lists a run as far as it was listed before; again tells that what follows is of the same run, behind a long hole.
func widened(p Period, m Mark, again bool) Period {
	first, last, ok := p.Numbers()
	if again {
		m.Last = last
	}
	if !ok || first <= m.First && last >= m.Last {
		return p
	}
	p.Run.Renditions = slices.Clone(p.Run.Renditions)
	for i := range p.Run.Renditions {
		segs := p.Run.Renditions[i].Segments
		until := max(last, m.Last)
		if p.To.IsZero() && len(segs) > 0 { // still growing: what has not come yet is no gap
			until = segs[len(segs)-1].N
		}
		p.Run.Renditions[i].Segments = fill(&p.Run.Run, i, segs, min(first, m.First), until)
	}
	return p
}
