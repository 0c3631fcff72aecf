package index

import (
	"testing"
	"time"
)

// TestReleaseAfterARestart frees the files of one timeline in an index that has not read its name yet.
func TestReleaseAfterARestart(t *testing.T) {
	dir := t.TempDir()
	d, _ := reopen(t, dir, "volume-1", 5)
	d.direct = 1
	for _, name := range []string{"cam", "other"} {
		f := file(name, 1, "v0", 0, epoch, time.Minute)
		f.Held = true
		apply(t, d, Batch{Runs: []Run{run(name, 1, epoch, time.Time{})}, Files: []File{f}})
	}
	closeDB(t, d)
	d, _ = reopen(t, dir, "volume-1", 6)
	defer closeDB(t, d)
	apply(t, d, Batch{Release: []string{"cam", "nobody"}})
	if old := must(d.Oldest(t.Context(), "", epoch.Add(time.Hour), 10))(t); len(old) != 1 || old[0].Timeline != "cam" {
		t.Errorf("released: %+v", old)
	}
	sound(t, d)
}

// TestARunWithoutFilesIsSound: it never had one, or it lost them all and nothing was deleted since.
func TestARunWithoutFilesIsSound(t *testing.T) {
	d := fresh(t)
	for id := uint64(1); id < 40; id++ {
		from := epoch.Add(time.Duration(id) * time.Hour)
		r := run("cam", id, from, from.Add(time.Minute))
		b := Batch{Runs: []Run{r}}
		if id == 20 || id == 30 {
			b.Files = []File{file("cam", id, "v0", 0, from, time.Minute)}
		}
		apply(t, d, b)
	}
	sound(t, d)
	apply(t, d, Batch{Remove: must(d.Files(t.Context(), "cam", epoch, epoch.Add(25*time.Hour)))(t)})
	sound(t, d)
	if runs := must(d.Runs(t.Context(), "cam", time.Time{}, time.Time{}))(t); len(runs) != 39-forgetStep {
		t.Errorf("%d runs", len(runs))
	}
}
