package timeline

import (
	"context"
	"errors"
	"io"
	"slices"
	"sort"
	"sync"
	"time"

	"weir/internal/blob"
	"weir/internal/format/cmaf"
	"weir/internal/format/cmaf/trackfile"
	"weir/internal/media"
	"weir/internal/timeline/index"
)

const (
	cachedSegments = 200_000 // decoded rows, in segments of about 100 bytes
	cachedFiles    = 64      // files of the past that are open for readers
	cachedTracks   = 1024
)

// lru keeps what was used last, up to a total weight.
type lru[V any] struct {
	limit  int
	weight int
	tick   uint64
	byKey  map[string]*lruEntry[V]
	gone   func(V)
}

type lruEntry[V any] struct {
	value  V
	weight int
	used   uint64
}

func (c *lru[V]) get(key string) (v V, ok bool) {
	e := c.byKey[key]
	if e == nil {
		return v, false
	}
	c.tick++
	e.used = c.tick
	return e.value, true
}

func (c *lru[V]) put(key string, v V, weight int) {
	c.drop(key)
	c.tick++
	if c.byKey == nil {
		c.byKey = map[string]*lruEntry[V]{}
	}
	c.byKey[key] = &lruEntry[V]{v, weight, c.tick}
	if c.weight += weight; c.weight > c.limit {
		c.shrink()
	}
}

// shrink drops the least used until a quarter is free, so that it is rarely done.
func (c *lru[V]) shrink() {
	keys := make([]string, 0, len(c.byKey))
	for key := range c.byKey {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return int(int64(c.byKey[a].used) - int64(c.byKey[b].used)) })
	for _, key := range keys[:len(keys)-1] { // the newest stays however heavy it is
		if c.weight <= c.limit*3/4 {
			return
		}
		c.drop(key)
	}
}

func (c *lru[V]) drop(key string) {
	if e := c.byKey[key]; e != nil {
		delete(c.byKey, key)
		c.weight -= e.weight
		if c.gone != nil {
			c.gone(e.value)
		}
	}
}

// pastCache keeps what was read of the past of late.
type pastCache struct {
	mu     sync.Mutex
	rows   lru[[]SegmentView]
	files  lru[*pastFile]
	sums   lru[*sums]
	tracks lru[media.Track]
	runs   lru[*index.Run]
	joined joined // with a lock of its own
}

func newPastCache() *pastCache {
	return &pastCache{joined: joined{lists: lru[*joinedList]{limit: cachedSegments}}, rows: lru[[]SegmentView]{limit: cachedSegments}, tracks: lru[media.Track]{limit: cachedTracks},
		runs: lru[*index.Run]{limit: cachedTracks}, sums: lru[*sums]{limit: cachedSegments},
		files: lru[*pastFile]{limit: cachedFiles, gone: func(f *pastFile) { f.retire() }}}
}

func (c *pastCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.files.byKey {
		c.files.drop(key)
	}
}

// close closes a file; it is opened anew when it is asked for.
func (c *pastCache) close(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files.drop(object)
}

// drop forgets a file that is being removed.
func (c *pastCache) drop(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows.drop(object)
	c.sums.drop(object)
	c.files.drop(object)
}

// views decodes the segments of a row.
func (c *pastCache) views(f *index.File, r *Run) ([]SegmentView, error) {
	c.mu.Lock()
	v, ok := c.rows.get(f.Object)
	c.mu.Unlock()
	if ok {
		return v, nil
	}
	segs, err := trackfile.ParseGroups(f.Groups)
	if err != nil {
		return nil, err
	}
	v = viewsOf(segs, r)
	c.mu.Lock()
	c.rows.put(f.Object, v, len(v)+8)
	c.mu.Unlock()
	return v, nil
}

// viewsOf lists segments of a file as views, without gaps.
func viewsOf(segs []trackfile.Segment, r *Run) []SegmentView {
	out := make([]SegmentView, 0, len(segs))
	for i := range segs {
		if s := &segs[i]; !s.Gap {
			out = append(out, SegmentView{N: s.N, MSN: r.MSN(s.N), Start: s.Start, DTS: s.DTS, Duration: s.Duration,
				Independent: s.Independent, Complete: true, Size: s.Size, Key: s.Key})
		}
	}
	return out
}

