package dash

import (
	"sync"
	"time"
)

// steadyQuery asks for the time that live manifests go by.
const steadyQuery = "utc=steady"

// wallStep is how far the wall clock may move against the monotonic one before it counts as set anew, as in the hub.
const wallStep = time.Second

// steady is the wall clock as if it had never been set since the first look. Live manifests go by it: players ask for the
// time once, and would not come to what is dated an hour later, or never leave what is dated an hour earlier.
type steady struct {
	mu    sync.Mutex
	first time.Time     // the first look, by the machine's clock
	lead  time.Duration // of the wall clock over the monotonic one
	sum   time.Duration // of the steps
}

// at gives the steady time of a moment, by the machine's clock and by the wall clock.
func (c *steady) at(now, wall time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := !c.first.IsZero()
	if !known {
		c.first = now
	}
	// The machine's clock is monotonic, unless its reading was taken off.
	lead := wall.Round(0).Sub(c.first.Round(0)) - now.Sub(c.first)
	if by := (lead - c.lead).Round(time.Millisecond); known && by.Abs() > wallStep {
		c.sum += by
	}
	c.lead = lead
	return wall.Round(0).Add(-c.sum)
}
