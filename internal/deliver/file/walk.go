package file

import (
	"context"
	"errors"
	"time"

	"weir/internal/format/mp4"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

const (
	maxSound = 8
	// lead is how long before a range footage is looked at to find the key frame that its first picture needs.
	lead = 30 * time.Second
	// Runs that follow each other so closely are one piece of time: nothing is closed up between them.
	seamless    = 250 * time.Millisecond
	mostOverlap = 2 * time.Second
	// mostKeyless is how many segments are looked through for a first key frame.
	mostKeyless = 100
)

// placed is a sample on the clip's clock, which is 0 at the key frame that the clip begins with.
type placed struct {
	mp4.Located
	dts, pts int64 // ticks of the lane's header
}

// portion is what a clip takes of one segment.
type portion struct {
	lane    *lane
	run     uint64
	n       int64
	samples []placed
}

// lane is one rendition of the run that is being walked.
type lane struct {
	name  string
	track media.Track
	head  *mp4.Header
	peek  *timeline.Peeker

	zero    int64 // the piece's key frame, epoch ticks of this lane
	shift   int64 // what to add to times counted from zero: where the piece stands on the clip's clock
	started bool
	floor   int64 // sound: nothing is taken that begins before, clip's clock
}

// walk goes over the footage of a range in the order in which a file holds it, and gives each segment's portion to take.
// It may be called again with a newer snapshot and goes on where it was.
type walk struct {
	footage Footage
	name    string
	want    timeline.Range
	key     bool // begin at the key frame, not at the instant
	growing bool
	take    func(ctx context.Context, p *portion) error
	fits    func(run *timeline.RunView, chosen choice) bool // whether a further run can go into the same file; nil: every one

	checked checked
	scan    mp4.Scanner
	out     []placed
	runID   uint64
	lastN   int64
	lanes   []*lane
	any     bool // something was taken
	stopped bool // a run did not fit
	reached bool // the end of the range
	clock
}

// clock is the time of a clip, which has no holes.
type clock struct {
	begin time.Time        // the instant of the clip's clock 0: its first key frame
	zero  time.Time        // the present piece's key frame
	at    int64            // where the present piece stands on the clip's clock, MovieScale
	end   int64            // where what was taken ends, on the clip's clock, MovieScale
	ends  map[string]int64 // the same for each rendition
}

// checked is how far footage is compared with its checksums before anything is taken of it.
type checked struct {
	until time.Time // then no more; zero: all of it
	again bool      // damage was found, of which the next snapshot tells
}

// advance takes what the snapshot has and has not been taken.
func (w *walk) advance(ctx context.Context, snap *timeline.Snapshot) error {
	defer func() { w.leave(w.lanes) }()
	for i := range snap.Runs {
		run := &snap.Runs[i]
		if run.ID < w.runID || w.stopped {
			continue
		}
		chosen := choose(run)
		after := int64(-1)
		if run.ID == w.runID {
			after = w.lastN
		}
		all := rows(run, chosen, after, w.growing)
		for len(all) > 0 && !w.stopped {
			var some []row
			some, all = stretch(all)
			if err := w.stretch(ctx, run, chosen, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// stretch takes rows without a hole between them.
func (w *walk) stretch(ctx context.Context, run *timeline.RunView, chosen choice, all []row) error {
	from, to := span(run, chosen, all)
	if !w.want.From.IsZero() && !to.After(w.want.From) {
		return nil
	}
	if !w.want.To.IsZero() && !from.Before(w.want.To) {
		w.reached = true
		return nil
	}
	if run.ID != w.runID || w.lanes == nil || all[0].n != w.lastN+1 {
		if w.any && w.fits != nil && !w.fits(run, chosen) {
			w.stopped = true
			return nil
		}
		var err error
		if all, err = w.beginPiece(ctx, run, chosen, all); err != nil || all == nil {
			return err
		}
	}
	for _, r := range all {
		if err := w.row(ctx, run.ID, r); err != nil {
			return err
		}
		w.lastN = r.n
	}
	return nil
}

func (w *walk) row(ctx context.Context, run uint64, r row) error {
	for i, s := range r.segs {
		if s == nil {
			continue
		}
		if whole, err := w.whole(ctx, run, w.lanes[i], s.N); err != nil || !whole {
			return err
		}
	}
	past, covers := true, true
	for i, s := range r.segs {
		l := w.lanes[i]
		if s == nil {
			l.started = false // what follows a hole begins with a key frame
			continue
		}
		if !w.want.To.IsZero() && !presentation.At(s.Start, l.head.Scale).Before(w.want.To) {
			continue
		}
		past = false
		covers = covers && !w.want.To.IsZero() && !segEnd(s, l.head.Scale).Before(w.want.To)
		samples, err := w.samples(ctx, run, l, s.N)
		if err != nil {
			return err
		}
		w.place(l, samples)
		if len(w.out) == 0 {
			continue
		}
		w.any = true
		if err := w.take(ctx, &portion{lane: l, run: run, n: s.N, samples: w.out}); err != nil {
			return err
		}
	}
	w.reached = w.reached || past || covers
	return nil
}

// whole compares a segment with its checksum. Of damage a newer snapshot tells: a file that grows waits for that, and for
// one that is being prepared the rest of the range is looked through first.
func (w *walk) whole(ctx context.Context, run uint64, l *lane, n int64) (bool, error) {
	if until := w.checked.until; !until.IsZero() && time.Now().After(until) {
		return true, nil
	}
	return w.compare(ctx, run, l, n)
}

func (w *walk) compare(ctx context.Context, run uint64, l *lane, n int64) (bool, error) {
	if l.peek == nil {
		l.peek = w.footage.Peek(w.name, run, l.name)
	}
	err := l.peek.Check(ctx, n)
	if !errors.Is(err, timeline.ErrDamaged) && !errors.Is(err, timeline.ErrGone) {
		return err == nil, err
	}
	if w.growing {
		return false, errAgain
	}
	w.checked.again = true
	return false, nil
}

// samples gives none for a segment that is damaged.
func (w *walk) samples(ctx context.Context, run uint64, l *lane, n int64) ([]mp4.Located, error) {
	if whole, err := w.whole(ctx, run, l, n); err != nil || !whole {
		return nil, err
	}
	if l.peek == nil {
		l.peek = w.footage.Peek(w.name, run, l.name)
	}
	r, size, err := l.peek.Segment(ctx, n)
	if err != nil {
		return nil, err
	}
	samples, err := w.scan.Scan(r, size, l.head)
	if err != nil {
		if whole, damage := w.compare(ctx, run, l, n); damage != nil || !whole {
			return nil, damage
		}
	}
	return samples, err
}

// beginPiece finds the key frame that a stretch begins with and sets the clock. It returns the rows from there on, nil if
// there is nothing to begin with.
func (w *walk) beginPiece(ctx context.Context, run *timeline.RunView, chosen choice, all []row) ([]row, error) {
	lanes := make([]*lane, len(chosen))
	for i, k := range chosen {
		rd := &run.Run.Renditions[k]
		head, err := mp4.ParseHeader(rd.Init)
		if err != nil {
			return nil, err
		}
		lanes[i] = &lane{name: rd.Name, track: rd.Track, head: head}
	}
	defer func() {
		if len(lanes) > 0 && (len(w.lanes) == 0 || w.lanes[0] != lanes[0]) {
			w.leave(lanes)
		}
	}()
	for i, l := range lanes {
		at, key, err := w.firstKey(ctx, run.ID, all, i, l)
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			w.open(run.ID, lanes, presentation.At(key, l.head.Scale))
			return all[max(at-1, 0):], nil // sound of the row before may reach over its end
		}
	}
	return nil, nil
}

// firstKey finds the key frame that a stretch begins with: the last one that is shown not after the beginning of the range,
// else the first one there is. at is the row it is in, -1 if there is none. A segment need not begin with a key frame to
// have one, so that the moofs decide.
func (w *walk) firstKey(ctx context.Context, run uint64, all []row, i int, l *lane) (at int, key int64, err error) {
	from := w.want.From
	last := -1
	for k := range all {
		if s := all[k].segs[i]; s != nil && !presentation.At(s.Start, l.head.Scale).After(from) {
			last = k
		}
	}
	for k := last; k >= 0; k-- {
		if key, ok, err := w.keyIn(ctx, run, l, all[k].segs[i], from); ok || err != nil {
			return k, key, err
		}
	}
	for k := last + 1; k < len(all) && k < last+mostKeyless; k++ {
		if key, ok, err := w.keyIn(ctx, run, l, all[k].segs[i], time.Time{}); ok || err != nil {
			return k, key, err
		}
	}
	return -1, 0, nil
}

// keyIn is the presentation time of the last key frame of a segment that is not after an instant; of its first one for
// the zero instant.
func (w *walk) keyIn(ctx context.Context, run uint64, l *lane, s *timeline.SegmentView, from time.Time) (key int64, found bool, err error) {
	if s == nil {
		return 0, false, nil
	}
	samples, err := w.samples(ctx, run, l, s.N)
	if err != nil {
		return 0, false, err
	}
	for i := range samples {
		k := &samples[i]
		pts := k.DTS + int64(k.CTS)
		if k.Key && (from.IsZero() && !found || !from.IsZero() && !presentation.At(pts, l.head.Scale).After(from)) {
			key, found = pts, true
		}
	}
	return key, found, nil
}

// open begins a piece whose key frame is shown at zero. A run that follows the one before closely keeps its distance in
// time; any other begins where the footage before ended.
func (w *walk) open(run uint64, lanes []*lane, zero time.Time) {
	joined := false
	switch gap := zero.Sub(w.zero) - media.ToDuration(w.end-w.at, mp4.MovieScale); {
	case !w.any:
		w.begin, w.ends = zero, make(map[string]int64)
	case gap > -mostOverlap && gap < seamless:
		w.at += media.FromDuration(zero.Sub(w.zero), mp4.MovieScale)
		joined = true
	default:
		w.at = w.end
	}
	for _, l := range lanes {
		half := time.Second / time.Duration(2*l.head.Scale) // so that the time is rounded to the nearest tick
		l.zero = media.FromDuration(time.Duration(zero.UnixNano())+half, l.head.Scale)
		l.shift = media.Rescale(w.at, mp4.MovieScale, l.head.Scale)
		l.floor = l.shift
		if end, ok := w.ends[l.name]; ok && joined {
			l.floor = media.Rescale(end, mp4.MovieScale, l.head.Scale)
		}
	}
	w.leave(w.lanes)
	w.runID, w.lanes, w.zero = run, lanes, zero
}

// leave gives back what lanes have open.
func (w *walk) leave(lanes []*lane) {
	for _, l := range lanes {
		if l.peek != nil {
			l.peek.Close()
		}
	}
}

// place puts the samples that belong into the clip onto its clock, in w.out.
func (w *walk) place(l *lane, samples []mp4.Located) {
	w.out = w.out[:0]
	last := len(samples)
	if !w.want.To.IsZero() {
		// What decodes behind the last picture before the end is not needed; what decodes before it may be.
		to := media.FromDuration(time.Duration(w.want.To.UnixNano()), l.head.Scale)
		for last > 0 && samples[last-1].DTS+int64(samples[last-1].CTS) >= to {
			last--
		}
	}
	for i := range samples[:last] {
		s := &samples[i]
		p := placed{Located: *s, dts: s.DTS - l.zero + l.shift}
		p.pts = p.dts + int64(s.CTS)
		if !l.wants(&p, w.key) {
			continue
		}
		l.started = true
		w.out = append(w.out, p)
		end := media.Rescale(p.pts+int64(s.Duration), l.head.Scale, mp4.MovieScale)
		w.end = max(w.end, end)
		w.ends[l.name] = max(w.ends[l.name], end)
	}
}

// wants says whether a sample belongs into the piece. Video begins with a key frame, without the pictures shown
// before it, whose references are missing. Of the sound, the frame that sounds at the key frame is the first: whole where an edit list trims
// it, else the nearest.
func (l *lane) wants(p *placed, nearest bool) bool {
	if l.head.Kind == "vide" {
		return p.pts >= l.shift && (l.started || p.Key)
	}
	reach := int64(p.Duration)
	if nearest || l.floor > 0 {
		reach /= 2
	}
	return p.pts+reach > l.floor || l.started
}
