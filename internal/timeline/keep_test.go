package timeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/internal/timeline/index"
)

// running runs a store until the test ends.
func running(t testing.TB, st *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		done <- context.Canceled
	}
	t.Cleanup(stop)
	return stop
}

// until waits for what happens by itself.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("never: " + what)
		}
	}
}

func TestRunRecordsBySelf(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{Sync: 50 * time.Millisecond, Window: 8 * time.Second, Keep: func(string) Keep { return Keep{For: -1} }})
	stop := running(t, st)
	var films []*film
	for _, name := range []string{"live/a", "live/b", "直播/三", "live/" + strings.Repeat("长", 80)} {
		f := newFilm(t, st, name)
		f.begin(0)
		f.segments(70)
		films = append(films, f)
	}
	until(t, "everything is safe and sealed but the open files", func() bool {
		s := st.Stats()
		files, err := st.volume().db.Objects(t.Context(), "", 100)
		return err == nil && s.MemoryBytes == 0 && s.BacklogBytes == 0 && len(files) >= 4*2*2
	})
	for _, f := range films {
		if found, gaps := f.checkPast(Range{}); found != 140 || gaps != 0 {
			t.Fatalf("%s: %d segments, %d gaps", f.tl.name, found, gaps)
		}
	}
	for _, f := range films {
		f.tl.End()
		st.Remove(f.tl.name)
	}
	until(t, "the recordings are over", func() bool { return st.Stats().Recording == 0 && st.Stats().Sealing == 0 })
	stop()
	st.Close()
	if n := verifyAll(t, dir); n < 4*2*3 {
		t.Errorf("%d files", n)
	}
}

// record makes a store with some sealed minutes, and closes it.
func record(t testing.TB, dir string, segments int) *film {
	t.Helper()
	st := openDir(t, dir, Config{Window: 8 * time.Second, Keep: func(string) Keep { return Keep{For: -1} }})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(segments)
	st.Close()
	return f
}

func TestUnknownFootageIsHeld(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, dir string){
		"no index": func(t *testing.T, dir string) {
			for _, f := range []string{index.Name, index.Name + "-wal", index.Name + "-shm"} {
				_ = os.Remove(filepath.Join(dir, f))
			}
		},
		"damaged index": func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, index.Name))
			if err != nil {
				t.Fatal(err)
			}
			clear(b[:4096])
			if err := os.WriteFile(filepath.Join(dir, index.Name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"another volume's index": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, identityFile)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := record(t, dir, 100)
			lose(t, dir)
			a := &alarms{}
			st := openDir(t, dir, Config{Window: 8 * time.Second, Alarm: a.take})
			stop := running(t, st)
			<-st.volume().held
			f.store = st
			if found, gaps := f.checkPast(Range{}); found != 200 || gaps != 0 {
				t.Fatalf("%d segments, %d gaps", found, gaps)
			}
			if codes := a.codes(); codes[len(codes)-1] != "footage_held" {
				t.Fatalf("alarms %v", codes)
			}
			later := time.Unix(filmFrom+1e6, 0)
			if err := st.volume().retain(t.Context(), later, later); err != nil {
				t.Fatal(err)
			}
			spans, err := st.Spans(t.Context(), "live/show", Range{}, time.Second)
			if err != nil || len(spans) != 1 || !spans[0].Held {
				t.Fatalf("spans %+v %v", spans, err)
			}
			if v := st.Volume(); v.Held == 0 || v.Held != v.Used {
				t.Fatalf("volume %+v", v)
			}
			g := newFilm(t, st, "live/show")
			if g.begin(300); g.run.MSNBase != f.run.MSNBase+100 || g.run.DiscontinuitySeq != 1 {
				t.Fatalf("numbers go on at %d, %d", g.run.MSNBase, g.run.DiscontinuitySeq)
			}
			if err := st.Release(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if err := st.volume().retain(t.Context(), later, later); err != nil {
				t.Fatal(err)
			}
			if found, _ := f.checkPast(Range{}); found != 0 {
				t.Fatalf("%d segments are still there", found)
			}
			stop()
			st.Close()
			if n := verifyAll(t, dir); n != 0 {
				t.Fatalf("%d files", n)
			}
		})
	}
}

