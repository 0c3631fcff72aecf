package index

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"sort"
	"time"
)

// Spans sums up the files of a timeline that overlap [from, to): stretches of one run in which the
// leading rendition has no hole longer than join. Files are counted whole, so that a span may
// reach out of the range by less than MaxFile.
func (d *DB) Spans(ctx context.Context, timeline string, from, to time.Time, join time.Duration) ([]Span, error) {
	id, err := d.idOf(ctx, d.reading(), timeline)
	if err != nil || id == 0 {
		return nil, err
	}
	d.learn(timeline, id) // no row of it needs another connection to know its name
	s := spanning{db: d, timeline: id, lo: earliest(from), hi: latest(to), summed: join >= hourJoin && d.summed, apart: map[int64]bool{}}
	for {
		pieces, err := s.pieces(ctx)
		if err != nil || len(pieces) == 0 {
			return nil, err
		}
		leads, err := s.leads(ctx, timeline, pieces)
		if err != nil {
			return nil, err
		}
		var spans []Span
		torn := false
		for _, l := range leads {
			some := spansOf(l.pieces, l.rendition, join)
			for i := range l.pieces {
				if p := &l.pieces[i]; !count(some, p) {
					s.apart[p.from/hour], torn = true, true
				}
			}
			spans = append(spans, some...)
		}
		if !torn {
			slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Run, b.Run)) })
			return spans, nil
		}
	}
}

// spanning is one question for spans.
type spanning struct {
	db               *DB
	timeline, lo, hi int64
	summed           bool           // the rows of the hours may answer it
	apart            map[int64]bool // hours of which a piece lies in two spans: their files are looked at one by one
}

// pieces lists the footage of the range by From: whole hours from their rows, the rest file by file. All is of one state
// of the database, or a file could be missing before a later one.
func (s *spanning) pieces(ctx context.Context) ([]piece, error) {
	seen := s.db.recent.Load() // first, so that rows which move meanwhile are not missed
	tx, err := s.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, failed(err)
	}
	defer func() { _ = tx.Rollback() }()
	moves, err := readMoves(ctx, tx.StmtContext(ctx, s.db.get[qMoves]))
	if err != nil {
		return nil, err
	}
	begin := s.lo - int64(MaxFile)
	out, next := []piece(nil), begin // the files that begin before next are in out
	if s.summed {
		hours, err := hours(ctx, tx.StmtContext(ctx, s.db.get[qHours]), s.timeline, (s.lo+hour-1)/hour, s.hi/hour)
		if err != nil {
			return nil, err
		}
		for i := range hours {
			h := &hours[i]
			if s.apart[h.hour] {
				continue
			}
			if out, err = s.files(ctx, tx, out, next, h.hour*hour); err != nil {
				return nil, err
			}
			out = append(out, h.pieces...)
			next = (h.hour + 1) * hour
		}
	}
	if out, err = s.files(ctx, tx, out, next, s.hi); err != nil {
		return nil, err
	}
	if moves == seen.moves { // else what was in memory is in the database
		for _, a := range seen.of(s.timeline, begin, s.hi) {
			if overlaps(s.lo)(&a.File, a.at) == take {
				out = append(out, pieceOf(&a.File))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b piece) int { return cmp.Compare(a.from, b.from) })
	return out, nil
}

// files appends the files that begin in [from, to).
func (s *spanning) files(ctx context.Context, tx *sql.Tx, out []piece, from, to int64) ([]piece, error) {
	if from >= to {
		return out, nil
	}
	rows, err := tx.StmtContext(ctx, s.db.get[qFiles]).QueryContext(ctx, s.timeline, from, to)
	if err != nil {
		return nil, failed(err)
	}
	files, err := s.db.collect(ctx, s.db.reading(), rows, false, overlaps(s.lo))
	for i := range files {
		out = append(out, pieceOf(&files[i]))
	}
	return out, err
}

// lead is a run with the rendition that decides where its spans are.
type lead struct {
	rendition string
	pieces    []piece
}

// leads sorts pieces by run. The first rendition of the run that has footage leads; of a run that is not known, the first one to begin.
func (s *spanning) leads(ctx context.Context, timeline string, pieces []piece) ([]*lead, error) {
	byRun := map[uint64]*lead{}
	var all []*lead
	lowest, highest := pieces[0].run, uint64(0)
	for i := range pieces {
		p := &pieces[i]
		l := byRun[p.run]
		if l == nil {
			l = &lead{rendition: p.rendition}
			byRun[p.run] = l
			all = append(all, l)
		}
		l.pieces = append(l.pieces, *p)
		lowest, highest = min(lowest, p.run), max(highest, p.run)
	}
	runs, err := s.db.withoutHeaders(ctx, timeline, nil, qRunsAmong, int64(lowest), int64(highest))
	for i := range runs {
		l := byRun[runs[i].ID]
		if l == nil {
			continue
		}
		for _, t := range runs[i].Renditions {
			if slices.ContainsFunc(l.pieces, func(p piece) bool { return p.rendition == t.Name }) {
				l.rendition = t.Name
				break
			}
		}
	}
	return all, err
}

// spansOf makes the spans of one run's pieces, which are ordered by From.
func spansOf(pieces []piece, leading string, join time.Duration) []Span {
	var spans []Span
	for i := range pieces {
		p := &pieces[i]
		if p.rendition != leading {
			continue
		}
		from, to := instant(p.from), instant(p.to)
		if n := len(spans) - 1; n >= 0 && from.Sub(spans[n].To) <= join {
			if to.After(spans[n].To) {
				spans[n].To, spans[n].End = to, p.end
			}
			continue
		}
		spans = append(spans, Span{From: from, To: to, Run: p.run, End: p.end})
	}
	return spans
}

// count adds a piece to its span. A file counts for the last span that begins before its middle;
// a piece whose files count for different ones is not added.
func count(spans []Span, p *piece) bool {
	at := func(middle int64) int {
		return max(0, sort.Search(len(spans), func(i int) bool { return nanos(spans[i].From) > middle })-1)
	}
	n := at(p.first)
	if at(p.last) != n {
		return false
	}
	spans[n].Bytes += p.bytes
	spans[n].Files += p.files
	spans[n].Held = spans[n].Held || p.held
	return true
}
