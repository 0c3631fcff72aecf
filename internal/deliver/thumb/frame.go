package thumb

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"weir/internal/deliver"
	"weir/internal/media"
	"weir/internal/timeline"
)

// reach is how long before an instant a key frame may lie that still shows it.
const reach = 30 * time.Second

// ServeFrame answers frame.jpg?at= of a stream: the last key frame not after the instant.
func (s *Server) ServeFrame(w http.ResponseWriter, r *http.Request, name string, now time.Time) {
	if !deliver.Allowed(w, r) {
		return
	}
	if err := s.serveFrame(w, r, name, now); err != nil && r.Context().Err() == nil {
		deliver.WriteFault(w, r, err)
	}
}

func (s *Server) serveFrame(w http.ResponseWriter, r *http.Request, name string, now time.Time) error {
	at, _, ok := deliver.ParseInstant(r.URL.Query().Get("at"), now)
	if !ok {
		return errAt
	}
	visit, err := s.deliver.Enter(w, r, name, "", false, now)
	if err != nil {
		return err
	}
	name = visit.Session.Name()
	snap, err := s.footage.Past(r.Context(), name, timeline.Range{From: at.Add(-reach), To: at.Add(time.Millisecond)})
	if err != nil {
		return err
	}
	x := before(snap, at)
	if x.rendition == nil {
		return errNoVideo
	}
	key := "frame/" + strconv.FormatUint(x.run, 10) + "/" + x.rendition.Name + "/" + strconv.FormatInt(x.n, 10)
	frame, err := s.frame(r.Context(), name, &x, at)
	if err != nil {
		return err
	}
	key += "/" + strconv.FormatInt(frame.DTS, 10)
	p, err := s.get(r.Context(), key, now, func(*picture) bool { return true }, func(ctx context.Context, p *picture) {
		p.jpeg, p.err = s.engine.Picture(ctx, x.rendition.Track, frame)
	})
	if err != nil {
		return err
	}
	visit.Session.Out(serveJPEG(w, r, p.jpeg, "public, max-age=60", visit.Keyed()))
	return nil
}

func loader(s *Server, name string, x *spot) func(context.Context) (media.Frame, error) {
	return func(ctx context.Context) (media.Frame, error) { return s.frame(ctx, name, x, x.at) }
}
