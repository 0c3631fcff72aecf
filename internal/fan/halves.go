package fan

import (
	"sync/atomic"
	"time"
)

const (
	crowd     = 256                   // viewers of one lane from which they are written to by halves
	crowdWait = 42 * time.Millisecond // the longest between two pictures for which one may wait for the other: 24 a second and more
)

// halves has the viewers of a crowd take turns: each picture leaves for one half of them, together with the picture before,
// so that each viewer costs half the writes and waits for one picture at most. Only the shard uses it, but for pictures.
type halves struct {
	pictures atomic.Uint32 // that the lane got
	seen     uint32        // pictures when the shard last looked
	at       time.Time     // of that picture
	done     [2]uint32     // pictures when a half was last written to
}

// inHalves reports whether the group is a crowd.
func (g *group) inHalves() bool {
	if g.key.profile != Live || !g.video {
		return false
	}
	g.shard.mu.Lock()
	defer g.shard.mu.Unlock()
	return len(g.viewers) >= crowd
}

// next says whose turn it is, if anyone's. When pictures are far apart, all are written to at each.
func (h *halves) next(now time.Time) (who turn, any bool) {
	n, apart := h.pictures.Load(), now.Sub(h.at)
	if n != h.seen {
		h.seen, h.at = n, now
	}
	first, second := n-h.done[0] >= 2, n-h.done[1] >= 2
	switch {
	case apart > crowdWait, first && second:
		h.done = [2]uint32{n, n - 1} // not both n: they would take all their turns together from now on
		return everyone, true
	case first:
		h.done[0] = n
		return turn{of: 2, is: 0}, true
	case second:
		h.done[1] = n
		return turn{of: 2, is: 1}, true
	}
	return turn{}, false
}
