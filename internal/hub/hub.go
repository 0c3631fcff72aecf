// Package hub holds what happens now: live streams in memory, written by one
// publisher each and read by any number of readers in real time. What belongs here: publications,
// track logs, subscriptions, lanes, the mapping of publishers' clocks to epoch media time, continuity
// over a publisher's absence. What does not: any wire protocol or container (an Encoder is given),
// who may publish or play (control/session), and the past (timeline).
//
// The publisher never waits for a reader: Write only appends and wakes. A reader that falls out of the
// window continues at the last random access point and is told how many frames it lost.
package hub

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
	"weir/internal/watch"
)

// Config bounds what the hub keeps. Zero values get the defaults.
type Config struct {
	Window     time.Duration // how long a frame stays readable; the last group always stays (default 5 s)
	MaxBytes   int           // payload kept per track (default 64 MiB); over it even the last group is cut
	Grace      time.Duration // how long a stream is held for its publisher to return (default 30 s)
	Silent     time.Duration // a publisher that sent nothing for so long never blocks another one (default 5 s)
	Linger     time.Duration // how long unused lanes and supplies are kept (default 5 s)
	MaxStreams int           // default 10000
	// Wall is the wall clock, by which media time goes (default time.Now). How long things last is measured by the
	// monotonic clock, whatever the wall clock says.
	Wall func() time.Time
}

// DefaultGrace is how long a stream is held for its publisher to return, unless the configuration says otherwise.
const DefaultGrace = 30 * time.Second

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Window, 5*time.Second)
	def(&c.Grace, DefaultGrace)
	def(&c.Silent, 5*time.Second)
	def(&c.Linger, 5*time.Second)
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 10000
	}
	return c
}

// Hub is the registry of the streams of this node.
type Hub struct {
	cfg    atomic.Pointer[Config]
	log    *slog.Logger
	id     string
	born   time.Time // zero of the monotonic clock
	events watch.List[Event]

	mu       sync.Mutex
	streams  map[string]*Stream
	arrivals map[string][]chan *Stream // who waits for a stream of this name
	closed   bool
	lastRun  atomic.Uint64
	past     Stats // totals of the streams that have ended

	supply supplies
}

// New returns an empty hub.
func New(cfg Config, log *slog.Logger) *Hub {
	h := &Hub{log: log, born: time.Now(), id: rand.Text(), streams: map[string]*Stream{}, arrivals: map[string][]chan *Stream{}}
	h.SetConfig(cfg)
	h.supply.init(h)
	return h
}

// SetConfig replaces the configuration but for the clock. It ends no stream: an absence that has begun lasts as long as it
// was to.
func (h *Hub) SetConfig(c Config) {
	if now := h.cfg.Load(); now != nil {
		c.Wall = now.Wall
	}
	c = c.withDefaults()
	h.cfg.Store(&c)
}

func (h *Hub) config() *Config { return h.cfg.Load() }

// ID tells this hub from those of other servers, for as long as it runs.
func (h *Hub) ID() string { return h.id }

// SetSupplier names who is asked for streams and codecs that are missing. Call it before the first Subscribe.
func (h *Hub) SetSupplier(s Supplier) { h.supply.supplier = s }

// Close ends every stream and waits for running supplies.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	streams := slices.Collect(maps.Values(h.streams))
	h.mu.Unlock()
	for _, s := range streams {
		s.end(errShutdown())
	}
	h.supply.close()
	h.events.Close()
}

func errShutdown() error {
	return fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Connect again in a moment.")
}

// Stream returns the stream of that name, or nil.
func (h *Hub) Stream(name string) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams[name]
}

// Streams returns all listed streams, sorted by name.
func (h *Hub) Streams() []*Stream {
	h.mu.Lock()
	out := make([]*Stream, 0, len(h.streams))
	for _, s := range h.streams {
		if !s.unlisted {
			out = append(out, s)
		}
	}
	h.mu.Unlock()
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

// Watch returns the hub's events from now on; the oldest are dropped for a watcher that does not read.
func (h *Hub) Watch() (<-chan Event, func()) { return h.events.Watch() }

// Stats are the hub's totals.
type Stats struct {
	Streams, Live, Lanes, Subscriptions int
	Frames, Bytes                       uint64
	Repairs, Discontinuities, Skipped   uint64
}

func (t *Stats) add(st *StreamStats) {
	t.Frames += st.Frames
	t.Bytes += st.Bytes
	t.Repairs += st.Repairs
	t.Discontinuities += st.Discontinuities
	t.Skipped += st.Skipped
}

// Stats sums over all streams, also those that have ended.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	streams := slices.Collect(maps.Values(h.streams))
	t := h.past
	h.mu.Unlock()
	for _, s := range streams {
		st := s.Stats()
		t.Streams++
		if st.State == Live {
			t.Live++
		}
		t.Lanes += st.Lanes
		t.Subscriptions += st.Subscriptions
		t.add(&st)
	}
	return t
}

