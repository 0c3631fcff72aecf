package rtmp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"weir/internal/fault"
)

// Servers that relay a stream in a circle: whichever way it comes back, the one that it started from refuses it.
func TestCirclesOfServersAreRefused(t *testing.T) {
	t.Parallel()
	first, second := newStack(t, Config{}), newStack(t, Config{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	first.published(t)

	ended := make(chan error, 1)
	go func() {
		ended <- Pull(ctx, PullConfig{ClientConfig: ClientConfig{URL: first.url("live/show"), Via: second.hub.ID()}}, second.hub, "live/show")
	}()
	waitFor(t, "the pulled stream", func() bool { return second.hub.Stream("live/show") != nil })
	back := ClientConfig{URL: second.url("live/show"), Via: first.hub.ID()}
	if err := Pull(ctx, PullConfig{ClientConfig: back}, first.hub, "live/other"); fault.Code(err) != "relay_loop" {
		t.Errorf("pulled back: %v", err)
	}
	there := ClientConfig{URL: first.url("live/another"), Via: second.hub.Stream("live/show").Via()}
	if err := Push(ctx, PushConfig{ClientConfig: there, Fan: second.fan}, second.hub, "live/show"); fault.Code(err) != "remote_busy" {
		t.Errorf("pushed back: %v", err)
	}
	cancel()
	<-ended
}

func TestAnFLVPullHeedsWhereItComesFrom(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	file, err := os.ReadFile("testdata/sample.flv")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Weir-Via", s.hub.ID()+" OTHER")
		_, _ = w.Write(file)
	}))
	defer web.Close()
	if err := PullFLV(t.Context(), PullConfig{ClientConfig: ClientConfig{URL: web.URL}}, web.Client(), s.hub, "live/flv"); fault.Code(err) != "relay_loop" {
		t.Errorf("%v", err)
	}
}
