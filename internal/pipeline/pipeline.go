// Package pipeline keeps going what must keep going: the recipes that run for each
// live stream (segmenting, watching its health), pulls from and pushes to other
// servers. It is the only owner of retries.
//
// What belongs here: who runs, when it is tried again, and how it is doing. What does
// not: the work itself. A recipe, an attempt to pull or push and the making of a codec
// are functions that the server gives; each does its thing once and returns.
package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
)

// Config says what is run. Zero values get the defaults.
type Config struct {
	Recipes []Recipe
	Pull    func(ctx context.Context, a Attempt) error         // one attempt; nil: pulls are not offered
	Push    func(ctx context.Context, a Attempt) error         // one attempt; nil: pushes are not offered
	Codec   func(ctx context.Context, r hub.Request) error     // makes a codec until ctx ends; nil: none is made
	Changed func(direction Direction, id string, state string) // told of each change of a relay's state, must not block; may be nil

	Reconcile   time.Duration // how often the list of streams is compared with what runs (default 2 s)
	MaxRelays   int           // of each direction (default 1000)
	MaxOnDemand int           // streams that are pulled on demand at once (default 200)
}

func (c Config) withDefaults() Config {
	if c.Reconcile == 0 {
		c.Reconcile = 2 * time.Second
	}
	if c.MaxRelays == 0 {
		c.MaxRelays = 1000
	}
	if c.MaxOnDemand == 0 {
		c.MaxOnDemand = 200
	}
	return c
}

// Recipe is work that is done for each listed stream as long as it lives.
type Recipe struct {
	Name string
	// Run works until the stream has ended (nil) or ctx ends. After an error or a panic it is
	// started again, with growing pauses.
	Run func(ctx context.Context, s *hub.Stream) error
	// Wants says whether the stream needs it, and is asked again from time to time; nil: every stream does.
	Wants func(s *hub.Stream) bool
}

// Attempt is one try to pull or push.
type Attempt struct {
	ID, URL, Stream string
	Count           func(bytes int) // of media that came or went
	Live            func()          // called once media flows
}

// Pipeline runs recipes and relays. It implements hub.Supplier.
type Pipeline struct {
	cfg Config
	hub *hub.Hub
	log *slog.Logger
	wg  sync.WaitGroup

	mu       sync.Mutex
	life     context.Context //nolint:containedctx // of Run: relays may be added while it runs
	closed   bool
	relays   map[Direction]map[string]*relay
	onDemand int
	changed  chan struct{} // closed and made anew when a stream may have come or gone

	wards map[*hub.Stream]*ward
	last  map[jobKey]<-chan struct{}
	count counters
}

type counters struct {
	jobs             atomic.Int64
	restarts, panics atomic.Uint64
	attempts, failed atomic.Uint64
}

// Stats are the pipeline's figures.
type Stats struct {
	Recipes          int64  // running now
	Restarts, Panics uint64 // of recipes and relays
	Pulls, Pushes    int    // configured
	Pulling, Pushing int    // of them, those through which media flows
	Attempts, Failed uint64 // to pull or push
}

// New returns a pipeline in which nothing runs yet. Relays may be added before Run.
func New(cfg Config, h *hub.Hub, log *slog.Logger) *Pipeline {
	return &Pipeline{
		cfg: cfg.withDefaults(), hub: h, log: log, changed: make(chan struct{}),
		relays: map[Direction]map[string]*relay{Pull: {}, Push: {}},
		wards:  map[*hub.Stream]*ward{}, last: map[jobKey]<-chan struct{}{},
	}
}

// Run works until ctx ends, and has then waited for all that it started. It is called once.
func (p *Pipeline) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	events, stop := p.hub.Watch()
	defer func() {
		cancel()
		stop()
		p.closeRelays()
		p.wg.Wait()
	}()
	p.startRelays(ctx)
	tick := time.NewTicker(p.cfg.Reconcile)
	defer tick.Stop()
	for {
		p.reconcile(ctx)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		case _, ok := <-events:
			if !ok {
				events = nil // the hub closed; ctx is about to end
			}
			drain(events)
		}
		p.pulse()
	}
}

// drain takes what else has happened: one look at the hub answers a burst of events.
func drain(events <-chan hub.Event) {
	for {
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		default:
			return
		}
	}
}

// pulse wakes the pushes that wait for their stream.
func (p *Pipeline) pulse() {
	p.mu.Lock()
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
}

func (p *Pipeline) pulses() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Stats gives the figures so far.
func (p *Pipeline) Stats() Stats {
	c := &p.count
	st := Stats{
		Recipes: c.jobs.Load(), Restarts: c.restarts.Load(), Panics: c.panics.Load(),
		Attempts: c.attempts.Load(), Failed: c.failed.Load(),
	}
	running := func(list []RelayState) (n int) {
		for i := range list {
			if list[i].State == Running {
				n++
			}
		}
		return n
	}
	pulls, pushes := p.Pulls(), p.Pushes()
	st.Pulls, st.Pulling = len(pulls), running(pulls)
	st.Pushes, st.Pushing = len(pushes), running(pushes)
	return st
}

// guard runs f and turns a panic into an error.
func (p *Pipeline) guard(what, stream string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.count.panics.Add(1)
			p.log.Error("panic", "where", what, "stream", stream, "value", v, "stack", string(debug.Stack()))
			err = fault.Wrap(fmt.Errorf("panic: %v", v), fault.Internal, "internal", "Something failed inside the server.", "The log has the details.")
		}
	}()
	return f()
}
