package hub

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/internal/faketime"
	"weir/internal/media"
)

// wordEncoder writes each frame as "v7 " or "a7 ", with the run's config byte in the header.
type wordEncoder struct{ starts int }

func (e *wordEncoder) Start(tracks []media.Track, _ *Run) (header, inband [][]byte, err error) {
	e.starts++
	h := fmt.Appendf(nil, "H%d ", tracks[0].Config[0])
	return [][]byte{h}, [][]byte{h}, nil
}

func (e *wordEncoder) Encode(dst [][]byte, f *media.Frame) [][]byte {
	return append(dst, f.Data[:1], fmt.Appendf(nil, "%d ", f.Data[1]))
}

var wordKey = LaneKey{Format: "words"}

func openWords(t *testing.T, h *Hub) *Lane {
	t.Helper()
	l, err := h.Lane(t.Context(), "live/x", wordKey, Want{}, func(*Stream) Encoder { return &wordEncoder{} })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func text(bufs [][]byte) string { return string(bytes.Join(bufs, nil)) }

func TestLaneStartsNewcomersAtTheGroup(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.gop = 3
		s.send(5)
		l := openWords(t, h)
		defer l.Close()
		header, pos := l.Join()
		bufs, b := l.Read(nil, pos, 1000)
		if got := text(header) + text(bufs); got != "H1 v3 a3 v4 a4 " {
			t.Fatalf("got %q", got)
		}
		if b.Size != len("v3 a3 v4 a4 ") || b.Ended || b.Skipped != 0 {
			t.Errorf("batch %+v", b)
		}
		s.send(2)
		bufs, b = l.Read(nil, b.Next, 2)
		if text(bufs) != "v5 " {
			t.Errorf("a batch of two buffers is %q", text(bufs))
		}
		_, pos = l.Join()
		if bufs, _ = l.Read(nil, pos, 1000); text(bufs) != "v6 a6 " {
			t.Errorf("a later newcomer got %q", text(bufs))
		}
		_ = b
	})
}

func TestLaneCarriesNewConfigurationInBand(t *testing.T) {
	bubble(t, Config{Window: time.Second}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(1)
		l := openWords(t, h)
		defer l.Close()
		_, pos := l.Join()
		_, b := l.Read(nil, pos, 1000)
		changed := avTracks()
		changed[0].Config = []byte{2}
		if err := s.p.Update(changed); err != nil {
			t.Fatal(err)
		}
		s.n = 30
		s.send(1)
		bufs, _ := l.Read(nil, b.Next, 1000)
		if got := text(bufs); got != "H2 v30 a30 " {
			t.Errorf("reader got %q", got)
		}
		header, pos := l.Join()
		bufs, _ = l.Read(nil, pos, 1000)
		if got := text(header) + text(bufs); got != "H2 v30 a30 " {
			t.Errorf("newcomer got %q", got)
		}
		s.send(120) // the reader at b falls out of the window and must still learn the configuration
		bufs, late := l.Read(nil, b.Next, 1000)
		if got := text(bufs); !strings.HasPrefix(got, "H2 v150 ") || late.Skipped == 0 {
			t.Errorf("late reader got %.20q, skipped %d", got, late.Skipped)
		}
	})
}

// A track that is made here and appears later must not keep newcomers from the picture that is there.
func TestLaneStaysJoinableWhenATrackJoins(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(5)
		all := func(ts []media.Track) (ids []media.TrackID) {
			for i := range ts {
				ids = append(ids, ts[i].ID)
			}
			return ids
		}
		l := s.p.Stream().Lane(wordKey, Want{Tracks: all}, func(*Stream) Encoder { return &wordEncoder{} })
		defer l.Close()
		if _, err := s.p.Stream().Derive(media.Track{Kind: media.Audio, Codec: media.Opus, TimeScale: 48000}); err != nil {
			t.Fatal(err)
		}
		s.send(1)
		_, pos := l.Join()
		if bufs, _ := l.Read(nil, pos, 1000); !strings.HasPrefix(text(bufs), "v0 a0 ") {
			t.Errorf("a newcomer starts at %.20q", text(bufs))
		}
	})
}

func TestLaneIsSharedLingersAndEnds(t *testing.T) {
	bubble(t, Config{Grace: time.Second}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(1)
		a, b := openWords(t, h), openWords(t, h)
		if a != b {
			t.Fatal("the same key must give the same lane")
		}
		a.Close()
		b.Close()
		faketime.Pass(4 * time.Second)
		if s.p.Stream().Stats().Lanes != 1 {
			t.Error("the lane did not linger")
		}
		faketime.Pass(2 * time.Second)
		if s.p.Stream().Stats().Lanes != 0 {
			t.Error("the lane was not dropped")
		}
		s.send(1)
		l := openWords(t, h)
		defer l.Close()
		w := &flag{}
		l.Watch(w)
		defer l.Unwatch(w)
		_, pos := l.Join()
		_, batch := l.Read(nil, pos, 1000)
		s.p.End(nil)
		if _, batch = l.Read(nil, batch.Next, 1000); !batch.Ended || w.flushes == 0 {
			t.Errorf("end: %+v, %d wake-ups", batch, w.flushes)
		}
	})
}

type flag struct{ flushes int }

func (f *flag) LaneChanged(_ *Lane, flush bool) {
	if flush {
		f.flushes++
	}
}

// BenchmarkWrite is one video frame into a stream with two lanes.
func BenchmarkWrite(b *testing.B) {
	h := New(Config{}, quiet)
	defer h.Close()
	p, err := h.Publish(Offer{Name: "live/b", Tracks: avTracks()[:1]})
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range []string{"one", "two"} {
		l, err := h.Lane(context.Background(), "live/b", LaneKey{Format: f}, Want{}, func(*Stream) Encoder { return passEncoder{} })
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
	}
	data := make([]byte, 10_000)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		if err := p.Write(media.Frame{Key: n%60 == 0, DTS: n * 3000, PTS: n * 3000, Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

type passEncoder struct{}

func (passEncoder) Start([]media.Track, *Run) (header, inband [][]byte, err error) {
	return nil, nil, nil
}
func (passEncoder) Encode(dst [][]byte, f *media.Frame) [][]byte { return append(dst, f.Data) }
