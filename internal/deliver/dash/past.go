package dash

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/dash"
	"weir/internal/media"
	"weir/internal/presentation"
)

// past answers for a range of stored footage.
func (h *Handler) past(w http.ResponseWriter, r *http.Request, visit *deliver.Visit, ask deliver.Ask, now time.Time) error {
	l, v, err := h.server.Enough(r.Context(), visit.Session.Name(), ask, !visit.Returns(r), now)
	if err != nil {
		return err
	}
	// What players have seen growing goes on in the same time when it ends.
	static := ask.Form == deliver.Closed && !v.Live && !l.Grew()
	doc := l.Doc("mpd", v, func(prev *deliver.Doc) *deliver.Doc {
		var m format.MPD
		if static {
			m, err = Static(v)
		} else {
			m, err = Rewind(v, ask, source(prev), now)
		}
		if err != nil {
			return nil
		}
		return published(&m, prev, now)
	})
	if doc == nil {
		if err == nil {
			err = deliver.ErrNotYet
		}
		return err
	}
	cache := "public, max-age=0, s-maxage=1"
	if !v.Live {
		cache = "public, max-age=0, s-maxage=10" // as in hls
	}
	if location, query := location(visit, ask.Query()), visit.Query(visit.Keyed()); location != "" || query != "" {
		own := *doc.Source.(*format.MPD)
		own.Query = query
		if !static {
			own.Location = location
		}
		doc, cache = deliver.NewDoc(own.Append(nil)), "private, no-cache"
	}
	visit.Session.Out(doc.Serve(w, r, format.MIMEType, cache))
	return nil
}

// published wraps a manifest. publishTime moves only when something else does.
func published(m *format.MPD, prev *deliver.Doc, now time.Time) *deliver.Doc {
	if prev != nil {
		m.PublishTime = prev.Source.(*format.MPD).PublishTime
		if bytes.Equal(m.Append(nil), prev.Body) {
			return prev
		}
	}
	m.PublishTime = now.Truncate(time.Millisecond)
	d := deliver.NewDoc(m.Append(nil))
	d.Source = m
	return d
}

// Static is the manifest of a range to which nothing is added: a Period per run, one after the other, so that the time
// between two runs takes none. A segment that is missing inside a run cannot be left out of a timeline with $Number$, nor
// can both Shaka and dash.js read S@n; there a new Period begins too.
func Static(v deliver.View) (format.MPD, error) {
	m := format.MPD{Static: true}
	stretches := v.Stretches()
	var left []media.Codec
	at := time.Time{}
	for i := range stretches {
		s := &stretches[i]
		from, to := span(&s.Period)
		if at.IsZero() {
			at = from
		}
		p, unknown := period(&s.Period, place{id: name(s), start: at, media: from}, false)
		left = append(left, unknown...)
		if len(p.Sets) == 0 {
			continue
		}
		at = at.Add(to.Sub(from))
		p.End = at
		m.MinBufferTime = max(m.MinBufferTime, s.Run.SegmentDuration)
		m.Periods = append(m.Periods, p)
	}
	if len(m.Periods) == 0 {
		return m, notCarried(left)
	}
	m.End = at
	m.MaxSegmentDuration = longest(&m, v.Segment)
	return m, nil
}

// span is what a Period plays, to the millisecond. Sound is cut a frame before or after the picture: then it begins with the
// picture.
func span(p *presentation.Period) (from, to time.Time) {
	var picture time.Time
	for i := range p.Run.Renditions {
		segs, t := p.Run.Renditions[i].Segments, &p.Run.Run.Renditions[i].Track
		if len(segs) == 0 || !carries(t.Codec) {
			continue
		}
		begin := presentation.At(segs[0].Start, t.TimeScale)
		if end := presentation.At(segs[len(segs)-1].Start+segs[len(segs)-1].Duration, t.TimeScale); end.After(to) {
			to = end
		}
		if from.IsZero() || begin.Before(from) {
			from = begin
		}
		if t.Kind == media.Video && (picture.IsZero() || begin.Before(picture)) {
			picture = begin
		}
	}
	if !picture.IsZero() && picture.Sub(from) < p.Run.SegmentDuration/2 {
		from = picture
	}
	return from.Truncate(time.Millisecond), to.Truncate(time.Millisecond)
}

// name is the id of a stretch's Period.
func name(s *presentation.Stretch) string {
	id := runPlace(&s.Run.Run).id
	if s.Cut != nil {
		id += "-" + strconv.FormatInt(s.Cut.N, 10)
	}
	return id
}

// Rewind is the manifest of a range that moves or grows: dynamic, in epoch time as the live one is. before is that of the
// version before, nil if there is none.
func Rewind(v deliver.View, ask deliver.Ask, before *format.MPD, now time.Time) (format.MPD, error) {
	m := format.MPD{UTCTiming: deliver.Address{Kind: deliver.Manifest}.String() + "?" + clockQuery}
	var left []media.Codec
	var ends time.Time
	stretches := v.Stretches()
	for i := range stretches {
		s := &stretches[i]
		if !s.Run.Ended && !s.Settled() {
			continue // its renditions must appear together: players do not look for new ones in a known Period
		}
		at := runPlace(&s.Run.Run)
		if s.Cut != nil {
			at.start = s.Cut.At.Truncate(time.Millisecond)
			at.media, at.id = at.start, name(s)
		}
		p, unknown := period(&s.Period, at, false)
		left = append(left, unknown...)
		if len(p.Sets) == 0 {
			continue
		}
		m.Periods = follow(m.Periods, ends, p)
		ends = s.To
	}
	if len(m.Periods) == 0 {
		return m, notCarried(left)
	}
	d := v.Newest().Run.SegmentDuration
	m.MinBufferTime, m.MinimumUpdatePeriod, m.SuggestedDelay = d, d, 3*d
	m.TimeShiftBufferDepth = ask.Back
	if ask.Form != deliver.Sliding {
		m.TimeShiftBufferDepth = depth(ask, now, 10*d)
	}
	if !v.Live {
		m.MinimumUpdatePeriod = 0
		m.End = lastEnd(v)
		m.Periods[len(m.Periods)-1].End = m.End
	}
	keep(&m, v, before)
	return m, nil
}

// depth covers a range from its beginning on. It moves in steps, so that not every manifest differs from the last.
func depth(ask deliver.Ask, now time.Time, step time.Duration) time.Duration {
	return (now.Sub(ask.From)/step + 1) * step
}
