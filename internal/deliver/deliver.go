// Package deliver is the HTTP side of playback by segments: addresses, sending
// segments and parts, ranges, cache headers, the count of viewers without a
// connection, and rendered documents shared by all who ask for them. What belongs
// here: what HLS and DASH have in common. What does not: the text of playlists
// (format/hls, format/dash), which segments they list (presentation), and the
// handlers for them (deliver/hls, deliver/dash).
package deliver

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/timeline"
)

// Config says how playback by segments behaves. Zero values get the defaults.
type Config struct {
	// Window is how much of the past a playlist lists; 30 s. At most half of the timeline's window, so that
	// a segment stays fetchable for a while after it has left the playlist.
	Window time.Duration
	// FirstWait is how long a request waits for the first segment of a stream that has just begun; 10 s.
	FirstWait time.Duration
	// SharedCache is set where a CDN stands in front: no viewer ids in addresses and no cookies, so that all
	// viewers share one cached copy. Viewers are then counted by what reaches this server.
	SharedCache bool
	// DVR is how far ?dvr reaches back; 2 h.
	DVR time.Duration
	// MaxRange is the longest range that one playlist covers; 26 h.
	MaxRange time.Duration
	// Steering is the address of a content steering manifest (RFC 8216bis section 7), named in multivariant playlists;
	// "" = none.
	Steering string
	// Wall is the clock that media time goes by; nil: the machine's.
	Wall func() time.Time
}

func (c *Config) defaults() {
	if c.Window <= 0 {
		c.Window = 30 * time.Second
	}
	if c.FirstWait <= 0 {
		c.FirstWait = 10 * time.Second
	}
	if c.DVR <= 0 {
		c.DVR = 2 * time.Hour
	}
	if c.MaxRange <= 0 {
		c.MaxRange = 26 * time.Hour
	}
}

// Resolver finds a stream's timeline. The server gives it. It returns a *fault.Error that says why there is none
// (an unknown stream, codecs that no segment can carry), or nil and nil for an unknown stream.
type Resolver func(ctx context.Context, name string) (*timeline.Timeline, error)

// Server serves the segments of all streams and keeps what its handlers share.
type Server struct {
	cfg     Config // but for what set holds
	set     atomic.Pointer[Settings]
	resolve Resolver
	past    Past // nil: nothing is kept
	log     *slog.Logger
	viewers *viewers

	lists   *cache[listKey, *List]
	blocks  *cache[blockKey, *Block]
	made    *cache[tsKey, *tsSegment]
	loading chan struct{} // holds a place for each list that is being read

	mu      sync.Mutex
	streams map[string]*Stream
	sweepAt int

	sentFile, sentMemory, renders, blocked, timeouts atomic.Int64
}

// New returns a server. past may be nil: then only what is live is served.
func New(cfg Config, resolve Resolver, past Past, door *session.Door, log *slog.Logger) *Server {
	cfg.defaults()
	s := &Server{
		cfg: cfg, resolve: resolve, past: past, log: log, viewers: newViewers(door),
		lists: newCache[listKey, *List](listViews), blocks: newCache[blockKey, *Block](blockBytes),
		made: newCache[tsKey, *tsSegment](tsBytes), loading: make(chan struct{}, loaders),
		streams: make(map[string]*Stream), sweepAt: 64,
	}
	s.Set(Settings{Window: cfg.Window, FirstWait: cfg.FirstWait, DVR: cfg.DVR})
	return s
}

// Settings are what of a Config can change while streams are played. Zero values get the defaults, but for DVR.
type Settings struct {
	Window    time.Duration // for streams that begin from then on: what a playlist has dropped must not come back
	FirstWait time.Duration
	DVR       time.Duration // at least Window
}

// Set replaces the settings.
func (s *Server) Set(to Settings) {
	c := Config{Window: to.Window, FirstWait: to.FirstWait}
	c.defaults()
	s.set.Store(&Settings{Window: c.Window, FirstWait: c.FirstWait, DVR: max(to.DVR, c.Window)})
}

