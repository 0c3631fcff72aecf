package rtp

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"weir/internal/media"
)

// line is a network between a publisher that keeps what it has sent and an assembler that asks for what is missing. Both run in
// made-up time.
type line struct {
	lost   float64
	way    time.Duration // from one to the other
	jitter time.Duration // more than that, at most
	never  bool          // the publisher answers no requests
}

type onTheWay struct {
	at    time.Duration
	index int  // of the packet
	back  bool // a request for it
}

type outcome struct {
	units         []Unit
	missing, asks int // packets that did not come the first time, and how often any were asked for
	most          int // requests for one packet
	a             *Assembler
}

// run sends rounds of the clip, 25 frames a second, as bursts a frame.
func (l line) run(t *testing.T, rounds int) (o outcome) {
	t.Helper()
	track, frames := clip(t, media.H264)
	var wire [][]byte
	var events []onTheWay
	dice := rand.New(rand.NewPCG(1, 1))
	send := func(at time.Duration, index int, back bool) bool {
		if dice.Float64() < l.lost {
			return false
		}
		at += l.way
		if l.jitter > 0 {
			at += time.Duration(dice.Int64N(int64(l.jitter)))
		}
		next, _ := slices.BinarySearchFunc(events, at, func(e onTheWay, at time.Duration) int { return cmp.Compare(e.at, at+1) })
		events = slices.Insert(events, next, onTheWay{at, index, back})
		return true
	}
	p, err := NewPacketizer(track, 96, 7)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rounds * len(frames) {
		f := frames[i%len(frames)]
		f.PTS = int64(i) * 3600
		for _, b := range p.Append(nil, &f) {
			if !send(time.Duration(i)*40*time.Millisecond, len(wire), false) {
				o.missing++
			}
			wire = append(wire, b)
		}
	}
	if o.a, err = NewAssembler(Config{Codec: media.H264}); err != nil {
		t.Fatal(err)
	}
	asked := make([]int, len(wire))
	first := Read(wire[0]).Sequence
	var missing []uint16
	for len(events) > 0 {
		e := events[0]
		events = events[1:]
		if e.back {
			send(e.at, e.index, false)
			continue
		}
		o.a.Push(int64(e.at), parse(t, wire[e.index]))
		for u, ok := o.a.Pop(int64(e.at)); ok; u, ok = o.a.Pop(int64(e.at)) {
			o.units = append(o.units, u)
		}
		missing = o.a.Missing(int64(e.at), missing[:0])
		for _, s := range missing {
			index := int(s - first)
			asked[index]++
			o.asks++
			if !l.never {
				send(e.at, index, true)
			}
		}
	}
	o.most = slices.Max(asked)
	return o
}

// Over each of these networks nearly every picture comes whole: only until it is known how long a repair takes may some be missing.
// And nobody is asked for the same packet on and on.
func TestLossesAreRepaired(t *testing.T) {
	const rounds = 6
	_, frames := clip(t, media.H264)
	for name, l := range map[string]line{
		"1 % lost, near":        {lost: 0.01, way: 5 * time.Millisecond},
		"10 % lost, near":       {lost: 0.1, way: 5 * time.Millisecond},
		"5 % lost, 60 ms away":  {lost: 0.05, way: 30 * time.Millisecond, jitter: 10 * time.Millisecond},
		"5 % lost, 200 ms away": {lost: 0.05, way: 100 * time.Millisecond},
		"3 % lost, 300 ms away": {lost: 0.03, way: 150 * time.Millisecond, jitter: 20 * time.Millisecond},
		"all shuffled":          {jitter: 30 * time.Millisecond, way: time.Millisecond},
		"all late":              {jitter: 200 * time.Millisecond, way: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			o := l.run(t, rounds)
			left := rounds*len(frames) - len(o.units)
			t.Logf("%d of %d pictures left out; %d packets missing, %d requests, at most %d for one; %+v", left, rounds*len(frames), o.missing, o.asks, o.most, o.a.Counters())
			if left > len(frames) {
				t.Error("too few pictures")
			}
			if o.most > mostRequests+1 || o.missing > 0 && l.jitter == 0 && o.asks > 4*o.missing {
				t.Error("too many requests")
			}
		})
	}
}

// A publisher that keeps nothing is asked no more once a packet was given up, and nothing is kept of it for ever.
func TestWhatIsGivenUpIsAskedForNoMore(t *testing.T) {
	o := line{lost: 0.05, way: 5 * time.Millisecond, never: true}.run(t, 4)
	t.Logf("%d missing, %d requests, at most %d", o.missing, o.asks, o.most)
	if o.most > mostRequests+1 || uint64(o.missing) > o.a.Counters().Lost+window {
		t.Errorf("%d requests for one packet, %d of %d lost", o.most, o.a.Counters().Lost, o.missing)
	}
	if len(o.a.asked) > 2*window {
		t.Errorf("%d requests are kept", len(o.a.asked))
	}
}
