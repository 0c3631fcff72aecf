package playout

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/timeline"
)

// past has footage of every stream, and never gives any of it: what plays it waits.
type past struct{ asked chan struct{} }

func (p past) Spans(_ context.Context, _ string, r timeline.Range, _ time.Duration) ([]timeline.Span, error) {
	return []timeline.Span{{From: r.From, To: r.To, Run: 1}}, nil
}

func (p past) Past(ctx context.Context, _ string, _ timeline.Range) (*timeline.Snapshot, error) {
	p.asked <- struct{}{}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (past) OpenSegment(context.Context, string, uint64, string, int64) (*timeline.Reader, error) {
	return nil, timeline.ErrGone
}

func (past) Init(context.Context, string, uint64, string) ([]byte, error) {
	return nil, timeline.ErrGone
}

func TestReplays(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	h := hub.New(hub.Config{}, log)
	defer h.Close()
	d := session.New(session.Config{}, log)
	defer d.Close()
	p := past{asked: make(chan struct{}, maxReplays)}
	r := New(h, d, p, log)
	defer r.Close()
	refused := func(code string, o Order) {
		t.Helper()
		if _, err := r.Start(t.Context(), o); fault.Of(err).Code != code {
			t.Errorf("%+v: %v, want %s", o, err, code)
		}
	}
	refused("name_empty", Order{Stream: "a/b", As: ""})
	refused("replay_into_itself", Order{Stream: "a/b", As: "a/b"})
	refused("replay_speed", Order{Stream: "a/b", As: "a/c", Speed: 33})
	refused("range_empty", Order{Stream: "a/b", As: "a/c", From: time.Unix(2, 0), To: time.Unix(1, 0)})
	if _, err := h.Publish(hub.Offer{Name: "a/busy", Tracks: []media.Track{{ID: 1, Kind: media.Video, Codec: media.H264, TimeScale: 90000}}}); err != nil {
		t.Fatal(err)
	}
	refused("stream_busy", Order{Stream: "a/b", As: "a/busy"})
	to := time.Now()
	first, err := r.Start(t.Context(), Order{Stream: "a/b", As: "a/c", From: to.Add(-time.Minute), To: to})
	if err != nil {
		t.Fatal(err)
	}
	<-p.asked
	if list := r.List(); len(list) != 1 || list[0].ID != first.ID || list[0].Speed != 1 || r.Stats().Replays != 1 {
		t.Errorf("%+v", list)
	}
	if err := r.Stop("nope"); fault.Of(err).Code != "replay_unknown" {
		t.Error(err)
	}
	if err := r.Stop(first.ID); err != nil || len(r.List()) != 0 {
		t.Errorf("%v, %d are left", err, len(r.List()))
	}
	for range maxReplays {
		if _, err := r.Start(t.Context(), Order{Stream: "a/b", As: "a/d", To: to}); err != nil {
			t.Fatal(err)
		}
	}
	refused("too_many_replays", Order{Stream: "a/b", As: "a/e"})
	r.Close()
	refused("server_stopping", Order{Stream: "a/b", As: "a/e"})
}
