package file

import (
	"time"

	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// row is what the chosen renditions of a run have for one segment number; nil where one has nothing.
type row struct {
	n    int64
	segs []*timeline.SegmentView // parallel to the choice
}

// choice is the renditions of a run that go into a file, the leading one first, as indices.
type choice []int

// choose takes the best video and all sound that was published: what the server derived for other players says
// nothing new.
func choose(run *timeline.RunView) choice {
	video := -1
	var sound, derived choice
	for i := range run.Run.Renditions {
		switch t := &run.Run.Renditions[i].Track; {
		case t.Kind == media.Video:
			if video < 0 || t.Rank < run.Run.Renditions[video].Track.Rank {
				video = i
			}
		case t.Kind == media.Audio && t.Derived:
			derived = append(derived, i)
		case t.Kind == media.Audio && len(sound) < maxSound:
			sound = append(sound, i)
		}
	}
	if len(sound) == 0 && len(derived) > 0 {
		sound = derived[:1]
	}
	if video < 0 {
		return sound
	}
	return append(choice{video}, sound...)
}

// rows lines up the finished segments of the chosen renditions by number. While the run grows, a row is left for later
// until all renditions have it or the others are patience segments ahead.
func rows(run *timeline.RunView, chosen choice, after int64, growing bool) []row {
	lists := make([][]timeline.SegmentView, len(chosen))
	newest := int64(-1)
	for i, k := range chosen {
		lists[i] = run.Renditions[k].Segments
		for len(lists[i]) > 0 && lists[i][0].N <= after {
			lists[i] = lists[i][1:]
		}
		if n := len(lists[i]); n > 0 {
			newest = max(newest, lists[i][n-1].N)
		}
	}
	var out []row
	for {
		r := row{n: -1}
		for i := range lists {
			if len(lists[i]) > 0 && (r.n < 0 || lists[i][0].N < r.n) {
				r.n = lists[i][0].N
			}
		}
		if r.n < 0 {
			return out
		}
		r.segs = make([]*timeline.SegmentView, len(lists))
		missing, any := false, false
		for i := range lists {
			if len(lists[i]) == 0 || lists[i][0].N != r.n {
				missing = missing || len(lists[i]) == 0
				continue
			}
			s := &lists[i][0]
			lists[i] = lists[i][1:]
			switch {
			case !s.Complete:
				missing = true
			case !s.Gap:
				r.segs[i], any = s, true
			}
		}
		const patience = 3
		if missing && growing && !run.Ended && newest < r.n+patience {
			return out
		}
		if any {
			out = append(out, r)
		}
	}
}

// stretch cuts off the rows at the beginning that follow each other without a hole.
func stretch(all []row) (first, rest []row) {
	n := 1
	for n < len(all) && all[n].n == all[n-1].n+1 {
		n++
	}
	return all[:n], all[n:]
}

// span is the presentation time that rows cover.
func span(run *timeline.RunView, chosen choice, all []row) (from, to time.Time) {
	for _, r := range all {
		for i, s := range r.segs {
			if s == nil {
				continue
			}
			scale := run.Run.Renditions[chosen[i]].Track.TimeScale
			if a := presentation.At(s.Start, scale); from.IsZero() || a.Before(from) {
				from = a
			}
			if b := segEnd(s, scale); b.After(to) {
				to = b
			}
		}
	}
	return from, to
}

func segEnd(s *timeline.SegmentView, scale uint32) time.Time {
	return presentation.At(s.Start+s.Duration, scale)
}
