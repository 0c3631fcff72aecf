package hls

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/deliver"
	"weir/internal/deliver/delivertest"
	format "weir/internal/format/hls"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// piece is a segment of a run: when its picture or sound begins and ends, in ms since the run would have begun if its first
// segment were whole. Zero: it is missing.
type piece struct{ from, to int64 }

// kind is a run as it may come to be stored, in segments of two seconds.
type kind struct {
	name           string
	picture, sound []piece // nil: the run lacks it
}

// kinds of runs, of about six seconds each.
var kinds = []kind{
	{"together", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}},
	{"sound late and short", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{20, 2010}, {2010, 4000}, {4000, 5970}}},
	{"picture short", []piece{{0, 2000}, {2000, 4000}, {4000, 5990}}, []piece{{10, 2010}, {2010, 4000}, {4000, 6050}}},
	{"sound ends early", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{20, 2010}, {2010, 4000}, {4000, 5500}}},
	{"sound ends segments early", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{20, 1400}, {}, {}}},
	{"sound begins late", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{700, 2010}, {2010, 4000}, {4000, 6000}}},
	{"sound begins segments late", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{}, {}, {5200, 6010}}},
	{"sound has a hole", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{20, 1200}, {}, {4900, 6000}}},
	{"sound has a short hole", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{20, 1200}, {2400, 4000}, {4000, 6000}}},
	{"picture begins late", []piece{{1500, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{0, 2000}, {2000, 4010}, {4010, 6010}}},
	{"picture ends early", []piece{{0, 2000}, {2000, 2500}, {}}, []piece{{0, 2000}, {2000, 4010}, {4010, 6010}}},
	{"long last segment", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, []piece{{60, 2000}, {2000, 4000}, {4000, 6450}}},
	{"no sound", []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}, nil},
	{"no picture", nil, []piece{{0, 2000}, {2000, 4000}, {4000, 6000}}},
	{"short", []piece{{0, 400}}, []piece{{10, 380}}},
}

// vodOf is a VOD of runs, each so many milliseconds after the end of the one before.
func vodOf(runs []kind, after []int64) deliver.View {
	const d = 2 * time.Second
	snap := &timeline.Snapshot{Ended: true}
	begins, msn := int64(1_750_000_000_700), int64(500)
	for i, k := range runs {
		begins += after[i]
		n := begins / d.Milliseconds()
		run := timeline.RunView{Ended: true, Run: timeline.Run{ID: uint64(i + 1), Start: time.UnixMilli(begins), FirstN: n, MSNBase: msn, DiscontinuitySeq: i, SegmentDuration: d}}
		end, grid := begins, n*d.Milliseconds()
		for _, name := range []string{"v0", "a0"} {
			pieces := map[string][]piece{"v0": k.picture, "a0": k.sound}[name]
			if pieces == nil {
				continue
			}
			run.Run.Renditions = append(run.Run.Renditions, timeline.Rendition{Name: name, Track: delivertest.Tracks[name], InitName: fmt.Sprintf("init-%d-%s.mp4", i, name)})
			var v timeline.RenditionView
			for j, p := range pieces {
				from, to := grid+p.from, grid+p.to
				if j == 0 {
					from = begins + p.from
				}
				if len(pieces) == 1 {
					to = begins + p.to
				}
				v.Segments = append(v.Segments, segmentOf(name, n+int64(j), msn+int64(j), from, to))
				if p.to > 0 {
					end = max(end, to)
				}
			}
			run.Renditions = append(run.Renditions, v)
		}
		snap.Runs = append(snap.Runs, run)
		begins, msn = end, msn+int64(max(len(k.picture), len(k.sound)))
	}
	p := presentation.Past("live/show", snap)
	longest, _ := p.Longest()
	return deliver.View{Presentation: &p, Segment: longest}
}

