package timeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir/internal/timeline/index"
)

// TestCheckBesideARunningServer checks a volume again and again while eight streams are recorded to it, sealed and deleted.
func TestCheckBesideARunningServer(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{Sync: 10 * time.Millisecond, Window: 8 * time.Second})
	stop := running(t, st)
	ctx, end := context.WithTimeout(t.Context(), lasting)
	defer end()
	done := make(chan int)
	for i := range 8 {
		f := newFilm(t, st, fmt.Sprint("live/", i))
		f.begin(int64(10 * i))
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				f.segments(3)
				clear(f.made)
				clear(f.ends)
				select {
				case <-time.After(5 * time.Millisecond):
				case <-ctx.Done():
				}
			}
			f.tl.End()
			done <- n
		}()
	}
	go func() {
		for ctx.Err() == nil {
			st.volume().retainSoon()
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		done <- 0
	}()
	checks, files := 0, 0
	for ; ctx.Err() == nil; checks++ {
		report, err := Check(t.Context(), dir, checks%2 == 0, func(f Finding) { t.Errorf("check %d: %v", checks, f) })
		if err != nil {
			t.Fatal(err)
		}
		if report.Unknown > 0 {
			t.Errorf("check %d: %+v", checks, report)
		}
		files += report.Files
	}
	rounds := 0
	for range 9 {
		rounds += <-done
	}
	stop()
	t.Logf("%d checks of %d files beside %d rounds", checks, files, rounds)
	if checks < 3 || files == 0 || rounds < 50 {
		t.Errorf("%d checks of %d files beside %d rounds are no test", checks, files, rounds)
	}
}

const lasting = 3 * time.Second // of the stress

// TestCheckOfACopy: what the guide says to copy has neither the index nor the folder of open files, and is whole without them.
// A volume that was served and has lost its index is not.
func TestCheckOfACopy(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	record(t, dir, 20)
	if err := os.CopyFS(filepath.Join(copied, sealedFolder), os.DirFS(filepath.Join(dir, sealedFolder))); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(copied, identityFile), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var what []Finding
	look := func() Report {
		report, err := Check(t.Context(), copied, true, func(f Finding) { what = append(what, f) })
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if r := look(); r.Files == 0 || r.Findings != 0 {
		t.Errorf("%+v: %v", r, what)
	}
	if err := os.Mkdir(filepath.Join(copied, openFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if r := look(); r.Findings != 1 || what[0].Object != index.Name {
		t.Errorf("%+v: %v", r, what)
	}
}
