package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial sends a request as it stands and gives the connection.
func dial(t *testing.T, address, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// serveOn serves until the test ends and tells the address.
func serveOn(t *testing.T, web *http.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- web.Serve(ln) }()
	t.Cleanup(func() { _ = web.Close(); <-done })
	return ln.Addr().String()
}

// A request whose body never comes is let go, whether its handler reads it, has answered already, or finds nothing there.
func TestBodiesThatNeverComeAreNotWaitedFor(t *testing.T) {
	s := newServer(t, nil)
	web := s.webServer(t.Context())
	web.Handler = timely(s.handler, 200*time.Millisecond)
	web.IdleTimeout = 200 * time.Millisecond // the connection is kept where the answer came first
	at := serveOn(t, web)
	for _, head := range []string{
		"GET /livez HTTP/1.1\r\nContent-Length: 100",
		"GET /live/show/index.m3u8 HTTP/1.1\r\nTransfer-Encoding: chunked",
		"POST /live/show/whep HTTP/1.1\r\nContent-Type: application/sdp\r\nContent-Length: 100",
		"POST /api/v1/keys HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100",
		"POST /api/v1/nothing HTTP/1.1\r\nContent-Length: 100",
	} {
		conn := dial(t, at, head+"\r\nHost: weir.example\r\n\r\n")
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: %v", head, err)
		}
	}
}

// Who does not take its answer is let go.
func TestAnswersThatNobodyTakesAreCutOff(t *testing.T) {
	s := newServer(t, nil)
	web := s.webServer(t.Context())
	web.WriteTimeout /= 500
	ended, next := make(chan struct{}), web.Handler
	web.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		for range 1 << 10 { // more than any socket holds
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				break
			}
		}
		close(ended)
	})
	dial(t, serveOn(t, web), "GET /livez HTTP/1.1\r\nHost: weir.example\r\n\r\n")
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the answer still waits for its reader")
	}
}

// What is endless has no such limit.
func TestEndlessAnswersOutliveTheLimit(t *testing.T) {
	s := newServer(t, nil)
	web := s.webServer(t.Context())
	web.WriteTimeout = 100 * time.Millisecond
	at := serveOn(t, web)
	leave := s.broadcast(t, "live/show")
	defer leave()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/live/show/stream.flv", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer answer.Body.Close()
	begun, in := time.Now(), bufio.NewReader(answer.Body)
	for time.Since(begun) < 500*time.Millisecond {
		if _, err := in.ReadByte(); err != nil {
			t.Fatalf("after %v: %v", time.Since(begun), err)
		}
	}
}