func TestRetention(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(filmFrom+s, 0) }
	dir := t.TempDir()
	f := record(t, dir, 300) // ten minutes
	keep := Keep{For: -1}
	cfg := Config{Window: 8 * time.Second, Keep: func(string) Keep { return keep }}
	st := openDir(t, dir, cfg)
	f.store = st
	used := func() int64 {
		c, err := st.Coverage(t.Context(), "", "", 0)
		if err != nil || len(c) > 1 {
			t.Fatal(c, err)
		}
		if len(c) == 0 {
			return 0
		}
		return c[0].Bytes
	}
	all := used()
	now := at(600)
	apply := func() {
		t.Helper()
		if err := st.volume().retain(t.Context(), now, now); err != nil {
			t.Fatal(err)
		}
	}
	apply()
	if used() != all {
		t.Fatal("footage for ever was removed")
	}
	pin, err := st.Pin(t.Context(), Pin{Timeline: "live/show", Kind: PinClip, From: at(70), To: at(75)})
	if err != nil {
		t.Fatal(err)
	}
	keep = Keep{For: -1, Bytes: all / 2}
	apply()
	if u := used(); u > all*7/10 || u < all*4/10 {
		t.Fatalf("%d bytes of %d are kept", u, all)
	}
	read(t, st, "live/show", f.run.ID, "v0", (filmFrom+72)/2) // pinned
	keep = Keep{For: 2 * time.Minute}
	apply()
	snap, err := st.Past(t.Context(), "live/show", Range{From: at(200)})
	if err != nil || snap.Runs[0].Renditions[0].Segments[0].N < (filmFrom+420)/2 {
		t.Fatalf("footage of %v %v", snap, err)
	}
	read(t, st, "live/show", f.run.ID, "v0", (filmFrom+72)/2)
	if err := st.Unpin(t.Context(), pin.ID); err != nil {
		t.Fatal(err)
	}
	apply()
	if _, err := st.OpenSegment(t.Context(), "live/show", f.run.ID, "v0", (filmFrom+72)/2); !errors.Is(err, ErrGone) {
		t.Fatalf("unpinned footage: %v", err)
	}
	keep = Keep{For: -1}
	allowed := used() / 2
	st.SetBounds(Bounds{Window: 8 * time.Second, Total: allowed})
	apply()
	if u := used(); u > allowed || u == 0 {
		t.Fatalf("%d bytes, allowed %d", u, allowed)
	}
	st.SetBounds(Bounds{Window: 8 * time.Second, MinFree: 1 << 40})
	before := used()
	st.volume().disk.space = func(string) (int64, int64, error) { return 10 * all, all - before/4, nil }
	apply()
	if u := used(); u > before*8/10 || u < before/4 {
		t.Fatalf("%d bytes of %d are left, a quarter had to go", u, before)
	}
	if err := st.Delete(t.Context(), "live/show", Range{}); err != nil || used() != 0 {
		t.Fatalf("after Delete %d bytes, %v", used(), err)
	}
	if g, err := st.volume().db.Garbage(t.Context()); err != nil || len(g) > 0 {
		t.Fatal(g, err)
	}
}

