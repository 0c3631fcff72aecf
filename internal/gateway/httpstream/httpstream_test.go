package httpstream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"weir/internal/control/session"
	"weir/internal/fan"
	"weir/internal/format/flv"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/outside"
	"weir/internal/testpattern"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

type rig struct {
	hub  *hub.Hub
	door *session.Door
	url  string
}

// newRig publishes the test pattern as live/x and serves it, over TLS and HTTP/2 if asked.
func newRig(t *testing.T, tls bool) (*rig, *http.Client) {
	return newRigOf(t, tls, Config{Wait: 50 * time.Millisecond}, testpattern.Options{Width: 320, Height: 180, Audio: true})
}

func newRigOf(t *testing.T, tls bool, c Config, pattern testpattern.Options) (*rig, *http.Client) {
	t.Helper()
	h, f := hub.New(hub.Config{}, quiet), fan.New(fan.Config{}, quiet)
	door := session.New(session.Config{}, quiet)
	s := New(c, h, f, door, quiet)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ext, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/stream.")
		s.ServeStream(w, r, name, ext)
	}))
	if tls {
		web.EnableHTTP2 = true
		web.StartTLS()
	} else {
		web.Start()
	}
	src, err := testpattern.New(pattern)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Publish(hub.Offer{Name: "live/x", Tracks: src.Tracks()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = src.Run(ctx, p.Write) }()
	t.Cleanup(func() {
		cancel()
		<-done
		web.CloseClientConnections()
		h.Close()
		web.Close()
		f.Close()
		door.Close()
	})
	return &rig{h, door, web.URL}, web.Client()
}

// counters reads FLV until n video frames came and reports their marks.
func counters(t *testing.T, r io.Reader, n int) testpattern.Report {
	t.Helper()
	var tally testpattern.Tally
	var demux flv.Demuxer
	reader := flv.NewReader(r, 1<<24)
	for seen := 0; seen < n; {
		tag, err := reader.Next()
		if err != nil {
			t.Fatalf("after %d frames: %v", seen, err)
		}
		if tag.Type == flv.TagScript {
			continue
		}
		frames, err := demux.Tag(tag.Type, tag.Timestamp, tag.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			if mark, ok := testpattern.ReadSEI(f.Data, media.H264); ok && tag.Type == flv.TagVideo {
				tally.Add(mark, time.Now())
				seen++
			}
		}
	}
	return tally.Report()
}

func TestFLVIsCompleteOverEveryKindOfConnection(t *testing.T) {
	for _, c := range []struct {
		name     string
		tls      bool
		socket   bool
		protocol string
	}{
		{"bare connection", false, false, "http-flv"},
		{"HTTP/2 over TLS", true, false, "http-flv"},
		{"WebSocket", false, true, "ws-flv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, client := newRig(t, c.tls)
			var body io.Reader
			if c.socket {
				ws, _, err := websocket.Dial(t.Context(), r.url+"/live/x/stream.flv", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer ws.CloseNow() //nolint:errcheck // the test is over
				ws.SetReadLimit(1 << 24)
				body = websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
			} else {
				resp, err := client.Get(r.url + "/live/x/stream.flv")
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "video/x-flv" || resp.Header.Get("Weir-Via") != r.hub.ID() {
					t.Fatalf("%v %v", resp.Status, resp.Header)
				}
				body = resp.Body
			}
			rep := counters(t, body, 40)
			if rep.Missing != 0 || rep.Duplicates != 0 || rep.OutOfOrder != 0 {
				t.Errorf("report %+v", rep)
			}
			if _, by := r.door.Viewers("live/x"); by[c.protocol] != 1 {
				t.Errorf("viewers %v", by)
			}
		})
	}
}

func TestRefusalsAreProblems(t *testing.T) {
	r, client := newRig(t, false)
	for path, want := range map[string]string{
		"/live/none/stream.flv": "stream_unknown", "/live/x/stream.avi": "form_unknown", "/live/x/stream.flv?profile=fast": "profile_unknown",
	} {
		resp, err := client.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(b), want) || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %s %s", path, resp.Status, b)
		}
	}
}

// TestMethods: a page of another site may ask with headers of its own, and who writes is told what there is to do.
func TestMethods(t *testing.T) {
	r, client := newRig(t, false)
	for method, want := range map[string]int{http.MethodOptions: http.StatusNoContent, http.MethodPut: http.StatusMethodNotAllowed} {
		req, err := http.NewRequestWithContext(t.Context(), method, r.url+"/live/x/stream.flv", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Access-Control-Request-Headers", "authorization, range")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || res.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: %s, %v", method, res.Status, res.Header)
		}
		if method == http.MethodOptions && res.Header.Get("Access-Control-Allow-Headers") != "*, Authorization" {
			t.Errorf("%s: %v", method, res.Header)
		}
	}
}

// A publisher that says nothing for a while, or is away, stalls no viewer: over HTTP/2 a deadline ends a stream on which
// nothing is written as well.
func TestSilenceEndsNoStreamOverHTTP2(t *testing.T) {
	stalls := Config{Wait: 50 * time.Millisecond, Stall: 300 * time.Millisecond}
	r, client := newRigOf(t, true, stalls, testpattern.Options{Width: 320, Height: 180, FPS: 1, GOP: time.Second})
	resp, err := client.Get(r.url + "/live/x/stream.flv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Fatal(resp.Proto)
	}
	counters(t, resp.Body, 3)
}

// A viewer that announces a message of half of all bytes is let go as any other that says something.
func TestEndlessMessagesHoldNoConnection(t *testing.T) {
	r, _ := newRig(t, false)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	for _, text := range []string{
		"GET /live/x/stream.flv HTTP/1.1\r\nHost: weir.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", // a binary message, its length, its mask
	} {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is held")
	}
}

func TestKickedViewerIsDisconnected(t *testing.T) {
	r, client := newRig(t, false)
	resp, err := client.Get(r.url + "/live/x/stream.flv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	counters(t, resp.Body, 5)
	if !r.door.Kick(r.door.Sessions(nil)[0].ID, nil) {
		t.Fatal("no session")
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

// TestFFmpegReadsEveryForm has an outside program decode each container.
func TestFFmpegReadsEveryForm(t *testing.T) {
	outside.Need(t, "ffmpeg")
	r, _ := newRig(t, false)
	for ext := range forms {
		t.Run(ext, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-t", "1.5",
				"-i", r.url+"/live/x/stream."+ext, "-map", "0:v", "-map", "0:a", "-f", "framemd5", "-").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			video, audio := strings.Count(string(out), "\n0,"), strings.Count(string(out), "\n1,")
			if video < 40 || audio < 60 {
				t.Errorf("decoded %d pictures and %d pieces of sound in 1.5 s\n%.600s", video, audio, out)
			}
		})
	}
}
