package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plainSpans is what Spans promises, said in loops over all files.
func plainSpans(files []File, join time.Duration) []Span {
	var spans []Span
	for run := uint64(1); run <= 3; run++ {
		mine := slices.DeleteFunc(slices.Clone(files), func(f File) bool { return f.Run != run })
		lead := "a0"
		if slices.ContainsFunc(mine, func(f File) bool { return f.Rendition == "v0" }) {
			lead = "v0"
		}
		var some []Span
		for _, f := range mine {
			last := len(some) - 1
			switch {
			case f.Rendition != lead:
			case last < 0 || f.From.Sub(some[last].To) > join:
				some = append(some, Span{From: f.From, To: f.To, Run: run, End: f.End})
			case f.To.After(some[last].To):
				some[last].To, some[last].End = f.To, f.End
			}
		}
		for _, f := range mine {
			of := 0
			for i := range some {
				if !some[i].From.After(f.From.Add(f.To.Sub(f.From) / 2)) {
					of = i
				}
			}
			some[of].Bytes += f.Size
			some[of].Files++
			some[of].Held = some[of].Held || f.Held
		}
		spans = append(spans, some...)
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Run, b.Run)) })
	return spans
}

// drawStretch draws minutes of a run, one after the other, with a hole now and then, as they are recorded.
func drawStretch(t *rapid.T) (files []File) {
	run, rendition := uint64(rapid.IntRange(1, 3).Draw(t, "run")), rapid.SampledFrom([]string{"v0", "a0"}).Draw(t, "rendition")
	at := epoch.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "begin")) * time.Minute)
	for range rapid.IntRange(1, 20).Draw(t, "length") {
		length := time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second
		f := file("cam", run, rendition, 0, at, length)
		f.Object = fmt.Sprintf("cam/%d/%s/%d.mp4", run, rendition, at.UnixNano())
		f.LastN, f.Size, f.Held = f.FirstN+150, int64(1+len(files)), rapid.IntRange(0, 15).Draw(t, "held") == 0
		f.End = rapid.SampledFrom([]string{"rotate", "gap"}).Draw(t, "end")
		files = append(files, f)
		at = at.Add(length + rapid.SampledFrom([]time.Duration{0, 0, 0, time.Millisecond, time.Second, 1001 * time.Millisecond, 5 * time.Minute}).Draw(t, "hole"))
	}
	return files
}

func TestSpansAreThoseOfTheFiles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := fresh(t)
		defer func() { closeDB(t, d) }()
		d.moveAt, d.direct = 25, 18
		m := &model{files: map[string]File{}, runs: map[string]Run{}, garbage: map[string]bool{}}
		var runs []Run
		for id := range uint64(3) {
			runs = append(runs, run("cam", id+1, epoch, time.Time{}))
		}
		apply(t, d, Batch{Runs: runs})
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			b := Batch{Files: drawStretch(rt)}
			if all := m.list(func(File) bool { return true }); len(all) > 0 {
				for range rapid.IntRange(0, 10).Draw(rt, "removals") {
					b.Remove = append(b.Remove, rapid.SampledFrom(all).Draw(rt, "removed"))
				}
			}
			if rapid.IntRange(0, 5).Draw(rt, "release") == 0 {
				b.Release = []string{"cam"}
			}
			m.apply(b)
			apply(t, d, b)
			compareSpans(rt, d, m)
		}
		if err := d.Check(context.Background(), func(what string) { rt.Errorf("Check: %s", what) }); err != nil {
			rt.Fatal(err)
		}
	})
}

func compareSpans(rt *rapid.T, d *DB, m *model) {
	for range 4 {
		from := epoch.Add(time.Duration(rapid.IntRange(-10, 400).Draw(rt, "from")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(0, 500).Draw(rt, "range")) * time.Minute)
		join := rapid.SampledFrom([]time.Duration{0, time.Second, 2 * time.Second, 5 * time.Minute, 9 * time.Hour}).Draw(rt, "join")
		files := m.list(func(f File) bool { return f.From.Before(to) && (f.To.After(from) || !f.From.Before(from)) })
		got, err := d.Spans(context.Background(), "cam", from, to, join)
		if diff := gocmp.Diff(plainSpans(files, join), got); diff != "" || err != nil {
			rt.Fatalf("%v to %v, join %v: %v %s", from, to, join, err, diff)
		}
	}
}

