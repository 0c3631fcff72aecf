package timeline

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/blob"
)

// Config says where and how much is kept.
type Config struct {
	// Dir is the volume: the folder for footage and its index. It is made if missing.
	// Empty: nothing is recorded, and the live window stays in memory.
	Dir string
	// Window is how much of finished segments stays in the head; 60 s if zero. RFC 8216
	// section 6.2.2 wants a segment to be available for the length of a playlist after
	// it left the playlist, so a playlist should list at most half of it.
	Window time.Duration
	// Keep says how much footage of a stream stays; nil: the window only.
	Keep func(name string) Keep
	// Sync is the longest time between a part's arrival and its being safe from a power cut; 1 s if zero.
	Sync time.Duration
	// Total bounds the footage of all streams in bytes, MinFree is the space to leave free, of which a tenth of the disk
	// is enough; 0: no limit.
	Total, MinFree int64
	// Blobs takes the finished files; if nil they lie in the folder "sealed" of the volume.
	Blobs blob.Store
	// Alarm is told what the operator has to know. It must not block; may be nil.
	Alarm func(Alarm)

	bounds *atomic.Pointer[Bounds] // what holds now of Window, Total and MinFree
}

// Bounds are what of a Config can change while the store works.
type Bounds struct {
	Window         time.Duration // for streams that begin from then on: their playlists rely on it
	Total, MinFree int64
}

const (
	defaultWindow = 60 * time.Second
	defaultSync   = time.Second
	dbPatience    = 5 * time.Second // for what the index is asked when a stream begins
)

// Stats counts what a store holds and does.
type Stats struct {
	Timelines, Runs, Segments int
	MemoryBytes               int64 // segments that are not safe on the disk
	BacklogBytes              int64 // those of them that have left the live window
	WrittenBytes              int64 // written to track files since the start
	Recording, Sealing        int   // renditions being recorded; files on their way to the index
	Lost                      int64 // segments that were not recorded
	Damaged                   int64 // faults found when reading
	Syncs                     int64 // times that something was made durable: fsync, fdatasync, syncfs, commits of the index
}

// Store holds the timelines of all streams, now and ever. It is safe for concurrent use.
type Store struct {
	cfg     Config
	log     *slog.Logger
	lastRun atomic.Uint64
	disk    disk
	vol     atomic.Pointer[volume]  // nil: nothing is recorded, by configuration or because the disk does not let it
	waiting atomic.Pointer[closing] // why it does not
	memory  *pinLog                 // without a volume: always empty

	mu     sync.Mutex
	byName map[string]*Timeline
	closed bool
}

// NewStore returns a store. With a folder it finishes the files that the last process left open, which takes no longer
// when there is more finished footage. Nothing is written before Run. A disk that is full, broken or read-only does not
// keep the server from starting: recording begins, by itself, when the disk works.
func NewStore(cfg Config, log *slog.Logger) (*Store, error) { return openStore(cfg, realDisk(), log) }

func openStore(cfg Config, d disk, log *slog.Logger) (*Store, error) {
	if cfg.Sync <= 0 {
		cfg.Sync = defaultSync
	}
	cfg.bounds = new(atomic.Pointer[Bounds])
	s := &Store{cfg: cfg, log: log, disk: d, byName: make(map[string]*Timeline), memory: memoryPins()}
	s.SetBounds(Bounds{cfg.Window, cfg.Total, cfg.MinFree})
	if cfg.Dir == "" {
		return s, nil
	}
	if err := s.openVolume(context.Background()); err != nil && !s.mayHeal(err) {
		return nil, err
	}
	return s, nil
}

// Bounds are those that hold now.
func (s *Store) Bounds() Bounds { return *s.cfg.bounds.Load() }

// SetBounds replaces the bounds.
func (s *Store) SetBounds(b Bounds) {
	if b.Window <= 0 {
		b.Window = defaultWindow
	}
	s.cfg.bounds.Store(&b)
}

// volume is the place that is recorded to, or nil.
func (s *Store) volume() *volume { return s.vol.Load() }

// Open returns the timeline of a stream, made if missing.
func (s *Store) Open(name string) (*Timeline, error) {
	if t := s.Get(name); t != nil {
		return t, nil
	}
	fresh := &Timeline{store: s, name: name, phase: phaseOf(name), window: s.cfg.bounds.Load().Window}
	if s.volume() != nil {
		ctx, stop := context.WithTimeout(context.Background(), dbPatience)
		fresh.next, fresh.began = s.volume().continuing(ctx, name)
		stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	t := s.byName[name]
	if t == nil {
		t = fresh
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
	add := func(name string) {
		if name > after && strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
	for name := range s.byName {
		add(name)
	}
	if s.volume() != nil {
		s.volume().mu.Lock()
		for name := range s.volume().tracks {
			add(name)
		}
		s.volume().mu.Unlock()
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Remove forgets a stream's window. Readers that are open finish what they have, and what is not recorded yet still
// is. It is one step, so that the stream's next timeline goes on with its numbers.
func (s *Store) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.byName[name]; t != nil {
		delete(s.byName, name)
		t.close()
	}
}

// Close ends all streams, makes what there is of them safe, and closes the volume. Run should have returned.
func (s *Store) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	all := s.byName
	s.byName = make(map[string]*Timeline)
	s.mu.Unlock()
	for _, t := range all {
		t.close()
	}
	if s.volume() == nil {
		return
	}
	if err := s.volume().flush(true); err != nil {
		s.log.Error("not all footage could be written before the end", "error", err)
	}
	if err := s.volume().sealAll(context.Background()); err != nil {
		s.log.Warn("not all files could be sealed; the next start does", "error", err)
	}
	if err := s.volume().part(context.Background()); err != nil {
		s.log.Warn("the stop could not be noted on the storage volume", "error", err)
	}
	if err := s.volume().close(); err != nil {
		s.log.Warn("the storage volume did not close cleanly", "error", err)
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
	st := Stats{Timelines: len(all)}
	for _, t := range all {
		t.addStats(&st)
	}
	if v := s.volume(); v != nil {
		st.BacklogBytes, st.WrittenBytes, st.Lost, st.Damaged = v.backlog.Load(), v.written.Load(), v.lost.Load(), v.damaged.Load()
		st.Syncs = v.syncs.Load()
		st.Recording = len(v.all(nil))
		v.sealMu.Lock()
		st.Sealing = len(v.sealing.queue)
		v.sealMu.Unlock()
	}
	return st
}

// newRunID is the current Unix time in milliseconds, or one more than the last id of the store or the stream if
// that is not later, so that ids grow even while the wall clock runs backwards.
func (s *Store) newRunID(after uint64) uint64 {
	for {
		last := s.lastRun.Load()
		id := max(uint64(time.Now().UnixMilli()), last+1, after+1)
		if s.lastRun.CompareAndSwap(last, id) {
			return id
		}
	}
}
