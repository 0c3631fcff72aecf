package replay

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/timeline"
)

// reel gives what is to be played, piece by piece, in order.
type reel interface {
	// next returns io.EOF at the end.
	next(ctx context.Context) (piece, error)
	close()
}

// piece is about a segment of all tracks.
type piece struct {
	tracks []media.Track // set when they are new: at the beginning and at each joint
	frames []media.Frame // in the order of their decoding times
}

const (
	window     = 10 * time.Minute // that is asked for at once: a month must not be held in memory
	maxSegment = 256 << 20
	longWait   = time.Second // between two looks for new footage
)

// footage is the reel of a timeline.
type footage struct {
	src      Source
	name     string
	from, to time.Time

	spans  []timeline.Span // not yet played, the first being played
	at     time.Time       // up to where the first has been asked for
	asked  bool            // for spans
	resume time.Time       // where the last span played ended
	run    *timeline.RunView
	queue  []int64 // numbers to play
	played uint64  // the newest run of which something was played
	lastN  int64   // in it

	decks  []deck // of the run's renditions
	opened uint64 // the run that they belong to
	cut    cut
}

// deck takes the segments of one rendition apart.
type deck struct {
	name string
	head *cmaf.Header
	torn bool // the last segment was missing
}

func newFootage(src Source, o Options) *footage {
	return &footage{src: src, name: o.Timeline, from: o.From, to: o.To, cut: cut{from: o.From, to: o.To}}
}

func (f *footage) close() {}

func (f *footage) next(ctx context.Context) (piece, error) {
	for {
		if len(f.queue) > 0 {
			n := f.queue[0]
			f.queue = f.queue[1:]
			f.played, f.lastN = f.run.ID, n
			p, err := f.segment(ctx, n)
			if err != nil || len(p.frames) > 0 || len(p.tracks) > 0 {
				return p, err
			}
			continue
		}
		more, err := f.look(ctx)
		if err != nil {
			return piece{}, err
		}
		if !more {
			return piece{}, io.EOF
		}
	}
}

// look fills the queue from the next window. It reports whether it makes sense to go on.
func (f *footage) look(ctx context.Context) (bool, error) {
	if len(f.spans) == 0 {
		return f.find(ctx)
	}
	span := f.spans[0]
	f.at = latest(latest(f.at, span.From), f.from) // it may reach out of what was asked for
	until := span.To
	if !f.to.IsZero() {
		until = earliest(until, f.to)
	}
	if !f.at.Before(until) {
		f.resume = span.To
		f.spans, f.at = f.spans[1:], time.Time{}
		return true, nil
	}
	end := earliest(f.at.Add(window), until)
	snap, err := f.src.Past(ctx, f.name, timeline.Range{From: f.at, To: end})
	f.at = end
	if fault.Code(err) == "no_footage" {
		return true, nil // deleted meanwhile
	}
	if err != nil {
		return false, err
	}
	for i := range snap.Runs {
		if run := &snap.Runs[i]; run.ID == span.Run {
			f.enqueue(run)
		}
	}
	return true, nil
}

// find asks for the spans that follow what has been played. When there are none, more may come while the stream lives.
func (f *footage) find(ctx context.Context) (bool, error) {
	from, now := f.from, time.Now()
	if f.asked {
		from = earliest(f.resume, now.Add(-10*time.Second)) // the clock may have been set back
	}
	spans, err := f.src.Spans(ctx, f.name, timeline.Range{From: from, To: f.to}, hole)
	if err != nil {
		return false, err
	}
	live := false
	for _, s := range spans {
		live = live || s.Live
		if !f.asked || s.Run > f.played || s.Run == f.played && s.To.After(f.resume) {
			f.spans = append(f.spans, s)
		}
	}
	f.asked = true
	switch {
	case len(f.spans) > 0:
		return true, nil
	case live && (f.to.IsZero() || now.Before(f.to)):
		return true, pause(ctx, longWait)
	}
	return false, nil
}

// enqueue takes the numbers of a run that have not been played.
func (f *footage) enqueue(run *timeline.RunView) {
	f.run = run
	for i := range run.Renditions {
		for _, s := range run.Renditions[i].Segments {
			if s.Gap || !s.Complete || run.ID == f.played && s.N <= f.lastN {
				continue
			}
			if at, found := slices.BinarySearch(f.queue, s.N); !found {
				f.queue = slices.Insert(f.queue, at, s.N)
			}
		}
	}
}

// segment reads segment n of all renditions.
func (f *footage) segment(ctx context.Context, n int64) (p piece, err error) {
	if f.opened != f.run.ID {
		if err := f.open(ctx); err != nil {
			return p, err
		}
		p.tracks = f.tracks()
	}
	for i := range f.decks {
		d := &f.decks[i]
		data, err := f.read(ctx, i, n)
		if err != nil {
			return p, err
		}
		d.torn = d.torn || data == nil
		k := len(p.frames)
		if p.frames, err = d.head.Frames(p.frames, data); err != nil {
			return p, err
		}
		if d.torn { // what follows a hole begins with a key frame
			key := slices.IndexFunc(p.frames[k:], func(x media.Frame) bool { return x.Key })
			if d.torn = key < 0; d.torn {
				key = len(p.frames) - k
			}
			p.frames = slices.Delete(p.frames, k, k+key)
		}
		for ; k < len(p.frames); k++ {
			p.frames[k].Track = media.TrackID(i)
		}
	}
	tracks := f.tracks()
	p.frames = f.cut.apply(p.frames, tracks)
	inOrder(p.frames, tracks)
	return p, nil
}

// open reads the headers of the run's renditions.
func (f *footage) open(ctx context.Context) error {
	f.decks = make([]deck, 0, len(f.run.Renditions))
	for i := range f.run.Run.Renditions {
		name := f.run.Run.Renditions[i].Name
		header, err := f.src.Init(ctx, f.name, f.run.ID, name)
		if err != nil {
			return err
		}
		head, err := cmaf.ParseInit(header)
		if err != nil {
			return err
		}
		f.decks = append(f.decks, deck{name: name, head: head})
	}
	f.opened = f.run.ID
	return nil
}

// tracks are those of the decks, with numbers of their own: in each header it is track 1.
func (f *footage) tracks() []media.Track {
	tracks := make([]media.Track, len(f.decks))
	for i := range f.decks {
		tracks[i] = f.decks[i].head.Tracks[0]
		tracks[i].ID = media.TrackID(i)
	}
	return tracks
}

// read gives the bytes of a rendition's segment, none if it has left the timeline meanwhile, was never there, or is damaged.
func (f *footage) read(ctx context.Context, i int, n int64) ([]byte, error) {
	r, err := f.src.OpenSegment(ctx, f.name, f.run.ID, f.decks[i].name, n)
	if err != nil && (fault.Of(err).Kind == fault.NotFound || errors.Is(err, timeline.ErrDamaged)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var data []byte
	if size := r.Size(); size > 0 && size < maxSegment {
		data = make([]byte, 0, size)
	}
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if data = append(data, b...); len(data) > maxSegment {
			return nil, fault.New(fault.Internal, "segment_too_long", "A segment is too long to be replayed.", "")
		}
	}
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
