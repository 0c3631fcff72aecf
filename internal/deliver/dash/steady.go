package dash

import (
	"sync"
	"time"

	"weir/internal/steady"
)

// steadyQuery asks for the time that live manifests go by.
const steadyQuery = "utc=steady"

// steadyTime is the wall clock as if it had never been set since the first look. Live manifests go by it: players ask for the
// time once, and would not come to what is dated an hour later, or never leave what is dated an hour earlier.
type steadyTime struct {
	mu    sync.Mutex
	first time.Time // the first look, by the machine's clock
	clock steady.Clock
}

// at gives the steady time of a moment, by the machine's clock, which is monotonic, and by the wall clock.
func (c *steadyTime) at(now, wall time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first.IsZero() {
		c.first = now
	}
	c.clock.Look(time.Duration(wall.UnixNano()), now.Sub(c.first))
	return wall.Round(0).Add(-c.clock.Steps())
}
