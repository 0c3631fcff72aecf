package server

import (
	"cmp"
	"context"
	"net/http"
	"path/filepath"
	"time"

	blobfile "weir/internal/blob/file"
	"weir/internal/control/telemetry"
	"weir/internal/deliver/file"
	"weir/internal/deliver/thumb"
)

// footageRooms give the past as files and pictures.
type footageRooms struct {
	clips  *file.Server
	thumbs *thumb.Server
}

func (s *Server) buildFootage(context.Context) error {
	s.clips = file.New(file.Config{Live: s.timelines.Get}, s.timelines, s.deliver, s.log.With("room", "clips"))
	s.onClose(s.clips.Close)
	dir := cmp.Or(s.cfg.Footage.Dir, filepath.Join(s.cfg.DataDir, "timeline"))
	pictures, err := blobfile.New(filepath.Join(dir, "pictures"))
	if err != nil {
		return err
	}
	s.thumbs = thumb.New(thumb.Config{Blobs: pictures}, s.timelines, s.deliver, s.transcode, s.log.With("room", "thumbs"))
	s.onClose(s.thumbs.Close)
	return nil
}

// serveFootage answers the addresses of files and pictures of the past, and reports whether last is one.
func (s *Server) serveFootage(w http.ResponseWriter, r *http.Request, name, last string) bool {
	now := time.Now()
	switch {
	case last == "clip.mp4":
		s.clips.ServeClip(w, r, name, now)
	case last == "thumbs.vtt":
		s.thumbs.ServeVTT(w, r, name, now)
	case last == "frame.jpg":
		s.thumbs.ServeFrame(w, r, name, now)
	case thumb.IsSprite(last):
		s.thumbs.ServeSprite(w, r, name, last, now)
	default:
		return false
	}
	return true
}

const tidyEvery = 10 * time.Minute

// tidyPictures removes pictures of footage that is gone, until ctx ends.
func (s *Server) tidyPictures(ctx context.Context) error {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if err := s.tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("pictures of footage that is gone could not be removed", "cause", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Server) tidy(ctx context.Context) error {
	const page = 500
	oldest := make(map[string]time.Time)
	for after := ""; ; {
		list, err := s.timelines.Coverage(ctx, "", after, page)
		if err != nil {
			return err
		}
		for _, c := range list {
			oldest[c.Timeline] = c.From
			after = c.Timeline
		}
		if len(list) < page {
			return s.thumbs.Tidy(ctx, oldest)
		}
	}
}

// footageFigures registers what clips and pictures have done.
func (s *Server) footageFigures(r *telemetry.Registry) {
	c := s.clips.Stats
	r.Func(telemetry.Gauge, "clip_downloads", "Downloads of clips that run.", func() float64 { return float64(c().Active) })
	r.Func(telemetry.Counter, "clip_built_total", "Clips that were prepared.", func() float64 { return float64(c().Built) })
	r.Func(telemetry.Gauge, "clip_plan_bytes", "Memory held by prepared clips.", func() float64 { return float64(c().PlanBytes) })
	r.Func(telemetry.Counter, "clip_file_bytes_total", "Bytes of clips sent straight from files.", func() float64 { return float64(c().FileBytes) })
	r.Func(telemetry.Counter, "clip_copied_bytes_total", "Bytes of clips sent through memory.", func() float64 { return float64(c().CopiedBytes) })
	t := s.thumbs.Stats
	r.Func(telemetry.Counter, "thumb_made_total", "Sprites and single pictures of the past that were made.", func() float64 { return float64(t().Made) })
	r.Func(telemetry.Counter, "thumb_failed_total", "Those that could not be made.", func() float64 { return float64(t().Failed) })
	r.Func(telemetry.Counter, "thumb_refused_total", "Those that were refused, as too many were being made.", func() float64 { return float64(t().Refused) })
}
