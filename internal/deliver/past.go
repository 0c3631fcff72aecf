package deliver

import (
	"context"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// Past is what was stored of all streams. The timeline store is one; the server gives it.
type Past interface {
	// Get gives the live timeline of a stream, nil while it is not live.
	Get(name string) *timeline.Timeline
	// Past lists the segments of a range; the fault no_footage where there are none.
	Past(ctx context.Context, name string, r timeline.Range) (*timeline.Snapshot, error)
	// OpenSegment opens a segment, live or stored; the fault segment_gone or footage_damaged.
	OpenSegment(ctx context.Context, name string, run uint64, rendition string, n int64) (*timeline.Reader, error)
	// Init gives a CMAF header.
	Init(ctx context.Context, name string, run uint64, rendition string) ([]byte, error)
	// Spans lists the unbroken stretches of a range.
	Spans(ctx context.Context, name string, r timeline.Range, join time.Duration) ([]timeline.Span, error)
	// Damage changes when it turns out that footage is damaged, or no longer is.
	Damage(name string) uint64
	// Coverage sums up the streams whose names begin with prefix and come after a name.
	Coverage(ctx context.Context, prefix, after string, limit int) ([]timeline.Coverage, error)
}

const (
	listViews  = 1 << 20  // segments that lists remember, together: about 100 MiB, and as much of their text
	blockBytes = 64 << 20 // of rendered blocks
	tsBytes    = 48 << 20 // of segments made into MPEG-TS
	loaders    = 4        // lists that are read at the same time

	settled   = 30 * time.Second // how long a closed range is good without looking: retention may take from it
	unsettled = 2 * time.Second  // the same for one that may grow and has no live timeline to ask
	watched   = 10 * time.Second // the same where the live timeline tells of every new segment
)

// edge says how far a live timeline has come. It changes with every finished segment.
type edge struct {
	timeline *timeline.Timeline
	run      uint64
	finished int64 // sum over the renditions of their newest finished number
	ended    bool
}

func edgeOf(t *timeline.Timeline) edge {
	if t == nil {
		return edge{}
	}
	s := t.Snapshot()
	e := edge{timeline: t, ended: s.Ended}
	if len(s.Runs) == 0 {
		return e
	}
	run := &s.Runs[len(s.Runs)-1]
	e.run = run.ID
	e.ended = e.ended || run.Ended
	for i := range run.Renditions {
		segs := run.Renditions[i].Segments
		for j := len(segs) - 1; j >= 0; j-- {
			if segs[j].Complete {
				e.finished += segs[j].N
				break
			}
		}
	}
	return e
}

// listKey names a range of a stream. Sliding windows of one length are one list, whenever they were asked for.
type listKey struct {
	name     string
	form     Form
	back     time.Duration
	from, to int64 // Unix ns
}

// List is what all viewers of a range share.
type List struct {
	Name string
	Ask  Ask // of the first who asked; a sliding one moves on

	server *Server
	key    listKey

	mu      sync.Mutex
	view    View
	at      time.Time // when view was loaded
	edge    edge
	damage  uint64
	grew    bool // it has been seen growing
	marks   []presentation.Mark
	docs    map[string]listDoc
	segment time.Duration
}

type listDoc struct {
	doc *Doc
	of  *presentation.Presentation
}

// List finds the shared list for what a request asks for and brings it up to date.
func (s *Server) List(ctx context.Context, name string, ask Ask, now time.Time) (*List, View, error) {
	key := listKey{name: name, form: ask.Form, back: ask.Back}
	if ask.Form != Sliding {
		key.from, key.to = ask.From.UnixNano(), ask.To.UnixNano()
		if ask.To.IsZero() {
			key.to = 0
		}
	}
	l := s.lists.get(key, func() (*List, int64) {
		return &List{Name: name, Ask: ask, server: s, key: key, docs: make(map[string]listDoc)}, 1
	})
	v, err := l.now(ctx, now)
	if err != nil {
		s.lists.drop(key)
	}
	return l, v, err
}

// now gives the present version.
func (l *List) now(ctx context.Context, now time.Time) (View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, damage := edgeOf(l.server.past.Get(l.Name)), l.server.past.Damage(l.Name)
	if l.view.Presentation != nil && damage == l.damage && l.freshLocked(e, now) {
		return l.view, nil
	}
	select {
	case l.server.loading <- struct{}{}:
		defer func() { <-l.server.loading }()
	case <-ctx.Done():
		return View{}, context.Cause(ctx)
	}
	if err := l.loadLocked(ctx, now); err != nil {
		return View{}, err
	}
	l.edge, l.at, l.damage = e, now, damage
	return l.view, nil
}

func (l *List) freshLocked(e edge, now time.Time) bool {
	age := now.Sub(l.at)
	switch {
	case !l.view.Live && l.Ask.Form == Closed:
		return age < settled
	case e != l.edge:
		return false
	case e.timeline == nil:
		return age < unsettled
	default:
		return age < watched
	}
}

func (l *List) loadLocked(ctx context.Context, now time.Time) error {
	r := l.Ask.Range
	if l.Ask.Form == Sliding {
		r = timeline.Range{From: now.Add(-l.Ask.Back)}
	}
	snap, err := l.server.past.Past(ctx, l.Name, r)
	if err != nil {
		if fault.Code(err) == codeNoFootage {
			return l.server.noFootage(ctx, l.Name, r, now)
		}
		return err
	}
	p := presentation.Past(l.Name, snap)
	l.grew = l.grew || p.Live
	if l.grew && l.Ask.Form != Sliding {
		p.Restore(l.marks)
		l.marks = p.Marks()
	}
	if len(p.Periods) == 0 {
		return l.server.noFootage(ctx, l.Name, r, now)
	}
	var before []presentation.Cut
	if l.view.Presentation != nil {
		before = l.view.Cuts
		p.Version = l.view.Version + 1
	}
	p.FindCuts(before)
	if !p.Live && !l.grew {
		l.segment = 0 // nobody has seen another target duration of it
	}
	segment, part := p.Longest()
	l.segment = max(l.segment, segment)
	l.view = View{Presentation: &p, Segment: l.segment, Part: part}
	l.server.lists.weigh(l.key, views(&p))
	return nil
}

func views(p *presentation.Presentation) int64 {
	n := 1
	for i := range p.Periods {
		for j := range p.Periods[i].Run.Renditions {
			n += len(p.Periods[i].Run.Renditions[j].Segments)
		}
	}
	return int64(n)
}

// Grew says whether players have seen the list growing, so that it must go on in the same time.
func (l *List) Grew() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.grew
}

