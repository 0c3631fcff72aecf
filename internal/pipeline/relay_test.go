package pipeline

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// puller is an attempt that publishes into the hub as a real one does, as long as it is up.
type puller struct {
	journal
	hub  *hub.Hub
	down atomic.Bool
	cut  chan struct{} // of this bubble: cuts the running attempts
}

func (p *puller) attempt(ctx context.Context, a Attempt) error {
	p.note(a.URL)
	if !wait(ctx, 50*time.Millisecond) { // it takes a while to connect
		return context.Cause(ctx)
	}
	if p.down.Load() {
		return errRefused
	}
	pub, err := p.hub.Publish(hub.Offer{Name: a.Stream, Tracks: []media.Track{{Kind: media.Video, Codec: media.H264, TimeScale: 90000}}})
	if err != nil {
		return err
	}
	a.Live()
	a.Count(1000)
	select {
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-p.cut:
		err = nil
	}
	pub.Close(err)
	return err
}

func withPuller(t *testing.T, f func(t *testing.T, p *Pipeline, pull *puller)) {
	t.Helper()
	pull := &puller{}
	bubble(t, Config{Pull: pull.attempt}, func(t *testing.T, p *Pipeline, h *hub.Hub) {
		pull.hub, pull.cut = h, make(chan struct{})
		f(t, p, pull)
	})
}

