package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"weir/internal/api"
	"weir/internal/app/live"
	"weir/internal/app/playout"
	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/control/catalog"
	"weir/internal/control/catalog/sqlite"
	"weir/internal/control/hook"
	"weir/internal/control/session"
	"weir/internal/control/telemetry"
	"weir/internal/deliver"
	"weir/internal/deliver/dash"
	"weir/internal/deliver/hls"
	"weir/internal/fan"
	"weir/internal/gateway/httpstream"
	"weir/internal/gateway/rtmp"
	"weir/internal/gateway/webrtc"
	"weir/internal/health"
	"weir/internal/hub"
	"weir/internal/netguard"
	"weir/internal/pipeline"
	"weir/internal/segmenter"
	"weir/internal/timeline"
	"weir/internal/transcode"
)

// Server is one Weir process.
type Server struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	ready   atomic.Bool
	panics  atomic.Uint64
	lookDue atomic.Int64 // Unix ns
	policy  atomic.Pointer[access.Policy]
	keep    atomic.Pointer[recordings.Policy]

	relays   fileRelays
	reloaded atomic.Int64 // Unix s: when the configuration was taken
	stale    atomic.Bool  // its file has changed since and could not be taken

	rooms
	gates    *gates
	crowd    *crowd
	handler  http.Handler
	closers  []func()
	loginURL string // one-time link for the first browser; "" when an owner has a password
}

// rooms are the parts that the server is made of, by wing.
type rooms struct {
	controlRooms
	mediaRooms
	gatewayRooms
	footageRooms
	faceRooms
}

type controlRooms struct {
	store  *catalog.Store
	access *access.Access
	guard  *netguard.Guard // for addresses that come over the API
	local  *netguard.Guard // for addresses of the configuration file
	door   *session.Door
	hooks  *hook.Hooks // the door's, which closes them; nil: none
}

type mediaRooms struct {
	hub       *hub.Hub
	fan       *fan.Fan
	timelines *timeline.Store
	kept      *recordings.Events
	segments  segmenter.Counters
	cutting   atomic.Pointer[Segments]
	transcode *transcode.Engine
	health    *health.Monitor
	pipeline  *pipeline.Pipeline
	slates    atomic.Pointer[[]Slate]
}

type gatewayRooms struct {
	rtmp    *rtmp.Server
	http    *httpstream.Server
	webrtc  *webrtc.Gateway // nil when it could not start
	deliver *deliver.Server
	hls     *hls.Handler
	dash    *dash.Handler
}

type faceRooms struct {
	telemetry  *telemetry.Registry
	sources    *live.Sources
	streams    *live.Streams
	recordings *recordings.Recordings
	replays    *playout.Replays
	api        *api.API
}

// New builds the house. Nothing listens yet but the WebRTC media port. Close undoes it.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, log: log, started: time.Now(), gates: newGates(log), crowd: newCrowd(room)}
	s.reloaded.Store(s.started.Unix())
	s.relays.ids = map[Relay]string{}
	for _, build := range []func(context.Context) error{s.buildControl, s.buildMedia, s.buildGateways, s.buildFootage, s.buildPipeline, s.buildAPI, s.buildTelemetry} {
		if err := build(ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.handler = s.router()
	return s, nil
}

func (s *Server) onClose(f func()) { s.closers = append(s.closers, f) }

// Close ends everything, in the reverse order of its building.
func (s *Server) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

func (s *Server) buildControl(ctx context.Context) error {
	if err := os.MkdirAll(s.cfg.DataDir, 0o750); err != nil {
		return folderUnusable(s.cfg.DataDir, err)
	}
	if err := s.own(ctx, s.cfg.DataDir); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, s.cfg.DataDir)
	if err != nil {
		return err
	}
	s.onClose(func() { _ = db.Close() })
	if s.store, err = catalog.New(ctx, db, catalog.SQLite); err != nil {
		return err
	}
	if s.access, err = access.Open(ctx, s.store, s.cfg.DataDir, s.log); err != nil {
		return err
	}
	if err = s.access.EnsureOwner(ctx); err != nil {
		return err
	}
	if s.guard, err = netguard.New(netguard.Config{Allow: s.cfg.Outgoing.Allow, OwnPorts: s.ownPorts}); err != nil {
		return err
	}
	if s.local, err = netguard.New(netguard.Config{Allow: netguard.Local(), OwnPorts: s.ownPorts}); err != nil {
		return err
	}
	door, err := s.doorConfig(&s.cfg)
	if err != nil {
		return err
	}
	s.policy.Store(door.Policy)
	s.hooks = door.Hooks
	s.door = session.New(door, s.log.With("room", "door"))
	s.onClose(s.door.Close)
	set, err := s.access.PasswordSet(ctx, access.Owner)
	if err == nil && !set {
		s.loginURL, err = s.access.LoginLink(ctx, access.Owner)
	}
	return err
}

