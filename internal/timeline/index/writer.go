package index

import (
	"context"
	"errors"
	"time"
)

// writer is one transaction.
type writer struct {
	ctx     context.Context
	db      *DB
	changed map[string]*change // totals, by timeline
	added   map[string]int64   // timelines that are new
	next    int64
}

// change is what a transaction does to the totals of a timeline.
type change struct {
	timeline           int64
	bytes, held        int64
	files              int
	from, to           time.Time // of the files that were added
	lostFrom, lostTo   time.Time // of the files that were removed
	removed, collected bool
}

func (w *writer) exec(q query, args ...any) error {
	_, err := w.db.put[q].ExecContext(w.ctx, args...)
	return failed(err)
}

func (w *writer) identify(volume string, generation int64) error {
	return w.exec(xMeta, volume, generation, sumMeta(identity{volume, generation}))
}

func (w *writer) apply(b *Batch) error {
	for i := range b.Runs {
		if err := w.putRun(&b.Runs[i]); err != nil {
			return err
		}
	}
	for i := range b.Files {
		if err := w.putFile(&b.Files[i]); err != nil {
			return err
		}
	}
	for i := range b.Remove {
		if err := w.remove(b.Remove[i].Object); err != nil {
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
	if _, err := w.drop(f.Object); err != nil {
		return err
	}
	if err := w.exec(xNoGarbage, f.Object); err != nil {
		return err
	}
	at := place{id, nanos(f.From), fileID(f.Object)}
	if err := w.exec(xFile, at.timeline, at.start, at.id, flag(f.Held), f.Object, packFile(f, at)); err != nil {
		return err
	}
	w.change(f.Timeline, id).add(f)
	return nil
}

func (c *change) add(f *File) {
	c.files++
	c.bytes += f.Size
	if f.Held {
		c.held += f.Size
	}
	if c.from.IsZero() || f.From.Before(c.from) {
		c.from = f.From
	}
	if f.To.After(c.to) {
		c.to = f.To
	}
}

// drop takes the row of an object out, if there is one.
func (w *writer) drop(object string) (bool, error) {
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
	if err := w.exec(xNoFile, id, nanos(f.From), fileID(object)); err != nil {
		return false, err
	}
	c := w.change(f.Timeline, id)
	c.files--
	c.bytes -= f.Size
	if f.Held {
		c.held -= f.Size
	}
	if !c.removed || f.From.Before(c.lostFrom) {
		c.lostFrom = f.From
	}
	if !c.removed || f.To.After(c.lostTo) {
		c.lostTo = f.To
	}
	c.removed = true
	return true, nil
}

func (w *writer) remove(object string) error {
	there, err := w.drop(object)
	if err != nil || !there {
		return err
	}
	return w.exec(xGarbage, object, sumGarbage(object))
}

// release frees held files of one timeline, or of all, a step at a time: those after the given place.
func (w *writer) release(name string, after place) (next place, done bool, err error) {
	rows, err := w.db.put[qHeld].QueryContext(w.ctx, after.start, after.timeline, after.id, releaseStep)
	if err != nil {
		return after, false, failed(err)
	}
	seen := 0
	held, err := w.db.collect(w.ctx, w.db.writing(), rows, true, func(f *File, at place) verdict {
		seen++
		next = at
		if name == "" || f.Timeline == name {
			return take
		}
		return skip
	})
	if err != nil {
		return after, false, err
	}
	for i := range held {
		held[i].Held = false
		if err := w.putFile(&held[i]); err != nil {
			return after, false, err
		}
	}
	return next, seen < releaseStep, nil
}

// settle brings the totals to what the transaction made of them.
func (w *writer) settle() error {
	for name, c := range w.changed {
		if err := w.total(name, c); err != nil {
			return err
		}
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
	t.Files += c.files
	t.Bytes += c.bytes
	t.HeldBytes += c.held
	if t.Files == 0 {
		return w.exec(xNoCoverage, name)
	}
	if t.Files < 0 || t.Bytes < 0 || t.HeldBytes < 0 {
		return damaged("the totals of %q fall below zero", name)
	}
	if !c.from.IsZero() && (t.From.IsZero() || c.from.Before(t.From)) {
		t.From = c.from
	}
	if c.to.After(t.To) {
		t.To = c.to
	}
	if c.removed && !c.lostFrom.After(t.From) {
		var start int64
		if err := w.db.put[qFirstFile].QueryRowContext(w.ctx, c.timeline).Scan(&start); err != nil {
			return failed(err)
		}
		t.From = instant(start)
	}
	if c.removed && !c.lostTo.Before(t.To) {
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

// putRun adds or replaces a run and counts the uses of its headers.
func (w *writer) putRun(r *Run) error {
	id, err := w.timeline(r.Timeline)
	if err != nil {
		return err
	}
	old, err := w.runs(r.Timeline, qRun, id, int64(r.ID))
	if err != nil {
		return err
	}
	for _, t := range r.Renditions { // first, so that a header that stays never falls to no use
		if err := w.useInit(t.Init); err != nil {
			return err
		}
	}
	for i := range old {
		if err := w.freeInits(&old[i]); err != nil {
			return err
		}
	}
	return w.exec(xRun, id, int64(r.ID), stopOf(r), packRun(r, id))
}

func (w *writer) useInit(data []byte) error {
	hash := initHash(data)
	res, err := w.db.put[xInitRefs].ExecContext(w.ctx, 1, hash[:])
	if err != nil {
		return failed(err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return failed(err)
	}
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	return w.exec(xInit, hash[:], data)
}

func (w *writer) freeInits(r *Run) error {
	for _, t := range r.Renditions {
		if err := errors.Join(w.exec(xInitRefs, -1, t.Init), w.exec(xNoInit, t.Init)); err != nil {
			return err
		}
	}
	return nil
}

// runs reads runs whose renditions still have hashes for headers.
func (w *writer) runs(name string, q query, args ...any) ([]Run, error) {
	rows, err := w.db.put[q].QueryContext(w.ctx, args...)
	if err != nil {
		return nil, failed(err)
	}
	return bareRuns(name, rows, nil)
}

// forgetStep bounds how many runs one transaction forgets of a timeline.
const forgetStep = 16

// forget drops the oldest runs of a timeline that have lost all their files. The newest run
// stays, because the next one continues its numbers; so does one whose last file may still come.
func (w *writer) forget(name string, timeline int64) error {
	last, err := w.runs(name, qLastRun, timeline)
	if err != nil || len(last) == 0 {
		return err
	}
	for range forgetStep {
		first, err := w.runs(name, qFirstRun, timeline)
		if err != nil || len(first) == 0 {
			return err
		}
		r := &first[0]
		if r.ID == last[0].ID || r.End.IsZero() || r.End.Add(2*MaxFile).After(last[0].Start) {
			return nil
		}
		used, err := w.used(timeline, r)
		if err != nil || used {
			return err
		}
		if err := errors.Join(w.freeInits(r), w.exec(xNoRun, timeline, int64(r.ID))); err != nil {
			return err
		}
	}
	return nil
}

// used reports whether a run still has a file. Files of a run lie between its begin and its
// end; as it is the oldest run, the first file there is most often one of its own.
func (w *writer) used(timeline int64, r *Run) (bool, error) {
	rows, err := w.db.put[qFiles].QueryContext(w.ctx, timeline, nanos(r.Start)-int64(MaxFile), nanos(r.End)+int64(MaxFile))
	if err != nil {
		return false, failed(err)
	}
	found := false
	_, err = w.db.collect(w.ctx, w.db.writing(), rows, false, func(f *File, _ place) verdict {
		if found = f.Run == r.ID; found {
			return stop
		}
		return skip
	})
	return found, err
}
