package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func reopen(t *testing.T, dir, volume string, generation int64) (*DB, Opened) {
	t.Helper()
	d, found, err := Open(t.Context(), dir, volume, generation)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return d, found
}

// filled makes an index with a few files in it, closed, and returns its folder.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	d, _ := reopen(t, dir, "volume-1", 5)
	apply(t, d, Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}, Files: []File{file("cam", 1, "v0", 0, epoch, time.Minute)}})
	closeDB(t, d)
	return dir
}

func TestOpenSaysWhatItFound(t *testing.T) {
	spoil := func(at int64, b ...byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, Name), os.O_RDWR, 0)
			if err == nil {
				_, err = f.WriteAt(b, at)
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name       string
		before     func(*testing.T, string)
		volume     string
		generation int64
		want       Opened
		aside      string
	}{
		{"the next start", nil, "volume-1", 6, Opened{}, ""},
		{"a start that did not get far", nil, "volume-1", 5, Opened{}, ""},
		{"restored from a backup", nil, "volume-1", 8, Opened{Older: true}, ""},
		{"of another volume", nil, "volume-2", 6, Opened{Fresh: true, Foreign: true}, "foreign"},
		{"empty", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, Name), 0); err != nil {
				t.Fatal(err)
			}
		}, "volume-1", 6, Opened{Fresh: true}, ""},
		{"no database at all", spoil(0, []byte("this is text")...), "volume-1", 6, Opened{Fresh: true, Damaged: "header"}, "damaged"},
		{"read-only by its version", spoil(18, 3), "volume-1", 6, Opened{Fresh: true, Damaged: "header"}, "damaged"},
		{"another schema", spoil(4096-60, []byte("xxxxxxxxxxxx")...), "volume-1", 6, Opened{Fresh: true, Damaged: "tables"}, "damaged"},
		{"short", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, Name), 4096+100); err != nil {
				t.Fatal(err)
			}
		}, "volume-1", 6, Opened{Fresh: true, Damaged: "malformed"}, "damaged"},
		{"a log without a database", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, Name), filepath.Join(dir, Name+"-wal")); err != nil {
				t.Fatal(err)
			}
		}, "volume-1", 6, Opened{Fresh: true}, "damaged"},
		{"distrusted", func(t *testing.T, dir string) {
			d, _ := reopen(t, dir, "volume-1", 5)
			defer closeDB(t, d)
			if err := d.Distrust("a row was wrong"); err != nil {
				t.Fatal(err)
			}
		}, "volume-1", 6, Opened{Fresh: true, Damaged: "a row was wrong"}, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filled(t)
			if c.before != nil {
				c.before(t, dir)
			}
			d, found := reopen(t, dir, c.volume, c.generation)
			if !strings.Contains(found.Damaged, c.want.Damaged) || (found.Damaged == "") != (c.want.Damaged == "") {
				t.Errorf("damaged: %q", found.Damaged)
			}
			if !strings.Contains(found.Aside, c.aside) || (found.Aside == "") != (c.aside == "") {
				t.Errorf("aside: %q", found.Aside)
			}
			if found.Aside != "" {
				if set, err := filepath.Glob(found.Aside + "*"); err != nil || len(set) == 0 {
					t.Errorf("nothing was set aside: %v", err)
				}
			}
			found.Damaged, found.Aside = c.want.Damaged, ""
			if found != c.want {
				t.Errorf("found %+v, want %+v", found, c.want)
			}
			if n := len(must(d.Objects(t.Context(), "", 10))(t)); (n == 0) != c.want.Fresh {
				t.Errorf("%d objects", n)
			}
			sound(t, d)
			if found.Older {
				heldAfterAll(t, dir, d, c.generation)
				c.generation++
			} else {
				closeDB(t, d)
			}
			d, found = reopen(t, dir, c.volume, c.generation+1)
			if found != (Opened{}) {
				t.Errorf("found at the next start: %+v", found)
			}
			closeDB(t, d)
		})
	}
}

