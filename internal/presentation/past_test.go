package presentation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/internal/media"
	"weir/internal/timeline"
)

const two = 2 * time.Second

// runOf makes a run of 2-second segments: one string per rendition, "s" a segment, "." a gap, " " nothing, from number 100 on,
// and "o" the open segment.
func runOf(id uint64, first int64, ended bool, renditions ...string) timeline.RunView {
	v := timeline.RunView{Ended: ended, Run: timeline.Run{
		ID: id, FirstN: first, MSNBase: first * 10, DiscontinuitySeq: int(id), SegmentDuration: two, Start: time.Unix(first*2, 0),
	}}
	for i, text := range renditions {
		kind, name, scale := media.Video, "v0", uint32(90000)
		if i > 0 {
			kind, name, scale = media.Audio, "a0", 48000
		}
		v.Run.Renditions = append(v.Run.Renditions, timeline.Rendition{Name: name, Track: media.Track{Kind: kind, TimeScale: scale}})
		var segs []timeline.SegmentView
		for k, c := range text {
			n := first + int64(k)
			if c == ' ' {
				continue
			}
			segs = append(segs, timeline.SegmentView{N: n, MSN: v.MSN(n), Start: n * 2 * int64(scale), DTS: n * 2 * int64(scale),
				Duration: 2 * int64(scale), Independent: true, Complete: c != 'o', Gap: c == '.'})
		}
		v.Renditions = append(v.Renditions, timeline.RenditionView{Segments: segs})
	}
	return v
}

// drawn is the opposite of runOf.
func drawn(p Presentation) []string {
	var out []string
	for i := range p.Periods {
		line := ""
		first, _, _ := p.Periods[i].Numbers()
		for j := range p.Periods[i].Run.Renditions {
			if j > 0 {
				line += "|"
			}
			for k, s := range p.Periods[i].Run.Renditions[j].Segments {
				if k == 0 {
					for range s.N - first {
						line += " "
					}
				}
				if s.Gap {
					line += "."
				} else {
					line += "s"
				}
			}
		}
		out = append(out, line)
	}
	return out
}

