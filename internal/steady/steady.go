// Package steady tells what the wall clock would say if nobody had ever set it. What belongs here: finding its steps. What does not: what follows
// from a step, which is a new run to the hub, and nothing at all to the players of live DASH.
package steady

import "time"

// MaxSlew is how far the wall clock may move against the monotonic one, between two looks, before it counts as set anew. What is less is followed.
const MaxSlew = time.Second

// Clock follows the wall clock from the first look on. Its zero value is ready. It is not safe for concurrent use.
type Clock struct {
	looked bool
	lead   time.Duration // the wall clock's over the monotonic one
	steps  time.Duration // their sum, in whole milliseconds
}

// Look compares a moment by the wall clock, since any fixed instant, with the same moment by the monotonic clock. It returns by how much the wall clock
// was set since the last look, in whole milliseconds; 0 if it was not.
func (c *Clock) Look(wall, mono time.Duration) time.Duration {
	lead := wall - mono
	by := (lead - c.lead).Round(time.Millisecond)
	first := !c.looked
	c.looked, c.lead = true, lead
	if first || by.Abs() <= MaxSlew {
		return 0
	}
	c.steps += by
	return by
}

// Steps is by how much the wall clock has been set since the first look, in whole milliseconds.
func (c *Clock) Steps() time.Duration { return c.steps }
