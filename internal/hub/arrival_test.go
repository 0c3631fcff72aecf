package hub

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/media"
)

// However late the frames of one connection come, sound and picture of a publisher whose clock stops or lies stay together:
// what delays a picture delays the sound sent with it.
func TestLateFramesOfAUselessClockStayTogether(t *testing.T) {
	const (
		learnt  = time.Second             // how far apart the frames are is known by then
		learns  = 3500 * time.Millisecond // or else so long after the clock stopped
		unknown = 80 * time.Millisecond   // that the clock stopped: two pictures
		ahead   = 85 * time.Millisecond   // that the dates of samples run ahead of a stamp
		slot    = 50 * time.Millisecond
	)
	rapid.Check(t, func(t *rapid.T) {
		stops := time.Duration(rapid.IntRange(0, 4000).Draw(t, "stops")) * time.Millisecond
		late := rapid.SliceOfN(rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 300)), 160, 160).Draw(t, "late")
		lies := rapid.Bool().Draw(t, "lies")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		counted := rapid.Bool().Draw(t, "sound is dated by its samples")
		judged := stops + learns
		if stops >= learnt && !lies {
			judged = stops + unknown
		}
		if counted {
			judged += ahead + frozenTime // until it is certain that the clock stands, the sound is dated now by itself, now by its arrival
		}
		var off [2]time.Duration // of what came of each track last
		var came [2]bool
		fd := feeder{rate: 1,
			sound: func(at time.Duration) time.Duration {
				if at < stops || !counted || lies {
					return 0
				}
				return (at - stops) % ahead
			},
			stamp: func(at time.Duration) time.Duration {
				if at > stops && lies {
					return time.Duration(random.Int64N(int64(1e6 * time.Hour)))
				}
				return min(at, stops)
			},
			network: func(at time.Duration) time.Duration { return time.Duration(late[at/slot]) * time.Millisecond },
			check: func(f *media.Frame, c checked) bool {
				off[f.Track], came[f.Track] = c.media-c.sent, c.sent >= judged
				if apart := off[0] - off[1]; came[0] && came[1] && apart.Abs() > 40*time.Millisecond {
					t.Fatalf("%v after the clock stopped sound and picture are %v apart", c.sent-stops, apart)
				}
				return true
			}}
		fd.run(8 * time.Second)
	})
}

// Pictures may be rare, and sound may go on between them.
func TestRareFramesAreTimedByTheirArrival(t *testing.T) {
	for _, every := range []time.Duration{200 * time.Millisecond, 900 * time.Millisecond, time.Second, 1100 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		for _, sound := range []bool{false, true} {
			clk := newClock(0)
			rnd := rand.New(rand.NewPCG(1, 2))
			put := func(id media.TrackID, sent time.Duration) (off time.Duration) {
				f := media.Frame{Track: id, DTS: 90000, PTS: 90000}
				now := day + sent
				clk.mapFrame(&f, 90000, now)
				return media.ToDuration(f.DTS, 90000) - now
			}
			spread := int64(every / 20)
			for at := time.Duration(0); at < 5*time.Minute; at += every {
				for s := time.Duration(0); sound && s < every; s += 20 * time.Millisecond {
					put(1, at-every+s)
				}
				off := put(0, at+time.Duration(rnd.Int64N(spread)))
				if most := every/10 + 50*time.Millisecond; at > time.Minute && off.Abs() > most {
					t.Errorf("every %v, sound %v: a picture at %v lies %v from the wall clock", every, sound, at, off)
					break
				}
			}
		}
	}
}
