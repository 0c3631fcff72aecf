package steady

import (
	"testing"
	"time"
)

// TestSteady: steps of the wall clock are found and summed up, and what is less than one is followed.
func TestSteady(t *testing.T) {
	var c Clock
	const epoch = 3_000_000 * time.Second // how far the clocks are apart at first says nothing
	for i, look := range []struct{ mono, off, step, sum time.Duration }{
		{0, 0, 0, 0},
		{time.Second, 0, 0, 0},
		{2 * time.Second, 300 * time.Millisecond, 0, 0}, // slewed
		{3 * time.Second, 1300 * time.Millisecond, 0, 0},
		{4 * time.Second, time.Hour, time.Hour - 1300*time.Millisecond, time.Hour - 1300*time.Millisecond},
		{10 * time.Second, time.Hour, 0, time.Hour - 1300*time.Millisecond},
		{11 * time.Second, -2 * time.Hour, -3 * time.Hour, -2*time.Hour - 1300*time.Millisecond},
		{24 * time.Hour, -2*time.Hour + 400*time.Microsecond, 0, -2*time.Hour - 1300*time.Millisecond},
		{25 * time.Hour, -2*time.Hour + 1400*time.Millisecond + 800*time.Microsecond, 1400 * time.Millisecond, -2*time.Hour + 100*time.Millisecond},
	} {
		if step := c.Look(epoch+look.mono+look.off, look.mono); step != look.step || c.Steps() != look.sum {
			t.Errorf("%d: a step of %v and %v in all, want %v and %v", i, step, c.Steps(), look.step, look.sum)
		}
	}
}
