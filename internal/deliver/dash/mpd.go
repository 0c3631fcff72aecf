package dash

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"weir/internal/codec"
	"weir/internal/deliver"
	"weir/internal/fault"
	format "weir/internal/format/dash"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// document gives the manifest of a version. publishTime moves only when something else does.
func (h *Handler) document(st *deliver.Stream, v deliver.View, now time.Time) (*deliver.Doc, *format.MPD, error) {
	var err error
	wall := h.server.Wall(now)
	now = h.clock.at(now, wall)
	doc := st.Doc("mpd", v.Version, func(prev *deliver.Doc) *deliver.Doc {
		var m format.MPD
		before := source(prev)
		if m, err = MPD(v, st.Window(), wall.Round(0).Sub(now.Round(0)), before); err != nil {
			return prev
		}
		if before != nil {
			m.PublishTime = before.PublishTime
			if bytes.Equal(m.Append(nil), prev.Body) {
				return prev
			}
		}
		m.PublishTime = now.Truncate(time.Millisecond)
		d := deliver.NewDoc(m.Append(nil))
		d.Source = &m
		return d
	})
	if doc == nil {
		if err == nil {
			err = deliver.ErrNotYet
		}
		return nil, nil, err
	}
	return doc, doc.Source.(*format.MPD), nil
}

// source is the manifest that a document was made from, nil if there is none.
func source(d *deliver.Doc) *format.MPD {
	if d == nil {
		return nil
	}
	m, _ := d.Source.(*format.MPD)
	return m
}

func lowLatency(p *presentation.Period) bool {
	return p.Run.PartDuration > 0 && p.Run.PartDuration < p.Run.SegmentDuration
}

// MPD is the manifest of a version, without its publishTime; stepped is by how much the wall clock has been set since the
// presentation began (see steadyTime), and before is the manifest of the version before, nil if there is none. It is a pure
// function of its arguments.
func MPD(v deliver.View, window, stepped time.Duration, before *format.MPD) (format.MPD, error) {
	m := format.MPD{
		TimeShiftBufferDepth: window,
		UTCTiming:            deliver.Address{Kind: deliver.Manifest}.String() + "?" + steadyQuery,
	}
	var left []media.Codec
	var ends time.Time
	var at place
	for i := range v.Periods {
		if !v.Periods[i].Settled() {
			continue // its renditions must appear together: players do not look for new ones in a known Period
		}
		at = steadyPlace(&v.Periods[i].Run.Run, stepped, before)
		p, unknown := period(&v.Periods[i], at, v.Live)
		left = append(left, unknown...)
		if len(p.Sets) > 0 {
			m.Periods = follow(m.Periods, silence(ends, p.Start), p)
			ends = at.shown(v.Periods[i].To)
		}
	}
	if len(m.Periods) == 0 {
		return m, notCarried(left)
	}
	d := v.Newest().Run.SegmentDuration
	m.MinBufferTime, m.MinimumUpdatePeriod, m.SuggestedDelay = d, d, 3*d
	if lowLatency(v.Newest()) {
		low(&m, d)
	}
	if !v.Live {
		m.MinimumUpdatePeriod, m.Latency, m.LowLatency = 0, nil, false
		m.End = at.shown(lastEnd(v))
		m.Periods[len(m.Periods)-1].End = m.End
	}
	if _, to := span(v.Newest()); !to.IsZero() {
		shed(&m, at.shown(to), d)
	}
	keep(&m, v, before)
	return m, nil
}

// shed leaves out the Periods at the beginning that lack a kind of media which the newest has, as where sound began late. Shaka
// and dash.js set up what the first Period has, so who joins would not hear it before that has left the window. It is
// done once those who play live are over the joint.
func shed(m *format.MPD, edge time.Time, d time.Duration) {
	newest := &m.Periods[len(m.Periods)-1]
	if edge.Sub(newest.Start) < 6*d {
		return
	}
	n := 0
	for n < len(m.Periods)-1 && lacks(&m.Periods[n], newest) {
		n++
	}
	if n == 0 {
		return
	}
	m.Periods = m.Periods[n:]
	m.TimeShiftBufferDepth = min(m.TimeShiftBufferDepth, edge.Sub(m.Periods[0].Start).Truncate(time.Second))
}

