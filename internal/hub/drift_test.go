package hub

import (
	"math/rand/v2"
	"testing"
	"time"

	"weir/internal/media"
)

// feeder sends 25 pictures and 46.875 audio frames a second by a clock of its own.
type feeder struct {
	rate    float64                                   // of the publisher's clock, 1 is right
	network func(at time.Duration) time.Duration      // delay of what is sent at this time
	stamp   func(raw time.Duration) time.Duration     // what is written on a frame; nil: the publisher's clock
	sound   func(at time.Duration) time.Duration      // what a gateway adds to that of sound; may be nil
	check   func(f *media.Frame, t checked) (ok bool) // called for each frame
}

type checked struct {
	sent, now time.Duration // since the start
	media     time.Duration // what the clock made of it, since the start
	reason    string
	scale     uint32
}

// run feeds a fresh clock for so long.
func (fd *feeder) run(span time.Duration) (runs []string) {
	clk := newClock(0)
	video, audio := time.Duration(0), time.Duration(0)
	arrived := time.Duration(0)
	for {
		f := media.Frame{Track: 0}
		at, scale := video, uint32(90000)
		if audio < video {
			f.Track, at, scale = 1, audio, 48000
			audio += 1024 * time.Second / 48000
		} else {
			video += 40 * time.Millisecond
		}
		if at >= span {
			return runs
		}
		raw := time.Duration(float64(at) * fd.rate)
		if fd.stamp != nil {
			raw = fd.stamp(raw)
		}
		if fd.sound != nil && f.Track == 1 {
			raw += fd.sound(at)
		}
		arrived = max(arrived, at+fd.network(at)) // TCP keeps the order
		f.DTS = media.FromDuration(raw, scale)
		f.PTS = f.DTS
		v := clk.mapFrame(&f, scale, day+arrived)
		if v.reason != "" {
			runs = append(runs, v.reason)
		}
		if !fd.check(&f, checked{at, arrived, media.ToDuration(f.DTS, scale) - day, v.reason, scale}) {
			return append(runs, "stopped")
		}
	}
}

// A publisher whose clock is off by up to 500 ppm stays near the wall clock for a day, its tracks in sync, time never back,
// although the network delays some frames and holds others back to let them come in bursts.
func TestDriftIsSlewed(t *testing.T) {
	for _, c := range []struct {
		name string
		ppm  float64
		span time.Duration
	}{{"right", 0, 3 * time.Hour}, {"slow", -200, 24 * time.Hour}, {"fast", 200, 3 * time.Hour}, {"slowest", -500, 3 * time.Hour}, {"fastest", 500, 3 * time.Hour}} {
		t.Run(c.name, func(t *testing.T) {
			rate := 1 + c.ppm/1e6
			t.Parallel()
			rnd := rand.New(rand.NewPCG(1, 2))
			last := [2]time.Duration{-1, -1}
			shift := [2]time.Duration{}
			worst, apart := time.Duration(0), time.Duration(0)
			fd := feeder{rate: rate, network: func(at time.Duration) time.Duration {
				d := time.Duration(rnd.ExpFloat64() * float64(15*time.Millisecond))
				if phase := (at + time.Minute) % (97 * time.Second); phase < 3*time.Second {
					d += 3*time.Second - phase // all of these seconds arrive at once
				}
				return d
			}}
			fd.check = func(f *media.Frame, c checked) bool {
				i := int(f.Track)
				if c.media <= last[i] {
					t.Fatalf("track %d: %v after %v", i, c.media, last[i])
				}
				last[i] = c.media
				shift[i] = c.media - time.Duration(float64(c.sent)*rate)
				if last[1-i] >= 0 {
					apart = max(apart, (shift[0] - shift[1]).Abs())
				}
				worst = max(worst, (c.media - c.sent).Abs())
				return true
			}
			if runs := fd.run(c.span); len(runs) != 0 {
				t.Errorf("runs began: %v", runs)
			}
			if worst > 100*time.Millisecond {
				t.Errorf("%v from the wall clock", worst)
			}
			if apart > time.Millisecond {
				t.Errorf("tracks came %v apart", apart)
			}
			t.Logf("at most %v from the wall clock, tracks %v apart", worst, apart)
		})
	}
}

