package hub

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/fault"
	"weir/internal/media"
)

var quiet = slog.New(slog.DiscardHandler)

func avTracks() []media.Track {
	return []media.Track{
		{ID: 0, Kind: media.Video, Codec: media.H264, TimeScale: 90000, Config: []byte{1}},
		{ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, SampleRate: 48000, Config: []byte{2}},
	}
}

// sender publishes 30 fps video with a key frame every gop frames and an audio frame beside each.
type sender struct {
	t   *testing.T
	p   *Publication
	n   int64
	gop int64
}

func publish(t *testing.T, h *Hub, o Offer) *sender {
	t.Helper()
	if o.Name == "" {
		o.Name = "live/x"
	}
	if o.Tracks == nil {
		o.Tracks = avTracks()
	}
	p, err := h.Publish(o)
	if err != nil {
		t.Fatal(err)
	}
	return &sender{t: t, p: p, gop: 30}
}

func (s *sender) send(frames int64) {
	s.t.Helper()
	for range frames {
		v := media.Frame{Track: 0, Key: s.n%s.gop == 0, DTS: s.n * 3000, PTS: s.n * 3000, Data: []byte{'v', byte(s.n)}}
		a := media.Frame{Track: 1, Key: true, DTS: s.n * 1600, PTS: s.n * 1600, Data: []byte{'a', byte(s.n)}}
		if err := errors.Join(s.p.Write(v), s.p.Write(a)); err != nil {
			s.t.Fatal(err)
		}
		s.n++
		faketime.Pass(time.Second / 30)
	}
}

func drain(t *testing.T, sub *Subscription) []Item {
	t.Helper()
	var out []Item
	for {
		item, ok, err := sub.TryNext()
		if !ok {
			if err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return out
		}
		out = append(out, item)
	}
}

func bubble(t *testing.T, cfg Config, f func(t *testing.T, h *Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := New(cfg, quiet)
		f(t, h)
		h.Close()
		synctest.Wait()
	})
}

func TestReaderStartsAtTheLastRandomAccessPoint(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(45)
		sub, err := h.Subscribe(t.Context(), "live/x", Want{})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		got := drain(t, sub)
		if len(got) != 30 || !got[0].Key || got[0].Data[1] != 30 {
			t.Fatalf("%d frames, first %v", len(got), got[0].Data)
		}
		for i, it := range got {
			if want := byte('v'); i%2 == 0 && it.Data[0] != want {
				t.Fatalf("frame %d out of arrival order", i)
			}
		}
		offset := time.Unix(0, got[0].Wall).Sub(time.Unix(0, int64(media.ToDuration(got[0].DTS, 90000))))
		if offset.Abs() > time.Millisecond {
			t.Errorf("epoch media time is %v from the wall clock", offset)
		}
	})
}

func TestFramesBeforeTheFirstKeyFrameAreDropped(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.n = 20
		s.send(15)
		sub := s.p.Stream().Subscribe(Want{})
		defer sub.Close()
		for _, it := range drain(t, sub) {
			if it.Kind(t) == media.Video && it.Data[1] < 30 {
				t.Fatalf("frame %d came before the first key frame", it.Data[1])
			}
		}
		if st := s.p.Stream().Stats(); st.Dropped != 10 {
			t.Errorf("dropped %d", st.Dropped)
		}
	})
}

// Kind of the item's track.
func (it Item) Kind(t *testing.T) media.Kind {
	t.Helper()
	return media.Find(it.Tracks, it.Track).Kind
}

func TestGraceHoldsReadersAndTimeGoesOn(t *testing.T) {
	bubble(t, Config{Grace: 10 * time.Second}, func(t *testing.T, h *Hub) {
		events, stop := h.Watch()
		defer stop()
		s := publish(t, h, Offer{})
		s.send(30)
		sub := s.p.Stream().Subscribe(Want{})
		defer sub.Close()
		before := drain(t, sub)
		s.p.Close(errors.New("connection lost"))
		faketime.Pass(6 * time.Second)
		if st := h.Stream("live/x").State(); st != Away {
			t.Fatalf("state %v", st)
		}
		again := publish(t, h, Offer{})
		again.send(30)
		after := drain(t, sub)
		last, first := before[len(before)-1], after[0]
		if first.Run == last.Run || first.Run.ID <= last.Run.ID || !first.Key {
			t.Fatal("a returned publisher must begin a new run at a key frame")
		}
		gap := media.ToDuration(first.DTS, 90000) - media.ToDuration(before[len(before)-2].DTS, 90000)
		if gap < 5*time.Second || gap > 7*time.Second {
			t.Errorf("media time moved %v over a gap of 6 s", gap)
		}
		again.p.Close(nil)
		faketime.Pass(11 * time.Second)
		if _, err := sub.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the grace time: %v", err)
		}
		var got []string
		for len(events) > 0 {
			got = append(got, string((<-events).Type))
		}
		if want := "started away returned away ended"; strings.Join(got, " ") != want {
			t.Errorf("events %v, want %s", got, want)
		}
	})
}

func TestSecondPublisher(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		first := publish(t, h, Offer{})
		first.send(5)
		if _, err := h.Publish(Offer{Name: "live/x", Tracks: avTracks()}); fault.Code(err) != "stream_busy" {
			t.Fatalf("refusal: %v", err)
		}
		second := publish(t, h, Offer{TakeOver: true})
		if err := first.p.Write(media.Frame{}); fault.Code(err) != "taken_over" {
			t.Errorf("write of the first: %v", err)
		}
		second.send(5)
		faketime.Pass(6 * time.Second) // the second one falls silent: it must not block its own key
		publish(t, h, Offer{}).send(5)
		if fault.Code(second.p.Err()) != "taken_over" {
			t.Errorf("the silent one: %v", second.p.Err())
		}
	})
}

