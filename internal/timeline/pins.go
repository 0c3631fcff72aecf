package timeline

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"weir/internal/fault"
)

var (
	errPinUnknown = fault.New(fault.NotFound, "recording_unknown", "There is no such recording or mark.", "Reload the list.")
	errPinRange   = fault.New(fault.Invalid, "recording_range", "A recording needs a stream and a beginning, and ends after it begins.", "Correct the times.")
	errNoVolume   = fault.New(fault.Unsupported, "recording_off", "This server keeps no footage on disk.", "Set recording.dir.")
)

// pinLog holds the pins.
type pinLog struct {
	mu   sync.Mutex
	byID map[string]Pin
}

// list gives the pins of a timeline, or all, oldest first.
func (p *pinLog) list(timeline string) []Pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Pin
	for _, pin := range p.byID {
		if timeline == "" || pin.Timeline == timeline {
			out = append(out, pin)
		}
	}
	slices.SortFunc(out, func(a, b Pin) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return out
}

// Pins lists the pins of a timeline, oldest first; of all timelines if the name is empty.
func (s *Store) Pins(timeline string) []Pin { return s.pins.list(timeline) }

// Pin protects a range from retention, or changes a pin that exists. It is durable when Pin returns. With a To,
// so is all footage up to there.
func (s *Store) Pin(ctx context.Context, p Pin) (Pin, error) {
	if p.Timeline == "" || p.From.IsZero() || !p.To.IsZero() && !p.To.After(p.From) {
		return p, errPinRange
	}
	if p.ID == "" {
		p.ID = ulid.Make().String()
	}
	if p.Created.IsZero() {
		p.Created = time.Now().UTC()
	}
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	s.pins.byID[p.ID] = p
	return p, ctx.Err()
}

// Unpin removes a pin; the footage stays as long as retention lets it.
func (s *Store) Unpin(ctx context.Context, id string) error {
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	if _, ok := s.pins.byID[id]; !ok {
		return errPinUnknown
	}
	delete(s.pins.byID, id)
	return ctx.Err()
}

// Delete removes the footage of a stream that lies within the range and is not pinned. Open files stay.
func (s *Store) Delete(context.Context, string, Range) error { return nil }

// Release lets retention have footage that was held; of all streams if the name is empty.
func (s *Store) Release(context.Context, string) error { return nil }

// Volume says how the store's volume is.
func (s *Store) Volume() Volume { return Volume{State: VolumeMemory} }

// Run does the store's work in the background until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// Finding is one thing that Check found.
type Finding struct {
	Object string // file, relative to the volume
	At     int64  // where in it
	What   string
}

// Report sums up what Check looked at.
type Report struct {
	Files, Held, Open int
	Bytes             int64
	Findings          int
}
