package replay

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"weir/internal/faketime"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/timeline"
)

func (s *stage) replay(o Options) (*seen, error) {
	o.Timeline, o.Name = "live/cam", "replay/cam"
	seen := s.watch(o.Name)
	err := Run(context.Background(), s.store, s.hub, o)
	return <-seen, err
}

// A range is played in real time, every picture once, sound beside it, from the key frame before its beginning.
func TestReplayOfARange(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		begun := c.from
		c.shoot(20 * time.Second)
		c.off()
		faketime.Pass(time.Minute)
		start := time.Now()
		v, err := s.replay(Options{From: begun.Add(5500 * time.Millisecond), To: begun.Add(15 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		v.whole(t, 125, 374)
		if took := time.Since(start); (took - 10*time.Second).Abs() > 300*time.Millisecond {
			t.Errorf("10 s took %v", took)
		}
		if n := len(v.sounds); n < 460 || n > 475 {
			t.Errorf("%d audio frames", n)
		}
		if v.skew > 50*time.Millisecond || len(v.runs) != 1 {
			t.Errorf("%v from the wall clock, runs %v", v.skew, v.runs)
		}
		if off := (v.times[0] - v.sounds[0]).Abs(); off > 25*time.Millisecond {
			t.Errorf("sound begins %v from the picture", off)
		}
		if s.hub.Stream("replay/cam") != nil {
			t.Error("the stream goes on after its end")
		}
	})
}

// Files are longer than what is asked for, and what lies in them beside it is not played.
func TestReplayOfAPartOfFiles(t *testing.T) {
	keep := func(string) timeline.Keep { return timeline.Keep{For: -1} }
	bubbleWith(t, timeline.Config{Dir: t.TempDir(), Window: 6 * time.Second, Keep: keep}, func(s *stage) {
		c := s.camera(true)
		begun := c.from
		c.shoot(150 * time.Second)
		c.off()
		ctx, stop := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- s.store.Run(ctx) }()
		for st := s.store.Stats(); st.Recording+st.Sealing > 0; st = s.store.Stats() {
			faketime.Pass(time.Second)
		}
		stop()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if spans, err := s.store.Spans(context.Background(), "live/cam", timeline.Range{From: begun.Add(time.Minute)}, 0); err != nil || !spans[0].From.Before(begun.Add(55*time.Second)) {
			t.Fatalf("%v %v: nothing is in files", spans, err)
		}
		v, err := s.replay(Options{From: begun.Add(45500 * time.Millisecond), To: begun.Add(75 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		v.whole(t, 1125, 1874)
	})
}

func TestSpeeds(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		begun := c.from
		c.shoot(40 * time.Second)
		c.off()
		for _, speed := range []float64{0.25, 2, 4, 8, 32} {
			start := time.Now()
			v, err := s.replay(Options{From: begun, To: begun.Add(32 * time.Second), Speed: speed})
			if err != nil {
				t.Fatal(err)
			}
			want := time.Duration(float64(32*time.Second) / speed)
			if took := time.Since(start); (took - want).Abs() > want/10+100*time.Millisecond {
				t.Errorf("%g: 32 s took %v", speed, took)
			}
			if v.speed != speed {
				t.Errorf("%g: the publisher tells of %g", speed, v.speed)
			}
			if len(v.sounds) != 0 || v.skew > 50*time.Millisecond {
				t.Errorf("%g: %d audio frames, %v from the wall clock", speed, len(v.sounds), v.skew)
			}
			if speed <= keysFrom {
				v.whole(t, 0, 799)
				continue
			}
			v.monotonic(t)
			for i, n := range v.counters {
				if n != uint32(i)*25 {
					t.Errorf("%g: key frame %d is picture %d", speed, i, n)
				}
			}
			if len(v.counters) != 32 {
				t.Errorf("%g: %d key frames", speed, len(v.counters))
			}
		}
	})
}

func TestLoopGoesOnInTime(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		begun := c.from
		c.shoot(12 * time.Second)
		c.off()
		ctx, stop := context.WithCancelCause(context.Background())
		time.AfterFunc(25*time.Second, func() { stop(errors.New("enough")) })
		seen := s.watch("replay/cam")
		err := Run(ctx, s.store, s.hub, Options{Timeline: "live/cam", Name: "replay/cam", From: begun, To: begun.Add(10 * time.Second), Loop: true})
		if err == nil || err.Error() != "enough" {
			t.Errorf("err %v", err)
		}
		v := <-seen
		v.monotonic(t)
		for i, n := range v.counters {
			if n != uint32(i%250) {
				t.Fatalf("picture %d has counter %d", i, n)
			}
		}
		if len(v.counters) < 620 || len(v.runs) != 3 || v.skew > 100*time.Millisecond {
			t.Errorf("%d pictures, runs %v, %v from the wall clock", len(v.counters), v.runs, v.skew)
		}
	})
}

