package timeline

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/internal/timeline/index"
)

// What is damaged is told of once, however often it is asked for; and damaged footage does not keep a damaged index from being noted.
func TestDamageIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	f := record(t, dir, 20)
	paths, err := filepath.Glob(filepath.Join(dir, sealedFolder, "live/show/*/*-v0-*.mp4"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	good, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	good[bytes.Index(good, []byte("counter"))] ^= 4
	if err := os.WriteFile(paths[0], good, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	a := &alarms{}
	st, err := openStore(Config{Dir: dir, Alarm: a.take}, realDisk(), slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	refused := 0
	for range 3 {
		for n := f.run.FirstN; n < f.run.FirstN+20; n++ {
			if rd, err := st.OpenSegment(t.Context(), "live/show", f.run.ID, "v0", n); err == nil {
				rd.Close()
			} else {
				refused++
			}
		}
		st.volume().cache.clear() // other files were asked for in the meantime
	}
	if refused != 3 {
		t.Fatalf("%d refused", refused)
	}
	if n := strings.Count(said.String(), "\n"); n != 1 || len(a.codes()) != 1 || st.Stats().Damaged != 1 {
		t.Errorf("a flipped bit: %d lines, alarms %v, %d faults\n%s", n, a.codes(), st.Stats().Damaged, &said)
	}
	note := filepath.Join(dir, "index.db.distrusted")
	if err := os.Mkdir(note, 0o700); err != nil { // nothing can be noted there
		t.Fatal(err)
	}
	wrong := fmt.Errorf("a page: %w", index.ErrDamaged)
	for range 3 {
		st.volume().distrust(wrong)
	}
	if n := strings.Count(said.String(), "cannot note"); n != 1 {
		t.Errorf("%d times was told that the disk takes no note:\n%s", n, &said)
	}
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	st.volume().distrust(wrong)
	if b, err := os.ReadFile(note); err != nil || !strings.Contains(string(b), "a page") {
		t.Errorf("the note says %q, %v", b, err)
	}
	if n := strings.Count(said.String(), "index of the recordings is damaged"); n != 1 || len(a.codes()) != 2 || st.Stats().Damaged != 2 {
		t.Errorf("told %d times, alarms %v, %d faults", n, a.codes(), st.Stats().Damaged)
	}
	if err := os.RemoveAll(filepath.Dir(paths[0])); err != nil {
		t.Fatal(err)
	}
	st.volume().cache.clear()
	before := len(a.codes())
	for range 3 {
		if _, err := st.OpenSegment(t.Context(), "live/show", f.run.ID, "v0", f.run.FirstN); err == nil {
			t.Error("a file that is gone was opened")
		}
	}
	if got := len(a.codes()) - before; got != 1 {
		t.Errorf("%d alarms of a missing file", got)
	}
}
