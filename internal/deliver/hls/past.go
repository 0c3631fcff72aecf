package hls

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"weir/internal/deliver"
	"weir/internal/fault"
	format "weir/internal/format/hls"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// request is one authorised request for a playlist.
type request struct {
	w     http.ResponseWriter
	r     *http.Request
	now   time.Time
	name  string
	visit deliver.Visit
	ask   deliver.Ask
	first bool // a player begins with this
}

var errForm = fault.New(fault.Invalid, "form_unknown", "The parameter form names no form of the stream.", "Leave it out, or give form=ts for old devices.")

// oldForm says whether the MPEG-TS form is asked for.
func oldForm(q url.Values) (bool, error) {
	list, has := q["form"]
	switch {
	case !has:
		return false, nil
	case len(list) == 1 && list[0] == "ts":
		return true, nil
	case len(list) == 1 && list[0] == "mp4":
		return false, nil
	}
	return false, errForm
}

// view gives what the request is about, live or past.
func (h *Handler) view(q *request) (deliver.View, *deliver.List, error) {
	if q.ask.Form.Past() {
		l, v, err := h.server.Enough(q.r.Context(), q.name, q.ask, q.first, q.now)
		return v, l, err
	}
	st, err := h.server.Stream(q.r.Context(), q.name)
	if err != nil {
		return deliver.View{}, nil, err
	}
	v, err := st.Described(q.r.Context())
	return v, nil, err
}

// pastMaster is the multivariant playlist of a range, or of the MPEG-TS form.
func (h *Handler) pastMaster(q *request, old bool) error {
	v, _, err := h.view(q)
	if err != nil {
		return err
	}
	p := Describe(v)
	var m format.Multivariant
	if old {
		m, err = muxedMaster(p)
	} else {
		if m, err = Multivariant(p); err == nil {
			m.IFrames = trickPlay(p)
		}
	}
	if err != nil {
		return err
	}
	if m.Start, err = parseStart(q.r.URL.Query(), v, q.now); err != nil {
		return err
	}
	return h.sendMaster(q, &m)
}

func (h *Handler) sendMaster(q *request, m *format.Multivariant) error {
	if s := h.server.Steering(); s != "" {
		m.Steering = &format.Steering{URI: s}
	}
	own := q.visit.Query(true)
	m.Query = deliver.Join(q.ask.Query(), own)
	// With a token in it, it is this viewer's alone, and a shared cache must not count all as one.
	cache := "private, no-cache"
	if own == "" {
		cache = "public, max-age=1"
	}
	n := deliver.NewDoc(m.Append(nil)).Serve(q.w, q.r, format.MIMEType, cache)
	q.visit.Session.Out(n)
	return nil
}

// Describe joins all Periods of a range into one that says what there is to play: every rendition in its newest form.
func Describe(v deliver.View) Scene {
	var out presentation.Period
	seen := map[string]bool{}
	for i := len(v.Periods) - 1; i >= 0; i-- {
		p := &v.Periods[i]
		out.Run.SegmentDuration = max(out.Run.SegmentDuration, p.Run.SegmentDuration)
		for j := range p.Run.Run.Renditions {
			r := &p.Run.Run.Renditions[j]
			if seen[r.Name] || !anything(p.Run.Renditions[j].Segments) {
				continue
			}
			seen[r.Name] = true
			out.Run.Run.Renditions = append(out.Run.Run.Renditions, *r)
			out.Run.Renditions = append(out.Run.Renditions, p.Run.Renditions[j])
		}
	}
	return Scene{&out, v}
}

func anything(segs []timeline.SegmentView) bool {
	for i := range segs {
		if segs[i].Complete && !segs[i].Gap {
			return true
		}
	}
	return false
}