// doorConfig makes ready what the door goes by. What it starts is the door's to close.
func (s *Server) doorConfig(cfg *Config) (session.Config, error) {
	if err := cfg.Access.Validate(); err != nil {
		return session.Config{}, err
	}
	policy, err := access.NewPolicy(cfg.Access)
	if err != nil {
		return session.Config{}, err
	}
	c := session.Config{Limits: cfg.Limits, Rates: cfg.Rates, Policy: policy, Keys: s.access}
	if err := c.Validate(); err != nil {
		return c, err
	}
	switch {
	case len(cfg.Hooks.Apps) > 0 && s.hooks != nil:
		c.Hooks = s.hooks // with what is queued in them, and its order
	case len(cfg.Hooks.Apps) > 0:
		// Receivers are written by the administrator and usually live next door.
		if c.Hooks, err = hook.New(cfg.Hooks, s.local.DialContext, s.log.With("room", "hook")); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (s *Server) buildMedia(ctx context.Context) error {
	s.hub = hub.New(s.hubConfig(), s.log.With("room", "hub"))
	s.onClose(s.hub.Close)
	s.fan = fan.New(fan.Config{Stall: s.cfg.Streams.Stall}, s.log.With("room", "fan"))
	s.onClose(s.fan.Close)
	var err error
	s.kept = recordings.NewEvents()
	policy := s.cfg.Footage.Policy
	s.keep.Store(&policy)
	f := s.cfg.Footage
	if f.Dir != "" && os.MkdirAll(f.Dir, 0o750) == nil && !same(f.Dir, s.cfg.DataDir) { // where it cannot be made the store says so
		if err := s.own(ctx, f.Dir); err != nil {
			return err
		}
	}
	s.timelines, err = timeline.NewStore(timeline.Config{
		Dir: cmp.Or(f.Dir, filepath.Join(s.cfg.DataDir, "timeline")), Window: s.cfg.Segments.Window, Sync: f.Sync, Total: f.Total, MinFree: f.MinFree,
		Keep: func(name string) timeline.Keep { return s.keep.Load().Keep(name) }, Alarm: s.kept.Alarm,
	}, s.log.With("room", "timeline"))
	if err != nil {
		return err
	}
	s.onClose(s.timelines.Close)
	s.transcode = transcode.New(transcode.Config{}, s.log.With("room", "transcode"))
	return nil
}

func (s *Server) buildGateways(context.Context) error {
	s.rtmp = rtmp.New(s.rtmpConfig(), s.hub, s.fan, s.door, s.log.With("room", "rtmp"))
	s.http = httpstream.New(s.httpConfig(), s.hub, s.fan, s.door, s.log.With("room", "http"))
	dc := s.cfg.Segments.Deliver
	dc.SharedCache, dc.Wall = dc.SharedCache || s.cfg.HTTP.SharedCache, s.cfg.Wall
	s.deliver = deliver.New(dc, s.resolve, s.timelines, s.door, s.log.With("room", "deliver"))
	s.deliver.Set(s.playback())
	s.hls, s.dash = hls.New(s.deliver), dash.New(s.deliver)
	if off(s.cfg.WebRTC.Listen) {
		return nil
	}
	gw, err := webrtc.New(s.webrtcConfig(), s.hub, s.door, s.log.With("room", "webrtc"))
	if err != nil {
		s.gates.failed("webrtc", s.cfg.WebRTC.Listen, err) // one busy port must not stop the others
		return nil
	}
	s.webrtc = gw
	s.onClose(gw.Close)
	return nil
}

// Run listens and serves until ctx ends, then stops gracefully. opened is told what listens where once all is up.
func (s *Server) Run(ctx context.Context, opened func(Ready)) error {
	s.api.Prepare(ctx) // before anybody can come: webhooks must hear of the first one too
	if err := s.openGates(ctx); err != nil {
		return err
	}
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	done := make(chan error, 1)
	go func() { done <- s.work(work) }()
	s.ready.Store(true)
	if opened != nil {
		opened(s.describe())
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.gates.fatal:
	case err = <-done:
		done <- err
	}
	s.ready.Store(false)
	s.gates.close()
	stop(context.Canceled)
	return errors.Join(err, ignoreCanceled(<-done))
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if s.ready.Load() {
		plain(w, http.StatusOK, "ready\n")
		return
	}
	plain(w, http.StatusServiceUnavailable, "not ready\n")
}

func (s *Server) panicked(where string, v any) {
	s.panics.Add(1)
	s.log.Error("panic", "where", where, "value", v, "stack", string(debug.Stack()))
}
