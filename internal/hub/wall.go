package hub

import (
	"time"

	"weir/internal/media"
	"weir/internal/steady"
)

// stepSettles is how long after a step of the wall clock frames of derived tracks may still be timed by the old one.
const stepSettles = 5 * time.Second

// instant is a moment by both clocks: the wall clock, which people and other machines go by and which may be set, and
// the monotonic one, by which time is measured.
type instant struct {
	wall time.Duration // since the Unix epoch
	mono time.Duration // since the hub was made
}

func (h *Hub) now() instant {
	t := time.Now()
	mono := t.Sub(h.born)
	if h.config().Wall != nil {
		t = h.config().Wall()
	}
	return instant{wall: time.Duration(t.UnixNano()), mono: mono}
}

func (i instant) time() time.Time { return time.Unix(0, int64(i.wall)) }

// steps follows the wall clock of a stream. The clocks of publications and the lanes live in a time without steps, so
// that only those who ask for epoch media time meet them; it is moved by the sum of the steps. What is less than a step
// is slewed like a publisher's drift.
type steps struct {
	steady.Clock
	newest time.Duration
	at     time.Duration // of the newest, monotonic
}

// look compares the clocks and reports whether the wall clock was set since the last look; s.mu is held.
func (s *Stream) look(now instant) (stepped bool) {
	by := s.steps.Look(now.wall, now.mono)
	if by == 0 {
		return false
	}
	s.steps.newest, s.steps.at = by, now.mono
	return true
}

// unstepped is the wall clock as if it had never been set since the stream began; s.mu is held.
func (s *Stream) unstepped(now instant) time.Duration { return now.wall - s.steps.Steps() }

// settle moves a frame whose times were taken from frames before the newest step; s.mu is held.
func (s *Stream) settle(f *media.Frame, scale uint32, now instant) {
	by := s.steps.newest
	if by == 0 || now.mono-s.steps.at > stepSettles {
		return
	}
	if at := media.ToDuration(f.DTS, scale); (at + by - now.wall).Abs() < (at - now.wall).Abs() {
		ticks := media.FromDuration(by, scale)
		f.DTS += ticks
		f.PTS += ticks
	}
}