// muxedMaster describes the MPEG-TS form: one variant.
func muxedMaster(p Scene) (format.Multivariant, error) {
	v, a := deliver.TSRenditions(&p.Run.Run)
	if v < 0 && a < 0 {
		return format.Multivariant{}, fault.New(fault.Unsupported, "codec_not_in_ts", "The stream has nothing that the MPEG-TS form of HLS can carry.",
			"Play index.m3u8 without form=ts, or publish H.264 with AAC.")
	}
	video, audio, _ := lines(p)
	var pair [2]*line
	for i, list := range [...][]line{video, audio} {
		for j := range list {
			if pair[i] == nil && deliver.CarriesTS(list[j].rendition.Track.Codec) {
				pair[i] = &list[j]
			}
		}
	}
	out := variant(pair[0], pair[1], "")
	more := packets(pair[0]) + packets(pair[1])
	// Packet headers, tables, and what makes every segment begin with the same continuity counters: 15 packets of each of
	// four streams at most.
	out.Bandwidth += out.Bandwidth/40 + more + tableRate + int(60*188*8/p.Run.SegmentDuration.Seconds())
	out.AverageBandwidth += out.AverageBandwidth/40 + more + tableRate
	out.URI = deliver.Address{Kind: deliver.TSPlaylist}.String()
	return format.Multivariant{Variants: []format.Variant{out}, Independent: independent(p)}, nil
}

// tableRate is what three packets of tables and clock cost twice and a half in a second.
const tableRate = 3 * 188 * 8 * 5 / 2

// packets is what the headers and the half-empty last packets of a rendition's frames cost in MPEG-TS, in bit/s.
func packets(l *line) int {
	if l == nil {
		return 0
	}
	rate := l.rendition.Track.FrameRate
	if l.rendition.Track.Kind == media.Audio {
		rate = float64(l.rendition.Track.SampleRate) / 1024
	} else if rate <= 0 {
		rate = 30
	}
	const each = 188/2 + 26 // bytes
	return int(rate * each * 8)
}

// trickPlay lists the I-frame playlists of the video renditions of which the places of the pictures are known.
func trickPlay(p Scene) []format.IFrame {
	video, _, _ := lines(p)
	var out []format.IFrame
	for i := range video {
		t := &video[i].rendition.Track
		rate := p.declared(p.view.PictureRate(video[i].rendition.Name, p.target()))
		if rate.Peak == 0 {
			continue
		}
		out = append(out, format.IFrame{URI: deliver.Address{Kind: deliver.IFrames, Rendition: video[i].rendition.Name}.String(),
			Bandwidth: rate.Peak, AverageBandwidth: rate.Average, Codecs: video[i].codecs, Width: t.Width, Height: t.Height})
	}
	return out
}

// pastMedia is a media playlist of finished segments.
func (h *Handler) pastMedia(q *request, a deliver.Address) error {
	s := sheet{server: h.server, name: q.name, rendition: a.Rendition, query: q.visit.Query(q.visit.Keyed())}
	switch a.Kind {
	case deliver.IFrames:
		s.shape = pictures
	case deliver.TSPlaylist:
		s.shape = muxed
	}
	v, l, err := h.view(q)
	if err != nil {
		return err
	}
	if err := playable(v, a); err != nil {
		return err
	}
	cache := pastCache(v, q.visit.Keyed())
	if s.beside = a.Kind == deliver.IFrames && l == nil && lowLatency(v); s.beside {
		held := false
		if v, held, err = h.picturesAsked(q, v, &s); err != nil {
			return err
		} else if held {
			cache = cacheControl(v, held, q.visit.Keyed())
		}
	}
	kind := s.shape.String() + s.rendition
	if s.delta {
		kind += " delta"
	}
	render := func(*deliver.Doc) *deliver.Doc { return s.document(v) }
	var doc *deliver.Doc
	switch {
	case l != nil:
		s.kind = kindOf(q.ask.Form, v, l)
		if doc = nil; !q.visit.Keyed() {
			doc = l.Doc(kind, v, render)
		}
	case !q.visit.Keyed():
		st, err := h.server.Stream(q.r.Context(), q.name)
		if err != nil {
			return err
		}
		doc = st.Doc(kind, v.Version, render)
	}
	if doc == nil {
		doc = render(nil)
	}
	q.visit.Session.Out(doc.Serve(q.w, q.r, format.MIMEType, cache))
	return nil
}

