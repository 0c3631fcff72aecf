package dash

import (
	"testing"
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/dash"
)

// TestSteadyTime: the steady clock goes on over steps of the wall clock, and follows what is less than one.
func TestSteadyTime(t *testing.T) {
	var c steadyTime
	began := time.Unix(3_000_000, 0)
	for i, step := range []struct{ passed, off, want time.Duration }{
		{0, 0, 0},
		{time.Second, 0, time.Second},
		{2 * time.Second, 300 * time.Millisecond, 2300 * time.Millisecond}, // slewed
		{3 * time.Second, time.Hour, 3300 * time.Millisecond},
		{10 * time.Second, time.Hour, 10300 * time.Millisecond},
		{11 * time.Second, -2 * time.Hour, 11300 * time.Millisecond},
		{24 * time.Hour, -2 * time.Hour, 24*time.Hour + 300*time.Millisecond},
	} {
		now := began.Add(step.passed)
		if got := c.at(now, now.Add(step.off)).Sub(began); got != step.want {
			t.Errorf("%d: %v after the first look, want %v", i, got, step.want)
		}
	}
}

// TestLiveManifestGoesOnOverASteppedClock: whatever the wall clock is set to, Periods keep their places, and what comes next
// lies where the last one ends. What is shown is what was stored.
func TestLiveManifestGoesOnOverASteppedClock(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 4 * time.Second, -4 * time.Second} {
		s := newStage(t)
		s.Begin(5000, 2*time.Second, 200*time.Millisecond, "v0", "a0")
		s.Segments(3, "v0", "a0")
		manifest := func(stepped time.Duration, before *format.MPD) *format.MPD {
			m, err := MPD(s.View(window), window, stepped, before)
			if err != nil {
				t.Fatal(err)
			}
			return &m
		}
		before := manifest(0, nil)
		early := manifest(step, before) // the clock was set, and nothing of what comes then is there
		s.TL.EndRun()
		s.Begin(5003+int64(step/(2*time.Second)), 2*time.Second, 200*time.Millisecond, "v0", "a0")
		s.Segments(3, "v0", "a0")
		after := manifest(step, early)
		s.Segments(1, "v0", "a0")
		again := manifest(0, after) // it was set back, and the run was not cut yet
		for _, m := range []*format.MPD{after, again} {
			p := m.Periods
			if len(p) != 2 || !p[0].Start.Equal(before.Periods[0].Start) || !p[1].Start.Equal(time.Unix(10006, 0)) || !p[0].End.Equal(p[1].Start) {
				t.Fatalf("%v: %+v, before %+v", step, p, before.Periods)
			}
			rep := &p[1].Sets[0].Representations[0].Template
			if first := rep.Segments[0].Start; first != rep.Offset || first != int64(10006+step/time.Second)*90000 {
				t.Errorf("%v: the Period shows from %d on what begins at %d", step, rep.Offset, first)
			}
			if wall := p[1].Sets[0].Producer.Wall; !wall.Equal(p[1].Start) {
				t.Errorf("%v: a latency measured against the steady clock would be off by %v", step, wall.Sub(p[1].Start))
			}
		}
		s.TL.End()
		if end := manifest(step, after).End; !end.Equal(time.Unix(10014, 0)) {
			t.Errorf("%v: it ends at %v", step, end)
		}
		s.Store.Close()
	}
}

// TestClocksOverHTTP: the wall clock, by which the past goes, and the steady one answer in the same form.
func TestClocksOverHTTP(t *testing.T) {
	s := newSite(t, deliver.Config{})
	for _, query := range []string{"utc", "utc=steady"} {
		status, text, _ := s.Get("index.mpd?" + query)
		at, err := time.Parse(time.RFC3339Nano, text)
		if status != 200 || err != nil || time.Since(at).Abs() > 10*time.Second {
			t.Errorf("%s: %d %q", query, status, text)
		}
	}
}
