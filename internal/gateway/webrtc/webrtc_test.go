package webrtc

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"weir/internal/hub"
	"weir/internal/media"
)

// H.264 and Opus go in by WHIP and come out by WHEP unchanged.
func TestWhatIsPublishedIsWatched(t *testing.T) {
	w := newWorld(t, Config{})
	peer := w.whip("live/show")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); peer.send(ctx, t, 50) }()
	defer func() { cancel(); <-done }()

	sub, err := w.hub.Subscribe(ctx, "live/show", hub.Want{Wait: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	item, err := sub.Next(ctx)
	if err != nil || !item.Key || item.Tracks[0].Width != 1080 || len(item.Tracks) != 2 {
		t.Fatalf("%v %+v", err, item.Tracks)
	}
	_, units, header := w.watch("live/show")
	if header.Get("Weir-Notice") != "" {
		t.Errorf("notice %q", header.Get("Weir-Notice"))
	}
	_, samples := clip(t)
	first := next(t, units, media.H264)
	if !first.Key || !bytes.Equal(first.Data, samples[0]) {
		t.Fatalf("it begins with %d bytes, key %v", len(first.Data), first.Key)
	}
	for i := 1; i < 100; i++ {
		u := next(t, units, media.H264)
		if !bytes.Equal(u.Data, samples[i%len(samples)]) {
			t.Fatalf("frame %d: %d bytes, not %d", i, len(u.Data), len(samples[i%len(samples)]))
		}
		// The timestamps of the backlog are drawn together.
		const live = 40
		if i <= live {
			if u.Time <= first.Time {
				t.Fatalf("frame %d is not after the one before", i)
			}
			first = u
			continue
		}
		// Either track may lead: this one may slide by some ms when the other does.
		if d := u.Time - first.Time; d < int64(i-live)*1800-3600 || d > int64(i-live)*1800+3600 {
			t.Fatalf("frame %d is %d ticks after the first", i, d)
		}
	}
	for range 50 {
		u := next(t, units, media.Opus)
		var n int
		if _, err := fmt.Sscanf(string(u.Data[1:]), "audio %d", &n); err != nil || !bytes.Equal(u.Data, opusPacket(n)) {
			t.Fatalf("%q", u.Data)
		}
	}
	if s := w.gw.Stats(); s.Publishers != 1 || s.Viewers != 1 || s.LostIn != 0 || s.Panics != 0 {
		t.Errorf("%+v", s)
	}
	if res, _ := w.do(http.MethodDelete, peer.location, "", ""); res.StatusCode != http.StatusOK {
		t.Errorf("DELETE: %s", res.Status)
	}
	<-w.done("live/show", hub.Away)
}

// done is closed when the stream has reached a state.
func (w *world) done(name string, state hub.State) <-chan struct{} {
	ch := make(chan struct{})
	events, stop := w.hub.Watch()
	go func() {
		defer close(ch)
		defer stop()
		deadline := time.After(10 * time.Second)
		for {
			if s := w.hub.Stream(name); s != nil && s.State() == state {
				return
			}
			select {
			case <-events:
			case <-deadline:
				w.t.Errorf("%s did not become %v", name, state)
				return
			}
		}
	}()
	return ch
}