// heldAfterAll opens an older index a second time, before its files were held, and then holds them.
func heldAfterAll(t *testing.T, dir string, d *DB, generation int64) {
	t.Helper()
	d.direct = 5
	for seq := range 12 { // ten to their places, the others to wait
		apply(t, d, Batch{Files: []File{file("cam", 1, "v0", 1+seq, epoch.Add(time.Duration(1+seq)*time.Minute), time.Minute)}})
		if seq == 9 {
			apply(t, d, Batch{Files: must(d.Files(t.Context(), "cam", time.Time{}, time.Time{}))(t)})
		}
	}
	files := must(d.Objects(t.Context(), "", 100))(t)
	gone := must(d.Files(t.Context(), "cam", time.Time{}, time.Time{}))(t)[0]
	apply(t, d, Batch{Remove: []File{gone}})
	closeDB(t, d)
	d, found := reopen(t, dir, "volume-1", generation+1)
	if !found.Older {
		t.Error("nothing was held, and it is not older any more")
	}
	n := must(d.Hold(t.Context(), generation+1))(t)
	if n != len(files)-1 {
		t.Errorf("%d of %d files held", n, len(files)-1)
	}
	if g := must(d.Garbage(t.Context()))(t); len(g) != 0 {
		t.Errorf("still to be deleted: %v", g)
	}
	if old := must(d.Oldest(t.Context(), "", time.Now().Add(1e6*time.Hour), 10))(t); len(old) != 0 {
		t.Errorf("%d files are not held", len(old))
	}
	var held int64
	for _, c := range must(d.Timelines(t.Context(), "", "", 100))(t) {
		if held += c.HeldBytes; c.HeldBytes != c.Bytes {
			t.Errorf("%+v", c)
		}
	}
	sound(t, d)
	closeDB(t, d)
}

// TestInspectReadsBesideTheWriter is what a check of a running server does.
func TestInspectReadsBesideTheWriter(t *testing.T) {
	dir := filled(t)
	d, _ := reopen(t, dir, "volume-1", 6)
	defer closeDB(t, d)
	apply(t, d, Batch{Files: []File{file("cam", 1, "v0", 1, epoch.Add(time.Minute), time.Minute)}})
	beside, err := Inspect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeDB(t, beside)
	sound(t, beside)
	if n := len(must(beside.Files(t.Context(), "cam", time.Time{}, time.Time{}))(t)); n != 2 {
		t.Errorf("%d files", n)
	}
	if err := beside.Apply(t.Context(), Batch{Cleaned: []string{"x"}}); err == nil {
		t.Error("an index that is only inspected was written")
	}
	apply(t, d, Batch{Files: []File{file("cam", 1, "v0", 2, epoch.Add(2*time.Minute), time.Minute)}})
	sound(t, beside)
}

func TestAClosedIndexSaysSo(t *testing.T) {
	d := fresh(t)
	closeDB(t, d)
	if _, err := d.Files(t.Context(), "cam", epoch, epoch); !errors.Is(err, errClosed) {
		t.Errorf("Files: %v", err)
	}
	if err := d.Apply(t.Context(), Batch{Cleaned: []string{"x"}}); !errors.Is(err, errClosed) {
		t.Errorf("Apply: %v", err)
	}
}

// state is everything that can be read; the error is the first that reading met.
func state(ctx context.Context, d *DB) (out []any, err error) {
	note := func(v any, e error) {
		out = append(out, v)
		err = errors.Join(err, e)
	}
	list, e := d.Timelines(ctx, "", "", 0)
	note(list, e)
	for i := range 12 {
		name := fmt.Sprintf("cam-%02d", i)
		files, e := d.Files(ctx, name, time.Time{}, time.Time{})
		note(files, e)
		runs, e := d.Runs(ctx, name, time.Time{}, time.Time{})
		note(runs, e)
		last, e := d.LastRun(ctx, name)
		note(last, e)
	}
	oldest, e := d.Oldest(ctx, "", time.Time{}, 1<<20)
	note(oldest, e)
	objects, e := d.Objects(ctx, "", 1<<20)
	note(objects, e)
	garbage, e := d.Garbage(ctx)
	note(garbage, e)
	return out, err
}

func populated(t *testing.T) string {
	dir := t.TempDir()
	d, _ := reopen(t, dir, "volume-1", 1)
	d.moveAt = 300
	for i := range 12 {
		name := fmt.Sprintf("cam-%02d", i)
		b := Batch{Runs: []Run{run(name, 1, epoch, epoch.Add(time.Hour)), run(name, 2, epoch.Add(2*time.Hour), time.Time{})}}
		for m := range 60 {
			f := file(name, uint64(1+m/30), "v0", m, epoch.Add(time.Duration(m)*time.Minute+time.Duration(m/30)*90*time.Minute), time.Minute)
			f.Groups, f.Held = []byte(strings.Repeat("g", 150+m)), m%9 == 0
			b.Files = append(b.Files, f)
		}
		apply(t, d, b)
		apply(t, d, Batch{Remove: b.Files[:3]})
	}
	closeDB(t, d)
	return dir
}

