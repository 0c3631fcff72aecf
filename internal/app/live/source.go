package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"weir/internal/control/inhouse"
	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/streamname"
	"weir/internal/testpattern"
)

// A test source draws and encodes its picture here, which costs about a tenth of a core.
const maxSources = 4

const (
	sourceBitrate  = 2_500_000
	sourceProtocol = "test"
	sourceSoftware = "Weir test source"
)

// Source is a running test source.
type Source struct {
	ID, Stream string // the ID is that of its session
	Since      time.Time
}

// Sources publishes test patterns. All methods are safe for concurrent use.
type Sources struct {
	*inhouse.Publishers[Source]
	hub *hub.Hub
	log *slog.Logger
}

// NewSources returns a publisher of test patterns; Close ends all.
func NewSources(h *hub.Hub, d *session.Door, log *slog.Logger) *Sources {
	return &Sources{hub: h, log: log, Publishers: inhouse.New[Source](inhouse.Kind{
		Protocol: sourceProtocol, Software: sourceSoftware, Most: maxSources,
		TooMany: fault.New(fault.TooMany, "too_many_test_sources", fmt.Sprintf("There are %d test sources already.", maxSources), "Stop one of them first."),
		Unknown: fault.New(fault.NotFound, "test_source_unknown", "There is no such test source.", "It may have ended."),
		Stopped: fault.New(fault.Unavailable, "stopped", "The test source was switched off.", ""),
	}, d, log)}
}

// Start publishes the test pattern under a name until Stop, or until its session is
// ended like any other publisher's. ctx bounds the start only.
func (s *Sources) Start(ctx context.Context, name string) (Source, error) {
	if err := streamname.Check(name); err != nil {
		return Source{}, err
	}
	pattern, err := testpattern.New(testpattern.Options{Width: 1280, Height: 720, FPS: 30, Bitrate: sourceBitrate, Audio: true})
	if err != nil {
		return Source{}, err
	}
	return s.Publishers.Start(ctx, name, func(sess *session.Session) (inhouse.Job[Source], error) { return s.job(sess, pattern) })
}

// job is to publish the pattern in the hub as every publisher does.
func (s *Sources) job(sess *session.Session, pattern *testpattern.Source) (inhouse.Job[Source], error) {
	pub, err := s.hub.Publish(hub.Offer{
		Name: sess.Name(), Tracks: pattern.Tracks(),
		Origin: hub.Origin{Protocol: sourceProtocol, Software: sourceSoftware, Session: sess.ID()},
	})
	return inhouse.Job[Source]{
		About: Source{ID: sess.ID(), Stream: sess.Name(), Since: time.Now().UTC()},
		Run:   func(ctx context.Context) error { return pump(ctx, pattern, sess, pub) },
		Ended: func(cause error) {
			pub.End(cause)
			s.log.Info("test source ended", "stream", sess.Name(), "cause", cause)
		},
	}, err
}

// pump writes frames until the session ends or the hub has no place for them any more.
func pump(ctx context.Context, pattern *testpattern.Source, sess *session.Session, pub *hub.Publication) error {
	err := pattern.Run(ctx, func(f media.Frame) error {
		sess.In(len(f.Data))
		return pub.Write(f)
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// Stats counts the running test sources.
type Stats struct{ Sources int }

// Stats returns the count.
func (s *Sources) Stats() Stats { return Stats{Sources: s.Count()} }