// trackOf reads the track out of a CMAF header.
func (c *pastCache) trackOf(init []byte) (media.Track, error) {
	c.mu.Lock()
	t, ok := c.tracks.get(string(init))
	c.mu.Unlock()
	if ok {
		return t, nil
	}
	h, err := cmaf.ParseInit(init)
	if err != nil {
		return t, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tracks.put(string(init), h.Tracks[0], 1)
	return h.Tracks[0], nil
}

// pastFile is a file of the past that readers have open.
type pastFile struct {
	objects
	timeline, object string
	run              uint64
	rendition        string
	segs             []trackfile.Segment
	sums             *sums
}

// believed is how long a checksum that was right is not computed again, once the file is closed: a clip is checked before its
// head is sent, and then sent.
const believed = 10 * time.Minute

// sums is which segments of a file have been compared with their checksums. It outlives the open file.
type sums struct {
	since time.Time

	mu    sync.Mutex
	right []bool // parallel to the file's segments
}

func (f *pastFile) has(n int64) bool {
	_, ok := f.find(n)
	return ok
}

func (f *pastFile) find(n int64) (int, bool) {
	i := sort.Search(len(f.segs), func(k int) bool { return f.segs[k].N >= n })
	return i, i < len(f.segs) && f.segs[i].N == n && !f.segs[i].Gap
}

// fileOf opens the file that holds a segment of the past, or takes it from the cache.
func (v *volume) fileOf(row *index.File) (*pastFile, error) {
	v.cache.mu.Lock()
	f, ok := v.cache.files.get(row.Object)
	v.cache.mu.Unlock()
	if ok {
		return f, nil
	}
	segs, err := trackfile.ParseGroups(row.Groups)
	if err != nil {
		return nil, err
	}
	f = &pastFile{timeline: row.Timeline, object: row.Object, run: row.Run, rendition: row.Rendition, segs: segs}
	f.objects.open = func() (blob.Object, error) { return v.blobs.Open(context.Background(), row.Object) }
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	if other, ok := v.cache.files.get(row.Object); ok {
		return other, nil
	}
	if s, ok := v.cache.sums.get(row.Object); ok && len(s.right) == len(segs) && time.Since(s.since) < believed {
		f.sums = s
	} else {
		f.sums = &sums{since: time.Now(), right: make([]bool, len(segs))}
		v.cache.sums.put(row.Object, f.sums, len(segs)/8+8)
	}
	v.cache.files.put(row.Object, f, 1)
	return f, nil
}

// near is when segment n of a run lies, right to a segment.
func near(n int64, d time.Duration) time.Time { return time.Unix(0, n*int64(d)).UTC() }

// check compares a segment's checksum, once.
func (f *pastFile) check(v *volume, o blob.Object, i int) error {
	f.sums.mu.Lock()
	defer f.sums.mu.Unlock()
	if f.sums.right[i] {
		return nil
	}
	ok, err := compare(o, &f.segs[i], make([]byte, f.segs[i].Size))
	if f.sums.right[i] = ok && err == nil; f.sums.right[i] {
		return nil
	}
	v.reportSegment(f.timeline, f.object, place{f.run, f.rendition, f.segs[i].N}, err)
	v.cache.close(f.object) // it may be restored by another file of that name
	return ErrDamaged
}

// compare reports whether a segment's bytes match its checksum; an error tells a disk that does not answer from damage.
func compare(r io.ReaderAt, s *trackfile.Segment, buf []byte) (bool, error) {
	n, err := r.ReadAt(buf[:s.Size], s.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return int64(n) == s.Size && trackfile.Sum(buf[:s.Size]) == s.CRC, nil
}

func grow(buf []byte, n int64) []byte {
	if int64(cap(buf)) < n {
		return make([]byte, n)
	}
	return buf[:n]
}