// TestNoFlippedBitIsServed flips single bits all over the database: each is found when the index is opened,
// when it is checked or when it is read, or it changes nothing that can be read.
func TestNoFlippedBitIsServed(t *testing.T) {
	good := filepath.Join(populated(t), Name)
	d, _ := reopen(t, filepath.Dir(good), "volume-1", 2)
	sound(t, d)
	want := must(state(t.Context(), d))(t)
	closeDB(t, d)
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	flips := 60 // WEIR_LONG: ten times as many; each opens the database anew, which is slow under the race detector
	if os.Getenv("WEIR_LONG") != "" {
		flips = 600
	}
	rng := rand.New(rand.NewPCG(3, 7))
	counts := map[string]int{}
	for i := range flips {
		bit := rng.IntN(len(b) * 8)
		if i < 100*8 && i%6 == 0 {
			bit = i / 6 * 8 / 8 * 8 % 800 // the header of the file, a bit of each byte in turn
			bit += rng.IntN(8)
		}
		how := flipOne(t, b, bit, want)
		if how == "" && !t.Failed() {
			t.Errorf("bit %d of byte %d (page %d): other rows are served and nothing notices", bit%8, bit/8, bit/8/pageSize)
		}
		counts[how]++
	}
	t.Logf("%d bytes; %v", len(b), counts)
}

