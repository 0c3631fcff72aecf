// Package hook makes the HTTP callbacks that users of nginx-rtmp have: on_connect,
// on_publish, on_play, on_update and those after the fact, as a form or as JSON.
// What belongs here: the configuration by application, the form of the request, the
// meaning of the answer, and the queue of what is only told. What does not: when to
// ask, and what follows from the answer (control/session).
//
// Where it differs from nginx-rtmp 1.2.2 (a test runs one receiver behind both):
//   - nginx-rtmp keeps 31 bytes of flashver; here it is whole;
//   - a client's arguments named app, addr, clientid, call, name or tcurl are left out,
//     because many receivers take the last of two values, and then the client would
//     speak for the server;
//   - a redirect in answer to on_connect is a yes, and does not rename the application;
//   - a receiver that does not answer on_update ends the session only where
//     UpdateStrict is set, as nginx-rtmp's manual has it and its code has not;
//   - Location may be an rtmps:// address, and receivers may be reached over https;
//   - requests are HTTP/1.1 on connections that are kept, not HTTP/1.0 on new ones;
//   - publishers and viewers over other protocols than RTMP call the hooks too, with
//     their software as flashver, no tcurl, and a bearer token as the argument key;
//   - the timestamp of on_update is up to two seconds old.
package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
)

const (
	maxAnswer    = 64 << 10
	maxPerHost   = 64 // connections to one receiver
	workers      = 8
	queueLength  = 4096
	closePatient = 3 * time.Second // for what is still queued when the server stops
)

// Hooks asks and tells the receivers. All methods are safe for concurrent use.
type Hooks struct {
	apps   atomic.Pointer[map[string]App]
	client *http.Client
	log    *slog.Logger

	queue   chan task
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	closing sync.RWMutex
	closed  bool
	mu      sync.Mutex
	lines   map[string][]task // of each client that a worker is at or will be: its calls after that one
	waiting int               // calls that no worker has begun

	asked, refused, failed, told, dropped atomic.Int64
}

type task struct {
	call Call
	done func(error) // nil: nobody waits for the answer
}

// Dialer opens connections to receivers; netguard.Guard.DialContext is one.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// New returns hooks that call the receivers of c through dial. Close ends them.
func New(c Config, dial Dialer, log *slog.Logger) (*Hooks, error) {
	h := &Hooks{log: log, queue: make(chan task, queueLength), lines: make(map[string][]task)}
	h.client = &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute,
			MaxConnsPerHost: maxPerHost, MaxIdleConnsPerHost: workers, MaxResponseHeaderBytes: maxAnswer,
		},
		// A redirect is an answer here, not a way to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := h.SetConfig(c); err != nil {
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for range workers {
		h.wg.Go(h.work)
	}
	return h, nil
}

// SetConfig replaces the configuration; calls that are under way are not touched.
func (h *Hooks) SetConfig(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	apps := c.complete()
	h.apps.Store(&apps)
	return nil
}

// Close sends what is queued, for a few seconds, and ends the workers.
func (h *Hooks) Close() {
	h.closing.Lock()
	if h.closed {
		h.closing.Unlock()
		return
	}
	h.closed = true
	close(h.queue)
	h.closing.Unlock()
	patience := time.AfterFunc(closePatient, h.cancel)
	h.wg.Wait()
	patience.Stop()
	h.cancel()
	h.client.CloseIdleConnections()
}

// App returns the hooks of an application: its own, and those of "*" where it sets none.
func (h *Hooks) App(app string) App {
	apps := *h.apps.Load()
	first, _, _ := strings.Cut(app, "/")
	if a, ok := apps[first]; ok {
		return a
	}
	return apps[everyApp]
}

// Ask calls the receiver of the call's event and waits for its answer. Without a
// receiver the answer is yes. A refusal is the fault hook_refused; a receiver that
// does not answer, or not sensibly, refuses with hook_failed.
func (h *Hooks) Ask(ctx context.Context, c Call) (Answer, error) {
	app := h.App(c.application())
	address := app.address(c.Event)
	if address == "" {
		return Answer{}, nil
	}
	h.asked.Add(1)
	answer, err := h.send(ctx, app, address, c)
	switch {
	case fault.Code(err) == "hook_refused":
		h.refused.Add(1)
	case err != nil:
		h.failed.Add(1)
		h.log.Warn("a hook failed", "event", c.Event, "stream", c.Stream, "error", err)
	}
	return answer, err
}

