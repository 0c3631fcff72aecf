package hls

import (
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/hls"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// A live list tells of the time that the publisher was away as segments that are not there (EXT-X-GAP), to the millisecond: its
// dates do not step, so that players who hold the list against their own clock keep their place in it. Shaka 5.2 takes a step of
// more than a second out of its time line, and at a smaller one it no longer finds what it knows and makes its whole list anew at
// every reload. When it is behind the clock then, it drops as much of the beginning of its list as it is behind, again at every
// reload, and makes its window shorter by that, until nothing is left.
//
// The run behind it is a discontinuity all the same: another encoder may have begun, even if its tracks look alike.
//
// The lists of the past tell nothing of absences: who watches later does not wait.

// anew is by how much the last segment of a publisher that left is said to be shorter than its parts were. Shaka makes a segment anew when
// it has another length than the parts by which it knew it; else it waits for one more part of it for ever. And what hls.js has of it
// then reaches over its end, so that hls.js does not fetch it once more.
const anew = 3 * time.Millisecond

// early reports whether the newest run comes after an absence and has too little yet to be listed: Shaka gives up at a gap that
// nothing follows, in any rendition. For players that have not asked for parts nothing follows before the first segment is listed
// whole, which it is with the second one (see builder.held).
func early(v deliver.View, parts bool) bool {
	n := v.Newest()
	switch {
	case n == nil || len(v.Periods) == 1 || n.Run.Absent == 0:
		return false
	case !parts && lowLatency(v) && v.Live:
		return !n.GoesOn()
	}
	return !n.Run.Ended && !n.Settled()
}

// settled leaves out runs that it is too early for.
func settled(v deliver.View, parts bool) deliver.View {
	for early(v, parts) {
		p := *v.Presentation
		p.Periods = p.Periods[:len(p.Periods)-1]
		v.Presentation = &p
	}
	return v
}

// longer is by how much the absence may be longer for a rendition than it was for the run, whose tracks do not end together.
const longer = 100 * time.Millisecond

// absence lists the time before the first segment of a run, next, of a very long one the end. It belongs to the run before, whose
// header players have: that of the next run is fetched for something that is there.
func (b *builder) absence(p *presentation.Period, next *format.Segment) {
	m, count := b.m, p.Run.Absent
	before := &m.Segments[len(m.Segments)-1]
	start := before.Time.Add(before.Duration)
	if earliest := next.Time.Add(-time.Duration(count) * p.Run.SegmentDuration); start.Before(earliest.Add(-longer)) {
		start = earliest
	}
	length := max(next.Time.Sub(start).Milliseconds(), count)
	a := deliver.Address{Kind: deliver.Segment, Run: p.Run.ID, Rendition: b.rendition}
	for i := range count {
		from, to := length*i/count, length*(i+1)/count
		a.N = p.Run.FirstN - count + i
		m.Segments = append(m.Segments, format.Segment{URI: b.name(a), Gap: true, Time: start.Add(time.Duration(from) * time.Millisecond),
			Duration: time.Duration(to-from) * time.Millisecond})
	}
}

// quiet says whether the publisher is away for so long, and what is asked for is so far ahead, that the player has the last part.
// The list has no parts then: while it has some, Shaka takes them for new at every reload. hls.js asks for nothing by number
// while the list stands still, and keeps the parts.
func quiet(v deliver.View, rendition string, ask reload, now time.Time) bool {
	msn, _, ok := v.Edge(rendition)
	return ok && v.Away && ask.msn >= 0 && (ask.part < 0 || ask.msn > msn) && now.Sub(v.Newest().To) > v.Segment/2
}

// absent reports whether there is an absence before any of these Periods that has anything of a rendition. No parts are listed before
// it: hls.js would go from the last one it has to the first one behind the gaps and never try the gaps, and it steps over
// nothing that it has not tried. Only a short absence it steps over by itself, and then goes on at once (see short).
func absent(before *presentation.Period, later []presentation.Period, rendition string) bool {
	for i := range later {
		segs, _ := later[i].Segments(rendition)
		if len(segs) > 0 && later[i].Run.Absent > 0 && !(i == len(later)-1 && short(before, &later[i], segs, rendition)) {
			return true
		}
		before = &later[i]
	}
	return false
}

// over reports whether all who read the first segment of a run have come over the absence before it: others are not told of the run until
// it has another one (see early). Where the absence is not brief hls.js has tried the gaps by then, and waits for the segment's address.
func over(before, next *presentation.Period, rendition string) bool {
	segs, _ := next.Segments(rendition)
	return next.Run.Absent > 0 && len(segs) == 1 && !brief(before, next, rendition)
}

// short reports whether the newest run is still in its first segment, behind a brief absence.
func short(before, next *presentation.Period, segs []timeline.SegmentView, rendition string) bool {
	return len(segs) == 1 && !segs[0].Complete && brief(before, next, rendition)
}

// brief reports whether the absence before a run is no longer than the last segment before that. hls.js finds where a hole ends by
// going on, from its beginning, by the length of what it has there.
func brief(before, next *presentation.Period, rendition string) bool {
	last, r := before.Segments(rendition)
	segs, b := next.Segments(rendition)
	if len(segs) == 0 || len(last) == 0 || r == nil || b == nil {
		return false
	}
	n := &last[len(last)-1]
	length := media.ToDuration(n.Duration, r.Track.TimeScale)
	away := presentation.At(segs[0].Start, b.Track.TimeScale).Sub(presentation.At(n.Start, r.Track.TimeScale)) - length
	return away <= max(length-longer, longer)
}