func TestPinsOutliveDamage(t *testing.T) {
	dir := t.TempDir()
	st, d, _ := openFaulty(t, dir, Config{})
	var ids []string
	for i := range 5 {
		p, err := st.Pin(t.Context(), Pin{Timeline: "live/show", Kind: PinRecording, Title: "夜 " + string(rune('a'+i)), From: time.Unix(filmFrom+int64(i), 0)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.ID)
	}
	d.set("write", syscall.ENOSPC)
	if p, err := st.Pin(t.Context(), Pin{Timeline: "live/show", From: time.Unix(filmFrom, 0)}); err == nil {
		t.Fatalf("a pin that cannot be written was acknowledged: %+v", p)
	}
	d.set("write", nil)
	if err := st.Unpin(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	p := st.Pins("live/show")[1]
	p.Title = "renamed"
	if _, err := st.Pin(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	kill(st)
	path := filepath.Join(dir, pinFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, "1234abcd {\"pin\":{\"id\":\"to"...), 0o600); err != nil {
		t.Fatal(err)
	}
	st = openDir(t, dir, Config{})
	pins := st.Pins("")
	if len(pins) != 4 || pins[1].Title != "renamed" || pins[1].ID != ids[2] || !pins[1].To.IsZero() {
		t.Fatalf("pins %+v", pins)
	}
	kill(st)
	b, _ = os.ReadFile(path)
	b[strings.Index(string(b), "renamed")] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	found := 0
	if _, err := Check(t.Context(), dir, false, func(Finding) { found++ }); err != nil || found != 1 {
		t.Fatalf("%d findings, %v", found, err)
	}
	st = openDir(t, dir, Config{})
	if n := len(st.Pins("")); n != 3 {
		t.Fatalf("%d pins after one line was damaged", n)
	}
	if kept, _ := filepath.Glob(path + ".damaged-*"); len(kept) != 1 {
		t.Fatal("the damaged log was not kept")
	}
}

// One flipped bit, wherever it is, is found by Check, and never served.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	f := record(t, dir, 20)
	paths, err := filepath.Glob(filepath.Join(dir, sealedFolder, "live/show/*/*-v0-*.mp4"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	path := paths[0]
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	moof := strings.Index(string(good), "moof")
	mdat := strings.Index(string(good), "counter")
	for name, at := range map[string]int{"moof": moof + 30, "payload": mdat + 3, "index": len(good) - 40, "head": 700, "trailer": len(good) - 12, "mark": moof - 60} {
		bad := append([]byte(nil), good...)
		bad[at] ^= 4
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		var what []string
		report, err := Check(t.Context(), dir, true, func(x Finding) { what = append(what, x.String()) })
		if err != nil || report.Findings == 0 {
			t.Errorf("%s: %+v %v", name, report, err)
		}
		t.Log(name, what)
	}
	bad := append([]byte(nil), good...)
	bad[mdat+3] ^= 4
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &alarms{}
	st := openDir(t, dir, Config{Alarm: a.take})
	refused := 0
	for n := f.run.FirstN; n < f.run.FirstN+20; n++ {
		for range 2 {
			rd, err := st.OpenSegment(t.Context(), "live/show", f.run.ID, "v0", n)
			if err != nil {
				refused++
				continue
			}
			rd.Close()
		}
	}
	if got := a.codes(); refused != 2 || len(got) != 1 || got[0] != "footage_damaged" || st.Stats().Damaged != 1 {
		t.Fatalf("%d refused, alarms %v", refused, got)
	}
}

// A recording that is ended now holds what was sent before, though the last of it arrives a moment later.
func TestPinWaitsForWhatIsOnItsWay(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{Keep: forEver})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(3)
	to := time.Unix(filmFrom+7, 0)
	done := make(chan error, 1)
	go func() {
		_, err := st.Pin(context.Background(), Pin{Timeline: "live/show", Kind: PinRecording, From: time.Unix(filmFrom, 0), To: to})
		done <- err
	}()
	for range 3 {
		f.add("v0")
		f.add("a0")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	kill(st)
	f.store = openDir(t, dir, Config{})
	snap, err := f.store.Past(t.Context(), "live/show", Range{From: time.Unix(filmFrom, 0), To: to})
	if err != nil {
		t.Fatal(err)
	}
	for _, rd := range snap.Runs[0].Renditions {
		if n := len(rd.Segments); n != 4 || rd.Segments[3].Gap || rd.Segments[3].Size == 0 {
			t.Fatalf("segments %+v", rd.Segments)
		}
	}
	if len(f.store.Pins("live/show")) != 1 {
		t.Fatal("the pin is gone")
	}
}
