package hls

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	format "weir/internal/format/hls"
	"weir/internal/presentation"
	"weir/internal/timeline"

	"weir/internal/deliver"
)

// TestSlidingNeverGoesBack: over random histories of runs, lost segments and a moving window, every segment keeps its
// number, its discontinuity number and its header in all versions of a sliding list.
func TestSlidingNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStageOf(t, 3*time.Hour)
		defer s.Store.Close()
		server := deliver.New(deliver.Config{}, nil, s.Store, nil, nil)
		window := time.Duration(rapid.IntRange(20, 400).Draw(t, "window")) * time.Second
		seen := map[string]*memory{"v0": newMemory(), "a0": newMemory(), "ts": newMemory()}
		n, target := int64(1000), time.Duration(0)
		for range rapid.IntRange(1, 4).Draw(t, "runs") {
			s.Begin(n, 2*time.Second, 0, "v0", "a0")
			for range rapid.IntRange(1, 60).Draw(t, "steps") {
				if rapid.IntRange(0, 9).Draw(t, "luck") == 0 { // something is lost
					name := rapid.SampledFrom([]string{"v0", "a0"}).Draw(t, "which")
					s.Next[name] = max(s.Next["v0"], s.Next["a0"]) + 1
				}
				k := max(s.Next["v0"], s.Next["a0"])
				for _, name := range []string{"v0", "a0"} {
					s.Next[name] = max(s.Next[name], k)
					s.Add(name, 2*time.Second, 1000, true)
				}
				n = k + 1
				if rapid.IntRange(0, 3).Draw(t, "look") > 0 {
					continue
				}
				snap, err := s.Store.Past(context.Background(), "live/show", timeline.Range{From: time.Unix(2*n, 0).Add(-window)})
				if err != nil {
					t.Fatal(err)
				}
				p := presentation.Past("live/show", snap)
				longest, _ := p.Longest()
				target = max(target, longest)
				for name, mem := range seen {
					sh := sheet{server: server, name: "live/show", rendition: name}
					if name == "ts" {
						sh.rendition, sh.shape = "", muxed
					}
					doc := sh.document(deliver.View{Presentation: &p, Segment: target})
					text := []byte{}
					for _, b := range doc.Pieces() {
						text = append(text, b...)
					}
					_, m, err := format.Parse(text)
					if err != nil {
						t.Fatal(err)
					}
					if len(m.Segments) > 0 {
						mem.look(t, m)
					}
				}
			}
			s.TL.EndRun()
			n += int64(rapid.IntRange(0, 30).Draw(t, "outage"))
		}
	})
}

// BenchmarkWindow: what one new segment costs in a rewind window of two hours, text and gzip. All viewers share it.
func BenchmarkWindow(b *testing.B) {
	s := newStageOf(b, 3*time.Hour)
	defer s.Store.Close()
	server := deliver.New(deliver.Config{}, nil, s.Store, nil, nil)
	const d = 2 * time.Second
	s.Begin(1000, d, 0, "v0", "a0")
	add := func() {
		s.Add("v0", d, 100, true)
		s.Add("a0", d, 10, true)
	}
	for range 3600 {
		add()
	}
	load := func() deliver.View {
		snap, err := s.Store.Past(context.Background(), "live/show", timeline.Range{From: time.Unix(0, s.Next["v0"]*int64(d)).Add(-2 * time.Hour)})
		if err != nil {
			b.Fatal(err)
		}
		p := presentation.Past("live/show", snap)
		p.FindCuts(nil)
		longest, _ := p.Longest()
		return deliver.View{Presentation: &p, Segment: longest}
	}
	b.Run("text and gzip", func(b *testing.B) {
		b.ReportAllocs()
		size := 0
		for b.Loop() {
			b.StopTimer()
			add()
			v := load()
			b.StartTimer()
			doc := (&sheet{server: server, name: "live/show", rendition: "v0"}).document(v)
			size = doc.GzipSize()
		}
		b.ReportMetric(float64(size), "bytes")
	})
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			load()
		}
	})
	v := load()
	b.Run("uncached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			server := deliver.New(deliver.Config{}, nil, s.Store, nil, nil)
			(&sheet{server: server, name: "live/show", rendition: "v0"}).document(v).GzipSize()
		}
	})
}
