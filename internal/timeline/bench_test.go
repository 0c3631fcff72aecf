package timeline

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

func forEver(string) Keep { return Keep{For: -1} }

// BenchmarkRecordSecond is a second of recording of a stream of 0.5 Mbit/s: five parts of video, five of audio, and the
// share of a tick that writes them; 100 streams at once.
func BenchmarkRecordSecond(b *testing.B) {
	st := openDir(b, b.TempDir(), Config{Keep: forEver})
	const streams = 100
	var films []*film
	for i := range streams {
		f := newFilm(b, st, fmt.Sprint("live/", i))
		f.parts, f.pad = 10, 12_000
		f.begin(0)
		films = append(films, f)
	}
	media := int64(0)
	b.ResetTimer()
	for i := range b.N {
		for _, f := range films {
			for range 5 {
				f.add("v0")
			}
			f.pad = 1500
			for range 5 {
				f.add("a0")
			}
			f.pad = 12_000
			media += 5 * 13_500
			if len(f.made) > 8 {
				clear(f.made)
				clear(f.ends)
			}
		}
		if err := st.volume().flush(false); err != nil {
			b.Fatal(err)
		}
		if i%30 == 0 {
			_ = st.volume().sealAll(b.Context())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*streams), "µs/stream")
	b.ReportMetric(float64(st.volume().written.Load())/float64(media), "written/media")
}

// twoHours records two hours of a stream.
func twoHours(b *testing.B) (*Store, *film) {
	b.Helper()
	st := openDir(b, b.TempDir(), Config{Keep: forEver})
	f := newFilm(b, st, "live/show")
	f.parts, f.pad = 2, 2000
	f.begin(0)
	for range 120 {
		f.segments(30)
		if err := st.volume().flush(false); err != nil {
			b.Fatal(err)
		}
		clear(f.made)
	}
	seal(b, st)
	return st, f
}

func BenchmarkPastOfTwoHours(b *testing.B) {
	st, _ := twoHours(b)
	r := Range{From: time.Unix(filmFrom, 0)}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := st.Past(b.Context(), "live/show", r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenPastSegment(b *testing.B) {
	st, f := twoHours(b)
	for name, cold := range map[string]bool{"warm": false, "cold": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if cold {
					st.volume().cache.clear()
				}
				n := f.run.FirstN + int64(i*37%3400)
				rd, err := st.OpenSegment(b.Context(), "live/show", f.run.ID, "v0", n)
				if err != nil {
					b.Fatal(err)
				}
				rd.Close()
			}
		})
	}
}

func BenchmarkSpansOfTwoHours(b *testing.B) {
	st, _ := twoHours(b)
	b.ResetTimer()
	for range b.N {
		if _, err := st.Spans(b.Context(), "live/show", Range{}, time.Second); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStartAfterCrash is a start with a thousand open files, of a minute of 250 kbit/s each at most.
func BenchmarkStartAfterCrash(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		st := openDir(b, dir, Config{Keep: forEver})
		for i := range 500 {
			f := newFilm(b, st, fmt.Sprint("live/", i))
			f.parts, f.pad = 2, 60_000
			f.begin(0)
			f.segments(3)
		}
		if err := st.Flush(); err != nil {
			b.Fatal(err)
		}
		kill(st)
		runtime.GC()
		b.StartTimer()
		st = openDir(b, dir, Config{})
		b.StopTimer()
		st.Close()
		b.StartTimer()
	}
}
