package pipeline

import (
	"math/rand/v2"
	"time"
)

// steady is how long something must have run for its failures before to be forgotten.
const steady = 10 * time.Second

// pauses grow from first to longest, doubling.
type pauses struct {
	first, longest time.Duration
	failures       int
}

// next is the pause after one more failure. A quarter of it is left to chance, so that what failed together is
// not tried again together.
func (b *pauses) next() time.Duration {
	d := b.longest
	if b.failures < 20 { // beyond, the shift would overflow
		d = min(b.first<<b.failures, b.longest)
	}
	b.failures++
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

func (b *pauses) reset() { b.failures = 0 }
