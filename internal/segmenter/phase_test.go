package segmenter

import (
	"math/rand/v2"
	"testing"
	"time"

	"weir/internal/media"
	"weir/internal/timeline"
)

// cadence is how a publisher's key frames come.
type cadence struct {
	name   string
	fps    float64
	forced bool  // at the first frame of every 2 s, as FFmpeg's -force_key_frames does; else every 2 s worth of whole frames
	b      int   // B-frames
	ms     bool  // timestamps in milliseconds, as RTMP has them
	jitter int64 // ms
	every  time.Duration
}

var cadences = []cadence{
	{name: "25", fps: 25}, {name: "30", fps: 30}, {name: "29.97", fps: 30000.0 / 1001}, {name: "60", fps: 60},
	{name: "25 over RTMP", fps: 25, ms: true}, {name: "30 over RTMP", fps: 30, ms: true},
	{name: "29.97 over RTMP", fps: 30000.0 / 1001, ms: true}, {name: "60 over RTMP", fps: 60, ms: true},
	{name: "25 with B-frames", fps: 25, b: 2}, {name: "29.97 with B-frames over RTMP", fps: 30000.0 / 1001, b: 2, ms: true},
	{name: "29.97 forced", fps: 30000.0 / 1001, forced: true}, {name: "23.976 forced over RTMP", fps: 24000.0 / 1001, forced: true, ms: true},
	{name: "25 trembling", fps: 25, ms: true, jitter: 3}, {name: "30 trembling", fps: 30, ms: true, jitter: 15},
	{name: "5", fps: 5}, {name: "10 over RTMP", fps: 10, ms: true}, {name: "a key frame every second", fps: 25, ms: true, jitter: 2, every: time.Second},
}

// frames makes n seconds of it whose first frame is shown at from, whatever came before.
func (c *cadence) frames(from time.Duration, n int, seed uint64) []media.Frame {
	every := max(c.every, 0)
	if every == 0 {
		every = 2 * time.Second
	}
	r := rand.New(rand.NewPCG(seed, 7))
	out := gop(from, int(c.fps*float64(n)), int(every.Seconds()*c.fps+0.5), c.fps, c.b)
	forced := time.Duration(0)
	lead := out[0].PTS - out[0].DTS
	for i := range out {
		f := &out[i]
		if c.forced {
			if f.Key = media.ToDuration(f.PTS, 90000)-from >= forced; f.Key {
				forced += every
			}
		}
		f.PTS, f.DTS = f.PTS-lead, f.DTS-lead
		if c.ms {
			shift := r.Int64N(c.jitter + 1)
			f.PTS, f.DTS = (f.PTS/90+shift)*90, (f.DTS/90+shift)*90
		}
		f.Data = f.Data[:1]
	}
	return out
}

// TestKeyFramesAtAnyPhase: wherever in the windows the key frames fall, each begins a segment, one after the other.
func TestKeyFramesAtAnyPhase(t *testing.T) {
	for i, c := range cadences {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad, step := 0, 1
			if i >= 8 {
				step = 3
			}
			for phase := 0; phase < 2000; phase += step {
				start := epoch*time.Second + time.Duration(phase)*time.Millisecond
				if what := c.cut(start, uint64(phase)); what != "" {
					if bad++; bad <= 3 {
						t.Errorf("phase %d ms: %s", phase, what)
					}
				}
			}
			if bad > 0 {
				t.Errorf("%d of %d phases", bad, 2000/step)
			}
		})
	}
}

// cut cuts 8 s and says what is wrong with the segments.
func (c *cadence) cut(start time.Duration, seed uint64) (wrong string) {
	run := testRun(2*time.Second, start, videoTrack())
	frames := c.frames(start, 8, seed)
	at := media.ToDuration(frames[0].PTS, 90000)
	run.Start, run.FirstN = time.Unix(0, int64(at)), int64(at/run.SegmentDuration)
	run.PartDuration = run.SegmentDuration // parts are cut elsewhere
	n, begun := run.FirstN-1, time.Duration(0)
	cutter := NewCutter(run, func(_ string, p timeline.Part) error {
		if p.Index != 0 {
			return nil
		}
		at := media.ToDuration(p.Start, 90000)
		into := at - time.Duration(p.N)*run.SegmentDuration
		switch {
		case !p.Independent:
			wrong = "a dependent segment " + into.String() + " into its window"
		case p.N != n+1:
			wrong = "a number is left out, at " + into.String()
		case into < -run.SegmentDuration/16 || into > run.SegmentDuration*17/16:
			wrong = "a segment begins " + into.String() + " into its window"
		case begun > 0 && c.every == 0 && (at-begun-run.SegmentDuration).Abs() > 45*time.Millisecond,
			begun > 0 && at-begun > run.SegmentDuration*17/16:
			wrong = "a segment lasts " + (at - begun).String()
		}
		n, begun = p.N, at
		return nil
	})
	for i := range frames {
		if err := cutter.Add(&frames[i]); err != nil {
			return err.Error()
		}
	}
	return wrong
}