func TestAPullIsTriedForEver(t *testing.T) {
	withPuller(t, func(t *testing.T, p *Pipeline, pull *puller) {
		pull.down.Store(true)
		if err := p.AddPull(Relay{ID: "1", Stream: "live/a", URL: "rtmp://u:secret@there/live/a?key=secret"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := state(t, p.Pulls(), "1"); s.State != Connecting || s.Attempts != 1 || s.URL != "rtmp://***@there/live/a?***" {
			t.Errorf("%+v", s)
		}
		faketime.Pass(time.Hour)
		gaps := pull.gaps()
		for i := range gaps {
			gaps[i] -= 50 * time.Millisecond
		}
		grows(t, gaps, 500*time.Millisecond, 30*time.Second)
		if pull.len() < 100 {
			t.Errorf("%d attempts in an hour", pull.len())
		}
		s := state(t, p.Pulls(), "1")
		if s.State != Waiting || fault.Code(s.LastError) != "remote_refused" || !s.NextRetry.After(time.Now()) {
			t.Errorf("%+v", s)
		}
		pull.down.Store(false)
		faketime.Pass(31 * time.Second)
		s = state(t, p.Pulls(), "1")
		if s.State != Running || s.LastError != nil || s.Bytes != 1000 || pull.hub.Stream("live/a") == nil {
			t.Errorf("%+v", s)
		}
		faketime.Pass(steady) // it may have begun only now
		pull.cut <- struct{}{}
		synctest.Wait()
		s = state(t, p.Pulls(), "1")
		if pause := time.Until(s.NextRetry); s.State != Waiting || pause > 500*time.Millisecond || fault.Code(s.LastError) != "remote_ended" {
			t.Errorf("after a steady run: %+v, pause %v", s, pause)
		}
		p.RemovePull("1")
		n := pull.len()
		faketime.Pass(time.Hour)
		if pull.len() != n || len(p.Pulls()) != 0 {
			t.Error("tried after its removal")
		}
	})
}

func TestAPullGivesWayToPublishers(t *testing.T) {
	withPuller(t, func(t *testing.T, p *Pipeline, pull *puller) {
		local := publish(t, pull.hub, "live/a")
		for _, id := range []string{"1", "2"} {
			if err := p.AddPull(Relay{ID: id, Stream: "live/a", URL: "rtmp://there/" + id}); err != nil {
				t.Fatal(err)
			}
		}
		faketime.Pass(time.Hour)
		if s := state(t, p.Pulls(), "1"); pull.len() != 0 || s.State != Waiting || !s.NextRetry.IsZero() {
			t.Errorf("beside a publisher: %d attempts, %+v", pull.len(), s)
		}
		local.Close(nil)
		faketime.Pass(time.Hour)
		if n := pull.len(); n != 2 { // of two that begin at once, one is refused by the hub
			t.Errorf("%d attempts once the publisher has gone", n)
		}
		pull.cut <- struct{}{}
		faketime.Pass(time.Second)
		if pull.hub.Stream("live/a").State() != hub.Live {
			t.Error("none of the two goes on")
		}
	})
}

func TestAPanicInAnAttemptIsAFailure(t *testing.T) {
	var tries journal
	cfg := Config{Pull: func(context.Context, Attempt) error { tries.note(""); panic("a bug") }}
	bubble(t, cfg, func(t *testing.T, p *Pipeline, _ *hub.Hub) {
		if err := p.AddPull(Relay{ID: "1", Stream: "live/a", URL: "rtmp://there/live/a"}); err != nil {
			t.Fatal(err)
		}
		faketime.Pass(time.Minute)
		if s := state(t, p.Pulls(), "1"); fault.Code(s.LastError) != "internal" || tries.len() < 5 || p.Stats().Panics == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestRelaysAddedBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries journal
		h := hub.New(hub.Config{}, quiet)
		defer h.Close()
		p := New(Config{Pull: func(context.Context, Attempt) error { tries.note(""); return errRefused }}, h, quiet)
		if err := p.AddPull(Relay{ID: "1", Stream: "live/a", URL: "rtmp://there/live/a"}); err != nil {
			t.Fatal(err)
		}
		faketime.Pass(time.Second)
		if tries.len() != 0 {
			t.Error("tried before Run")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = p.Run(ctx)
		if tries.len() == 0 {
			t.Error("not tried in Run")
		}
		if err := p.AddPull(Relay{ID: "2", Stream: "live/b", URL: "rtmp://there/live/b"}); fault.Code(err) != "server_stopping" {
			t.Errorf("added after Run: %v", err)
		}
	})
}

func TestRefusedRelays(t *testing.T) {
	cfg := Config{Pull: func(ctx context.Context, _ Attempt) error { <-ctx.Done(); return nil }, MaxRelays: 3}
	bubble(t, cfg, func(t *testing.T, p *Pipeline, _ *hub.Hub) {
		for _, c := range []struct {
			relay Relay
			code  string
		}{
			{Relay{ID: "1", Stream: "live/a", URL: "rtmp://there/live/a"}, ""},
			{Relay{ID: "1", Stream: "live/b", URL: "rtmp://there/live/a"}, "relay_exists"},
			{Relay{ID: "2", Stream: "live/..", URL: "rtmp://there/live/a"}, "name_bad_char"},
			{Relay{ID: "2", Stream: "live/*", URL: "rtmp://there/live/{path}"}, "relay_pattern_bad"},
			{Relay{ID: "2", Stream: "live/*", URL: "rtmp://there/live/a", OnDemand: true}, "relay_pattern_bad"},
			{Relay{ID: "2", Stream: "*/a", URL: "rtmp://there/live/{path}", OnDemand: true}, "relay_pattern_bad"},
			{Relay{ID: "2", Stream: "live/*", URL: "rtmp://there/live/{path}", OnDemand: true}, ""},
			{Relay{ID: "3", Stream: "*", URL: "rtmp://there/{path}", OnDemand: true}, ""},
			{Relay{ID: "4", Stream: "live/d", URL: "rtmp://there/live/d"}, "too_many_relays"},
		} {
			if err := p.AddPull(c.relay); fault.Code(err) != c.code {
				t.Errorf("%+v: %v, want %q", c.relay, err, c.code)
			}
		}
		if err := p.AddPush(Relay{ID: "1", Stream: "live/a", URL: "rtmp://there/live/a"}); fault.Code(err) != "relays_off" {
			t.Error("a push without a way to push:", err)
		}
		if got := p.Stats(); got.Pulls != 3 || got.Pushes != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestMask(t *testing.T) {
	for _, c := range [][3]string{
		{"rtmp://a.example/live2/abcd-efgh", "rtmp://a.example/live2/abcd-efgh", "rtmp://a.example/live2/***"},
		{"rtmps://u:p@a.example:443/app/key?x=1", "rtmps://***@a.example:443/app/key?***", "rtmps://***@a.example:443/app/***?***"},
		{"rtmp://a.example/live/{path}", "rtmp://a.example/live/{path}", "rtmp://a.example/live/***"},
		{"http://a.example", "http://a.example", "http://a.example"},
		{"::secret::", "***", "***"},
		{"secret", "***", "***"},
	} {
		if pull, push := mask(c[0], Pull), mask(c[0], Push); pull != c[1] || push != c[2] {
			t.Errorf("%s: %s and %s", c[0], pull, push)
		}
	}
}

func TestAPushFollowsItsStream(t *testing.T) {
	var good, bad journal
	var h *hub.Hub
	push := func(ctx context.Context, a Attempt) error {
		if a.URL == "rtmp://bad/x" {
			bad.note("")
			return errRefused
		}
		good.note(a.URL)
		a.Live()
		select {
		case <-h.Stream(a.Stream).Done():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	bubble(t, Config{Push: push}, func(t *testing.T, p *Pipeline, hb *hub.Hub) {
		h = hb
		for id, url := range map[string]string{"1": "rtmp://good/x", "2": "rtmp://bad/x", "3": "rtmp://fine/x"} {
			if err := p.AddPush(Relay{ID: id, Stream: "live/a", URL: url}); err != nil {
				t.Fatal(err)
			}
		}
		faketime.Pass(time.Minute)
		if s := state(t, p.Pushes(), "1"); s.State != Waiting || !s.NextRetry.IsZero() || good.len()+bad.len() != 0 {
			t.Errorf("before the stream: %+v", s)
		}
		pub := publish(t, h, "live/a")
		faketime.Pass(time.Minute)
		slices.Sort(good.names)
		if !slices.Equal(good.names, []string{"rtmp://fine/x", "rtmp://good/x"}) || p.Stats().Pushing != 2 {
			t.Errorf("%v, %+v", good.names, p.Stats())
		}
		grows(t, bad.gaps(), 500*time.Millisecond, 30*time.Second)
		pub.End(nil)
		faketime.Pass(time.Hour)
		n := bad.len()
		if s := state(t, p.Pushes(), "2"); s.State != Waiting || !s.NextRetry.IsZero() || s.LastError != nil || n > 10 {
			t.Errorf("after the stream: %+v, %d attempts", s, n)
		}
		publish(t, h, "live/a")
		faketime.Pass(time.Second)
		if good.len() != 4 || bad.len() < n+2 {
			t.Errorf("not pushed again: %d and %d", good.len(), bad.len()-n)
		}
		if s := state(t, p.Pushes(), "1"); s.State != Running || s.LastError != nil {
			t.Errorf("%+v", s)
		}
	})
}
