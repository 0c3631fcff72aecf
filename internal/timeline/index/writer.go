package index

import (
	"context"
	"slices"
	"strings"
	"time"
)

// writer is one transaction. What it learns becomes the DB's when it is committed.
type writer struct {
	ctx     context.Context
	db      *DB
	changed map[string]*change // totals, by timeline
	added   map[string]int64   // timelines that are new
	next    int64

	arrived map[string]*arrival // rows that are new in recent, by object
	left    map[string]*arrival // rows that are gone from there
	moved   bool                // what was in recent before has moved
	seq     int64
	moves   int64
	direct  bool             // new files go to their places at once
	hours   map[hourKey]bool // whose files in the table file are others now
	ends    map[runKey]int64 // see endings; 0 for a row that is written
}

func newWriter(ctx context.Context, d *DB) *writer {
	w := &writer{
		ctx: ctx, db: d, changed: map[string]*change{}, added: map[string]int64{}, next: d.nextID,
		arrived: map[string]*arrival{}, left: map[string]*arrival{}, seq: d.nextSeq, ends: map[runKey]int64{},
		hours: map[hourKey]bool{},
	}
	if r := d.recent.Load(); r != nil {
		w.moves = r.moves
	}
	return w
}

// publish shows readers what was committed.
func (w *writer) publish() {
	d := w.db
	d.nextID, d.nextSeq = w.next, w.seq
	for name, id := range w.added {
		d.learn(name, id)
	}
	d.setEnds(w.ends)
	if !w.moved && len(w.arrived) == 0 && len(w.left) == 0 {
		return
	}
	d.recent.Store(d.recent.Load().with(w.arrived, w.left, w.moves))
	if w.moved {
		clear(d.arrivals)
	}
	for object := range w.left {
		delete(d.arrivals, object)
	}
	for object, a := range w.arrived {
		d.arrivals[object] = a
	}
}

// change is what a transaction does to the totals of a timeline, which count the rows of the table file.
type change struct {
	Coverage         // of the files that were added, less those that were removed
	timeline         int64
	taken            bool      // rows of file were removed
	lostFrom, lostTo time.Time // of those
	removed          bool      // rows of file or recent were removed
}

func (w *writer) exec(q query, args ...any) error {
	_, err := w.db.put[q].ExecContext(w.ctx, args...)
	return failed(err)
}

func (w *writer) identify(volume string, generation int64) error {
	return w.exec(xMeta, volume, generation, sumMeta(identity{volume, generation}))
}

func (w *writer) apply(b *Batch) error {
	w.direct = len(b.Files) >= w.db.direct
	// Objects of one timeline have neighbouring names and rows: in this order a page is touched once, not
	// once for each row, even when the batch is larger than the cache.
	sortFiles := func(files []File) []File {
		return slices.SortedStableFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Object, b.Object) })
	}
	files, remove := sortFiles(b.Files), sortFiles(b.Remove)
	for i := range b.Runs {
		if err := w.putRun(&b.Runs[i]); err != nil {
			return err
		}
	}
	for i := range files {
		if err := w.putFile(&files[i]); err != nil {
			return err
		}
	}
	for i := range remove {
		if err := w.remove(remove[i].Object); err != nil {
			return err
		}
	}
	for _, object := range b.Cleaned {
		if err := w.exec(xNoGarbage, object); err != nil {
			return err
		}
	}
	return nil
}

// timeline returns the number of a name, and gives it one if it has none.
func (w *writer) timeline(name string) (int64, error) {
	if id, ok := w.added[name]; ok {
		return id, nil
	}
	id, err := w.db.idOf(w.ctx, w.db.writing(), name)
	if err != nil || id != 0 {
		return id, err
	}
	id = w.next
	w.next++
	w.added[name] = id
	return id, w.exec(xTimeline, id, name, sumTimeline(id, name))
}

func (w *writer) change(name string, id int64) *change {
	c := w.changed[name]
	if c == nil {
		c = &change{timeline: id}
		w.changed[name] = c
	}
	return c
}

func (w *writer) putFile(f *File) error {
	id, err := w.timeline(f.Timeline)
	if err != nil {
		return err
	}
	waits := w.arrival(f.Object) != nil
	if _, err := w.drop(f.Object); err != nil {
		return err
	}
	if err := w.exec(xNoGarbage, f.Object); err != nil {
		return err
	}
	at := place{id, nanos(f.From), fileID(f.Object)}
	if !w.direct || waits { // rows leave the memory all at once or not at all, so that none is counted there and here
		return w.arrive(f, at)
	}
	if err := w.exec(xFile, at.timeline, at.start, at.id, flag(f.Held), f.Object, packFile(f, at)); err != nil {
		return err
	}
	w.hours[hourOf(at)] = true
	w.change(f.Timeline, id).add(f)
	return nil
}

