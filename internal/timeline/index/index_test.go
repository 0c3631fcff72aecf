package index

import (
	"context"
	"errors"
	flags "flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Each check of a model writes and syncs files; -rapid.checks on the command line asks for more of them.
	if err := flags.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fresh opens an empty index that is closed when the test ends.
func fresh(t testing.TB) *DB {
	t.Helper()
	d, found, err := Open(t.Context(), t.TempDir(), "volume-1", 1)
	if err != nil || !found.Fresh {
		t.Fatalf("Open: %+v, %v", found, err)
	}
	t.Cleanup(func() { closeDB(t, d) })
	return d
}

func closeDB(t testing.TB, d *DB) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func run(timeline string, id uint64, start, end time.Time) Run {
	return Run{
		ID: id, Timeline: timeline, Start: start, End: end, FirstN: start.Unix() / 2, LastN: start.Unix()/2 + 100, MSNBase: 7, Seq: 3,
		SegmentDuration: 2 * time.Second, PartDuration: time.Second, Clock: "arrival", Reason: "publisher_gone",
		Renditions: []Rendition{{Name: "v0", Init: []byte("video header")}, {Name: "a0", Init: []byte("audio header")}},
	}
}

func file(timeline string, run uint64, rendition string, seq int, from time.Time, length time.Duration) File {
	return File{
		Timeline: timeline, Run: run, Rendition: rendition, Seq: seq, Object: fmt.Sprintf("%s/%d/%s/%06d.mp4", timeline, run, rendition, seq), Size: 3_750_000,
		From: from, To: from.Add(length), FirstN: from.Unix() / 2, LastN: from.Add(length).Unix()/2 - 1, Groups: []byte("groups of " + rendition), End: "rotate",
	}
}

func apply(t testing.TB, d *DB, b Batch) {
	t.Helper()
	if err := d.Apply(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// sound fails the test if Check finds anything.
func sound(t testing.TB, d *DB) {
	t.Helper()
	if err := d.Check(context.Background(), func(what string) { t.Errorf("Check: %s", what) }); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	d, ctx := fresh(t), t.Context()
	r := run("live/show", 1000, epoch, time.Time{})
	v, a := file("live/show", 1000, "v0", 0, epoch, time.Minute), file("live/show", 1000, "a0", 0, epoch.Add(time.Millisecond), time.Minute)
	apply(t, d, Batch{Runs: []Run{r}, Files: []File{v, a}})
	for _, re := range []bool{false, true} {
		if re {
			path := d.path
			closeDB(t, d)
			var found Opened
			var err error
			if d, found, err = Open(ctx, strings.TrimSuffix(path, "/"+Name), "volume-1", 2); err != nil || found != (Opened{}) {
				t.Fatalf("Open again: %+v, %v", found, err)
			}
			defer func() { closeDB(t, d) }()
		}
		if diff := cmp.Diff([]File{v, a}, must(d.Files(ctx, "live/show", epoch, epoch.Add(time.Second)))(t)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]Run{r}, must(d.Runs(ctx, "live/show", epoch.Add(time.Hour), time.Time{}))(t)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(&r, must(d.LastRun(ctx, "live/show"))(t)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(&a, must(d.File(ctx, "live/show", 1000, "a0", a.FirstN+3, epoch.Add(6*time.Second)))(t)); diff != "" {
			t.Error(diff)
		}
		if _, err := d.File(ctx, "live/show", 1000, "a0", a.LastN+1, epoch.Add(time.Minute)); !errors.Is(err, ErrUnknown) {
			t.Errorf("a segment that is not there: %v", err)
		}
		want := []Coverage{{Timeline: "live/show", From: v.From, To: a.To, Bytes: v.Size + a.Size, Files: 2}}
		if diff := cmp.Diff(want, must(d.Timelines(ctx, "live/", "", 10))(t)); diff != "" {
			t.Error(diff)
		}
		spans := []Span{{From: v.From, To: v.To, Run: 1000, Bytes: v.Size + a.Size, Files: 2, End: "rotate"}}
		if diff := cmp.Diff(spans, must(d.Spans(ctx, "live/show", time.Time{}, time.Time{}, time.Second))(t)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{a.Object, v.Object}, must(d.Objects(ctx, "", 10))(t)); diff != "" {
			t.Error(diff)
		}
		sound(t, d)
	}
}

func TestARemovedFileIsGarbageUntilItIsCleaned(t *testing.T) {
	d, ctx := fresh(t), t.Context()
	f := file("cam", 1, "v0", 0, epoch, time.Minute)
	apply(t, d, Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}, Files: []File{f}})
	apply(t, d, Batch{Remove: []File{f, {Object: "nobody knows"}}})
	if diff := cmp.Diff([]string{f.Object}, must(d.Garbage(ctx))(t)); diff != "" {
		t.Error(diff)
	}
	if list := must(d.Timelines(ctx, "", "", 10))(t); len(list) != 0 {
		t.Errorf("a timeline without files: %+v", list)
	}
	apply(t, d, Batch{Files: []File{f}}) // found again: it must not be deleted now
	if g := must(d.Garbage(ctx))(t); len(g) != 0 {
		t.Errorf("garbage that was adopted again: %v", g)
	}
	apply(t, d, Batch{Remove: []File{f}})
	apply(t, d, Batch{Cleaned: []string{f.Object}})
	if g := must(d.Garbage(ctx))(t); len(g) != 0 {
		t.Errorf("garbage that was cleaned: %v", g)
	}
	sound(t, d)
}

func TestPlansSearch(t *testing.T) {
	d := fresh(t)
	for q, s := range text {
		rows, err := d.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+s, make([]any, strings.Count(s, "?"))...)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d %s\n\t%s", q, s, strings.Join(plan, "\n\t"))
		if len(plan) == 0 && !strings.HasPrefix(s, "INSERT") && query(q) != xEmpty {
			t.Errorf("no plan for %s", s)
		}
		for _, line := range plan {
			if query(q) == xMove || query(q) == xEmpty || query(q) == qRecent {
				continue // these are for the whole of a table that holds at most moveAt rows
			}
			if !strings.HasPrefix(line, "SEARCH ") && !strings.HasPrefix(line, "SCALAR SUBQUERY") {
				t.Errorf("%s: %s", s, line)
			}
		}
	}
}
