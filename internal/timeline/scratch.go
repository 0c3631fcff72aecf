package timeline

import (
	"os"
	"sync"
)

const maxIdleFiles = 8

// scratch is a growing file of finished segments. Each reader gets a descriptor of
// its own, because sendfile moves the descriptor's offset; a few are kept for the
// next reader.
type scratch struct {
	path  string
	size  int64 // written so far; owned by the timeline's lock
	live  int   // segments of it in the window; owned by the timeline's lock
	total int   // segments ever written to it; owned by the timeline's lock

	mu      sync.Mutex
	w       *os.File // nil once sealed
	idle    []*os.File
	retired bool
}

func createScratch(path string) (*scratch, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	return &scratch{path: path, w: f}, nil
}

// write writes the parts of a segment at an offset that is reserved for it.
func (s *scratch) write(parts [][]byte, at int64) error {
	s.mu.Lock()
	w := s.w
	s.mu.Unlock()
	if w == nil {
		return os.ErrClosed
	}
	for _, p := range parts {
		n, err := w.WriteAt(p, at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// seal closes the writing side: no more segments follow.
func (s *scratch) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil {
		_ = s.w.Close()
		s.w = nil
	}
}

// retire removes the file. Descriptors in use stay valid until they are put back.
func (s *scratch) retire() {
	s.seal()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return
	}
	s.retired = true
	for _, f := range s.idle {
		_ = f.Close()
	}
	s.idle = nil
	_ = os.Remove(s.path)
}

func (s *scratch) get() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		f := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return f, nil
	}
	if s.retired {
		return nil, ErrGone
	}
	return os.Open(s.path)
}

func (s *scratch) put(f *os.File) {
	s.mu.Lock()
	keep := !s.retired && len(s.idle) < maxIdleFiles
	if keep {
		s.idle = append(s.idle, f)
	}
	s.mu.Unlock()
	if !keep {
		_ = f.Close()
	}
}
