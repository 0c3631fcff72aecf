package replay

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir/internal/timeline"
)

// A replay goes over a damaged segment as over one that was never recorded; the other track goes on beside it.
func TestReplayGoesOverDamage(t *testing.T) {
	dir := t.TempDir()
	keep := func(string) timeline.Keep { return timeline.Keep{For: -1} }
	bubbleWith(t, timeline.Config{Dir: dir, Window: 6 * time.Second, Keep: keep}, func(s *stage) {
		c := s.camera(true)
		begun := c.from
		c.shoot(20 * time.Second)
		c.off()
		if err := s.store.Flush(); err != nil {
			t.Fatal(err)
		}
		paths, err := filepath.Glob(filepath.Join(dir, "open", "*v0*"))
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		b, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		at := len(b) / 2
		at += bytes.Index(b[at:], []byte("mdat")) + 100
		b[at] ^= 4
		if err := os.WriteFile(paths[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		v, err := s.replay(Options{From: begun})
		if err != nil {
			t.Fatal(err)
		}
		v.monotonic(t)
		if r := v.tally.Report(); r.First != 0 || r.Last != 499 || r.Missing != 50 || r.Duplicates+r.OutOfOrder+r.Unreadable > 0 {
			t.Errorf("%+v", r)
		}
		if n := len(v.sounds); n < 930 || n > 942 {
			t.Errorf("%d audio frames", n)
		}
		if took := time.Since(start); (took - 20*time.Second).Abs() > 300*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if n := s.store.Stats().Damaged; n != 1 {
			t.Errorf("%d faults", n)
		}
	})
}
