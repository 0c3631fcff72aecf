package timeline

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"weir/internal/fault"
)

// flipped turns one bit of a segment's payload in its sealed file, and gives the file's former content.
func flipped(t *testing.T, dir, rendition, payload string) (path string, good []byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, sealedFolder, "live/show/*/*-"+rendition+"-*.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(good, []byte(payload)); at >= 0 {
			bad := bytes.Clone(good)
			bad[at] ^= 4
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			return path, good
		}
	}
	t.Fatalf("no file of %s has %q", rendition, payload)
	return "", nil
}

// gaps lists the numbers that a rendition lacks.
func gaps(snap *Snapshot, rendition string) (gaps, damaged []int64) {
	for i := range snap.Runs {
		j := snap.Runs[i].indexOf(rendition)
		for _, s := range snap.Runs[i].Renditions[j].Segments {
			if s.Gap {
				gaps = append(gaps, s.N)
			}
			if s.Damaged {
				damaged = append(damaged, s.N)
			}
		}
	}
	return gaps, damaged
}

// touch reads all segments of a rendition, and gives the numbers that are refused.
func (f *film) touch(rendition string) (refused []int64) {
	f.t.Helper()
	for n := f.run.FirstN; n < f.n[rendition]; n++ {
		rd, err := f.store.OpenSegment(f.t.Context(), "live/show", f.run.ID, rendition, n)
		if err != nil {
			refused = append(refused, n)
			continue
		}
		rd.Close()
	}
	return refused
}

func (f *film) past(r Range) *Snapshot {
	f.t.Helper()
	snap, err := f.store.Past(f.t.Context(), "live/show", r)
	if err != nil {
		f.t.Fatal(err)
	}
	return snap
}

// later lets what is known of damage be old enough to be looked at again.
func (s *spoiled) later(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.byName[name].seen {
		s.byName[name].seen[p] = time.Now().Add(-2 * lookAgain)
	}
}

