package server

import (
	"context"
	"sync"

	"weir/internal/hub"
	"weir/internal/segmenter"
)

// work runs what the server does beside answering, until ctx ends.
func (s *Server) work(ctx context.Context) error {
	events, stop := s.hub.Watch()
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case ev := <-events:
			if ev.Type == hub.Started && !s.cfg.Segments.Off {
				wg.Go(func() {
					if err := s.segment(ctx, ev.Stream); err != nil && ctx.Err() == nil {
						s.log.Error("segmenter failed", "stream", ev.Stream.Name(), "error", err)
					}
				})
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// segment is the recipe that keeps a live stream's timeline.
func (s *Server) segment(ctx context.Context, st *hub.Stream) error {
	tl, err := s.timelines.Open(st.Name())
	if err != nil {
		return err
	}
	defer s.timelines.Remove(st.Name())
	sub := st.Subscribe(hub.Want{})
	defer sub.Close()
	return segmenter.Run(ctx, sub, tl, segmenter.Config{
		SegmentDuration: s.cfg.Segments.Duration, PartDuration: s.cfg.Segments.Part, Log: s.log.With("room", "segmenter", "stream", st.Name()),
	})
}
