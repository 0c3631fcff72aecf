package timeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"weir/internal/timeline/index"
)

// Run does the store's work until ctx ends: it writes what is recorded, seals finished files, applies retention and
// adopts files that the index does not know. Each goes on when one look at it fails.
func (s *Store) Run(ctx context.Context) error {
	if err := s.openLater(ctx); err != nil {
		return err
	}
	if v := s.volume(); v != nil {
		var wg sync.WaitGroup
		wg.Go(func() { v.flusher(ctx) })
		wg.Go(func() { v.sealer(ctx) })
		wg.Go(func() { v.keeper(ctx) })
		wg.Go(func() { v.adopter(ctx) })
		wg.Wait()
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// safely turns a panic into an error: recording goes on with the next tick.
func (v *volume) safely(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			v.panics.Add(1)
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			v.log.Error("recording failed inside", "error", err)
		}
	}()
	return do()
}

// tick is how often is written and synced: so often that a byte whose page does not fill is safe within the promised time, if it
// had just come at the tick before. Each sync costs a page for every 16 files whose inodes have changed, so not more often.
func (v *volume) tick() time.Duration { return max(v.cfg.Sync/2, time.Millisecond) }

// flusher writes at intervals.
func (v *volume) flusher(ctx context.Context) {
	tick := time.NewTicker(v.tick())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = v.safely(func() error { return v.flush(false) }) // told by alarm
		case <-ctx.Done():
			return
		}
	}
}

// sealer seals files as they are finished, and tries again after a while what did not work.
func (v *volume) sealer(ctx context.Context) {
	pause := time.Duration(0)
	for {
		var again <-chan time.Time
		if pause > 0 {
			again = time.After(pause)
		}
		wake := v.wake
		if pause > 0 {
			wake = nil
		}
		select {
		case <-wake:
			select { // what is finished meanwhile shares the syncs
			case <-time.After(sealRounds * v.cfg.Sync):
			case <-ctx.Done():
				return
			}
		case <-again:
		case <-ctx.Done():
			return
		}
		err := v.safely(func() error { return v.sealAll(ctx) })
		switch {
		case err == nil:
			pause = 0
		case errors.Is(err, context.Canceled):
		default:
			if pause == 0 {
				v.log.Error("finished footage cannot be sealed yet", "error", err)
			}
			pause = min(max(2*pause, firstPause), longestPause)
		}
	}
}

// keeper applies retention.
func (v *volume) keeper(ctx context.Context) {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	var clock doubt
	for began := time.Now(); ; {
		select {
		case <-tick.C:
		case <-v.soon:
		case <-ctx.Done():
			return
		}
		err := v.safely(func() error {
			now := time.Now()
			by, err := v.disbelief(ctx, &clock, began, now)
			if err != nil {
				return err
			}
			return v.retain(ctx, now, now.Add(-by))
		})
		if err != nil && ctx.Err() == nil {
			v.log.Error("old footage cannot be removed", "error", err)
		}
	}
}

// Flush makes everything that has been appended so far safe on the disk.
func (s *Store) Flush() error {
	if s.volume() == nil {
		return nil
	}
	return s.volume().flush(true)
}

// Flush is Store.Flush.
func (t *Timeline) Flush() error { return t.store.Flush() }

// Delete removes the footage of a stream that lies within the range and is not pinned, by whole files: one that
// reaches out of the range stays, and so does one that is in the live window.
func (s *Store) Delete(ctx context.Context, name string, r Range) error {
	v := s.volume()
	if v == nil {
		return errNoVolume
	}
	if err := v.sealAll(ctx); err != nil {
		return err
	}
	files, err := v.db.Files(ctx, name, r.From, r.To)
	if err != nil {
		return err
	}
	gone := files[:0]
	for i := range files {
		f := &files[i]
		inside := (r.From.IsZero() || !f.From.Before(r.From)) && (r.To.IsZero() || !f.To.After(r.To))
		if inside && !v.pinned(f) && !v.inWindow(f) {
			gone = append(gone, *f)
		}
	}
	return v.remove(ctx, gone)
}

// Release lets retention have footage that was held; of all streams if the name is empty.
func (s *Store) Release(ctx context.Context, name string) error {
	v := s.volume()
	if v == nil {
		return errNoVolume
	}
	if v.holding.Load() {
		return errHolding
	}
	err := v.apply(ctx, index.Batch{Release: []string{name}})
	v.lookAgain(name)
	return err
}

// Volume says how the store's volume is.
func (s *Store) Volume() Volume {
	v := s.volume()
	if v == nil {
		w := s.waiting.Load()
		if w == nil {
			return Volume{State: VolumeMemory}
		}
		state, cause, _ := trouble(w.err)
		return Volume{Dir: s.cfg.Dir, State: state, Cause: cause, Since: w.since}
	}
	out := Volume{Dir: v.dir, ID: v.id, Used: v.usage.Load(), Held: v.heldBytes.Load(), Lost: v.lost.Load()}
	if total, free, err := v.disk.space(v.dir); err == nil {
		out.Total, out.Free = total, free
	}
	v.status.mu.Lock()
	defer v.status.mu.Unlock()
	out.State, out.Cause, out.Since, out.SyncMax = v.status.state, v.status.cause, v.status.since, v.status.slowest()
	out.BytesPerDay = v.status.perDay(v.written.Load(), time.Now())
	return out
}
