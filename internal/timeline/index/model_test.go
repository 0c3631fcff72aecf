package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model is what the index must look like: plain maps and loops.
type model struct {
	files   map[string]File
	runs    map[string]Run // by timeline and ID
	garbage map[string]bool
}

func (m *model) apply(b Batch) {
	for _, r := range b.Runs {
		m.runs[fmt.Sprint(r.Timeline, r.ID)] = r
	}
	for _, f := range b.Files {
		m.files[f.Object] = f
		delete(m.garbage, f.Object)
	}
	for _, f := range b.Remove {
		if _, ok := m.files[f.Object]; ok {
			delete(m.files, f.Object)
			m.garbage[f.Object] = true
		}
	}
	for _, o := range b.Cleaned {
		delete(m.garbage, o)
	}
	for _, name := range b.Release {
		for o, f := range m.files {
			if name == "" || f.Timeline == name {
				f.Held = false
				m.files[o] = f
			}
		}
	}
}

func (m *model) list(want func(File) bool) []File {
	var out []File
	for _, f := range m.files {
		if want(f) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, compareFiles)
	return out
}

func compareFiles(a, b File) int {
	return cmp.Or(a.From.Compare(b.From), strings.Compare(a.Timeline, b.Timeline), strings.Compare(a.Object, b.Object))
}

func (m *model) coverage() []Coverage {
	byName := map[string]*Coverage{}
	for _, f := range m.files {
		c := byName[f.Timeline]
		if c == nil {
			c = &Coverage{Timeline: f.Timeline, From: f.From, To: f.To}
			byName[f.Timeline] = c
		}
		c.Files++
		c.Bytes += f.Size
		if f.Held {
			c.HeldBytes += f.Size
		}
		if f.From.Before(c.From) {
			c.From = f.From
		}
		if f.To.After(c.To) {
			c.To = f.To
		}
	}
	var out []Coverage
	for _, c := range byName {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Coverage) int { return strings.Compare(a.Timeline, b.Timeline) })
	return out
}

var names3 = []string{"a", "a/b", "cam-7"}

func drawInstant(t *rapid.T, label string) time.Time {
	return epoch.Add(time.Duration(rapid.IntRange(0, 40*60).Draw(t, label)) * time.Second)
}

func drawFile(t *rapid.T, run uint64) File {
	f := file(rapid.SampledFrom(names3).Draw(t, "timeline"), run, rapid.SampledFrom([]string{"v0", "a0"}).Draw(t, "rendition"),
		rapid.IntRange(0, 12).Draw(t, "seq"), drawInstant(t, "from"), time.Duration(rapid.IntRange(0, 300).Draw(t, "length"))*time.Second)
	f.LastN = max(f.LastN, f.FirstN)
	f.Size = rapid.Int64Range(0, 1<<33).Draw(t, "size")
	f.Held = rapid.IntRange(0, 3).Draw(t, "held") == 0
	f.Groups = rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "groups")
	return f
}

