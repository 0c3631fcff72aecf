package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/testpattern"
)

type rooms struct {
	hub     *hub.Hub
	door    *session.Door
	sources *Sources
	streams *Streams
}

func open(t *testing.T) rooms {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	r := rooms{hub: hub.New(hub.Config{Grace: time.Minute}, log), door: session.New(session.Config{}, log)}
	r.sources = NewSources(r.hub, r.door, log)
	r.streams = New(r.hub, r.door, nil)
	t.Cleanup(func() {
		r.sources.Close()
		r.door.Close()
		r.hub.Close()
		goleak.VerifyNone(t)
	})
	return r
}

func (r rooms) start(t *testing.T, name string) Source {
	t.Helper()
	s, err := r.sources.Start(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// end waits for a stream to be over.
func (r rooms) end(t *testing.T, s *hub.Stream) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the stream goes on")
	}
}

// The source is read as its viewers get it: the marks in the frames, their time, their bytes.
func TestSourceFlows(t *testing.T) {
	r := open(t)
	asked, cancel := context.WithCancel(t.Context())
	source, err := r.sources.Start(asked, "live/test")
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the request that asked for it is over; the source is not
	sub, err := r.hub.Subscribe(t.Context(), "live/test", hub.Want{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	next, sounds, bytes := uint32(0), 0, 0
	begin := time.Now()
	for next < 60 { // two seconds
		item, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bytes += len(item.Data)
		if item.Track == testpattern.AudioTrack {
			sounds++
			continue
		}
		mark, ok := testpattern.ReadSEI(item.Data, media.H264)
		if !ok || mark.Counter != next || item.Key != (next == 0) {
			t.Fatalf("frame %d has the mark %+v, key %v", next, mark, item.Key)
		}
		if late := time.Since(time.UnixMilli(mark.SentMS)); late < 0 || late > time.Second {
			t.Errorf("frame %d is %v old", next, late)
		}
		next++
	}
	if took := time.Since(begin); took < 1800*time.Millisecond || took > 4*time.Second {
		t.Errorf("two seconds took %v", took)
	}
	if mbps := float64(bytes) * 8 / 2e6; mbps < 2.2 || mbps > 3 {
		t.Errorf("%.2f Mbit/s", mbps)
	}
	if sounds < 85 { // 93.75 AAC frames at 48 kHz
		t.Errorf("%d frames of sound", sounds)
	}
	s, ok := r.streams.Get("live/test")
	if !ok || s.State != hub.Live || s.Publisher == nil || s.Publisher.Protocol != "test" || s.Publisher.SessionID != source.ID || len(s.Tracks) != 2 || s.InBPS < 1_000_000 {
		t.Errorf("%+v", s)
	}
	if list := r.streams.List("", 10, nil); len(list) != 1 || list[0].Name != "live/test" {
		t.Errorf("%+v", list)
	}
}

func TestSourceEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, rooms, Source){
		"stopped":            func(t *testing.T, r rooms, s Source) { check(t, r.sources.Stop(s.ID)) },
		"kicked at the door": func(t *testing.T, r rooms, s Source) { r.door.Kick(s.ID, nil) },
		"kicked on its page": func(t *testing.T, r rooms, s Source) { check(t, r.streams.Kick(s.Stream)) },
		"closed":             func(_ *testing.T, r rooms, _ Source) { r.sources.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			source := r.start(t, "live/test")
			stream := r.hub.Stream("live/test")
			end(t, r, source)
			r.end(t, stream)
			r.sources.Wait()
			if list := r.sources.List(); len(list) != 0 || r.sources.Stats().Sources != 0 {
				t.Errorf("%+v", list)
			}
			if n := len(r.door.Sessions(nil)); n != 0 {
				t.Errorf("%d sessions are open", n)
			}
		})
	}
}

// Who is kicked in the hub alone leaves the stream held for a return, as any publisher does.
func TestSourceKickedInHub(t *testing.T) {
	r := open(t)
	r.start(t, "live/test")
	r.hub.Stream("live/test").Kick(errors.New("out"))
	r.sources.Wait()
	if s, ok := r.streams.Get("live/test"); !ok || s.State != hub.Away || len(r.door.Sessions(nil)) != 0 {
		t.Errorf("%+v", s)
	}
}

