package fan

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/hub"
)

// TestHalvesTakeTurns plays pictures at several rates to the halves of a crowd and counts what each half is given, and how
// long a picture waits for it.
func TestHalvesTakeTurns(t *testing.T) {
	for _, c := range []struct {
		name    string
		every   time.Duration
		writes  int // to each half, of 120 pictures
		longest time.Duration
	}{
		{"60 a second", time.Second / 60, 60, time.Second / 60},
		{"30 a second", time.Second / 30, 60, time.Second / 30},
		{"24 a second", time.Second / 24, 60, time.Second / 24},
		{"20 a second", time.Second / 20, 120, 0},
		{"2 a second", time.Second / 2, 120, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h halves
			now := time.Unix(1000, 0)
			h.next(now) // the one that made it a crowd
			var writes, has [2]int
			var longest time.Duration
			for n := 1; n <= 120; n++ {
				now = now.Add(c.every)
				h.pictures.Add(1)
				who, any := h.next(now)
				for half := range 2 {
					if !any || uint32(half)%who.of != who.is {
						continue
					}
					writes[half]++
					longest = max(longest, time.Duration(n-has[half]-1)*c.every)
					has[half] = n
				}
				if _, again := h.next(now.Add(time.Millisecond)); again {
					t.Fatalf("picture %d: written once more without a new one", n)
				}
			}
			for half := range 2 {
				if writes[half] < c.writes-1 || writes[half] > c.writes+1 || has[half] < 119 {
					t.Errorf("half %d: %d writes, the last at %d; want %d", half, writes[half], has[half], c.writes)
				}
			}
			if longest > c.longest {
				t.Errorf("a picture waited %v, at most %v", longest, c.longest)
			}
		})
	}
}

// TestHalvesStayApart has the shard come late, so that it finds several pictures at once: both halves get them, and take
// turns again after.
func TestHalvesStayApart(t *testing.T) {
	var h halves
	now := time.Unix(1000, 0)
	counts := map[turn]int{}
	for n := range 300 {
		now = now.Add(10 * time.Millisecond)
		h.pictures.Add(1)
		if n%30 < 3 {
			continue
		}
		if who, any := h.next(now); any {
			counts[who]++
		}
	}
	if e, a, b := counts[everyone], counts[turn{2, 0}], counts[turn{2, 1}]; e != 10 || a < 125 || b < 125 || a+b != 260 {
		t.Errorf("everyone %d times, the halves %d and %d times", e, a, b)
	}
}

// TestNobodyIsForgotten: whoever was passed over is due, also when no picture follows, and is not put off by others.
func TestNobodyIsForgotten(t *testing.T) {
	s := newShard(&Fan{})
	g := &group{shard: s, key: groupKey{profile: Live}, video: true}
	picture := func() { g.halves.pictures.Add(1); s.flushHalf(g) }
	if picture(); g.due.Load() != 0 { // the first, to all
		t.Error("all were written to, and something is due")
	}
	s.flushHalf(g) // one who could not be written to then
	if g.due.Load() == 0 {
		t.Error("one who was passed over waits for ever")
	}
	picture() // to one half
	due := g.due.Load()
	if s.flushHalf(g); due == 0 || g.due.Load() != due {
		t.Errorf("the other half is due at %d, and then at %d", due, g.due.Load())
	}
}

// mark is the newest frame that any viewer has got, so that a test sends them one at a time.
type mark struct{ n atomic.Uint32 }

func (m *mark) reach(n uint32) {
	for old := m.n.Load(); n > old && !m.n.CompareAndSwap(old, n); old = m.n.Load() {
	}
}

func (m *mark) await(t *testing.T, n uint32) {
	for m.n.Load() < n && !t.Failed() {
		runtime.Gosched()
	}
}

// TestACrowdGetsEveryFrame: the last picture, which no other follows, comes too.
func TestACrowdGetsEveryFrame(t *testing.T) {
	r := newRig(t, hub.Config{}, Config{})
	r.send(1)
	var wg sync.WaitGroup
	var newest mark
	for range crowd + 4 {
		server, client := pair(t)
		v, err := r.fan.Attach(server, r.lane, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		wg.Go(func() {
			readHead(t, client)
			for want := range uint32(100) {
				n, _, err := readFrame(client)
				if err != nil || n != want {
					t.Errorf("frame %d, want %d: %v", n, want, err)
					return
				}
				newest.reach(n)
			}
		})
	}
	for n := range uint32(99) {
		r.send(1)
		newest.await(t, n+1)
	}
	wg.Wait()
	if st := r.fan.Stats(); st.Skips != 0 || st.Writes >= (crowd+4)*99 {
		t.Errorf("stats %+v", st)
	}
}
