package index

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Check reads the whole index and reports what does not hold: the structure of the database,
// the checksum of each row, totals that disagree with the rows, files without a run, headers whose uses
// are miscounted. A run without files is none: it never had any, or lost them and goes when its timeline loses the next. The error is for a check that could not go on.
func (d *DB) Check(ctx context.Context, report func(what string)) error {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one state of the database
	if err != nil {
		return failed(err)
	}
	defer func() { _ = tx.Rollback() }()
	c := &checker{ctx: ctx, tx: tx, report: report, names: map[int64]string{}, totals: map[int64]*total{}, runs: map[runKey]*Run{}, used: map[runKey]bool{}, refs: map[string]int64{}}
	c.summed = d.summed
	for _, step := range []func() error{c.integrity, c.meta, c.timelines, c.allRuns, c.files, c.hours, c.coverage, c.inits, c.garbage} {
		if err := step(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			report(cause(failed(err)))
		}
	}
	return nil
}

type checker struct {
	ctx    context.Context
	tx     *sql.Tx
	report func(string)
	names  map[int64]string
	totals map[int64]*total
	runs   map[runKey]*Run
	used   map[runKey]bool
	refs   map[string]int64
	summed bool  // the table hour is there
	past   slice // of the table file, as far as it was read
}

// slice is the files of one hour.
type slice struct {
	hourKey
	files []File
	bad   bool  // one of them could not be read
	known int64 // hours so far that have a row
}

func (c *checker) found(format string, args ...any) { c.report(fmt.Sprintf(format, args...)) }

