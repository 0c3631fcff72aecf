package hub

import (
	"time"

	"weir/internal/media"
)

// entry is one frame in a track's log. order is its place among all frames of the stream.
type entry struct {
	media.Frame
	order uint64
	at    time.Duration // when it was written, monotonic
	state *layout
}

// layout is the run and the track list at the moment a frame was written. A new one is made at each change.
type layout struct {
	run     *Run
	tracks  []media.Track
	stepped time.Duration // by how much the wall clock has been set since the stream began
}

// trackLog is a ring of one track's newest frames. Positions are absolute and never reused.
type trackLog struct {
	ring  []entry // length is a power of two
	first uint64  // position of the oldest frame
	next  uint64  // position of the frame to come
	bytes int
}

func (l *trackLog) at(pos uint64) *entry { return &l.ring[pos&uint64(len(l.ring)-1)] }

func (l *trackLog) push(e entry) {
	if int(l.next-l.first) == len(l.ring) {
		l.grow()
	}
	*l.at(l.next) = e
	l.next++
	l.bytes += len(e.Data)
}

func (l *trackLog) grow() {
	bigger := make([]entry, max(16, 2*len(l.ring)))
	for pos := l.first; pos < l.next; pos++ {
		bigger[pos&uint64(len(bigger)-1)] = *l.at(pos)
	}
	l.ring = bigger
}

// trim drops frames from the front: those written before the time before and older than the order keep,
// and whatever is over maxBytes.
func (l *trackLog) trim(before time.Duration, keep uint64, maxBytes int) {
	for l.first < l.next {
		e := l.at(l.first)
		if l.bytes <= maxBytes && (e.at >= before || e.order >= keep) {
			return
		}
		l.bytes -= len(e.Data)
		*e = entry{} // let the payload go
		l.first++
	}
}

// seek returns the position of the first frame whose order is at least the given one.
func (l *trackLog) seek(order uint64) uint64 {
	lo, hi := l.first, l.next
	for lo < hi {
		mid := lo + (hi-lo)/2
		if l.at(mid).order < order {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
