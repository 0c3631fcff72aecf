package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"weir/internal/control/access"
	"weir/internal/control/hook"
	"weir/internal/fault"
	"weir/internal/problem"
	"weir/internal/streamname"
)

var quiet = slog.New(slog.DiscardHandler)

func newServer(t *testing.T, change func(*Config)) *Server {
	t.Helper()
	c := Config{DataDir: t.TempDir(), Streams: Streams{TakeOver: true}}
	c.HTTP.Listen, c.RTMP.Listen, c.WebRTC.Listen = "127.0.0.1:0", "127.0.0.1:0", "off"
	if change != nil {
		change(&c)
	}
	s, err := New(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *Server) get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://weir.example"+path, nil)
	r.RemoteAddr = "127.0.0.1:4242"
	s.handler.ServeHTTP(w, r)
	return w
}

// Every legal name reaches its own page, whatever it looks like, and a name that the grammar refuses says why.
func TestEveryLegalNameReachesItsOwnPage(t *testing.T) {
	s := newServer(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		segment := rapid.StringMatching(`[a-z0-9_直播][a-zA-Z0-9_.\-直播é]{0,12}`)
		name := strings.Join(rapid.SliceOfN(segment, 1, 5).Draw(rt, "segments"), "/")
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = "/" + name
		r.RemoteAddr = "127.0.0.1:4242"
		s.handler.ServeHTTP(w, r)
		page := w.Code == http.StatusOK && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html")
		if legal := streamname.Check(name) == nil; legal != page {
			rt.Fatalf("%q: legal %v, answered %d %s", name, legal, w.Code, w.Header().Get("Content-Type"))
		}
	})
}

func TestShortFormsAndUnknownStreams(t *testing.T) {
	s := newServer(t, nil)
	for path, want := range map[string]string{
		"/live/show.m3u8?key=a":  "show/index.m3u8?key=a",
		"/live/show.mpd":         "show/index.mpd",
		"/show.m3u8":             "show/index.m3u8",
		"/live/show/embed/":      "",
		"/live/show/index.m3u8":  "stream_unknown",
		"/live/show/index.mpd":   "stream_unknown",
		"/live/show.flv":         "stream_unknown",
		"/live/show/stream.flv":  "stream_unknown",
		"/live/show/poster.jpg":  "stream_unknown",
		"/live/show/whep":        "webrtc_off",
		"/api/v1/streams":        "sign_in_needed",
		"/live/../etc/passwd":    "",
		"/live/a b":              "name_bad_char",
		"/a/b/c/d/e":             "name_too_deep",
		"/live/show/stream.what": "form_unknown",
	} {
		w := s.get(t, strings.ReplaceAll(path, " ", "%20"))
		var p problem.Document
		_ = json.Unmarshal(w.Body.Bytes(), &p) // pages are no JSON
		if got := w.Header().Get("Location") + p.Code; want != "" && got != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, got, want)
		}
	}
}

// Every guide and reference page can be read from the binary, and their links to each other lead somewhere.
func TestDocsAreServed(t *testing.T) {
	s := newServer(t, nil)
	link := regexp.MustCompile(`href="([^"#:]+)(#[^"]*)?"`)
	for _, page := range []string{"/docs/guide/publish.en", "/docs/guide/publish.zh", "/docs/ref/configuration.zh", "/docs/ARCHITECTURE", "/docs/guide/troubleshoot.en.md"} {
		w := s.get(t, page)
		if w.Code != 200 || !strings.Contains(w.Body.String(), "<h1") {
			t.Fatalf("%s: %d", page, w.Code)
		}
		for _, m := range link.FindAllStringSubmatch(w.Body.String(), -1) {
			to := (&url.URL{Path: page}).ResolveReference(&url.URL{Path: m[1]}).Path
			if got := s.get(t, to); strings.HasPrefix(to, "/docs/") && got.Code >= 400 {
				t.Errorf("%s links to %s: %d", page, to, got.Code)
			}
		}
	}
	if w := s.get(t, "/docs/../../etc/passwd"); w.Code == 200 {
		t.Error("a path led out of the docs")
	}
	if w := s.get(t, "/docs/"); w.Code != http.StatusFound {
		t.Errorf("/docs/: %d", w.Code)
	}
}

