package file

import (
	"context"
	"sync"
)

// shelf keeps prepared clips, the latest used first to stay, and lets one be made once for all who ask.
type shelf struct {
	limit int64

	mu    sync.Mutex
	slots map[string]*slot
	used  uint64
	bytes int64
}

type slot struct {
	ready chan struct{}
	plan  *plan
	err   error
	used  uint64
	bytes int64
}

func newShelf(limit int64) *shelf { return &shelf{limit: limit, slots: make(map[string]*slot)} }

func (s *shelf) held() (n int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.slots), s.bytes
}

// get gives what is kept under a name or begins its making. begin must not block; it has done called once. A failed making is
// told to all who wait for it and not kept.
func (s *shelf) get(ctx context.Context, name string, begin func(done func(*plan, error))) (*plan, error) {
	s.mu.Lock()
	x := s.slots[name]
	fresh := x == nil
	if fresh {
		x = &slot{ready: make(chan struct{})}
		s.slots[name] = x
	}
	s.used++
	x.used = s.used
	s.mu.Unlock()
	if fresh {
		begin(func(p *plan, err error) { s.settle(name, x, p, err) })
	}
	select {
	case <-x.ready:
		return x.plan, x.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *shelf) settle(name string, x *slot, p *plan, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.plan, x.err = p, err
	close(x.ready)
	if err != nil {
		delete(s.slots, name)
		return
	}
	x.bytes = int64(p.memory())
	s.bytes += x.bytes
	for s.bytes > s.limit {
		oldest, at := "", x.used
		for n, o := range s.slots {
			if o.bytes > 0 && o != x && o.used <= at {
				oldest, at = n, o.used
			}
		}
		if oldest == "" {
			oldest = name // too large to keep: those who wait have it
		}
		s.bytes -= s.slots[oldest].bytes
		delete(s.slots, oldest)
		if oldest == name {
			return
		}
	}
}
