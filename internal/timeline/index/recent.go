package index

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Rows of new files are appended to a table of their own, in the order of their arrival, and
// moved to their places many at a time. A row written to its place at once would rewrite a page of
// three B-trees for itself alone; ten rows of a timeline that move together share them. The table
// stays small and is mirrored in memory, where readers look before they ask the database.
const (
	moveAt = 6000 // rows: about fifteen minutes of 400 renditions
	direct = 1000 // a batch of so many files gains nothing from the detour
)

// recent is the table's content at one instant; it never changes.
type recent struct {
	moves int64      // how often the table was emptied
	rows  []*arrival // by place
}

// arrival is a row of the table recent.
type arrival struct {
	File
	at  place
	seq int64 // its rowid
}

func comparePlace(a, b place) int {
	return cmp.Or(cmp.Compare(a.timeline, b.timeline), cmp.Compare(a.start, b.start), cmp.Compare(a.id, b.id))
}

// of returns the rows of a timeline that begin in [lo, hi).
func (r *recent) of(timeline, lo, hi int64) []*arrival {
	find := func(start int64) int {
		i, _ := slices.BinarySearchFunc(r.rows, place{timeline, start, -1}, func(a *arrival, p place) int { return comparePlace(a.at, p) })
		return i
	}
	from, to := find(lo), find(hi)
	return r.rows[from:max(from, to)]
}

// with returns the content after a transaction.
func (r *recent) with(added map[string]*arrival, gone map[string]*arrival, moves int64) *recent {
	next := &recent{moves: moves, rows: make([]*arrival, 0, len(r.rows)+len(added))}
	if moves == r.moves {
		for _, a := range r.rows {
			if gone[a.Object] != a {
				next.rows = append(next.rows, a)
			}
		}
	}
	for _, a := range added {
		next.rows = append(next.rows, a)
	}
	slices.SortFunc(next.rows, func(a, b *arrival) int { return comparePlace(a.at, b.at) })
	return next
}

// file is a copy that the caller may keep.
func (a *arrival) file(groups bool) File {
	f := a.File
	f.Groups = nil
	if groups {
		f.Groups = bytes.Clone(a.Groups)
	}
	return f
}

// join adds what was found in memory to what the database answered afterwards. A row that
// moved in between is in both: then the database's counts.
func join(stored []File, arrivals []File) []File {
	if len(arrivals) == 0 {
		return stored
	}
	known := make(map[string]bool, len(stored))
	for i := range stored {
		known[stored[i].Object] = true
	}
	for _, f := range arrivals {
		if !known[f.Object] {
			stored = append(stored, f)
		}
	}
	slices.SortFunc(stored, func(a, b File) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Timeline, b.Timeline), cmp.Compare(fileID(a.Object), fileID(b.Object)))
	})
	return stored
}

// sums adds up the rows by timeline.
func (r *recent) sums() map[string]*Coverage {
	all := map[string]*Coverage{}
	for _, a := range r.rows {
		c := all[a.Timeline]
		if c == nil {
			c = &Coverage{Timeline: a.Timeline}
			all[a.Timeline] = c
		}
		c.count(&a.File)
	}
	return all
}

func (c *Coverage) count(f *File) {
	c.Files++
	c.Bytes += f.Size
	if f.Held {
		c.HeldBytes += f.Size
	}
	c.stretch(f.From, f.To)
}

func (c *Coverage) stretch(from, to time.Time) {
	if c.From.IsZero() || from.Before(c.From) {
		c.From = from
	}
	if to.After(c.To) {
		c.To = to
	}
}

func (c *Coverage) add(other *Coverage) {
	c.Files += other.Files
	c.Bytes += other.Bytes
	c.HeldBytes += other.HeldBytes
	c.stretch(other.From, other.To)
}