func TestOneBusyPortDoesNotStopTheOthers(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newServer(t, func(c *Config) { c.RTMP.Listen = taken.Addr().String() })
	ctx, stop := context.WithCancel(t.Context())
	ready := make(chan Ready, 1)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func(r Ready) { ready <- r }) }()
	r := <-ready
	states := map[string]Gate{}
	for _, g := range r.Gates {
		states[g.Name] = g
	}
	if states["http"].State != "on" || states["rtmp"].State != "failed" || fault.Code(states["rtmp"].Err) != "port_taken" {
		t.Errorf("gates %+v", r.Gates)
	}
	if text := fault.Of(states["rtmp"].Err).Message; !strings.Contains(text, "server.test") {
		t.Errorf("who holds the port is not named: %s", text)
	}
	resp, err := http.Get("http://" + states["http"].Address + "/readyz") //nolint:noctx // a test on loopback
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || string(body) != "ready\n" {
		t.Errorf("readyz: %q %v", body, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// onWrite is told each line of a log.
type onWrite func([]byte)

func (f onWrite) Write(line []byte) (int, error) {
	f(line)
	return len(line), nil
}

// A second server on the same folders waits for the first one to stop, and gives up when it does not.
func TestOneServerAFolder(t *testing.T) {
	data, footage := t.TempDir(), t.TempDir()
	first := newServer(t, func(c *Config) { c.DataDir, c.Footage.Dir = data, footage })
	for name, c := range map[string]Config{"data": {DataDir: data}, "footage": {DataDir: t.TempDir(), Footage: Footage{Dir: footage}}} {
		c.WebRTC.Listen = "off"
		ctx, cancel := context.WithCancel(t.Context())
		waiting := slog.New(slog.NewTextHandler(onWrite(func(line []byte) {
			if bytes.Contains(line, []byte("another server uses the folder")) {
				cancel()
			}
		}), nil))
		if s, err := New(ctx, c, waiting); fault.Code(err) != "data_in_use" {
			t.Errorf("%s: %v %v", name, s, err)
		}
		cancel()
	}
	both := t.TempDir() // one folder for both is no second server
	newServer(t, func(c *Config) { c.DataDir, c.Footage.Dir = both, both })
	waiting, told := io.Pipe()
	second := make(chan error, 1)
	go func() {
		s, err := New(t.Context(), Config{DataDir: data, Footage: Footage{Dir: footage}, WebRTC: WebRTC{Listen: "off"}}, slog.New(slog.NewTextHandler(told, nil)))
		if err == nil {
			s.Close()
		}
		_ = told.Close()
		second <- err
	}()
	lines := bufio.NewScanner(waiting)
	if !lines.Scan() || !strings.Contains(lines.Text(), "another server uses the folder") || !strings.Contains(lines.Text(), fmt.Sprint("process=", os.Getpid())) {
		t.Error(lines.Text())
	}
	first.Close()
	_, _ = io.Copy(io.Discard, waiting)
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestReloadChangesRulesAndKeepsWhatIsWrongOut(t *testing.T) {
	s := newServer(t, nil)
	next := s.cfg
	next.Access = access.Config{Rules: []string{"deny play all of them"}}
	if err := s.Reload(next); fault.Code(err) == "" {
		t.Error("a rule that makes no sense was taken")
	}
	next.Access = access.Config{PlayByKey: []string{"live/*"}}
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	if err := s.mayWatch(t.Context(), "live/show", "", netip.IPv6Unspecified()); fault.Code(err) != "key_missing" {
		t.Errorf("without a key: %v", err)
	}
}

// Hooks keep what is queued in them, and its order, over a reload.
func TestReloadKeepsHooks(t *testing.T) {
	s := newServer(t, nil)
	reload := func(address string) {
		t.Helper()
		next := s.cfg
		if next.Hooks = (hook.Config{}); address != "" {
			next.Hooks.Apps = map[string]hook.App{"live": {OnPlay: address}}
		}
		if err := s.Reload(next); err != nil {
			t.Fatal(err)
		}
	}
	reload("http://127.0.0.1:9/a")
	first := s.hooks
	reload("http://127.0.0.1:9/b")
	if s.hooks != first || s.hooks.App("live").OnPlay != "http://127.0.0.1:9/b" {
		t.Errorf("%+v", s.hooks.App("live"))
	}
	if reload(""); s.hooks != nil {
		t.Error("there are hooks that nobody has written")
	}
	if reload("http://127.0.0.1:9/c"); s.hooks == nil || s.hooks == first {
		t.Error("hooks that were closed are used again")
	}
}

func TestReloadChangesRelays(t *testing.T) {
	s := newServer(t, func(c *Config) {
		c.Relays = []Relay{{Stream: "live/a", URL: "rtmp://192.0.2.1/live/a", OnDemand: true}, {Push: true, Stream: "live/b", URL: "rtmp://192.0.2.1/live/b"}}
	})
	kept := s.pipeline.Pulls()[0].ID
	next := s.cfg
	next.Relays = []Relay{{Stream: "live/c", URL: "rtmp://192.0.2.1/live/c", OnDemand: true}, next.Relays[0]} // it stands elsewhere now
	if err := s.Reload(next); err != nil {
		t.Fatal(err)
	}
	pulls := s.pipeline.Pulls()
	if len(pulls) != 2 || pulls[0].ID != kept || pulls[1].Stream != "live/c" || len(s.pipeline.Pushes()) != 0 {
		t.Errorf("pulls %+v, pushes %+v", pulls, s.pipeline.Pushes())
	}
}

func TestMetricsAreForNeighboursAndTokens(t *testing.T) {
	s := newServer(t, nil)
	if w := s.get(t, "/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), "weir_panics_total") {
		t.Errorf("from loopback: %d", w.Code)
	}
	_, secret, err := s.access.CreateToken(t.Context(), "prometheus", []string{access.ScopeStreamsRead})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]int{"": 401, "weir_pat_wrong": 401, secret: 200} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr = "203.0.113.9:1"
		r.Header.Set("Authorization", "Bearer "+token)
		s.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("token %.12q from afar: %d, want %d", token, w.Code, want)
		}
	}
}

// What the guide says of figures is about figures that there are.
func TestFiguresOfTheGuide(t *testing.T) {
	s := newServer(t, nil)
	figures := s.get(t, "/metrics").Body.String()
	for _, language := range []string{"en", "zh"} {
		guide, err := os.ReadFile("../../docs/guide/monitor." + language + ".md")
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(weir_[a-z_]+)`").FindAllStringSubmatch(string(guide), -1)
		for _, name := range named {
			if !strings.Contains(figures, "# TYPE "+name[1]+" ") {
				t.Errorf("%s: there is no %s", language, name[1])
			}
		}
		if len(named) < 15 {
			t.Errorf("%s: only %d figures were found", language, len(named))
		}
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var c Config
	c.DataDir, c.HTTP.Listen, c.RTMP.Listen, c.WebRTC.Listen = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s, err := New(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if err := s.Run(ctx, nil); err != nil {
		t.Error(err)
	}
	s.Close()
	http.DefaultClient.CloseIdleConnections()
}