// lacks reports whether a Period has no set of a kind that another one has.
func lacks(p, other *format.Period) bool {
	return slices.ContainsFunc(other.Sets, func(s format.AdaptationSet) bool {
		return !slices.ContainsFunc(p.Sets, func(own format.AdaptationSet) bool { return own.ContentType == s.ContentType })
	})
}

// keep lets a manifest go on from the one before: bit rates and the longest segment are declared with what may come in mind,
// and change only where they must grow. Players read them once.
func keep(m *format.MPD, v deliver.View, before *format.MPD) {
	known := v.Segment
	if v.Live {
		known = max(known, v.Newest().Run.SegmentDuration+audioSlack)
	}
	m.MaxSegmentDuration = longest(m, known)
	var old []format.Period
	if before != nil {
		m.MaxSegmentDuration = max(m.MaxSegmentDuration, before.MaxSegmentDuration)
		old = before.Periods
	}
	for i := range m.Periods {
		p := &m.Periods[i]
		at := slices.IndexFunc(old, func(o format.Period) bool { return o.ID == p.ID })
		for j := range p.Sets {
			for k := range p.Sets[j].Representations {
				r := &p.Sets[j].Representations[k]
				said := 0
				if at >= 0 {
					said = declared(&old[at], r.ID)
				}
				if said >= r.Bandwidth {
					r.Bandwidth = said
				} else if v.Live && i == len(m.Periods)-1 {
					r.Bandwidth += r.Bandwidth / 5
				}
			}
		}
	}
}

// declared is the bandwidth that a Period says, 0 if it lacks the representation.
func declared(p *format.Period, representation string) int {
	for i := range p.Sets {
		for j := range p.Sets[i].Representations {
			if r := &p.Sets[i].Representations[j]; r.ID == representation {
				return r.Bandwidth
			}
		}
	}
	return 0
}

// longest is the longest segment that a manifest lists or may list: sound is cut a frame after the picture.
func longest(m *format.MPD, known time.Duration) time.Duration {
	for i := range m.Periods {
		for j := range m.Periods[i].Sets {
			for k := range m.Periods[i].Sets[j].Representations {
				t := &m.Periods[i].Sets[j].Representations[k].Template
				for l := range t.Segments {
					known = max(known, media.ToDuration(t.Segments[l].Duration, t.TimeScale))
				}
			}
		}
	}
	const step = 10 * time.Millisecond
	return (known + step - 1).Truncate(step)
}

// follow adds a Period to those before it, the last of which has footage up to ends. Once another Period follows, the
// outage before it belongs to neither: a player that seeks into it is taken to the next one, where it would wait for
// ever for segments of the last one. Periods lie in the order of their starts (ISO/IEC 23009-1 5.3.2.1): when the wall
// clock was set back, those that would begin later than the new one are not shown any more.
func follow(list []format.Period, ends time.Time, p format.Period) []format.Period {
	if n := len(list); n > 0 {
		list[n-1].End = ends
	}
	for len(list) > 0 && !list[len(list)-1].Start.Before(p.Start) {
		list = list[:len(list)-1]
	}
	if n := len(list); n > 0 {
		list[n-1].End = earlier(list[n-1].End, p.Start)
	}
	return append(list, p)
}

