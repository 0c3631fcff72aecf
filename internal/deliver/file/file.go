// Package file serves any range of a timeline as one MP4 file for download and for players that know nothing else.
//
// A range that is over is a virtual file: a progressive MP4 whose head (moov first) is computed from the moofs of the
// stored segments, and whose samples leave from where they are stored. Its size is known before the first byte, so it has
// Range, ETag and HEAD like any file, and nothing is written for it. A range that is still growing is streamed as fragmented MP4.
//
// What belongs here: which samples a clip takes, its clock over runs and holes, sending it. What does not: the bytes of
// boxes (format/mp4, format/cmaf), where footage lies (timeline), who may have it (deliver.Server.Enter).
package file

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/deliver"
	"weir/internal/fault"
	"weir/internal/timeline"
)

// mostWaiting bounds the clips that are being prepared or wait for it.
const mostWaiting = 64

// Footage gives what has ever happened; timeline.Store does.
type Footage interface {
	// Past lists the segments that overlap a range; fault no_footage if there are none.
	Past(ctx context.Context, name string, r timeline.Range) (*timeline.Snapshot, error)
	// Peek looks into the segments of a rendition for their heads.
	Peek(name string, run uint64, rendition string) *timeline.Peeker
	// OpenSegment opens a finished segment.
	OpenSegment(ctx context.Context, name string, run uint64, rendition string, n int64) (*timeline.Reader, error)
}

// Config says what the server gives. Zero values get the defaults.
type Config struct {
	Longest  time.Duration // of a clip; 24 h
	Memory   int64         // bytes of prepared heads that are kept for the next request; 64 MiB
	Builders int           // heads prepared at once; 2
	// Check is how long segments are compared with their checksums before the head, which promises the size, is sent; 5 s, below 0:
	// not at all. They come from memory when they are sent then. The rest of a longer clip is compared while it is sent, and damage
	// cuts it off.
	Check time.Duration
	Live  func(name string) *timeline.Timeline // the live face of a stream, nil if there is none
}

func (c *Config) defaults() {
	if c.Longest <= 0 {
		c.Longest = 24 * time.Hour
	}
	if c.Memory <= 0 {
		c.Memory = 64 << 20
	}
	if c.Builders <= 0 {
		c.Builders = 2
	}
	if c.Check == 0 {
		c.Check = 5 * time.Second
	}
	if c.Live == nil {
		c.Live = func(string) *timeline.Timeline { return nil }
	}
}

// Server serves clips.
type Server struct {
	cfg     Config
	footage Footage
	deliver *deliver.Server
	log     *slog.Logger
	plans   *shelf

	clips, growing, built, fileBytes, copiedBytes, scanned atomic.Int64
	active, waiting                                        atomic.Int64
	builders                                               chan struct{}
	wg                                                     sync.WaitGroup
	base                                                   context.Context
	stop                                                   context.CancelFunc
}

// New returns a server; Close ends it.
func New(cfg Config, footage Footage, d *deliver.Server, log *slog.Logger) *Server {
	cfg.defaults()
	base, stop := context.WithCancel(context.Background())
	return &Server{
		cfg: cfg, footage: footage, deliver: d, log: log, plans: newShelf(cfg.Memory),
		builders: make(chan struct{}, cfg.Builders), base: base, stop: stop,
	}
}

// Close ends the preparing of heads and waits for it. Downloads end with their connections.
func (s *Server) Close() {
	s.stop()
	s.wg.Wait()
}

// Stats counts what the server did.
type Stats struct {
	Active      int64 // downloads now
	Clips       int64 // answered, ranges counted one by one
	Growing     int64 // streams of growing ranges
	Built       int64 // heads prepared
	Plans       int   // heads kept
	PlanBytes   int64 // and what they hold
	FileBytes   int64 // sent straight from files
	CopiedBytes int64 // sent through memory: heads, short stretches, footage not in files
	ScanBytes   int64 // read of moofs
}

// Stats returns the present figures.
func (s *Server) Stats() Stats {
	n, bytes := s.plans.held()
	return Stats{
		Active: s.active.Load(), Clips: s.clips.Load(), Growing: s.growing.Load(), Built: s.built.Load(), Plans: n, PlanBytes: bytes,
		FileBytes: s.fileBytes.Load(), CopiedBytes: s.copiedBytes.Load(), ScanBytes: s.scanned.Load(),
	}
}

// Faults of this package.
var (
	errNoFootage = timeline.ErrNoFootage
	errRange     = fault.New(fault.Invalid, "range_missing", "A clip needs to know from when to when.",
		"Add ?from=…&to=…: RFC 3339, Unix seconds, or -90s and the like, counted back from now.")
	errBusy = fault.New(fault.TooMany, "too_many_clips", "The server is preparing as many clips as it may.", "Try again in a few seconds.")
	errCut  = fault.New(fault.Invalid, "cut_unknown", "A clip is cut exactly or at a key frame.", "Use cut=exact or cut=key.")
)

func (s *Server) errLong() error {
	return fault.New(fault.TooLarge, "clip_too_long", "A clip may be "+s.cfg.Longest.String()+" long at most.", "Ask for a shorter range, or use index.m3u8 with the same range.")
}

