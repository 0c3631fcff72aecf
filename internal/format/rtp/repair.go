package rtp

import (
	"slices"
	"time"
)

// When a missing packet is asked for again, and for how long it is waited for.
const (
	settle    = 10 * time.Millisecond // a packet that others only overtook comes within so much,
	overtaken = 3                     // or before so many of them have come
	leastRest = 20 * time.Millisecond // between two requests for one packet
	firstRest = 40 * time.Millisecond // the same until it is known how long a repair takes
	mostDelay = 600 * time.Millisecond

	mostRequests = 8 // for one packet while it is waited for
	lately       = 10 * time.Second
)

// repairs keeps which packets were asked for again, and how long that takes.
type repairs struct {
	asked   map[int64]request // by unwrapped sequence number, those that were given up included
	round   int64             // the way there and back, ns, guessed; 0: not known
	longest [2]int64          // ns from the first request for a packet to the packet, at most: lately, and in the time before
	turned  int64             // when lately began
}

type request struct{ first, last int64 }

// Missing appends the sequence numbers that should be asked for again at now (RFC 4585 section 6.2.1): what others only
// overtook is given a moment, and what was asked for is given the time that the way there and back takes.
func (a *Assembler) Missing(now int64, dst []uint16) []uint16 {
	if a.waiting == 0 {
		return dst // the next one to be read is the newest
	}
	rest := int64(firstRest)
	if a.round > 0 {
		rest = max(int64(leastRest), a.round*5/4, a.patience()/mostRequests)
	}
	begin, later, since := len(dst), 0, now
	for i := a.newest; i >= a.next; i-- {
		if s := &a.slots[i%window]; s.full {
			later++
			since = min(since, s.arrival)
			continue
		}
		r, again := a.asked[i]
		if again && now-r.last < rest || !again && later < overtaken && now-since < int64(settle) {
			continue
		}
		if !again {
			r.first = now
		}
		r.last = now
		if a.asked == nil {
			a.asked = map[int64]request{}
		}
		a.asked[i] = r
		dst = append(dst, uint16(i))
	}
	slices.Reverse(dst[begin:])
	return dst
}

// came notes the arrival of a packet, also of one that was given up before. What was asked for once tells how long a repair
// takes, unless it was only overtaken; what was asked for more often gives bounds, because any of the requests may have fetched it.
func (r *repairs) came(sequence, now int64) {
	q, ok := r.asked[sequence]
	if !ok {
		return
	}
	delete(r.asked, sequence)
	least, most := max(now-q.last, 1), max(now-q.first, 1)
	switch {
	case least > r.round:
		r.round += (least - r.round + 1) / 2
	case most < r.round/4:
		r.round -= r.round / 256
	case most < r.round:
		r.round -= (r.round - most) / 8
	}
	if now-r.turned > int64(lately) {
		r.turned, r.longest[0], r.longest[1] = now, 0, r.longest[0]
	}
	r.longest[0] = max(r.longest[0], most)
}

// forget lets go of a packet that is too old to come.
func (r *repairs) forget(sequence int64) {
	if len(r.asked) > 0 {
		delete(r.asked, sequence)
	}
}

// patience is how long a missing packet is waited for: somewhat longer than any repair took of late.
func (a *Assembler) patience() int64 {
	took := max(a.longest[0], a.longest[1])
	return max(int64(a.cfg.Delay), min(took*3/2, int64(mostDelay)))
}