// Sound and picture stay together, and time goes on, over many joints of a loop whose end cuts frames of sound.
func TestLoopOverManyJoints(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		begun := c.from
		c.shoot(8 * time.Second)
		c.off()
		const joints, pass, pictures = 32, 3*time.Second + 500*time.Millisecond, 100 // from the key frame before
		ctx, stop := context.WithCancelCause(context.Background())
		time.AfterFunc(joints*4*time.Second+2*time.Second, func() { stop(errors.New("enough")) })
		seen := s.watch("replay/cam")
		from := begun.Add(2500 * time.Millisecond)
		err := Run(ctx, s.store, s.hub, Options{Timeline: "live/cam", Name: "replay/cam", From: from, To: from.Add(pass), Loop: true})
		if err == nil || err.Error() != "enough" {
			t.Errorf("err %v", err)
		}
		v := <-seen
		v.monotonic(t)
		if len(v.runs) < joints+1 || v.skew > 200*time.Millisecond {
			t.Errorf("%d runs, %v from the wall clock", len(v.runs), v.skew)
		}
		worst := time.Duration(0)
		for k := 0; k < len(v.times); k += pictures {
			if v.counters[k] != v.counters[0] {
				t.Fatalf("pass %d begins with counter %d", k/pictures, v.counters[k])
			}
			near := time.Hour
			for _, at := range v.sounds {
				near = min(near, (at - v.times[k]).Abs())
			}
			worst = max(worst, near)
		}
		if worst > 22*time.Millisecond { // a frame of sound
			t.Errorf("sound begins up to %v from the picture", worst)
		}
	})
}

// Footage with a gap between two runs: it is left out, or lasts.
func TestGaps(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		s.hub.Watch()
		begun := c.from
		c.shoot(6 * time.Second)
		c.pub.Close(nil)
		faketime.Pass(900 * time.Millisecond)
		c.open()
		c.shoot(6 * time.Second)
		c.off()
		for _, keep := range []bool{false, true} {
			start := time.Now()
			v, err := s.replay(Options{From: begun, KeepGaps: keep})
			if err != nil {
				t.Fatal(err)
			}
			v.monotonic(t)
			want := 12 * time.Second
			if keep {
				want += 900 * time.Millisecond
			}
			if took := time.Since(start); (took - want).Abs() > 300*time.Millisecond {
				t.Errorf("keep %t: took %v", keep, took)
			}
			if len(v.runs) != 2 || v.runs[1] != hub.ReasonConfig || v.skew > 150*time.Millisecond {
				t.Errorf("keep %t: runs %v, %v from the wall clock", keep, v.runs, v.skew)
			}
			r := v.tally.Report()
			if r.Duplicates+r.OutOfOrder != 0 || r.Missing > 25 || r.Last < 295 {
				t.Errorf("keep %t: %+v", keep, r)
			}
		}
	})
}

// A replay without an end goes on with what is recorded while it plays.
func TestReplayFollowsTheLiveStream(t *testing.T) {
	bubble(t, func(s *stage) {
		c := s.camera(true)
		begun := c.from
		c.shoot(10 * time.Second)
		type result struct {
			v   *seen
			err error
		}
		done := make(chan result, 1)
		go func() {
			v, err := s.replay(Options{From: begun, Speed: 1})
			done <- result{v, err}
		}()
		c.shoot(30 * time.Second)
		c.off()
		r := <-done
		if r.err != nil {
			t.Fatal(r.err)
		}
		r.v.whole(t, 0, 999)
		if len(r.v.runs) != 1 {
			t.Errorf("runs %v", r.v.runs)
		}
	})
}

func TestRefusals(t *testing.T) {
	bubble(t, func(s *stage) {
		at := time.Now()
		for code, o := range map[string]Options{
			"no_footage":   {},
			"replay_speed": {Speed: 33},
			"range_empty":  {From: at, To: at},
		} {
			o.Timeline, o.Name = "live/none", "replay/x"
			if err := Run(context.Background(), s.store, s.hub, o); fault.Code(err) != code {
				t.Errorf("%s: %v", code, err)
			}
		}
		for _, speed := range []float64{math.NaN(), -1, 0.2} {
			if err := Run(context.Background(), s.store, s.hub, Options{Speed: speed}); fault.Code(err) != "replay_speed" {
				t.Errorf("%g: %v", speed, err)
			}
		}
	})
}