// segmentOf is a segment that lasts from and to so many Unix milliseconds, a missing one if it would not last.
func segmentOf(name string, n, msn, from, to int64) timeline.SegmentView {
	scale := int64(delivertest.Tracks[name].TimeScale)
	start := media.FromDuration(time.Duration(from)*time.Millisecond, uint32(scale))
	return timeline.SegmentView{N: n, MSN: msn, Start: start, DTS: start, Duration: max(to-from, 0) * scale / 1000,
		Complete: true, Gap: to <= from, Independent: true, Key: 100}
}

// laid is what a player makes of a list: where its runs begin, its end by the dates, and by the durations, in seconds.
type laid struct {
	runs           []float64
	end, durations float64
}

// asShaka lays a list out as Shaka 5.2 does: a step of more than a second in the dates between runs is taken out, a lesser
// one is not.
func asShaka(m *format.Media) laid {
	var out laid
	taken, end := time.Duration(0), m.Segments[0].Time
	for i, g := range m.Segments {
		if g.Time.IsZero() {
			g.Time = end.Add(taken)
		}
		if step := g.Time.Add(-taken).Sub(end); g.Discontinuity && step.Abs() > time.Second {
			taken += step
		}
		at := g.Time.Add(-taken)
		if i == 0 || g.Discontinuity {
			out.runs = append(out.runs, at.Sub(m.Segments[0].Time).Seconds())
		}
		end = at.Add(g.Duration)
		out.durations += g.Duration.Seconds()
	}
	out.end = end.Sub(m.Segments[0].Time).Seconds()
	return out
}

// judgeVOD: all lists of a VOD are equally long, run by run, and as long as their dates say; what they tell of footage is true.
func judgeVOD(t interface {
	Helper()
	Errorf(string, ...any)
	Fatal(...any)
}, v deliver.View) {
	t.Helper()
	server := deliver.New(deliver.Config{}, nil, nil, nil, nil)
	var lists []laid
	for _, sh := range []sheet{{rendition: "v0"}, {rendition: "a0"}, {rendition: "v0", shape: pictures}} {
		sh.server, sh.name, sh.kind = server, "live/show", format.TypeVOD
		var text []byte
		for _, b := range sh.document(v).Pieces() {
			text = append(text, b...)
		}
		_, m, err := format.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range m.Segments {
			if int(math.Round(g.Duration.Seconds())) > m.TargetDuration || g.Duration <= 0 {
				t.Errorf("%s lasts %v of %d s", g.URI, g.Duration, m.TargetDuration)
			}
			if i > 0 && !g.Discontinuity && !g.Time.IsZero() && g.Time.Sub(m.Segments[i-1].Time.Add(m.Segments[i-1].Duration)).Abs() > time.Millisecond {
				t.Errorf("%s is dated %v, after %v and %v", g.URI, g.Time, m.Segments[i-1].Time, m.Segments[i-1].Duration)
			}
		}
		judgeTrue(t, v, sh.rendition, m)
		l := asShaka(m)
		if math.Abs(l.end-l.durations) > 0.003 {
			t.Errorf("%s ends at %.3f s by its dates, and lasts %.3f s\n%s", sh.rendition, l.end, l.durations, text)
		}
		lists = append(lists, l)
	}
	for _, l := range lists[1:] {
		if len(l.runs) != len(lists[0].runs) || math.Abs(l.durations-lists[0].durations) > 0.2 {
			t.Errorf("lists of %d and %d runs last %.3f and %.3f s", len(lists[0].runs), len(l.runs), lists[0].durations, l.durations)
			continue
		}
		for i := range l.runs {
			if math.Abs(l.runs[i]-lists[0].runs[i]) > 0.1 {
				t.Errorf("run %d is at %.3f s of one list and at %.3f s of another", i, lists[0].runs[i], l.runs[i])
			}
		}
	}
}

