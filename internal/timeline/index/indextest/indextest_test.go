package indextest_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/timeline/index"
	"weir/internal/timeline/index/indextest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTheGeneratedPast measures the queries on a generated past. WEIR_INDEX_DAYS=30 makes it a month of 100 cameras.
func TestTheGeneratedPast(t *testing.T) {
	plan := indextest.Plan{Seed: 5, Cameras: 5, Length: 24 * time.Hour}
	if days, err := strconv.Atoi(os.Getenv("WEIR_INDEX_DAYS")); err == nil {
		plan.Cameras, plan.Length = 100, time.Duration(days)*24*time.Hour
	}
	dir := t.TempDir()
	db, _, err := index.Open(t.Context(), dir, "volume", 1)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	made, err := indextest.Fill(t.Context(), db, plan)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if err := db.Close(); err != nil { // the log is emptied into the database
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, index.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files of %d cameras in %v: %.0f rows/s; %d MB, %d bytes a row", made, plan.Cameras, took.Round(time.Millisecond), float64(made)/took.Seconds(), info.Size()>>20, info.Size()/int64(made))
	if want := 2 * plan.Cameras * int(plan.Length/time.Minute); made < want*99/100 || made > want {
		t.Errorf("%d files instead of nearly %d", made, want)
	}
	start = time.Now()
	if db, _, err = index.Open(t.Context(), dir, "volume", 2); err != nil {
		t.Fatal(err)
	}
	t.Logf("opened in %v", time.Since(start))
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	measure(t, db, plan, os.Getenv("WEIR_INDEX_DAYS") != "")
}

// measure asks each question many times; strict holds the times against their bars, which make no sense under the race detector.
func measure(t *testing.T, db *index.DB, p indextest.Plan, strict bool) {
	ctx := t.Context()
	p.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(9, 9))
	where := func() (string, time.Time) {
		return indextest.Name(rng.IntN(p.Cameras)), p.Start.Add(10*time.Minute + time.Duration(rng.Int64N(int64(p.Length-20*time.Minute))))
	}
	for _, q := range []struct {
		name  string
		times int
		bar   time.Duration // of p95
		ask   func() (int, error)
	}{
		{"Files of 10 s", 2000, 50 * time.Millisecond, func() (int, error) {
			name, at := where()
			files, err := db.Files(ctx, name, at, at.Add(10*time.Second))
			return len(files), err
		}},
		{"Files, then File", 1000, 50 * time.Millisecond, func() (int, error) {
			name, at := where()
			files, err := db.Files(ctx, name, at, at.Add(10*time.Second))
			if err != nil || len(files) == 0 {
				return 0, err
			}
			f := files[0]
			_, err = db.File(ctx, name, f.Run, f.Rendition, f.LastN, f.To)
			return 1, err
		}},
		{"Spans of a day", 100, 100 * time.Millisecond, func() (int, error) {
			name, _ := where()
			day := p.Start.Add(time.Duration(rng.Int64N(int64(p.Length/(24*time.Hour)))) * 24 * time.Hour)
			spans, err := db.Spans(ctx, name, day, day.Add(24*time.Hour), time.Second)
			return len(spans), err
		}},
		{"Runs of a day", 200, 50 * time.Millisecond, func() (int, error) {
			name, at := where()
			runs, err := db.Runs(ctx, name, at, at.Add(24*time.Hour))
			return len(runs), err
		}},
		{"Timelines", 200, 50 * time.Millisecond, func() (int, error) {
			list, err := db.Timelines(ctx, "", "", 100)
			return len(list), err
		}},
		{"Oldest of all, 100", 200, 50 * time.Millisecond, func() (int, error) {
			files, err := db.Oldest(ctx, "", time.Time{}, 100)
			return len(files), err
		}},
		{"Oldest of one, 100", 200, 50 * time.Millisecond, func() (int, error) {
			name, _ := where()
			files, err := db.Oldest(ctx, name, time.Time{}, 100)
			return len(files), err
		}},
	} {
		took := make([]time.Duration, q.times)
		rows := 0
		for i := range took {
			start := time.Now()
			n, err := q.ask()
			took[i] = time.Since(start)
			if err != nil {
				t.Fatalf("%s: %v", q.name, err)
			}
			rows += n
		}
		slices.Sort(took)
		p50, p95 := took[len(took)/2], took[len(took)*95/100]
		t.Logf("%-20s p50 %v, p95 %v, %.1f rows", q.name, p50, p95, float64(rows)/float64(q.times))
		if rows == 0 || p95 > q.bar && strict {
			t.Errorf("%s: %d rows, p95 %v (bar %v)", q.name, rows, p95, q.bar)
		}
	}
}
