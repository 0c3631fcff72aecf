package testpattern

import (
	"context"
	"time"

	"weir/internal/media"
)

// mostLate is how far behind the clock Run still catches up by sending faster. After a longer sleep of the machine a burst
// would only hurt, so the source goes on from there, late for good.
const mostLate = 5 * time.Second

// Run hands every frame to write at its time, until ctx ends or write fails, and returns that error.
func (s *Source) Run(ctx context.Context, write func(media.Frame) error) error {
	start := time.Now().Add(-s.Due())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := time.Until(start.Add(s.Due()))
		if wait < -mostLate {
			start, wait = start.Add(-wait), 0
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := write(s.Next(time.Now())); err != nil {
			return err
		}
	}
}
