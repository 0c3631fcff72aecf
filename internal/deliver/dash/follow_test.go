package dash

import (
	"strconv"
	"testing"
	"time"

	format "weir/internal/format/dash"
)

// Periods never overlap nor go back, wherever the wall clock was set.
func TestPeriodsFollow(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for _, c := range []struct {
		name string
		runs [][2]int // from, to
		want [][2]int // the last one is open: 0
	}{
		{"an outage", [][2]int{{100, 200}, {230, 300}}, [][2]int{{100, 200}, {230, 0}}},
		{"sound reaches into the next run", [][2]int{{100, 201}, {200, 300}}, [][2]int{{100, 200}, {200, 0}}},
		{"set back by less than the run", [][2]int{{100, 200}, {150, 300}}, [][2]int{{100, 150}, {150, 0}}},
		{"set back by an hour", [][2]int{{4000, 4100}, {500, 600}}, [][2]int{{500, 0}}},
		{"forward and back", [][2]int{{100, 200}, {3800, 3900}, {150, 300}}, [][2]int{{100, 150}, {150, 0}}},
		{"to the very start", [][2]int{{100, 200}, {100, 300}}, [][2]int{{100, 0}}},
	} {
		var got []format.Period
		var ends time.Time
		for i, r := range c.runs {
			got = follow(got, ends, format.Period{ID: strconv.Itoa(i), Start: at(r[0])})
			ends = at(r[1])
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %d Periods", c.name, len(got))
			continue
		}
		for i, w := range c.want {
			if p := got[i]; !p.Start.Equal(at(w[0])) || w[1] != 0 && !p.End.Equal(at(w[1])) || w[1] == 0 && !p.End.IsZero() {
				t.Errorf("%s: Period %d from %v to %v", c.name, i, p.Start, p.End)
			}
		}
	}
}
