package presentation

import (
	"time"

	"weir/internal/media"
	"weir/internal/timeline"
)

// Rate is a measured bit rate in bit/s.
type Rate struct {
	Peak    int // of the segment with the highest rate
	Average int // of all of them
}

// Measure reads the bit rate of a rendition from its finished segments (RFC 8216bis section 4.4.6.2: the
// peak segment bit rate), or from the open one while nothing is finished. Segments under a quarter of the nominal duration are left out of the peak, where they
// are not alone: the stump that a publisher's death leaves says nothing about a rate. Zero if there is nothing.
func Measure(v *timeline.RenditionView, scale uint32, nominal time.Duration) Rate {
	var bytes, ticks int64
	peak, stump := 0, 0
	for i := range v.Segments {
		s := &v.Segments[i]
		if s.Gap || s.Duration <= 0 || !s.Complete && ticks > 0 {
			continue
		}
		bytes, ticks = bytes+s.Size, ticks+s.Duration
		r := bitrate(s.Size, s.Duration, scale)
		if media.ToDuration(s.Duration, scale) < nominal/4 {
			stump = max(stump, r)
			continue
		}
		peak = max(peak, r)
	}
	if ticks == 0 {
		return Rate{}
	}
	if peak == 0 {
		peak = stump
	}
	average := bitrate(bytes, ticks, scale)
	return Rate{Peak: max(peak, average), Average: average}
}

func bitrate(bytes, ticks int64, scale uint32) int {
	return int(float64(bytes) * 8 * float64(scale) / float64(ticks))
}

// Longest gives the longest finished segment and the longest part of all renditions and Periods, at least the
// nominal durations. What a playlist declares as its targets must cover them.
func (p *Presentation) Longest() (segment, part time.Duration) {
	for i := range p.Periods {
		run := &p.Periods[i].Run
		segment, part = max(segment, run.SegmentDuration), max(part, run.PartDuration)
		for j := range run.Renditions {
			scale := run.Run.Renditions[j].Track.TimeScale
			for k := range run.Renditions[j].Segments {
				s := &run.Renditions[j].Segments[k]
				if s.Complete {
					segment = max(segment, media.ToDuration(s.Duration, scale))
				}
				for l := range s.Parts {
					part = max(part, media.ToDuration(s.Parts[l].Duration, scale))
				}
			}
		}
	}
	return segment, part
}

// Edge is how far a rendition has come: the media sequence number of its newest segment, finished or
// open, and the index of the last part in it (-1 if it has none). ok is false while it has no segment.
func (p *Presentation) Edge(rendition string) (msn int64, part int, ok bool) {
	for i := len(p.Periods) - 1; i >= 0; i-- {
		segs, _ := p.Periods[i].Segments(rendition)
		if len(segs) == 0 {
			continue
		}
		s := &segs[len(segs)-1]
		return s.MSN, len(s.Parts) - 1, true
	}
	return 0, -1, false
}

// LastComplete is the media sequence number of a rendition's newest finished segment.
func (p *Presentation) LastComplete(rendition string) (msn int64, ok bool) {
	for i := len(p.Periods) - 1; i >= 0; i-- {
		segs, _ := p.Periods[i].Segments(rendition)
		for j := len(segs) - 1; j >= 0; j-- {
			if segs[j].Complete {
				return segs[j].MSN, true
			}
		}
	}
	return 0, false
}

// Contains reports whether the rendition has segment msn finished (part < 0), or its part with that index, or
// anything later. A part beyond the last one of a finished segment stands for the first part of the next segment
// (RFC 8216bis section 6.2.5.2).
func (p *Presentation) Contains(rendition string, msn int64, part int) bool {
	for i := len(p.Periods) - 1; i >= 0; i-- {
		segs, _ := p.Periods[i].Segments(rendition)
		if len(segs) == 0 {
			continue
		}
		first, last := segs[0].MSN, &segs[len(segs)-1]
		switch {
		case msn > last.MSN:
			return false
		case msn < last.MSN:
			// Only the part rule can point at the last segment: the one before it is finished.
			if msn == last.MSN-1 && part >= 0 && msn >= first {
				return part < len(segs[len(segs)-2].Parts) || last.Complete || len(last.Parts) > 0
			}
			return true
		case last.Complete:
			return part < len(last.Parts)
		default:
			return part >= 0 && part < len(last.Parts)
		}
	}
	return false
}

// Measured reports whether the newest run can be described: every rendition has a finished segment, or one is so far
// ahead (three segments) that the others, declared by the publisher, seem not to come.
func (p *Presentation) Measured() bool {
	n := p.Described()
	return n != nil && n.complete(finished)
}

// Settled reports whether all renditions of a Period have something, or one is so far ahead that the others seem not
// to come.
func (p *Period) Settled() bool {
	return p.complete(func(v *timeline.RenditionView) int {
		n := finished(v)
		if k := len(v.Segments); k > 0 && len(v.Segments[k-1].Parts) > 0 {
			n = max(n, 1)
		}
		return n
	})
}

func (p *Period) complete(count func(*timeline.RenditionView) int) bool {
	all, most := true, 0
	for i := range p.Run.Renditions {
		n := count(&p.Run.Renditions[i])
		all, most = all && n > 0, max(most, n)
	}
	return all || most >= 3
}

// Described is the newest Period with a finished segment, or nil.
func (p *Presentation) Described() *Period {
	for i := len(p.Periods) - 1; i >= 0; i-- {
		for j := range p.Periods[i].Run.Renditions {
			if finished(&p.Periods[i].Run.Renditions[j]) > 0 {
				return &p.Periods[i]
			}
		}
	}
	return nil
}

func finished(v *timeline.RenditionView) int {
	n := 0
	for i := range v.Segments {
		if v.Segments[i].Complete && !v.Segments[i].Gap {
			n++
		}
	}
	return n
}
