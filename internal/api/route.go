package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"weir/internal/fault"
)

const (
	base       = "/api/v1"
	maxBody    = 1 << 20
	patience   = 30 * time.Second // for one answer; a stream of events is written after it
	accessMeta = "access"
)

// right says who may call a route: public, or the bearer of a scope.
type right string

const public right = "public"

// route is one operation with its right, for the test that walks them all.
type route struct {
	ID, Method, Path string
	Right            right
}

// op describes an operation.
type op struct {
	id, method, path, summary, tag string
	right                          right
	status                         int // of success; 0: 200
}

// build registers everything and writes the OpenAPI document.
func (a *API) build() error {
	config := huma.DefaultConfig("Weir", a.deps.System.Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // served below; documentation pages are the console's
	config.CreateHooks = nil
	config.Transformers = []huma.Transformer{transform}
	config.Info.Description = "Errors are application/problem+json with a code and a remedy. Lists are pages: {items, next_cursor}."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token, weir_pat_…"},
		"session": {Type: "apiKey", In: "cookie", Name: cookieName},
	}
	a.huma = humago.New(a.mux, config)
	a.huma.UseMiddleware(a.authorize)
	a.sessionRoutes()
	a.systemRoutes()
	a.streamRoutes()
	a.watchRoutes()
	a.connectionRoutes()
	a.keyRoutes()
	a.tokenRoutes()
	a.relayRoutes()
	a.sourceRoutes()
	a.recordingRoutes()
	a.timelineRoutes()
	a.storageRoutes()
	a.replayRoutes()
	a.webhookRoutes()
	a.eventRoutes()
	for _, r := range a.routes {
		if r.Right == "" {
			return fmt.Errorf("api: %s %s declares no right", r.Method, r.Path)
		}
	}
	return a.document()
}

// document writes openapi.json once; it does not change while the server runs.
func (a *API) document() error {
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma describes its own errors, which transform replaces
	delete(schemas, "ErrorDetail")
	// Huma cannot say that an object may be null.
	for _, at := range [][2]string{{"Stream", "publisher"}, {"Relay", "last_error"}} {
		properties := schemas[at[0]].Properties
		properties[at[1]] = &huma.Schema{AnyOf: []*huma.Schema{properties[at[1]], {Type: "null"}}}
	}
	var err error
	if a.doc, err = json.Marshal(a.huma.OpenAPI()); err != nil {
		return fmt.Errorf("api: openapi.json: %w", err)
	}
	a.plain(op{id: "get-openapi", method: http.MethodGet, path: "/api/openapi.json", right: public}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write(a.doc)
	})
	a.plain(op{id: "login-once", method: http.MethodGet, path: "/login/once", right: public}, a.loginOnce)
	return nil
}

// plain adds a route outside the OpenAPI description. It must be public: nothing
// here asks for more.
func (a *API) plain(o op, h http.HandlerFunc) {
	a.routes = append(a.routes, route{ID: o.id, Method: o.method, Path: o.path, Right: o.right})
	a.mux.HandleFunc(o.method+" "+o.path, h)
}

// add registers an operation under /api/v1.
func add[I, O any](a *API, o op, handle func(context.Context, *I) (*O, error)) {
	operation := huma.Operation{
		OperationID: o.id, Method: o.method, Path: base + o.path, Summary: o.summary, Tags: []string{o.tag}, DefaultStatus: o.status,
		MaxBodyBytes: maxBody, Metadata: map[string]any{accessMeta: o.right},
		Responses: map[string]*huma.Response{"default": a.errorResponse()},
	}
	if o.right != public {
		operation.Security = []map[string][]string{{"token": {string(o.right)}}, {"session": {}}}
	}
	a.routes = append(a.routes, route{ID: o.id, Method: o.method, Path: operation.Path, Right: o.right})
	huma.Register(a.huma, operation, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		out, err := handle(ctx, in)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fault.Wrap(err, fault.Unavailable, "too_slow", "The server took too long.", "Try again in a moment.")
		}
		if err != nil {
			return nil, a.failure(ctx, o.id, err)
		}
		return out, nil
	})
}

func (a *API) errorResponse() *huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Description: "An error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
}

// failure logs what is our fault and gives every error its shape.
func (a *API) failure(ctx context.Context, id string, err error) error {
	if f := fault.Of(err); f.Kind == fault.Internal && ctx.Err() == nil {
		a.deps.Log.Error("an API request failed", "operation", id, "code", f.Code, "error", err)
	}
	return problemOf(err)
}

// serve is the outermost handler: rate, size and panics, for all routes alike.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			a.panics.Add(1)
			a.deps.Log.Error("an API request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			writeProblem(w, r, fmt.Errorf("panic: %v", p))
		}
	}()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if err := a.allow(r); err != nil {
		writeProblem(w, r, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.unknown(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// unknown tells a wrong method from a wrong path.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	if len(allowed) == 0 {
		writeProblem(w, r, fault.New(fault.NotFound, "route_unknown", "There is nothing at this address.", "The addresses are listed in /api/openapi.json."))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeProblem(w, r, fault.New(fault.Invalid, "method_not_allowed", "This address does not take "+r.Method+".", "It takes "+strings.Join(allowed, ", ")+"."))
}