// A publisher that takes the stream over keeps it, and only the source ends.
func TestSourceIsTakenOver(t *testing.T) {
	r := open(t)
	r.start(t, "live/test")
	tracks := []media.Track{{ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000}}
	if _, err := r.hub.Publish(hub.Offer{Name: "live/test", Tracks: tracks}); fault.Code(err) != "stream_busy" {
		t.Errorf("got %v", err)
	}
	p, err := r.hub.Publish(hub.Offer{Name: "live/test", Tracks: tracks, TakeOver: true, Origin: hub.Origin{Protocol: "rtmp"}})
	check(t, err)
	r.sources.Wait()
	if s, ok := r.streams.Get("live/test"); !ok || s.State != hub.Live || s.Publisher.Protocol != "rtmp" {
		t.Errorf("%+v", s)
	}
	if _, err := r.sources.Start(t.Context(), "live/test"); fault.Code(err) != "stream_busy" {
		t.Errorf("the source took over: %v", err)
	}
	if n := len(r.door.Sessions(nil)); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
	p.End(io.EOF)
}

func TestSourcesAreBounded(t *testing.T) {
	r := open(t)
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names[:maxSources] {
		r.start(t, name)
	}
	if _, err := r.sources.Start(t.Context(), names[maxSources]); fault.Code(err) != "too_many_test_sources" {
		t.Errorf("got %v", err)
	}
	for i, source := range r.sources.List() {
		if source.Stream != names[i] {
			t.Errorf("%d is %+v, want %s", i, source, names[i])
		}
	}
	if n := len(r.sources.List()); n != maxSources {
		t.Errorf("%d are listed", n)
	}
	if err := r.sources.Stop("none"); fault.Code(err) != "test_source_unknown" {
		t.Errorf("got %v", err)
	}
	if _, err := r.sources.Start(t.Context(), "a//b"); fault.Code(err) != "name_empty" {
		t.Errorf("got %v", err)
	}
	r.sources.Close()
	if _, err := r.sources.Start(t.Context(), "a"); fault.Code(err) != "server_stopping" {
		t.Errorf("got %v", err)
	}
}

func TestStreams(t *testing.T) {
	r := open(t)
	tracks := []media.Track{{ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000}}
	for _, name := range []string{"b", "a", "c"} {
		_, err := r.hub.Publish(hub.Offer{Name: name, Tracks: tracks})
		check(t, err)
	}
	r.hub.Stream("c").Kick(nil)
	names := func(list []Summary) (s string) {
		for _, x := range list {
			s += x.Name
		}
		return s
	}
	for _, c := range []struct {
		after  string
		limit  int
		accept func(hub.State) bool
		want   string
	}{
		{"", 10, nil, "abc"},
		{"", 2, nil, "ab"},
		{"a", 10, nil, "bc"},
		{"c", 10, nil, ""},
		{"", 10, func(s hub.State) bool { return s == hub.Live }, "ab"},
		{"", 10, func(s hub.State) bool { return s == hub.Away }, "c"},
	} {
		if got := names(r.streams.List(c.after, c.limit, c.accept)); got != c.want {
			t.Errorf("after %q: %q, want %q", c.after, got, c.want)
		}
	}
	if err := r.streams.Kick("c"); fault.Code(err) != "publisher_unknown" {
		t.Errorf("got %v", err)
	}
	check(t, r.streams.Kick("a"))
	if s, _ := r.streams.Get("a"); s.State != hub.Away || s.Publisher != nil || s.Report.Grade != "none" {
		t.Errorf("%+v", s)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The pages of a busy server ask for summaries each second.
func BenchmarkList(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	h, d := hub.New(hub.Config{}, log), session.New(session.Config{}, log)
	defer h.Close()
	defer d.Close()
	for i := range 5000 {
		if _, err := d.Open(b.Context(), session.Request{Action: session.Play, Name: fmt.Sprintf("live/%d", i%50), Internal: true}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 50 {
		if _, err := h.Publish(hub.Offer{Name: fmt.Sprintf("live/%d", i), Tracks: []media.Track{{ID: 1, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000}}}); err != nil {
			b.Fatal(err)
		}
	}
	l := New(h, d, nil)
	b.ReportAllocs()
	for b.Loop() {
		if len(l.List("", 50, nil)) != 50 {
			b.Fatal("not all are listed")
		}
	}
}
