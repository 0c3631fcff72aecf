// Package hls answers requests for HLS playlists: multivariant, media, low-latency
// with blocking reload and delta updates, DVR, EVENT and VOD. What belongs here: which segments and
// parts a playlist lists, and when a request is held. What does not: the text
// (format/hls), segments and viewers (deliver), and what is played (presentation).
package hls

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"time"

	"weir/internal/deliver"
	"weir/internal/fault"
	format "weir/internal/format/hls"
)

// Handler serves playlists.
type Handler struct {
	server *deliver.Server
}

// New returns a handler.
func New(s *deliver.Server) *Handler { return &Handler{server: s} }

// ServePlaylist answers for index.m3u8 (deliver.Master), ts.m3u8, and the playlists of a rendition.
func (h *Handler) ServePlaylist(w http.ResponseWriter, r *http.Request, name string, a deliver.Address, now time.Time) {
	if !deliver.Allowed(w, r) {
		return
	}
	if err := h.serve(w, r, name, a, now); err != nil && r.Context().Err() == nil {
		deliver.WriteFault(w, r, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, name string, a deliver.Address, now time.Time) error {
	visit, err := h.server.Enter(w, r, name, "hls", a.Kind == deliver.Master, now)
	if err != nil {
		return err
	}
	now = h.server.Wall(now)
	q := request{w: w, r: r, now: now, name: visit.Session.Name(), visit: visit, first: a.Kind == deliver.Master}
	if r.URL.RawQuery != "" {
		if q.ask, err = h.server.Ask(r.URL.Query(), now); err != nil {
			return err
		}
	}
	switch a.Kind {
	case deliver.Master:
		old, err := oldForm(r.URL.Query())
		if err != nil {
			return err
		}
		if old || q.ask.Form.Past() {
			return h.pastMaster(&q, old)
		}
		return h.multivariant(&q)
	case deliver.Playlist:
		if !q.ask.Form.Past() {
			return h.media(&q, a.Rendition)
		}
		return h.pastMedia(&q, a)
	case deliver.IFrames, deliver.TSPlaylist:
		return h.pastMedia(&q, a)
	}
	return deliver.ErrUnknown
}

func (h *Handler) multivariant(q *request) error {
	v, _, err := h.view(q)
	if err != nil {
		return err
	}
	if v.Described() == nil {
		return deliver.ErrNotYet
	}
	m, err := Multivariant(Now(v))
	if err != nil {
		return err
	}
	m.IFrames = trickPlay(Now(v))
	if young(v) {
		for i := range m.Variants {
			m.Variants[i].NoCaptions = true
		}
	}
	if m.Start, err = parseStart(q.r.URL.Query(), v, q.now); err != nil {
		return err
	}
	return h.sendMaster(q, &m)
}

// probed is how many segments Shaka needs to look for closed captions in some of them, where a playlist says nothing of
// captions. With fewer it takes the open one, which has no address, and gives the stream up.
const probed = 4

// young says whether a rendition of a low-latency stream has too few segments to be searched for captions.
func young(v deliver.View) bool {
	if !lowLatency(v) {
		return false
	}
	for i := range v.Newest().Run.Run.Renditions {
		if listed(v, v.Newest().Run.Run.Renditions[i].Name) < probed {
			return true
		}
	}
	return false
}

// reload is what a media playlist request asks for (RFC 8216bis section 6.2.5).
type reload struct {
	msn   int64 // -1 = answer at once
	part  int   // -1 = the whole segment
	delta bool
	whole bool // of a player that reads no parts
	parts bool // of a player that has asked for parts
	quiet bool // without parts (see quiet)
	plain bool // of a playlist that lists no absences and counts none
}

func (h *Handler) media(q *request, rendition string) error {
	r, visit := q.r, &q.visit
	ask, err := parseReload(r.URL.Query())
	if err != nil {
		return err
	}
	st, err := h.server.Stream(r.Context(), q.name)
	if err != nil {
		return err
	}
	v, err := st.Rendition(r.Context(), rendition)
	if err != nil {
		return err
	}
	ask.whole = readsWhole(v, rendition, ask, visit)
	given, _ := visit.Given(rendition)
	ask.parts = ask.part >= 0 || given.Parts
	held := ask.msn >= 0
	if held {
		v, held, err = hold(r, st, v, rendition, ask)
	} else {
		v, err = fresh(r.Context(), st, v, rendition, given)
	}
	if err != nil {
		return err
	}
	if msn, part, ok := settled(v, ask.parts).Edge(rendition); ok {
		visit.Give(rendition, deliver.Given{MSN: msn, Part: part, Whole: ask.whole, Parts: ask.parts})
	}
	ask.quiet = quiet(v, rendition, ask, h.server.Wall(time.Now()))
	doc := h.document(st, v, rendition, ask, visit.Keyed(), visit.Query(visit.Keyed()))
	n := doc.Serve(q.w, r, format.MIMEType, cacheControl(v, held, visit.Keyed() || held && visit.Known()))
	visit.Session.Out(n)
	return nil
}

// farAhead is how many parts beyond the newest nobody asks for who reads parts one by one.
const farAhead = 4

// readsWhole reports whether a player of a low-latency stream reads whole segments. hls.js does without lowLatencyMode,
// and then asks for the last part of the open segment, or once more for the newest part that it was given, which stands for
// "and the address of the segment": without that it comes back a second later, and a stream that has just begun is not
// far enough ahead of its player for that. Who asks for the next part, and it is none of the last, reads parts.
func readsWhole(v deliver.View, rendition string, ask reload, visit *deliver.Visit) bool {
	given, known := visit.Given(rendition)
	msn, part, ok := v.Edge(rendition)
	if !known || !ok || !lowLatency(v) {
		return false
	}
	if ask.part < 0 {
		return given.Whole
	}
	switch {
	case ask.msn > msn && ask.part >= farAhead, ask.msn == msn && ask.part >= part+farAhead:
		return true
	case ask.msn < given.MSN, ask.msn == given.MSN && ask.part <= given.Part:
		return true
	case ask.part < farAhead:
		return false
	}
	return given.Whole
}

// fresh waits for the next part of a low-latency rendition, as long as a part lasts at most. A player begins at a distance
// from the newest part of its first playlist, however long ago that was made, and hls.js keeps that delay for ever.
// On a stream with one finished segment it waits for some parts of the next: who reads whole segments begins with the first
// then, has played it when the next one ends, and has no more reserve than there are parts beyond it now.
//
// While the publisher is away, who has had all of it is told when there is more: hls.js asks for nothing by number then.
func fresh(ctx context.Context, st *deliver.Stream, v deliver.View, rendition string, given deliver.Given) (deliver.View, error) {
	msn, part, ok := settled(v, given.Parts).Edge(rendition)
	idle := v.Away && given.MSN == msn && given.Part == part
	if !ok || !lowLatency(v) || v.Away && !idle {
		return v, nil
	}
	part++
	limit := v.Newest().Run.PartDuration
	if idle {
		limit = v.Segment / 2
	} else if last, _ := v.LastComplete(rendition); listed(v, rendition) <= 2 && !v.Contains(rendition, last+1, reserve-1) {
		msn, part, limit = last+1, reserve-1, (reserve+1)*limit
	}
	v, _, err := st.Wait(ctx, limit, func(v deliver.View) bool {
		return v.Away && !idle || settled(v, given.Parts).Contains(rendition, msn, part)
	})
	return v, err
}

// reserve is how many parts of the second segment of a stream there are when its first list is given.
const reserve = 3

// listed is how many segments a rendition has, with the open one.
func listed(v deliver.View, rendition string) int {
	n := 0
	for i := range v.Periods {
		segs, _ := v.Periods[i].Segments(rendition)
		n += len(segs)
	}
	return n
}

// hold waits for what a blocking reload asks for. held tells that the answer has it.
func hold(r *http.Request, st *deliver.Stream, v deliver.View, rendition string, ask reload) (deliver.View, bool, error) {
	last, ok := settled(v, true).LastComplete(rendition)
	if ask.plain {
		last, ok = v.LastFinished(rendition)
	}
	if ok && ask.msn > last+2 {
		return v, false, fault.New(fault.Invalid, "hls_too_far_ahead",
			"The request names a media sequence number too far ahead of the playlist.", "Reload the playlist without _HLS_msn.")
	}
	has := func(v deliver.View) bool {
		if ask.plain {
			last, ok := v.LastFinished(rendition)
			return ok && last >= ask.msn
		}
		v = settled(v, ask.parts)
		if ask.whole {
			last, ok := v.LastComplete(rendition)
			return ok && last >= ask.msn || ask.part >= 0 && v.Contains(rendition, ask.msn, ask.part)
		}
		if ask.part < 0 && lowLatency(v) {
			return v.Contains(rendition, ask.msn, math.MaxInt) // once the next one has a part (see builder.held)
		}
		return v.Contains(rendition, ask.msn, ask.part)
	}
	started := time.Now()
	limit, short := v.Patience(), ask.whole && ask.part >= 0
	if short {
		// The last part may be further away than hls.js waits (see away). For what the answer lacks it asks again at once.
		limit = v.Segment / 2
	}
	v, ready, err := st.Wait(r.Context(), limit, func(v deliver.View) bool { return v.Away || has(v) })
	switch {
	case err != nil || has(v):
	case v.Away:
		v, err = away(r.Context(), st, v, started, has)
	case !ready && !short:
		err = fault.New(fault.Unavailable, "hls_reload_timeout", "The stream has not gone on in time.", "Try again.")
	}
	return v, has(v), err
}

// away holds a request while the publisher is away: nothing is wrong with the stream, so the viewer gets what there is
// and asks again. It must not wait for long: hls.js gives a blocked request up after 0.8 target durations, and the
// whole stream after a few of those.
func away(ctx context.Context, st *deliver.Stream, v deliver.View, started time.Time, has func(deliver.View) bool) (deliver.View, error) {
	limit := max(v.Segment/2-time.Since(started), v.Segment/8)
	v, ready, err := st.Wait(ctx, limit, has)
	if err == nil && !ready && !v.Away { // it has come back, and says so at once
		v, _, err = st.Wait(ctx, v.Patience(), has)
	}
	return v, err
}

// document gives the media playlist of a version, shared by all viewers unless its addresses carry a key.
func (h *Handler) document(st *deliver.Stream, v deliver.View, rendition string, ask reload, own bool, query string) *deliver.Doc {
	if own {
		m := playlist(v, rendition, ask)
		m.Query = query
		return deliver.NewDoc(m.Append(nil))
	}
	kind := rendition
	if ask.delta {
		kind += " delta"
	}
	if ask.whole {
		kind += " whole"
	}
	if ask.parts && early(v, false) {
		kind += " early"
	}
	if ask.quiet {
		kind += " quiet"
	}
	return st.Doc(kind, v.Version, func(*deliver.Doc) *deliver.Doc {
		m := playlist(v, rendition, ask)
		m.Query = query
		return deliver.NewDoc(m.Append(nil))
	})
}

// cacheControl: a playlist that a blocking reload waited for is good for a while, because its address is asked for
// once; any other is out of date with the next part (RFC 8216bis appendix B.1). A playlist of whole segments may be
// as old as half a target duration.
func cacheControl(v deliver.View, held, own bool) string {
	switch {
	case own:
		return "private, no-cache"
	case !v.Live:
		return "public, max-age=60"
	case held:
		return "public, max-age=6"
	case lowLatency(v):
		return "public, no-cache"
	default:
		return "public, max-age=0, s-maxage=1"
	}
}

var errBadReload = fault.New(fault.Invalid, "hls_bad_reload", "The parameters _HLS_msn, _HLS_part and _HLS_skip are not right.",
	"Send decimal numbers, _HLS_part only with _HLS_msn, and YES or v2 for _HLS_skip.")

func parseReload(q url.Values) (reload, error) {
	ask := reload{msn: -1, part: -1}
	var ok bool
	if s, has := q["_HLS_msn"]; has {
		if ask.msn, ok = decimal(s); !ok {
			return ask, errBadReload
		}
	}
	if s, has := q["_HLS_part"]; has {
		n, ok := decimal(s)
		if !ok || ask.msn < 0 || n > 1<<20 {
			return ask, errBadReload
		}
		ask.part = int(n)
	}
	if s, has := q["_HLS_skip"]; has {
		if len(s) != 1 || s[0] != "YES" && s[0] != "v2" {
			return ask, errBadReload
		}
		ask.delta = true
	}
	return ask, nil
}

func decimal(s []string) (int64, bool) {
	if len(s) != 1 || s[0] == "" || len(s[0]) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range []byte(s[0]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
