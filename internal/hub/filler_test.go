package hub

import (
	"errors"
	"strings"
	"testing"
	"time"

	"weir/internal/fault"
)

func fill(t *testing.T, h *Hub) *sender {
	t.Helper()
	return publish(t, h, Offer{Filler: true, Origin: Origin{Protocol: "slate"}})
}

// While the publisher is away the filler is seen; the publisher is back on air with its first key frame, not before.
func TestFillerGivesWayAtAKeyFrame(t *testing.T) {
	bubble(t, Config{Grace: 10 * time.Second}, func(t *testing.T, h *Hub) {
		events, stop := h.Watch()
		defer stop()
		s := publish(t, h, Offer{})
		s.send(30)
		stream := s.p.Stream()
		sub := stream.Subscribe(Want{})
		defer sub.Close()
		if _, err := h.Publish(Offer{Name: "live/x", Tracks: avTracks(), Filler: true}); fault.Code(err) != "stream_busy" {
			t.Fatalf("a filler beside a publisher: %v", err)
		}
		s.p.Close(errors.New("connection lost"))
		drain(t, sub)
		slate := fill(t, h)
		slate.send(30 * 15) // longer than the grace time
		if stream.State() != Away || stream.Stats().State != Away || sub.Idle() {
			t.Errorf("state %v", stream.State())
		}
		got := drain(t, sub)
		if len(got) == 0 || got[0].Run.Reason != ReasonFiller {
			t.Fatalf("the filler is not seen: %d", len(got))
		}
		asked := 0
		real := publish(t, h, Offer{Feedback: func(Feedback) { asked++ }})
		real.n = 10 // twenty pictures before its next key frame
		for range 20 {
			real.send(1)
			slate.send(1)
		}
		if stream.Run().Reason != ReasonFiller || asked != 1 || slate.p.Err() != nil {
			t.Errorf("run %v, asked %d, filler %v", stream.Run().Reason, asked, slate.p.Err())
		}
		drain(t, sub)
		real.send(1)
		got = drain(t, sub)
		if got[0].Run.Reason != ReasonReturn || !got[0].Key || got[0].Track != 0 || stream.State() != Live {
			t.Errorf("first of the returned publisher: %+v", got[0])
		}
		if fault.Code(slate.p.Err()) != "taken_over" {
			t.Errorf("filler: %v", slate.p.Err())
		}
		real.p.End(nil)
		var names []string
		for len(events) > 0 {
			names = append(names, string((<-events).Type))
		}
		if want := "started away run returned ended"; strings.Join(names, " ") != want {
			t.Errorf("events %v, want %s", names, want)
		}
	})
}

func TestWaitingPublisher(t *testing.T) {
	bubble(t, Config{Grace: 10 * time.Second}, func(t *testing.T, h *Hub) {
		slate := fill(t, h)
		slate.send(3)
		first := publish(t, h, Offer{})
		if _, err := h.Publish(Offer{Name: "live/x", Tracks: avTracks()}); fault.Code(err) != "stream_busy" {
			t.Errorf("beside one that waits for its key frame: %v", err)
		}
		second := publish(t, h, Offer{TakeOver: true})
		if fault.Code(first.p.Err()) != "taken_over" {
			t.Errorf("the first: %v", first.p.Err())
		}
		changed := avTracks()
		changed[0].Config = []byte{9}
		if err := second.p.Update(changed); err != nil {
			t.Fatal(err)
		}
		slate.p.End(nil) // the stream goes on with who waits
		stream := second.p.Stream()
		if stream.State() != Live || stream.Tracks()[0].Config[0] != 9 {
			t.Errorf("%v %+v", stream.State(), stream.Tracks())
		}
		second.send(3)
		second.p.Close(nil)
		third := fill(t, h)
		third.send(1)
		waiting := publish(t, h, Offer{})
		waiting.p.Close(nil) // leaves before its first frame
		third.send(1)
		waiting = publish(t, h, Offer{})
		stream.Kick(errors.New("kicked"))
		if waiting.p.Err() == nil || third.p.Err() != nil {
			t.Errorf("kicked: %v, filler %v", waiting.p.Err(), third.p.Err())
		}
		third.p.End(nil)
		if h.Stream("live/x") != nil {
			t.Error("the stream goes on without anybody")
		}
	})
}
