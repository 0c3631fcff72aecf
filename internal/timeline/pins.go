package timeline

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"weir/internal/fault"
)

var (
	errPinUnknown = fault.New(fault.NotFound, "recording_unknown", "There is no such recording or mark.", "Reload the list.")
	errPinRange   = fault.New(fault.Invalid, "recording_range", "A recording needs a stream and a beginning, and ends after it begins.", "Correct the times.")
	errHolding    = fault.New(fault.Unavailable, "footage_holding", "The footage of a restored index is still being marked as held.", "Try again in a minute.")
	errNoVolume   = fault.New(fault.Unsupported, "recording_off", "This server keeps no footage on disk.", "Set recording.dir.")
)

// arrival is how long footage of now is waited for: what a publisher has sent becomes a part within about a second.
const arrival = 3 * time.Second

// Pins lists the pins of a timeline, oldest first; of all timelines if the name is empty.
func (s *Store) Pins(timeline string) []Pin { return s.pins().list(timeline) }

func (s *Store) pins() *pinLog {
	if s.volume() != nil {
		return s.volume().pins
	}
	return s.memory
}

// Pin protects a range from retention, or changes a pin that exists. It is durable when Pin returns. With a To that
// has passed, so is all footage up to there; if that cannot be written, the pin is not made.
func (s *Store) Pin(ctx context.Context, p Pin) (Pin, error) {
	if p.Timeline == "" || p.From.IsZero() || !p.To.IsZero() && !p.To.After(p.From) {
		return p, errPinRange
	}
	if s.volume() == nil {
		return p, errNoVolume
	}
	if p.ID == "" {
		p.ID = ulid.Make().String()
	}
	if p.Created.IsZero() {
		p.Created = time.Now().UTC()
	}
	if !p.To.IsZero() && !p.To.After(time.Now()) {
		s.awaitTime(ctx, p.Timeline, p.To)
		if err := s.volume().flush(true); err != nil && s.volume().isWaiting(p.Timeline, p.To) {
			return p, err
		}
	}
	if err := s.pins().set(p); err != nil {
		_, cause, remedy := trouble(err)
		return p, fault.Wrap(err, fault.Unavailable, "recording_stopped", "The recording could not be noted down: "+cause+".", remedy)
	}
	s.volume().lookAgain(p.Timeline)
	return p, ctx.Err()
}

// awaitTime waits a moment until the live stream's footage has come as far as to.
func (s *Store) awaitTime(ctx context.Context, name string, to time.Time) {
	t := s.Get(name)
	if t == nil {
		return
	}
	ctx, stop := context.WithTimeout(ctx, arrival)
	defer stop()
	for snap := t.Snapshot(); !snap.reaches(to); {
		var err error
		if snap, err = t.Wait(ctx, snap.Version); err != nil || snap.Ended {
			return
		}
	}
}

// reaches reports whether the newest run has ended or has come as far as to in all its renditions.
func (s *Snapshot) reaches(to time.Time) bool {
	if len(s.Runs) == 0 {
		return true
	}
	r := &s.Runs[len(s.Runs)-1]
	if r.Ended {
		return true
	}
	for i := range r.Renditions {
		segs := r.Renditions[i].Segments
		if len(segs) == 0 {
			return false
		}
		last := &segs[len(segs)-1]
		if at(last.Start+last.Duration, r.Run.Renditions[i].Track.TimeScale).Before(to) {
			return false
		}
	}
	return true
}

// isWaiting reports whether footage of a stream from before to could not be made safe.
func (v *volume) isWaiting(name string, to time.Time) bool {
	v.flushMu.Lock()
	defer v.flushMu.Unlock()
	for _, tr := range v.of(name) {
		if tr.pause == 0 {
			continue
		}
		tr.t.mu.Lock()
		scale := tr.r.Renditions[tr.i].Track.TimeScale
		waiting := false
		for _, b := range tr.queue {
			waiting = waiting || !b.lost && at(b.start, scale).Before(to)
		}
		tr.t.mu.Unlock()
		if waiting {
			return true
		}
	}
	return false
}

// Unpin removes a pin; the footage stays as long as retention lets it.
func (s *Store) Unpin(_ context.Context, id string) error {
	p, err := s.pins().remove(id)
	if err == nil && s.volume() != nil {
		s.volume().lookAgain(p.Timeline)
	}
	return err
}