// judgeTrue: every segment is dated as it is, or without a date follows those before it to within a good second, and lasts
// as long, or a little longer at the end of a run.
func judgeTrue(t interface{ Errorf(string, ...any) }, v deliver.View, rendition string, m *format.Media) {
	listed, slack := map[string]format.Segment{}, map[string]time.Duration{}
	var end time.Time
	for _, g := range m.Segments {
		most := time.Millisecond
		if g.Time.IsZero() {
			g.Time, most = end, (step+unevenness)*time.Millisecond
		}
		if end = g.Time.Add(g.Duration); !g.Gap {
			listed[g.URI], slack[g.URI] = g, most
		}
	}
	for i := range v.Periods {
		segs, r := v.Periods[i].Segments(rendition)
		for j := range segs {
			if r == nil || segs[j].Gap {
				continue
			}
			uri := deliver.Address{Kind: deliver.Segment, Run: v.Periods[i].Run.ID, Rendition: rendition, N: segs[j].N}.String()
			if m.IFramesOnly {
				uri = deliver.Address{Kind: deliver.Picture, Run: v.Periods[i].Run.ID, Rendition: rendition, N: segs[j].N}.String()
			}
			g, ok := listed[uri]
			from, lasts := presentation.At(segs[j].Start, r.Track.TimeScale), media.ToDuration(segs[j].Duration, r.Track.TimeScale)
			if more := g.Duration - lasts; !ok || g.Time.Sub(from).Abs() > slack[uri] || more < -91*time.Millisecond || more > 91*time.Millisecond {
				t.Errorf("%s from %v for %v is listed %t from %v for %v", uri, from, lasts, ok, g.Time, g.Duration)
			}
		}
	}
}

// TestListsOfAVODLastEquallyLong: every kind of run after every other one, behind every kind of gap.
func TestListsOfAVODLastEquallyLong(t *testing.T) {
	for _, gap := range []int64{0, 1, 40, 91, 350, 950, 990, 1010, 1100, 1179, 1181, 1300, 5000, 3_600_000, -40, -91, -600, -1100, -1300, -3_600_000} {
		for _, before := range kinds {
			for _, after := range kinds {
				t.Run(fmt.Sprintf("%s, %d ms, %s", before.name, gap, after.name), func(t *testing.T) {
					judgeVOD(t, vodOf([]kind{before, after, before}, []int64{0, gap, gap}))
				})
			}
		}
	}
}

// TestOpenGroupsLeaveNoHoles: of open groups the pictures shown before a key picture are decoded behind it, so that the first
// segment holds some fewer, though nothing is missing.
func TestOpenGroupsLeaveNoHoles(t *testing.T) {
	v := vodOf([]kind{kinds[0]}, []int64{0})
	segs := v.Presentation.Periods[0].Run.Renditions[0].Segments
	ticks := media.FromDuration(120*time.Millisecond, delivertest.Tracks["v0"].TimeScale)
	segs[0].Duration -= ticks
	for i := range segs[1:] {
		segs[1+i].DTS -= ticks
	}
	for _, rendition := range []string{"v0", "a0"} {
		s := sheet{server: deliver.New(deliver.Config{}, nil, nil, nil, nil), name: "live/show", kind: format.TypeVOD, rendition: rendition}
		_, m, err := format.Parse(slices.Concat(s.document(v).Pieces()...))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range m.Segments {
			if g.Gap {
				t.Errorf("the list of %s has a gap of %v at %v", rendition, g.Duration, g.Time)
			}
		}
	}
}

// TestListsOfAVODDoNotDrift: the same over many runs.
func TestListsOfAVODDoNotDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "runs")
		runs, after := make([]kind, n), make([]int64, n)
		for i := range runs {
			runs[i] = rapid.SampledFrom(kinds).Draw(t, "kind")
			after[i] = rapid.OneOf(rapid.Int64Range(0, 2500), rapid.Int64Range(-100, 100), rapid.Int64Range(-1500, 0), rapid.Just(int64(-3_600_000)), rapid.Just(int64(600_000))).Draw(t, "after")
		}
		judgeVOD(t, vodOf(runs, after))
	})
}
