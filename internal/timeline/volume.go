package timeline

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/blob"
	blobfile "weir/internal/blob/file"
	"weir/internal/fault"
	"weir/internal/format/cmaf/trackfile"
	"weir/internal/timeline/index"
)

const (
	openFolder       = "open"
	sealedFolder     = "sealed"
	unreadableFolder = "unreadable" // files of the open folder that do not read at all
	openSuffix       = ".mp4"
	sealingSuffix    = ".sealing" // a second name of a file on its way to the blob store
	identityFile     = "volume.json"
)

// volume is the place where footage is stored: a folder with the files that are being written, a blob store with
// the finished ones, and the index of both.
type volume struct {
	dir, id string
	cfg     Config
	log     *slog.Logger
	disk    disk
	db      *index.DB
	apply   func(context.Context, index.Batch) error // db.Apply, counted
	blobs   blob.Store
	head    func(name string) *Timeline // the store's live timelines

	flushing                  // the flusher's state
	sealing                   // the sealer's
	pins        *pinLog       // of this volume
	cache       *pastCache    // of what was read of the index and of files
	status      status        // for people
	retainer                  // retention's state
	held        chan struct{} // closed when all unknown files have been adopted
	restored                  // of an index that was restored from a backup
	knownDamage               // was told of already
	counts
	registry
}

// counts are what a volume counts.
type counts struct {
	backlog atomic.Int64 // bytes beyond the live window that wait for the disk
	written atomic.Int64 // bytes written to files
	lost    atomic.Int64 // segments that were not recorded
	damaged atomic.Int64 // faults found when reading
	syncs   atomic.Int64 // fsync, fdatasync, syncfs, commits of the index
	panics  atomic.Int64
}

// registry knows the streams that are being recorded.
type registry struct {
	mu     sync.Mutex
	tracks map[string][]*track   // recorded and not yet all in the index, by stream
	last   map[string]continuity // how ended streams go on, until the index knows
}

// continuity is how the numbers of a stream go on after a run.
type continuity struct {
	run     uint64
	nextMSN int64
	nextSeq int
	absent  int64     // AbsentSoFar; below 0: not known, since nobody writes it down
	until   time.Time // when the run ended that the publisher is away since; zero if it left for another reason, or for good
}

// identity is the content of volume.json.
type identity struct {
	UUID       string `json:"uuid"`
	Generation int64  `json:"generation"` // counts the starts and the orderly stops
}