func (c *change) add(f *File) { c.count(f) }

// drop takes the row of an object out, if there is one.
func (w *writer) drop(object string) (bool, error) {
	if a := w.arrival(object); a != nil {
		return true, w.leave(a)
	}
	rows, err := w.db.put[qFileByObject].QueryContext(w.ctx, object)
	if err != nil {
		return false, failed(err)
	}
	old, err := w.db.collect(w.ctx, w.db.writing(), rows, false, all)
	if err != nil || len(old) == 0 {
		return false, err
	}
	f := &old[0]
	id, err := w.timeline(f.Timeline)
	if err != nil {
		return false, err
	}
	at := place{id, nanos(f.From), fileID(object)}
	if err := w.exec(xNoFile, at.timeline, at.start, at.id); err != nil {
		return false, err
	}
	w.hours[hourOf(at)] = true
	w.change(f.Timeline, id).take(f)
	return true, nil
}

func (c *change) take(f *File) {
	c.Files--
	c.Bytes -= f.Size
	if f.Held {
		c.HeldBytes -= f.Size
	}
	if !c.taken || f.From.Before(c.lostFrom) {
		c.lostFrom = f.From
	}
	if !c.taken || f.To.After(c.lostTo) {
		c.lostTo = f.To
	}
	c.taken, c.removed = true, true
}

func (w *writer) remove(object string) error {
	there, err := w.drop(object)
	if err != nil || !there {
		return err
	}
	return w.exec(xGarbage, object, sumGarbage(object))
}

// settle brings the hours and the totals to what the transaction made of them.
func (w *writer) settle() error {
	if len(w.db.arrivals)+len(w.arrived) >= w.db.moveAt && !w.moved {
		if err := w.move(); err != nil {
			return err
		}
	}
	if err := w.sumHours(); err != nil {
		return err
	}
	for name, c := range w.changed {
		if c.Files == 0 && c.From.IsZero() && !c.taken {
			continue
		}
		if err := w.total(name, c); err != nil {
			return err
		}
	}
	for name, c := range w.changed {
		if c.removed {
			if err := w.forget(name, c.timeline); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) total(name string, c *change) error {
	rows, err := w.db.put[qCoverage].QueryContext(w.ctx, name)
	if err != nil {
		return failed(err)
	}
	old, err := coverages(rows)
	if err != nil {
		return err
	}
	t := total{timeline: c.timeline}
	t.Timeline = name
	if len(old) > 0 {
		t = old[0]
	}
	t.Files += c.Files
	t.Bytes += c.Bytes
	t.HeldBytes += c.HeldBytes
	if t.Files == 0 {
		return w.exec(xNoCoverage, name)
	}
	if t.Files < 0 || t.Bytes < 0 || t.HeldBytes < 0 {
		return damaged("the totals of %q fall below zero", name)
	}
	if !c.From.IsZero() {
		t.stretch(c.From, c.To)
	}
	if c.taken && !c.lostFrom.After(t.From) {
		var start int64
		if err := w.db.put[qFirstFile].QueryRowContext(w.ctx, c.timeline).Scan(&start); err != nil {
			return failed(err)
		}
		t.From = instant(start)
	}
	if c.taken && !c.lostTo.Before(t.To) {
		if t.To, err = w.lastInstant(c.timeline); err != nil {
			return err
		}
	}
	return w.exec(xCoverage, name, t.timeline, nanos(t.From), nanos(t.To), t.Bytes, t.Files, t.HeldBytes, t.sum())
}

// lastInstant is the end of the footage: no file that begins MaxFile before the last one can end after it.
func (w *writer) lastInstant(timeline int64) (time.Time, error) {
	var start int64
	if err := w.db.put[qLastFile].QueryRowContext(w.ctx, timeline).Scan(&start); err != nil {
		return time.Time{}, failed(err)
	}
	rows, err := w.db.put[qFiles].QueryContext(w.ctx, timeline, start-int64(MaxFile), start+1)
	if err != nil {
		return time.Time{}, failed(err)
	}
	files, err := w.db.collect(w.ctx, w.db.writing(), rows, false, all)
	var last time.Time
	for i := range files {
		if files[i].To.After(last) {
			last = files[i].To
		}
	}
	return last, err
}