// TestAnIndexOfBeforeTheHours is opened to write and then has them; who only looks reads the files.
func TestAnIndexOfBeforeTheHours(t *testing.T) {
	d := fresh(t)
	dir := strings.TrimSuffix(d.path, "/"+Name)
	files := func(n int) (list []File) {
		for i := range 120 {
			list = append(list, file("cam", 1, "v0", n+i, epoch.Add(time.Duration(n+i)*time.Minute), time.Minute))
		}
		return list
	}
	d.direct = 100
	apply(t, d, Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}, Files: files(0)})
	if _, err := d.conn.ExecContext(t.Context(), "DROP TABLE hour"); err != nil {
		t.Fatal(err)
	}
	closeDB(t, d)
	count := func(d *DB, want int) {
		t.Helper()
		spans := must(d.Spans(t.Context(), "cam", time.Time{}, time.Time{}, time.Second))(t)
		if len(spans) != 1 || spans[0].Files != want {
			t.Errorf("%+v", spans)
		}
		sound(t, d)
	}
	beside, err := Inspect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	count(beside, 120)
	closeDB(t, beside)
	d, found, err := Open(t.Context(), dir, "volume-1", 2)
	if err != nil || found != (Opened{}) {
		t.Fatalf("%+v, %v", found, err)
	}
	defer func() { closeDB(t, d) }()
	count(d, 120)
	d.direct = 100
	apply(t, d, Batch{Files: files(120)})
	count(d, 240)
	var hours int
	if err := d.conn.QueryRowContext(t.Context(), "SELECT count(*) FROM hour").Scan(&hours); err != nil || hours < 2 {
		t.Errorf("%d hours are summed up, %v", hours, err)
	}
}

// TestADamagedRowStopsNoWriting: the hour around it loses its sum, and the one who reads is told.
func TestADamagedRowStopsNoWriting(t *testing.T) {
	d := fresh(t)
	d.moveAt = 3
	f := func(i int) File {
		return file("cam", 1, "v0", i, epoch.Add(time.Duration(i)*time.Minute), time.Minute)
	}
	apply(t, d, Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}, Files: []File{f(0), f(1), f(2)}})
	if _, err := d.conn.ExecContext(t.Context(), "UPDATE file SET row = x'00' WHERE object = ?", f(1).Object); err != nil {
		t.Fatal(err)
	}
	apply(t, d, Batch{Files: []File{f(3), f(4), f(5)}})
	apply(t, d, Batch{Remove: []File{f(2)}})
	if _, err := d.Spans(t.Context(), "cam", time.Time{}, time.Time{}, time.Second); err == nil {
		t.Error("the damage is not told")
	}
}

// TestSpansCountOnceWhileRowsMove: no file is missing or counted twice while rows go from memory to the hours.
func TestSpansCountOnceWhileRowsMove(t *testing.T) {
	d := fresh(t)
	d.moveAt = 3
	apply(t, d, Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}})
	const files = 400
	var written atomic.Int64
	done := make(chan error, 1)
	go func() {
		for i := range files {
			f := file("cam", 1, "v0", i, epoch.Add(time.Duration(i)*time.Minute), time.Minute)
			if err := d.Apply(t.Context(), Batch{Files: []File{f}}); err != nil {
				done <- err
				return
			}
			written.Store(int64(i + 1))
		}
		done <- nil
	}()
	for before := int64(0); before < files; {
		before = written.Load()
		spans, err := d.Spans(t.Context(), "cam", time.Time{}, time.Time{}, time.Second)
		after := written.Load() + 1 // one may be there and not yet told
		if err != nil || before > 0 && (len(spans) != 1 || int64(spans[0].Files) < before || int64(spans[0].Files) > after) {
			t.Errorf("%+v of %d to %d files, %v", spans, before, after, err)
			break
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
