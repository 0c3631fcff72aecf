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

// Spans sums up the files of a timeline that overlap [from, to): stretches of one run in which the
// leading rendition has no hole longer than join. Files are counted whole, so that a span may
// reach out of the range by less than MaxFile.
func (d *DB) Spans(ctx context.Context, timeline string, from, to time.Time, join time.Duration) ([]Span, error) {
	files, err := d.files(ctx, timeline, from, to, false)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	byRun := map[uint64][]*File{}
	var ids []uint64
	for i := range files {
		f := &files[i]
		if byRun[f.Run] == nil {
			ids = append(ids, f.Run)
		}
		byRun[f.Run] = append(byRun[f.Run], f)
	}
	var spans []Span
	for _, id := range ids {
		var order []Rendition
		runs, err := d.withoutHeaders(ctx, timeline, nil, qRun, int64(id))
		if err != nil {
			return nil, err
		}
		if len(runs) > 0 {
			order = runs[0].Renditions
		}
		spans = append(spans, spansOf(byRun[id], leading(byRun[id], order), join)...)
	}
	slices.SortStableFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	return spans, nil
}

// leading is the first rendition of the run that has a file; of a run that is not known, the first one to begin.
func leading(files []*File, order []Rendition) string {
	for _, t := range order {
		if slices.ContainsFunc(files, func(f *File) bool { return f.Rendition == t.Name }) {
			return t.Name
		}
	}
	return files[0].Rendition
}

// spansOf makes the spans of one run's files, which are ordered by From.
func spansOf(files []*File, lead string, join time.Duration) []Span {
	var spans []Span
	for _, f := range files {
		if f.Rendition != lead {
			continue
		}
		if n := len(spans) - 1; n >= 0 && f.From.Sub(spans[n].To) <= join {
			if f.To.After(spans[n].To) {
				spans[n].To, spans[n].End = f.To, f.End
			}
			continue
		}
		spans = append(spans, Span{From: f.From, To: f.To, Run: f.Run, End: f.End})
	}
	at := 0
	for _, f := range files { // a file counts for the last span that begins before its middle
		middle := f.From.Add(f.To.Sub(f.From) / 2)
		for at+1 < len(spans) && !spans[at+1].From.After(middle) {
			at++
		}
		for at > 0 && spans[at].From.After(middle) {
			at--
		}
		spans[at].Bytes += f.Size
		spans[at].Files++
		spans[at].Held = spans[at].Held || f.Held
	}
	return spans
}
