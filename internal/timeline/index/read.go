package index

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"sync"
	"time"
)

// names remembers which number a timeline has; numbers are never given twice.
type names struct {
	lock   sync.RWMutex
	byName map[string]int64
	byID   map[int64]string
}

func (n *names) learn(name string, id int64) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.byName == nil {
		n.byName, n.byID = map[string]int64{}, map[int64]string{}
	}
	n.byName[name], n.byID[id] = id, name
}

func (n *names) known(name string) int64 {
	n.lock.RLock()
	defer n.lock.RUnlock()
	return n.byName[name]
}

func (n *names) named(id int64) string {
	n.lock.RLock()
	defer n.lock.RUnlock()
	return n.byID[id]
}

func sumTimeline(id int64, name string) int64 {
	return int64(checksum(inTimeline, []int64{id}, []byte(name)))
}

func sumGarbage(object string) int64 { return int64(checksum(inGarbage, nil, []byte(object))) }

// lookup is what finds the name of a timeline: the statements of the reader, or of the
// writer, whose transaction may yet be undone.
type lookup struct {
	by   []*sql.Stmt
	sure bool
}

func (d *DB) reading() lookup { return lookup{d.get[:], true} }

func (d *DB) writing() lookup { return lookup{d.put[:], false} }

// idOf returns the number of a timeline, 0 if it has none.
func (d *DB) idOf(ctx context.Context, with lookup, name string) (int64, error) {
	if id := d.known(name); id != 0 {
		return id, nil
	}
	id, _, err := d.lookUp(with.by[qTimelineByName].QueryRowContext(ctx, name))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

func (d *DB) nameOf(ctx context.Context, with lookup, id int64) (string, error) {
	if name := d.named(id); name != "" {
		return name, nil
	}
	_, name, err := d.lookUp(with.by[qTimelineByID].QueryRowContext(ctx, id))
	if errors.Is(err, sql.ErrNoRows) {
		return "", damaged("timeline %d has no name", id)
	}
	return name, err
}

func (d *DB) lookUp(row *sql.Row) (int64, string, error) {
	var id, sum int64
	var name string
	if err := row.Scan(&id, &name, &sum); errors.Is(err, sql.ErrNoRows) {
		return 0, "", err
	} else if err != nil {
		return 0, "", failed(err)
	}
	if sum != sumTimeline(id, name) {
		return 0, "", damaged("the name of timeline %d does not match its checksum", id)
	}
	return id, name, nil
}

// verdict is what becomes of a row that collect has read.
type verdict int

const (
	take verdict = iota
	skip
	stop // do not read on; this row is not taken
)

func all(*File, place) verdict { return take }

// collect reads and closes rows of the file table, verifies each and returns those that visit takes.
// Names are looked up afterwards, because the writer has one connection.
func (d *DB) collect(ctx context.Context, with lookup, rows *sql.Rows, groups bool, visit func(*File, place) verdict) ([]File, error) {
	defer func() { _ = rows.Close() }()
	var (
		files    []File
		nameless []int
		ids      []int64
		at       place
		held     int64
		object   string
		row      sql.RawBytes // SQLite's own memory: unpackFile keeps none of it
		f        File
		err      error
	)
	dest := []any{&at.timeline, &at.start, &at.id, &held, &object, &row}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, failed(err)
		}
		name := d.named(at.timeline)
		if f, err = unpackFile(name, at, held, object, row, groups); err != nil {
			return nil, err
		}
		v := visit(&f, at)
		if v == stop {
			break
		}
		if v == skip {
			continue
		}
		if name == "" {
			nameless, ids = append(nameless, len(files)), append(ids, at.timeline)
		}
		files = append(files, f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, failed(err)
	}
	for i, k := range nameless {
		name, err := d.nameOf(ctx, with, ids[i])
		if err != nil {
			return nil, err
		}
		if with.sure {
			d.learn(name, ids[i])
		}
		files[k].Timeline = name
	}
	return files, nil
}

// Files lists the files of a timeline that overlap [from, to), of all renditions, by From. A zero time means no end.
func (d *DB) Files(ctx context.Context, timeline string, from, to time.Time) ([]File, error) {
	id, err := d.idOf(ctx, d.reading(), timeline)
	if err != nil || id == 0 {
		return nil, err
	}
	lo, hi := earliest(from), latest(to)
	return d.between(ctx, id, lo-int64(MaxFile), hi, true, overlaps(lo))
}

// overlaps skips the files that end before an instant.
func overlaps(lo int64) func(*File, place) verdict {
	return func(f *File, at place) verdict {
		if at.start < lo && nanos(f.To) <= lo {
			return skip
		}
		return take
	}
}

// between lists files of a timeline that begin in [lo, hi): memory first, so that a row which moves meanwhile is seen twice rather than never.
func (d *DB) between(ctx context.Context, timeline, lo, hi int64, groups bool, visit func(*File, place) verdict) ([]File, error) {
	var arrivals []File
	for _, a := range d.recent.Load().of(timeline, lo, hi) {
		if visit(&a.File, a.at) == take {
			arrivals = append(arrivals, a.file(groups))
		}
	}
	rows, err := d.get[qFiles].QueryContext(ctx, timeline, lo, hi)
	if err != nil {
		return nil, failed(err)
	}
	stored, err := d.collect(ctx, d.reading(), rows, groups, visit)
	return join(stored, arrivals), err
}

