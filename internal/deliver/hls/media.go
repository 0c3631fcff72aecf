package hls

import (
	"cmp"
	"math"
	"strings"
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/hls"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// partsBack is for how many target durations from the end parts are listed (RFC 8216bis section 6.2.2).
const partsBack = 3

// surplus is by how much a segment's first part is said to be longer than it is. Shaka 5.2 holds the time of each part by the list against
// that by its tfdt, and where they differ by a millisecond from the first one it calls SourceBuffer.abort(), which loses the pictures up to
// the next key frame: a stall of two groups. It adds a millisecond itself to an offset below 0, so that parts which fit exactly differ by
// as much, and rounding decides; with the surplus they differ by less.
const surplus = 10 * time.Microsecond

func lowLatency(v deliver.View) bool {
	n := v.Newest()
	return n != nil && n.Run.PartDuration > 0 && n.Run.PartDuration < n.Run.SegmentDuration
}

// Media is the media playlist of a rendition, whole or as a delta update. It is a pure function of its arguments.
func Media(v deliver.View, rendition string, delta bool) format.Media {
	return playlist(v, rendition, reload{delta: delta, parts: true})
}

// playlist is Media for what was asked: whole for a player that reads no parts, and quiet where the publisher is away for so
// long that players have the last part.
func playlist(v deliver.View, rendition string, ask reload) format.Media {
	v = settled(v, ask.parts)
	m := format.Media{TargetDuration: targetDuration(v.Segment, nominal(v)), Ended: !v.Live, Independent: true}
	ll := control(&m, v)
	if ll {
		m.PartTarget = v.Part + surplus
	}
	b := builder{m: &m, rendition: rendition, ll: ll && !ask.quiet, whole: ask.whole}
	b.partsFrom = partsFrom(v, rendition, partsBack*time.Duration(m.TargetDuration)*time.Second)
	b.names.Grow(4 << 10)
	m.Segments = make([]format.Segment, 0, 32)
	for i := range v.Periods {
		b.past = goesOn(v.Periods[i+1:], rendition)
		b.over = i > 0 && over(&v.Periods[i-1], &v.Periods[i], rendition)
		b.before = absent(&v.Periods[i], v.Periods[i+1:], rendition)
		b.short = b.past && !b.before && v.Periods[len(v.Periods)-1].Run.Absent > 0
		b.anew = lowLatency(v) && v.Periods[i].Run.EndReason == timeline.EndPublisherGone
		b.period(&v.Periods[i])
	}
	if ll {
		m.Hint = hint(v, rendition)
		m.Reports = reports(v, rendition)
	}
	if ll && ask.delta {
		skip(&m)
	}
	return m
}

// control says of a playlist of a low-latency stream what may be asked for. All playlists of the stream say the same (RFC
// 8216bis section 6.2.4), that of I-frames too.
func control(m *format.Media, v deliver.View) (ll bool) {
	if ll = lowLatency(v) && v.Live; ll {
		m.PartHoldBack, m.SkipUntil, m.BlockReload = 3*(v.Part+surplus), 6*time.Duration(m.TargetDuration)*time.Second, true
	}
	return ll
}

// goesOn reports whether Periods have anything of a rendition.
func goesOn(later []presentation.Period, rendition string) bool {
	for i := range later {
		if segs, _ := later[i].Segments(rendition); len(segs) > 0 {
			return true
		}
	}
	return false
}

// nominal is the longest nominal segment duration listed.
func nominal(v deliver.View) time.Duration {
	d := time.Duration(0)
	for i := range v.Periods {
		d = max(d, v.Periods[i].Run.SegmentDuration)
	}
	return d
}

// targetDuration covers every segment: EXTINF rounded to the nearest second must not exceed it (RFC 8216bis section
// 4.4.3.1), and it does not shrink below the nominal duration.
func targetDuration(longest, nominal time.Duration) int {
	return max(int(math.Ceil(nominal.Seconds())), int(math.Round(wholeMilliseconds(longest).Seconds())), 1)
}

// wholeMilliseconds rounds up: what lies between two instants that are cut to milliseconds lasts so long at most.
func wholeMilliseconds(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// between is how long something lasts of which beginning and end are cut to the millisecond that dates have in playlists and
// in browsers. So the durations never drift from the dates; where they do, Shaka rebuilds its list at every reload.
func between(start, duration int64, scale uint32) time.Duration {
	return time.Duration(milliseconds(start+duration, scale)-milliseconds(start, scale)) * time.Millisecond
}

// partsFrom is the instant from which on parts are listed.
func partsFrom(v deliver.View, rendition string, back time.Duration) time.Time {
	for i := len(v.Periods) - 1; i >= 0; i-- {
		segs, r := v.Periods[i].Segments(rendition)
		if n := len(segs); n > 0 && r != nil {
			return presentation.At(segs[n-1].Start+segs[n-1].Duration, r.Track.TimeScale).Add(-back)
		}
	}
	return time.Time{}
}

// builder fills a playlist. Names and parts of all segments share one allocation each.
type builder struct {
	m         *format.Media
	names     strings.Builder
	scratch   []byte
	parts     []format.Part
	rendition string
	ll        bool
	anew      bool // the publisher left, and players know the run's last segment by its parts
	before    bool // an absence comes behind it, and something behind that
	short     bool // what comes behind it is a short absence and the first parts of the newest run
	past      bool // a newer run of the rendition has begun
	last      bool // this is the last segment of its run
	whole     bool // its reader takes no parts
	over      bool // its readers wait behind an absence for its first segment
	partsFrom time.Time
}

// name is the file name of an address.
func (b *builder) name(a deliver.Address) string {
	b.scratch = a.Append(b.scratch[:0])
	at := b.names.Len()
	_, _ = b.names.Write(b.scratch)
	return b.names.String()[at:]
}

// take gives room for n parts.
func (b *builder) take(n int) []format.Part {
	if cap(b.parts)-len(b.parts) < n {
		b.parts = make([]format.Part, 0, max(n, 64))
	}
	at := len(b.parts)
	b.parts = b.parts[:at+n]
	return b.parts[at : at+n : at+n]
}

func (b *builder) period(p *presentation.Period) {
	segs, r := p.Segments(b.rendition)
	m := b.m
	for i := range segs {
		s := &segs[i]
		if !s.Complete && (!b.ll || len(s.Parts) == 0) {
			continue
		}
		b.last = i == len(segs)-1
		out := b.segment(p, s, r)
		if i == 0 {
			if len(m.Segments) == 0 {
				m.MediaSequence, m.DiscontinuitySequence = p.Run.Counted(s.N), p.Run.DiscontinuitySeq
			} else {
				out.Discontinuity = true
			}
			if r != nil {
				out.Map = r.InitName
			}
			if out.Discontinuity && p.Run.Absent > 0 {
				b.absence(p, &out)
			}
		}
		m.Independent = m.Independent && (s.Independent || s.Gap)
		m.Segments = append(m.Segments, out)
	}
}

func (b *builder) segment(p *presentation.Period, s *timeline.SegmentView, r *timeline.Rendition) format.Segment {
	if s.Gap {
		// Players do not fetch it, but every segment needs an address and a length.
		a := deliver.Address{Kind: deliver.Segment, Run: p.Run.ID, Rendition: b.rendition, N: s.N}
		return format.Segment{URI: b.name(a), Duration: p.Run.SegmentDuration, Gap: true,
			Time: time.Unix(0, s.N*int64(p.Run.SegmentDuration))}
	}
	scale := r.Track.TimeScale
	a := deliver.Address{Kind: deliver.Segment, Run: p.Run.ID, Rendition: r.Name, N: s.N}
	out := format.Segment{Time: time.UnixMilli(milliseconds(s.Start, scale))}
	if s.Complete && !b.held(s) {
		out.URI, out.Duration = b.name(a), max(between(s.Start, s.Duration, scale), time.Millisecond)
		if b.last && b.anew {
			out.Duration = max(out.Duration-anew, time.Millisecond)
		}
	}
	if !b.ll || b.before || b.last && b.past && !b.short || presentation.At(s.Start+s.Duration, scale).Before(b.partsFrom) {
		return out
	}
	a.Kind = deliver.Part
	parts := s.Parts
	out.Parts = b.take(len(parts))
	for i := range parts {
		a.Index = i
		out.Parts[i] = format.Part{URI: b.name(a), Duration: media.ToDuration(parts[i].Duration, scale),
			Independent: parts[i].Independent}
	}
	out.Parts[0].Duration += surplus
	return out
}

// held tells that a finished segment is still listed by its parts alone, because it is the newest. hls.js takes a
// segment for loaded, and never fetches its last part, when the segment's own address appears while the part before is
// on its way into the buffer; the first part of the next segment comes late enough. A run's last segment is held until
// the publisher is away for a while or another run has begun; then it is listed whole, without its parts. hls.js may have taken it
// for loaded without the short last part that a run's end leaves, and would then look for nothing but that part until it
// leaves the list: a stall of three target durations, where the next run is there to be played. Who reads no parts needs the
// address at once. A segment of one part was finished when it was first listed, because the publisher left in its first part, and has
// its address at once: hls.js keeps an open segment of one part for one of no length, and never steps over a gap behind that. Who comes over an
// absence waits for the first segment behind it, and reads none of its parts (see over).
func (b *builder) held(s *timeline.SegmentView) bool {
	return b.ll && b.last && !b.past && !b.whole && !b.over && len(b.m.Segments) > 0 && len(s.Parts) > 1
}

// hint is the address of the part that comes next in the open segment. It is "" where none will come, and while the
// newest segment is finished and held (see builder.held): a hint behind its parts would count as one of them.
func hint(v deliver.View, rendition string) string {
	p := v.Newest()
	segs, r := p.Segments(rendition)
	if r == nil || len(segs) == 0 || p.Run.Ended || segs[len(segs)-1].Complete {
		return ""
	}
	last := &segs[len(segs)-1]
	return deliver.Address{Kind: deliver.Part, Run: p.Run.ID, Rendition: rendition, N: last.N, Index: len(last.Parts)}.String()
}

// reports tells of the other renditions, so that a player can switch without another round trip.
func reports(v deliver.View, rendition string) []format.Report {
	p := v.Newest()
	var out []format.Report
	for i := range p.Run.Run.Renditions {
		name := p.Run.Run.Renditions[i].Name
		if name == rendition || !carries(p.Run.Run.Renditions[i].Track.Codec) {
			continue
		}
		if msn, part, ok := v.Edge(name); ok {
			out = append(out, format.Report{URI: deliver.Address{Kind: deliver.Playlist, Rendition: name}.String(), LastMSN: msn, LastPart: part})
		}
	}
	return out
}

// skip turns a whole playlist into a delta update: segments older than CAN-SKIP-UNTIL are left out, but never across
// a discontinuity (RFC 8216bis section 6.2.5.1; players lose count of it).
func skip(m *format.Media) {
	total := time.Duration(0)
	for i := range m.Segments {
		total += length(&m.Segments[i])
	}
	n, init, end := 0, "", known(m)
	for n < end && !m.Segments[n].Discontinuity {
		total -= length(&m.Segments[n])
		if total < m.SkipUntil {
			break
		}
		init = cmp.Or(m.Segments[n].Map, init)
		n++
	}
	if n == 0 {
		return
	}
	m.Skipped = n
	m.Segments = m.Segments[n:]
	// What is skipped has named it, but Shaka 5.2 does not remember: where its first segment of a rendition is one that a
	// delta update brought, it would append that without an init segment.
	m.Segments[0].Map = cmp.Or(m.Segments[0].Map, init)
}

// known is how many segments at the beginning a player surely has that asks for a delta update: its list is no older than half of
// CAN-SKIP-UNTIL (RFC 8216bis section 6.3.7). An absence comes into the list all at once, so until then its gaps are new, however
// old their dates are, and the last segment before it, which may have been listed by its parts alone (see builder.held).
func known(m *format.Media) int {
	age, n := time.Duration(0), len(m.Segments)
	for i := len(m.Segments) - 1; i > 0 && age < m.SkipUntil/2; i-- {
		if m.Segments[i].Gap {
			n = i - 1
		} else {
			age += length(&m.Segments[i])
		}
	}
	return n
}

func length(s *format.Segment) time.Duration {
	if s.URI != "" {
		return s.Duration
	}
	d := time.Duration(0)
	for i := range s.Parts {
		d += s.Parts[i].Duration
	}
	return d
}
