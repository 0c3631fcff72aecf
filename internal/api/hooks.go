package api

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/catalog"
	"weir/internal/fault"
	"weir/internal/netguard"
)

const (
	hookQueue   = 256 // events that wait for one webhook, retries included
	hookHistory = 50  // deliveries remembered for one webhook
	hookTimeout = 15 * time.Second
	hookAge     = 3 * 24 * time.Hour // of an event, after which nobody is told of it any more
)

// hookBackoff is how long after a failed attempt the next one comes. After the last one an event that the receiver refuses
// is given up, in sum after about a day; a receiver that is away is tried again after the same pause until events are too old.
func hookBackoff() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}
}

// hooks tells webhooks of events. Each has a queue and a worker of its own, so that
// one that does not answer delays no other. Queues are in memory, and the ledger keeps what waits in them.
type hooks struct {
	access  *access.Access
	ledger  *ledger
	client  *http.Client
	log     *slog.Logger
	backoff []time.Duration

	mu        sync.Mutex
	ctx       context.Context //nolint:containedctx // that of run, for workers that come later; nil before
	loaded    bool
	endpoints map[string]*endpoint
	wg        sync.WaitGroup

	delivered, failed, dropped atomic.Int64
}

func newHooks(guard *netguard.Guard, acc *access.Access, log *slog.Logger) *hooks {
	client := guard.HTTPClient()
	client.Timeout = hookTimeout
	// Standard Webhooks: a redirect is a failure; the owner should enter the right address.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &hooks{access: acc, ledger: newLedger(acc, log), client: client, log: log, backoff: hookBackoff(), endpoints: make(map[string]*endpoint)}
}

// load reads the webhooks and what they have still to be told. From then on they are told of what happens, when run works.
func (h *hooks) load(ctx context.Context) {
	h.mu.Lock()
	h.loaded = true // first, so that a webhook made from now on is not missed
	h.mu.Unlock()
	list, err := h.access.Webhooks(ctx)
	if err != nil && ctx.Err() == nil {
		h.log.Error("the webhooks could not be read", "error", err)
	}
	waiting := h.ledger.read(ctx, time.Now())
	for _, w := range list {
		h.add(w, waiting[w.ID])
	}
}

// run works until ctx ends.
func (h *hooks) run(ctx context.Context) error {
	defer h.client.CloseIdleConnections()
	h.mu.Lock()
	h.ctx = ctx
	for _, e := range h.endpoints {
		h.start(e)
	}
	h.mu.Unlock()
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan struct{})
	go func() { defer close(kept); h.ledger.run(keeping) }()
	<-ctx.Done()
	h.mu.Lock()
	for id, e := range h.endpoints {
		e.stop()
		delete(h.endpoints, id)
	}
	h.mu.Unlock()
	h.wg.Wait()
	stop() // last: what workers leave is written down
	<-kept
	return nil
}

// add enters a webhook with what it has still to be told. Before load it does nothing: load will read it.
func (h *hooks) add(w access.Webhook, waiting []catalog.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.loaded || h.ctx != nil && h.ctx.Err() != nil || h.endpoints[w.ID] != nil {
		return
	}
	e := &endpoint{hooks: h, Webhook: w, stop: func() {}, wake: make(chan struct{}, 1)}
	e.restore(waiting)
	h.endpoints[w.ID] = e
	if h.ctx != nil {
		h.start(e)
	}
}

// start starts the worker of a webhook; h.mu is held.
func (h *hooks) start(e *endpoint) {
	ctx, cancel := context.WithCancel(h.ctx)
	e.stop = cancel
	h.wg.Go(func() { e.work(ctx) })
}

// remove ends the worker of a webhook; what it has still to tell is dropped.
func (h *hooks) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.endpoints[id]; e != nil {
		e.stop()
		delete(h.endpoints, id)
		h.ledger.forget(id)
	}
}

// tell queues an event for all who want it. It does not wait.
func (h *hooks) tell(e *Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, to := range h.endpoints {
		if wants(to.Types, e.Type) {
			to.queue(e)
		}
	}
}

// reachAnew takes new rules of what may be reached: no connection of before is used again, and who was away is tried at once.
func (h *hooks) reachAnew() {
	h.client.CloseIdleConnections()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.endpoints {
		e.mu.Lock()
		e.outage.over()
		e.mu.Unlock()
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// wants matches a type with a webhook's list: whole types, "stream.*", "*"; an empty
// list is all.
func wants(types []string, kind string) bool {
	return len(types) == 0 || slices.ContainsFunc(types, func(t string) bool {
		prefix, open := strings.CutSuffix(t, "*")
		return t == kind || open && strings.HasPrefix(kind, prefix)
	})
}

// deliveries returns the latest deliveries to a webhook, the latest first; false when
// there is no such webhook.
func (h *hooks) deliveries(id string) ([]Delivery, bool) {
	h.mu.Lock()
	e := h.endpoints[id]
	h.mu.Unlock()
	if e == nil {
		return nil, false
	}
	return e.list(), true
}

func (h *hooks) stats(s *Stats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.endpoints {
		s.WebhooksQueued += e.waiting()
	}
	s.WebhooksDelivered, s.WebhooksFailed, s.WebhooksDropped = h.delivered.Load(), h.failed.Load(), h.dropped.Load()
}

// checkTypes refuses types that never come.
func checkTypes(types []string) error {
	for _, t := range types {
		some := slices.ContainsFunc(eventTypes(), func(kind string) bool { return !passing(kind) && wants([]string{t}, kind) })
		if t == "" || !some {
			var offered []string
			for _, kind := range eventTypes() {
				if !passing(kind) {
					offered = append(offered, kind)
				}
			}
			return fault.New(fault.Invalid, "event_type_unknown", "No webhook is told of the event type "+quote(t)+".", "The types are "+strings.Join(offered, ", ")+".")
		}
	}
	return nil
}