// ServeClip answers clip.mp4 of a stream.
func (s *Server) ServeClip(w http.ResponseWriter, r *http.Request, name string, now time.Time) {
	if !deliver.Allowed(w, r) {
		return
	}
	s.active.Add(1)
	defer s.active.Add(-1)
	err := s.serve(w, r, name, now)
	if err == nil || r.Context().Err() != nil {
		return
	}
	var gone *sendError
	if errors.As(err, &gone) {
		s.log.Warn("a clip was cut off", "stream", name, "cause", gone.cause)
		panic(http.ErrAbortHandler) // the head is out: only the connection can tell
	}
	deliver.WriteFault(w, r, err)
}

// ask is a request, understood.
type ask struct {
	name   string
	want   timeline.Range
	key    bool
	save   bool // to be saved, not shown
	closed bool // the range is over or will be at a known instant
	moving bool // counted from now: the same address will mean another range
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, name string, now time.Time) error {
	wall := s.deliver.Wall(now)
	a, err := s.parse(r, name, wall)
	if err != nil {
		return err
	}
	visit, err := s.deliver.Enter(w, r, name, "file", false, now)
	if err != nil {
		return err
	}
	a.name = visit.Session.Name()
	if a.moving && a.closed && r.Header.Get("Range") != "" {
		// Who asks for ranges asks again: all of them must be of the same clip.
		redirect(w, r, a)
		return nil
	}
	d := &download{server: s, visit: visit, seen: now, enter: func(now time.Time) (deliver.Visit, error) {
		return s.deliver.Enter(w, r, name, "file", false, now)
	}}
	if !a.closed || a.want.To.After(wall) {
		return s.serveGrowing(w, r, a, d)
	}
	p, err := s.prepared(r.Context(), a)
	if err != nil {
		return err
	}
	s.clips.Add(1)
	return s.servePlan(w, r, a, p, d)
}

// prepared gives the clip without what is damaged. What is found to be while it is prepared is left out in the next try.
func (s *Server) prepared(ctx context.Context, a *ask) (*plan, error) {
	const tries = 5
	for range tries {
		snap, err := s.settled(ctx, a)
		if err != nil {
			return nil, err
		}
		p, err := s.plan(ctx, a, snap)
		if !errors.Is(err, errAgain) {
			return p, err
		}
	}
	return nil, errSegment
}

// settled is the footage of a range that is over. Its last segment may be still open: it is waited for.
func (s *Server) settled(ctx context.Context, a *ask) (*timeline.Snapshot, error) {
	const patience = 30 * time.Second
	wait, stop := context.WithTimeout(ctx, patience)
	defer stop()
	wide := timeline.Range{To: a.want.To}
	if !a.want.From.IsZero() {
		wide.From = a.want.From.Add(-lead)
	}
	for {
		live := s.cfg.Live(a.name)
		version := uint64(0)
		open := false
		if live != nil {
			now := live.Snapshot()
			version = now.Version
			open = !now.Ended && !reaches(now, a.want.To)
		}
		if !open {
			return s.footage.Past(ctx, a.name, wide)
		}
		if _, err := live.Wait(wait, version); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return s.footage.Past(ctx, a.name, wide) // what there is
		}
	}
}

// reaches says whether no segment that begins before an instant can come any more.
func reaches(snap *timeline.Snapshot, to time.Time) bool {
	if len(snap.Runs) == 0 {
		return true
	}
	run := &snap.Runs[len(snap.Runs)-1]
	if run.Ended || run.Start.After(to) {
		return true
	}
	for _, k := range choose(run) {
		segs := run.Renditions[k].Segments
		if n := len(segs); n > 0 && !segs[n-1].Complete {
			segs = segs[:n-1]
		}
		scale := run.Run.Renditions[k].Track.TimeScale
		if n := len(segs); n == 0 || segEnd(&segs[n-1], scale).Before(to) {
			return false
		}
	}
	return true
}

// plan gives the prepared head of a clip, made now if it is not kept. All who ask for the same clip wait for one making.
func (s *Server) plan(ctx context.Context, a *ask, snap *timeline.Snapshot) (*plan, error) {
	etag := tag(a.name, snap, a.want, a.key)
	return s.plans.get(ctx, etag, func(done func(*plan, error)) {
		if s.waiting.Add(1) > mostWaiting {
			s.waiting.Add(-1)
			done(nil, errBusy)
			return
		}
		s.wg.Go(func() {
			defer s.waiting.Add(-1)
			select {
			case s.builders <- struct{}{}:
				defer func() { <-s.builders }()
			case <-s.base.Done():
				done(nil, context.Cause(s.base))
				return
			}
			const longest = 2 * time.Minute
			ctx, cancel := context.WithTimeout(s.base, longest)
			defer cancel()
			done(s.build(ctx, a, snap, etag))
		})
	})
}

func (s *Server) build(ctx context.Context, a *ask, snap *timeline.Snapshot, etag string) (p *plan, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("a clip's head could not be made", "stream", a.name, "panic", v)
			p, err = nil, fault.New(fault.Internal, "panic", "The clip could not be prepared.", "The log has the details.")
		}
	}()
	s.built.Add(1)
	p, read, err := build(ctx, s.footage, a, snap, time.Now().Add(s.cfg.Check))
	s.scanned.Add(read)
	if p != nil {
		p.etag = etag
		if p.faults > 0 {
			s.log.Warn("a clip is made without damaged segments", "stream", a.name, "segments", p.faults)
		}
	}
	return p, err
}
