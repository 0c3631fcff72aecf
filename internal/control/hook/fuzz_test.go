package hook

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/fault"
)

// wireTo is a receiver in memory: every connection to it gets the same bytes as the answer to its first request.
type wireTo struct {
	answer []byte
	wg     sync.WaitGroup
	mu     sync.Mutex
	calls  []string // the values of the field "call", or bodies in JSON
	over   bool
}

func (w *wireTo) dial(context.Context, string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over { // a connection that a request did not wait for, because another became free
		return nil, net.ErrClosed
	}
	near, far := net.Pipe()
	w.wg.Go(func() {
		defer far.Close()
		_ = far.SetDeadline(time.Now().Add(10 * time.Second))
		request, err := http.ReadRequest(bufio.NewReader(far))
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		w.mu.Lock()
		w.calls = append(w.calls, request.Method+" "+request.URL.RawQuery+string(body))
		w.mu.Unlock()
		_, _ = far.Write(w.answer) // a client that has seen enough closes
	})
	return near, nil
}

// end waits for all connections; there will be no more.
func (w *wireTo) end() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.wg.Wait()
}

// The options of FuzzExchange.
const (
	asJSON = 1 << iota
	byGet
	strict
	everywhere // the receivers are those of all applications
	wrongMethod
	wrongFormat
	wrongTime
	nobody // no receiver
)

func optioned(address string, options uint8) Config {
	a := App{
		OnConnect: address, OnDisconnect: address, OnPublish: address, OnPlay: address, OnPublishDone: address, OnPlayDone: address,
		OnDone: address, OnUpdate: address, UpdateStrict: options&strict != 0, Timeout: 5 * time.Second,
	}
	if options&nobody != 0 {
		a = App{}
	}
	if options&asJSON != 0 {
		a.Format = JSON
	}
	if options&byGet != 0 {
		a.Method = "get"
	}
	if options&wrongMethod != 0 {
		a.Method = "put"
	}
	if options&wrongFormat != 0 {
		a.Format = "xml"
	}
	if options&wrongTime != 0 {
		a.UpdateEvery = time.Millisecond
	}
	if options&everywhere != 0 {
		return Config{Apps: map[string]App{everyApp: a, "other": {}}}
	}
	return Config{Apps: map[string]App{"live": a}}
}

// FuzzExchange has every kind of call made to a receiver that answers anything: the answer means yes only where it is a 2xx or
// a 3xx, whatever the receiver and the client write.
func FuzzExchange(f *testing.F) {
	const ok, moved, no = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: rtmp://h/x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
	for i := range events {
		f.Add(uint8(i), uint8(0), "http://h:1/p?x=1", "a=b&name=c", []byte(ok))
		f.Add(uint8(i), uint8(byGet|everywhere), "http://h/p?x=1", "a=b", []byte(moved))
		f.Add(uint8(i), uint8(asJSON|strict), "http://h/", "%zz", []byte(no))
	}
	for _, s := range []struct {
		options         uint8
		address, answer string
	}{
		{asJSON, "http://h/", "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"allow\":false}"},
		{asJSON, "http://h/", "HTTP/1.1 200 OK\r\n\r\n{\"name\":\"x\",\"redirect\":\"rtmps://h/y\"}"},
		{asJSON, "http://h/", "HTTP/1.1 200 OK\r\n\r\n{\"redirect\":\"http://h/y\"}"},
		{asJSON, "http://h/", "HTTP/1.1 200 OK\r\n\r\nyes"},
		{strict, "http://h/", "HTTP/1.1 302 Found\r\nLocation: other\r\nContent-Length: 0\r\n\r\n"},
		{0, "http://h/", "HTTP/1.1 302 Found\r\nLocation: 1:2\r\n\r\n"},
		{0, "http://h/", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"},
		{0, "http://h/", "garbage"},
		{0, "http://h/", ""},
		{0, "ftp://h/", ""}, {0, "http://", ""}, {0, "http://h/%zz\x7f", ""}, {0, "https://h/", ""},
		{wrongMethod, "http://h/", ""}, {wrongFormat, "http://h/", ""}, {wrongTime, "http://h/", ""}, {nobody, "http://h/", ""},
	} {
		f.Add(uint8(2), s.options, s.address, "", []byte(s.answer))
	}
	f.Fuzz(func(t *testing.T, event, options uint8, address, args string, answer []byte) {
		c := optioned(address, options)
		w := &wireTo{answer: answer}
		h, err := New(c, w.dial, slog.New(slog.DiscardHandler))
		if err != nil {
			if c.Validate() == nil || fault.Of(err).Kind != fault.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		defer w.end()
		defer h.Close()
		if strings.HasPrefix(strings.ToLower(address), "https") {
			return // a receiver in memory speaks no TLS
		}
		call := Call{
			Event: events[int(event)%len(events)], Name: "show", Type: "live", Start: -2000, Args: args, Stream: "live/show",
			Peer: Peer{App: "live", Addr: netip.MustParseAddr("192.0.2.7"), ClientID: "9"},
		}
		got, err := h.Ask(t.Context(), call)
		judgeExchange(t, w, h, call, got, err)
		h.Tell(call)
		done := make(chan error, 1)
		h.Update(call, func(err error) { done <- err })
		if err := <-done; err != nil && fault.Code(err) != "hook_refused" && (fault.Code(err) != "hook_failed" || options&strict == 0) {
			t.Fatalf("the update ends the session: %v", err)
		}
		if s := h.Stats(); s.Asked > 1 || s.Refused+s.Failed > 3 || s.Dropped != 0 {
			t.Fatalf("%+v", s)
		}
	})
}

// judgeExchange holds the meaning of an answer against what net/http reads of it.
func judgeExchange(t *testing.T, w *wireTo, h *Hooks, c Call, got Answer, err error) {
	t.Helper()
	asked := h.App("live/show").address(c.Event) != ""
	switch code := fault.Code(err); {
	case err != nil && (code != "hook_refused" && code != "hook_failed" || got != Answer{} || !asked):
		t.Fatalf("%+v, %v", got, err)
	case err == nil && !asked && got != Answer{}:
		t.Fatalf("%+v without a receiver", got)
	}
	response, bad := http.ReadResponse(bufio.NewReader(bytes.NewReader(w.answer)), nil)
	if bad != nil || !asked {
		return
	}
	_ = response.Body.Close()
	if status := response.StatusCode; err == nil && status >= 400 {
		t.Fatalf("%d means yes", status)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) == 0 || !strings.Contains(w.calls[0], string(c.Event)) {
		t.Fatalf("the receiver saw %q", w.calls)
	}
}
