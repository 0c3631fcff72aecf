package timeline

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where and how much the head keeps.
type Config struct {
	// Dir holds the scratch files. It is created if missing and cleared of stale
	// scratch files. Empty: everything stays in memory.
	Dir string
	// Window is how much of finished segments stays fetchable; 60 s if zero. RFC 8216
	// section 6.2.2 wants a segment to be available for the length of a playlist after
	// it left the playlist, so a playlist should list at most half of it.
	Window time.Duration
	// Keep says how much footage of a stream stays; nil: the window only.
	Keep func(name string) Keep
	// Sync is the longest time between a part's arrival and its being safe from a power cut; 1 s if zero.
	Sync time.Duration
	// Total bounds the footage of all streams in bytes, MinFree the space to leave free; 0: no limit.
	Total, MinFree int64
	// Alarm is told what the operator has to know. It must not block; may be nil.
	Alarm func(Alarm)
}

const (
	defaultWindow = 60 * time.Second
	scratchSuffix = ".head"
	rotateBytes   = 64 << 20
)

// Stats counts what a store holds.
type Stats struct {
	Timelines, Runs, Segments int
	MemoryBytes               int64 // parts of open segments, and finished ones that could not be written
	ScratchBytes              int64 // size of the scratch files
	ScratchFiles              int
	WriteErrors               int64 // segments kept in memory because the scratch file could not be written
}

// Store holds the timelines of all streams. It is safe for concurrent use.
type Store struct {
	cfg         Config
	log         *slog.Logger
	fileSeq     atomic.Int64
	lastRun     atomic.Uint64
	writeErrors atomic.Int64
	pins        pinLog

	mu     sync.Mutex
	byName map[string]*Timeline
	closed bool
}

// NewStore returns a store and clears its folder of scratch files that an earlier
// process left behind: the head does not outlive the process.
func NewStore(cfg Config, log *slog.Logger) (*Store, error) {
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
			return nil, err
		}
		stale, err := filepath.Glob(filepath.Join(cfg.Dir, "*"+scratchSuffix))
		if err != nil {
			return nil, err
		}
		for _, name := range stale {
			if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
				return nil, err
			}
		}
	}
	return &Store{cfg: cfg, log: log, byName: make(map[string]*Timeline), pins: pinLog{byID: make(map[string]Pin)}}, nil
}

// Open returns the timeline of a stream, made if missing.
func (s *Store) Open(name string) (*Timeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	t := s.byName[name]
	if t == nil {
		t = &Timeline{store: s, name: name}
		s.byName[name] = t
	}
	return t, nil
}

// Get returns the timeline of a stream, or nil.
func (s *Store) Get(name string) *Timeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byName[name]
}

// names lists the streams of a prefix that come after a name, sorted.
func (s *Store) names(prefix, after string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name := range s.byName {
		if name > after && strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Remove forgets a stream. Readers that are open finish what they have.
func (s *Store) Remove(name string) {
	s.mu.Lock()
	t := s.byName[name]
	delete(s.byName, name)
	s.mu.Unlock()
	if t != nil {
		t.close()
	}
}

// Close forgets all streams and removes the scratch files.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	all := s.byName
	s.byName = make(map[string]*Timeline)
	s.mu.Unlock()
	for _, t := range all {
		t.close()
	}
}

// Stats sums up all timelines.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	all := make([]*Timeline, 0, len(s.byName))
	for _, t := range s.byName {
		all = append(all, t)
	}
	s.mu.Unlock()
	st := Stats{Timelines: len(all), WriteErrors: s.writeErrors.Load()}
	for _, t := range all {
		t.addStats(&st)
	}
	return st
}

// newRunID is the current Unix time in milliseconds, or one more than the last id if
// that is not later, so that ids grow within a process and, as long as the wall clock
// does not run backwards, over restarts.
func (s *Store) newRunID() uint64 {
	for {
		last := s.lastRun.Load()
		id := max(uint64(time.Now().UnixMilli()), last+1)
		if s.lastRun.CompareAndSwap(last, id) {
			return id
		}
	}
}

func (s *Store) newScratch() (*scratch, error) {
	name := "h" + strconv.FormatInt(s.fileSeq.Add(1), 10) + scratchSuffix
	return createScratch(filepath.Join(s.cfg.Dir, name))
}
