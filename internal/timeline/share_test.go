package timeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weir/internal/format/cmaf/trackfile"
)

// TestNamesShareTheFlushersSync: while the flusher works, many names cost no sync of their own, and if that sync fails each folder is
// synced by itself.
func TestNamesShareTheFlushersSync(t *testing.T) {
	st, d, _ := openFaulty(t, t.TempDir(), Config{Keep: forEver})
	v := st.volume()
	var syncs atomic.Int32
	var fails error
	v.disk.syncAll = func(*os.File) error { syncs.Add(1); return fails }
	var names unsynced
	for i := range fewFolders + 1 {
		dir := filepath.Join(v.dir, fmt.Sprint("folder", i))
		if err := v.disk.mkdir(dir); err != nil {
			t.Fatal(err)
		}
		names.add(dir)
	}
	inBackground := func() <-chan error {
		done := make(chan error, 1)
		go func() { done <- v.syncNames(&names) }()
		return done
	}
	boarded := func() {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; {
			v.shared.mu.Lock()
			n := len(v.shared.waiting)
			v.shared.mu.Unlock()
			if n == 1 {
				return
			}
			if time.Now().After(end) {
				t.Fatal("nobody waits for the flusher")
			}
		}
	}
	if err := v.syncNames(&names); err != nil || syncs.Load() != 1 {
		t.Fatalf("without a flusher: %v, %d syncs", err, syncs.Load())
	}
	v.shared.run(true)
	done := inBackground()
	boarded()
	if err := v.flush(false); err != nil { // there is nothing to write, and somebody waits
		t.Fatal(err)
	}
	if err := <-done; err != nil || syncs.Load() != 2 {
		t.Errorf("with the flusher: %v, %d syncs", err, syncs.Load()-1)
	}
	fails = syscall.EIO
	d.set("syncDir", syscall.ENOSPC)
	done = inBackground()
	boarded()
	_ = v.flush(false)
	if err := <-done; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("names were taken for safe: %v", err)
	}
	d.set("syncDir", nil)
	fails = nil
	before := syncs.Load()
	done = inBackground()
	boarded()
	v.shared.run(false) // the flusher ends
	if err := <-done; err != nil || syncs.Load() != before+1 {
		t.Errorf("left behind: %v, %d syncs", err, syncs.Load()-before)
	}
}

// TestNeighboursBeginFilesTogether: 32 streams at a time begin their files together, all renditions of a stream among them, and the
// files are made in that order.
func TestNeighboursBeginFilesTogether(t *testing.T) {
	st, _, _ := openFaulty(t, t.TempDir(), Config{Keep: forEver})
	v := st.volume()
	var made []string
	create := v.disk.create
	v.disk.create = func(path string) (*os.File, error) {
		b := filepath.Base(path)
		made = append(made, b)
		return create(path)
	}
	var films []*film
	for i := range 70 {
		f := newFilm(t, st, fmt.Sprint("live/cam-", i))
		f.begin(0)
		f.segments(1)
		films = append(films, f)
	}
	round := func() map[string]string {
		made = nil
		if err := st.Flush(); err != nil {
			t.Fatal(err)
		}
		after := map[string]string{}
		for i := 1; i < len(made); i++ {
			after[made[i-1]] = made[i]
		}
		return after
	}
	first := round()
	if len(made) != 140 {
		t.Fatalf("%d files", len(made))
	}
	shifts := map[int64]int{}
	for _, f := range films {
		var own []string
		for _, tr := range v.of(f.tl.name) {
			h := trackfile.Head{Timeline: f.tl.name, Run: tr.r.ID, Rendition: tr.r.Renditions[tr.i].Name}
			own = append(own, fileName(&h))
			for n := int64(0); n < 60; n++ {
				if tr.minute(tr.r.FirstN+n) != tr.minute(tr.r.FirstN) {
					shifts[n]++
					break
				}
			}
		}
		if len(own) != 2 || first[own[0]] != own[1] {
			t.Errorf("%s: %v are not made together", f.tl.name, own)
		}
	}
	if len(shifts) != 3 {
		t.Errorf("files end at %v", shifts)
	}
	for n, count := range shifts {
		if count != 2*neighbours && count != 2*(70%neighbours) {
			t.Errorf("%d files end after %d segments", count, n)
		}
	}
}