// A right publisher's timestamps are not bent at all.
func TestRightClockIsLeftAlone(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	fd := feeder{rate: 1, network: func(time.Duration) time.Duration {
		return time.Duration(rnd.ExpFloat64() * float64(8*time.Millisecond))
	}}
	var first [2]time.Duration
	fd.check = func(f *media.Frame, c checked) bool {
		off := c.media - c.sent
		if c.sent < 40*time.Millisecond {
			first[f.Track] = off
		} else if d := (off - first[f.Track]).Abs(); d > 21*time.Microsecond { // a tick of 48 kHz
			t.Fatalf("%v: bent by %v", c.sent, d)
		}
		return true
	}
	fd.run(time.Hour)
}

// What begins with a burst lies ahead of the wall clock, and comes back to it.
func TestBurstAtTheStartIsWorkedOff(t *testing.T) {
	fd := feeder{rate: 1, network: func(at time.Duration) time.Duration { return max(2*time.Second-at, 0) }}
	var ahead time.Duration
	fd.check = func(_ *media.Frame, c checked) bool { ahead = c.media - c.now; return true }
	if runs := fd.run(90 * time.Minute); len(runs) != 0 || ahead.Abs() > 100*time.Millisecond {
		t.Errorf("runs %v, %v ahead", runs, ahead)
	}
}

// Clocks that cannot be followed are replaced by the arrival of frames, once.
func TestUselessClocksAreReplaced(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		name  string
		rate  float64
		stamp func(time.Duration) time.Duration
		by    time.Duration // when it must have happened
		runs  int           // at most
	}{
		{name: "declares 25, delivers 21", rate: 25. / 21, by: 45 * time.Second, runs: 1},
		{name: "declares 21, delivers 25", rate: 21. / 25, by: 45 * time.Second, runs: 1},
		{name: "3 % fast", rate: 1.03, by: 70 * time.Second, runs: 1},
		{name: "0.5 % slow", rate: 0.995, by: 6 * time.Minute, runs: 1},
		{name: "at half speed", rate: 0.5, by: time.Minute, runs: 2},
		{name: "stands still", stamp: func(time.Duration) time.Duration { return time.Hour }, by: 2 * time.Second, runs: 1},
		{name: "stops", rate: 1, stamp: func(at time.Duration) time.Duration { return min(at, 3*time.Second) }, by: 5 * time.Second, runs: 1},
		{name: "at random", stamp: func(time.Duration) time.Duration { return time.Duration(random.Int64N(int64(1000 * time.Hour))) }, by: 2 * time.Second, runs: manyJumps},
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(7, 8))
			fd := feeder{rate: c.rate, stamp: c.stamp, network: func(at time.Duration) time.Duration {
				if at%(400*time.Millisecond) < 120*time.Millisecond {
					return 120*time.Millisecond - at%(400*time.Millisecond) // in clumps
				}
				return time.Duration(rnd.ExpFloat64() * float64(5*time.Millisecond))
			}}
			replaced := time.Duration(-1)
			last := [2]time.Duration{-1, -1}
			fd.check = func(f *media.Frame, k checked) bool {
				if k.reason == ReasonClockSource {
					replaced = k.now
				}
				if k.media <= last[f.Track] {
					t.Fatalf("%v: %v after %v", k.now, k.media, last[f.Track])
				}
				step := k.media - last[f.Track]
				last[f.Track] = k.media
				if replaced < 0 || k.now < replaced+20*time.Second {
					return true
				}
				if off := (k.media - k.now).Abs(); off > 150*time.Millisecond || step > 250*time.Millisecond {
					t.Fatalf("%v: %v from the wall clock, a step of %v", k.now, off, step)
				}
				return true
			}
			runs := fd.run(10 * time.Minute)
			if replaced < 0 || replaced > c.by || len(runs) > c.runs {
				t.Errorf("replaced at %v, runs %v", replaced, runs)
			}
		})
	}
}

// A file that is sent as fast as the network carries it is no drifting clock.
func TestBlastKeepsItsTimestamps(t *testing.T) {
	fd := feeder{rate: 1, network: func(at time.Duration) time.Duration { return -at * 9 / 10 }}
	fd.check = func(_ *media.Frame, c checked) bool {
		if (c.media - c.sent).Abs() > 2*time.Second {
			t.Fatalf("%v became %v", c.sent, c.media)
		}
		return true
	}
	if runs := fd.run(time.Hour); len(runs) != 0 {
		t.Errorf("runs %v", runs)
	}
}

func BenchmarkMapFrame(b *testing.B) {
	clk := newClock(0)
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		f := media.Frame{DTS: i * 3000, PTS: i * 3000}
		clk.mapFrame(&f, 90000, day+time.Duration(i)*time.Second/30)
	}
}
