package hls

import (
	"math"
	"slices"

	"weir/internal/timeline"
)

// fill lets every list of a VOD be as long as the others, run by run, and as its dates say. Shaka 5.2 believes that a VOD
// lasts as long as the sum of the durations of its shortest list, and then moves each segment to its date, less the steps
// of more than a second that dates make between runs. What it moves beyond the sum, the end of the footage, is not shown;
// and where the steps of two lists differ, sound and picture go apart. So what a list lacks against the others is in it as
// a gap (RFC 8216bis section 4.4.4.7), and a run to which the dates make a lesser step has none: it plays without a pause,
// and who needs its dates is off by that step, until the steps are more than a second together. (As a gap, a short outage
// would be told as well, but hls.js 1.7 may stop for ever where both picture and sound have one.) target is in milliseconds.
func fill(rows []row, target int64) {
	spans := make([]stretch, len(rows))
	for i := range rows {
		until := int64(math.MaxInt64)
		if i+1 < len(rows) && rows[i+1].period.Run.Start.After(rows[i].period.Run.Start) {
			until = rows[i+1].period.Run.Start.UnixMilli()
		}
		spans[i] = rows[i].span(until)
		rows[i].fit(until)
		rows[i].holes(spans[i].from, target)
	}
	// Runs that follow one another at once are a chain; it begins at the date begins in this list, and at the date common in
	// the one that has the most of it.
	begins, common := int64(0), int64(0)
	lag, lags := int64(0), false // of what follows the last date by durations, behind what its dates would be
	for i := range rows {
		r := &rows[i]
		if i == 0 || !atOnce(spans[i].from-spans[i-1].to) {
			begins, common = r.times[0].from, spans[i].from
			if i > 0 {
				lag, lags = lag+spans[i].from-spans[i-1].to, true
			}
		}
		if r.undated = lags && max(lag, -lag) <= step; !r.undated {
			lag, lags = 0, false
		}
		end := r.times[len(r.times)-1].to
		if i+1 < len(rows) && atOnce(spans[i+1].from-spans[i].to) {
			r.pad(rows[i+1].times[0].from-end, target)
		} else {
			r.pad(spans[i].to-common-(end-begins), target)
		}
	}
}

// step is the longest one between two runs that their dates do not tell, in milliseconds: so much more than a second that a
// longer one is longer than a second in every list.
const step = 1000 + 2*unevenness

// atOnce reports whether a run follows at once.
func atOnce(gap int64) bool { return max(gap, -gap) <= unevenness }

// unevenness is the most by which a segment is said to last longer than it does, in milliseconds: more than a frame of
// sound, and less than players and linters mind.
const unevenness = 90

// span is when the run begins in the list that begins first, and ends in the one that ends last.
func (r *row) span(until int64) stretch {
	out := stretch{math.MaxInt64, math.MinInt64}
	for i := range r.period.Run.Renditions {
		other := row{period: r.period, rendition: &r.period.Run.Run.Renditions[i], segs: finishedOnly(r.period.Run.Renditions[i].Segments)}
		other.clock()
		other.fit(until)
		if n := len(other.times); n > 0 {
			out.from, out.to = min(out.from, other.times[0].from), max(out.to, other.times[n-1].to)
		}
	}
	return out
}

// fit lets the gaps last as long as what other lists have in their place, and no longer than the run, which ends before
// until. A gap of which nothing remains is left out.
func (r *row) fit(until int64) {
	none := false
	for i := range r.segs {
		if t := &r.times[i]; r.gap(i) {
			if other, ok := r.elsewhere(r.segs[i].N); ok {
				*t = other
			}
			t.from, t.to = max(t.from, r.period.Run.Start.UnixMilli()), min(t.to, until)
			none = none || t.to <= t.from
		}
	}
	if !none {
		return
	}
	var segs []timeline.SegmentView
	var times []stretch
	for i, t := range r.times {
		if t.to > t.from {
			segs, times = append(segs, r.segs[i]), append(times, t)
		}
	}
	if len(segs) > 0 {
		r.segs, r.times = segs, times
	}
}

func (r *row) gap(i int) bool { return r.segs[i].Gap || r.rendition == nil }

// elsewhere is when the segment of a number begins and ends in the first list that has it.
func (r *row) elsewhere(n int64) (stretch, bool) {
	for i := range r.period.Run.Renditions {
		scale := r.period.Run.Run.Renditions[i].Track.TimeScale
		other := scaled{r.period.Run.Renditions[i], scale}
		if v := other.find(n); v != nil && v.Complete {
			return stretch{milliseconds(v.Start, scale), milliseconds(v.Start+v.Duration, scale)}, true
		}
	}
	return stretch{}, false
}

// holes fills what is missing inside the run, and before its first segment. A gap that is listed already is made to fit.
func (r *row) holes(begins, target int64) {
	at := r.times[0].from
	if at-begins > unevenness {
		at = begins
	}
	out := row{period: r.period, rendition: r.rendition}
	out.segs, out.times = make([]timeline.SegmentView, 0, len(r.segs)+1), make([]stretch, 0, len(r.segs)+1)
	for i := range r.segs {
		t := r.times[i]
		if r.gap(i) && t.to > at && fits(t.to-at, target) {
			t.from = at
		}
		out.padFrom(at, t.from-at, target)
		out.segs, out.times = append(out.segs, r.segs[i]), append(out.times, t)
		at = t.to
	}
	*r = out
}

// pad lets the run end later in this list.
func (r *row) pad(by, target int64) {
	r.segs = slices.Clip(r.segs)
	r.padFrom(r.times[len(r.times)-1].to, by, target)
}

// padFrom adds so many milliseconds from an instant on: what is little to the last segment, which then ends with its list's
// others, and else as gaps.
func (r *row) padFrom(at, by, target int64) {
	if n := len(r.times) - 1; n >= 0 {
		last := &r.times[n]
		length := last.to + by - last.from
		if (max(by, -by) <= unevenness || by > 0 && r.gap(n)) && length > 0 && fits(length, target) {
			last.to += by
			return
		}
	}
	for ; by > 0; by -= target {
		// Nothing ever has this number, so that nothing else is loaded in the place of the gap.
		r.segs = append(r.segs, timeline.SegmentView{N: r.period.Run.FirstN - 1, Complete: true, Gap: true})
		r.times = append(r.times, stretch{at, at + min(by, target)})
		at += target
	}
}

// fits reports whether a segment of so many milliseconds may be listed (RFC 8216bis section 4.4.3.1).
func fits(length, target int64) bool { return length < target+500 }
