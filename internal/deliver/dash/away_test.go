package dash

import (
	"testing"
	"time"
)

// TestPeriodEndsWherePlayersStop: a Period before an outage ends before its last frame, and no other does.
func TestPeriodEndsWherePlayersStop(t *testing.T) {
	ends := time.Unix(100, 0)
	for _, c := range []struct {
		name string
		away time.Duration
		want time.Duration
	}{
		{"a take-over", -100 * time.Millisecond, 0},
		{"another configuration", 0, 0},
		{"a short outage, over before anybody is at its beginning", 900 * time.Millisecond, 0},
		{"an outage", time.Second, -250 * time.Millisecond},
		{"a long outage", time.Hour, -250 * time.Millisecond},
	} {
		if got := silence(ends, ends.Add(c.away)).Sub(ends); got != c.want {
			t.Errorf("%s: the Period ends %v after its last frame, not %v", c.name, got, c.want)
		}
	}
	if got := silence(time.Time{}, ends); !got.IsZero() {
		t.Errorf("nothing ends at %v", got)
	}
}