// openVolume opens the folder, finishes what a crash has left open, and opens the index.
func openVolume(ctx context.Context, cfg Config, d disk, log *slog.Logger) (*volume, error) {
	v := &volume{dir: cfg.Dir, cfg: cfg, log: log, blobs: cfg.Blobs, registry: registry{tracks: map[string][]*track{}, last: map[string]continuity{}},
		cache: newPastCache(), held: make(chan struct{}), knownDamage: knownDamage{faults: lru[struct{}]{limit: toldFaults}}}
	v.disk = d.counted(&v.syncs)
	v.buf = make([]byte, 0, copyBytes)
	v.wake, v.soon, v.passed = make(chan struct{}, 1), make(chan struct{}, 1), map[string]looked{}
	v.status.began(time.Now())
	for i, dir := range []string{v.dir, filepath.Join(v.dir, openFolder)} {
		err := os.MkdirAll(dir, 0o750)
		if i == 0 && err == nil {
			spread(dir)
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "recording_dir", "The folder for recordings cannot be made.", "Check recording.dir and the rights on it.")
		}
	}
	if v.blobs == nil {
		b, err := blobfile.New(filepath.Join(v.dir, sealedFolder))
		if err != nil {
			return nil, err
		}
		v.blobs = b
	}
	var err error
	if v.pins, err = openPins(v.dir, &v.disk, log); err != nil {
		return nil, err
	}
	if v.pins.bad > 0 {
		v.alarm(Alarm{Code: "footage_damaged", Message: "The list of recordings is damaged: some recordings may not be protected any more.",
			Remedy: "Look at pins.log.damaged in the folder for recordings, and make again what is missing."})
	}
	if err := v.openIndex(ctx); err != nil {
		return nil, err
	}
	if v.folder, err = os.Open(filepath.Join(v.dir, openFolder)); err == nil {
		err = v.recover(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

// openIndex opens the index as that of this volume's next start.
func (v *volume) openIndex(ctx context.Context) error {
	path := filepath.Join(v.dir, identityFile)
	var id identity
	switch b, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(b, &id); err != nil {
			v.log.Warn("the name of the storage volume does not read; it gets a new one", "file", path, "error", err)
			id = identity{}
		}
	}
	if id.UUID == "" {
		id.UUID = newUUID()
	}
	id.Generation++
	db, found, err := index.Open(ctx, v.dir, id.UUID, id.Generation)
	if err != nil {
		return err
	}
	v.db, v.id = db, id.UUID
	v.apply = func(ctx context.Context, b index.Batch) error {
		v.syncs.Add(1)
		return db.Apply(ctx, b)
	}
	switch {
	case found.Damaged != "":
		v.log.Error("the index of the recordings was damaged; it is built again from the files", "damage", found.Damaged, "kept", found.Aside)
		v.alarm(Alarm{Code: "footage_damaged", Message: "The index of the recordings was damaged (" + found.Damaged + ") and is built again from the files.",
			Remedy: "Check the disk. The damaged index was kept beside it."})
	case found.Foreign, found.Older:
		v.log.Warn("the index of the recordings is not the one of the last start; all footage of before will be held", "foreign", found.Foreign, "older", found.Older)
	}
	v.holding.Store(found.Older)
	v.generation = id.Generation
	if err := v.writeIdentity(); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

func (v *volume) writeIdentity() error {
	b, err := json.Marshal(identity{v.id, v.generation})
	if err != nil {
		return err
	}
	return v.disk.replace(filepath.Join(v.dir, identityFile), append(b, '\n'))
}

// part counts an orderly stop too, so that an index that was copied while this process ran is known for an older one.
func (v *volume) part(ctx context.Context) error {
	v.generation++
	if err := v.db.Advance(ctx, v.generation); err != nil {
		return err
	}
	return v.writeIdentity()
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (v *volume) openPath(h *trackfile.Head) string {
	return filepath.Join(v.dir, openFolder, fileName(h))
}

func escape(s string) string { return blob.Escape(s) }

// escapeName makes the folders of a stream's name, shortened by a hash if they would be too long.
func escapeName(name string) string {
	parts := strings.Split(name, "/")
	long := len(name) > 255
	for i := range parts {
		parts[i] = escape(parts[i])
		long = long || len(parts[i]) > 200 || parts[i] == ""
	}
	if out := strings.Join(parts, "/"); !long && len(out) <= 400 {
		return out
	}
	sum := sha256.Sum256([]byte(name))
	return "h-" + hex.EncodeToString(sum[:16])
}

// of lists the recordings of a stream that are not all in the index yet.
func (v *volume) of(name string) []*track {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]*track(nil), v.tracks[name]...)
}

func (v *volume) all(buf []*track) []*track {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, list := range v.tracks {
		buf = append(buf, list...)
	}
	return buf
}

func (v *volume) alarm(a Alarm) {
	if a.At.IsZero() {
		a.At = time.Now()
	}
	if v.cfg.Alarm != nil {
		v.cfg.Alarm(a)
	}
}

// continuing says how the numbers of a stream go on.
func (v *volume) continuing(ctx context.Context, name string) (continuity, bool) {
	v.mu.Lock()
	c, ok := v.last[name]
	v.mu.Unlock()
	if ok {
		return c, true
	}
	r, err := v.db.LastRun(ctx, name)
	if err != nil {
		v.log.Warn("cannot read how the stream's numbers go on; they begin anew", "stream", name, "error", err)
	}
	if err != nil || r == nil {
		return continuity{}, false
	}
	return v.after(ctx, r), true
}

// after is how numbers go on after a run. One that has no end was cut off by a crash between two files.
func (v *volume) after(ctx context.Context, r *index.Run) continuity {
	if r.End.IsZero() {
		r.End, r.Reason = r.Start, EndCrash
		r.LastN += v.unseen(r.SegmentDuration)
		if files, err := v.db.Timelines(ctx, r.Timeline, "", 1); err == nil && len(files) > 0 && files[0].Timeline == r.Timeline {
			r.End = later(r.End, files[0].To)
		}
		if err := v.apply(ctx, index.Batch{Runs: []index.Run{*r}}); err != nil {
			v.log.Warn("cannot note how the last run ended", "stream", r.Timeline, "error", err)
		}
	}
	return continuity{run: r.ID, nextMSN: r.MSNBase + r.LastN - r.FirstN + 1, nextSeq: r.Seq + 1, absent: -1}
}

// close closes the index and the files.
func (v *volume) close() error {
	var err error
	if v.db != nil {
		err = v.db.Close()
	}
	if v.folder != nil {
		err = errors.Join(err, v.folder.Close())
	}
	v.cache.clear()
	return errors.Join(err, v.pins.close())
}