// Offer is what a publisher brings.
type Offer struct {
	Name     string
	Tracks   []media.Track // at least one; IDs unique
	Origin   Origin
	TakeOver bool           // replace a publisher that is still there
	Unlisted bool           // not in Streams()
	Filler   bool           // shown while there is no publisher: any other takes over with its first key frame
	Feedback func(Feedback) // readers' wishes; called without locks, must not block; may be nil
}

// Origin describes the publisher, for people.
type Origin struct {
	Protocol, Remote, Software, Session string
	Speed                               float64 // of a replay, if it is another than its footage was filmed at
	Via                                 string  // the hubs that the media came through, with spaces between them
}

// Feedback is a reader's wish, on its way to the publisher.
type Feedback struct {
	KeyFrame   bool
	BitrateBPS int
}

// Publish opens the stream of that name, or continues it when it is held for its publisher.
// Errors: stream_busy, too_many_streams, server_stopping, no_tracks, relay_loop.
func (h *Hub) Publish(o Offer) (*Publication, error) {
	if len(o.Tracks) == 0 {
		return nil, errNoTracks()
	}
	if slices.Contains(strings.Fields(o.Origin.Via), h.id) {
		return nil, fault.New(fault.Conflict, "relay_loop", "The stream "+o.Name+" is sent back to the server that it comes from.",
			"Take out the pull or the push that closes the circle.")
	}
	for {
		s, fresh, err := h.open(o)
		if err != nil {
			return nil, err
		}
		if !fresh {
			s.mu.Lock()
		}
		p, err := s.publish(o)
		if err != errEnded { //nolint:errorlint // a private sentinel that never leaves this package
			return p, err
		}
	}
}

func errNoTracks() error {
	return fault.New(fault.Invalid, "no_tracks", "The publisher sends neither video nor audio.", "Check the encoder's settings.")
}

// open finds or makes the stream of an offer. A fresh one is locked, so that nobody sees it before it has tracks.
func (h *Hub) open(o Offer) (s *Stream, fresh bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false, errShutdown()
	}
	s = h.streams[o.Name]
	if s == nil {
		if len(h.streams) >= h.config().MaxStreams {
			return nil, false, fault.New(fault.TooMany, "too_many_streams", "This server already holds its limit of streams.", "Raise streams.max, or end a stream.")
		}
		s, fresh = newStream(h, o), true
		s.mu.Lock()
		h.streams[o.Name] = s
		for _, ch := range h.arrivals[o.Name] {
			ch <- s // buffered: each waiter is told once
		}
		delete(h.arrivals, o.Name)
	}
	return s, fresh, nil
}

func (h *Hub) remove(s *Stream) {
	st := s.Stats()
	h.mu.Lock()
	if h.streams[s.name] == s {
		delete(h.streams, s.name)
		h.past.add(&st)
	}
	h.mu.Unlock()
}

// nextRun gives run IDs that grow over restarts of the server too, since names of stored things carry them.
func (h *Hub) nextRun(now time.Time) uint64 {
	for {
		last := h.lastRun.Load()
		next := max(last+1, uint64(now.UnixMilli()))
		if h.lastRun.CompareAndSwap(last, next) {
			return next
		}
	}
}

// await waits for a stream of that name to be published.
func (h *Hub) await(ctx context.Context, name string) *Stream {
	ch := make(chan *Stream, 1)
	h.mu.Lock()
	if s := h.streams[name]; s != nil {
		h.mu.Unlock()
		return s
	}
	h.arrivals[name] = append(h.arrivals[name], ch)
	h.mu.Unlock()
	select {
	case s := <-ch:
		return s
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.arrivals[name]
	for i := range list {
		if list[i] == ch {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if h.arrivals[name] = list; len(list) == 0 {
		delete(h.arrivals, name)
	}
	select {
	case s := <-ch:
		return s
	default:
		return nil
	}
}
