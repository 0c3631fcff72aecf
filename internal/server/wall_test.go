package server

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/testpattern"
)

var segmentName = regexp.MustCompile(`(?m)^seg-(\d+)-v0-(\d+)\.m4s`)

// playlist is what matters here of a media playlist.
type playlist struct {
	sequence, discontinuities int
	runs                      []string
	numbers                   []int64
	segments                  int
}

func (s *Server) playlist(t *testing.T, path string) (p playlist, ok bool) {
	t.Helper()
	w := s.get(t, path)
	if w.Code != 200 {
		return p, false
	}
	body := w.Body.String()
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if v, found := strings.CutPrefix(line, "#EXT-X-MEDIA-SEQUENCE:"); found {
			p.sequence, _ = strconv.Atoi(v)
		}
		if line == "#EXT-X-DISCONTINUITY" {
			p.discontinuities++
		}
	}
	for _, m := range segmentName.FindAllStringSubmatch(body, -1) {
		if n := len(p.runs); n == 0 || p.runs[n-1] != m[1] {
			p.runs = append(p.runs, m[1])
		}
		n, _ := strconv.ParseInt(m[2], 10, 64)
		p.numbers = append(p.numbers, n)
		p.segments++
	}
	return p, true
}

// TestWallClockIsSet: the clock is set an hour forward, then two back, while a stream is on. HLS goes on in a new run each time,
// and its media sequence only grows.
func TestWallClockIsSet(t *testing.T) {
	var off atomic.Int64
	s := newServer(t, func(c *Config) {
		c.Wall = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		c.Segments.Duration, c.Segments.Window = 500*time.Millisecond, time.Minute
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, nil) }()
	defer func() { stop(); <-done }()
	source, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: 500 * time.Millisecond, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.hub.Publish(hub.Offer{Name: "live/x", Tracks: source.Tracks()})
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan error, 1)
	go func() { published <- source.Run(ctx, func(f media.Frame) error { return p.Write(f) }) }()
	defer func() { stop(); <-published }()

	last := playlist{}
	for i, step := range []time.Duration{0, time.Hour, -2 * time.Hour} {
		off.Add(int64(step))
		patience, enough := context.WithTimeout(ctx, 15*time.Second)
		grown := func(now playlist) bool {
			return now.sequence+now.segments >= last.sequence+last.segments+4 && len(now.runs) == i+1
		}
		now, _ := s.playlist(t, "/live/x/v0.m3u8")
		for version := uint64(0); !grown(now); {
			version = s.changed(patience, t, version)
			if again, ok := s.playlist(t, "/live/x/v0.m3u8"); ok {
				if again.sequence < last.sequence {
					t.Fatalf("the media sequence went back: %+v after %+v", again, last)
				}
				now = again
			}
			if patience.Err() != nil {
				t.Fatalf("after a step of %v: %+v, before %+v", step, now, last)
			}
		}
		enough()
		if now.discontinuities != i {
			t.Errorf("%d discontinuities after %d steps", now.discontinuities, i)
		}
		n := now.numbers
		if d := time.Duration(n[len(n)-1]-n[0]) * 500 * time.Millisecond; step != 0 && i == 1 && (d < time.Hour-time.Minute || d > time.Hour+time.Minute) {
			t.Errorf("segment numbers moved by %v with a step of %v", d, step)
		}
		last = now
		s.periods(t)
	}
	if n := s.timelines.Get("live/x").Snapshot().Runs; len(n) != 3 || !n[2].Start.Before(n[0].Start) {
		t.Errorf("%d runs", len(n))
	}
}

// changed returns when the timeline of live/x is another than of a version, or ctx is over.
func (s *Server) changed(ctx context.Context, t *testing.T, version uint64) uint64 {
	t.Helper()
	tl, err := s.resolve(ctx, "live/x")
	if err != nil || tl == nil {
		t.Fatal(err)
	}
	snap, err := tl.Wait(ctx, version)
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	if snap == nil {
		return version
	}
	return snap.Version
}

var periodTimes = regexp.MustCompile(`<Period id="r\d+" start="PT([\d.]+)S"(?: duration="PT([\d.]+)S")?`)

// periods: no Period begins before the end of the one listed before it.
func (s *Server) periods(t *testing.T) {
	t.Helper()
	mpd := s.get(t, "/live/x/index.mpd").Body.String()
	end := time.Duration(0)
	list := periodTimes.FindAllStringSubmatch(mpd, -1)
	if len(list) == 0 {
		t.Fatalf("no Period in %.600s", mpd)
	}
	for _, m := range list {
		start, err := time.ParseDuration(m[1] + "s")
		length := time.Duration(0)
		if err == nil && m[2] != "" {
			length, err = time.ParseDuration(m[2] + "s")
		}
		if err != nil || start < end || length < 0 {
			t.Errorf("a Period begins at %v and lasts %v, the one before ends at %v: %v", start, length, end, err)
		}
		end = start + length
	}
}
