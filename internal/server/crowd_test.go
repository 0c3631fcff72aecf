package server

import (
	"bufio"
	"io"
	"net/http"
	"net/netip"
	"testing"
)

// ask sends a request over a connection of its own that stays open, and reads the answer's head.
func ask(t *testing.T, at, path string) (in *bufio.Reader) {
	t.Helper()
	conn := dial(t, at, "GET "+path+" HTTP/1.1\r\nHost: weir.example\r\n\r\n")
	in = bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(path, answer, err)
	}
	if path == "/livez" {
		_, _ = io.Copy(io.Discard, answer.Body)
	}
	return in
}

// Whoever holds connections that ask for nothing makes room for those that do: the newest are served, nobody who watches
// is touched, and no more stay open than may.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	const most = 20
	s := newServer(t, nil)
	s.crowd.most = func() int { return most }
	at := serveOn(t, s.webServer(t.Context()))
	leave := s.broadcast(t, "live/show")
	defer leave()
	viewer := ask(t, at, "/live/show/stream.flv")
	first := ask(t, at, "/livez")
	for range 3 * most {
		ask(t, at, "/livez")
	}
	if _, err := first.ReadByte(); err == nil {
		t.Error("the oldest says something")
	}
	if _, err := io.CopyN(io.Discard, viewer, 100<<10); err != nil {
		t.Error("the viewer was cut off:", err)
	}
	if open, evicted := s.crowd.figures(); open > most || evicted != 3*most+2-most {
		t.Errorf("%d connections are open, %d made room", open, evicted)
	}
}

// A viewer's connection, which is taken over from net/http, counts until it ends.
func TestViewersCountUntilTheyLeave(t *testing.T) {
	s := newServer(t, nil)
	at := serveOn(t, s.webServer(t.Context()))
	leave := s.broadcast(t, "live/show")
	defer leave()
	conn := dial(t, at, "GET /live/show/stream.flv HTTP/1.1\r\nHost: weir.example\r\n\r\n")
	if _, err := io.CopyN(io.Discard, conn, 1000); err != nil {
		t.Fatal(err)
	}
	if open, _ := s.crowd.figures(); open != 1 {
		t.Errorf("%d connections", open)
	}
	_ = conn.Close()
	await(t, "the end of the viewer", func() bool { open, _ := s.crowd.figures(); return open == 0 && len(s.crowd.by) == 0 })
}

// Where everybody asks for something, it is whoever has the most connections who loses one.
func TestTheGreediestLosesFirst(t *testing.T) {
	c := newCrowd(func() int { return judged })
	one, other := visitor{serial: 1, state: http.StateActive}, visitor{serial: 2, state: http.StateActive}
	one.from, other.from = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	c.by[one.from], c.by[other.from] = 3, 4
	if c.sooner(one, other) || !c.sooner(other, one) {
		t.Error("the one with fewer goes first")
	}
	one.state = http.StateIdle
	if !c.sooner(one, other) || c.sooner(other, one) {
		t.Error("the one that waits stays")
	}
}
