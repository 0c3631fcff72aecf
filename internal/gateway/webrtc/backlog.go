package webrtc

import (
	"time"

	"weir/internal/format/rtp"
)

// wholeBacklog is more packets than a lane holds.
const wholeBacklog = 1 << 20

// backlog is the pictures that a newcomer gets at once, from the last key frame to now. Their timestamps are drawn together
// to the time that sending them takes. With their own, a browser would see seconds of media arrive within milliseconds, take
// the sender's clock to run so fast, and for 10 to 20 s show each picture at once, however long it should be held for its sound.
type backlog struct {
	edge uint32 // timestamp of the newest picture
	span uint32 // of all of them
	room uint32 // to draw them together to; both in ticks
}

// readBacklog measures the shared packets that a newcomer begins with.
func readBacklog(packets [][]byte) (b backlog) {
	n, first := 0, uint32(0)
	for _, p := range packets {
		if isNotice(p) || p[11] != laneVideo {
			continue
		}
		b.edge = rtp.Read(p).Timestamp
		if n == 0 {
			first = b.edge
		}
		n++
	}
	const second = 90000 // all video counts so (RFC 6184, 7741, 9628)
	b.span = b.edge - first
	b.room = uint32(n) * second / catchUp * uint32(pause/time.Millisecond) / 1000
	return b
}

// stamp gives a picture's timestamp; those after the backlog keep theirs.
func (b *backlog) stamp(t uint32) uint32 {
	if b == nil || b.room >= b.span {
		return t
	}
	if before := b.edge - t; before <= b.span {
		return b.edge - uint32(uint64(before)*uint64(b.room)/uint64(b.span))
	}
	return t
}
