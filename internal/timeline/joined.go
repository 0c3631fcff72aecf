package timeline

import (
	"slices"
	"strconv"
	"sync"

	"weir/internal/timeline/index"
)

// joined keeps the segments of renditions as they were last put together, so that one more segment costs little when hours are
// asked for again and again: a list is only ever appended to, and readers share what is there.
type joined struct {
	mu    sync.Mutex
	lists lru[*joinedList]
}

// joinedList is the segments of neighbouring files, then of the memory that came after them.
type joinedList struct {
	objects []string
	starts  []int // of each object in segs
	stored  int   // how many segs are of objects
	segs    []SegmentView
}

// sources is what a rendition is put together of.
type sources struct {
	files  []*index.File
	views  [][]SegmentView // of files
	memory []SegmentView
}

// inOrder says whether the files follow each other and memory tells nothing else of what they have: so it is but for files
// that were given up. It returns what only memory has.
func (s *sources) inOrder() (tail []SegmentView, ok bool) {
	for i := 1; i < len(s.views); i++ {
		a, b := s.views[i-1], s.views[i]
		if len(a) == 0 || len(b) == 0 || a[len(a)-1].N >= b[0].N {
			return nil, false
		}
	}
	var last []SegmentView
	if n := len(s.views); n > 0 {
		last = s.views[n-1]
	}
	if len(last) == 0 {
		return nil, false
	}
	file := len(s.views) - 1
	for k := len(s.memory) - 1; k >= 0; k-- {
		m := &s.memory[k]
		if m.N > last[len(last)-1].N {
			continue
		}
		if tail == nil {
			tail = s.memory[k+1:]
		}
		for file >= 0 && s.views[file][0].N > m.N {
			file--
		}
		if file < 0 {
			return nil, false
		}
		at, there := slices.BinarySearchFunc(s.views[file], m.N, func(v SegmentView, n int64) int { return int(v.N - n) })
		if !there || !s.views[file][at].same(m) {
			return nil, false
		}
	}
	if tail == nil {
		tail = s.memory
	}
	return tail, true
}

// same compares segments that have no parts.
func (v *SegmentView) same(o *SegmentView) bool {
	return v.N == o.N && v.MSN == o.MSN && v.Start == o.Start && v.DTS == o.DTS && v.Duration == o.Duration && v.Size == o.Size &&
		v.Key == o.Key && v.Independent == o.Independent && v.Gap == o.Gap && v.Complete == o.Complete
}

// list puts a rendition together. What it returns is shared and must not be changed.
func (j *joined) list(timeline string, run uint64, rendition string, s *sources) ([]SegmentView, bool) {
	tail, ok := s.inOrder()
	if !ok {
		return nil, false
	}
	key := timeline + "\x00" + strconv.FormatUint(run, 10) + "\x00" + rendition
	j.mu.Lock()
	defer j.mu.Unlock()
	if l, ok := j.lists.get(key); ok {
		if segs, ok := l.extend(s, tail); ok {
			j.lists.put(key, l, cap(l.segs))
			return segs, true
		}
	}
	l := &joinedList{}
	segs, ok := l.extend(s, tail)
	j.lists.put(key, l, cap(l.segs))
	return segs, ok
}

// extend brings the list as far as the sources reach, and gives what they cover. It fails if they tell something else than
// the list has, or have left most of it behind.
func (l *joinedList) extend(s *sources, tail []SegmentView) ([]SegmentView, bool) {
	first := 0
	if len(l.objects) > 0 {
		if first = slices.Index(l.objects, s.files[0].Object); first < 0 || first > 2*(len(l.objects)-first)+8 {
			return nil, false
		}
	}
	known := l.objects[first:]
	if len(known) > len(s.files) {
		return nil, false // a range that ended long ago
	}
	for i, object := range known {
		if s.files[i].Object != object {
			return nil, false
		}
	}
	at := l.stored
	for i := len(known); i < len(s.files); i++ {
		begin := at
		for k := range s.views[i] {
			if !l.put(at, &s.views[i][k]) {
				return nil, false
			}
			at++
		}
		l.objects, l.starts, l.stored = append(l.objects, s.files[i].Object), append(l.starts, begin), at
	}
	for k := range tail {
		if !l.put(at, &tail[k]) {
			return nil, false
		}
		at++
	}
	return l.segs[l.starts[first]:at:at], true
}

// put has a segment at a place: one that is there already, or the next one.
func (l *joinedList) put(at int, v *SegmentView) bool {
	if at < len(l.segs) {
		return l.segs[at].same(v)
	}
	l.segs = append(l.segs, *v)
	return true
}
