package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// signed reports whether a request carries the signature of a webhook's secret.
func (r request) signed(t *testing.T, secret string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	must(t, err)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(r.header.Get("Webhook-Id") + "." + r.header.Get("Webhook-Timestamp") + "." + string(r.body)))
	return r.header.Get("Webhook-Signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// waitingRows is what the catalog says that webhooks have still to be told.
func (w *world) waitingRows() int {
	w.t.Helper()
	list, err := w.access.Deliveries(w.t.Context(), time.Now().Add(-hookAge))
	must(w.t, err)
	return len(list)
}

// What a receiver that is away has not been told is told after a restart, in order, and then forgotten.
func TestDeliveriesSurviveARestart(t *testing.T) {
	w := newWorld(t)
	w.api.hooks.backoff = []time.Duration{time.Millisecond}
	down, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := down.Addr().String()
	must(t, down.Close())
	made := w.hook("http://"+address, "stream.*")
	gone := w.hook("http://" + address + "/gone")
	var want []string
	publish := func(kind string) {
		w.api.events.publish(kind, time.Now(), map[string]string{"name": "live/show"})
		want = append(want, w.api.events.streams[len(w.api.events.streams)-1].ID)
	}
	for range 10 {
		publish(streamStarted)
		publish(streamEnded)
	}
	w.eventually("what waits in the catalog", func() bool { return w.waitingRows() == 40 })
	w.do(http.MethodDelete, base+"/webhooks/"+gone.ID, w.admin, nil).expect(http.StatusNoContent, "")
	w.eventually("attempts", func() bool { list := w.deliveries(made.ID); return list[len(list)-1].Attempts > 2 })

	w.api.hooks.remove(made.ID) // the first one is as good as killed
	up := newReceiver(t)
	listener, err := net.Listen("tcp", address)
	must(t, err)
	also := &http.Server{Handler: up.Config.Handler}
	go func() { _ = also.Serve(listener) }() // ends with Close
	t.Cleanup(func() { _ = also.Close() })
	again, err := New(w.api.deps)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- again.Run(ctx) }()
	for i, id := range want {
		r := up.next(t)
		var e received
		must(t, json.Unmarshal(r.body, &e))
		if r.header.Get("Webhook-Id") != id || e.ID != id || !r.signed(t, made.Secret) {
			t.Fatalf("request %d is %s, want %s", i, r.body, id)
		}
	}
	w.eventually("an empty ledger", func() bool { return w.waitingRows() == 0 })
	cancel()
	must(t, <-done)
	if len(up.got) > 0 {
		t.Errorf("told twice: %s", (<-up.got).body)
	}
}

// A receiver that is away gets its events in order; one that refuses an event gets the others meanwhile.
func TestOrderOfDeliveries(t *testing.T) {
	for status, want := range map[int]string{http.StatusServiceUnavailable: "1 1 2 3", http.StatusBadRequest: "1 2 3 1"} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			w := newWorld(t)
			order := make(chan string, 10)
			var first sync.Once
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var e received
				_ = json.NewDecoder(r.Body).Decode(&e)
				first.Do(func() { w.WriteHeader(status) })
				order <- e.Data["n"].(string)
			}))
			t.Cleanup(hook.Close)
			w.api.hooks.backoff = []time.Duration{300 * time.Millisecond}
			w.hook(hook.URL, "stream.started")
			for _, n := range []string{"1", "2", "3"} {
				w.api.events.publish(streamStarted, time.Now(), map[string]string{"n": n})
			}
			var got []string
			for range 4 {
				got = append(got, <-order)
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("the order is %s, not %s", s, want)
			}
		})
	}
}

// What could not be written is written later, without what was told meanwhile.
func TestLedgerKeepsWhatItCouldNotWrite(t *testing.T) {
	w := newWorld(t)
	hook := w.hook("http://127.0.0.1:9/", "session.closed")
	l := newLedger(w.access, w.api.hooks.log)
	now := time.Now().UTC()
	for _, id := range []string{"a", "b", "c"} {
		l.add(hook.ID, &Event{ID: id, Type: streamStarted, Timestamp: now, encoded: []byte("{}")})
	}
	never, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.write(never); err == nil {
		t.Fatal("it was written with a context that had ended")
	}
	l.done(hook.ID, "b")
	if more, err := l.write(t.Context()); err != nil || more {
		t.Fatal(more, err)
	}
	list, err := w.access.Deliveries(t.Context(), now.Add(-time.Hour))
	must(t, err)
	if len(list) != 2 || list[0].EventID != "a" || list[1].EventID != "c" || !list[0].At.Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("%+v", list)
	}
	for i := range 3 * ledgerBatch {
		l.add(hook.ID, &Event{ID: time.Duration(i).String(), Type: streamStarted, Timestamp: now})
	}
	l.done(hook.ID, "a")
	for more := true; more; {
		more, err = l.write(t.Context())
		must(t, err)
	}
	if n := w.waitingRows(); n != 3*ledgerBatch+1 {
		t.Errorf("%d rows", n)
	}
	l.forget(hook.ID)
}

// An outage is tried again at growing pauses, and sooner when something happens, but never before the receiver wants it.
func TestOutage(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var o outage
	if !o.until().IsZero() {
		t.Error("an outage that has not begun has an end")
	}
	backoff := []time.Duration{5 * time.Second, time.Hour}
	within := func(what string, at time.Time, from, to time.Duration) {
		t.Helper()
		if d := at.Sub(now); d < from || d > to {
			t.Errorf("%s after %v, not %v to %v", what, d, from, to)
		}
	}
	o.note(now, backoff, 0)
	within("the second attempt", o.until(), 5*time.Second, 6*time.Second)
	now = o.until()
	o.note(now, backoff, 0)
	within("the third attempt", o.until(), time.Hour, 72*time.Minute)
	planned := o.until()
	o.news = true
	within("an attempt for news", o.until(), hookProbe, hookProbe)
	now, o.news = o.until(), false
	o.note(now, backoff, 0)
	if o.failures != 2 || !o.until().Equal(planned) {
		t.Errorf("an attempt for news counts: %+v", o)
	}
	now = planned
	o.note(now, backoff, 3*time.Hour)
	o.news = true
	within("what the receiver wants", o.until(), 3*time.Hour, 3*time.Hour)
	if o.over(); !o.until().IsZero() {
		t.Error("it does not end")
	}
	if list := []int{200, 302, 400, 404, 410, 500, 501}; slices.ContainsFunc(list, away) {
		t.Error("a receiver that answers is taken for away")
	}
}

// What happens before the feed runs is told, once somebody has prepared it.
func TestWebhooksHearOfTheFirstEvents(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	made := w.hook(r.URL, "stream.started")
	w.api.hooks.remove(made.ID) // only the second one is to tell
	again, err := New(w.api.deps)
	must(t, err)
	again.Prepare(t.Context())
	p := w.publish("live/first")
	defer p.End(nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- again.Run(ctx) }()
	if got := r.next(t); !strings.Contains(string(got.body), "live/first") {
		t.Errorf("told of %s", got.body)
	}
	cancel()
	must(t, <-done)
}
