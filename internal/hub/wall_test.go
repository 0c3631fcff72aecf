package hub

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/faketime"
	"weir/internal/media"
)

// setClock is a wall clock that can be set; synctest's own is always right.
type setClock struct{ off atomic.Int64 }

func (c *setClock) now() time.Time       { return time.Now().Add(time.Duration(c.off.Load())) }
func (c *setClock) step(d time.Duration) { c.off.Add(int64(d)) }

// timesEncoder writes the millisecond clock of each picture.
type timesEncoder struct {
	s     *Stream
	times *[]uint32
}

func (timesEncoder) Start([]media.Track, *Run) (header, inband [][]byte, err error) {
	return nil, nil, nil
}

func (e timesEncoder) Encode(dst [][]byte, f *media.Frame) [][]byte {
	if f.Track == 0 {
		*e.times = append(*e.times, e.s.Millis(f.DTS, 90000))
	}
	return append(dst, f.Data)
}

func TestWallClockSteps(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour, 1500 * time.Millisecond, -1500 * time.Millisecond} {
		t.Run(by.String(), func(t *testing.T) {
			wall := &setClock{}
			bubble(t, Config{Window: 2 * time.Second, Wall: wall.now}, func(t *testing.T, h *Hub) {
				s := publish(t, h, Offer{})
				stream := s.p.Stream()
				var times []uint32
				lane := stream.Lane(wordKey, Want{}, func(s *Stream) Encoder { return timesEncoder{s, &times} })
				defer lane.Close()
				sub := stream.Subscribe(Want{})
				defer sub.Close()
				s.send(45)
				before := drain(t, sub)
				wall.step(by)
				s.send(45)
				after := drain(t, sub)
				run := stream.Run()
				if run.Reason != ReasonClockStep || run.Clock != ClockPublisher || run.ID <= before[0].Run.ID || run.Start.Sub(wall.now()).Abs() > 2*time.Second {
					t.Errorf("run %+v", run)
				}
				if len(before)+len(after) != 180 || after[0].Run == before[0].Run || after[0].Run != after[len(after)-1].Run {
					t.Fatalf("%d and %d frames", len(before), len(after))
				}
				for _, it := range after {
					scale := media.Find(it.Tracks, it.Track).TimeScale
					if off := (media.ToDuration(it.DTS, scale) - time.Duration(it.Wall)).Abs(); off > 2*time.Millisecond {
						t.Fatalf("epoch media time is %v from the wall clock", off)
					}
				}
				for i := 1; i < len(times); i++ {
					if d := times[i] - times[i-1]; d < 33 || d > 34 {
						t.Fatalf("the readers' clock goes on by %d ms at picture %d", int32(d), i)
					}
				}
				s.send(150)
				if st := stream.Stats(); st.HeldFrames > 2*(60+31) || st.Discontinuities != 1 {
					t.Errorf("%+v", st)
				}
				if sub := stream.Subscribe(Want{}); len(drain(t, sub)) < 2 {
					t.Error("a newcomer finds nothing")
				}
			})
		})
	}
}

// A clock that is moved a little is followed without a new run.
func TestSmallStepsAreSlewed(t *testing.T) {
	wall := &setClock{}
	bubble(t, Config{Wall: wall.now}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		sub := s.p.Stream().Subscribe(Want{Tracks: func([]media.Track) []media.TrackID { return []media.TrackID{0} }})
		defer sub.Close()
		s.send(300)
		wall.step(300 * time.Millisecond)
		for range 12 * 60 {
			s.send(30)
			drain(t, sub)
		}
		s.send(1)
		items := drain(t, sub)
		last := items[len(items)-1]
		if off := (time.Duration(last.Wall) - media.ToDuration(last.DTS, 90000)).Abs(); off > 50*time.Millisecond {
			t.Errorf("%v from the wall clock", off)
		}
		if st := s.p.Stream().Stats(); st.Discontinuities != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The clock is set back while the publisher is away: it returns at the new time, and readers' clocks go on.
func TestStepWhileAway(t *testing.T) {
	wall := &setClock{}
	bubble(t, Config{Grace: time.Minute, Wall: wall.now}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		var times []uint32
		lane := s.p.Stream().Lane(wordKey, Want{}, func(s *Stream) Encoder { return timesEncoder{s, &times} })
		defer lane.Close()
		s.send(30)
		s.p.Close(errors.New("gone"))
		wall.step(-time.Hour)
		faketime.Pass(3 * time.Second)
		again := publish(t, h, Offer{})
		again.send(30)
		stream := again.p.Stream()
		if off := stream.Run().Start.Sub(wall.now()).Abs(); off > 2*time.Second {
			t.Errorf("the run begins %v from the wall clock", off)
		}
		if gap := time.Duration(times[30]-times[29]) * time.Millisecond; gap < 2900*time.Millisecond || gap > 3100*time.Millisecond {
			t.Errorf("the readers' clock went on by %v", gap)
		}
	})
}

// What is made of frames from before a step comes after it, at the new time.
func TestDerivedFramesInFlightOverAStep(t *testing.T) {
	wall := &setClock{}
	bubble(t, Config{Wall: wall.now}, func(t *testing.T, h *Hub) {
		s := publish(t, h, Offer{})
		s.send(30)
		d, err := s.p.Stream().Derive(media.Track{Kind: media.Audio, Codec: media.Opus, TimeScale: 48000})
		if err != nil {
			t.Fatal(err)
		}
		old := media.FromDuration(time.Duration(wall.now().UnixNano()), 48000)
		wall.step(-time.Hour)
		s.send(1)
		sub := s.p.Stream().Subscribe(Want{FromNow: true, Tracks: func([]media.Track) []media.TrackID { return []media.TrackID{d.Track().ID} }})
		defer sub.Close()
		if err := d.Write(media.Frame{DTS: old, PTS: old, Key: true}); err != nil {
			t.Fatal(err)
		}
		got := drain(t, sub)
		if len(got) != 1 {
			t.Fatal(len(got))
		}
		if off := (media.ToDuration(got[0].DTS, 48000) - time.Duration(wall.now().UnixNano())).Abs(); off > time.Second {
			t.Errorf("%v from the wall clock", off)
		}
	})
}

// A publisher whose timestamps stand is timed by arrival, in one new run.
func TestFrozenPublisher(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, h *Hub) {
		p, err := h.Publish(Offer{Name: "live/x", Tracks: avTracks()[:1]})
		if err != nil {
			t.Fatal(err)
		}
		sub := p.Stream().Subscribe(Want{})
		defer sub.Close()
		var first, last Item
		for i := range 300 {
			if err := p.Write(media.Frame{Key: i%30 == 0, DTS: 7, PTS: 7}); err != nil {
				t.Fatal(err)
			}
			for _, it := range drain(t, sub) {
				if first.Run == nil {
					first = it
				}
				last = it
			}
			faketime.Pass(40 * time.Millisecond)
		}
		if off := time.Duration(last.Wall) - media.ToDuration(last.DTS, 90000); off.Abs() > 50*time.Millisecond {
			t.Errorf("%v behind", off)
		}
		if r := last.Run; r.Clock != ClockArrival || r.Reason != ReasonClockSource || p.Stream().Stats().Discontinuities != 1 {
			t.Errorf("%+v", r)
		}
	})
}
