// Package api is the REST interface: the routes of /api/v1 with their OpenAPI
// description, server-sent events, signed webhooks, and the login link. What belongs
// here: HTTP in and out, who may call what, and the shapes of the answers. What does
// not: the doing (the rooms below), the pages (console), media over HTTP (deliver,
// gateway) and the listening (server).
package api

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"

	"weir/internal/control/access"
)

// API answers requests. Build it with New, and let Run run beside it.
type API struct {
	deps    Deps
	huma    huma.API
	mux     *http.ServeMux
	limiter *access.Limiter
	cross   *http.CrossOriginProtection
	routes  []route
	doc     []byte // openapi.json

	events *broker
	hooks  *hooks

	prepared sync.Once
	watched  watched

	history *history
	panics  atomic.Int64
}

// New builds the API. It fails when a room is missing or a route makes no sense.
func New(d Deps) (*API, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	limiter, err := access.NewLimiter(map[string]access.Rate{classAPI: d.Limits.API, classLogin: d.Limits.Login})
	if err != nil {
		return nil, err
	}
	a := &API{
		deps: d, mux: http.NewServeMux(), limiter: limiter, cross: http.NewCrossOriginProtection(),
		events: newBroker(d.Limits.Subscribers), history: &history{},
	}
	a.hooks = newHooks(d.Guard, d.Access, d.Log)
	a.events.webhook = a.hooks.tell
	if err := a.build(); err != nil {
		return nil, err
	}
	return a, nil
}

// Handler serves /api/ and /login/once.
func (a *API) Handler() http.Handler { return http.HandlerFunc(a.serve) }

// Prepare begins to watch, and loads the webhooks: what happens from then on is told when Run is called. Run does it itself
// where nobody has.
func (a *API) Prepare(ctx context.Context) {
	a.prepared.Do(func() {
		a.watched = a.watchRooms()
		a.hooks.load(ctx)
	})
}

// Run feeds the event stream, the figures and the webhooks until ctx ends.
func (a *API) Run(ctx context.Context) error {
	a.Prepare(ctx)
	hooksDone := make(chan error, 1)
	go func() { hooksDone <- a.hooks.run(ctx) }()
	a.feed(ctx)
	a.events.close()
	return <-hooksDone
}

// OutgoingChanged is told when other addresses than before may be reached.
func (a *API) OutgoingChanged() { a.hooks.reachAnew() }

// Stats counts what the API does.
type Stats struct {
	Subscribers                                        int
	Events, Lagged                                     int64
	WebhooksQueued                                     int
	WebhooksDelivered, WebhooksFailed, WebhooksDropped int64
	Panics                                             int64
}

// Stats returns the counts.
func (a *API) Stats() Stats {
	s := Stats{}
	a.events.stats(&s)
	a.hooks.stats(&s)
	s.Panics = a.panics.Load()
	return s
}