func drawBatch(t *rapid.T, m *model) Batch {
	var b Batch
	for range rapid.IntRange(0, 6).Draw(t, "files") {
		f := drawFile(t, uint64(rapid.IntRange(1, 3).Draw(t, "run")))
		b.Files = append(b.Files, f)
		if key := fmt.Sprint(f.Timeline, f.Run); m.runs[key].ID == 0 {
			b.Runs = append(b.Runs, run(f.Timeline, f.Run, epoch.Add(time.Duration(f.Run)*time.Minute), time.Time{})) // never ended: none is forgotten
		}
	}
	all := m.list(func(File) bool { return true })
	for range rapid.IntRange(0, 4).Draw(t, "removals") {
		if len(all) > 0 {
			b.Remove = append(b.Remove, rapid.SampledFrom(all).Draw(t, "removed"))
		}
	}
	for o := range m.garbage {
		if len(o)%2 == 0 {
			b.Cleaned = append(b.Cleaned, o)
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "release") == 0 {
		b.Release = append(b.Release, rapid.SampledFrom(append(names3, "")).Draw(t, "released"))
	}
	return b
}

func TestTheIndexIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d, dir := fresh(t), ""
		d.moveAt, d.direct = 7, 5
		dir = strings.TrimSuffix(d.path, "/"+Name)
		defer func() { closeDB(t, d) }()
		m := &model{files: map[string]File{}, runs: map[string]Run{}, garbage: map[string]bool{}}
		for generation := int64(2); generation < int64(rapid.IntRange(3, 12).Draw(rt, "steps")); generation++ {
			b := drawBatch(rt, m)
			m.apply(b)
			if err := d.Apply(context.Background(), b); err != nil {
				rt.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(rt, "reopen") == 0 {
				closeDB(t, d)
				var err error
				if d, _, err = Open(context.Background(), dir, "volume-1", generation); err != nil {
					rt.Fatal(err)
				}
				d.moveAt, d.direct = 7, 5
			}
			compare(rt, d, m)
		}
	})
}

func same(rt *rapid.T, what string, want, got any, err error) {
	if err != nil {
		rt.Fatalf("%s: %v", what, err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Fatalf("%s: %s", what, diff)
	}
}

func compare(rt *rapid.T, d *DB, m *model) {
	ctx := context.Background()
	name, from := rapid.SampledFrom(names3).Draw(rt, "asked"), drawInstant(rt, "asked from")
	to := from.Add(time.Duration(rapid.IntRange(0, 1200).Draw(rt, "asked length")) * time.Second)

	got, err := d.Files(ctx, name, from, to)
	slices.SortFunc(got, compareFiles)
	same(rt, "Files", m.list(func(f File) bool {
		return f.Timeline == name && f.From.Before(to) && (f.To.After(from) || !f.From.Before(from))
	}), got, err)

	for _, owner := range []string{"", name} {
		old := m.list(func(f File) bool { return !f.Held && !f.To.After(to) && (owner == "" || f.Timeline == owner) })
		got, err = d.Oldest(ctx, owner, to, 1000)
		slices.SortFunc(got, compareFiles)
		for i := range old {
			old[i].Groups = nil
		}
		same(rt, "Oldest", old, got, err)
		if len(old) > 1 {
			n := 1 + len(old)/2
			got, err = d.Oldest(ctx, owner, to, n)
			if err != nil || len(got) != min(n, len(old)) || got[len(got)-1].From.After(old[n-1].From) {
				rt.Fatalf("Oldest of %d: %d files, %v", n, len(got), err)
			}
		}
	}

	list, err := d.Timelines(ctx, "", "", 0)
	want := m.coverage()
	if want == nil {
		want = []Coverage{}
	}
	same(rt, "Timelines", want, list, err)
	list, err = d.Timelines(ctx, "a", "a", 1)
	want = slices.DeleteFunc(want, func(c Coverage) bool { return c.Timeline != "a/b" })
	same(rt, "Timelines after", want, list, err)

	var bytes, counted int64
	all, err := d.Spans(ctx, name, time.Time{}, time.Time{}, time.Second)
	for _, s := range all {
		bytes += s.Bytes
	}
	for _, f := range m.files {
		if f.Timeline == name {
			counted += f.Size
		}
	}
	same(rt, "Spans", counted, bytes, err)

	for _, f := range m.files {
		has, err := d.Has(ctx, f.Object)
		same(rt, "Has", true, has, err)
		g, err := d.File(ctx, f.Timeline, f.Run, f.Rendition, f.FirstN, f.From)
		if err != nil || g.Run != f.Run || g.Rendition != f.Rendition || g.FirstN > f.FirstN || g.LastN < f.FirstN {
			rt.Fatalf("File %+v: %+v, %v", f, g, err)
		}
		break
	}
	if err := d.Check(ctx, func(what string) { rt.Errorf("Check: %s", what) }); err != nil {
		rt.Fatal(err)
	}
}
