package index

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"
)

type runKey struct {
	timeline int64
	id       uint64
}

// endings has the newest LastN of open runs whose row has an older one. The row is written when the rows
// of recent move: until then the files there tell the same, so that a crash forgets nothing. Without this, each
// new file would rewrite the row of its run too.
type endings struct {
	endLock sync.RWMutex
	ends    map[runKey]int64
}

func (e *endings) endOf(key runKey) int64 {
	e.endLock.RLock()
	defer e.endLock.RUnlock()
	return e.ends[key]
}

// setEnds takes over what a transaction has changed; 0 is written.
func (e *endings) setEnds(changed map[runKey]int64) {
	e.endLock.Lock()
	defer e.endLock.Unlock()
	for key, n := range changed {
		if n == 0 {
			delete(e.ends, key)
		} else {
			e.ends[key] = n
		}
	}
}

// bareRuns reads and closes rows of the table run. Headers are still their hashes.
func bareRuns(name string, rows *sql.Rows, keep func(*Run) bool) ([]Run, error) {
	defer func() { _ = rows.Close() }()
	var runs []Run
	for rows.Next() {
		var timeline, id, stop int64
		var row []byte
		if err := rows.Scan(&timeline, &id, &stop, &row); err != nil {
			return nil, failed(err)
		}
		r, err := unpackRun(name, timeline, id, stop, row)
		if err != nil {
			return nil, err
		}
		if keep == nil || keep(&r) {
			runs = append(runs, r)
		}
	}
	return runs, failed(errors.Join(rows.Err(), rows.Close()))
}

// Runs lists the runs of a timeline that overlap [from, to), by ID. A zero time means no end.
func (d *DB) Runs(ctx context.Context, timeline string, from, to time.Time) ([]Run, error) {
	hi := latest(to)
	runs, err := d.runs(ctx, timeline, func(r *Run) bool { return nanos(r.Start) < hi }, qRuns, earliest(from))
	slices.SortFunc(runs, func(a, b Run) int { return int(int64(a.ID) - int64(b.ID)) })
	return runs, err
}

// LastRun returns the newest run of a timeline, nil if it never had one.
func (d *DB) LastRun(ctx context.Context, timeline string) (*Run, error) {
	runs, err := d.runs(ctx, timeline, nil, qLastRun)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	return &runs[0], nil
}

// runs reads runs together with their headers.
func (d *DB) runs(ctx context.Context, timeline string, keep func(*Run) bool, q query, args ...any) ([]Run, error) {
	runs, err := d.withoutHeaders(ctx, timeline, keep, q, args...)
	if err != nil {
		return nil, err
	}
	headers := map[string][]byte{}
	for i := range runs {
		for j := range runs[i].Renditions {
			t := &runs[i].Renditions[j]
			data, ok := headers[string(t.Init)]
			if !ok {
				if data, err = d.header(ctx, t.Init); err != nil {
					return nil, err
				}
				headers[string(t.Init)] = data
			}
			t.Init = data
		}
	}
	return runs, nil
}

func (d *DB) withoutHeaders(ctx context.Context, timeline string, keep func(*Run) bool, q query, args ...any) ([]Run, error) {
	id, err := d.idOf(ctx, d.reading(), timeline)
	if err != nil || id == 0 {
		return nil, err
	}
	rows, err := d.get[q].QueryContext(ctx, append([]any{id}, args...)...)
	if err != nil {
		return nil, failed(err)
	}
	runs, err := bareRuns(timeline, rows, keep)
	for i := range runs {
		runs[i].LastN = max(runs[i].LastN, d.endOf(runKey{id, runs[i].ID}))
	}
	return runs, err
}

func (d *DB) header(ctx context.Context, hash []byte) ([]byte, error) {
	var refs int64
	var data []byte
	err := d.get[qInit].QueryRowContext(ctx, hash).Scan(&refs, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, damaged("the header %x is missing", hash)
	}
	if err != nil {
		return nil, failed(err)
	}
	if h := initHash(data); string(h[:]) != string(hash) {
		return nil, damaged("the header %x is not what its name says", hash)
	}
	if len(data) == 0 {
		data = nil
	}
	return data, nil
}