func TestSlowReaderSkipsToAGroupAndIsTold(t *testing.T) {
	bubble(t, Config{Window: 2 * time.Second}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(5)
		sub := s.p.Stream().Subscribe(Want{})
		defer sub.Close()
		drain(t, sub)
		s.send(130)
		got := drain(t, sub)
		if got[0].Skipped == 0 || !got[0].Key || got[0].Data[1] != 120 {
			t.Fatalf("first after the hole: %+v", got[0])
		}
		if st := s.p.Stream().Stats(); st.Skipped != uint64(got[0].Skipped) {
			t.Errorf("counted %d, told %d", st.Skipped, got[0].Skipped)
		}
	})
}

func TestMemoryStaysWithinTheWindow(t *testing.T) {
	bubble(t, Config{Window: time.Second}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.gop = 1 << 40 // one key frame, then never again
		h.config().MaxBytes = 100
		s.send(300)
		if st := s.p.Stream().Stats(); st.HeldBytes > 2*100+4 {
			t.Errorf("%d bytes held over a limit of 100 per track", st.HeldBytes)
		}
	})
}

func TestUpdateBeginsARun(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(30)
		sub := s.p.Stream().Subscribe(Want{})
		defer sub.Close()
		drain(t, sub)
		changed := avTracks()
		changed[0].Config = []byte{9}
		if err := s.p.Update(changed); err != nil {
			t.Fatal(err)
		}
		s.send(2)
		got := drain(t, sub)
		if got[0].Tracks[0].Config[0] != 9 {
			t.Errorf("config %v", got[0].Tracks[0].Config)
		}
	})
}

type fakeSupplier func(ctx context.Context, r Request) error

func (f fakeSupplier) Supply(ctx context.Context, r Request) error { return f(ctx, r) }

func TestSupplierIsAskedOnceAndLingers(t *testing.T) {
	bubble(t, Config{Grace: time.Second}, func(t *testing.T, h *Hub) {
		var asked, ended atomic.Int32
		h.SetSupplier(fakeSupplier(func(ctx context.Context, r Request) error {
			asked.Add(1)
			p, err := h.Publish(Offer{Name: r.Name, Tracks: avTracks()})
			if err != nil {
				return err
			}
			defer p.Close(nil)
			<-ctx.Done()
			ended.Add(1)
			return ctx.Err()
		}))
		var subs []*Subscription
		for range 3 {
			sub, err := h.Subscribe(t.Context(), "live/pulled", Want{Wait: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			subs = append(subs, sub)
		}
		for _, sub := range subs {
			sub.Close()
		}
		faketime.Pass(4 * time.Second)
		if asked.Load() != 1 || ended.Load() != 0 {
			t.Fatalf("asked %d, ended %d", asked.Load(), ended.Load())
		}
		faketime.Pass(2 * time.Second)
		if ended.Load() != 1 {
			t.Error("the supply did not end after its linger time")
		}
	})
}

func TestSupplierFailureIsAnsweredAtOnceAndRemembered(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		var asked atomic.Int32
		h.SetSupplier(fakeSupplier(func(context.Context, Request) error {
			asked.Add(1)
			return fault.New(fault.Unavailable, "remote_unreachable", "No.", "")
		}))
		for range 5 {
			start := time.Now()
			if _, err := h.Subscribe(t.Context(), "live/none", Want{Wait: 10 * time.Second}); fault.Code(err) != "remote_unreachable" {
				t.Fatalf("err %v", err)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("answered after %v", d)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

// A publisher that is about to come is waited for by who is patient, although no Supplier knows the stream.
func TestPatientReaderWaitsForAPublisher(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		h.SetSupplier(fakeSupplier(func(context.Context, Request) error {
			return fault.New(fault.NotFound, CodeNoSource, "No.", "")
		}))
		if _, err := h.Subscribe(t.Context(), "live/x", Want{Wait: 10 * time.Second}); fault.Code(err) != "stream_unknown" {
			t.Errorf("err %v", err)
		}
		time.AfterFunc(2*time.Second, func() { publish(t, h, Offer{}) })
		sub, err := h.Subscribe(t.Context(), "live/x", Want{Wait: 10 * time.Second, Patient: true})
		if err != nil {
			t.Fatal(err)
		}
		sub.Close()
	})
}

func TestDerivedTrackIsSeenByThoseWhoWantIt(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(1)
		plain := s.p.Stream().Subscribe(Want{})
		defer plain.Close()
		opus := s.p.Stream().Subscribe(Want{Tracks: func(ts []media.Track) (ids []media.TrackID) {
			for _, t := range ts {
				if t.Codec == media.Opus {
					ids = append(ids, t.ID)
				}
			}
			return ids
		}})
		defer opus.Close()
		d, err := s.p.Stream().Derive(media.Track{Kind: media.Audio, Codec: media.Opus, TimeScale: 48000})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(media.Frame{Key: true, DTS: 5, PTS: 5, Data: []byte("opus")}); err != nil {
			t.Fatal(err)
		}
		s.send(1)
		if got := drain(t, opus); len(got) != 1 || string(got[0].Data) != "opus" {
			t.Errorf("opus reader got %d", len(got))
		}
		for _, it := range drain(t, plain) {
			if string(it.Data) == "opus" {
				t.Error("a reader of published tracks got a derived frame")
			}
		}
		d.Close()
		if err := d.Write(media.Frame{}); fault.Code(err) != "track_gone" {
			t.Errorf("write after close: %v", err)
		}
	})
}
