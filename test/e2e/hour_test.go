package e2e

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/segmenter"
	"weir/internal/testpattern"
	"weir/internal/timeline"
)

// footage is what was written of the judge's picture into a data folder, as if a server had recorded it.
type footage struct {
	from     time.Time
	joint    time.Time // when the second run begins; between the two the publisher was away
	to       time.Time
	pictures int // with counters from 0 on, all different
	frames   int // of sound
}

const (
	footageFPS   = 15
	footageWidth = 320
	footageAway  = 8 * time.Second
)

// startWithPast starts a server on footage of that length that ends now, written in compressed time.
func startWithPast(t *testing.T, name string, length time.Duration) (*weir, footage) {
	t.Helper()
	w := &weir{t: t, data: t.TempDir(), logs: &tail{}}
	f := writePast(t, filepath.Join(w.data, "timeline"), name, length)
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Logf("server log:\n%.8000s", w.logs.String())
		}
	})
	return w, f
}

// writePast records the picture with the server's own segmenter and timeline: two runs, with an outage before the last fifth.
func writePast(t *testing.T, dir, name string, length time.Duration) footage {
	t.Helper()
	began := time.Now()
	log := slog.New(slog.DiscardHandler)
	store, err := timeline.NewStore(timeline.Config{Dir: dir, Keep: func(string) timeline.Keep { return timeline.Keep{For: -1} }}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- store.Run(ctx) }()
	tl, err := store.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	src, err := testpattern.New(testpattern.Options{Width: footageWidth, Height: 180, FPS: footageFPS, Audio: true})
	if err != nil {
		t.Fatal(err)
	}
	f := footage{from: began.Add(-length).Truncate(2 * time.Second)}
	second := (length * 4 / 5).Truncate(time.Minute)
	f.record(t, store, tl, src, f.from, second)
	f.joint = f.from.Add(second + footageAway)
	f.record(t, store, tl, src, f.from.Add(footageAway), length-footageAway)
	f.to = f.from.Add(length)
	stop()
	<-done
	if st := store.Stats(); st.Lost > 0 {
		t.Fatalf("%d segments were not recorded", st.Lost)
	}
	store.Close()
	t.Logf("%v of footage written in %v", length, time.Since(began).Round(time.Millisecond))
	return f
}

// record writes one run, up to a time of the source, which plays at zero when the wall clock shows origin.
func (f *footage) record(t *testing.T, store *timeline.Store, tl *timeline.Timeline, src *testpattern.Source, origin time.Time, until time.Duration) {
	t.Helper()
	tracks := src.Tracks()
	at := origin.Add(src.Due())
	r := timeline.Run{Start: at, FirstN: at.Unix() / 2, SegmentDuration: 2 * time.Second, PartDuration: 200 * time.Millisecond}
	for i := range tracks {
		b, err := cmaf.Init(tracks[i])
		if err != nil {
			t.Fatal(err)
		}
		r.Renditions = append(r.Renditions, timeline.Rendition{Name: []string{"v0", "a0"}[i], Track: tracks[i], Init: b})
	}
	r, err := tl.BeginRun(r)
	if err != nil {
		t.Fatal(err)
	}
	cut := segmenter.NewCutter(&r, tl.Append)
	flushed := src.Due()
	for src.Due() < until {
		frame := src.Next(origin.Add(src.Due()))
		shift := media.Find(tracks, frame.Track).Ticks(time.Duration(origin.UnixNano()))
		frame.DTS, frame.PTS = frame.DTS+shift, frame.PTS+shift
		if frame.Track == testpattern.VideoTrack {
			f.pictures++
		} else {
			f.frames++
		}
		if err := cut.Add(&frame); err != nil {
			t.Fatal(err)
		}
		if src.Due()-flushed > time.Minute { // what waits for the disk is bounded
			flushed = src.Due()
			if err := store.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cut.Flush(); err != nil {
		t.Fatal(err)
	}
	tl.EndRun()
}
