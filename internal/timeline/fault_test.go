package timeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/internal/timeline/index"
)

// faulty is a disk whose calls can be made to fail, and that knows what a power cut leaves.
type faulty struct {
	disk

	mu     sync.Mutex
	fail   map[string]error // by call
	calls  int              // that change something
	limit  int              // calls after which the process is dead; 0: lives
	synced map[string]int64 // size of each file at its last sync
}

var errDead = errors.New("the process is dead")

func newFaulty() *faulty {
	f := &faulty{disk: realDisk(), fail: map[string]error{}, synced: map[string]int64{}}
	real := f.disk
	f.create = func(path string) (*os.File, error) {
		if err := f.step("create"); err != nil {
			return nil, err
		}
		return real.create(path)
	}
	f.open = func(path string) (*os.File, error) {
		if err := f.step("open"); err != nil {
			return nil, err
		}
		return real.open(path)
	}
	f.write = func(w *os.File, b []byte, at int64) error {
		if err := f.step("write"); err != nil {
			_ = real.write(w, b[:len(b)/2], at) // torn
			return err
		}
		return real.write(w, b, at)
	}
	f.cut = func(w *os.File, size int64) error {
		if err := f.step("cut"); err != nil {
			return err
		}
		return real.cut(w, size)
	}
	f.sync = func(w *os.File) error {
		if err := f.step("sync"); err != nil {
			return err
		}
		st, err := w.Stat()
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.synced[filepath.Base(w.Name())] = st.Size()
		f.mu.Unlock()
		return real.sync(w)
	}
	f.syncAll = func(*os.File) error { return errors.ErrUnsupported } // each by itself, so that sizes are known
	f.syncDir = func(path string) error {
		if err := f.step("syncDir"); err != nil {
			return err
		}
		return real.syncDir(path)
	}
	f.syncOpen = func(dir *os.File) error {
		if err := f.step("syncDir"); err != nil {
			return err
		}
		return real.syncOpen(dir)
	}
	two := func(name string, do func(string, string) error) func(string, string) error {
		return func(a, b string) error {
			if err := f.step(name); err != nil {
				return err
			}
			return do(a, b)
		}
	}
	f.mkdir = func(path string) error {
		if err := f.step("mkdir"); err != nil {
			return err
		}
		return real.mkdir(path)
	}
	f.link, f.rename = two("link", real.link), two("rename", real.rename)
	f.remove = func(path string) error {
		if err := f.step("remove"); err != nil {
			return err
		}
		return real.remove(path)
	}
	return f
}

func (f *faulty) step(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.limit > 0 && f.calls > f.limit {
		return errDead
	}
	return f.fail[name]
}

func (f *faulty) set(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[name] = err
}

// alarms collects what the operator is told.
type alarms struct {
	mu   sync.Mutex
	list []Alarm
}

func (a *alarms) take(x Alarm) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, x)
}

func (a *alarms) codes() (out []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.list {
		out = append(out, x.Code)
	}
	return out
}

