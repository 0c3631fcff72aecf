package timeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/timeline/index"
)

// TestOlderIndexIsHeld restores an index of an earlier start, or one that was copied while it was used: what it knows and what
// it does not know is held, also when the process dies before all of it is, and retention deletes nothing.
func TestOlderIndexIsHeld(t *testing.T) {
	for _, whole := range []bool{true, false} {
		dir := t.TempDir()
		keep := Config{Window: 8 * time.Second, Keep: forEver}
		st := openDir(t, dir, keep)
		f := newFilm(t, st, "live/show")
		f.begin(0)
		f.segments(100)
		seal(t, st)
		if whole {
			st.Close()
		}
		backup := copyIndex(t, dir, t.TempDir())
		if whole {
			st = openDir(t, dir, keep)
			g := newFilm(t, st, "live/show")
			g.made = f.made
			f = g
		}
		f.begin(300)
		f.segments(100)
		st.Close()
		copyIndex(t, backup, dir)
		a := &alarms{}
		cfg := Config{Window: 8 * time.Second, Alarm: a.take}
		st = openDir(t, dir, cfg) // keeps nothing beyond the window
		later := time.Unix(filmFrom+1e6, 0)
		retain := func() {
			t.Helper()
			if err := st.volume().retain(t.Context(), later, later); err != nil {
				t.Fatal(err)
			}
		}
		retain()
		if err := st.Release(t.Context(), ""); !errors.Is(err, errHolding) {
			t.Fatalf("released before it was held: %v", err)
		}
		kill(st)
		st = openDir(t, dir, cfg)
		retain()
		stop := running(t, st)
		<-st.volume().held
		retain()
		f.store = st
		if found, _ := f.checkPast(Range{}); found != 400 {
			t.Fatalf("%d segments of 400", found)
		}
		if v := st.Volume(); v.Held == 0 || v.Held != v.Used {
			t.Fatalf("volume %+v", v)
		}
		if codes := a.codes(); !slices.Contains(codes, "footage_held") {
			t.Fatalf("alarms %v", codes)
		}
		stop()
		st.Close()
		st = openDir(t, dir, cfg)
		if retain(); st.volume().holding.Load() {
			t.Fatal("older again, though it was held")
		}
		if err := st.Release(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		retain()
		if used := st.Volume().Used; used != 0 {
			t.Fatalf("%d bytes are still there", used)
		}
		st.Close()
	}
}

// TestWalkIsPaced looks at ten thousand objects in five seconds, of a clock that does not have to pass.
func TestWalkIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := walker{began: time.Now()}
		for range 10_000 {
			if err := w.pace(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(w.began); took != 5*time.Second {
			t.Errorf("10000 objects took %v", took)
		}
	})
}

func copyIndex(t testing.TB, from, to string) string {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(filepath.Join(from, index.Name+suffix))
		_ = os.Remove(filepath.Join(to, index.Name+suffix))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, index.Name+suffix), b, 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return to
}

// TestRetentionGoesInRounds: footage goes when a slack of it is due, that of all streams in one transaction; a stream that keeps
// nothing has no slack.
func TestRetentionGoesInRounds(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(filmFrom+s, 0) }
	dir := t.TempDir()
	keep := Keep{For: 24 * time.Minute} // two minutes of slack
	st := openDir(t, dir, Config{Window: 8 * time.Second, Keep: func(name string) Keep {
		if name == "live/brief" {
			return Keep{}
		}
		return keep
	}})
	for _, name := range []string{"live/a", "live/b", "live/c", "live/brief"} {
		f := newFilm(t, st, name)
		f.parts = 1
		f.begin(0)
		f.segments(600) // twenty minutes
		f.tl.EndRun()
		seal(t, st)
		st.Remove(name)
	}
	removals := 0
	apply := st.volume().apply
	st.volume().apply = func(ctx context.Context, b index.Batch) error {
		if len(b.Remove) > 0 {
			removals++
		}
		return apply(ctx, b)
	}
	files := func() (n int64) {
		for _, name := range []string{"live/a", "live/b", "live/c", "live/brief"} {
			list, err := st.volume().db.Files(t.Context(), name, time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			n += int64(len(list))
		}
		return n
	}
	before := files()
	for s := int64(0); s < 3000; s += 10 {
		if err := st.volume().retain(t.Context(), at(s), at(s)); err != nil {
			t.Fatal(err)
		}
		if s == 1500 && files() > before-40 {
			t.Fatalf("%d files of %d: the brief one should be gone", files(), before)
		}
	}
	if removals > 40 || removals < 10 { // brief: one for each minute at most; the others together, one for two minutes
		t.Errorf("%d removals", removals)
	}
	if n := files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
}
