package hub

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/internal/faketime"
	"weir/internal/media"
)

// Whatever publishers and the wall clock do: within a run every track's time only grows, run IDs only grow, the millisecond
// clock of lanes never goes back within a track, and epoch media time stays near the wall clock.
func TestPropertyRunsAndReadersClock(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.IntRange(0, 9), 5, 40).Draw(rt, "script")
		amounts := rapid.SliceOfN(rapid.Int64Range(-3_600_000, 3_600_000), len(script), len(script)).Draw(rt, "amounts")
		var c complaint
		synctest.Test(t, func(*testing.T) { playScript(&c, script, amounts) })
		if c != "" {
			rt.Fatal(string(c))
		}
	})
}

// complaint is the first thing found wrong: rapid's own cannot leave a bubble.
type complaint string

func (c *complaint) Fatalf(format string, args ...any) {
	if *c == "" {
		*c = complaint(fmt.Sprintf(format, args...))
	}
}

func playScript(rt *complaint, script []int, amounts []int64) {
	wall := &setClock{}
	h := New(Config{Grace: time.Hour, Wall: wall.now}, quiet)
	defer h.Close()
	offer := Offer{Name: "live/x", Tracks: avTracks()}
	p, err := h.Publish(offer)
	if err != nil {
		rt.Fatalf("%v", err)
	}
	millis := [2]*uint32{}
	lane := p.Stream().Lane(wordKey, Want{}, func(s *Stream) Encoder { return checkEncoder{rt, s, &millis} })
	defer lane.Close()
	sub := p.Stream().Subscribe(Want{})
	defer sub.Close()
	raw, n := int64(0), 0
	frame := func() {
		raw += 40
		key := n%10 == 0
		n++
		_ = p.Write(media.Frame{Track: 0, Key: key, DTS: raw * 90, PTS: raw * 90})
		_ = p.Write(media.Frame{Track: 1, Key: true, DTS: raw * 48, PTS: raw * 48})
		faketime.Pass(40 * time.Millisecond)
	}
	check := follow(rt, wall)
	for i, what := range script {
		amount := time.Duration(amounts[i]) * time.Millisecond
		switch what {
		case 0:
			wall.step(amount)
		case 1:
			raw += amounts[i] // the publisher's clock jumps
		case 2:
			faketime.Pass(amount.Abs() % (20 * time.Second))
		case 3:
			p.Close(nil)
			faketime.Pass(amount.Abs() % (5 * time.Second))
			if p, err = h.Publish(offer); err != nil {
				rt.Fatalf("%v", err)
			}
			n = 0
		case 4:
			wall.step(amount % time.Second)
		}
		for range 20 {
			frame()
		}
		for {
			item, ok, err := sub.TryNext()
			if err != nil {
				rt.Fatalf("%v", err)
			}
			if !ok {
				break
			}
			check(&item)
		}
	}
}

// follow returns the check of what a reader of frames sees.
func follow(rt *complaint, wall *setClock) func(*Item) {
	var run *Run
	last := map[media.TrackID]int64{}
	return func(item *Item) {
		if item.Run != run {
			if run != nil && item.Run.ID <= run.ID {
				rt.Fatalf("run %d after %d", item.Run.ID, run.ID)
			}
			run = item.Run
			clear(last)
		}
		if before, ok := last[item.Track]; ok && item.DTS <= before {
			rt.Fatalf("track %d goes back within a run", item.Track)
		}
		last[item.Track] = item.DTS
		scale := media.Find(item.Tracks, item.Track).TimeScale
		if off := media.ToDuration(item.DTS, scale) - time.Duration(item.Wall); off < -maxStep-time.Second || off > time.Minute {
			rt.Fatalf("%v from the wall clock", off)
		}
	}
}

// checkEncoder fails when the millisecond clock of a track goes back.
type checkEncoder struct {
	rt   *complaint
	s    *Stream
	last *[2]*uint32
}

func (checkEncoder) Start([]media.Track, *Run) (header, inband [][]byte, err error) {
	return nil, nil, nil
}

func (e checkEncoder) Encode(dst [][]byte, f *media.Frame) [][]byte {
	now := e.s.Millis(f.DTS, [...]uint32{90000, 48000}[f.Track])
	if before := e.last[f.Track]; before != nil && int32(now-*before) < 0 {
		e.rt.Fatalf("the readers' clock of track %d went from %d to %d", f.Track, *before, now)
	}
	e.last[f.Track] = &now
	return append(dst, f.Data)
}
