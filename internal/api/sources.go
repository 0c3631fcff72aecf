package api

import (
	"context"
	"net/http"

	"weir/internal/app/live"
	"weir/internal/control/access"
)

const defaultTestStream = "live/test"

// TestSource is a running test source.
type TestSource struct {
	ID     string `json:"id"`
	Stream string `json:"stream"`
}

type (
	newSourceInput struct {
		Body *struct {
			Stream string `json:"stream,omitempty" maxLength:"1024" doc:"Empty: live/test"`
		}
	}
	sourceOutput struct{ Body TestSource }
)

func (a *API) sourceRoutes() {
	const tag = "test-sources"
	add(a, op{id: "list-test-sources", method: http.MethodGet, path: "/test-sources", summary: "Running test sources", tag: tag, right: access.ScopeStreamsRead}, a.listSources)
	add(a, op{id: "create-test-source", method: http.MethodPost, path: "/test-sources", summary: "Publish a test pattern", tag: tag, right: access.ScopeStreamsWrite, status: http.StatusCreated}, a.createSource)
	add(a, op{id: "delete-test-source", method: http.MethodDelete, path: "/test-sources/{id}", summary: "Switch a test source off", tag: tag, right: access.ScopeStreamsWrite, status: http.StatusNoContent}, a.deleteSource)
}

func (a *API) listSources(_ context.Context, in *PageInput) (*pageOutput[TestSource], error) {
	var list []TestSource
	for _, s := range a.deps.Sources.List() {
		list = append(list, sourceOf(s))
	}
	return pageOf(list, *in, func(s TestSource) string { return s.ID })
}

func sourceOf(s live.Source) TestSource { return TestSource{ID: s.ID, Stream: s.Stream} }

func (a *API) createSource(ctx context.Context, in *newSourceInput) (*sourceOutput, error) {
	name := defaultTestStream
	if in.Body != nil && in.Body.Stream != "" {
		name = in.Body.Stream
	}
	s, err := a.deps.Sources.Start(ctx, name)
	if err != nil {
		return nil, err
	}
	return &sourceOutput{Body: sourceOf(s)}, nil
}

func (a *API) deleteSource(_ context.Context, in *idInput) (*struct{}, error) {
	return nil, a.deps.Sources.Stop(in.ID)
}
