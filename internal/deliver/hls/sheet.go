package hls

import (
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/hls"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// shape is what a playlist of finished segments lists of each.
type shape uint8

const (
	whole    shape = iota
	pictures       // the first picture of each: an I-frame playlist
	muxed          // picture and sound together as MPEG-TS
)

func (s shape) String() string { return [...]string{"whole", "pictures", "muxed"}[s] }

// blockSegments is how many segments a block of text has. Blocks begin at multiples of it, so that a list that slides
// shares all but its first and its last one with the version before.
const blockSegments = 64

// sheet renders a media playlist of finished segments: DVR, EVENT, VOD, and what old devices get of a live stream.
type sheet struct {
	server    *deliver.Server
	name      string // of the stream
	rendition string // "" for muxed
	shape     shape
	kind      string // "", format.TypeEvent or format.TypeVOD
	query     string
	beside    bool // it stands beside playlists of a low-latency stream
	delta     bool // what lies farther back than CAN-SKIP-UNTIL may be left out
}

// document renders the playlist of a version.
func (s *sheet) document(v deliver.View) *deliver.Doc {
	m := format.Media{
		TargetDuration: targetDuration(v.Segment, nominal(v)), Ended: !v.Live, Type: s.kind,
		Independent: true, IFramesOnly: s.shape == pictures, Query: s.query,
	}
	if s.shape == muxed {
		m.Version = 3 // nothing in it is newer, and the devices are old
	}
	count, tags, last := int64(0), 0, int64(0)
	rows := make([]row, 0, len(v.Periods))
	for i := range v.Periods {
		r := s.row(&v.Periods[i])
		if len(r.segs) == 0 {
			continue
		}
		r.clock()
		if len(rows) > 0 {
			tags++
		}
		rows = append(rows, r)
		count += int64(len(r.segs))
		last = r.segs[len(r.segs)-1].MSN
		m.DiscontinuitySequence = r.period.Run.DiscontinuitySeq
		m.Independent = m.Independent && (s.shape == pictures || independentSegments(r.segs))
	}
	// Both count back from the newest, which must keep its number: retention may have taken a run from the middle of the
	// list, and then the older ones count as if it had never been.
	m.MediaSequence = max(last-count+1, 0)
	m.DiscontinuitySequence = max(m.DiscontinuitySequence-tags, 0)
	if s.kind == format.TypeVOD && s.shape != muxed {
		fill(rows, int64(m.TargetDuration)*1000)
	}
	if s.beside && control(&m, v) && s.delta {
		m.Skipped = skipRows(rows, m.SkipUntil)
	}
	return s.blocks(&m, rows)
}

// skipRows makes a delta update of rows, as skip does of a playlist, and tells how many segments are left out.
func skipRows(rows []row, until time.Duration) (n int) {
	if len(rows) == 0 {
		return 0
	}
	total := int64(0)
	for i := range rows {
		for _, t := range rows[i].times {
			total += t.to - t.from
		}
	}
	first := &rows[0]
	for n < len(first.times) {
		if total -= first.times[n].to - first.times[n].from; total < until.Milliseconds() {
			break
		}
		n++
	}
	first.segs, first.times = first.segs[n:], first.times[n:]
	return n
}

func independentSegments(segs []timeline.SegmentView) bool {
	for i := range segs {
		if !segs[i].Independent && !segs[i].Gap {
			return false
		}
	}
	return true
}

// row is what a playlist lists of one Period.
type row struct {
	period    *presentation.Period
	rendition *timeline.Rendition // nil: the run lacks it
	segs      []timeline.SegmentView
	times     []stretch // parallel to segs
	undated   bool      // its dates are not told
}

// stretch is when a segment begins and ends, in Unix milliseconds.
type stretch struct{ from, to int64 }

func milliseconds(ticks int64, scale uint32) int64 {
	return int64(media.ToDuration(ticks, scale) / time.Millisecond)
}

// clock gives every segment its times, to the millisecond that dates have in playlists and in browsers. EXTINF is the
// difference of two of them, so that the sum of the durations and the dates agree: where they drift apart by more than a
// millisecond, Shaka rebuilds its list at every reload and loses sight of the outages in it. A gap is as long as the
// segment that another rendition has there, so that all lists are equally long.
func (r *row) clock() {
	r.times = make([]stretch, len(r.segs))
	if len(r.segs) == 0 {
		return
	}
	d := int64(r.period.Run.SegmentDuration / time.Millisecond)
	at, other := r.segs[0].N*d, lead(r.period)
	for i := range r.segs {
		v := &r.segs[i]
		t := stretch{at, at + d}
		if !v.Gap && r.rendition != nil {
			scale := r.rendition.Track.TimeScale
			t = stretch{milliseconds(v.Start, scale), milliseconds(v.Start+v.Duration, scale)}
			// Where groups are open, pictures that are shown before a key picture stand behind it, in the next segment.
			if i+1 < len(r.segs) && !r.segs[i+1].Gap && r.segs[i+1].DTS == v.DTS+v.Duration {
				t.to = milliseconds(r.segs[i+1].Start, scale)
			}
		} else if o := other.find(v.N); o != nil {
			t = stretch{milliseconds(o.Start, other.scale), milliseconds(o.Start+o.Duration, other.scale)}
		}
		if i > 0 && r.segs[i-1].Gap && t.from > r.times[i-1].from {
			r.times[i-1].to = min(r.times[i-1].to, t.from) // the gap ends where footage goes on
		}
		r.times[i], at = t, t.to
	}
}

func (s *sheet) row(p *presentation.Period) row {
	r := row{period: p}
	if s.shape != muxed {
		r.segs, r.rendition = p.Segments(s.rendition)
		r.segs = finishedOnly(r.segs)
		return r
	}
	v, a := deliver.TSRenditions(&p.Run.Run)
	lead, other := v, a
	if lead < 0 {
		lead, other = a, -1
	}
	if lead < 0 {
		return r
	}
	r.segs, r.rendition = finishedOnly(p.Run.Renditions[lead].Segments), &p.Run.Run.Renditions[lead]
	if other < 0 || !p.To.IsZero() {
		return r
	}
	// The segment is made once, so it is not listed before the other has finished too.
	seconds := finishedOnly(p.Run.Renditions[other].Segments)
	for len(r.segs) > 0 && len(seconds) > 0 && r.segs[len(r.segs)-1].N > seconds[len(seconds)-1].N {
		r.segs = r.segs[:len(r.segs)-1]
	}
	return r
}

func finishedOnly(segs []timeline.SegmentView) []timeline.SegmentView {
	for len(segs) > 0 && !segs[len(segs)-1].Complete {
		segs = segs[:len(segs)-1]
	}
	return segs
}

// blocks writes the text in blocks.
func (s *sheet) blocks(m *format.Media, rows []row) *deliver.Doc {
	var out []*deliver.Block
	pending := m.AppendHead(nil)
	for i := range rows {
		r := &rows[i]
		pending = s.appendRunHead(pending, r, i > 0)
		for from := 0; from < len(r.segs); {
			n := r.segs[from].N
			to := min(from+int(blockSegments-n%blockSegments), len(r.segs))
			at := from
			from = to
			if to-at < blockSegments {
				pending = s.appendSegments(pending, r, at, to)
				continue
			}
			if len(pending) > 0 {
				out = append(out, deliver.NewBlock(pending))
				pending = nil
			}
			out = append(out, s.server.Block(s.name, s.shape.String()+s.rendition, s.query, r.period.Run.ID, n, print(r, at, to),
				func() []byte { return s.appendSegments(make([]byte, 0, blockSegments*140), r, at, to) }))
		}
	}
	if pending = m.AppendEnd(pending); len(pending) > 0 {
		out = append(out, deliver.NewBlock(pending))
	}
	return deliver.NewDocOf(out)
}

// print is a fingerprint of all that the text of segments depends on.
func print(r *row, from, to int) uint64 {
	h := uint64(to - from)
	if r.undated {
		h = ^h
	}
	mix := func(v int64) { h = (h ^ uint64(v)) * 0x9E3779B97F4A7C15; h ^= h >> 29 }
	for i := from; i < to; i++ {
		v := &r.segs[i]
		mix(v.N)
		mix(r.times[i].from)
		mix(r.times[i].to)
		mix(v.Key)
		if v.Gap {
			mix(-1)
		}
	}
	return h
}

// appendRunHead writes what comes before the first segment of a run.
func (s *sheet) appendRunHead(dst []byte, r *row, follows bool) []byte {
	head := format.Segment{Discontinuity: follows}
	if r.rendition != nil && s.shape != muxed {
		head.Map = r.rendition.InitName
	}
	return head.Append(dst, s.query)
}

func (s *sheet) appendSegments(dst []byte, r *row, from, to int) []byte {
	for i := from; i < to; i++ {
		seg := s.segment(r, i)
		dst = seg.Append(dst, s.query)
	}
	return dst
}

func (s *sheet) segment(r *row, i int) format.Segment {
	v, t := &r.segs[i], r.times[i]
	a := deliver.Address{Kind: deliver.Segment, Run: r.period.Run.ID, Rendition: s.rendition, N: v.N}
	switch s.shape {
	case muxed:
		a = deliver.Address{Kind: deliver.TSSegment, Run: a.Run, N: a.N}
	case pictures:
		a.Kind = deliver.Picture
	}
	out := format.Segment{URI: a.String(), Gap: v.Gap || r.rendition == nil, Time: time.UnixMilli(t.from),
		Duration: time.Duration(max(t.to-t.from, 1)) * time.Millisecond}
	if r.undated {
		out.Time = time.Time{}
	}
	if s.shape == pictures && !out.Gap {
		// One entry per segment, so that they count as the segments do. Without a key frame there is no picture to show.
		out.Gap = v.Key == 0
	}
	return out
}
