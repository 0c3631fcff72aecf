package index

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// Each whole hour of a timeline is summed up in a row of its own, made from the rows of the files that begin in it by
// the transaction that changes them. A month of spans is then some hundred rows instead of some hundred thousand. An
// hour without such a row, because it has no files or they were there before these rows were thought of, is read file by file.
const hour = int64(time.Hour)

// hourJoin is the longest hole within a piece of such a row.
const hourJoin = time.Second

// piece is unbroken footage of one rendition: a file, or many.
type piece struct {
	run         uint64
	rendition   string
	from, to    int64
	first, last int64 // the earliest and the latest middle of a file
	files       int
	bytes       int64
	held        bool
	end         string
}

func pieceOf(f *File) piece {
	from, to := nanos(f.From), nanos(f.To)
	middle := from + (to-from)/2
	return piece{run: f.Run, rendition: f.Rendition, from: from, to: to, first: middle, last: middle, files: 1, bytes: f.Size, held: f.Held, end: f.End}
}

func (p *piece) add(q *piece) {
	if q.to > p.to {
		p.to, p.end = q.to, q.end
	}
	p.first, p.last = min(p.first, q.first), max(p.last, q.last)
	p.files += q.files
	p.bytes += q.bytes
	p.held = p.held || q.held
}

// sumUp joins files, which are ordered by From.
func sumUp(files []File) []piece {
	type key struct {
		run       uint64
		rendition string
	}
	var pieces []piece
	latest := map[key]int{}
	for i := range files {
		p := pieceOf(&files[i])
		k := key{p.run, p.rendition}
		if n, ok := latest[k]; ok && p.from-pieces[n].to <= int64(hourJoin) {
			pieces[n].add(&p)
			continue
		}
		latest[k] = len(pieces)
		pieces = append(pieces, p)
	}
	return pieces
}

// packHour makes the column `row`.
func packHour(timeline, h int64, pieces []piece) []byte {
	b := binary.AppendUvarint(make([]byte, 0, 64*len(pieces)), uint64(len(pieces)))
	at := h * hour
	for i := range pieces {
		p := &pieces[i]
		b = binary.AppendUvarint(b, p.run)
		b = appendText(b, p.rendition)
		for _, n := range []int64{p.from - at, p.to - p.from, p.first - p.from, p.last - p.first, int64(p.files), p.bytes, flag(p.held)} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = appendText(b, p.end)
	}
	return binary.LittleEndian.AppendUint32(b, sumHour(timeline, h, b))
}

func sumHour(timeline, h int64, row []byte) uint32 {
	return checksum(inHour, []int64{timeline, h}, row)
}

// unpackHour reads a row.
func unpackHour(timeline, h int64, row []byte) ([]piece, error) {
	body, ok := sealed(row, func(body []byte) uint32 { return sumHour(timeline, h, body) })
	if !ok {
		return nil, damaged("hour %d of timeline %d does not match its checksum", h, timeline)
	}
	c := cursor{b: body}
	var list []piece
	for range c.uint() {
		p := piece{run: c.uint(), rendition: c.text(), from: h*hour + int64(c.uint())}
		p.to = p.from + int64(c.uint())
		p.first = p.from + int64(c.uint())
		p.last = p.first + int64(c.uint())
		p.files, p.bytes, p.held, p.end = int(c.uint()), int64(c.uint()), c.uint() != 0, c.text()
		if c.bad {
			return nil, damaged("hour %d of timeline %d is too short", h, timeline)
		}
		list = append(list, p)
	}
	return list, nil
}

// hourKey names an hour since 1970 of a timeline.
type hourKey struct{ timeline, hour int64 }

func hourOf(at place) hourKey { return hourKey{at.timeline, at.start / hour} }

// sumHours writes the rows of the hours whose files this transaction has changed.
func (w *writer) sumHours() error {
	keys := make([]hourKey, 0, len(w.hours))
	for k := range w.hours {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b hourKey) int {
		return cmp.Or(cmp.Compare(a.timeline, b.timeline), cmp.Compare(a.hour, b.hour))
	})
	for _, k := range keys {
		rows, err := w.db.put[qFiles].QueryContext(w.ctx, k.timeline, k.hour*hour, (k.hour+1)*hour)
		if err != nil {
			return failed(err)
		}
		files, err := w.db.collect(w.ctx, w.db.writing(), rows, false, all)
		switch {
		case err != nil && !errors.Is(err, ErrDamaged):
			return err
		case err != nil || len(files) == 0: // the one who reads a damaged row must hear of it; recording must go on
			err = w.exec(xNoHour, k.timeline, k.hour)
		default:
			err = w.exec(xHour, k.timeline, k.hour, packHour(k.timeline, k.hour, sumUp(files)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// summary is the row of an hour.
type summary struct {
	hour   int64
	pieces []piece
}

// hours reads the rows of the hours [first, end) of a timeline.
func hours(ctx context.Context, stmt *sql.Stmt, timeline, first, end int64) ([]summary, error) {
	rows, err := stmt.QueryContext(ctx, timeline, first, end)
	if err != nil {
		return nil, failed(err)
	}
	defer func() { _ = rows.Close() }()
	var list []summary
	var row sql.RawBytes // unpackHour keeps none of it
	for rows.Next() {
		var s summary
		if err := rows.Scan(&s.hour, &row); err != nil {
			return nil, failed(err)
		}
		if s.pieces, err = unpackHour(timeline, s.hour, row); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, failed(errors.Join(rows.Err(), rows.Close()))
}
