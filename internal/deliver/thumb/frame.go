package thumb

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"weir/internal/deliver"
	"weir/internal/media"
	"weir/internal/presentation"
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
	at, _, ok := deliver.ParseInstant(r.URL.Query().Get("at"), s.deliver.Wall(now))
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
	x, frame, err := s.shown(r.Context(), name, before(snap, at), at)
	if err != nil {
		return err
	}
	key := "frame/" + strconv.FormatUint(x.run, 10) + "/" + x.rendition.Name + "/" + strconv.FormatInt(frame.DTS, 10)
	p, err := s.get(r.Context(), key, now, func(*picture) bool { return true }, func(ctx context.Context, p *picture) {
		p.jpeg, p.err = s.engine.Picture(ctx, x.rendition.Track, frame)
	})
	if err != nil {
		return err
	}
	visit.Session.Out(serveJPEG(w, r, p.jpeg, "public, max-age=60", visit.Keyed()))
	return nil
}

// shown finds the last key frame that is shown not after an instant in segments that come latest first.
func (s *Server) shown(ctx context.Context, name string, all []spot, at time.Time) (*spot, media.Frame, error) {
	var later media.Frame
	var of *spot
	for i := range all {
		x := &all[i]
		f, err := s.frame(ctx, name, x, at)
		switch {
		case errors.Is(err, errNoKey), errors.Is(err, timeline.ErrDamaged):
		case err != nil:
			return nil, f, err
		case !presentation.At(f.PTS, x.rendition.Track.TimeScale).After(at):
			return x, f, nil
		default:
			later, of = f, x // the segment's key frame comes after the instant: an earlier segment has to show it
		}
	}
	if of == nil {
		return nil, later, errNoVideo
	}
	return of, later, nil
}

func loader(s *Server, name string, x *spot) func(context.Context) (media.Frame, error) {
	return func(ctx context.Context) (media.Frame, error) { return s.frame(ctx, name, x, x.at) }
}
