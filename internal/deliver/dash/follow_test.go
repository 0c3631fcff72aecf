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

// TestPeriodsBeginWithTheirSegments: no gap of a frame is declared between a Period's start and its first segment, a greater one is.
func TestPeriodsBeginWithTheirSegments(t *testing.T) {
	const start, slack = 48000, 2400
	for _, c := range []struct {
		name           string
		first, began   int64
		lasts, lasting int64
	}{
		{"with the Period", start, start, 96000, 96000},
		{"a tick late", start + 1, start, 96000, 96001},
		{"a frame of AAC late", start + 1024, start, 96000, 97024},
		{"more than a frame late", start + slack + 1, start + slack + 1, 96000, 96000},
		{"before the Period", start - 1024, start - 1024, 96000, 96000},
	} {
		segments := []format.Segment{{Start: c.first, Duration: c.lasts}, {Start: c.first + c.lasts, Duration: 5}}
		second := segments[1]
		openTimeline(segments, start, slack)
		if got := segments[0]; got.Start != c.began || got.Duration != c.lasting || segments[1] != second {
			t.Errorf("%s: %+v", c.name, segments)
		}
	}
}
