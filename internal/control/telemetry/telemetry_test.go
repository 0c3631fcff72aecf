package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/internal/control/session"
	"weir/internal/hub"
	"weir/internal/media"
)

func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestRooms(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	h := hub.New(hub.Config{}, log)
	defer h.Close()
	d := session.New(session.Config{}, log)
	defer d.Close()
	r := New("0.1.0", "abc", log)
	r.Hub(h.Stats)
	r.Door(d.Stats)
	p, err := h.Publish(hub.Offer{Name: "live/show", Tracks: []media.Track{{ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(media.Frame{Track: 1, Key: true, Data: []byte("abc")}); err != nil {
		t.Fatal(err)
	}
	s, err := d.Open(t.Context(), session.Request{Action: session.Publish, Name: "live/show", Internal: true})
	if err != nil {
		t.Fatal(err)
	}
	s.In(1000)
	if _, err := d.Open(t.Context(), session.Request{Action: session.Play, Name: "live//show", Internal: true}); err == nil {
		t.Fatal("an impossible name was let in")
	}
	text := scrape(t, r)
	has(t, text, "weir_hub_streams 1", "weir_hub_streams_live 1", "weir_hub_frames_total 1", "weir_hub_received_bytes_total 3",
		`weir_sessions{action="publish"} 1`, `weir_sessions{action="play"} 0`, `weir_session_bytes_total{direction="in"} 1000`,
		`weir_session_refusals_total{code="name_empty"} 1`, "# TYPE weir_hub_frames_total counter", "# TYPE weir_hub_streams gauge")
	p.End(nil) // a stream that ends takes nothing away from the counters
	has(t, scrape(t, r), "weir_hub_streams 0", "weir_hub_frames_total 1")
	if !strings.Contains(text, `weir_build_info{commit="abc",go="go1.`) || !strings.Contains(text, "go_goroutines ") {
		t.Error("the build or the runtime is missing")
	}
}

// Names of streams are a stranger's choice: their number must not grow without bound.
func TestStreamsAreBounded(t *testing.T) {
	r := New("", "", slog.New(slog.DiscardHandler))
	var list []StreamFigures
	for i := range 1000 {
		list = append(list, StreamFigures{Name: fmt.Sprintf("live/%d", i), Viewers: i, InBPS: 10})
	}
	list = append(list, StreamFigures{Name: otherStreams, Viewers: 5000, InBPS: 1})
	r.Streams(func() []StreamFigures { return list })
	text := scrape(t, r)
	if n := strings.Count(text, "\nweir_stream_viewers{"); n != maxStreams+1 {
		t.Errorf("%d streams are shown", n)
	}
	rest := 5000
	for i := range 900 {
		rest += i
	}
	has(t, text, `weir_stream_viewers{stream="live/999"} 999`, fmt.Sprintf(`weir_stream_viewers{stream="other"} %d`, rest), `weir_stream_ingest_bits_per_second{stream="other"} 9001`)
}

// A room that panics loses its own figures only.
func TestPanicInRoom(t *testing.T) {
	r := New("", "", slog.New(slog.DiscardHandler))
	r.Func(Gauge, "broken", "Breaks.", func() float64 { panic("no") })
	r.Func(Gauge, "sound", "Works.", func() float64 { return 7 })
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), "weir_sound 7") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMiddleware(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /taken", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = c.Close()
	})
	r := New("", "", slog.New(slog.DiscardHandler))
	s := httptest.NewServer(r.Middleware(mux))
	defer s.Close()
	for _, path := range []string{"/things/1", "/things/2", "/file", "/events", "/taken", "/nowhere"} {
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if path == "/file" && string(body) != "content" {
			t.Errorf("the file came as %q", body)
		}
	}
	text := scrape(t, r)
	has(t, text, `weir_http_request_duration_seconds_count{method="GET",route="/things/{id}",status="418"} 2`,
		`weir_http_request_duration_seconds_count{method="GET",route="/file",status="200"} 1`,
		`weir_http_request_duration_seconds_count{method="GET",route="other",status="404"} 1`)
	for _, absent := range []string{"/events", "/taken", "/things/1"} {
		if strings.Contains(text, `route="`+absent) {
			t.Errorf("%s is timed", absent)
		}
	}
}

func BenchmarkMiddleware(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{name}", func(http.ResponseWriter, *http.Request) {})
	h := New("", "", slog.New(slog.DiscardHandler)).Middleware(mux)
	r := httptest.NewRequest(http.MethodGet, "/show", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
