package timeline

import (
	"context"
	"time"
)

const (
	leap         = time.Hour      // by so much a clock that is only corrected does not go ahead
	longestDoubt = 24 * time.Hour // for how long one that leapt is not believed
)

// doubt is what keeps a clock that is set wrong, at a start or later, from making all footage old at once: by how much the
// clock leapt ahead, for as long as that was, at most a day, ages are reckoned without. Who set it has that time to set it
// right. It cannot tell that from a server that was stopped for as long, whose footage then stays longer, too.
type doubt struct {
	wall  time.Time     // at the last look
	up    time.Duration // for how long the process was up then
	by    time.Duration // by how much the clock is ahead of what is believed
	until time.Duration // the process is to be up for so long before all is believed
}

// look tells by how much the clock is to be put back. wall is its time without a monotonic reading.
func (d *doubt) look(wall time.Time, up time.Duration) (by time.Duration, leapt bool) {
	if !d.wall.IsZero() {
		ahead := wall.Sub(d.wall) - (up - d.up)
		if leapt = ahead > leap; leapt || ahead < -leap {
			d.by = max(0, d.by+ahead)
			d.until = up + min(d.by, longestDoubt)
		}
	}
	if up >= d.until {
		d.by = 0
	}
	d.wall, d.up = wall, up
	return d.by, leapt
}

// newest is when the latest footage of all streams ends.
func (v *volume) newest(ctx context.Context) (at time.Time, err error) {
	for after := ""; ; {
		page, err := v.db.Timelines(ctx, "", after, totalsPage)
		if err != nil {
			return at, err
		}
		for i := range page {
			after = page[i].Timeline
			at = later(at, page[i].To)
		}
		if len(page) < totalsPage {
			return at, nil
		}
	}
}

// disbelief is by how much retention is to put the clock back. began is when the process did, with its monotonic reading.
func (v *volume) disbelief(ctx context.Context, d *doubt, began, now time.Time) (time.Duration, error) {
	if d.wall.IsZero() {
		at, err := v.newest(ctx)
		if err != nil {
			return 0, err
		}
		d.wall = at
	}
	by, leapt := d.look(now.Round(0), now.Sub(began))
	if leapt {
		v.log.Warn("the clock is far ahead of the time that has passed since the last recording; what is old by it stays for a while",
			"ahead", by.Round(time.Second), "stays", min(by, longestDoubt).Round(time.Second))
	}
	return by, nil
}
