package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/netguard"
)

// The example of the Standard Webhooks specification.
func TestSignature(t *testing.T) {
	got, err := sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	must(t, err)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// receiver is a program that takes webhooks, and answers as it is told.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int // what is answered to the first requests; then 204
	got     chan request
}

type request struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	r := &receiver{answers: answers, got: make(chan request, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		status := http.StatusNoContent
		if len(r.answers) > 0 {
			status, r.answers = r.answers[0], r.answers[1:]
		}
		r.mu.Unlock()
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		r.got <- request{header: req.Header, body: body}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) request {
	t.Helper()
	select {
	case got := <-r.got:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("no webhook within 10 s")
		return request{}
	}
}

func (w *world) hook(url string, types ...string) Webhook {
	w.t.Helper()
	var made Webhook
	w.do(http.MethodPost, base+"/webhooks", w.admin, map[string]any{"url": url, "types": types}).expect(http.StatusCreated, "").into(&made)
	return made
}

func (w *world) deliveries(id string) []Delivery {
	w.t.Helper()
	var page Page[Delivery]
	w.get("/webhooks/"+id+"/deliveries", &page)
	return page.Items
}

func TestWebhook(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	made := w.hook(r.URL+"/hook", "stream.started", "stream.ended")
	p := w.publish("live/show")
	got := r.next(t)
	id, stamp := got.header.Get("webhook-id"), got.header.Get("webhook-timestamp")
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	must(t, err)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + string(got.body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); got.header.Get("webhook-signature") != want {
		t.Errorf("signature %s, want %s", got.header.Get("webhook-signature"), want)
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	must(t, err)
	if age := time.Since(time.Unix(at, 0)); age < 0 || age > time.Minute {
		t.Errorf("stamped %v ago", age)
	}
	var e received
	must(t, json.Unmarshal(got.body, &e))
	if e.Type != "stream.started" || e.Data["name"] != "live/show" || e.ID != id || e.Timestamp.IsZero() || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", e)
	}
	p.Close(nil) // away: not asked for
	p = w.publish("live/show")
	p.End(nil)
	must(t, json.Unmarshal(r.next(t).body, &e))
	if e.Type != "stream.ended" {
		t.Errorf("%+v", e)
	}
	w.eventually("record of both deliveries", func() bool {
		list := w.deliveries(made.ID)
		return len(list) == 2 && list[0].Type == "stream.ended" && list[0].State == "delivered" && list[1].State == "delivered" && list[1].Status == 204 && list[1].Attempts == 1
	})
	w.do(http.MethodDelete, base+"/webhooks/"+made.ID, w.admin, nil).expect(http.StatusNoContent, "")
	w.publish("live/other").End(nil)
	if len(r.got) > 0 {
		t.Error("a deleted webhook was told")
	}
}

// What fails is tried again with the same id; a receiver that is gone is left alone.
func TestWebhookRetries(t *testing.T) {
	w := newWorld(t)
	w.api.hooks.backoff = []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	flaky := newReceiver(t, 500, 302, 204)
	made := w.hook(flaky.URL, "stream.started")
	p := w.publish("live/show")
	first := flaky.next(t)
	for range 2 {
		if again := flaky.next(t); again.header.Get("webhook-id") != first.header.Get("webhook-id") || string(again.body) != string(first.body) {
			t.Error("the repeated request differs")
		}
	}
	w.eventually("delivery", func() bool {
		list := w.deliveries(made.ID)
		return len(list) == 1 && list[0].State == "delivered" && list[0].Attempts == 3 && list[0].NextRetryAt == nil
	})
	if len(flaky.got) > 0 {
		t.Error("the redirect was followed")
	}
	never := newReceiver(t, 500, 500, 500, 500, 500)
	failing := w.hook(never.URL, "stream.ended")
	gone := newReceiver(t, 410)
	left := w.hook(gone.URL, "stream.ended")
	p.End(nil)
	w.eventually("end of the attempts", func() bool {
		a, b := w.deliveries(failing.ID), w.deliveries(left.ID)
		return len(a) == 1 && a[0].State == "failed" && a[0].Attempts == 4 && a[0].Status == 500 && strings.Contains(a[0].Error, "500") &&
			len(b) == 1 && b[0].State == "failed" && b[0].Attempts == 1
	})
	if s := w.api.Stats(); s.WebhooksFailed != 2 || s.WebhooksDelivered != 1 || s.WebhooksQueued != 0 {
		t.Errorf("%+v", s)
	}
}

// Retry-After is honoured, and a queue that is full gives up the oldest.
func TestWebhookQueue(t *testing.T) {
	w := newWorld(t)
	w.api.hooks.backoff = []time.Duration{time.Millisecond}
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(busy.Close)
	made := w.hook(busy.URL, "session.opened")
	for range hookQueue + 10 {
		w.api.events.publish(sessionOpened, time.Now(), nil)
	}
	w.eventually("planned attempts", func() bool {
		list := w.deliveries(made.ID)
		return len(list) == hookHistory && list[0].NextRetryAt != nil && time.Until(*list[0].NextRetryAt) > 50*time.Minute
	})
	if s := w.api.Stats(); s.WebhooksDropped != 10 || s.WebhooksQueued != hookQueue {
		t.Errorf("%+v", s)
	}
}

// A webhook cannot be used to reach into the private network.
func TestWebhookGuard(t *testing.T) {
	w := newWorld(t, func(d *Deps) {
		guard, err := netguard.New(netguard.Config{})
		must(t, err)
		d.Guard = guard
	})
	r := newReceiver(t)
	made := w.hook(r.URL+"/?secret=HIDDEN", "stream.started")
	defer w.publish("live/show").End(nil)
	w.eventually("refusal", func() bool {
		list := w.deliveries(made.ID)
		return len(list) == 1 && list[0].Attempts == 1 && strings.Contains(list[0].Error, "127.0.0.1") && !strings.Contains(list[0].Error, "HIDDEN")
	})
	if len(r.got) > 0 {
		t.Error("the private address was reached")
	}
}

// When a network is allowed, what waits for a receiver in it is told at once; when it is not any more, no open connection is used.
func TestWebhookOutgoingChanges(t *testing.T) {
	var guard *netguard.Guard
	w := newWorld(t, func(d *Deps) {
		var err error
		guard, err = netguard.New(netguard.Config{})
		must(t, err)
		d.Guard = guard
	})
	r := newReceiver(t)
	made := w.hook(r.URL, "stream.started")
	tell := func() { w.api.events.publish(streamStarted, time.Now(), nil) }
	attempts := func(what string, n int) {
		t.Helper()
		w.eventually(what, func() bool { list := w.deliveries(made.ID); return len(list) > 0 && list[0].Attempts == n })
	}
	tell()
	attempts("refusal", 1)
	must(t, guard.SetAllow(netguard.Local()))
	w.api.OutgoingChanged()
	r.next(t)
	attempts("delivery", 2)
	must(t, guard.SetAllow(nil))
	w.api.OutgoingChanged()
	tell()
	attempts("another refusal", 1)
	if list := w.deliveries(made.ID); list[0].State != "waiting" || !strings.Contains(list[0].Error, "127.0.0.1") || len(r.got) > 0 {
		t.Errorf("%+v", list[0])
	}
}

// Webhooks from before a restart are told again after it.
func TestWebhooksSurviveRestart(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	w.hook(r.URL)
	again, err := New(w.api.deps)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- again.Run(ctx) }()
	w.eventually("second listener", func() bool {
		again.hooks.mu.Lock()
		defer again.hooks.mu.Unlock()
		return len(again.hooks.endpoints) == 1
	})
	again.events.publish(streamStarted, time.Now(), map[string]string{"name": "live/show"})
	r.next(t)
	cancel()
	must(t, <-done)
}
