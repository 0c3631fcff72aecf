package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// eventLog is what the event stream told, and when.
type eventLog struct {
	mu   sync.Mutex
	ids  map[string]time.Time
	done chan struct{}
}

// events reads the event stream until the server ends.
func (w *weir) events(t *testing.T) *eventLog {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.http("/api/v1/events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.api(http.MethodGet, "/streams", nil, nil) // makes the token
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	l := &eventLog{ids: map[string]time.Time{}, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		defer resp.Body.Close()
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			var e struct{ ID, Type string }
			if d, ok := strings.CutPrefix(s.Text(), "data: "); ok && json.Unmarshal([]byte(d), &e) == nil && strings.HasPrefix(e.Type, "session.") {
				l.mu.Lock()
				l.ids[e.ID] = time.Now()
				l.mu.Unlock()
			}
		}
	}()
	return l
}

// TestWebhooksOutliveKills has viewers come and go, kills the server again and again, with the receiver there in every other
// round, and wants each event that was a quarter of a second old to be told, in order.
func TestWebhooksOutliveKills(t *testing.T) {
	long(t)
	w := start(t, "--outgoing.allow", "127.0.0.0/8")
	key := w.key("live/*")
	hook := listen(t, "127.0.0.1:0")
	address := hook.Listener.Addr().String()
	w.api(http.MethodPost, "/webhooks", map[string]any{"url": "http://" + address + "/", "types": []string{"session.*"}}, nil)
	var order []string
	seen, must := map[string]bool{}, map[string]bool{}
	take := func() {
		for _, m := range hook.all() {
			if !seen[m.id] {
				seen[m.id], order = true, append(order, m.id)
			}
		}
	}
	for round := range 16 {
		log := w.events(t)
		p := w.pattern("live/one", key)
		if round%2 == 1 {
			hook.Close()
			take()
		}
		for end := time.Now().Add(time.Duration(1500+rand.IntN(2500)) * time.Millisecond); time.Now().Before(end); pause(t, 60*time.Millisecond) {
			viewFLV(t, w.http("/live/one/stream.flv")).close()
		}
		died := time.Now()
		w.kill()
		p.kill()
		<-log.done
		for id, at := range log.ids {
			if died.Sub(at) > 250*time.Millisecond {
				must[id] = true
			}
		}
		if round%2 == 1 {
			hook = listen(t, address)
		}
		w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	}
	eventually(t, 30*time.Second, "all events", func() error {
		take()
		missing := 0
		for id := range must {
			if !seen[id] {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d events are missing", missing, len(must))
		}
		return nil
	})
	for i, id := range order {
		if i > 0 && id < order[i-1] {
			t.Errorf("%s was told after %s", id, order[i-1])
		}
	}
	t.Logf("%d events told, %d of them had to be, none missing", len(order), len(must))
}