// Tell queues a call whose answer changes nothing. When the queue is full the call is
// dropped and counted.
func (h *Hooks) Tell(c Call) {
	if h.App(c.application()).address(c.Event) != "" {
		h.put(task{call: c})
	}
}

// Update queues an on_update call; done gets nil when the session may go on, and must
// not block. A full queue is no reason to end a session.
func (h *Hooks) Update(c Call, done func(error)) {
	if !h.put(task{call: c, done: done}) {
		done(nil)
	}
}

func (h *Hooks) put(t task) bool {
	h.closing.RLock()
	defer h.closing.RUnlock()
	if h.closed {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	client := t.call.Peer.ClientID
	line, busy := h.lines[client]
	switch {
	case busy && t.done != nil:
		return false // an update says nothing new while the receiver is still at the call before
	case h.waiting >= queueLength:
		h.dropped.Add(1)
		return false
	case busy:
		h.lines[client] = append(line, t)
	default:
		h.lines[client] = nil
		h.queue <- t // it holds as many as may wait
	}
	h.waiting++
	return true
}

// work makes calls. Those about one client are made by one worker, one after the other, so that a receiver hears of its
// end last.
func (h *Hooks) work() {
	for t := range h.queue {
		for more := true; more; t, more = h.following(t) {
			h.mu.Lock()
			h.waiting--
			h.mu.Unlock()
			h.run(t)
		}
	}
}

// following is the client's next call, if it has one.
func (h *Hooks) following(t task) (task, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	client := t.call.Peer.ClientID
	line := h.lines[client]
	if len(line) == 0 {
		delete(h.lines, client)
		return task{}, false
	}
	h.lines[client] = line[1:]
	return line[0], true
}

func (h *Hooks) run(t task) {
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("a hook call panicked", "event", t.call.Event, "panic", r)
		}
	}()
	app := h.App(t.call.application())
	address := app.address(t.call.Event)
	var answer Answer
	var err error
	switch {
	case h.ctx.Err() != nil: // the server has no more time for what is queued
		h.dropped.Add(1)
	case address != "":
		h.told.Add(1)
		answer, err = h.send(h.ctx, app, address, t.call)
	}
	if t.done != nil {
		t.done(app.judgeUpdate(answer, err))
		return
	}
	if err != nil && fault.Code(err) != "hook_refused" {
		h.failed.Add(1)
		h.log.Warn("a hook failed", "event", t.call.Event, "stream", t.call.Stream, "error", err)
	}
}

func (h *Hooks) send(ctx context.Context, app App, address string, c Call) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, app.Timeout)
	defer cancel()
	request, err := app.request(ctx, address, c)
	if err != nil {
		return Answer{}, unanswered(c, err)
	}
	response, err := h.client.Do(request)
	if err != nil {
		return Answer{}, unanswered(c, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	if err != nil && app.Format == JSON { // where a form was sent the status says all, as to nginx-rtmp
		return Answer{}, unanswered(c, err)
	}
	return parse(c, app.Format, response.StatusCode, response.Header.Get("Location"), body)
}

func unanswered(c Call, err error) error {
	why := "did not answer"
	if errors.Is(err, context.DeadlineExceeded) {
		why = "did not answer in time"
	}
	return fault.Wrap(err, fault.Unavailable, "hook_failed", fmt.Sprintf("The %s hook for %s %s.", c.hook(), c.Stream, why),
		"Check that the receiver set in weir.yaml runs and can be reached from this machine.")
}

// Stats counts what was asked and told since the start.
type Stats struct{ Asked, Refused, Failed, Told, Dropped, Queued int64 }

// Stats returns the counts.
func (h *Hooks) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{
		Asked: h.asked.Load(), Refused: h.refused.Load(), Failed: h.failed.Load(), Told: h.told.Load(),
		Dropped: h.dropped.Load(), Queued: int64(h.waiting),
	}
}