// Wall is what is told, and asked, of the present moment: by the clock that media time goes by. now is the machine's, by
// which time is measured.
func (s *Server) Wall(now time.Time) time.Time {
	if s.cfg.Wall != nil {
		return s.cfg.Wall()
	}
	return now
}

// Steering is the address of the content steering manifest, "" if there is none.
func (s *Server) Steering() string { return s.cfg.Steering }

// Stats counts what the server did.
type Stats struct {
	Streams, Viewers int
	FileBytes        int64 // sent from files
	MemoryBytes      int64 // sent from memory
	Renders          int64 // documents rendered
	Blocked          int64 // requests that waited for a part or segment
	Timeouts         int64 // of those, that waited in vain
}

// Stats returns the present figures.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	n := len(s.streams)
	s.mu.Unlock()
	return Stats{
		Streams: n, Viewers: s.viewers.count(),
		FileBytes: s.sentFile.Load(), MemoryBytes: s.sentMemory.Load(),
		Renders: s.renders.Load(), Blocked: s.blocked.Load(), Timeouts: s.timeouts.Load(),
	}
}

// ErrUnknown says that there is no such stream.
var ErrUnknown = fault.New(fault.NotFound, "stream_unknown", "Nobody is publishing a stream of this name.",
	"Check the address, or wait until the publisher is there.")

// ErrNotYet says that a stream has begun and no segment of it is finished.
var ErrNotYet = fault.New(fault.Unavailable, "stream_not_ready", "The stream has begun, but its first segment is not finished.",
	"Try again in a few seconds; if this stays, the publisher sends no key frames.")

// Stream finds what is shared about a stream.
func (s *Server) Stream(ctx context.Context, name string) (*Stream, error) {
	t, err := s.resolve(ctx, name)
	if err == nil && t == nil {
		err = ErrUnknown
	}
	if err != nil {
		s.forget(name)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil || st.Timeline != t {
		s.sweepLocked()
		st = &Stream{Name: name, Timeline: t, server: s, window: min(s.set.Load().Window, t.Window()/2), docs: make(map[string]entry)}
		s.streams[name] = st
	}
	return st, nil
}

func (s *Server) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, name)
}

// sweepLocked forgets the streams whose timelines are closed, whenever their number has doubled.
func (s *Server) sweepLocked() {
	if len(s.streams) < s.sweepAt {
		return
	}
	now, stop := context.WithCancel(context.Background())
	stop()
	for name, st := range s.streams {
		if _, err := st.Timeline.Wait(now, math.MaxUint64); errors.Is(err, timeline.ErrClosed) {
			delete(s.streams, name)
		}
	}
	s.sweepAt = max(64, 2*len(s.streams))
}

// ServeOptions answers a CORS preflight.
func ServeOptions(w http.ResponseWriter) {
	h := w.Header()
	openToAll(h)
	h["Access-Control-Allow-Methods"] = allowMethods
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Max-Age"] = maxAge
	h["Allow"] = allowMethods
	w.WriteHeader(http.StatusNoContent)
}

// Header values that are the same for every response, so that they cost no allocation.
var (
	anyOrigin    = []string{"*"}
	allowMethods = []string{"GET, HEAD, OPTIONS"}
	allowHeaders = []string{"Range, If-None-Match, Cache-Control, Content-Type, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status"}
	exposed      = []string{"Content-Length, Content-Range, Date, ETag, Age"}
	maxAge       = []string{"86400"}
)

func openToAll(h http.Header) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Expose-Headers"] = exposed
}

// Allowed answers OPTIONS and methods that nothing here understands; it reports whether the caller goes on.
func Allowed(w http.ResponseWriter, r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodOptions:
		ServeOptions(w)
		return false
	}
	w.Header()["Allow"] = allowMethods
	WriteFault(w, r, fault.New(fault.Unsupported, "method_not_allowed", "This address is only read.", "Use GET."))
	return false
}

// ServeClock answers the time in ISO 8601, for UTCTiming (urn:mpeg:dash:utc:http-iso:2014).
func ServeClock(w http.ResponseWriter, r *http.Request, now time.Time) {
	if !Allowed(w, r) {
		return
	}
	h := w.Header()
	openToAll(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(now.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"))
}