// Doc returns the document of that kind for a version, rendered now if it is not there yet. The kinds must be few.
func (l *List) Doc(kind string, v View, render func(prev *Doc) *Doc) *Doc {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.docs[kind]
	if e.of != v.Presentation {
		l.server.renders.Add(1)
		e = listDoc{doc: render(e.doc), of: v.Presentation}
		l.docs[kind] = e
	}
	return e.doc
}

const codeNoFootage = "no_footage"

// Recorded says whether there is footage of a stream.
func (s *Server) Recorded(ctx context.Context, name string) bool {
	if s.past == nil {
		return false
	}
	_, ok := s.coverage(ctx, name)
	return ok
}

func (s *Server) coverage(ctx context.Context, name string) (timeline.Coverage, bool) {
	all, err := s.past.Coverage(ctx, name, "", 1) // the name itself is the first that begins with it
	if err != nil || len(all) == 0 || all[0].Timeline != name {
		return timeline.Coverage{}, false
	}
	return all[0], true
}

// noFootage names the footage that is nearest to a range that has none.
func (s *Server) noFootage(ctx context.Context, name string, r timeline.Range, now time.Time) error {
	c, ok := s.coverage(ctx, name)
	if !ok {
		return fault.New(fault.NotFound, codeNoFootage, "There is no footage of "+name+".", "Check the name, or whether the stream is recorded.")
	}
	to := r.To
	if to.IsZero() {
		to = now
	}
	near, from, until := "", c.From, c.To
	switch {
	case !to.After(c.From):
		near = "the oldest begins at " + stamp(c.From)
	case !r.From.Before(c.To):
		near = "the newest ends at " + stamp(c.To)
	default:
		from, until = s.around(ctx, name, r, to)
		near = "what comes before ends at " + stamp(from) + ", what comes after begins at " + stamp(until)
		from, until = until, c.To
	}
	return fault.New(fault.NotFound, codeNoFootage, "There is no footage of "+name+" in this range; "+near+".",
		"Ask for something between from="+string(appendUnix(nil, from.Truncate(time.Second)))+" and to="+string(appendUnix(nil, until.Truncate(time.Second)))+".")
}

// around is where the footage before a hole ends and that after it begins, as far as it is worth looking for.
func (s *Server) around(ctx context.Context, name string, r timeline.Range, to time.Time) (before, after time.Time) {
	before, after = r.From, to
	if spans, err := s.past.Spans(ctx, name, timeline.Range{From: r.From.Add(-s.cfg.MaxRange), To: r.From}, time.Minute); err == nil && len(spans) > 0 {
		before = spans[len(spans)-1].To
	}
	if spans, err := s.past.Spans(ctx, name, timeline.Range{From: to, To: to.Add(s.cfg.MaxRange)}, time.Minute); err == nil && len(spans) > 0 {
		after = spans[0].From
	}
	return before, after
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// Enough is List for a request that may be the first of its viewer: it waits until the first segments of the range are
// there, where the stream has just begun.
func (s *Server) Enough(ctx context.Context, name string, ask Ask, first bool, now time.Time) (*List, View, error) {
	if ask.Form != Closed && (first || s.past.Get(name) != nil) {
		// It keeps a pull on demand going, or begins it; without the stream the footage is all there is.
		_, _ = s.resolve(ctx, name)
	}
	l, v, err := s.List(ctx, name, ask, now)
	if fault.Code(err) != codeNoFootage || ask.Form == Closed || s.past.Get(name) == nil {
		return l, v, err
	}
	from := ask.From
	if from.Sub(now) > s.set.Load().FirstWait {
		return l, v, err
	}
	st, failed := s.Stream(ctx, name)
	if failed != nil {
		return nil, View{}, err
	}
	reached := func(v View) bool { return v.Measured() && v.reaches(from) }
	if _, ready, failed := st.Wait(ctx, s.set.Load().FirstWait, reached); failed != nil {
		return nil, View{}, failed
	} else if !ready {
		return nil, View{}, err
	}
	return s.List(ctx, name, ask, s.Wall(time.Now()))
}

// reaches reports whether a finished segment ends after an instant.
func (v View) reaches(at time.Time) bool {
	for i := range v.Periods {
		run := &v.Periods[i].Run
		for j := range run.Renditions {
			segs := run.Renditions[j].Segments
			for k := range segs {
				if segs[k].Complete && !segs[k].Gap && presentation.At(segs[k].Start+segs[k].Duration, run.Run.Renditions[j].Track.TimeScale).After(at) {
					return true
				}
			}
		}
	}
	return false
}

// kindOf tells the media type of a rendition by its name: audio begins with "a" (see GLOSSARY).
func kindOf(rendition string) []string {
	if rendition != "" && rendition[0] == 'a' {
		return typeAudio
	}
	return typeVideo
}