// loadRecent reads the table when the index is opened.
func (d *DB) loadRecent(ctx context.Context) error {
	moves, err := readMoves(ctx, d.get[qMoves])
	if err != nil {
		return err
	}
	rows, err := d.get[qRecent].QueryContext(ctx)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = rows.Close() }()
	d.arrivals = map[string]*arrival{}
	for rows.Next() {
		var a arrival
		var held int64
		var row []byte
		if err := rows.Scan(&a.seq, &a.at.timeline, &a.at.start, &a.at.id, &held, &a.Object, &row); err != nil {
			return failed(err)
		}
		if a.File, err = unpackFile("", a.at, held, a.Object, row, true); err != nil {
			return err
		}
		d.arrivals[a.Object] = &a
		d.nextSeq = max(d.nextSeq, a.seq+1)
	}
	if err := rows.Close(); err != nil {
		return failed(err)
	}
	if err := rows.Err(); err != nil {
		return failed(err)
	}
	d.ends = map[runKey]int64{}
	for _, a := range d.arrivals {
		key := runKey{a.at.timeline, a.Run}
		d.ends[key] = max(d.ends[key], a.LastN)
		if a.Timeline, err = d.nameOf(ctx, d.reading(), a.at.timeline); err != nil {
			return err
		}
		d.learn(a.Timeline, a.at.timeline)
	}
	d.recent.Store((&recent{moves: -1}).with(d.arrivals, nil, moves))
	return nil
}

// readMoves says how often the table was emptied.
func readMoves(ctx context.Context, stmt *sql.Stmt) (moves int64, err error) {
	var sum int64
	if err := stmt.QueryRowContext(ctx).Scan(&moves, &sum); err != nil {
		return 0, failed(err)
	}
	if sum != sumMoves(moves) {
		return 0, damaged("the number of moves does not match its checksum")
	}
	return moves, nil
}

func sumMoves(n int64) int64 { return int64(checksum(inMoves, []int64{n})) }

// arrival finds the row of an object that has not moved yet, as this transaction sees it.
func (w *writer) arrival(object string) *arrival {
	if a := w.arrived[object]; a != nil {
		return a
	}
	a := w.db.arrivals[object]
	if a == nil || w.left[object] == a || w.moved {
		return nil
	}
	return a
}

// arrive appends a row.
func (w *writer) arrive(f *File, at place) error {
	a := &arrival{File: *f, at: at, seq: w.seq}
	a.Groups = bytes.Clone(f.Groups)
	a.From, a.To = instant(nanos(f.From)), instant(nanos(f.To)) // as it would be read
	w.seq++
	w.arrived[f.Object] = a
	return w.exec(xRecent, a.seq, at.timeline, at.start, at.id, flag(f.Held), f.Object, packFile(f, at))
}

// leave takes a row out.
func (w *writer) leave(a *arrival) error {
	if w.arrived[a.Object] == a {
		delete(w.arrived, a.Object)
	} else {
		w.left[a.Object] = a
	}
	w.change(a.Timeline, a.at.timeline).removed = true
	if err := w.writeEnd(runKey{a.at.timeline, a.Run}); err != nil { // the row that told of it goes
		return err
	}
	return w.exec(xNoRecent, a.seq)
}

// move brings all rows to their places.
func (w *writer) move() error {
	for _, a := range w.db.arrivals {
		if w.left[a.Object] != a {
			w.hours[hourOf(a.at)] = true
			w.change(a.Timeline, a.at.timeline).add(&a.File)
		}
	}
	for _, a := range w.arrived {
		w.hours[hourOf(a.at)] = true
		w.change(a.Timeline, a.at.timeline).add(&a.File)
	}
	for key := range w.db.ends { // only the writer changes it
		if err := w.writeEnd(key); err != nil {
			return err
		}
	}
	for key := range w.ends {
		if err := w.writeEnd(key); err != nil {
			return err
		}
	}
	clear(w.arrived)
	clear(w.left)
	w.moved = true
	w.seq = 1
	w.moves++
	for _, q := range []query{xMove, xEmpty} {
		if err := w.exec(q); err != nil {
			return err
		}
	}
	return w.exec(xMoves, w.moves, sumMoves(w.moves))
}
