package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/health"
	"weir/internal/hub"
	"weir/internal/pipeline"
	"weir/internal/problem"
	"weir/internal/segmenter"
	"weir/internal/timeline"
)

// work runs what the server does beside answering, until ctx ends or a part fails.
func (s *Server) work(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, run := range []func(context.Context) error{s.pipeline.Run, s.api.Run, s.timelines.Run, s.recordings.Run, s.tidyPictures} {
		wg.Go(func() {
			err := run(ctx)
			cancel(err) // one part that ends early takes the others along: half a server helps nobody
			mu.Lock()
			errs = append(errs, ignoreCanceled(err))
			mu.Unlock()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *Server) buildPipeline(ctx context.Context) error {
	s.health = health.New(health.Config{
		Viewers: func(name string) int { n, _ := s.door.Viewers(name); return n },
		WebRTCViewers: func(name string) int {
			_, by := s.door.Viewers(name)
			return by["whep"]
		},
		Unusable: func(name string) uint64 {
			if st := s.hub.Stream(name); st != nil {
				return st.Stats().Unusable
			}
			return 0
		},
		Look: s.look,
	}, s.hub, s.log.With("room", "health"))
	recipes := []pipeline.Recipe{{Name: "health", Run: s.health.Run}}
	segments := s.cfg.Segments
	s.cutting.Store(&segments)
	s.slates.Store(&s.cfg.Slates)
	recipes = append(recipes, pipeline.Recipe{Name: "segment", Wants: s.wantsSegments, Run: s.segment}, s.slateRecipe())
	s.pipeline = pipeline.New(pipeline.Config{Recipes: recipes, Pull: s.pull, Push: s.push, Codec: s.transcode.Supply}, s.hub, s.log.With("room", "pipeline"))
	s.hub.SetSupplier(s.pipeline)
	return s.startRelays(ctx)
}

// wantsSegments goes by the configuration, but a stream that has segments goes on having them: its viewers would be cut off.
func (s *Server) wantsSegments(st *hub.Stream) bool {
	if !s.cutting.Load().Off {
		return true
	}
	tl := s.timelines.Get(st.Name())
	return tl != nil && !tl.Snapshot().Ended
}

// segment is the recipe that keeps a live stream's timeline. The timeline outlives a failed attempt, so that viewers go on
// in a new run, and the stream by a while, so that players learn of the end.
func (s *Server) segment(ctx context.Context, st *hub.Stream) error {
	if old := s.timelines.Get(st.Name()); old != nil && old.Snapshot().Ended {
		s.timelines.Remove(st.Name()) // of an earlier stream of this name
	}
	tl, err := s.timelines.Open(st.Name())
	if err != nil {
		return err
	}
	sub := st.Subscribe(hub.Want{Calm: true})
	defer sub.Close()
	err = segmenter.Run(ctx, sub, tl, segmenter.Config{
		Lengths:  func() (time.Duration, time.Duration) { c := s.cutting.Load(); return c.Duration, c.Part },
		Counters: &s.segments, Log: s.log.With("room", "segmenter", "stream", st.Name()),
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	time.AfterFunc(endedWindow, func() {
		if s.timelines.Get(st.Name()) == tl {
			s.timelines.Remove(st.Name())
		}
	})
	return err
}

// endedWindow is how long the playlists of an ended stream stay.
const endedWindow = 30 * time.Second

// resolve finds the timeline of a live stream. One whose segmenter is about to begin is waited for a moment.
func (s *Server) resolve(ctx context.Context, name string) (*timeline.Timeline, error) {
	s.hub.Keep(name)
	if tl := s.timelines.Get(name); tl != nil {
		return tl, nil
	}
	if s.cutting.Load().Off {
		return nil, fault.New(fault.Unsupported, "segments_off", "This server makes no HLS and no DASH.", "Set segments.enabled, or use stream.flv or WebRTC.")
	}
	if s.hub.Stream(name) == nil {
		sub, err := s.hub.Subscribe(ctx, name, hub.Want{Wait: onDemandWait}) // an on-demand pull may bring it
		if err != nil {
			return nil, err
		}
		defer sub.Close()
	}
	return s.timelines.Open(name)
}

// onDemandWait is how long a request for a playlist waits for an on-demand pull. Only streams that a pull can bring
// wait so long: for all others the pipeline answers at once.
const onDemandWait = 10 * time.Second

// servePoster answers with the latest picture of a stream.
func (s *Server) servePoster(w http.ResponseWriter, r *http.Request, name string) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	st := s.hub.Stream(name)
	if st == nil {
		problem.Write(w, r, fault.New(fault.NotFound, "stream_unknown", "Nothing is published as "+name+".", "Start the encoder, or check the name in the address."))
		return
	}
	if err := s.mayWatch(r.Context(), name, r.URL.Query().Get("key"), s.clientOf(r)); err != nil {
		problem.Write(w, r, err)
		return
	}
	jpeg, at, err := s.transcode.Snapshot(r.Context(), st)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(jpeg)))
	h.Set("Cache-Control", "public, max-age=2")
	h.Set("Last-Modified", at.UTC().Format(http.TimeFormat))
	if r.Method != http.MethodHead {
		_, _ = w.Write(jpeg) // a failed write means that the peer has gone
	}
}
