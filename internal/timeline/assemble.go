package timeline

import (
	"slices"
	"sort"
	"time"

	"weir/internal/media"
)

// maxHole is how many missing segments in a row are listed as gaps. A longer hole inside a run (footage
// that was deleted between two pins, a day without a disk) divides the run's view in two.
const maxHole = 5000

// pastRun is what is known of a run's finished segments, from memory and from the index.
type pastRun struct {
	Run
	ended bool
	lastN int64 // of any rendition; beyond what is stored, segments are known to be lost
	rends []pastRendition
}

type pastRendition struct {
	segs []SegmentView // complete, no gaps, by N
	upTo int64         // what is missing up to here will not come any more
}

// at is the instant of a tick of rendition i.
func (r *pastRun) at(i int, ticks int64) time.Time {
	return at(ticks, r.Renditions[i].Track.TimeScale)
}

// within gives the segments of rendition i that have an instant in the range, as indexes.
func (r *pastRun) within(i int, rg Range) (from, to int) {
	segs := r.rends[i].segs
	if !rg.From.IsZero() {
		from = sort.Search(len(segs), func(k int) bool { return r.at(i, segs[k].Start+segs[k].Duration).After(rg.From) })
	}
	to = len(segs)
	if !rg.To.IsZero() {
		to = sort.Search(len(segs), func(k int) bool { return !r.at(i, segs[k].Start).Before(rg.To) })
	}
	return from, max(from, to)
}

// numbers gives the first and last segment number that the range covers. The leading rendition decides; where it has
// nothing, the others do. Audio cuts some milliseconds beside the video: what reaches into the range by less than half
// does not count.
func (r *pastRun) numbers(rg Range) (first, last int64, ok bool) {
	for i := range r.rends {
		segs := r.rends[i].segs
		from, to := r.within(i, rg)
		if ok {
			for from < to && !rg.From.IsZero() && r.middle(i, &segs[from]).Before(rg.From) {
				from++
			}
			for from < to && !rg.To.IsZero() && r.middle(i, &segs[to-1]).After(rg.To) {
				to--
			}
		}
		if from == to {
			continue
		}
		if !ok {
			first, last, ok = segs[from].N, segs[to-1].N, true
			continue
		}
		if lead := r.rends[0].segs; len(lead) > 0 {
			if segs[from].N < lead[0].N {
				first = min(first, segs[from].N)
			}
			if segs[to-1].N > lead[len(lead)-1].N {
				last = max(last, segs[to-1].N)
			}
			continue
		}
		first, last = min(first, segs[from].N), max(last, segs[to-1].N)
	}
	return first, last, ok
}

func (r *pastRun) middle(i int, s *SegmentView) time.Time { return r.at(i, s.Start+s.Duration/2) }

// assemble lists the segments of the runs that a range covers, oldest run first. Between two runs nothing
// is left out, so that the media sequence goes on: what is not stored is a gap.
func assemble(runs []*pastRun, rg Range) []RunView {
	type stretch struct {
		r           *pastRun
		first, last int64
		any         bool
	}
	list := make([]stretch, 0, len(runs))
	for _, r := range runs {
		first, last, ok := r.numbers(rg)
		list = append(list, stretch{r, first, last, ok})
	}
	for len(list) > 0 && !list[0].any {
		list = list[1:]
	}
	for len(list) > 0 && !list[len(list)-1].any {
		list = list[:len(list)-1]
	}
	var out []RunView
	for i, s := range list {
		if i > 0 {
			s.first = s.r.FirstN
		}
		if i < len(list)-1 {
			s.last = s.r.lastN
		}
		if s.last >= s.first {
			out = append(out, s.r.views(s.first, s.last)...)
		}
	}
	return out
}

// views lists the run from number first to last, in more than one view if there are very long holes.
func (r *pastRun) views(first, last int64) []RunView {
	var out []RunView
	for _, part := range r.split(first, last) {
		v := RunView{Run: r.Run, Ended: r.ended, Renditions: make([]RenditionView, len(r.rends))}
		for i := range r.rends {
			to := part[1]
			if !r.ended && part[1] == last {
				to = min(to, r.rends[i].upTo)
			}
			v.Renditions[i].Segments = r.list(i, part[0], to)
		}
		out = append(out, v)
	}
	return out
}

// split divides [first, last] at holes that all renditions have.
func (r *pastRun) split(first, last int64) [][2]int64 {
	if last-first < maxHole {
		return [][2]int64{{first, last}}
	}
	var have []int64
	for i := range r.rends {
		for k := range r.rends[i].segs {
			if n := r.rends[i].segs[k].N; n >= first && n <= last {
				have = append(have, n)
			}
		}
	}
	slices.Sort(have)
	var out [][2]int64
	from, prev := first, first-1
	for _, n := range append(have, last+1) {
		if n-prev > maxHole {
			if prev >= from {
				out = append(out, [2]int64{from, prev})
			}
			from = n
		}
		prev = n
	}
	if from <= last {
		out = append(out, [2]int64{from, last})
	}
	return out
}

// list gives a rendition's segments from number first to last, gaps where they are missing.
func (r *pastRun) list(i int, first, last int64) []SegmentView {
	if last < first {
		return nil
	}
	segs := r.rends[i].segs
	k := sort.Search(len(segs), func(k int) bool { return segs[k].N >= first })
	if j := k + int(last-first); j < len(segs) && segs[j].N == last {
		return segs[k : j+1 : j+1] // nothing is missing
	}
	out := make([]SegmentView, 0, last-first+1)
	for n := first; n <= last; n++ {
		if k < len(segs) && segs[k].N == n {
			out = append(out, segs[k])
			k++
			continue
		}
		out = append(out, r.gap(i, n))
	}
	return out
}

// gap is the entry of a segment that is not there.
func (r *Run) gap(i int, n int64) SegmentView {
	scale := r.Renditions[i].Track.TimeScale
	start := media.FromDuration(time.Duration(n)*r.SegmentDuration, scale)
	end := media.FromDuration(time.Duration(n+1)*r.SegmentDuration, scale)
	return SegmentView{N: n, MSN: r.MSN(n), Start: start, DTS: start, Duration: end - start, Complete: true, Gap: true}
}

// spans gives the unbroken stretches of a run: the leading rendition decides, the bytes are of all.
func (r *pastRun) spans(rg Range, join time.Duration) []Span {
	lead := 0
	for lead < len(r.rends)-1 && len(r.rends[lead].segs) == 0 {
		lead++
	}
	if len(r.rends) == 0 {
		return nil
	}
	var out []Span
	from, to := r.within(lead, rg)
	for k := from; k < to; k++ {
		s := &r.rends[lead].segs[k]
		a, b := r.at(lead, s.Start), r.at(lead, s.Start+s.Duration)
		if n := len(out); n > 0 && a.Sub(out[n-1].To) <= join {
			out[n-1].To = b
			out[n-1].Bytes += s.Size
			continue
		}
		out = append(out, Span{From: a, To: b, Run: r.ID, Bytes: s.Size})
	}
	for i := range r.rends {
		if i == lead {
			continue
		}
		for k := range r.rends[i].segs {
			s := &r.rends[i].segs[k]
			at := r.at(i, s.Start+s.Duration/2)
			for j := range out {
				if !at.Before(out[j].From) && at.Before(out[j].To) {
					out[j].Bytes += s.Size
				}
			}
		}
	}
	if n := len(out); n > 0 && to == len(r.rends[lead].segs) {
		out[n-1].Live, out[n-1].End = !r.ended, r.EndReason
	}
	return out
}