// picturesAsked does what the I-frame playlist of a low-latency stream is asked for: blocking reload and delta update.
func (h *Handler) picturesAsked(q *request, v deliver.View, s *sheet) (deliver.View, bool, error) {
	ask, err := parseReload(q.r.URL.Query())
	if err != nil {
		return v, false, err
	}
	if s.delta = ask.delta; ask.msn < 0 {
		return v, false, nil
	}
	st, err := h.server.Stream(q.r.Context(), q.name)
	if err != nil {
		return v, false, err
	}
	ask.part, ask.whole, ask.plain = -1, true, true // what it lists is finished segments
	return hold(q.r, st, v, s.rendition, ask)
}

// kindOf is the EXT-X-PLAYLIST-TYPE of a list. One that players have seen growing stays an EVENT when it ends.
func kindOf(form deliver.Form, v deliver.View, l *deliver.List) string {
	switch {
	case form == deliver.Sliding:
		return ""
	case v.Live || l.Grew():
		return format.TypeEvent
	default:
		return format.TypeVOD
	}
}

func pastCache(v deliver.View, own bool) string {
	switch {
	case own:
		return "private, no-cache"
	case v.Live:
		return "public, max-age=0, s-maxage=1"
	default:
		return "public, max-age=0, s-maxage=10" // it changes when footage is found to be damaged
	}
}

func playable(v deliver.View, a deliver.Address) error {
	for i := range v.Periods {
		run := &v.Periods[i].Run.Run
		if a.Kind == deliver.TSPlaylist {
			if video, audio := deliver.TSRenditions(run); video >= 0 || audio >= 0 {
				return nil
			}
			continue
		}
		for j := range run.Renditions {
			if r := &run.Renditions[j]; r.Name == a.Rendition && (a.Kind != deliver.IFrames || r.Track.Kind == media.Video) {
				return nil
			}
		}
	}
	return deliver.ErrNoRendition
}

// parseStart reads where to begin: seconds from the beginning, from the end if negative, or an instant.
func parseStart(q url.Values, v deliver.View, now time.Time) (*format.Start, error) {
	list, has := q["start"]
	if !has || len(v.Periods) == 0 {
		return nil, nil
	}
	wrong := fault.New(fault.Invalid, "start_wrong", "The parameter start is no place in the playlist.",
		"Give seconds from the beginning, negative ones from the end, or a time as in from.")
	if len(list) != 1 || len(list[0]) > 40 {
		return nil, wrong
	}
	if f, err := strconv.ParseFloat(list[0], 64); err == nil && f > -1e6 && f < 1e6 {
		return &format.Start{Offset: time.Duration(f * float64(time.Second)), Precise: true}, nil
	}
	at, _, ok := deliver.ParseInstant(list[0], now)
	if !ok {
		return nil, wrong
	}
	return &format.Start{Offset: offset(v, at), Precise: true}, nil
}

// offset is where an instant lies in a playlist: from its end while it moves, since a player reads it once.
func offset(v deliver.View, at time.Time) time.Duration {
	before, total := time.Duration(0), time.Duration(0)
	for i := range v.Periods {
		p := &v.Periods[i]
		segs := lead(p)
		if len(segs.Segments) == 0 {
			continue
		}
		for j := range segs.Segments {
			s := &segs.Segments[j]
			d := media.ToDuration(s.Duration, segs.scale)
			if from := presentation.At(s.Start, segs.scale); !from.After(at) {
				before = total + min(at.Sub(from), d)
			}
			total += d
		}
	}
	if v.Live {
		return min(before-total, -time.Millisecond)
	}
	return before
}

type scaled struct {
	timeline.RenditionView
	scale uint32
}

// find gives the segment of a number, nil if it is missing.
func (s *scaled) find(n int64) *timeline.SegmentView {
	if len(s.Segments) == 0 {
		return nil
	}
	if k := n - s.Segments[0].N; k >= 0 && k < int64(len(s.Segments)) && !s.Segments[k].Gap {
		return &s.Segments[k]
	}
	return nil
}

// lead is the rendition that the time of a Period is read from: the first.
func lead(p *presentation.Period) scaled {
	for i := range p.Run.Renditions {
		if len(p.Run.Renditions[i].Segments) > 0 {
			return scaled{p.Run.Renditions[i], p.Run.Run.Renditions[i].Track.TimeScale}
		}
	}
	return scaled{}
}
