package hls

import (
	"flag"
	"testing"
	"time"

	"weir/internal/fault"
	format "weir/internal/format/hls"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const window = 30 * time.Second

// golden compares a playlist; the run ids in it, which are the time, are given names first.
func (s *stage) golden(t *testing.T, name string, got []byte) {
	t.Helper()
	s.Golden(t, name, got, *update)
	if _, _, err := format.Parse(got); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// TestGoldenMedia: a low-latency stream from its first segments over a republish to its end.
func TestGoldenMedia(t *testing.T) {
	s := newStage(t)
	defer s.Store.Close()
	text := func(rendition string, delta bool) []byte {
		m := Media(s.View(window), rendition, delta)
		return m.Append(nil)
	}
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "v0", "a0", "a1")
	s.Segments(8, "v0", "a0", "a1")
	s.Add("v0", 200*time.Millisecond, 500, false)
	s.Add("a0", 200*time.Millisecond, 50, false)
	s.golden(t, "live.m3u8", text("v0", false))
	s.golden(t, "live_delta.m3u8", text("v0", true))
	s.Add("v0", 40*time.Millisecond, 500, false) // the publisher dies within a part
	s.TL.EndRun()
	s.golden(t, "away.m3u8", text("v0", false))
	quiet := playlist(s.View(window), "v0", reload{quiet: true})
	s.golden(t, "quiet.m3u8", quiet.Append(nil))
	s.Begin(1020, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Segments(2, "v0", "a0")
	s.Add("v0", 200*time.Millisecond, 500, false)
	s.golden(t, "returned.m3u8", text("v0", false))
	s.golden(t, "returned_delta.m3u8", text("v0", true))
	s.golden(t, "returned_without.m3u8", text("a1", false)) // a rendition that the second run lacks
	s.TL.End()
	s.golden(t, "ended.m3u8", text("a0", false))
}

// TestGoldenPlain: segments only, in a rhythm of their own.
func TestGoldenPlain(t *testing.T) {
	s := newStage(t)
	defer s.Store.Close()
	s.Begin(1000, 4*time.Second, 0, "v0")
	for _, d := range []time.Duration{4, 5, 3} {
		s.Add("v0", d*time.Second, 1000, true)
	}
	s.Add("v0", time.Second, 1000, false)
	m := Media(s.View(window), "v0", true)
	s.golden(t, "plain.m3u8", m.Append(nil))
}

func TestGoldenMultivariant(t *testing.T) {
	for name, renditions := range map[string][]string{
		"full": {"v0", "a0", "a1"}, "video": {"v0"}, "audio": {"a0"}, "part": {"v0", "g0"},
	} {
		s := newStage(t)
		s.Begin(1000, 2*time.Second, 200*time.Millisecond, renditions...)
		s.Segments(3, renditions...)
		m, err := Multivariant(Now(s.View(window)))
		if err != nil {
			t.Fatal(name, err)
		}
		m.Query = "s=TOKEN"
		s.golden(t, "index_"+name+".m3u8", m.Append(nil))
		s.Store.Close()
	}
	s := newStage(t)
	defer s.Store.Close()
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "g0")
	s.Segments(1, "g0")
	if _, err := Multivariant(Now(s.View(window))); fault.Code(err) != "codec_not_in_hls" {
		t.Error(err)
	}
}
