package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/catalog"
	"weir/internal/fault"
)

// Delivery is what became of one event at one webhook.
type Delivery struct {
	ID            string     `json:"id" doc:"The event's id, and the webhook-id header"`
	Type          string     `json:"type"`
	At            time.Time  `json:"at" doc:"When the event happened"`
	State         string     `json:"state" enum:"waiting,delivered,failed,dropped"`
	Attempts      int        `json:"attempts"`
	Status        int        `json:"status,omitempty" doc:"The receiver's last answer; 0: none came"`
	Error         string     `json:"error,omitempty"`
	LastAttemptAt *time.Time `json:"last_attempt_at"`
	NextRetryAt   *time.Time `json:"next_retry_at"`
}

// message is an event on its way to one webhook.
type message struct {
	Delivery
	body     []byte    // nil: it waits no more
	due      time.Time // when a refused one is tried again
	refusals int
}

// endpoint is one webhook with its queue.
type endpoint struct {
	access.Webhook
	hooks *hooks
	stop  context.CancelFunc
	wake  chan struct{}

	mu       sync.Mutex
	messages []*message // waiting, in the order of events
	history  []*message // the latest last; those waiting are among them until they are old
	outage   outage
}

func (e *endpoint) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.messages)
}

// queue adds an event. When the queue is full the oldest one is given up: a receiver
// that has been away so long wants the news.
func (e *endpoint) queue(ev *Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.messages) >= hookQueue {
		e.finish(e.messages[0], "dropped", "Too many events were waiting.")
	}
	e.enter(&message{Delivery: Delivery{ID: ev.ID, Type: ev.Type, At: ev.Timestamp, State: "waiting"}, body: ev.encoded})
	e.hooks.ledger.add(e.ID, ev)
	e.outage.news = true
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// enter puts a message at the end of the queue; e.mu is held.
func (e *endpoint) enter(m *message) {
	e.messages = append(e.messages, m)
	if len(e.history) >= hookHistory {
		e.history = slices.Delete(e.history, 0, 1)
	}
	e.history = append(e.history, m)
}

// restore queues what was waiting when the server ended, before there are any others.
func (e *endpoint) restore(list []catalog.Delivery) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, d := range list {
		m := &message{Delivery: Delivery{ID: d.EventID, Type: d.Type, At: d.At, State: "waiting"}, body: []byte(d.Body)}
		if e.enter(m); len(list)-i > hookQueue {
			e.finish(m, "dropped", "Too many events were waiting.")
		}
	}
}

// finish takes a message out of the queue and of the ledger; e.mu is held.
func (e *endpoint) finish(m *message, state, why string) {
	m.State, m.Error, m.body = state, why, nil
	e.messages = slices.DeleteFunc(e.messages, func(o *message) bool { return o == m })
	e.hooks.ledger.done(e.ID, m.ID)
	switch state {
	case "delivered":
		e.hooks.delivered.Add(1)
	case "dropped":
		e.hooks.dropped.Add(1)
	default:
		e.hooks.failed.Add(1)
		e.hooks.log.Warn("a webhook was not told of an event", "webhook", e.ID, "event", m.ID, "attempts", m.Attempts, "error", why)
	}
}

func (e *endpoint) list() []Delivery {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]Delivery, 0, len(e.history))
	for _, m := range slices.Backward(e.history) {
		d := m.Delivery
		if due := later(m.due, e.outage.until()); m.body != nil && !due.IsZero() {
			d.NextRetryAt = &due
		}
		list = append(list, d)
	}
	return list
}

// work delivers what is due, one after the other, until ctx ends.
func (e *endpoint) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		m, wait := e.next(time.Now())
		if m != nil {
			e.attempt(ctx, m)
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
	}
}

// next returns the message whose turn it is, or how long there will be none. While the receiver is away all wait, in the
// order of events; one that it has refused waits by itself.
func (e *endpoint) next(now time.Time) (*message, time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.messages) > 0 && now.Sub(e.messages[0].At) > hookAge {
		e.finish(e.messages[0], "failed", cmp.Or(e.messages[0].Error, "The receiver was away for too long."))
	}
	wait := time.Hour
	away := e.outage.until()
	for _, m := range e.messages {
		due := later(m.due, away).Sub(now)
		if due <= 0 {
			return m, 0
		}
		wait = min(wait, due)
	}
	return nil, wait
}

// attempt delivers a message, or plans when to try again.
func (e *endpoint) attempt(ctx context.Context, m *message) {
	e.mu.Lock()
	id, body := m.ID, m.body
	e.outage.news = false
	e.mu.Unlock()
	status, retryAfter, err := e.post(ctx, id, body)
	if ctx.Err() != nil && err != nil {
		return // we ended it, not the receiver
	}
	now := time.Now().UTC()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && away(status) {
		e.outage.note(now, e.hooks.backoff, retryAfter)
	} else {
		e.outage.over()
	}
	if m.body == nil { // dropped meanwhile
		return
	}
	m.Attempts++
	m.Status, m.LastAttemptAt, m.Error = status, &now, ""
	switch {
	case err == nil:
		e.finish(m, "delivered", "")
	case away(status):
		m.Error = err.Error()
	case m.refusals >= len(e.hooks.backoff) || status == http.StatusGone: // 410: the receiver wants no more
		e.finish(m, "failed", err.Error())
	default:
		m.due = now.Add(max(spread(e.hooks.backoff[m.refusals]), retryAfter))
		m.refusals++
		m.Error = err.Error()
	}
}

const maxRetryAfter = 24 * time.Hour

// post sends one signed request. Only an answer of the 200 kind counts.
func (e *endpoint) post(ctx context.Context, id string, body []byte) (status int, retryAfter time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.hooks.log.Error("a webhook's delivery panicked", "panic", p, "stack", string(debug.Stack()))
			err = errors.New("the delivery failed inside the server")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return 0, 0, errors.New("the address cannot be used")
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	signature, err := sign(e.Secret, id, stamp, body)
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Weir-Webhooks/1")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", stamp)
	r.Header.Set("Webhook-Signature", signature)
	answer, err := e.hooks.client.Do(r)
	if err != nil {
		return 0, 0, plainError(err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10) // enough of it that the connection can be used again
	if answer.StatusCode/100 == 2 {
		return answer.StatusCode, 0, nil
	}
	if s, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && s > 0 {
		retryAfter = min(time.Duration(s)*time.Second, maxRetryAfter)
	}
	return answer.StatusCode, retryAfter, fmt.Errorf("the receiver answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
}

// plainError leaves out the address, which may hold a secret, and says what a refusal
// of the guard says.
func plainError(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return errors.New(strings.TrimSpace(f.Message + " " + f.Remedy))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer came within %v", hookTimeout)
	}
	if u := errors.Unwrap(err); u != nil {
		return u
	}
	return err
}

// sign is the signature of Standard Webhooks: HMAC-SHA256 over id, time and body,
// with what the secret holds behind "whsec_" in base64.
func sign(secret, id, stamp string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "", errors.New("the webhook's secret is damaged")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}
