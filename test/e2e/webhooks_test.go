package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// listener is a program that takes webhooks.
type listener struct {
	*httptest.Server
	mu   sync.Mutex
	told []told
}

type told struct {
	id, stamp, signature string
	body                 []byte
}

func listen(t *testing.T, address string) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		l.told = append(l.told, told{r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), r.Header.Get("Webhook-Signature"), body})
		l.mu.Unlock()
	}))
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Listener.Close()
	l.Listener = ln
	l.Start()
	t.Cleanup(l.Close)
	return l
}

func (l *listener) all() []told {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

// TestWebhooksOutliveTheServer has streams come and go while the receiver of webhooks is down, ends the server by kill -9 and
// in order, and starts both again: every event comes, in order, with a signature that is right.
func TestWebhooksOutliveTheServer(t *testing.T) {
	for name, end := range map[string]func(*weir){"kill": (*weir).kill, "stop": (*weir).stop} {
		t.Run(name, func(t *testing.T) {
			w := start(t, "--outgoing.allow", "127.0.0.0/8", "--streams.grace", "1s")
			key := w.key("live/*")
			before := listen(t, "127.0.0.1:0")
			address := before.Listener.Addr().String()
			before.Close()
			var made struct{ ID, Secret string }
			w.api(http.MethodPost, "/webhooks", map[string]any{"url": "http://" + address + "/", "types": []string{"stream.started", "stream.ended"}}, &made)
			var want []string
			for i := range 3 {
				stream := fmt.Sprintf("live/s%d", i)
				w.pattern(stream, key).kill()
				eventually(t, 15*time.Second, "the end of "+stream, func() error {
					if err := w.tryAPI(http.MethodGet, "/streams/live%2Fs"+fmt.Sprint(i), nil, nil); err == nil {
						return fmt.Errorf("it is there")
					}
					return nil
				})
				want = append(want, "stream.started "+stream, "stream.ended "+stream)
			}
			last := w.pattern("live/last", key)
			want = append(want, "stream.started live/last")
			pause(t, 300*time.Millisecond) // an event is written down at once, but that takes a moment
			end(w)
			last.kill()
			hook := listen(t, address)
			w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
			eventually(t, 20*time.Second, "all events", func() error {
				if n := len(hook.all()); n < len(want) {
					return fmt.Errorf("%d of %d", n, len(want))
				}
				return nil
			})
			checkTold(t, hook.all(), made.Secret, want)
			end(w) // nothing waits now; a kill may leave twins of what was told in the last moment
			w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
			w.pattern("live/after", key)
			eventually(t, 20*time.Second, "another event", func() error {
				if body := string(hook.all()[len(hook.all())-1].body); !strings.Contains(body, "live/after") {
					return fmt.Errorf("the last one is %s", body)
				}
				return nil
			})
			once := hook.all()
			if name == "kill" {
				slices.SortStableFunc(once, func(a, b told) int { return strings.Compare(a.id, b.id) })
				once = slices.CompactFunc(once, func(a, b told) bool { return a.id == b.id })
			}
			checkTold(t, once, made.Secret, append(want, "stream.started live/after"))
		})
	}
}

func checkTold(t *testing.T, list []told, secret string, want []string) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	var got, ids []string
	for _, m := range list {
		var e struct {
			Type string
			Data struct{ Name string }
		}
		if err := json.Unmarshal(m.body, &e); err != nil {
			t.Fatal(err)
		}
		got, ids = append(got, e.Type+" "+e.Data.Name), append(ids, m.id)
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", m.id, m.stamp, m.body)
		if m.signature != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("the signature of %s is wrong", m.body)
		}
	}
	if !slices.Equal(got, want) || !slices.IsSorted(ids) || len(slices.Compact(ids)) != len(want) {
		t.Errorf("told of %q with ids %q, want %q", got, ids, want)
	}
}
