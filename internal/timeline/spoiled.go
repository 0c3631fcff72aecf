package timeline

import (
	"context"
	"slices"
	"sync"
	"time"

	"weir/internal/format/cmaf/trackfile"
	"weir/internal/timeline/index"
)

const (
	// mostSpoiled bounds the segments that are known to be damaged. With a disk of which more is, lists go on offering the rest.
	mostSpoiled = 1 << 16
	// What was damaged is looked at again so often, when a list is asked for: its file may have been restored, or the disk be back.
	lookAgain   = time.Minute
	looksAtOnce = 4 // a list waits for so many of them at most
)

// place names a segment of a timeline.
type place struct {
	run       uint64
	rendition string
	n         int64
}

// spoiled is which segments are known to be damaged, or to be in files that are not there. Lists tell of them as gaps. It is
// known to memory alone: who reads them after a start finds it again.
type spoiled struct {
	mu     sync.Mutex
	byName map[string]*spoiledLine
	count  int
}

// spoiledLine is that of one timeline.
type spoiledLine struct {
	seen    map[place]time.Time // and when it was looked at last
	changes uint64
}

func (s *spoiled) add(name string, places ...place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byName[name]
	if l == nil {
		if s.byName == nil {
			s.byName = map[string]*spoiledLine{}
		}
		l = &spoiledLine{seen: map[place]time.Time{}}
		s.byName[name] = l
	}
	now := time.Now()
	for _, p := range places {
		_, known := l.seen[p]
		switch {
		case !known && s.count >= mostSpoiled:
			return
		case !known:
			s.count++
			l.changes++
		}
		l.seen[p] = now
	}
}

// remove notes that a segment is whole, or gone for good.
func (s *spoiled) remove(name string, p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byName[name]; l != nil {
		if _, known := l.seen[p]; known {
			delete(l.seen, p)
			l.changes++
			s.count--
		}
	}
}

// forget drops what a removed file held.
func (s *spoiled) forget(row *index.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byName[row.Timeline]
	if l == nil {
		return
	}
	for p := range l.seen {
		if p.run == row.Run && p.rendition == row.Rendition && p.n >= row.FirstN && p.n <= row.LastN {
			delete(l.seen, p)
			s.count--
		}
	}
}

// of lists what is known of a timeline.
func (s *spoiled) of(name string) []place {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byName[name]
	if l == nil || len(l.seen) == 0 {
		return nil
	}
	out := make([]place, 0, len(l.seen))
	for p := range l.seen {
		out = append(out, p)
	}
	return out
}

// due says whether a segment is to be looked at again, and notes that it is.
func (s *spoiled) due(name string, p place, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byName[name]
	if l == nil {
		return false
	}
	at, known := l.seen[p]
	if !known || now.Sub(at) < lookAgain {
		return false
	}
	l.seen[p] = now
	return true
}

// Damage counts how often it turned out that a segment of a stream is damaged, or that it no longer is. Who keeps what Past
// gave asks anew when it has changed.
func (s *Store) Damage(name string) uint64 {
	v := s.volume()
	if v == nil {
		return 0
	}
	v.spoiled.mu.Lock()
	defer v.spoiled.mu.Unlock()
	if l := v.spoiled.byName[name]; l != nil {
		return l.changes
	}
	return 0
}

// omitSpoiled makes gaps of the segments that are known to be damaged. It returns false if nothing else is left.
func (s *Store) omitSpoiled(ctx context.Context, name string, snap *Snapshot) bool {
	v := s.volume()
	if v == nil {
		return true
	}
	looks, found := 0, false
	for _, p := range v.spoiled.of(name) {
		for i := range snap.Runs {
			run := &snap.Runs[i]
			j := run.indexOf(p.rendition)
			if run.ID != p.run || j < 0 {
				continue
			}
			segs := run.Renditions[j].Segments
			if len(segs) == 0 || p.n < segs[0].N || p.n > segs[len(segs)-1].N || segs[p.n-segs[0].N].Gap {
				continue
			}
			if looks < looksAtOnce && v.spoiled.due(name, p, time.Now()) {
				looks++
				if r, err := s.OpenSegment(ctx, name, p.run, p.rendition, p.n); err == nil {
					r.Close()
					continue
				}
			}
			found = true
			segs = slices.Clone(segs) // they are shared
			g := &segs[p.n-segs[0].N]
			g.Gap, g.Damaged, g.Size, g.Key = true, true, 0, 0
			run.Renditions[j].Segments = segs
		}
	}
	return !found || snap.anything()
}

// anything reports whether there is a segment that can be fetched.
func (s *Snapshot) anything() bool {
	for i := range s.Runs {
		for j := range s.Runs[i].Renditions {
			for k := range s.Runs[i].Renditions[j].Segments {
				if !s.Runs[i].Renditions[j].Segments[k].Gap {
					return true
				}
			}
		}
	}
	return false
}

// spoilAll notes that a whole file is not there.
func (v *volume) spoilAll(row *index.File) {
	segs, err := trackfile.ParseGroups(row.Groups)
	if err != nil {
		return
	}
	places := make([]place, 0, len(segs))
	for i := range segs {
		if !segs[i].Gap {
			places = append(places, place{row.Run, row.Rendition, segs[i].N})
		}
	}
	v.spoiled.add(row.Timeline, places...)
}

// spoilWindow makes a gap of a damaged segment in the live window, if it is still there.
func (t *Timeline) spoilWindow(p place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, v := t.find(p.run, p.rendition, p.n); v != nil && v.Complete && !v.Gap {
		v.Gap, v.Damaged, v.Parts = true, true, nil
		t.bumpLocked()
	}
}
