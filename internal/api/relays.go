package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/catalog"
	"weir/internal/fault"
	"weir/internal/pipeline"
)

// Relay is a pull or a push. Its address is shown without the secrets in it.
type Relay struct {
	ID          string      `json:"id"`
	Stream      string      `json:"stream"`
	URL         string      `json:"url" example:"rtmp://example.com/app/••••"`
	OnDemand    bool        `json:"on_demand" doc:"Of a pull: only while somebody watches"`
	State       string      `json:"state" enum:"connecting,running,waiting,off"`
	Attempts    int         `json:"attempts"`
	LastError   *RelayError `json:"last_error"`
	Since       *time.Time  `json:"since"`
	NextRetryAt *time.Time  `json:"next_retry_at"`
	BytesOut    *int64      `json:"bytes_out,omitempty" doc:"Of a push"`
}

// RelayError is why a relay does not run.
type RelayError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

type (
	newPullInput struct {
		Body struct {
			Stream   string `json:"stream" maxLength:"1024"`
			URL      string `json:"url" maxLength:"2048"`
			OnDemand bool   `json:"on_demand,omitempty"`
		}
	}
	newPushInput struct {
		Body struct {
			Stream string `json:"stream" maxLength:"1024"`
			URL    string `json:"url" maxLength:"2048"`
		}
	}
	relayOutput struct{ Body Relay }
)

func (a *API) relayRoutes() {
	read, write := right(access.ScopeStreamsRead), right(access.ScopeStreamsWrite)
	add(a, op{id: "list-pulls", method: http.MethodGet, path: "/pulls", summary: "Streams pulled from elsewhere", tag: "pulls", right: read}, a.listPulls)
	add(a, op{id: "create-pull", method: http.MethodPost, path: "/pulls", summary: "Pull a stream from an address", tag: "pulls", right: write, status: http.StatusCreated}, a.createPull)
	add(a, op{id: "delete-pull", method: http.MethodDelete, path: "/pulls/{id}", summary: "Stop and delete a pull", tag: "pulls", right: write, status: http.StatusNoContent}, a.deletePull)
	add(a, op{id: "list-pushes", method: http.MethodGet, path: "/pushes", summary: "Streams pushed to elsewhere", tag: "pushes", right: read}, a.listPushes)
	add(a, op{id: "create-push", method: http.MethodPost, path: "/pushes", summary: "Push a stream to an address", tag: "pushes", right: write, status: http.StatusCreated}, a.createPush)
	add(a, op{id: "delete-push", method: http.MethodDelete, path: "/pushes/{id}", summary: "Stop and delete a push", tag: "pushes", right: write, status: http.StatusNoContent}, a.deletePush)
}

func (a *API) listPulls(_ context.Context, in *PageInput) (*pageOutput[Relay], error) {
	if a.deps.Relays == nil {
		return paged[Relay](nil, in.Limit, nil), nil
	}
	return relayPage(catalog.Pull, a.deps.Relays.Pulls(), in)
}

func (a *API) listPushes(_ context.Context, in *PageInput) (*pageOutput[Relay], error) {
	if a.deps.Relays == nil {
		return paged[Relay](nil, in.Limit, nil), nil
	}
	return relayPage(catalog.Push, a.deps.Relays.Pushes(), in)
}

func relayPage(d catalog.Direction, states []pipeline.RelayState, in *PageInput) (*pageOutput[Relay], error) {
	list := make([]Relay, 0, len(states))
	for i := range states {
		list = append(list, relayOf(d, &states[i]))
	}
	return pageOf(list, *in, func(r Relay) string { return r.ID })
}

func relayOf(d catalog.Direction, s *pipeline.RelayState) Relay {
	r := Relay{
		ID: s.ID, Stream: s.Stream, URL: s.URL, OnDemand: s.OnDemand, State: s.State, Attempts: s.Attempts,
		Since: moment(s.Since), NextRetryAt: moment(s.NextRetry),
	}
	if d == catalog.Push {
		r.BytesOut = &s.Bytes
	}
	if s.LastError != nil {
		f := fault.Of(s.LastError)
		r.LastError = &RelayError{Code: f.Code, Message: f.Message, Remedy: f.Remedy}
	}
	return r
}

func (a *API) createPull(ctx context.Context, in *newPullInput) (*relayOutput, error) {
	return a.createRelay(ctx, catalog.Pull, access.Relay{Stream: in.Body.Stream, URL: in.Body.URL, OnDemand: in.Body.OnDemand})
}

func (a *API) createPush(ctx context.Context, in *newPushInput) (*relayOutput, error) {
	return a.createRelay(ctx, catalog.Push, access.Relay{Stream: in.Body.Stream, URL: in.Body.URL})
}

// createRelay records a relay and starts it. One that cannot be started at all is
// not kept; one that fails and is retried is.
func (a *API) createRelay(ctx context.Context, d catalog.Direction, r access.Relay) (*relayOutput, error) {
	if a.deps.Relays == nil {
		return nil, fault.New(fault.Unsupported, "not_offered", "This server does not pull or push.", "")
	}
	r, err := a.deps.Access.AddRelay(ctx, d, r)
	if err != nil {
		return nil, err
	}
	start, states := a.deps.Relays.AddPull, a.deps.Relays.Pulls
	if d == catalog.Push {
		start, states = a.deps.Relays.AddPush, a.deps.Relays.Pushes
	}
	if err := start(pipeline.Relay{ID: r.ID, Stream: r.Stream, URL: r.URL, OnDemand: r.OnDemand}); err != nil {
		if undo := a.deps.Access.DeleteRelay(context.WithoutCancel(ctx), d, r.ID); undo != nil {
			a.deps.Log.Error("a relay that cannot run was not deleted", "id", r.ID, "error", undo)
		}
		return nil, err
	}
	for _, s := range states() {
		if s.ID == r.ID {
			return &relayOutput{Body: relayOf(d, &s)}, nil
		}
	}
	return nil, fault.New(fault.Conflict, string(d)+"_unknown", "It was deleted in the same moment.", "")
}

func (a *API) deletePull(ctx context.Context, in *idInput) (*struct{}, error) {
	return nil, a.deleteRelay(ctx, catalog.Pull, in.ID)
}

func (a *API) deletePush(ctx context.Context, in *idInput) (*struct{}, error) {
	return nil, a.deleteRelay(ctx, catalog.Push, in.ID)
}

func (a *API) deleteRelay(ctx context.Context, d catalog.Direction, id string) error {
	err := a.deps.Access.DeleteRelay(ctx, d, id)
	if a.deps.Relays == nil {
		return err
	}
	if err != nil {
		return a.configured(d, id, err)
	}
	if d == catalog.Push {
		a.deps.Relays.RemovePush(id)
	} else {
		a.deps.Relays.RemovePull(id)
	}
	return nil
}

// configured explains why a relay that runs cannot be deleted: the configuration has it.
func (a *API) configured(d catalog.Direction, id string, err error) error {
	states := a.deps.Relays.Pulls()
	if d == catalog.Push {
		states = a.deps.Relays.Pushes()
	}
	if fault.Of(err).Kind == fault.NotFound && slices.ContainsFunc(states, func(s pipeline.RelayState) bool { return s.ID == id }) {
		return fault.Wrap(err, fault.Conflict, "set_in_configuration", "This "+string(d)+" comes from the configuration.", "Remove it from weir.yaml.")
	}
	return err
}
