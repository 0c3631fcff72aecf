// Package dash answers requests for DASH manifests, plain, low-latency, DVR and static. What
// belongs here: Periods, adaptation sets and segment timelines over a presentation,
// and the times that tell a player when to ask again. What does not: the XML
// (format/dash), segments and viewers (deliver), and what is played (presentation).
package dash

import (
	"context"
	"net/http"
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/dash"
)

// Handler serves manifests.
type Handler struct {
	server *deliver.Server
	clock  steadyTime
}

// New returns a handler.
func New(s *deliver.Server) *Handler { return &Handler{server: s} }

// clockQuery after the manifest's own address asks for the time: the UTCTiming source is on the same host and path,
// so it is reachable wherever the manifest is.
const clockQuery = "utc"

// ServeMPD answers for index.mpd.
func (h *Handler) ServeMPD(w http.ResponseWriter, r *http.Request, name string, now time.Time) {
	if !deliver.Allowed(w, r) {
		return
	}
	switch r.URL.RawQuery {
	case clockQuery:
		deliver.ServeClock(w, r, h.server.Wall(now))
		return
	case steadyQuery:
		deliver.ServeClock(w, r, h.clock.at(now, h.server.Wall(now)))
		return
	}
	if err := h.serve(w, r, name, now); err != nil && r.Context().Err() == nil {
		deliver.WriteFault(w, r, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, name string, now time.Time) error {
	visit, err := h.server.Enter(w, r, name, "dash", true, now)
	if err != nil {
		return err
	}
	if r.URL.RawQuery != "" {
		wall := h.server.Wall(now)
		ask, err := h.server.Ask(r.URL.Query(), wall)
		if err != nil {
			return err
		}
		if ask.Form.Past() {
			return h.past(w, r, &visit, ask, wall)
		}
	}
	st, err := h.server.Stream(r.Context(), visit.Session.Name())
	if err != nil {
		return err
	}
	v, err := st.Described(r.Context())
	if err != nil {
		return err
	}
	if v, err = grown(r.Context(), st, v); err != nil {
		return err
	}
	doc, m, err := h.document(st, v, now)
	if err != nil {
		return err
	}
	cache := "public, max-age=0, s-maxage=1"
	if location, query := location(&visit, ""), visit.Query(visit.Keyed()); location != "" || query != "" {
		own := *m
		own.Location, own.Query = location, query
		doc, cache = deliver.NewDoc(own.Append(nil)), "private, no-cache"
	}
	visit.Session.Out(doc.Serve(w, r, format.MIMEType, cache))
	return nil
}

// grown waits for a young stream's second segment. A player that begins with the only one has nothing to play at its end,
// since it hears of the next one by the next manifest.
func grown(ctx context.Context, st *deliver.Stream, v deliver.View) (deliver.View, error) {
	v, _, err := st.Wait(ctx, 2*v.Segment, func(v deliver.View) bool { return len(v.Periods) > 1 || v.Away || finished(v) > 1 })
	return v, err
}

// finished counts the finished segments of the rendition that has most.
func finished(v deliver.View) int {
	most := 0
	for i := range v.Periods {
		for j := range v.Periods[i].Run.Renditions {
			n := 0
			for _, s := range v.Periods[i].Run.Renditions[j].Segments {
				if s.Complete && !s.Gap {
					n++
				}
			}
			most = max(most, n)
		}
	}
	return most
}

// location is where a viewer whose token is in its address asks next time.
func location(v *deliver.Visit, ask string) string {
	if !v.Pinned() {
		return ""
	}
	return deliver.Address{Kind: deliver.Manifest}.String() + "?" + deliver.Join(ask, v.Query(true))
}
