package segmenter

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/timeline"
)

// pictures gives what the timeline has of the video, run by run.
func (s *stage) pictures() (runs [][]media.Frame) {
	s.t.Helper()
	for _, r := range s.tl.Snapshot().Runs {
		var frames []media.Frame
		for i, rd := range r.Renditions {
			name := r.Run.Renditions[i].Name
			if name != "v0" {
				continue
			}
			h, err := cmaf.ParseInit(r.Run.Renditions[i].Init)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, seg := range rd.Segments {
				reader, err := s.store.OpenSegment(context.Background(), "live/x", r.ID, name, seg.N)
				if err != nil {
					s.t.Fatal(err)
				}
				var b bytes.Buffer
				for {
					p, err := reader.Next(context.Background())
					if err != nil {
						break
					}
					b.Write(p)
				}
				reader.Close()
				if frames, err = h.Frames(frames, b.Bytes()); err != nil {
					s.t.Fatal(err)
				}
			}
		}
		runs = append(runs, frames)
	}
	return runs
}

// The clock is set, or timestamps jump, between two key frames: no picture is lost, and the new run begins with the key frame.
func TestClocksChangeWithinAGroup(t *testing.T) {
	hour := 90000 * int64(3600)
	for _, c := range []struct {
		name   string
		stamps func(i int) int64 // what is added to those of picture i and of the sound beside it
		wall   func(i int) time.Duration
		runs   int
	}{
		{"ahead", func(i int) int64 { return hour * int64(i/90) }, nil, 2},
		{"back", func(i int) int64 { return -hour * int64(i/90) }, nil, 2},
		{"twice in a group", func(i int) int64 { return hour * int64(max(0, i-80)/10%3) }, nil, 0},
		{"the wall clock ahead", nil, func(i int) time.Duration { return time.Duration(i/90) * time.Hour }, 2},
		{"the wall clock back", nil, func(i int) time.Duration { return -time.Duration(i/90) * time.Hour }, 2},
		{"the wall clock ahead and back", nil, func(i int) time.Duration { return time.Duration(i/30%2) * time.Hour }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newStage(t, videoTrack(), audioTrack())
				frames := both(7)
				const base = 1 << 40
				picture, began := 0, time.Now()
				for i := range frames {
					f := frames[i]
					scale := int64(48000)
					if f.Track == 1 {
						scale, picture = 90000, picture+1
					}
					faketime.Pass(time.Until(began.Add(media.ToDuration(f.DTS, uint32(scale)))))
					if c.wall != nil {
						s.wall.Store(int64(c.wall(picture)))
					}
					if c.stamps != nil {
						by := (c.stamps(picture) + base) * scale / 90000
						f.DTS, f.PTS = f.DTS+by, f.PTS+by
					}
					if err := p.Write(f); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				s.stop()
				<-s.done
				runs := s.pictures()
				n := 0
				for i, r := range runs {
					if !r[0].Key || n%50 != 0 {
						t.Errorf("run %d begins with picture %d, key frame: %v", i, n, r[0].Key)
					}
					for k, f := range r {
						if want := fmt.Sprintf("video %d", n); string(f.Data) != want {
							t.Fatalf("run %d: %q instead of %q", i, f.Data, want)
						}
						n++
						if step := 3600; k > 0 && (f.DTS-r[k-1].DTS < int64(step)-900 || f.DTS-r[k-1].DTS > int64(step)+900) {
							t.Errorf("run %d: a step of %d ticks", i, f.DTS-r[k-1].DTS)
						}
					}
				}
				if n != 175 || c.runs > 0 && len(runs) != c.runs {
					t.Errorf("%d pictures in %d runs", n, len(runs))
				}
				for i, r := range s.tl.Snapshot().Runs {
					if i < len(runs)-1 && r.EndReason != timeline.EndClockStep {
						t.Errorf("run %d ended for %q", i, r.EndReason)
					}
				}
			})
		})
	}
}

// wallOf is the clock of a stage.
func wallOf(off *atomic.Int64) func() time.Time {
	return func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
}