func openFaulty(t testing.TB, dir string, cfg Config) (*Store, *faulty, *alarms) {
	t.Helper()
	d, a := newFaulty(), &alarms{}
	cfg.Dir, cfg.Alarm = dir, a.take
	st, err := openStore(cfg, d.disk, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st, d, a
}

// due lets every recording that pauses try again now.
func due(st *Store) {
	for _, tr := range st.volume().all(nil) {
		tr.retryAt = time.Time{}
	}
}

// Whatever the disk refuses, live goes on complete; recording stops with one alarm and goes on by itself with another;
// what is still in memory is not lost; after it a fresh process finds everything.
func TestDiskTrouble(t *testing.T) {
	for _, c := range []struct {
		call  string
		err   error
		state string
	}{
		{"write", syscall.ENOSPC, VolumeFull}, {"sync", syscall.ENOSPC, VolumeFull}, {"create", syscall.ENOSPC, VolumeFull},
		{"write", syscall.EIO, VolumeFailed}, {"sync", syscall.EIO, VolumeFailed}, {"syncDir", syscall.EIO, VolumeFailed},
		{"write", syscall.EROFS, VolumeReadOnly}, {"create", syscall.EROFS, VolumeReadOnly}, {"create", syscall.EMFILE, VolumeFailed},
	} {
		t.Run(c.call+" "+c.err.Error(), func(t *testing.T) {
			dir := t.TempDir()
			st, d, a := openFaulty(t, dir, Config{})
			f := newFilm(t, st, "live/show")
			f.begin(0)
			f.segments(5)
			if err := st.Flush(); err != nil {
				t.Fatal(err)
			}
			d.set(c.call, c.err)
			for range 15 {
				f.segments(2)
				if c.call == "create" || c.call == "syncDir" {
					f.segments(5) // new files are begun
				}
				due(st)
				_ = st.volume().flush(false)
			}
			if err := st.Flush(); err == nil {
				t.Fatal("Flush says that all is safe")
			}
			if v := st.Volume(); v.State != c.state || v.Cause == "" {
				t.Fatalf("volume %+v", v)
			}
			live := f.tl.Snapshot().Runs[0].Renditions[0].Segments
			for _, s := range live {
				if got := read(t, st, "live/show", f.run.ID, "v0", s.N); string(got) != string(f.made[segKey(f.run.ID, "v0", s.N)]) {
					t.Fatalf("live segment %d is not complete", s.N)
				}
			}
			if len(live) < 30 {
				t.Fatalf("%d live segments", len(live))
			}
			d.set(c.call, nil)
			f.segments(3)
			due(st)
			if err := st.Flush(); err != nil {
				t.Fatal(err)
			}
			if got := a.codes(); len(got) != 2 || got[0] != "recording_stopped" || got[1] != "recording_resumed" {
				t.Fatalf("alarms %v", got)
			}
			want := len(f.made)
			if found, gaps := f.checkPast(Range{}); found != want || gaps != 0 {
				t.Fatalf("%d segments and %d gaps, want %d", found, gaps, want)
			}
			st.Close()
			st = openDir(t, dir, Config{})
			f.store = st
			if found, gaps := f.checkPast(Range{}); found != want || gaps != 0 {
				t.Fatalf("after a restart %d segments and %d gaps, want %d", found, gaps, want)
			}
			verifyAll(t, dir)
		})
	}
}

// What waits for a disk that does not come back is bounded; what is dropped then is counted and is a gap.
func TestBacklogIsBounded(t *testing.T) {
	st, d, _ := openFaulty(t, t.TempDir(), Config{Window: 10 * time.Second})
	f := newFilm(t, st, "live/show")
	f.pad = 1 << 20
	f.begin(0)
	f.segments(1)
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	d.set("write", syscall.ENOSPC)
	for range 40 {
		f.segments(1)
		clear(f.made)
		due(st)
		_ = st.volume().flush(false)
	}
	s := st.Stats()
	if s.BacklogBytes > maxBacklog || s.Lost < 10 || s.MemoryBytes > 60<<20 {
		t.Fatalf("stats %+v", s)
	}
	d.set("write", nil)
	due(st)
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	if s := st.Stats(); s.BacklogBytes != 0 || s.MemoryBytes != 0 {
		t.Fatalf("after it %+v", s)
	}
	if v := st.Volume(); v.Lost != s.Lost || v.State != VolumeOK {
		t.Fatalf("volume %+v", v)
	}
	snap, err := st.Past(t.Context(), "live/show", Range{})
	if err != nil {
		t.Fatal(err)
	}
	gaps := 0
	for _, s := range snap.Runs[0].Renditions[0].Segments {
		if s.Gap {
			gaps++
		}
	}
	if gaps == 0 {
		t.Error("what was not recorded is not a gap")
	}
}

// A crash between any two steps of recording, sealing and deleting is put right by the next start: the process dies at
// its k-th call for every k, and what had been acknowledged is there.
func TestDeathAtEveryStep(t *testing.T) {
	for k := 1; ; k++ {
		dir := t.TempDir()
		if !dieAt(t, dir, k) {
			if k < 60 {
				t.Fatalf("only %d steps", k)
			}
			t.Logf("%d steps", k)
			return
		}
	}
}

// dieAt records, seals and deletes with a process that dies at its k-th call, and reports whether it did.
func dieAt(t *testing.T, dir string, k int) bool {
	st, d, _ := openFaulty(t, dir, Config{Window: 4 * time.Second, Keep: func(string) Keep { return Keep{For: -1} }})
	apply := st.volume().apply
	st.volume().apply = func(ctx context.Context, b index.Batch) error {
		if err := d.step("apply"); err != nil {
			return err
		}
		return apply(ctx, b)
	}
	d.calls, d.limit = 0, k
	f := newFilm(t, st, "live/show")
	f.begin(0)
	acked := map[string]bool{}
	var pinned []string
	for i := range 8 {
		f.segments(10)
		if st.Flush() == nil {
			for key := range f.made {
				acked[key] = true
			}
		}
		_ = st.volume().sealAll(context.Background())
		if i == 3 {
			p, err := st.Pin(context.Background(), Pin{Timeline: "live/show", Kind: PinHold, From: time.Unix(filmFrom, 0), To: time.Unix(filmFrom+10, 0)})
			if err == nil {
				pinned = append(pinned, p.ID)
			}
		}
	}
	deleted := st.Delete(context.Background(), "live/show", Range{To: time.Unix(filmFrom+110, 0)}) == nil
	died := d.calls > k
	st.closed = true
	_ = st.volume().close()

	st = openDir(t, dir, Config{})
	f.store = st
	f.checkPast(Range{})
	for key := range acked {
		if _, ok := f.made[key]; !ok {
			t.Fatal(key)
		}
	}
	have := map[string]bool{}
	if snap, err := st.Past(t.Context(), "live/show", Range{}); err == nil {
		for _, rv := range snap.Runs {
			for j, rd := range rv.Renditions {
				for _, s := range rd.Segments {
					have[segKey(rv.ID, rv.Run.Renditions[j].Name, s.N)] = !s.Gap
				}
			}
		}
	}
	for key := range acked {
		if !have[key] && !deletable(f, key) {
			t.Fatalf("death at step %d: %s was acknowledged and is missing", k, key)
		}
	}
	for _, id := range pinned {
		if len(st.Pins("")) != 1 || st.Pins("")[0].ID != id {
			t.Fatalf("death at step %d: the pin is gone", k)
		}
		if !have[segKey(f.run.ID, "v0", filmFrom/2+1)] {
			t.Fatalf("death at step %d: pinned footage is gone", k)
		}
	}
	if g, err := st.volume().db.Garbage(t.Context()); err != nil || len(g) != 0 {
		t.Fatalf("death at step %d: garbage %v %v", k, g, err)
	}
	rows := 0
	for after := ""; ; {
		keys, err := st.volume().db.Objects(t.Context(), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		rows += len(keys)
		after = keys[len(keys)-1]
	}
	if files := verifyAll(t, dir); files != rows {
		t.Fatalf("death at step %d: %d files and %d rows", k, files, rows)
	}
	_ = deleted
	report, err := Check(t.Context(), dir, true, func(x Finding) { t.Errorf("death at step %d: %v", k, x) })
	if err != nil || report.Unknown != 0 {
		t.Fatalf("death at step %d: %+v %v", k, report, err)
	}
	st.Close()
	return died
}

// deletable says whether a segment lies in the range that the script deletes.
func deletable(f *film, key string) bool {
	for n := f.run.FirstN; n*2 < filmFrom+110; n++ {
		if key == segKey(f.run.ID, "v0", n) || key == segKey(f.run.ID, "a0", n) {
			return true
		}
	}
	return false
}

// A disk that is full when the server starts: live goes on in memory, and recording begins by itself, with what the
// window still has.
func TestStartOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	d, a := newFaulty(), &alarms{}
	d.set("write", syscall.ENOSPC)
	st, err := openStore(Config{Dir: dir, Alarm: a.take, Sync: 50 * time.Millisecond}, d.disk, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	if v := st.Volume(); v.State != VolumeFull || v.Cause == "" {
		t.Fatalf("volume %+v", v)
	}
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(10)
	f.tl.EndRun()
	f.begin(30)
	f.segments(3)
	running(t, st)
	d.set("write", nil)
	until(t, "recording begins", func() bool { return st.volume() != nil && st.Stats().MemoryBytes == 0 })
	f.segments(2)
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := a.codes(); len(got) != 2 || got[1] != "recording_resumed" {
		t.Fatalf("alarms %v", got)
	}
	kill(st)
	f.store = openDir(t, dir, Config{})
	if found, gaps := f.checkPast(Range{}); found != 30 || gaps != 0 {
		t.Fatalf("%d segments and %d gaps", found, gaps)
	}
}

// An index that cannot be written is asked once when only the end of a run is to be told, and again later.
func TestTheEndOfARunWaitsForTheIndex(t *testing.T) {
	st, d, _ := openFaulty(t, t.TempDir(), Config{})
	d.set("create", syscall.EIO)
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(3)
	v, asked := st.volume(), 0
	apply := v.apply
	v.apply = func(ctx context.Context, b index.Batch) error {
		if asked++; asked < 100 {
			return syscall.EIO
		}
		return apply(ctx, b) // or it would never end
	}
	f.tl.EndRun() // of which there is no file
	for round := 1; round <= 2; round++ {
		if err := v.sealAll(t.Context()); !errors.Is(err, syscall.EIO) || asked > 2*round {
			t.Fatalf("round %d: the index was asked %d times: %v", round, asked, err)
		}
	}
	v.apply = apply
	if err := v.sealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := v.db.LastRun(t.Context(), "live/show"); err != nil || r == nil || r.End.IsZero() {
		t.Fatalf("the end of the run was not told: %+v %v", r, err)
	}
}

// What was given up and cannot be read is kept until it can: a disk that does not answer is not damage.
func TestNothingIsCutWhileTheDiskDoesNotAnswer(t *testing.T) {
	st, d, a := openFaulty(t, t.TempDir(), Config{})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(5)
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	d.set("sync", syscall.EIO)
	f.segments(2)
	if err := st.Flush(); err == nil {
		t.Fatal("Flush says that all is safe")
	}
	d.set("sync", nil)
	v := st.volume()
	open := v.disk.open
	v.disk.open = func(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) } // reads fail
	if err := v.sealAll(t.Context()); err == nil {
		t.Fatal("files that cannot be read were sealed")
	}
	v.disk.open = open
	if err := errors.Join(st.Flush(), v.sealAll(t.Context())); err != nil {
		t.Fatal(err)
	}
	if found, gaps := f.checkPast(Range{}); found != len(f.made) || gaps != 0 || v.lost.Load() != 0 {
		t.Errorf("%d of %d segments, %d gaps, %d lost", found, len(f.made), gaps, v.lost.Load())
	}
	if got := a.codes(); slices.Contains(got, "footage_damaged") {
		t.Errorf("alarms %v", got)
	}
}
