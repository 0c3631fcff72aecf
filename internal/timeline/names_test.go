package timeline

import (
	"fmt"
	"syscall"
	"testing"
)

// TestSealingSharesItsSyncs seals the files of thirty streams with one sync of their names and one commit.
func TestSealingSharesItsSyncs(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{Keep: forEver})
	var films []*film
	for i := range 30 {
		f := newFilm(t, st, fmt.Sprint("live/cam-", i))
		f.begin(0)
		f.segments(61) // more than a minute
		films = append(films, f)
	}
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	before := st.Stats()
	if before.Sealing < 60 || before.Syncs == 0 {
		t.Fatalf("%+v", before)
	}
	if err := st.volume().sealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := st.Stats()
	if n := after.Syncs - before.Syncs; n != 2 || after.Sealing != 0 {
		t.Errorf("%d syncs for %d files; %d wait", n, before.Sealing, after.Sealing)
	}
	for _, f := range films {
		if found, gaps := f.checkPast(Range{}); found != 122 || gaps != 0 {
			t.Errorf("%s: %d segments, %d gaps", f.tl.name, found, gaps)
		}
	}
	st.Close()
	if n := verifyAll(t, dir); n < 120 {
		t.Errorf("%d files", n)
	}
}

// TestSealingTriesAgain: names that could not be synced are no names; a file system without hard links gets its files by rename.
func TestSealingTriesAgain(t *testing.T) {
	for call, err := range map[string]error{"syncDir": syscall.EIO, "link": syscall.EIO, "mkdir": syscall.ENOSPC} {
		dir := t.TempDir()
		st, d, _ := openFaulty(t, dir, Config{Keep: forEver})
		f := newFilm(t, st, "live/show")
		f.begin(0)
		f.segments(70)
		if err := st.Flush(); err != nil {
			t.Fatal(err)
		}
		rows := func() int {
			keys, err := st.volume().db.Objects(t.Context(), "", 100)
			if err != nil {
				t.Fatal(err)
			}
			return len(keys)
		}
		d.set(call, err)
		if err := st.volume().sealAll(t.Context()); err == nil || rows() != 0 {
			t.Fatalf("%s: %v, %d rows", call, err, rows())
		}
		d.set(call, nil)
		if call == "link" {
			d.set(call, syscall.EPERM) // for ever
		}
		if err := st.volume().sealAll(t.Context()); err != nil || rows() != 4 && rows() != 6 {
			t.Fatalf("%s: %v, %d rows", call, err, rows())
		}
		st.Close()
		if n := verifyAll(t, dir); n != 6 && n != 4 {
			t.Errorf("%s: %d files", call, n)
		}
	}
}
