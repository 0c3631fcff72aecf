package recordings

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/timeline"
)

// world is the scenario over a hub and a timeline in memory, with a clock of its own.
type world struct {
	*Recordings
	t     *testing.T
	hub   *hub.Hub
	store *timeline.Store
	clock time.Time
	told  <-chan Event
}

func newWorld(t *testing.T, p Policy) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := timeline.NewStore(timeline.Config{Dir: t.TempDir(), Keep: p.Keep}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = store.Run(ctx); close(done) }() // ends with ctx
	t.Cleanup(func() { cancel(); <-done; store.Close() })
	h := hub.New(hub.Config{}, log)
	t.Cleanup(h.Close)
	e := NewEvents()
	w := &world{t: t, hub: h, store: store, clock: time.Now()}
	var stop func()
	w.told, stop = e.Watch()
	t.Cleanup(stop)
	w.Recordings = New(h, store, func() Policy { return p }, e, log)
	w.now = func() time.Time { return w.clock }
	return w
}

// footage appends n segments of two seconds, the last of which ends now, and returns where they begin.
func (w *world) footage(name string, n int) time.Time {
	w.t.Helper()
	tl, err := w.store.Open(name)
	if err != nil {
		w.t.Fatal(err)
	}
	const d = 2 * time.Second
	first := w.clock.UnixNano()/int64(d) - int64(n)
	if _, err = tl.BeginRun(timeline.Run{
		FirstN: first, Start: time.Unix(0, first*int64(d)), SegmentDuration: d,
		Renditions: []timeline.Rendition{{Name: "v0", Track: media.Track{Kind: media.Video, Codec: media.H264, TimeScale: 90000}}},
	}); err != nil {
		w.t.Fatal(err)
	}
	for i := range int64(n) {
		at := (first + i) * 180000
		if err := tl.Append("v0", timeline.Part{N: first + i, Start: at, DTS: at, Duration: 180000, Independent: true, Data: []byte{1}, Last: true}); err != nil {
			w.t.Fatal(err)
		}
	}
	return time.Unix(0, first*int64(d))
}

func (w *world) publish(name string) *hub.Publication {
	w.t.Helper()
	p, err := w.hub.Publish(hub.Offer{Name: name, Tracks: []media.Track{{ID: 1, Kind: media.Video, Codec: media.H264, TimeScale: 90000}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) expect(kind string) Event {
	w.t.Helper()
	select {
	case e := <-w.told:
		if e.Kind != kind {
			w.t.Fatalf("told of %s, want %s", e.Kind, kind)
		}
		return e
	default:
		w.t.Fatalf("not told of %s", kind)
		return Event{}
	}
}

func TestRuleRecordsEachBroadcast(t *testing.T) {
	w := newWorld(t, Policy{DVR: time.Hour, Rules: []Rule{{Streams: "live/*", For: 24 * time.Hour, Record: true}}})
	w.publish("live/a")
	w.publish("other/b")
	w.began(t.Context(), "live/a")
	w.began(t.Context(), "live/a") // a restart in between begins no second one
	w.began(t.Context(), "other/b")
	w.expect(Started)
	from := w.clock
	w.clock = w.clock.Add(20 * time.Second)
	w.footage("live/a", 10)
	w.over(t.Context(), "live/a")
	e := w.expect(Finished)
	if p := e.Record.Pin; p.To.After(w.clock) || p.To.Before(from) || !p.Until.Equal(p.To.Add(24*time.Hour)) || p.By != byRule {
		t.Errorf("%+v", p)
	}
	list, err := w.List(t.Context(), Filter{}, "", 10)
	if err != nil || len(list) != 1 || list[0].Running {
		t.Errorf("%+v, %v", list, err)
	}
	w.clock = w.clock.Add(23 * time.Hour)
	w.expire(t.Context())
	if len(w.store.Pins("")) != 1 {
		t.Error("forgotten an hour too early")
	}
	w.clock = w.clock.Add(2 * time.Hour)
	w.expire(t.Context())
	if len(w.store.Pins("")) != 0 {
		t.Error("its time has come, and it is still there")
	}
	w.expect(Deleted)
}

func TestOrphansEndWhereTheirFootageEnds(t *testing.T) {
	w := newWorld(t, Policy{DVR: time.Hour})
	w.publish("live/back")
	begun := w.clock
	w.clock = w.clock.Add(10 * time.Second)
	w.footage("live/gone", 10)
	for _, name := range []string{"live/gone", "live/back"} {
		if _, err := w.store.Pin(t.Context(), timeline.Pin{Timeline: name, Kind: Recording, Title: name, From: begun}); err != nil {
			t.Fatal(err)
		}
	}
	tl, _ := w.store.Open("live/gone")
	tl.End()
	end := w.clock
	w.clock = w.clock.Add(resume)
	w.finishOrphans(t.Context())
	for _, p := range w.store.Pins("") {
		switch {
		case p.Timeline == "live/back" && !p.To.IsZero():
			t.Error("a stream that came back must go on being recorded")
		case p.Timeline == "live/gone" && (p.To.IsZero() || p.To.After(end)):
			t.Errorf("ends %v, its footage ends %v", p.To, end)
		}
	}
}

func TestBytesOfAPart(t *testing.T) {
	for _, c := range []struct {
		part, whole time.Duration
		want        int64
	}{{2 * time.Second, time.Minute, 100}, {time.Minute, time.Minute, 3000}, {time.Hour, time.Minute, 3000}, {0, time.Minute, 0}, {0, 0, 3000}} {
		if got := share(3000, c.part, c.whole); got != c.want {
			t.Errorf("%v of %v weigh %d, want %d", c.part, c.whole, got, c.want)
		}
	}
}

func TestGapsMakeARecordingIncomplete(t *testing.T) {
	w := newWorld(t, Policy{})
	from := w.footage("live/a", 10)
	whole, err := w.Begin(t.Context(), Begin{Stream: "live/a", From: from, To: w.clock})
	if err != nil || !whole.Complete || whole.Covered != 20*time.Second {
		t.Errorf("%+v, %v", whole, err)
	}
	part, err := w.Begin(t.Context(), Begin{Stream: "live/a", From: from.Add(time.Second), To: from.Add(5 * time.Second)})
	if err != nil || !part.Complete || part.Covered != 4*time.Second {
		t.Errorf("of four seconds %v are covered, %v", part.Covered, err)
	}
	holed, err := w.Begin(t.Context(), Begin{Stream: "live/a", From: from.Add(-time.Minute), To: w.clock})
	if err != nil || holed.Complete {
		t.Errorf("%+v, %v", holed, err)
	}
}

func TestPolicy(t *testing.T) {
	p := Policy{DVR: 2 * time.Hour, Rules: []Rule{
		{Streams: "a/*", For: time.Hour}, {Streams: "b/*"}, {Streams: "c/*", For: 240 * time.Hour, Record: true}, {Streams: "d/*", Bytes: 5},
	}}
	for name, want := range map[string]timeline.Keep{
		"a/x": {For: 2 * time.Hour}, "b/x": {For: -1}, "c/x": {For: 2 * time.Hour}, "d/x": {For: -1, Bytes: 5}, "e/x": {For: 2 * time.Hour},
	} {
		if got := p.Keep(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for _, bad := range []Policy{{DVR: -1}, {Rules: []Rule{{Streams: "a//b"}}}, {Rules: []Rule{{Streams: "a/*", For: -time.Hour}}}} {
		if err := bad.Validate(); fault.Of(err) == nil || err == nil {
			t.Errorf("%+v was let through", bad)
		}
	}
}