// each runs a query and calls row for every line of its answer.
func (c *checker) each(query string, row func(scan func(...any) error) error) error {
	rows, err := c.tx.QueryContext(c.ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c *checker) integrity() error {
	return c.each(`PRAGMA integrity_check`, func(scan func(...any) error) error {
		var s string
		if err := scan(&s); err != nil {
			return err
		}
		if s != "ok" {
			c.found("structure: %s", s)
		}
		return nil
	})
}

func (c *checker) meta() error {
	n := 0
	err := c.each(`SELECT text, number, crc FROM meta WHERE key = 1`, func(scan func(...any) error) error {
		var i identity
		var sum int64
		if err := scan(&i.volume, &i.generation, &sum); err != nil {
			return err
		}
		n++
		if sum != sumMeta(i) {
			c.found("the volume's name does not match its checksum")
		}
		return nil
	})
	if err == nil && n != 1 {
		c.found("the index does not say which volume it is of")
	}
	if err != nil {
		return err
	}
	return c.each(text[qMoves], func(scan func(...any) error) error {
		var moves, sum int64
		if err := scan(&moves, &sum); err != nil {
			return err
		}
		if sum != sumMoves(moves) {
			c.found("the number of moves does not match its checksum")
		}
		return nil
	})
}

func (c *checker) timelines() error {
	return c.each(`SELECT id, name, crc FROM timeline`, func(scan func(...any) error) error {
		var id, sum int64
		var name string
		if err := scan(&id, &name, &sum); err != nil {
			return err
		}
		if sum != sumTimeline(id, name) {
			c.found("the name of timeline %d does not match its checksum", id)
		}
		c.names[id] = name
		return nil
	})
}

func (c *checker) allRuns() error {
	return c.each(`SELECT timeline, id, stop, row FROM run`, func(scan func(...any) error) error {
		var timeline, id, stop int64
		var row []byte
		if err := scan(&timeline, &id, &stop, &row); err != nil {
			return err
		}
		r, err := unpackRun(c.names[timeline], timeline, id, stop, row)
		if err != nil {
			c.found("%s", cause(err))
			return nil
		}
		if c.names[timeline] == "" {
			c.found("run %d is of timeline %d, which has no name", id, timeline)
		}
		c.runs[runKey{timeline, r.ID}] = &r
		for _, t := range r.Renditions {
			c.refs[string(t.Init)]++
		}
		return nil
	})
}

// files reads the rows in their places, then those that wait.
func (c *checker) files() error {
	waiting := map[string]bool{}
	err := c.each(`SELECT timeline, start, id, held, object, row FROM recent`, func(scan func(...any) error) error {
		f, _, err := c.file(scan)
		if f != nil {
			waiting[f.Object] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.each(`SELECT timeline, start, id, held, object, row FROM file`, func(scan func(...any) error) error {
		f, at, err := c.file(scan)
		if err == nil {
			err = c.slice(f, at)
		}
		if f == nil || err != nil {
			return err
		}
		if waiting[f.Object] {
			c.found("file %q has two rows", f.Object)
		}
		t := c.totals[at.timeline]
		if t == nil {
			t = &total{timeline: at.timeline, Coverage: Coverage{Timeline: f.Timeline}}
			c.totals[at.timeline] = t
		}
		t.count(f)
		return nil
	})
}

// file reads one row; nil if it is not whole.
func (c *checker) file(scan func(...any) error) (*File, place, error) {
	var at place
	var held int64
	var object string
	var row []byte
	if err := scan(&at.timeline, &at.start, &at.id, &held, &object, &row); err != nil {
		return nil, at, err
	}
	f, err := unpackFile(c.names[at.timeline], at, held, object, row, false)
	if err != nil {
		c.found("%s", cause(err))
		return nil, at, nil
	}
	if f.Timeline == "" {
		c.found("file %q is of timeline %d, which has no name", object, at.timeline)
	}
	key := runKey{at.timeline, f.Run}
	if !c.used[key] && c.runs[key] == nil {
		c.found("file %q is of run %d of %q, which is not there", object, f.Run, f.Timeline)
	}
	c.used[key] = true
	return &f, at, nil
}

// slice takes the next row of the table file, which come in the order of their places; nil is one that is not whole.
func (c *checker) slice(f *File, at place) error {
	if key := hourOf(at); c.past.hourKey != key {
		if err := c.sliced(); err != nil {
			return err
		}
		c.past = slice{hourKey: key, known: c.past.known}
	}
	if c.past.bad = c.past.bad || f == nil; !c.past.bad {
		c.past.files = append(c.past.files, *f)
	}
	return nil
}

// sliced compares the row of an hour with its files, all of which were read.
func (c *checker) sliced() error {
	p := &c.past
	if !c.summed || len(p.files) == 0 && !p.bad {
		return nil
	}
	var row []byte
	err := c.tx.QueryRowContext(c.ctx, `SELECT row FROM hour WHERE timeline = ? AND hour = ?`, p.timeline, p.hour).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // then the files are asked
	}
	if err != nil {
		return err
	}
	p.known++
	if _, err := unpackHour(p.timeline, p.hour, row); err != nil {
		c.found("%s", cause(err))
	} else if !p.bad && !bytes.Equal(row, packHour(p.timeline, p.hour, sumUp(p.files))) {
		c.found("hour %d of timeline %d disagrees with its files", p.hour, p.timeline)
	}
	return nil
}

func (c *checker) hours() error {
	if !c.summed {
		return nil
	}
	return errors.Join(c.sliced(), c.each(`SELECT count(*) FROM hour`, func(scan func(...any) error) error {
		var n int64
		if err := scan(&n); err != nil {
			return err
		}
		if n != c.past.known {
			c.found("%d hours are summed up, of which %d have files", n, c.past.known)
		}
		return nil
	}))
}

func (c *checker) coverage() error {
	err := c.each(`SELECT name, timeline, start, stop, bytes, files, held, crc FROM coverage`, func(scan func(...any) error) error {
		var t total
		var start, stop, sum int64
		if err := scan(&t.Timeline, &t.timeline, &start, &stop, &t.Bytes, &t.Files, &t.HeldBytes, &sum); err != nil {
			return err
		}
		t.From, t.To = instant(start), instant(stop)
		if sum != t.sum() {
			c.found("the totals of %q do not match their checksum", t.Timeline)
		}
		counted := c.totals[t.timeline]
		delete(c.totals, t.timeline)
		if counted == nil || *counted != t {
			c.found("the totals of %q disagree with its files: %+v instead of %+v", t.Timeline, t.Coverage, counted)
		}
		return nil
	})
	for _, t := range c.totals {
		c.found("%q has files but no totals", t.Timeline)
	}
	return err
}

func (c *checker) inits() error {
	err := c.each(`SELECT hash, refs, data FROM init`, func(scan func(...any) error) error {
		var hash, data []byte
		var refs int64
		if err := scan(&hash, &refs, &data); err != nil {
			return err
		}
		if h := initHash(data); string(h[:]) != string(hash) {
			c.found("the header %x is not what its name says", hash)
		}
		if refs != c.refs[string(hash)] {
			c.found("the header %x is used %d times, not %d", hash, c.refs[string(hash)], refs)
		}
		delete(c.refs, string(hash))
		return nil
	})
	for hash := range c.refs {
		c.found("the header %x is missing", hash)
	}
	return err
}

func (c *checker) garbage() error {
	return c.each(`SELECT object, crc FROM garbage`, func(scan func(...any) error) error {
		var object string
		var sum int64
		if err := scan(&object, &sum); err != nil {
			return err
		}
		if sum != sumGarbage(object) {
			c.found("the garbage row of %q does not match its checksum", object)
		}
		return nil
	})
}