func TestPast(t *testing.T) {
	for name, c := range map[string]struct {
		in   []timeline.RunView
		over bool
		want []string
	}{
		"growing":                         {[]timeline.RunView{runOf(1, 100, true, "sss", "sss"), runOf(2, 110, false, "sso", "so")}, false, []string{"sss|sss", "ss|s"}},
		"closed":                          {[]timeline.RunView{runOf(1, 100, false, "ssso", "sss")}, true, []string{"sss|sss"}},
		"sound has less at the end":       {[]timeline.RunView{runOf(1, 100, true, "sss", "ss")}, true, []string{"sss|ss."}},
		"sound has more at the end":       {[]timeline.RunView{runOf(1, 100, true, "ss", "sss")}, true, []string{"ss.|sss"}},
		"sound begins late":               {[]timeline.RunView{runOf(1, 100, true, "ssss", "  ss")}, true, []string{"ssss|..ss"}},
		"gaps inside stay":                {[]timeline.RunView{runOf(1, 100, true, "s.ss", "s..s")}, true, []string{"s.ss|s..s"}},
		"gaps at both ends go":            {[]timeline.RunView{runOf(1, 100, true, "..ss.", "..ss.")}, true, []string{"ss|ss"}},
		"no sound yet in the open run":    {[]timeline.RunView{runOf(1, 100, false, "sso", "")}, false, []string{"ss|"}},
		"nothing finished":                {[]timeline.RunView{runOf(1, 100, false, "o", "o")}, false, nil},
		"the run lacks its sound for now": {[]timeline.RunView{runOf(1, 100, true, "ss", "")}, true, []string{"ss|.."}},
	} {
		p := Past("live/show", &timeline.Snapshot{Runs: c.in, Ended: c.over})
		if diff := cmp.Diff(c.want, drawn(p)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if p.Live == c.over {
			t.Errorf("%s: live %v", name, p.Live)
		}
		for i := range p.Periods {
			for _, r := range p.Periods[i].Run.Renditions {
				for _, s := range r.Segments {
					if s.MSN != p.Periods[i].Run.MSN(s.N) || s.Duration == 0 {
						t.Errorf("%s: %+v", name, s)
					}
				}
			}
		}
	}
}

// TestPastBeginsTogether: where a range cuts into a run, sound that reaches a frame further back does not begin the list alone.
func TestPastBeginsTogether(t *testing.T) {
	run := runOf(1, 100, true, "ssss", "ssss")
	run.FirstN = 90
	run.Renditions[1].Segments = run.Renditions[1].Segments[1:]
	p := Past("live/show", &timeline.Snapshot{Runs: []timeline.RunView{run}, Ended: true})
	if diff := cmp.Diff([]string{"sss|sss"}, drawn(p)); diff != "" {
		t.Error(diff)
	}
}

func TestRestore(t *testing.T) {
	all := Past("x", &timeline.Snapshot{Runs: []timeline.RunView{
		runOf(1, 100, true, "sss", "sss"), runOf(2, 110, true, "ss", "ss"), runOf(3, 120, false, "ss", "s"),
	}})
	marks := all.Marks()
	left := Past("x", &timeline.Snapshot{Runs: []timeline.RunView{
		runOf(1, 100, true, "  s", "  s"), runOf(3, 120, false, "ssss", "sss"),
	}})
	left.Restore(marks)
	if diff := cmp.Diff([]string{"..s|..s", "..|..", "ssss|sss"}, drawn(left)); diff != "" {
		t.Error(diff)
	}
	for i, id := range []uint64{1, 2, 3} {
		if left.Periods[i].Run.ID != id {
			t.Errorf("period %d is of run %d", i, left.Periods[i].Run.ID)
		}
	}
	gone := Past("x", &timeline.Snapshot{})
	gone.Restore(marks)
	if diff := cmp.Diff([]string{"...|...", "..|..", "..|.."}, drawn(gone)); diff != "" {
		t.Error(diff)
	}
}

func TestCuts(t *testing.T) {
	for name, c := range map[string]struct {
		run  timeline.RunView
		cuts []int64
		want []string
	}{
		"whole":             {runOf(1, 100, true, "ssss", "ssss"), nil, []string{"ssss|ssss"}},
		"both":              {runOf(1, 100, true, "ss.s", "ss.s"), []int64{103}, []string{"ss|ss", "s|s"}},
		"sound":             {runOf(1, 100, true, "sssss", "s..ss"), []int64{103}, []string{"sss|s", "ss|ss"}},
		"sound begins late": {runOf(1, 100, true, "ssss", "..ss"), nil, []string{"ssss|  ss"}},
		"sound ends early":  {runOf(1, 100, true, "ssss", "ss.."), nil, []string{"ssss|ss"}},
		"two":               {runOf(1, 100, true, "s.s.s", "s.sss"), []int64{102, 104}, []string{"s|s", "s|ss", "s|s"}},
	} {
		p := Past("x", &timeline.Snapshot{Runs: []timeline.RunView{c.run}, Ended: true})
		p.FindCuts(nil)
		var got []int64
		for _, k := range p.Cuts {
			got = append(got, k.N)
			if want := time.Unix(k.N*2, 0); !k.At.Equal(want) {
				t.Errorf("%s: cut %d at %v", name, k.N, k.At)
			}
		}
		if diff := cmp.Diff(c.cuts, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		var parts Presentation
		for _, s := range p.Stretches() {
			parts.Periods = append(parts.Periods, s.Period)
		}
		if diff := cmp.Diff(c.want, drawn(parts)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestCutsAreRemembered: when the list has moved beyond a gap, what follows keeps its name.
func TestCutsAreRemembered(t *testing.T) {
	p := Past("x", &timeline.Snapshot{Runs: []timeline.RunView{runOf(1, 100, false, "ss.sss", "ss.sss")}})
	p.FindCuts(nil)
	next := Past("x", &timeline.Snapshot{Runs: []timeline.RunView{runOf(1, 100, false, "    sss", "    sss")}})
	next.FindCuts(p.Cuts)
	s := next.Stretches()
	if len(s) != 1 || s[0].Cut == nil || s[0].Cut.N != 103 || !s[0].To.IsZero() {
		t.Errorf("%+v", s)
	}
}
