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

// BenchmarkRecordingWrites is half an hour of 400 timelines: 400 files a minute, one transaction a
// second, each minute as it comes. It reports the bytes written per second of recording.
func BenchmarkRecordingWrites(b *testing.B) {
	for b.Loop() {
		recordingWrites(b)
	}
}

func recordingWrites(b *testing.B) {
	const cameras, minutes = 400, 30
	d := fresh(b)
	var runs []Run
	for c := range cameras {
		runs = append(runs, run(fmt.Sprintf("cameras/site-%02d/cam-%03d", c%7, c), 1_770_000_000_000, epoch, time.Time{}))
	}
	apply(b, d, Batch{Runs: runs})
	groups := make([]byte, 200)
	calls, pages := counters(b)
	for s := range minutes * 60 {
		var batch Batch
		at := epoch.Add(time.Duration(s) * time.Second)
		for c := range cameras {
			if c*60/cameras != s%60 {
				continue
			}
			for _, rendition := range []string{"v0"} {
				f := file(runs[c].Timeline, runs[c].ID, rendition, s/60, at, time.Minute)
				for i := range groups {
					groups[i] = byte(s*c + i*i)
				}
				f.Groups = groups
				batch.Files = append(batch.Files, f)
			}
		}
		apply(b, d, batch)
	}
	c2, p2 := counters(b)
	b.ReportMetric(float64(c2-calls)/(minutes*60)/1000, "kB/s-written")
	b.ReportMetric(float64(p2-pages)/(minutes*60)/1000, "kB/s-pages")
	b.ReportMetric(float64(c2-calls)/(minutes*60)/12.5e6*100, "%-of-media")
}
