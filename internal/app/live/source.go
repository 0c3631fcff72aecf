package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

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

type running struct {
	Source
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// Sources publishes test patterns. All methods are safe for concurrent use.
type Sources struct {
	hub  *hub.Hub
	door *session.Door
	log  *slog.Logger

	mu     sync.Mutex
	closed bool
	byID   map[string]*running
	wg     sync.WaitGroup
}

// NewSources returns a publisher of test patterns; Close ends all.
func NewSources(h *hub.Hub, d *session.Door, log *slog.Logger) *Sources {
	return &Sources{hub: h, door: d, log: log, byID: make(map[string]*running)}
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Source{}, fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	}
	if len(s.byID) >= maxSources {
		return Source{}, fault.New(fault.TooMany, "too_many_test_sources", fmt.Sprintf("There are %d test sources already.", maxSources), "Stop one of them first.")
	}
	sess, pub, err := s.publish(ctx, name, pattern)
	if err != nil {
		return Source{}, err
	}
	run, cancel := context.WithCancelCause(sess.Context())
	r := &running{Source: Source{ID: sess.ID(), Stream: sess.Name(), Since: time.Now().UTC()}, cancel: cancel, done: make(chan struct{})}
	s.byID[r.ID] = r
	s.wg.Go(func() { s.run(run, r, pattern, sess, pub) })
	return r.Source, nil
}

// publish goes through the door and into the hub as every publisher does.
func (s *Sources) publish(ctx context.Context, name string, pattern *testpattern.Source) (*session.Session, *hub.Publication, error) {
	// The session outlives the request that asked for it.
	sess, err := s.door.Open(context.WithoutCancel(ctx), session.Request{
		Action: session.Publish, Protocol: sourceProtocol, Name: name, Remote: netip.AddrPortFrom(netip.IPv6Loopback(), 0), UserAgent: sourceSoftware, Internal: true,
	})
	if err != nil {
		return nil, nil, err
	}
	pub, err := s.hub.Publish(hub.Offer{
		Name: sess.Name(), Tracks: pattern.Tracks(),
		Origin: hub.Origin{Protocol: sourceProtocol, Software: sourceSoftware, Session: sess.ID()},
	})
	if err != nil {
		sess.Close(err)
		return nil, nil, err
	}
	return sess, pub, nil
}

func (s *Sources) run(ctx context.Context, r *running, pattern *testpattern.Source, sess *session.Session, pub *hub.Publication) {
	defer close(r.done)
	defer r.cancel(nil)
	cause := s.pump(ctx, pattern, sess, pub)
	s.mu.Lock()
	delete(s.byID, r.ID)
	s.mu.Unlock()
	pub.End(cause)
	sess.Close(cause)
	s.log.Info("test source ended", "stream", r.Stream, "cause", cause)
}

// pump writes frames until the session ends or the hub has no place for them any more.
func (s *Sources) pump(ctx context.Context, pattern *testpattern.Source, sess *session.Session, pub *hub.Publication) (cause error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("the test source panicked", "panic", p)
			cause = fault.New(fault.Internal, "internal", "The test source failed.", "The log has the details.")
		}
	}()
	err := pattern.Run(ctx, func(f media.Frame) error {
		sess.In(len(f.Data))
		return pub.Write(f)
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// Stop ends a test source and waits for its end.
func (s *Sources) Stop(id string) error {
	s.mu.Lock()
	r := s.byID[id]
	s.mu.Unlock()
	if r == nil {
		return fault.New(fault.NotFound, "test_source_unknown", "There is no such test source.", "It may have ended.")
	}
	r.cancel(fault.New(fault.Unavailable, "stopped", "The test source was switched off.", ""))
	<-r.done
	return nil
}

// List returns the running test sources, the oldest first.
func (s *Sources) List() []Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Source, 0, len(s.byID))
	for _, r := range s.byID {
		list = append(list, r.Source)
	}
	slices.SortFunc(list, func(a, b Source) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Close stops all test sources and waits for them.
func (s *Sources) Close() {
	s.mu.Lock()
	s.closed = true
	for _, r := range s.byID {
		r.cancel(fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", ""))
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Stats counts the running test sources.
type Stats struct{ Sources int }

// Stats returns the count.
func (s *Sources) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Sources: len(s.byID)}
}
