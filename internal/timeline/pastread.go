package timeline

import (
	"context"
	"errors"
	"sort"
	"strconv"
	"time"

	"weir/internal/fault"
	"weir/internal/timeline/index"
)

// OpenSegment opens a segment, of the live window or of the past. What comes from the past has been compared with
// its checksum; damaged footage is never handed out.
func (s *Store) OpenSegment(ctx context.Context, name string, run uint64, rendition string, n int64) (*Reader, error) {
	r, err := s.openSegment(ctx, name, run, rendition, n)
	if v := s.volume(); err == nil && v != nil {
		v.spoiled.remove(name, place{run, rendition, n})
	}
	return r, err
}

func (s *Store) openSegment(ctx context.Context, name string, run uint64, rendition string, n int64) (*Reader, error) {
	if t := s.Get(name); t != nil {
		if r, err := t.OpenSegment(run, rendition, n); err == nil || !errors.Is(err, ErrGone) {
			return r, err
		}
	}
	if s.volume() == nil {
		return nil, ErrGone
	}
	for _, tr := range s.volume().of(name) {
		if tr.r.ID == run && tr.r.Renditions[tr.i].Name == rendition {
			if r, err := tr.open(s.volume(), n); err == nil || !errors.Is(err, ErrGone) {
				return r, err
			}
		}
	}
	return s.volume().openPast(ctx, name, run, rendition, n)
}

// open opens a segment that has left the window and is not in the index yet.
func (tr *track) open(v *volume, n int64) (*Reader, error) {
	tr.t.mu.Lock()
	for _, b := range tr.queue {
		if b.n == n && b.complete && !b.lost {
			tr.t.mu.Unlock()
			return &Reader{t: tr.t, seg: b, size: b.size}, nil
		}
	}
	for _, f := range tr.files {
		i := sort.Search(len(f.safe), func(k int) bool { return f.safe[k].N >= n })
		if i == len(f.safe) || f.safe[i].N != n {
			continue
		}
		seg := f.safe[i]
		b := &body{n: n, complete: true, file: f, offset: seg.Offset, size: seg.Size, crc: seg.CRC, checked: f.checked[n]}
		tr.t.mu.Unlock()
		r := &Reader{t: tr.t}
		if err := r.useFile(b, 0, b.size); err != nil {
			return nil, err
		}
		tr.t.mu.Lock()
		if f.checked == nil {
			f.checked = map[int64]bool{}
		}
		f.checked[n] = true
		tr.t.mu.Unlock()
		return r, nil
	}
	tr.t.mu.Unlock()
	return nil, ErrGone
}

// openPast opens a segment of a file that the index knows.
func (v *volume) openPast(ctx context.Context, name string, run uint64, rendition string, n int64) (*Reader, error) {
	r, err := v.cachedRun(ctx, name, run)
	if err != nil {
		return nil, err
	}
	row, err := v.db.File(ctx, name, run, rendition, n, near(n, r.SegmentDuration))
	if err != nil {
		v.distrust(err)
		if fault.Of(err).Kind == fault.NotFound {
			return nil, ErrGone
		}
		return nil, err
	}
	f, err := v.fileOf(row)
	if err != nil {
		return nil, err
	}
	i, ok := f.find(n)
	if !ok {
		return nil, ErrGone
	}
	o, err := f.get()
	if err != nil {
		if fault.Of(err).Kind == fault.NotFound {
			v.missing(row)
			return nil, ErrGone
		}
		return nil, err
	}
	if err := f.check(v, o, i); err != nil {
		f.put(o)
		return nil, err
	}
	return &Reader{from: &f.objects, object: o, offset: f.segs[i].Offset, size: f.segs[i].Size}, nil
}

// missing reports a file that the index knows and that is not there, unless it was just removed.
func (v *volume) missing(row *index.File) {
	if known, err := v.db.Has(context.Background(), row.Object); err == nil && known {
		v.reportMissing(row)
	}
}

// cachedRun is a run's row.
func (v *volume) cachedRun(ctx context.Context, name string, id uint64) (*index.Run, error) {
	key := name + "\x00" + strconv.FormatUint(id, 10)
	v.cache.mu.Lock()
	r, ok := v.cache.runs.get(key)
	v.cache.mu.Unlock()
	if ok {
		return r, nil
	}
	r, err := v.findRun(ctx, name, id)
	if err != nil {
		v.distrust(err)
		return nil, err
	}
	if r == nil {
		return nil, ErrGone
	}
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	v.cache.runs.put(key, r, 1)
	return r, nil
}

// findRun reads a run's row. Its id says about when it was, so that not all runs have to be looked at; nil if there is none.
func (v *volume) findRun(ctx context.Context, name string, id uint64) (*index.Run, error) {
	if r, err := v.db.LastRun(ctx, name); err != nil || r != nil && r.ID == id {
		return r, err
	}
	about := time.UnixMilli(int64(min(id, 1<<53)))
	for _, rg := range []Range{{about.Add(-time.Hour), about.Add(time.Hour)}, {}} {
		runs, err := v.db.Runs(ctx, name, rg.From, rg.To)
		if err != nil {
			return nil, err
		}
		for i := range runs {
			if runs[i].ID == id {
				return &runs[i], nil
			}
		}
	}
	return nil, nil
}

// Init gives the CMAF header of a rendition.
func (s *Store) Init(ctx context.Context, name string, run uint64, rendition string) ([]byte, error) {
	if t := s.Get(name); t != nil {
		if b := t.initOf(run, rendition); b != nil {
			return b, nil
		}
	}
	if s.volume() == nil {
		return nil, ErrGone
	}
	for _, tr := range s.volume().of(name) {
		if rd := &tr.r.Renditions[tr.i]; tr.r.ID == run && rd.Name == rendition {
			return rd.Init, nil
		}
	}
	r, err := s.volume().cachedRun(ctx, name, run)
	if err != nil {
		return nil, err
	}
	for i := range r.Renditions {
		if r.Renditions[i].Name == rendition && len(r.Renditions[i].Init) > 0 {
			return r.Renditions[i].Init, nil
		}
	}
	return nil, ErrGone
}

func (t *Timeline) initOf(id uint64, rendition string) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.runs {
		if i := r.indexOf(rendition); r.ID == id && i >= 0 {
			return r.Renditions[i].Init
		}
	}
	return nil
}
