package hls

import (
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/hls"
	"weir/internal/presentation"
)

// A live list tells of the time that the publisher was away as segments that are not there (EXT-X-GAP), to the millisecond: its
// dates do not step, so that players who hold the list against their own clock keep their place in it. Shaka 5.2 takes each step
// of more than a second out of its time line. As soon as it is behind the clock by more than a segment it drops, at every
// reload, as much of the beginning of its list as it is behind, and makes its window shorter by that, until nothing is left. A shorter
// step has it take all segments for new at every reload, and then the same comes of a long absence in the half minute after it; but
// hls.js, which needs a second or two to get over a gap, gets over a short step at once.
//
// The lists of the past tell nothing of absences: who watches later does not wait.

// anew is by how much the last segment of a publisher that left is said to be longer than its parts were. Shaka makes a segment anew when
// it has another length than the parts by which it knew it; else it waits for one more part of it for ever.
const anew = 2 * time.Millisecond

// listed leaves out a run behind an absence until all its renditions have something: Shaka gives up at a gap that nothing
// follows.
func listed(v deliver.View) deliver.View {
	n := v.Newest()
	if n == nil || len(v.Periods) == 1 || n.Run.Absent == 0 || n.Run.Ended || n.Settled() {
		return v
	}
	p := *v.Presentation
	p.Periods = p.Periods[:len(p.Periods)-1]
	v.Presentation = &p
	return v
}

// absence lists the time before the first segment of a run, next, and takes over what that says of the run.
func (b *builder) absence(p *presentation.Period, next *format.Segment) {
	m, count := b.m, p.Run.Absent
	before := &m.Segments[len(m.Segments)-1]
	start := before.Time.Add(before.Duration)
	if earliest := next.Time.Add(-time.Duration(count) * p.Run.SegmentDuration); earliest.After(start) {
		start = earliest
	}
	length := max(next.Time.Sub(start).Milliseconds(), count)
	a := deliver.Address{Kind: deliver.Segment, Run: p.Run.ID, Rendition: b.rendition}
	for i := range count {
		from, to := length*i/count, length*(i+1)/count
		a.N = p.Run.FirstN - count + i
		m.Segments = append(m.Segments, format.Segment{URI: b.name(a), Gap: true, Time: start.Add(time.Duration(from) * time.Millisecond),
			Duration: time.Duration(to-from) * time.Millisecond, Discontinuity: i == 0})
	}
	m.Segments[len(m.Segments)-int(count)].Map = next.Map
	next.Discontinuity, next.Map = false, ""
}

// quiet says whether the publisher is away for so long that players have fetched the last part. The list has no parts then: while
// it has some, Shaka takes them for new at every reload.
func quiet(v deliver.View, now time.Time) bool {
	return v.Away && now.Sub(v.Newest().To) > v.Segment/2
}
