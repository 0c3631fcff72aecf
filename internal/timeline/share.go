package timeline

import (
	"errors"
	"sync"
)

// shared lets others have the sync that the flusher makes anyway. Each sync of the file system writes the pages of
// all inodes that have changed since the last one, so one more of them costs as much as one of the flusher's.
type shared struct {
	mu      sync.Mutex // guards what follows
	going   bool       // the flusher is at work
	waiting []chan<- error
}

// errAlone says that no sync is coming that could be shared.
var errAlone = errors.New("timeline: nobody else syncs")

// soon waits for the end of the next sync that begins.
func (s *shared) soon() error {
	s.mu.Lock()
	if !s.going {
		s.mu.Unlock()
		return errAlone
	}
	done := make(chan error, 1)
	s.waiting = append(s.waiting, done)
	s.mu.Unlock()
	return <-done
}

// board takes those who wait for the sync that is about to begin.
func (s *shared) board() riders {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.waiting
	s.waiting = nil
	return all
}

// run says whether the flusher is at work; when it no longer is, nobody waits for it.
func (s *shared) run(going bool) {
	s.mu.Lock()
	s.going = going
	s.mu.Unlock()
	if !going {
		s.board().arrive(errAlone)
	}
}

// riders wait for a sync.
type riders []chan<- error

func (r riders) arrive(err error) {
	for _, done := range r {
		done <- err
	}
}
