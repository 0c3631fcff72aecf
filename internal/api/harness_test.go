package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/app/live"
	"weir/internal/app/playout"
	"weir/internal/app/recordings"
	"weir/internal/control/access"
	"weir/internal/control/catalog"
	"weir/internal/control/catalog/sqlite"
	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/health"
	"weir/internal/hub"
	"weir/internal/netguard"
	"weir/internal/pipeline"
	"weir/internal/timeline"
)

// world is the real rooms, joined as server joins them, behind a real listener.
type world struct {
	t      testing.TB
	api    *API
	hub    *hub.Hub
	door   *session.Door
	access *access.Access
	server *httptest.Server
	relays *pipeline.Pipeline

	footage *timeline.Store
	policy  recordings.Policy
	admin   string // an API token with the scope admin
}

type setting func(*Deps)

func newWorld(t testing.TB, settings ...setting) *world {
	t.Helper()
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		goleak.VerifyNone(t)
	})
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	store, err := catalog.New(t.Context(), db, catalog.SQLite)
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	acc, err := access.Open(t.Context(), store, dir, log)
	must(t, err)
	must(t, acc.EnsureOwner(t.Context()))
	policy, err := access.NewPolicy(access.Config{TrustedProxies: []string{"127.0.0.1"}})
	must(t, err)
	h := hub.New(hub.Config{Grace: 200 * time.Millisecond}, log)
	d := session.New(session.Config{Keys: acc, Policy: policy}, log)
	guard, err := netguard.New(netguard.Config{Allow: netguard.Local()})
	must(t, err)
	w := &world{t: t, hub: h, door: d, access: acc}
	// Nothing listens where the tests pull from and push to: an attempt fails at once, as with a server that is down.
	monitor := health.New(health.Config{Viewers: func(name string) int { n, _ := d.Viewers(name); return n }}, h, log)
	w.relays = pipeline.New(pipeline.Config{
		Recipes: []pipeline.Recipe{{Name: "health", Run: monitor.Run}},
		Pull:    func(context.Context, pipeline.Attempt) error { return refused() },
		Push:    func(context.Context, pipeline.Attempt) error { return refused() },
	}, h, log)
	sources := live.NewSources(h, d, log)
	deps := Deps{
		Hub: h, Door: d, Access: acc, Streams: live.New(h, d, monitor), Sources: sources, Relays: w.relays, Guard: guard, Log: log, System: system(dir),
	}
	w.footage, err = timeline.NewStore(timeline.Config{Dir: dir + "/timeline", Keep: func(string) timeline.Keep { return timeline.Keep{For: -1} }}, log)
	must(t, err)
	kept, leave := context.WithCancel(t.Context())
	writing := make(chan struct{})
	go func() { _ = w.footage.Run(kept); close(writing) }() // ends with its context
	t.Cleanup(func() { leave(); <-writing; w.footage.Close() })
	deps.Footage, deps.Kept = w.footage, recordings.NewEvents()
	w.policy = recordings.Policy{DVR: 2 * time.Hour}
	deps.Recordings = recordings.New(h, w.footage, func() recordings.Policy { return w.policy }, deps.Kept, log)
	deps.Replays = playout.New(h, d, w.footage, log)
	t.Cleanup(deps.Replays.Close)
	for _, set := range settings {
		set(&deps)
	}
	w.api, err = New(deps)
	must(t, err)
	w.server = httptest.NewServer(w.api.Handler())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- w.api.Run(ctx) }()
	go func() { _ = w.relays.Run(ctx); done <- nil }()
	t.Cleanup(func() {
		sources.Close()
		cancel()
		must(t, <-done)
		must(t, <-done)
		w.server.Close()
		d.Close()
		h.Close()
	})
	w.admin = w.token(access.ScopeAdmin)
	return w
}

func system(dir string) System {
	return System{
		Version: "0.1.0", Commit: "abc", DataDir: dir, Ports: func() Ports { return Ports{HTTP: 8080, RTMP: 1935, WebRTC: 8189} },
		Addresses: func() []Address { return []Address{{Host: "192.168.1.20", Kind: "lan", Recommended: true}} },
		Gateways:  func() []Gateway { return []Gateway{{Name: "rtmp", Address: ":1935", State: "on"}} },
		FFmpeg:    func() FFmpeg { return FFmpeg{Off: []string{"transcoding", "thumbnails"}} },
	}
}

func (w *world) token(scopes ...string) string {
	w.t.Helper()
	_, secret, err := w.access.CreateToken(w.t.Context(), "test", scopes)
	must(w.t, err)
	return secret
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
}

func (a answer) code() string {
	var p Problem
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

// do makes a request; body nil sends none. change may alter it before it is sent.
func (w *world) do(method, path, token string, body any, change ...func(*http.Request)) answer {
	w.t.Helper()
	var payload io.Reader
	if s, ok := body.(string); ok {
		payload = strings.NewReader(s)
	} else if body != nil {
		b, err := json.Marshal(body)
		must(w.t, err)
		payload = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, payload)
	must(w.t, err)
	if payload != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range change {
		f(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	must(w.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(w.t, err)
	return answer{t: w.t, status: res.StatusCode, header: res.Header, body: b}
}

// get, as the owner, what must be there.
func (w *world) get(path string, v any) {
	w.t.Helper()
	a := w.do(http.MethodGet, base+path, w.admin, nil)
	if a.status != http.StatusOK {
		w.t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	}
	a.into(v)
}

// expect a status, and of an error its code.
func (a answer) expect(status int, code string) answer {
	a.t.Helper()
	if a.status != status || a.code() != code {
		a.t.Fatalf("got %d %q, want %d %q: %s", a.status, a.code(), status, code, a.body)
	}
	if status >= 400 {
		var p Problem
		a.into(&p)
		if a.header.Get("Content-Type") != "application/problem+json" || p.Detail == "" || p.Status != status || p.Instance == "" || p.Title == "" || p.Type != "about:blank" {
			a.t.Fatalf("not a whole problem: %s %s", a.header.Get("Content-Type"), a.body)
		}
	}
	return a
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	if _, fuzzing := w.t.(*testing.F); fuzzing {
		return len(b), nil // it may not log while its targets run
	}
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func refused() error {
	return fault.New(fault.Unavailable, "connection_refused", "Nobody listens there.", "Start the other server.")
}
