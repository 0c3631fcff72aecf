package presentation

import (
	"math"
	"time"

	"weir/internal/media"
	"weir/internal/timeline"
)

// Rate is a measured bit rate in bit/s.
type Rate struct {
	Peak     int // the highest of any segments in a row that last about a target duration
	Average  int // of all of them
	Segments int // how many were measured
}

// Ahead is what to declare of footage that goes on: nobody knows what comes, so a fourth is added to what little has been
// seen, later an eighth, and more where the rate swings.
func (r Rate) Ahead() Rate {
	share := 8
	if r.Segments < 4 {
		share = 4
	}
	r.Peak += max(r.Peak/share, (r.Peak-r.Average)/4)
	return r
}

// Measure reads the bit rate of a rendition from its finished segments, or from the open one while nothing is finished.
// Zero if there is nothing.
func Measure(v *timeline.RenditionView, scale uint32, target time.Duration) Rate {
	m := meter{target: target}
	m.view(v.Segments, scale, whole)
	return m.rate()
}

// Rate measures a rendition over all Periods.
func (p *Presentation) Rate(rendition string, target time.Duration) Rate {
	return p.rate(rendition, target, whole)
}

// PictureRate measures the first pictures of the segments as if they were all.
func (p *Presentation) PictureRate(rendition string, target time.Duration) Rate {
	return p.rate(rendition, target, func(s *timeline.SegmentView) int64 { return s.Key })
}

func whole(s *timeline.SegmentView) int64 { return s.Size }

func (p *Presentation) rate(rendition string, target time.Duration, size func(*timeline.SegmentView) int64) Rate {
	m := meter{target: target}
	for i := range p.Periods {
		if segs, r := p.Periods[i].Segments(rendition); r != nil {
			m.view(segs, r.Track.TimeScale, size)
		} else if len(segs) > 0 {
			m.row = m.row[:0]
		}
	}
	return m.rate()
}

// meter finds the peak segment bit rate (RFC 8216bis section 4.4.6.2): the highest of any segments in a row that last
// between half and one and a half target durations together. The stump that a publisher's death leaves counts with its
// neighbours; alone it says nothing about a rate.
type meter struct {
	target time.Duration
	row    []piece // the newest in a row
	sum    piece
	peak   float64
	alone  float64 // of a single segment however short, for where there is nothing else
	count  int
}

type piece struct {
	bytes  int64
	length time.Duration
}

func (p piece) rate() float64 { return float64(p.bytes) * 8 / p.length.Seconds() }

// rounding is how far durations in playlists may be off.
const rounding = 5 * time.Millisecond

const rowAtMost = 64 // pieces; far more than last one and a half target durations

func (m *meter) view(segs []timeline.SegmentView, scale uint32, size func(*timeline.SegmentView) int64) {
	for i := range segs {
		s := &segs[i]
		n := size(s)
		switch {
		case s.Gap || n == 0 && s.Complete:
			m.row = m.row[:0]
		case n == 0 || s.Duration <= 0 || !s.Complete && m.count > 0:
		default:
			m.add(piece{n, media.ToDuration(s.Duration, scale)})
		}
	}
}

func (m *meter) add(p piece) {
	if p.length <= 0 {
		return
	}
	m.count++
	m.sum = piece{m.sum.bytes + p.bytes, m.sum.length + p.length}
	m.alone = max(m.alone, p.rate())
	if len(m.row) == rowAtMost {
		m.row = m.row[:copy(m.row, m.row[rowAtMost/2:])]
	}
	m.row = append(m.row, p)
	var all piece
	for i := len(m.row) - 1; i >= 0; i-- {
		all = piece{all.bytes + m.row[i].bytes, all.length + m.row[i].length}
		if all.length > m.target*3/2+rounding {
			break
		}
		if all.length >= m.target/2-rounding {
			m.peak = max(m.peak, all.rate())
		}
	}
}

func (m *meter) rate() Rate {
	if m.count == 0 {
		return Rate{}
	}
	if m.peak == 0 {
		m.peak = m.alone
	}
	average := m.sum.rate()
	return Rate{Peak: int(math.Ceil(max(m.peak, average))), Average: int(math.Ceil(average)), Segments: m.count}
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
		return p.Periods[i].Run.Counted(s.N), len(s.Parts) - 1, true
	}
	return 0, -1, false
}

// LastComplete is the media sequence number of a rendition's newest finished segment, or that of the absence behind it if a
// newer run has begun.
func (p *Presentation) LastComplete(rendition string) (msn int64, ok bool) {
	absent := int64(-1)
	for i := len(p.Periods) - 1; i >= 0; i-- {
		run := &p.Periods[i].Run
		segs, _ := p.Periods[i].Segments(rendition)
		for j := len(segs) - 1; j >= 0; j-- {
			if segs[j].Complete {
				return max(absent, run.Counted(segs[j].N)), true
			}
		}
		if len(segs) > 0 {
			absent = max(absent, run.Counted(segs[0].N)-1)
		}
	}
	return 0, false
}

// LastFinished is the number of a rendition's newest finished segment in playlists that list no absences.
func (p *Presentation) LastFinished(rendition string) (msn int64, ok bool) {
	for i := len(p.Periods) - 1; i >= 0; i-- {
		segs, _ := p.Periods[i].Segments(rendition)
		for j := len(segs) - 1; j >= 0; j-- {
			if segs[j].Complete {
				return p.Periods[i].Run.MSN(segs[j].N), true
			}
		}
	}
	return 0, false
}

// Contains reports whether the rendition has segment msn finished (part < 0), or its part with that index, or
// anything later. A part beyond the last one of a finished segment stands for the first part of the next segment
// (RFC 8216bis section 6.2.5.2). Absences count.
func (p *Presentation) Contains(rendition string, msn int64, part int) bool {
	for i := len(p.Periods) - 1; i >= 0; i-- {
		segs, _ := p.Periods[i].Segments(rendition)
		if len(segs) == 0 {
			continue
		}
		run := &p.Periods[i].Run
		first, last := &segs[0], &segs[len(segs)-1]
		switch newest := run.Counted(last.N); {
		case msn > newest:
			return false
		case msn < newest:
			// Only the part rule can point at the last segment: the one before it is finished.
			if msn == newest-1 && part >= 0 && msn >= run.Counted(first.N) {
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

// GoesOn is Settled for players that know no parts: all renditions have come to their second segment.
func (p *Period) GoesOn() bool {
	return p.complete(func(v *timeline.RenditionView) int { return max(len(v.Segments)-1, 0) })
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