// flipOne returns how a flipped bit comes to light, "no data" if it makes no difference, "" if it is served.
func flipOne(t *testing.T, good []byte, bit int, want []any) string {
	t.Helper()
	dir := t.TempDir()
	bad := append([]byte(nil), good...)
	bad[bit/8] ^= 1 << (bit % 8)
	if err := os.WriteFile(filepath.Join(dir, Name), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	d, found, err := Open(t.Context(), dir, "volume-1", 3)
	if err != nil {
		return "open"
	}
	defer func() { _ = d.Close() }() // closing may find the damage too
	if found != (Opened{}) {
		return "open"
	}
	got, err := state(t.Context(), d)
	if err != nil {
		return "read"
	}
	if row := stranger(want, got); row != "" {
		t.Errorf("bit %d of byte %d: a row is served that nobody wrote: %s", bit%8, bit/8, row)
	}
	checked := false
	if err := d.Check(t.Context(), func(string) { checked = true }); err != nil || checked {
		return "check"
	}
	if reflect.DeepEqual(want, got) {
		return "no data"
	}
	return ""
}

// stranger finds a row in got that is not in want. Rows may be missing: only Check can know that.
func stranger(want, got []any) string {
	known := map[string]bool{}
	for i, w := range want {
		for _, row := range rowsOf(w) {
			known[fmt.Sprintf("%d %+v", i, row)] = true
		}
	}
	for i, g := range got {
		for _, row := range rowsOf(g) {
			if !known[fmt.Sprintf("%d %+v", i, row)] {
				return fmt.Sprintf("%+v", row)
			}
		}
	}
	return ""
}

func rowsOf(list any) (rows []any) {
	v := reflect.ValueOf(list)
	if v.Kind() == reflect.Pointer {
		return nil // the newest run, which stands in the list of runs too
	}
	for i := range v.Len() {
		rows = append(rows, v.Index(i).Interface())
	}
	return rows
}

// TestReadersDoNotWait reads while a transaction is open.
func TestReadersDoNotWait(t *testing.T) {
	d := fresh(t)
	f := file("cam", 1, "v0", 0, epoch, time.Minute)
	apply(t, d, Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}, Files: []File{f}})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // less than SQLite would wait for a lock
	defer cancel()
	err := d.transact(ctx, func(w *writer) error {
		g := file("cam", 1, "v0", 1, epoch.Add(time.Minute), time.Minute)
		if err := errors.Join(w.putFile(&g), w.remove(f.Object)); err != nil {
			return err
		}
		files, err := d.Files(ctx, "cam", time.Time{}, time.Time{})
		if diff := cmp.Diff([]File{f}, files); diff != "" {
			t.Errorf("read inside a transaction: %s", diff)
		}
		return errors.Join(err, io.ErrUnexpectedEOF)
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if files := must(d.Files(ctx, "cam", time.Time{}, time.Time{}))(t); len(files) != 1 || files[0].Object != f.Object {
		t.Errorf("after a transaction that failed: %+v", files)
	}
	sound(t, d)
}

// TestNoFileIsMissedWhileRowsMove reads all the time while rows arrive and move.
func TestNoFileIsMissedWhileRowsMove(t *testing.T) {
	d := fresh(t)
	d.moveAt = 10
	apply(t, d, Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}})
	const files = 400
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range files {
			f := file("cam", 1, "v0", i, epoch.Add(time.Duration(i)*time.Minute), time.Minute)
			if err := d.Apply(context.WithoutCancel(t.Context()), Batch{Files: []File{f}}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	seen, reads := 0, 0
	for seen < files && !t.Failed() {
		got := must(d.Files(t.Context(), "cam", time.Time{}, time.Time{}))(t)
		list := must(d.Timelines(t.Context(), "", "", 0))(t)
		if len(got) < seen || len(got) > 0 && (len(list) != 1 || list[0].Files < len(got)) {
			t.Errorf("%d files after %d, totals %+v", len(got), seen, list)
			break
		}
		for i, f := range got {
			if f.Seq != i {
				t.Fatalf("file %d stands at %d", f.Seq, i)
			}
		}
		seen = len(got)
		reads++
	}
	<-done
	t.Logf("%d reads", reads)
	sound(t, d)
}

// TestARunsEndIsKnownAfterACrash: the row of a run is not written with each file, and still nothing is forgotten.
func TestARunsEndIsKnownAfterACrash(t *testing.T) {
	dir := t.TempDir()
	d, _ := reopen(t, dir, "volume-1", 1)
	d.moveAt = 5
	r := run("cam", 1, epoch, time.Time{})
	apply(t, d, Batch{Runs: []Run{r}})
	for i := range 14 {
		f := file("cam", 1, "v0", i, epoch.Add(time.Duration(i)*time.Minute), time.Minute)
		r.LastN = f.LastN
		b := Batch{Runs: []Run{r}, Files: []File{f}}
		if i > 10 {
			b.Remove = []File{f} // and with it what tells of the end
		}
		if i == 13 {
			r.End = f.To
			b.Runs[0] = r
		}
		apply(t, d, b)
		beside, err := Inspect(t.Context(), dir) // sees what a start after a crash would
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []*DB{d, beside} {
			if diff := cmp.Diff(&r, must(d.LastRun(t.Context(), "cam"))(t)); diff != "" {
				t.Errorf("after file %d: %s", i, diff)
			}
			sound(t, d)
		}
		closeDB(t, beside)
	}
	closeDB(t, d)
}

func TestARunGoesWithItsLastFile(t *testing.T) {
	d := fresh(t)
	d.moveAt = 4
	var files []File
	b := Batch{Runs: []Run{run("cam", 3, epoch.Add(3*time.Hour), time.Time{})}}
	for r := range 3 {
		start := epoch.Add(time.Duration(r) * time.Hour)
		b.Runs = append(b.Runs, run("cam", uint64(r), start, start.Add(10*time.Minute)))
		for m := range 3 {
			files = append(files, file("cam", uint64(r), "v0", m, start.Add(time.Duration(m)*time.Minute), time.Minute))
		}
	}
	for i := range b.Runs {
		b.Runs[i].ID++
	}
	for i := range files {
		files[i].Run++
	}
	b.Files = files
	apply(t, d, b)
	for i, want := range []int{4, 4, 3, 3, 3, 2, 2, 2, 1} {
		apply(t, d, Batch{Remove: files[i : i+1]})
		if n := len(must(d.Runs(t.Context(), "cam", time.Time{}, time.Time{}))(t)); n != want {
			t.Errorf("after file %d: %d runs, want %d", i, n, want)
		}
		sound(t, d)
	}
	if last := must(d.LastRun(t.Context(), "cam"))(t); last == nil || last.ID != 4 {
		t.Errorf("the newest run is gone: %+v", last)
	}
}

func TestDamageIsToldFromOtherFailures(t *testing.T) {
	dir := filled(t)
	d, _ := reopen(t, dir, "volume-1", 6)
	defer closeDB(t, d)
	if _, err := d.conn.ExecContext(t.Context(), `UPDATE timeline SET name = 'cat'`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Files(t.Context(), "cat", time.Time{}, time.Time{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("Files: %v", err)
	}
	if err := d.Apply(t.Context(), Batch{Files: []File{{Timeline: "x", Object: "y"}}}); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("an impossible file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Apply(ctx, Batch{Cleaned: []string{"x"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply when it is too late: %v", err)
	}
	apply(t, d, Batch{Cleaned: []string{"x"}})
}
