package index

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
)

// total is a row of the table coverage.
type total struct {
	Coverage
	timeline int64
	moves    int64 // how often recent had been emptied
}

func (t *total) sum() int64 {
	return int64(checksum(inCoverage, []int64{t.timeline, nanos(t.From), nanos(t.To), t.Bytes, int64(t.Files), t.HeldBytes}, []byte(t.Timeline)))
}

// coverages reads and closes rows of the table coverage.
func coverages(rows *sql.Rows) ([]total, error) {
	defer func() { _ = rows.Close() }()
	var list []total
	for rows.Next() {
		var t total
		var start, stop, sum, movesSum int64
		if err := rows.Scan(&t.Timeline, &t.timeline, &start, &stop, &t.Bytes, &t.Files, &t.HeldBytes, &sum, &t.moves, &movesSum); err != nil {
			return nil, failed(err)
		}
		t.From, t.To = instant(start), instant(stop)
		if sum != t.sum() {
			return nil, damaged("the totals of %q do not match their checksum", t.Timeline)
		}
		if movesSum != 0 && movesSum != sumMoves(t.moves) {
			return nil, damaged("the number of moves does not match its checksum")
		}
		list = append(list, t)
	}
	return list, failed(errors.Join(rows.Err(), rows.Close()))
}

// Timelines lists the timelines that have files, those with a prefix and after a name, by name. A limit of 0 or less means all.
func (d *DB) Timelines(ctx context.Context, prefix, after string, limit int) ([]Coverage, error) {
	lo := prefix
	if after >= lo && after != "" {
		lo = after + "\x00"
	}
	if limit <= 0 {
		limit = math.MaxInt32
	}
	seen := d.recent.Load()
	rows, err := d.get[qCoverages].QueryContext(ctx, lo, prefix+"\xff", limit)
	if err != nil {
		return nil, failed(err)
	}
	stored, err := coverages(rows)
	if err != nil {
		return nil, err
	}
	sums := seen.sums()
	list := make([]Coverage, 0, len(stored))
	for i := range stored {
		c := stored[i].Coverage
		// If the rows of memory have moved since they were looked at, the totals have them already.
		if more := sums[c.Timeline]; more != nil && stored[i].moves == seen.moves {
			c.add(more)
		}
		delete(sums, c.Timeline)
		list = append(list, c)
	}
	for name, c := range sums { // timelines none of whose rows have moved yet
		if name >= lo && strings.HasPrefix(name, prefix) {
			list = append(list, *c)
		}
	}
	slices.SortFunc(list, func(a, b Coverage) int { return cmp.Compare(a.Timeline, b.Timeline) })
	return list[:min(len(list), limit)], nil
}
