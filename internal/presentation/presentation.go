// Package presentation says what a viewer plays: a list of Periods over the runs of
// a timeline. What belongs here: choosing and measuring runs and segments, as pure
// functions of a snapshot. What does not: playlists, addresses, waiting, I/O, clocks.
package presentation

import (
	"time"

	"weir/internal/media"
	"weir/internal/timeline"
)

// Presentation is what a viewer plays: Periods, oldest first.
type Presentation struct {
	Name    string
	Version uint64 // of the snapshot it was made from
	Live    bool   // more may follow
	Away    bool   // the newest run has ended and nothing has followed yet: the publisher is away
	Periods []Period
	Cuts    []Cut // gaps inside the runs; see FindCuts
}

// Period is a range of one run. Run lists only the segments within it.
type Period struct {
	Run      timeline.RunView
	From, To time.Time // presentation time of its first frame; of its end, zero while the run is open
}

// Live is the presentation of a live stream: the newest segments that fill window, of
// whatever runs they are in. Windows are counted in nominal segment durations, so that
// the first segment listed never goes back and is the same for all renditions that have
// come equally far.
func Live(name string, s *timeline.Snapshot, window time.Duration) Presentation {
	p := Presentation{Name: name, Version: s.Version, Live: !s.Ended}
	left := window
	for i := len(s.Runs) - 1; i >= 0 && left > 0; i-- {
		run := s.Runs[i]
		last, any := lastComplete(&run)
		if !any && !hasParts(&run) {
			continue
		}
		if any {
			first := firstMSN(&run)
			keep := min(int64((left+run.SegmentDuration-1)/run.SegmentDuration), last-first+1)
			left -= time.Duration(keep) * run.SegmentDuration
			run.Renditions = trim(run.Renditions, last-keep+1)
		}
		p.Periods = append(p.Periods, makePeriod(run))
	}
	for i, j := 0, len(p.Periods)-1; i < j; i, j = i+1, j-1 {
		p.Periods[i], p.Periods[j] = p.Periods[j], p.Periods[i]
	}
	if n := len(s.Runs); n > 0 {
		p.Away = p.Live && s.Runs[n-1].Ended
	}
	return p
}

// lastComplete is the highest media sequence number that any rendition has completed.
func lastComplete(r *timeline.RunView) (int64, bool) {
	best, found := int64(0), false
	for i := range r.Renditions {
		segs := r.Renditions[i].Segments
		n := len(segs)
		if n > 0 && !segs[n-1].Complete {
			n--
		}
		if n > 0 && (!found || segs[n-1].MSN > best) {
			best, found = segs[n-1].MSN, true
		}
	}
	return best, found
}

func firstMSN(r *timeline.RunView) int64 {
	first := int64(-1)
	for i := range r.Renditions {
		if segs := r.Renditions[i].Segments; len(segs) > 0 && (first < 0 || segs[0].MSN < first) {
			first = segs[0].MSN
		}
	}
	return first
}

func hasParts(r *timeline.RunView) bool {
	for i := range r.Renditions {
		if len(r.Renditions[i].Segments) > 0 {
			return true
		}
	}
	return false
}

func trim(all []timeline.RenditionView, first int64) []timeline.RenditionView {
	out := make([]timeline.RenditionView, len(all))
	for i := range all {
		segs := all[i].Segments
		for len(segs) > 0 && segs[0].MSN < first {
			segs = segs[1:]
		}
		out[i].Segments = segs
	}
	return out
}

func makePeriod(run timeline.RunView) Period {
	p := Period{Run: run, From: run.Start}
	var end time.Time
	for i := range run.Renditions {
		segs := run.Renditions[i].Segments
		scale := run.Run.Renditions[i].Track.TimeScale
		for j := range segs {
			if !segs[j].Gap {
				e := At(segs[j].Start+segs[j].Duration, scale)
				if e.After(end) {
					end = e
				}
			}
		}
	}
	if run.Ended {
		p.To = end
	}
	return p
}

// At is the instant of an epoch media time.
func At(ticks int64, scale uint32) time.Time {
	return time.Unix(0, int64(media.ToDuration(ticks, scale))).UTC()
}

// Newest is the newest Period, or nil.
func (p *Presentation) Newest() *Period {
	if len(p.Periods) == 0 {
		return nil
	}
	return &p.Periods[len(p.Periods)-1]
}

// Segments lists the segments of a rendition in a Period and describes it. A run that lacks the rendition, while
// others have it, is a row of gaps as long as the run (rendition nil), so that the media sequence goes on.
func (p *Period) Segments(name string) ([]timeline.SegmentView, *timeline.Rendition) {
	for i := range p.Run.Run.Renditions {
		if p.Run.Run.Renditions[i].Name == name {
			return p.Run.Renditions[i].Segments, &p.Run.Run.Renditions[i]
		}
	}
	var gaps []timeline.SegmentView
	for i := range p.Run.Renditions {
		for _, s := range p.Run.Renditions[i].Segments {
			if n := len(gaps); s.Complete && (n == 0 || s.MSN > gaps[n-1].MSN) {
				gaps = append(gaps, timeline.SegmentView{N: s.N, MSN: s.MSN, Complete: true, Gap: true})
			}
		}
	}
	return gaps, nil
}

// Has reports whether any Period has the rendition.
func (p *Presentation) Has(rendition string) bool {
	for i := range p.Periods {
		if _, r := p.Periods[i].Segments(rendition); r != nil {
			return true
		}
	}
	return false
}