// A segment that was found damaged is a gap in every list from then on, with the times that it had, until its file is whole again.
func TestDamageIsAGap(t *testing.T) {
	dir := t.TempDir()
	f := record(t, dir, 20)
	bad := f.run.FirstN + 7
	path, good := flipped(t, dir, "v0", fmt.Sprintf("counter v0 %d %d 2.", f.run.ID, bad))
	f.store = openDir(t, dir, Config{})
	before := f.past(Range{})
	if holes, _ := gaps(before, "v0"); len(holes) > 0 || f.store.Damage("live/show") != 0 {
		t.Fatalf("gaps %v before anything was read", holes)
	}
	if got := f.touch("v0"); !slices.Equal(got, []int64{bad}) {
		t.Fatalf("refused: %v", got)
	}
	if f.store.Damage("live/show") != 1 {
		t.Error("nobody is told that lists have changed")
	}
	for range 2 {
		after := f.past(Range{})
		holes, damaged := gaps(after, "v0")
		if !slices.Equal(holes, []int64{bad}) || !slices.Equal(damaged, holes) {
			t.Fatalf("gaps %v, damaged %v", holes, damaged)
		}
		if other, _ := gaps(after, "a0"); len(other) > 0 {
			t.Errorf("the sound has gaps too: %v", other)
		}
		was, is := before.Runs[0].Renditions[0].Segments[7], after.Runs[0].Renditions[0].Segments[7]
		if is.Start != was.Start || is.Duration != was.Duration || is.MSN != was.MSN || is.Size != 0 {
			t.Errorf("it was %+v, is %+v", was, is)
		}
		if holes, _ := gaps(before, "v0"); len(holes) > 0 {
			t.Error("a list that somebody holds has changed")
		}
	}
	// It is still refused, and told of once.
	if got := f.touch("v0"); len(got) != 1 || f.store.Stats().Damaged != 1 {
		t.Errorf("refused %v, %d faults", got, f.store.Stats().Damaged)
	}
	// A range of which nothing else is left says why.
	at := at(before.Runs[0].Renditions[0].Segments[7].Start, 90000)
	flipped(t, dir, "a0", fmt.Sprintf("counter a0 %d %d 1.", f.run.ID, bad))
	f.store.volume().cache.clear()
	f.store.volume().cache.sums.drop(filepath.ToSlash(mustRel(t, filepath.Join(dir, sealedFolder), path)))
	if got := f.touch("a0"); len(got) != 1 {
		t.Fatalf("refused of the sound: %v", got)
	}
	if _, err := f.store.Past(t.Context(), "live/show", Range{at.Add(500 * time.Millisecond), at.Add(time.Second)}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a range of damaged footage alone: %v", err)
	}
	// The operator puts a copy in its place.
	if err := errors.Join(os.WriteFile(path+".new", good, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if holes, _ := gaps(f.past(Range{}), "v0"); len(holes) != 1 {
		t.Error("it was looked at again at once")
	}
	f.store.volume().spoiled.later("live/show")
	if holes, _ := gaps(f.past(Range{}), "v0"); len(holes) != 0 || f.store.Damage("live/show") < 3 {
		t.Errorf("gaps %v after the file was restored, %d changes", holes, f.store.Damage("live/show"))
	}
}

func mustRel(t *testing.T, dir, path string) string {
	t.Helper()
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

// A file that is not there is a gap as long as it was.
func TestAMissingFileIsAGap(t *testing.T) {
	dir := t.TempDir()
	f := record(t, dir, 40)
	path, good := flipped(t, dir, "v0", fmt.Sprintf("counter v0 %d %d 0.", f.run.ID, f.run.FirstN+2))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.store = openDir(t, dir, Config{})
	rd, err := f.store.OpenSegment(t.Context(), "live/show", f.run.ID, "v0", f.run.FirstN+2)
	if fault.Of(err).Kind != fault.NotFound {
		t.Fatal(rd, err)
	}
	holes, damaged := gaps(f.past(Range{}), "v0")
	if n := len(holes); n < 10 || n > 30 || len(damaged) != n || holes[0] != f.run.FirstN {
		t.Errorf("gaps %v", holes)
	}
	refused := f.touch("v0")
	if !slices.Equal(refused, holes) {
		t.Errorf("refused %v, gaps %v", refused, holes)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	for range len(holes)/looksAtOnce + 1 {
		f.store.volume().spoiled.later("live/show")
		f.past(Range{})
	}
	if holes, _ := gaps(f.past(Range{}), "v0"); len(holes) > 0 {
		t.Errorf("gaps %v after the file was restored", holes)
	}
}

// What is damaged in the live window is a gap of the live list too, and readers are woken.
func TestDamageInTheLiveWindow(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{Window: time.Minute})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(6)
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	bad := f.run.FirstN + 3
	paths, err := filepath.Glob(filepath.Join(dir, openFolder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	done := false
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(b, fmt.Appendf(nil, "counter v0 %d %d 1.", f.run.ID, bad)); at >= 0 {
			w, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.WriteAt([]byte{b[at] ^ 1}, int64(at))
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			done = true
		}
	}
	if !done {
		t.Fatal("the segment is in no open file")
	}
	version := f.tl.Snapshot().Version
	if got := f.touch("v0"); !slices.Equal(got, []int64{bad}) {
		t.Fatalf("refused: %v", got)
	}
	snap, err := f.tl.Wait(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	if holes, damaged := gaps(snap, "v0"); !slices.Equal(holes, []int64{bad}) || len(damaged) != 1 {
		t.Errorf("live: gaps %v, damaged %v", holes, damaged)
	}
	if holes, _ := gaps(f.past(Range{}), "v0"); !slices.Equal(holes, []int64{bad}) {
		t.Errorf("past: gaps %v", holes)
	}
	if _, err := f.tl.OpenPart(f.run.ID, "v0", bad, 0); !errors.Is(err, ErrGone) {
		t.Errorf("a part of it: %v", err)
	}
	f.segments(1)
	if holes, _ := gaps(f.past(Range{}), "v0"); !slices.Equal(holes, []int64{bad}) {
		t.Errorf("past, later: gaps %v", holes)
	}
}
