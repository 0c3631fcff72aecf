package hls

import (
	gocmp "cmp"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	format "weir/internal/format/hls"
)

// memory is what a player and a cache remember of a rendition's playlists.
type memory struct {
	number        map[string]int64 // by segment address
	discontinuity map[string]int
	maps          map[string]string
	first, last   int64
	target        int
	full          *format.Media // the last whole playlist, as merged
}

func newMemory() *memory {
	return &memory{number: map[string]int64{}, discontinuity: map[string]int{}, maps: map[string]string{}}
}

// look checks a whole playlist against all that were seen before.
func (k *memory) look(t *rapid.T, m *format.Media) {
	last := m.MediaSequence + int64(len(m.Segments)) - 1
	if m.MediaSequence < k.first || last < k.last {
		t.Fatalf("media sequence went back: %d..%d after %d..%d", m.MediaSequence, last, k.first, k.last)
	}
	if m.TargetDuration < k.target {
		t.Fatal("the target duration shrank")
	}
	k.first, k.last, k.target = m.MediaSequence, last, m.TargetDuration
	disc, init := m.DiscontinuitySequence, ""
	for i := range m.Segments {
		s := &m.Segments[i]
		if s.Discontinuity {
			disc++
		}
		if s.Map != "" {
			init = s.Map
		}
		if math.Round(s.Duration.Seconds()) > float64(m.TargetDuration) {
			t.Fatalf("a segment of %v in a playlist of target %d", s.Duration, m.TargetDuration)
		}
		for j := range s.Parts {
			if s.Parts[j].Duration > m.PartTarget {
				t.Fatalf("a part of %v in a playlist of part target %v", s.Parts[j].Duration, m.PartTarget)
			}
		}
		if s.URI == "" {
			continue
		}
		n := m.MediaSequence + int64(i)
		if was, known := k.number[s.URI]; known && (was != n || k.discontinuity[s.URI] != disc || !s.Gap && k.maps[s.URI] != init) {
			t.Fatalf("%s was number %d of run %d with %s, now %d of %d with %s", s.URI, was, k.discontinuity[s.URI], k.maps[s.URI], n, disc, init)
		}
		k.number[s.URI], k.discontinuity[s.URI], k.maps[s.URI] = n, disc, init
	}
}

// merge does to a delta update what a player does: the segments left out come from the playlist before.
func (k *memory) merge(t *rapid.T, d *format.Media) {
	if k.full == nil || d.Skipped == 0 {
		return
	}
	from := d.MediaSequence - k.full.MediaSequence
	if from < 0 || from+int64(d.Skipped) > int64(len(k.full.Segments)) {
		t.Fatalf("%d segments skipped from %d on, but the last playlist had %d from %d on", d.Skipped, d.MediaSequence, len(k.full.Segments), k.full.MediaSequence)
	}
	whole := append([]format.Segment(nil), k.full.Segments[from:from+int64(d.Skipped)]...)
	first, init := &d.Segments[0], ""
	at := int(from) + d.Skipped
	for i := range k.full.Segments[:at] {
		init = gocmp.Or(k.full.Segments[i].Map, init)
	}
	own := at < len(k.full.Segments) && k.full.Segments[at].Map != "" // a run begins with it
	if first.Map == "" || !first.Discontinuity && !own && first.Map != init {
		t.Fatalf("the first segment that is not skipped has init segment %q, those before it %q", first.Map, init)
	}
	if !first.Discontinuity && !own {
		first.Map = "" // said again for players that do not remember
	}
	for i := range whole {
		whole[i].Parts = nil
		if whole[i].Discontinuity && i > 0 {
			t.Fatal("skipped across a discontinuity")
		}
	}
	d.Segments = append(whole, d.Segments...)
	d.Skipped = 0
}

func parse(t *rapid.T, m format.Media) *format.Media {
	_, got, err := format.Parse(m.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// alike strips what a merged playlist need not have: parts of skipped segments, and the tags that say again what the
// segment before it said.
func alike(m *format.Media) []format.Segment {
	out := append([]format.Segment(nil), m.Segments...)
	for i := range out {
		out[i].Parts = nil
		if i == 0 {
			out[i].Discontinuity, out[i].Map = false, ""
		}
	}
	return out
}

// TestPlaylistsAreOneStory: whatever a publisher does, numbers do not go back, a name always means the same segment
// of the same run, targets cover everything, and a delta update with the playlist before is the whole playlist.
func TestPlaylistsAreOneStory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStage(t)
		defer s.Store.Close()
		names := []string{"v0", "a0"}
		seen := map[string]*memory{"v0": newMemory(), "a0": newMemory()}
		n := int64(1000)
		s.Begin(n, 2*time.Second, 200*time.Millisecond, names...)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch k := rapid.IntRange(0, 12).Draw(t, "step"); {
			case k == 0:
				s.TL.EndRun()
			case k == 1:
				n = max(n, s.Next["v0"], s.Next["a0"]) + rapid.Int64Range(1, 5).Draw(t, "pause")
				s.Begin(n, 2*time.Second, 200*time.Millisecond, names...)
			case s.TL.Snapshot().Runs == nil || s.ended():
				continue
			case k < 8:
				s.Segments(1, names...)
			default:
				length := rapid.SampledFrom([]time.Duration{200, 200, 200, 40, 240}).Draw(t, "length") * time.Millisecond
				for _, name := range names {
					if s.Part[name] < 9 {
						s.Add(name, length, 10, false)
					}
				}
			}
			for _, name := range names {
				v := s.View(window)
				if _, ok := v.LastComplete(name); !ok {
					continue
				}
				full, delta := parse(t, Media(v, name, false)), parse(t, Media(v, name, true))
				k := seen[name]
				k.look(t, full)
				noStep(t, full)
				k.merge(t, delta)
				if delta.Skipped == 0 {
					if diff := cmp.Diff(alike(full), alike(delta)); diff != "" {
						t.Fatalf("delta and full differ:\n%s", diff)
					}
				}
				k.full = full
			}
		}
	})
}

// noStep: dates go on without a step over every absence.
func noStep(t *rapid.T, m *format.Media) {
	for i := 1; i < len(m.Segments); i++ {
		before, s := &m.Segments[i-1], &m.Segments[i]
		if end := before.Time.Add(before.Duration); (s.Gap || before.Gap) && !s.Time.Equal(end) {
			t.Fatalf("the date steps from %v to %v at an absence", end, s.Time)
		}
	}
}

// ended tells that the newest run is closed.
func (s *stage) ended() bool {
	runs := s.TL.Snapshot().Runs
	return len(runs) == 0 || runs[len(runs)-1].Ended
}

func BenchmarkMedia(b *testing.B) {
	s := newStage(b)
	defer s.Store.Close()
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Segments(16, "v0", "a0")
	s.Add("v0", 200*time.Millisecond, 500, false)
	v := s.View(window)
	for name, delta := range map[string]bool{"full": false, "delta": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				m := Media(v, "v0", delta)
				buf = m.Append(buf[:0])
			}
			b.ReportMetric(float64(len(buf)), "bytes")
		})
	}
}