// silence is where a Period ends that an outage follows. A browser that runs dry stops a tenth of a second before the last frame's end,
// since it keeps some back until more comes. dash.js changes Periods once its player has reached the end of one. While the player
// stands before it, it seeks instead, and waits out the outage once more; or it does both at once, and for ever.
func silence(ends, next time.Time) time.Time {
	const keptBack, outage = 250 * time.Millisecond, time.Second
	if ends.IsZero() || next.Sub(ends) < outage {
		return ends
	}
	return ends.Add(-keptBack)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// low sets what low latency needs. A player learns of the next segment from the manifest, half a segment late at
// most, so a segment and a half is what it can keep up with. What is further behind than the maximum seeks to the live
// point; that is also what takes dash.js over an outage in less than that lasted and two seconds, if the maximum is no greater. If it is
// smaller, dash.js seeks sooner, into the outage, and its seek does not end while there is nothing.
// Nobody is asked to play slower: Shaka measures its latency from the end of what it lets one seek to, which lies the
// suggested delay behind already, and would play slower until it is twice as late.
func low(m *format.MPD, d time.Duration) {
	target := d + d/2
	m.LowLatency = true
	m.MinBufferTime, m.MinimumUpdatePeriod, m.SuggestedDelay = d/2, d/2, target
	m.Latency = &format.Latency{Target: target, Min: d, Max: 4*d - d/4, MinRate: 1, MaxRate: 1.04}
}

func lastEnd(v deliver.View) time.Time {
	end := v.Newest().To
	if end.IsZero() {
		end = v.Newest().From
	}
	return end
}

func notCarried(left []media.Codec) error {
	if len(left) == 0 {
		return deliver.ErrNotYet
	}
	return fault.New(fault.Unsupported, "codec_not_in_dash", "DASH cannot carry "+left[0].String()+" here, and the stream has nothing else.",
		"Publish H.264 with AAC, or watch over WebRTC or HTTP-FLV.")
}

// carries reports whether the segments can hold the codec. VP8 and G.711 have no player.
func carries(c media.Codec) bool {
	return c != media.UnknownCodec && c != media.VP8 && c != media.PCMA && c != media.PCMU
}

// place is where a Period lies: its name, its start in the presentation, and what media time plays there.
type place struct {
	id    string
	start time.Time
	media time.Time
}

// runPlace comes from the run alone, so it is the same from the first manifest that lists the run to the last.
func runPlace(run *timeline.Run) place {
	start := run.Start.Truncate(time.Millisecond)
	return place{id: "r" + strconv.FormatUint(run.ID, 10), start: start, media: start}
}

// steadyPlace is where a run lies in a live presentation: where it was in the manifest before, and else where its dates put
// it but for the steps of the wall clock.
func steadyPlace(run *timeline.Run, stepped time.Duration, before *format.MPD) place {
	at := runPlace(run)
	at.start = at.start.Add(-stepped)
	if before != nil {
		if k := slices.IndexFunc(before.Periods, func(p format.Period) bool { return p.ID == at.id }); k >= 0 {
			at.start = before.Periods[k].Start
		}
	}
	return at
}

// shown is when an instant of media time is shown.
func (p place) shown(at time.Time) time.Time { return at.Add(p.start.Sub(p.media)) }

// period describes one run, or a stretch of it.
func period(p *presentation.Period, at place, live bool) (format.Period, []media.Codec) {
	out := format.Period{ID: at.id, Start: at.start}
	var left []media.Codec
	for i := range p.Run.Run.Renditions {
		r := &p.Run.Run.Renditions[i]
		if !carries(r.Track.Codec) {
			left = append(left, r.Track.Codec)
			continue
		}
		rep, ok := representation(p, r, &p.Run.Renditions[i], live)
		if !ok {
			continue
		}
		rep.Template.Offset = media.FromDuration(time.Duration(at.media.UnixNano()), r.Track.TimeScale)
		openTimeline(rep.Template.Segments, rep.Template.Offset, r.Track.Ticks(audioSlack))
		set := join(&out, r, rep, i)
		for _, s := range p.Run.Renditions[i].Segments {
			set.Dependent = set.Dependent || !s.Independent && !s.Gap
		}
	}
	return out, left
}

// join puts a representation into the set whose alternate it is, or into a new one, and gives the set.
func join(out *format.Period, r *timeline.Rendition, rep format.Representation, i int) *format.AdaptationSet {
	kind := r.Track.Kind.String()
	id := i + 1
	if r.Track.Alternate != 0 {
		id = 1000*int(r.Track.Kind) + 100*int(r.Track.Codec) + r.Track.Alternate
	}
	for j := range out.Sets {
		if s := &out.Sets[j]; s.ID == id && s.ContentType == kind && s.Language == r.Track.Language {
			s.Representations = append(s.Representations, rep)
			return s
		}
	}
	set := format.AdaptationSet{ID: id, ContentType: kind, Language: r.Track.Language, Representations: []format.Representation{rep}}
	if rep.Template.AvailabilityOffset > 0 {
		set.Producer = &format.Producer{ID: i, Wall: out.Start, Media: rep.Template.Offset}
	}
	out.Sets = append(out.Sets, set)
	return &out.Sets[len(out.Sets)-1]
}

func representation(p *presentation.Period, r *timeline.Rendition, view *timeline.RenditionView, live bool) (format.Representation, bool) {
	t := &r.Track
	rate := presentation.Measure(view, t.TimeScale, p.Run.SegmentDuration)
	if rate.Peak == 0 {
		return format.Representation{}, false
	}
	rep := format.Representation{
		ID: r.Name, Codecs: codec.String(t), Bandwidth: rate.Peak,
		Width: t.Width, Height: t.Height, FrameRate: t.FrameRate, SampleRate: t.SampleRate, Channels: t.Channels,
	}
	ll := lowLatency(p) && live
	segs := stretch(view.Segments, ll && !p.Run.Ended)
	if len(segs) == 0 {
		return format.Representation{}, false
	}
	run := strconv.FormatUint(p.Run.ID, 10)
	rep.Template = format.Template{
		TimeScale: t.TimeScale,
		Init:      r.InitName, Media: "seg-" + run + "-" + r.Name + "-$Number$.m4s",
		StartNumber: segs[0].N,
		Segments:    make([]format.Segment, len(segs)),
	}
	if ll {
		// Half of what would be true: Shaka in its low-latency mode plays as near to the announced edge as it can, and
		// runs dry there. The other players keep the distance of the service description.
		rep.Template.AvailabilityOffset = (p.Run.SegmentDuration - p.Run.PartDuration) / 2
	}
	for i := range segs {
		rep.Template.Segments[i] = format.Segment{Start: segs[i].Start, Duration: segs[i].Duration}
	}
	guess := t.Ticks(p.Run.SegmentDuration)
	if t.Kind == media.Audio {
		guess += t.Ticks(audioSlack)
	}
	closeTimeline(rep.Template.Segments, segs, guess)
	return rep, true
}

// stretch is the newest row of segments without a gap: with $Number$ a timeline cannot leave a number out.
func stretch(segs []timeline.SegmentView, open bool) []timeline.SegmentView {
	if n := len(segs); n > 0 && !segs[n-1].Complete && (!open || len(segs[n-1].Parts) == 0) {
		segs = segs[:n-1]
	}
	for len(segs) > 0 && segs[len(segs)-1].Gap {
		segs = segs[:len(segs)-1]
	}
	for i := len(segs) - 1; i >= 0; i-- {
		if segs[i].Gap {
			return segs[i+1:]
		}
	}
	return segs
}

// audioSlack is more than one audio frame: audio is cut at the first frame after the video's cut, so a segment may
// be a frame longer than the last one.
const audioSlack = 50 * time.Millisecond

// openTimeline lets the first segment begin with its Period when no more than slack lies between: the sound's first frame is
// rarely the picture's, and Periods start at a millisecond. dash.js seeks over what it takes for a gap there, even when it only
// loads the Period ahead, and if its player is still seeking, all of the Period before is left out.
func openTimeline(out []format.Segment, start, slack int64) {
	if late := out[0].Start - start; late > 0 && late <= slack {
		out[0].Start, out[0].Duration = start, out[0].Duration+late
	}
}

// closeTimeline lets each segment last until the next one begins, so that rounding leaves no holes, and guesses the
// duration of the open one. Rather too long than too short: a player that looks for what follows an open segment at
// its announced end would find the same segment again once that has turned out longer, and fetch it twice.
func closeTimeline(out []format.Segment, segs []timeline.SegmentView, guess int64) {
	for i := range out {
		if i+1 < len(out) {
			out[i].Duration = max(out[i+1].Start-out[i].Start, 1)
		} else if !segs[i].Complete {
			if i > 0 && out[i-1].Duration < 2*guess {
				guess = max(guess, out[i-1].Duration)
			}
			out[i].Duration = max(guess, out[i].Duration)
		}
	}
}
