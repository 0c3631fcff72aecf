package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/outside"
	"weir/internal/replay"
	"weir/internal/testpattern"
)

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(15 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

// broadcast publishes the test pattern until the returned function is called.
func (s *Server) broadcast(t *testing.T, name string) (leave func()) {
	t.Helper()
	source, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: 500 * time.Millisecond, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.hub.Publish(hub.Offer{Name: name, Tracks: source.Tracks()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx, func(f media.Frame) error { return p.Write(f) }) }()
	return func() {
		stop()
		<-done
		p.Close(errors.New("connection lost"))
	}
}

// probe has ffprobe read a few seconds of a stream and returns the streams' codecs and the packets' times.
func probe(t *testing.T, url string) (codecs, times []string) {
	t.Helper()
	out := outside.Run(t, "ffprobe", "-v", "error", "-fpsprobesize", "0", "-analyzeduration", "1000000", "-read_intervals", "%+3", "-of", "csv=p=0",
		"-show_entries", "stream=codec_name:packet=dts_time,stream_index", url)
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.Contains(line, ",") {
			times = append(times, line)
		} else if line != "" {
			codecs = append(codecs, line)
		}
	}
	return codecs, times
}

// rtmp is where RTMP listens.
func (r Ready) rtmp() string {
	for _, g := range r.Gates {
		if g.Name == "rtmp" {
			return g.Address
		}
	}
	return ""
}

// While the publisher is away viewers see a slate, over RTMP and in the segments, and the publisher again when it is back.
func TestSlateByRule(t *testing.T) {
	s := newServer(t, func(c *Config) {
		c.Slates = []Slate{{Streams: "live/*"}}
		c.Segments.Duration = 500 * time.Millisecond
	})
	ctx, stop := context.WithCancel(t.Context())
	opened, done := make(chan Ready, 1), make(chan error, 1)
	go func() { done <- s.Run(ctx, func(r Ready) { opened <- r }) }()
	defer func() { stop(); <-done }()
	ready := <-opened
	leave := s.broadcast(t, "live/x")
	await(t, "segments", func() bool { p, _ := s.playlist(t, "/live/x/v0.m3u8"); return p.segments >= 3 })
	leave()
	st := s.hub.Stream("live/x")
	await(t, "the slate", func() bool { return st.Run().Reason == hub.ReasonFiller })
	before, _ := s.playlist(t, "/live/x/v0.m3u8")
	await(t, "segments of the slate", func() bool {
		p, _ := s.playlist(t, "/live/x/v0.m3u8")
		return p.sequence+p.segments >= before.sequence+before.segments+4 && p.discontinuities == 1
	})
	codecs, times := probe(t, "rtmp://"+ready.rtmp()+"/live/x")
	if strings.Join(codecs, " ") != "h264 aac" && strings.Join(codecs, " ") != "aac h264" || len(times) < 100 {
		t.Errorf("RTMP: %v, %d packets", codecs, len(times))
	}
	if st.State() != hub.Away {
		t.Errorf("state %v", st.State())
	}
	leave = s.broadcast(t, "live/x")
	await(t, "the publisher's return", func() bool { return st.State() == hub.Live && st.Run().Reason == hub.ReasonReturn })
	leave()
	st2 := s.hub.Stream("other/x")
	if st2 != nil || s.slate("other/x") != nil {
		t.Error("a stream without a rule has a slate")
	}
}

// What was recorded plays as a live stream over RTMP.
func TestReplayOverRTMP(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Segments.Duration = 500 * time.Millisecond })
	ctx, stop := context.WithCancel(t.Context())
	opened, done := make(chan Ready, 1), make(chan error, 1)
	go func() { done <- s.Run(ctx, func(r Ready) { opened <- r }) }()
	defer func() { stop(); <-done }()
	ready := <-opened
	begun := time.Now()
	leave := s.broadcast(t, "live/x")
	await(t, "segments", func() bool { p, _ := s.playlist(t, "/live/x/v0.m3u8"); return p.segments >= 12 })
	leave()
	replayed := make(chan error, 1)
	life, enough := context.WithCancel(ctx)
	go func() {
		replayed <- replay.Run(life, s.timelines, s.hub, replay.Options{Timeline: "live/x", Name: "replay/x", From: begun, To: begun.Add(5 * time.Second), Loop: true})
	}()
	await(t, "the replay", func() bool { return s.hub.Stream("replay/x") != nil })
	if codecs, times := probe(t, "rtmp://"+ready.rtmp()+"/replay/x"); len(codecs) != 2 || len(times) < 180 {
		t.Errorf("%v, %d packets in 3 s", codecs, len(times))
	}
	enough()
	if err := <-replayed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSlateRules(t *testing.T) {
	for _, bad := range []Slate{{Streams: "live/**"}, {Streams: "live/*", After: -1}, {Streams: "live/*", After: hub.DefaultGrace}} {
		if err := (Config{Slates: []Slate{bad}}).Validate(); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	if _, err := openSlate("/nowhere/slate.mp4"); fault.Code(err) != "slate_missing" {
		t.Error(err)
	}
}
