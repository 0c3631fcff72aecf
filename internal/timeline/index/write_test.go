package index

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// counters reads what this process has written: by write calls, and pages made dirty.
func counters(tb testing.TB) (calls, pages int64) {
	tb.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		tb.Skip("no /proc/self/io here")
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "wchar":
			calls = n
		case "write_bytes":
			pages = n
		}
	}
	return calls, pages
}

// BenchmarkRecordingWrites is half an hour of 400 timelines after an hour of them: 400 files a minute, one transaction
// a second. Either nothing is deleted, or as much as is recorded, file by file or all at once every ten minutes. It
// reports the bytes written per second of recording; half a Mbit a second for each two timelines is 12.5 MB.
func BenchmarkRecordingWrites(b *testing.B) {
	for _, c := range []struct {
		name  string
		every int // seconds between two rounds of retention; 0 is never
	}{{"recording", 0}, {"delete=1s", 1}, {"delete=10min", 600}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				recordingWrites(b, c.every)
			}
		})
	}
}

const timelines, minutes = 400, 30

// second lists the files that end in a second of the recording.
func second(runs []Run, s int) (files []File) {
	at := epoch.Add(time.Duration(s) * time.Second)
	for c := range runs {
		if c*60/len(runs) != s%60 {
			continue
		}
		f := file(runs[c].Timeline, runs[c].ID, "v0", s/60, at, time.Minute)
		f.Groups = make([]byte, 200)
		for i := range f.Groups {
			f.Groups[i] = byte(s*c + i*i)
		}
		files = append(files, f)
	}
	return files
}

// grow lists the runs of those files, each a minute longer.
func grow(runs []Run, s int) (grown []Run) {
	for c := range runs {
		if c*60/len(runs) == s%60 {
			r := runs[c]
			r.LastN += int64(s)
			grown = append(grown, r)
		}
	}
	return grown
}

func recordingWrites(b *testing.B, every int) {
	d := fresh(b)
	var runs []Run
	for c := range timelines {
		runs = append(runs, run(fmt.Sprintf("cameras/site-%02d/cam-%03d", c%7, c), 1_770_000_000_000, epoch, time.Time{}))
	}
	apply(b, d, Batch{Runs: runs})
	const start = 3600 // an hour is there already
	for s := range start {
		apply(b, d, Batch{Files: second(runs, s)})
	}
	calls, pages := counters(b)
	var slowest time.Duration
	for s := start; s < start+minutes*60; s++ {
		batch := Batch{Files: second(runs, s), Runs: grow(runs, s)}
		if every > 0 && (s+1)%every == 0 {
			for old := s - start + 1 - every; old <= s-start; old++ {
				batch.Remove = append(batch.Remove, second(runs, old)...)
			}
		}
		began := time.Now()
		apply(b, d, batch)
		slowest = max(slowest, time.Since(began))
		for _, f := range batch.Remove {
			batch.Cleaned = append(batch.Cleaned, f.Object)
		}
		if len(batch.Cleaned) > 0 {
			apply(b, d, Batch{Cleaned: batch.Cleaned})
		}
	}
	c2, p2 := counters(b)
	b.ReportMetric(float64(c2-calls)/(minutes*60)/1000, "kB/s-written")
	b.ReportMetric(float64(p2-pages)/(minutes*60)/1000, "kB/s-pages")
	b.ReportMetric(float64(c2-calls)/(minutes*60)/12.5e6*100, "%-of-media")
	b.ReportMetric(float64(slowest.Milliseconds()), "ms-slowest")
}

// TestRecordingWritesLittle holds the bar: less than three thousandths of the media, in ten minutes that end with a move.
func TestRecordingWritesLittle(t *testing.T) {
	d := fresh(t)
	d.moveAt = 4000
	var runs []Run
	for c := range timelines {
		runs = append(runs, run(fmt.Sprintf("cameras/site-%02d/cam-%03d", c%7, c), 1_770_000_000_000, epoch, time.Time{}))
	}
	apply(t, d, Batch{Runs: runs})
	calls, _ := counters(t)
	for s := range 600 {
		apply(t, d, Batch{Files: second(runs, s), Runs: grow(runs, s)})
	}
	if len(d.recent.Load().rows) > 100 {
		t.Fatal("nothing has moved")
	}
	closeDB(t, d) // everything goes to its place
	end, _ := counters(t)
	if share := float64(end-calls) / 600 / 12.5e6; share > 0.003 {
		t.Errorf("the index writes %.2f %% of the media", share*100)
	} else {
		t.Logf("the index writes %.2f %% of the media", share*100)
	}
}
