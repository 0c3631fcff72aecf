package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

const patience = 10 * time.Second

func add(t *testing.T, p *Pipeline, relays ...Relay) {
	t.Helper()
	for _, r := range relays {
		if err := p.AddPull(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnDemandPullRunsWhileSomebodyWatches(t *testing.T) {
	withPuller(t, func(t *testing.T, p *Pipeline, pull *puller) {
		add(t, p, Relay{ID: "1", Stream: "live/a", URL: "rtmp://there/live/a", OnDemand: true})
		faketime.Pass(time.Minute)
		if s := state(t, p.Pulls(), "1"); s.State != Off || pull.len() != 0 {
			t.Fatalf("%+v", s)
		}
		sub, err := pull.hub.Subscribe(t.Context(), "live/a", hub.Want{Wait: patience})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := state(t, p.Pulls(), "1"); s.State != Running || s.Bytes != 1000 {
			t.Errorf("%+v", s)
		}
		pull.cut <- struct{}{}
		faketime.Pass(time.Second)
		if s := state(t, p.Pulls(), "1"); s.State != Running || s.Attempts != 2 || pull.hub.Stream("live/a") != sub.Stream() {
			t.Errorf("the pull does not come back while somebody watches: %+v", s)
		}
		sub.Close()
		faketime.Pass(time.Minute)
		if s := state(t, p.Pulls(), "1"); s.State != Off || pull.hub.Stream("live/a") != nil {
			t.Errorf("still pulled though nobody watches: %+v", s)
		}
	})
}

func TestTheViewerLearnsAtOnceThatThePullFails(t *testing.T) {
	withPuller(t, func(t *testing.T, p *Pipeline, pull *puller) {
		pull.down.Store(true)
		add(t, p, Relay{ID: "1", Stream: "live/a", URL: "rtmp://there/live/a", OnDemand: true}, Relay{ID: "2", Stream: "live/b", URL: "rtmp://there/live/b"})
		for name, code := range map[string]string{"live/a": "remote_refused", "live/b": "remote_refused", "live/c": "stream_unknown"} {
			begun := time.Now()
			_, err := pull.hub.Subscribe(t.Context(), name, hub.Want{Wait: patience})
			if fault.Code(err) != code || time.Since(begun) > 200*time.Millisecond {
				t.Errorf("%s: %v after %v, want %s", name, err, time.Since(begun), code)
			}
		}
		pull.down.Store(false)
		faketime.Pass(time.Minute)
		if s := state(t, p.Pulls(), "1"); s.State != Off || s.Attempts != 1 || fault.Code(s.LastError) != "remote_refused" {
			t.Errorf("%+v", s)
		}
	})
}

func TestViewersWaitForAStandingPull(t *testing.T) {
	withPuller(t, func(t *testing.T, p *Pipeline, pull *puller) {
		add(t, p, Relay{ID: "1", Stream: "live/a", URL: "rtmp://there/live/a"})
		sub, err := pull.hub.Subscribe(t.Context(), "live/a", hub.Want{Wait: patience})
		if err != nil {
			t.Fatal(err)
		}
		sub.Close()
		if pull.len() != 1 {
			t.Errorf("%d attempts", pull.len())
		}
	})
}

func TestPatternsOfPulls(t *testing.T) {
	withPuller(t, func(t *testing.T, p *Pipeline, pull *puller) {
		add(t, p,
			Relay{ID: "1", Stream: "live/*", URL: "rtmp://live/{path}", OnDemand: true},
			Relay{ID: "2", Stream: "live/deep/*", URL: "rtmp://deep/x/{path}?k=1", OnDemand: true},
			Relay{ID: "3", Stream: "live/exact", URL: "rtmp://exact/", OnDemand: true},
			Relay{ID: "4", Stream: "live/deep/*", URL: "rtmp://never/{path}", OnDemand: true},
		)
		for _, c := range [][2]string{
			{"live/a", "rtmp://live/a"}, {"live/a/b", "rtmp://live/a/b"}, {"live/deep/c", "rtmp://deep/x/c?k=1"},
			{"live/exact", "rtmp://exact/"}, {"live/名", "rtmp://live/%E5%90%8D"},
		} {
			sub, err := pull.hub.Subscribe(t.Context(), c[0], hub.Want{Wait: patience})
			if err != nil {
				t.Errorf("%s: %v", c[0], err)
				continue
			}
			defer sub.Close()
			if got := pull.names[pull.len()-1]; got != c[1] {
				t.Errorf("%s is pulled from %s, want %s", c[0], got, c[1])
			}
		}
		if s := state(t, p.Pulls(), "1"); s.State != Running || s.Bytes != 3000 || s.Attempts != 3 {
			t.Errorf("%+v", s)
		}
		for _, name := range []string{"other/a", "live", "live/a b"} {
			if err := p.Supply(t.Context(), hub.Request{Name: name}); fault.Code(err) != "no_source" {
				t.Errorf("%s: %v", name, err)
			}
		}
		p.RemovePull("1")
		faketime.Pass(time.Second)
		if n := p.Stats().Pulling; n != 2 {
			t.Errorf("%d pull after the removal of one", n)
		}
	})
}

func TestOnDemandPullsAreBounded(t *testing.T) {
	hold := func(ctx context.Context, a Attempt) error {
		a.Live()
		<-ctx.Done()
		return context.Cause(ctx)
	}
	bubble(t, Config{Pull: hold, MaxOnDemand: 2}, func(t *testing.T, p *Pipeline, _ *hub.Hub) {
		add(t, p, Relay{ID: "1", Stream: "live/*", URL: "rtmp://there/{path}", OnDemand: true})
		ctx, cancel := context.WithCancel(t.Context())
		for _, name := range []string{"live/a", "live/b"} {
			go func() { _ = p.Supply(ctx, hub.Request{Name: name}) }()
		}
		synctest.Wait()
		if err := p.Supply(ctx, hub.Request{Name: "live/c"}); fault.Code(err) != "too_many_pulls" {
			t.Error(err)
		}
		cancel()
		synctest.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Supply(ctx, hub.Request{Name: "live/c"}); ctx.Err() == nil {
			t.Error("the places were not given back:", err)
		}
	})
}

func TestCodecRequestsAreHandedOn(t *testing.T) {
	asked := make(map[media.Codec]int)
	codec := func(_ context.Context, r hub.Request) error {
		asked[r.Codec]++
		if r.Codec == media.AAC {
			panic("a bug")
		}
		return errRefused
	}
	bubble(t, Config{Codec: codec}, func(t *testing.T, p *Pipeline, _ *hub.Hub) {
		if err := p.Supply(t.Context(), hub.Request{Name: "live/a", Codec: media.Opus}); err != errRefused || asked[media.Opus] != 1 {
			t.Error(err)
		}
		if err := p.Supply(t.Context(), hub.Request{Name: "live/a", Codec: media.AAC}); fault.Code(err) != "internal" {
			t.Error(err)
		}
		p.cfg.Codec = nil
		if err := p.Supply(t.Context(), hub.Request{Name: "live/a", Codec: media.Opus}); fault.Code(err) != "conversion_unsupported" {
			t.Error(err)
		}
	})
}
