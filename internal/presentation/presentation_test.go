package presentation

import (
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/media"
	"weir/internal/timeline"
)

const second = 90000 // ticks

// stage drives a timeline in memory with one video rendition at 90 kHz and one audio rendition at 48 kHz.
type stage struct {
	tl   *timeline.Timeline
	run  timeline.Run
	next [2]int64 // segment number per rendition
	part [2]int
}

func newStage(t interface {
	Fatal(...any)
	Cleanup(func())
}, window time.Duration) *stage {
	s, err := timeline.NewStore(timeline.Config{Window: window}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	tl, err := s.Open("live/show")
	if err != nil {
		t.Fatal(err)
	}
	return &stage{tl: tl}
}

var names = [2]string{"v0", "a0"}
var scales = [2]uint32{90000, 48000}

func (s *stage) begin(n int64, d time.Duration, renditions int) {
	r := timeline.Run{Start: time.Unix(0, n*int64(d)), FirstN: n, SegmentDuration: d, PartDuration: d / 10}
	for i := range renditions {
		kind := media.Video
		if i == 1 {
			kind = media.Audio
		}
		r.Renditions = append(r.Renditions, timeline.Rendition{Name: names[i], Track: media.Track{Kind: kind, TimeScale: scales[i]}})
	}
	run, err := s.tl.BeginRun(r)
	if err != nil {
		panic(err)
	}
	s.run, s.next, s.part = run, [2]int64{n, n}, [2]int{}
}

// add appends one part of 200 ms; last closes the segment.
func (s *stage) add(i, size int, last bool) {
	n := s.next[i]
	start := media.FromDuration(time.Duration(n)*s.run.SegmentDuration+time.Duration(s.part[i])*s.run.PartDuration, scales[i])
	p := timeline.Part{N: n, Index: s.part[i], Start: start, DTS: start, Duration: media.FromDuration(s.run.PartDuration, scales[i]),
		Independent: s.part[i] == 0, Data: make([]byte, size), Last: last}
	if err := s.tl.Append(names[i], p); err != nil {
		panic(err)
	}
	s.part[i]++
	if last {
		s.next[i], s.part[i] = n+1, 0
	}
}

func (s *stage) segment(i, size int) {
	for k := range 10 {
		s.add(i, size, k == 9)
	}
}

func TestLiveTrimsAllRenditionsAlike(t *testing.T) {
	s := newStage(t, time.Minute)
	s.begin(100, 2*time.Second, 2)
	for range 8 {
		s.segment(0, 100)
		s.segment(1, 10)
	}
	s.add(0, 100, false)
	p := Live("live/show", s.tl.Snapshot(), 10*time.Second)
	if len(p.Periods) != 1 || !p.Live || p.Away {
		t.Fatalf("%+v", p)
	}
	v, _ := p.Periods[0].Segments("v0")
	a, _ := p.Periods[0].Segments("a0")
	if len(v) != 6 || len(a) != 5 || v[0].N != 103 || a[0].N != 103 {
		t.Errorf("video %d from %d, audio %d from %d", len(v), v[0].N, len(a), a[0].N)
	}
	if msn, part, ok := p.Edge("v0"); msn != v[5].MSN || part != 0 || !ok {
		t.Error(msn, part, ok)
	}
	if msn, ok := p.LastComplete("v0"); msn != v[4].MSN || !ok {
		t.Error(msn, ok)
	}
	if !p.Periods[0].To.IsZero() {
		t.Error("an open run has an end")
	}
}

func TestAwayAndReturn(t *testing.T) {
	s := newStage(t, time.Minute)
	s.begin(100, 2*time.Second, 2)
	s.segment(0, 100)
	s.segment(1, 100)
	s.add(0, 100, false)
	s.tl.EndRun()
	p := Live("x", s.tl.Snapshot(), 30*time.Second)
	if !p.Away || !p.Live || len(p.Periods) != 1 {
		t.Fatalf("%+v", p)
	}
	if want := time.Unix(202, 200e6); !p.Newest().To.Equal(want) {
		t.Errorf("ends at %v, want %v", p.Newest().To, want)
	}
	s.begin(105, 2*time.Second, 1) // comes back without sound
	p = Live("x", s.tl.Snapshot(), 30*time.Second)
	if p.Away || len(p.Periods) != 1 {
		t.Fatal("a run without anything is listed, or hides that the publisher is back")
	}
	s.segment(0, 100)
	p = Live("x", s.tl.Snapshot(), 30*time.Second)
	gaps, r := p.Newest().Segments("a0")
	if r != nil || len(gaps) != 1 || !gaps[0].Gap || gaps[0].MSN != 102 {
		t.Errorf("%v %+v", r, gaps)
	}
	if !p.Has("a0") || p.Has("a1") {
		t.Error("Has")
	}
	s.tl.End()
	if p = Live("x", s.tl.Snapshot(), 30*time.Second); p.Live || p.Away {
		t.Error("ended, but live or away")
	}
}

func TestContains(t *testing.T) {
	s := newStage(t, time.Minute)
	s.begin(100, 2*time.Second, 1)
	s.segment(0, 1)
	s.add(0, 1, false)
	s.add(0, 1, false)
	p := Live("x", s.tl.Snapshot(), 30*time.Second)
	for _, c := range []struct {
		msn  int64
		part int
		want bool
	}{
		{99, -1, true}, {99, 0, true}, {99, 77, true}, // long gone, or before the first
		{100, -1, true}, {100, 9, true}, {100, 10, true}, // 10 is the first of the next
		{101, -1, false}, {101, 0, true}, {101, 1, true}, {101, 2, false},
		{102, -1, false}, {102, 0, false},
	} {
		if got := p.Contains("v0", c.msn, c.part); got != c.want {
			t.Errorf("msn %d part %d: %v", c.msn, c.part, got)
		}
	}
	s.add(0, 1, true)
	p = Live("x", s.tl.Snapshot(), 30*time.Second)
	if !p.Contains("v0", 101, -1) || p.Contains("v0", 101, 3) {
		t.Error("after the segment's end")
	}
}

// TestAbsencesCount: the time between two runs has numbers, which are there as soon as the newer run has something.
func TestAbsencesCount(t *testing.T) {
	s := newStage(t, time.Minute)
	s.begin(100, 2*time.Second, 2)
	s.segment(0, 1)
	s.segment(1, 1)
	s.tl.EndRun()
	s.begin(104, 2*time.Second, 2) // six seconds later: 101, 102 and 103 are absent
	p := Live("x", s.tl.Snapshot(), 30*time.Second)
	if last, _ := p.LastComplete("v0"); last != 100 || p.Contains("v0", 101, 0) {
		t.Error("there is nothing of the new run yet", last)
	}
	s.add(0, 1, false)
	p = Live("x", s.tl.Snapshot(), 30*time.Second)
	msn, part, _ := p.Edge("v0")
	last, _ := p.LastComplete("v0")
	if msn != 104 || part != 0 || last != 103 {
		t.Errorf("edge %d part %d, last %d", msn, part, last)
	}
	for msn, want := range map[int64]bool{100: true, 101: true, 103: true, 104: true, 105: false} {
		if p.Contains("v0", msn, 0) != want || p.Contains("v0", msn, -1) != (want && msn < 104) {
			t.Errorf("number %d", msn)
		}
	}
	s.add(0, 1, true)
	s.add(0, 1, false)
	p = Live("x", s.tl.Snapshot(), 30*time.Second)
	if last, _ := p.LastComplete("v0"); last != 104 {
		t.Error(last)
	}
}

func TestMeasure(t *testing.T) {
	s := newStage(t, time.Minute)
	s.begin(100, 2*time.Second, 1)
	view := func() *timeline.RenditionView { return &s.tl.Snapshot().Runs[0].Renditions[0] }
	if r := Measure(view(), 90000, 2*time.Second); r != (Rate{}) {
		t.Error("rate of nothing", r)
	}
	s.add(0, 1000, false)
	if r := Measure(view(), 90000, 2*time.Second); r != (Rate{40000, 40000, 1}) {
		t.Error("rate of the open segment", r)
	}
	for k := range 9 {
		s.add(0, 1000, k == 8)
	}
	s.segment(0, 3000)
	s.add(0, 1_000_000, true) // a stump at a terrible rate counts with its neighbour
	want := Rate{Peak: (30_000+1_000_000)*8*10/22 + 1, Average: 1_040_000*8*10/42 + 1, Segments: 3}
	if r := Measure(view(), 90000, 2*time.Second); r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
	if r := Measure(view(), 90000, 8*time.Second); r.Peak != want.Average {
		t.Errorf("one row of half a target: %+v", r)
	}
}

// TestRate: the peak is that of all Periods, also across their joint, but never across a gap.
func TestRate(t *testing.T) {
	s := newStage(t, time.Minute)
	s.begin(100, 2*time.Second, 1)
	s.segment(0, 1000)
	s.add(0, 40_000, true)
	s.tl.EndRun()
	s.begin(110, 2*time.Second, 1)
	s.segment(0, 2000)
	p := Live("x", s.tl.Snapshot(), time.Minute)
	name := s.run.Renditions[0].Name
	if r, want := p.Rate(name, 2*time.Second), (Rate{Peak: 60_000*8*10/22 + 1, Average: 70_000*8*10/42 + 1, Segments: 3}); r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
	s.tl.EndRun()
	s.begin(120, 2*time.Second, 1)
	s.next[0] = 121 // nothing of the first
	s.segment(0, 3000)
	p = Live("x", s.tl.Snapshot(), time.Minute)
	if r := p.Rate(name, 8*time.Second); r.Segments != 4 || r.Peak != 70_000*8*10/42+1 {
		t.Errorf("%+v", r)
	}
	if r := p.PictureRate(name, 2*time.Second); r.Peak > p.Rate(name, 2*time.Second).Peak {
		t.Errorf("%+v", r)
	}
	if p.Rate("none", time.Second) != (Rate{}) {
		t.Error("rate of nothing")
	}
	if few, many := (Rate{1000, 1000, 1}).Ahead(), (Rate{1000, 1000, 9}).Ahead(); few.Peak != 1250 || many.Peak != 1125 {
		t.Errorf("%+v %+v", few, many)
	}
}

func TestSettledAndMeasured(t *testing.T) {
	s := newStage(t, time.Minute)
	s.begin(100, 2*time.Second, 2)
	now := func() Presentation { return Live("x", s.tl.Snapshot(), 30*time.Second) }
	s.add(0, 1, false)
	if p := now(); p.Newest().Settled() || p.Measured() || p.Described() != nil {
		t.Error("audio is still missing")
	}
	s.add(1, 1, false)
	if p := now(); !p.Newest().Settled() || p.Measured() {
		t.Error("both are there, nothing is finished")
	}
	s.tl.EndRun()
	s.begin(200, 2*time.Second, 2)
	for range 3 {
		if p := now(); p.Newest().Run.ID == s.run.ID && p.Newest().Settled() {
			t.Error("settled without audio")
		}
		s.segment(0, 1)
	}
	if p := now(); !p.Newest().Settled() || !p.Measured() {
		t.Error("the audio that never comes holds all up")
	}
}

// TestNeverBack: whatever happens, the first and the last number listed never go back, and Longest covers all.
func TestNeverBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStage(t, 20*time.Second)
		window := time.Duration(rapid.IntRange(12, 20).Draw(t, "window")) * time.Second
		n, open := int64(1000), false
		var first, last int64
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch k := rapid.IntRange(0, 9).Draw(t, "step"); {
			case !open || k == 0:
				if open {
					s.tl.EndRun()
					n = max(s.next[0], s.next[1])
				}
				d := rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Second, 4 * time.Second}).Draw(t, "d")
				n = max(n, int64(time.Duration(n)*s.run.SegmentDuration/d)) + 2
				s.begin(n, d, 2)
				open = true
			case k < 6:
				i := 0 // whichever is behind: the segmenter lets none fall back far
				if s.next[1] < s.next[0] {
					i = 1
				}
				for s.part[i] > 0 && s.part[i] < 9 {
					s.add(i, 10, false)
				}
				s.add(i, 10, true)
			default:
				if i := k % 2; s.part[i] < 8 && s.next[i] <= s.next[1-i] {
					s.add(i, 10, false)
				}
			}
			p := Live("x", s.tl.Snapshot(), window)
			if len(p.Periods) == 0 {
				continue
			}
			f := firstMSN(&p.Periods[0].Run)
			l, _, _ := p.Edge("v0")
			if f < first || l < last {
				t.Fatalf("went back: first %d after %d, last %d after %d", f, first, l, last)
			}
			first, last = f, l
			if seg, part := p.Longest(); p.Newest().Run.ID == s.run.ID && (seg < s.run.SegmentDuration || part < s.run.PartDuration) {
				t.Fatal("targets too short")
			}
		}
	})
}

func BenchmarkLive(b *testing.B) {
	s := newStage(b, time.Minute)
	s.begin(100, 2*time.Second, 2)
	for range 20 {
		s.segment(0, 1)
		s.segment(1, 1)
	}
	snap := s.tl.Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		p := Live("x", snap, 30*time.Second)
		p.Longest()
	}
}
