// Package thumb serves small pictures of the past: sprites for a scrub bar with the WebVTT that says what is where in them,
// and the single picture of an instant.
//
// A sprite covers a window of five minutes that begins at a multiple of five minutes of Unix time, one picture for each ten
// seconds at a place of its own, so that its address and its places say when, whatever range is asked for. It is made when
// first asked for, out of key frames; once its window is over it is kept with the footage.
//
// What belongs here: which key frame stands for an instant, addresses, keeping. What does not: decoding (transcode), where
// footage lies (timeline), who may see it (deliver.Server.Enter).
package thumb

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/blob"
	"weir/internal/deliver"
	"weir/internal/fault"
	"weir/internal/timeline"
	"weir/internal/transcode"
)

// Footage gives what has ever happened; timeline.Store does.
type Footage interface {
	// Past lists the segments that overlap a range; fault no_footage if there are none.
	Past(ctx context.Context, name string, r timeline.Range) (*timeline.Snapshot, error)
	// OpenSegment opens a finished segment.
	OpenSegment(ctx context.Context, name string, run uint64, rendition string, n int64) (*timeline.Reader, error)
}

const (
	window  = 5 * time.Minute
	every   = 10 * time.Second
	columns = 10
	rows    = 3
	width   = 160
	height  = 90

	// A window's last segment comes so long after its end at most; then the sprite is complete.
	afterEnd = time.Minute
	// A sprite of a growing window is made anew after so long.
	fresh = 15 * time.Second
	// A complete sprite is compared with the footage again after so long: what was deleted must not stay to be seen.
	compared = time.Minute
	// That there is no picture is believed for so long.
	denied = 20 * time.Second

	longest   = 24 * time.Hour // of a list: as many segments are looked at
	mostCues  = 2000           // in a list: then they are farther apart
	mostJobs  = 32             // that wait or work
	jobTime   = time.Minute
	mostFrame = 16 << 20
)

// sheet is the form of every sprite.
var sheet = transcode.Sheet{Width: width, Height: height, Columns: columns, Rows: rows}

// Config says what is kept. Zero values get the defaults.
type Config struct {
	Blobs  blob.Store // keeps complete sprites; nil: they stay in memory as long as there is room
	Memory int64      // bytes of pictures kept in memory; 16 MiB
}

// Server serves thumbnails.
type Server struct {
	cfg     Config
	footage Footage
	deliver *deliver.Server
	engine  *transcode.Engine
	log     *slog.Logger

	base context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	kept  map[string]*picture
	bytes int64
	used  uint64
	jobs  int

	made, fromBlobs, fromMemory, failed, refused atomic.Int64
}

// picture is one JPEG, kept or being made.
type picture struct {
	ready chan struct{}
	jpeg  []byte
	err   error
	until time.Time // zero: as long as there is room
	used  uint64
	count int  // how many of its places had footage
	final bool // of a window that is over
}

// New returns a server; Close ends it.
func New(cfg Config, footage Footage, d *deliver.Server, engine *transcode.Engine, log *slog.Logger) *Server {
	if cfg.Memory <= 0 {
		cfg.Memory = 16 << 20
	}
	base, stop := context.WithCancel(context.Background())
	return &Server{cfg: cfg, footage: footage, deliver: d, engine: engine, log: log, base: base, stop: stop, kept: make(map[string]*picture)}
}

// Close ends what is being made and waits for it.
func (s *Server) Close() {
	s.stop()
	s.wg.Wait()
}

// Stats counts what the server did.
type Stats struct {
	Made       int64 // pictures
	FromBlobs  int64 // given from the store
	FromMemory int64 // given from memory
	Failed     int64 // could not be made
	Refused    int64 // over the limit of jobs
	Kept       int   // in memory
	KeptBytes  int64
}

// Stats returns the present figures.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	n, bytes := len(s.kept), s.bytes
	s.mu.Unlock()
	return Stats{
		Made: s.made.Load(), FromBlobs: s.fromBlobs.Load(), FromMemory: s.fromMemory.Load(),
		Failed: s.failed.Load(), Refused: s.refused.Load(), Kept: n, KeptBytes: bytes,
	}
}

// Faults of this package.
var (
	errNoFootage = timeline.ErrNoFootage
	errNoVideo   = fault.New(fault.NotFound, "no_video", "What was recorded at this time has no picture.", "")
	errAddress   = fault.New(fault.NotFound, "no_such_address", "There is no sprite of this name.", "Take the names from thumbs.vtt.")
	errAt        = fault.New(fault.Invalid, "time_wrong", "The picture of which instant?", "Add ?at= as RFC 3339, Unix seconds, or -90s and the like.")
	errLong      = fault.New(fault.TooLarge, "range_too_long", "A list of thumbnails covers 24 hours at most.", "Ask for a shorter range.")
	errBusy      = fault.New(fault.TooMany, "too_many_pictures", "The server is making as many pictures as it may.", "Try again in a few seconds.")
)

// get gives a picture that is kept, or lets it be made once for all who ask. enough says whether what is kept will do.
func (s *Server) get(ctx context.Context, key string, now time.Time, enough func(p *picture) bool, begin func(ctx context.Context, p *picture)) (*picture, error) {
	s.mu.Lock()
	p := s.kept[key]
	if p != nil && done(p) && (!p.until.IsZero() && now.After(p.until) || p.err == nil && !enough(p)) {
		s.dropLocked(key)
		p = nil
	}
	if p == nil {
		if s.jobs >= mostJobs {
			s.mu.Unlock()
			s.refused.Add(1)
			return nil, errBusy
		}
		p = &picture{ready: make(chan struct{})}
		s.kept[key] = p
		s.jobs++
		s.wg.Go(func() { s.make(key, p, begin) })
	} else {
		s.fromMemory.Add(1)
	}
	s.used++
	p.used = s.used
	s.mu.Unlock()
	select {
	case <-p.ready:
		return p, p.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func done(p *picture) bool {
	select {
	case <-p.ready:
		return true
	default:
		return false
	}
}

// make runs a job. It outlives the request that began it: others may wait for it.
func (s *Server) make(key string, p *picture, begin func(ctx context.Context, p *picture)) {
	ctx, cancel := context.WithTimeout(s.base, jobTime)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("a picture could not be made", "key", key, "panic", v)
			p.err = fault.New(fault.Internal, "panic", "The picture could not be made.", "The log has the details.")
		}
		if p.err != nil {
			s.failed.Add(1)
			p.until = time.Now().Add(denied)
		} else {
			s.made.Add(1)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.jobs--
		s.bytes += cost(p)
		close(p.ready)
		s.trimLocked(p)
	}()
	begin(ctx, p)
}

// cost is what a kept picture takes, with the row of the table.
func cost(p *picture) int64 { return int64(len(p.jpeg)) + 256 }

func (s *Server) dropLocked(key string) {
	s.bytes -= cost(s.kept[key])
	delete(s.kept, key)
}

// trimLocked forgets what was used longest ago while there is too much.
func (s *Server) trimLocked(newest *picture) {
	for s.bytes > s.cfg.Memory {
		oldest, at := "", newest.used
		for key, p := range s.kept {
			if p != newest && done(p) && p.used <= at {
				oldest, at = key, p.used
			}
		}
		if oldest == "" {
			return
		}
		s.dropLocked(oldest)
	}
}