// File finds the file that holds segment n of a rendition; near is the segment's time, right to MaxFile.
// If there is none the error is ErrUnknown.
func (d *DB) File(ctx context.Context, timeline string, run uint64, rendition string, n int64, near time.Time) (*File, error) {
	id, err := d.idOf(ctx, d.reading(), timeline)
	if err != nil {
		return nil, err
	}
	at := earliest(near)
	files, err := d.between(ctx, id, at-2*int64(MaxFile), at+int64(MaxFile), true, func(f *File, _ place) verdict {
		if f.Run == run && f.Rendition == rendition && f.FirstN <= n && n <= f.LastN {
			return take
		}
		return skip
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, ErrUnknown
	}
	return &files[len(files)-1], nil
}

// Oldest lists files that are not held and end at or before the instant before, by From, without Groups;
// of one timeline, or with an empty name of all. A zero time means all files.
func (d *DB) Oldest(ctx context.Context, timeline string, before time.Time, limit int) ([]File, error) {
	return d.OldestFrom(ctx, timeline, time.Time{}, before, limit)
}

// OldestFrom is Oldest without the files that begin before from: for the one who must step over files that are kept.
func (d *DB) OldestFrom(ctx context.Context, timeline string, from, before time.Time, limit int) ([]File, error) {
	if limit <= 0 {
		return nil, nil
	}
	lo, hi := earliest(from), latest(before)
	seen := d.recent.Load()
	arrivals := seen.rows
	query, args := qOldest, []any{lo, hi}
	if timeline != "" {
		id, err := d.idOf(ctx, d.reading(), timeline)
		if err != nil || id == 0 {
			return nil, err
		}
		query, args = qOldestOf, []any{id, lo, hi}
		arrivals = seen.of(id, lo, math.MaxInt64)
	}
	rows, err := d.get[query].QueryContext(ctx, args...)
	if err != nil {
		return nil, failed(err)
	}
	n := 0
	stored, err := d.collect(ctx, d.reading(), rows, false, func(f *File, _ place) verdict {
		switch {
		case n == limit:
			return stop
		case nanos(f.To) > hi:
			return skip
		}
		n++
		return take
	})
	if err != nil {
		return nil, err
	}
	var fit []File
	for _, a := range arrivals {
		late := n == limit && a.From.After(stored[n-1].From)
		if !a.Held && a.at.start >= lo && a.at.start <= hi && nanos(a.To) <= hi && !late {
			fit = append(fit, a.file(false))
		}
	}
	stored = join(stored, fit)
	return stored[:min(len(stored), limit)], nil
}

// Has reports whether an object has a row.
func (d *DB) Has(ctx context.Context, object string) (bool, error) {
	for _, a := range d.recent.Load().rows {
		if a.Object == object {
			return true, nil
		}
	}
	rows, err := d.get[qFileByObject].QueryContext(ctx, object)
	if err != nil {
		return false, failed(err)
	}
	files, err := d.collect(ctx, d.reading(), rows, false, all)
	return len(files) > 0, err
}

// Objects lists the keys of objects that have a row, those after a key, in the order of their bytes.
func (d *DB) Objects(ctx context.Context, after string, limit int) ([]string, error) {
	var keys []string
	for _, a := range d.recent.Load().rows {
		if a.Object > after {
			keys = append(keys, a.Object)
		}
	}
	rows, err := d.get[qObjects].QueryContext(ctx, after, limit)
	if err != nil {
		return nil, failed(err)
	}
	// The keys alone stand in the index of the table, but only a whole row can be verified.
	stored, err := d.collect(ctx, d.reading(), rows, false, all)
	if err != nil {
		return nil, err
	}
	for i := range stored {
		keys = append(keys, stored[i].Object)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return keys[:min(len(keys), max(limit, 0))], nil
}

// garbageStep is how many objects Garbage returns at most.
const garbageStep = 10000

// Garbage lists objects that are still to be deleted, at most ten thousand: ask again when they are cleaned.
func (d *DB) Garbage(ctx context.Context) ([]string, error) {
	return d.garbage(ctx, "", garbageStep)
}

func (d *DB) garbage(ctx context.Context, after string, limit int) ([]string, error) {
	rows, err := d.get[qGarbage].QueryContext(ctx, after, limit)
	if err != nil {
		return nil, failed(err)
	}
	defer func() { _ = rows.Close() }()
	var keys []string
	for rows.Next() {
		var key string
		var sum int64
		if err := rows.Scan(&key, &sum); err != nil {
			return nil, failed(err)
		}
		if sum != sumGarbage(key) {
			return nil, damaged("the garbage row of %q does not match its checksum", key)
		}
		keys = append(keys, key)
	}
	return keys, failed(errors.Join(rows.Err(), rows.Close()))
}
