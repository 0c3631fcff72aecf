package index

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkSpansOfADay(b *testing.B) {
	d := fresh(b)
	batch := Batch{Runs: []Run{run("cam", 1, epoch, time.Time{})}}
	for m := range 1440 {
		for _, rendition := range []string{"v0", "a0"} {
			f := file("cam", 1, rendition, m, epoch.Add(time.Duration(m)*time.Minute), time.Minute)
			f.Groups, f.Object = make([]byte, 240), fmt.Sprintf("cameras/site-01/cam-0001/1/%s-%06d.mp4", rendition, m)
			batch.Files = append(batch.Files, f)
		}
	}
	apply(b, d, batch)
	b.ReportAllocs()
	for b.Loop() {
		spans, err := d.Spans(b.Context(), "cam", epoch, epoch.Add(24*time.Hour), time.Second)
		if err != nil || len(spans) != 1 || spans[0].Files != 2880 {
			b.Fatal(spans, err)
		}
	}
}
