package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f beside a running pipeline on fake time and checks that all of it ends.
func bubble(t *testing.T, cfg Config, f func(t *testing.T, p *Pipeline, h *hub.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Config{}, quiet)
		p := New(cfg, h, quiet)
		h.SetSupplier(p)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		f(t, p, h)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		h.Close()
		synctest.Wait()
	})
}

func publish(t *testing.T, h *hub.Hub, name string) *hub.Publication {
	t.Helper()
	p, err := h.Publish(hub.Offer{Name: name, Tracks: []media.Track{{Kind: media.Video, Codec: media.H264, TimeScale: 90000}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// journal remembers when something happened.
type journal struct {
	mu    sync.Mutex
	times []time.Time
	names []string
}

func (j *journal) note(name string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.times, j.names = append(j.times, time.Now()), append(j.names, name)
	return len(j.names)
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.names)
}

// pauses between the entries.
func (j *journal) gaps() (out []time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := 1; i < len(j.times); i++ {
		out = append(out, j.times[i].Sub(j.times[i-1]))
	}
	return out
}

var errRefused = fault.New(fault.Unavailable, "remote_refused", "The server said no.", "")

// grows checks pauses that double from first to longest, with up to a quarter off.
func grows(t *testing.T, gaps []time.Duration, first, longest time.Duration) {
	t.Helper()
	want := first
	for i, g := range gaps {
		if g > want || g < want*3/4 {
			t.Errorf("pause %d is %v, want %v or up to a quarter less", i, g, want)
		}
		want = min(2*want, longest)
	}
}

func state(t *testing.T, list []RelayState, id string) RelayState {
	t.Helper()
	for _, s := range list {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("no relay %s", id)
	return RelayState{}
}

// wait returns false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
