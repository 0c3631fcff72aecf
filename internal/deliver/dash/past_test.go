package dash

import (
	"context"
	"encoding/xml"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/deliver"
	format "weir/internal/format/dash"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// twoRuns is footage of two runs: in the first, sound begins a segment late and misses one in the middle, and later both
// miss one; the second lacks the second language.
func twoRuns(t *testing.T) *stage {
	s := newStageOf(t, 3*time.Hour)
	s.TwoRuns(true)
	return s
}

func TestGoldenPast(t *testing.T) {
	s := twoRuns(t)
	defer s.Store.Close()
	check := func(name string, m format.MPD, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		m.PublishTime = time.Unix(3000, 0)
		s.golden(t, name, m.Append(nil))
	}
	m, err := Static(s.Past(true, timeline.Range{}, nil))
	check("static.mpd", m, err)
	m, err = Static(s.Past(true, timeline.Range{From: time.Unix(2003, 0), To: time.Unix(2042, 0)}, nil))
	check("clip.mpd", m, err)
	m, err = Rewind(s.Past(false, timeline.Range{}, nil), deliver.Ask{Form: deliver.Sliding, Back: 2 * time.Hour}, nil, time.Unix(2046, 0))
	check("sliding.mpd", m, err)
	from := timeline.Range{From: time.Unix(2003, 0)}
	m, err = Rewind(s.Past(false, from, nil), deliver.Ask{Form: deliver.Growing, Range: from}, nil, time.Unix(2046, 0))
	check("growing.mpd", m, err)
}

// TestStaticLeavesNothingOut: whatever is missing where, each segment is listed exactly once, and Periods follow each
// other without a hole.
func TestStaticLeavesNothingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStageOf(t, 3*time.Hour)
		defer s.Store.Close()
		n, want := int64(1000), map[string]int{}
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			s.Begin(n, 2*time.Second, 0, "v0", "a0")
			for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
				for _, name := range []string{"v0", "a0"} {
					if (i > 0 || name == "a0") && rapid.IntRange(0, 5).Draw(t, "luck") == 0 {
						continue // a range begins with the picture
					}
					s.Next[name] = n
					s.Add(name, 2*time.Second, 1000, true)
					want["seg-"+strconv.FormatUint(s.Run.ID, 10)+"-"+name+"-"+strconv.FormatInt(n, 10)+".m4s"]++
				}
				n++
			}
			s.TL.EndRun()
			n += int64(rapid.IntRange(0, 30).Draw(t, "outage"))
		}
		if len(want) == 0 {
			return
		}
		m, err := Static(s.Past(true, timeline.Range{}, nil))
		if err != nil {
			t.Fatal(err)
		}
		end := m.Periods[0].Start
		ids := map[string]bool{}
		for _, p := range m.Periods {
			if !p.Start.Equal(end) || ids[p.ID] {
				t.Fatalf("Period %s begins at %v, the one before ends at %v", p.ID, p.Start, end)
			}
			end, ids[p.ID] = p.End, true
			for _, a := range p.Sets {
				tm := a.Representations[0].Template
				for i, seg := range tm.Segments {
					want[strings.ReplaceAll(tm.Media, "$Number$", strconv.FormatInt(tm.StartNumber+int64(i), 10))]--
					if i > 0 && seg.Start != tm.Segments[i-1].Start+tm.Segments[i-1].Duration {
						t.Fatal("a hole inside a Period")
					}
				}
			}
		}
		for name, k := range want {
			if k != 0 {
				t.Fatalf("%s is missing %d times", name, k)
			}
		}
	})
}

// TestPeriodsStay: in all versions of a sliding manifest a Period has one name and one start, and a segment one place.
func TestPeriodsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStageOf(t, 3*time.Hour)
		defer s.Store.Close()
		n, starts, places := int64(1000), map[string]string{}, map[string]string{}
		var cuts []presentation.Cut
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			s.Begin(n, 2*time.Second, 0, "v0", "a0")
			for range rapid.IntRange(1, 30).Draw(t, "steps") {
				if rapid.IntRange(0, 6).Draw(t, "luck") > 0 {
					for _, name := range []string{"v0", "a0"} {
						s.Next[name] = n
						s.Add(name, 2*time.Second, 1000, true)
					}
				}
				n++
				snap, err := s.Store.Past(context.Background(), "live/show", timeline.Range{From: time.Unix(2*n-30, 0)})
				if err != nil {
					continue
				}
				p := presentation.Past("live/show", snap)
				p.FindCuts(cuts)
				cuts = p.Cuts
				m, err := Rewind(deliver.View{Presentation: &p, Segment: 2 * time.Second}, deliver.Ask{Form: deliver.Sliding, Back: 30 * time.Second}, nil, time.Unix(2*n, 0))
				if err != nil {
					continue
				}
				var doc mpd
				if err := xml.Unmarshal(m.Append(nil), &doc); err != nil {
					t.Fatal(err)
				}
				for _, period := range doc.Periods {
					if was, known := starts[period.ID]; known && was != period.Start {
						t.Fatalf("Period %s began at %s, now at %s", period.ID, was, period.Start)
					}
					starts[period.ID] = period.Start
					for _, set := range period.Sets {
						tm := set.Reps[0].Tmpl
						k := int64(0)
						for _, e := range tm.S {
							for range e.R + 1 {
								name := strings.ReplaceAll(tm.Media, "$Number$", strconv.FormatInt(tm.Start+k, 10))
								k++
								if was, known := places[name]; known && was != period.ID {
									t.Fatalf("%s was in Period %s, now in %s", name, was, period.ID)
								}
								places[name] = period.ID
							}
						}
					}
				}
			}
			s.TL.EndRun()
			n += int64(rapid.IntRange(0, 30).Draw(t, "outage"))
		}
	})
}

func TestPastOverHTTP(t *testing.T) {
	s := newSite(t, deliver.Config{})
	n := time.Now().Unix()/2 - 40
	s.Begin(n, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Segments(30, "v0", "a0")
	stamp := func(n int64) string { return strconv.FormatInt(2*n, 10) }
	for query, kind := range map[string]string{
		"dvr": "dynamic", "from=" + stamp(n+5): "dynamic", "from=" + stamp(n+5) + "&to=" + stamp(n+15): "static",
	} {
		status, text, head := s.Get("index.mpd?" + query)
		var m mpd
		if err := xml.Unmarshal([]byte(text), &m); err != nil || status != 200 {
			t.Fatalf("%s: %d %v\n%s", query, status, err, text)
		}
		if m.Type != kind || len(m.Periods) != 1 || (m.Loc != "") != (kind == "dynamic") || m.Loc != "" && !strings.Contains(m.Loc, query[:3]) {
			t.Errorf("%s:\n%s", query, text)
		}
		if kind == "static" && (m.MUP != "" || m.AST != "" || m.Periods[0].Start != "PT0S" || m.Total != "PT20S") {
			t.Errorf("%s:\n%s", query, text)
		}
		if cache := head.Get("Cache-Control"); cache != "private, no-cache" {
			t.Errorf("%s: %s", query, cache)
		}
		wellFormed(t, []byte(text))
		_, again, _ := s.Get("index.mpd?" + query)
		if kind == "static" && !strings.Contains(again, m.Publish) {
			t.Error("publishTime moves though nothing else does")
		}
	}
	if _, text, _ := s.Get("index.mpd?from=1000000&to=1000010"); !strings.Contains(text, "no_footage") {
		t.Error(text)
	}
}
