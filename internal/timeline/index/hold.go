package index

import (
	"context"
	"time"
)

// turnStep is how many rows one transaction holds or releases, so that a new file's row waits milliseconds.
const turnStep = 1000

// Refresh has an index that Inspect opened see what the process that writes it has done since.
func (d *DB) Refresh(ctx context.Context) error { return d.loadRecent(ctx) }

// Hold makes an older index safe to go on with: it holds all its files, and forgets what it was going to delete, since that may
// have been adopted again. Retention must wait for it. It takes small steps, with as much time between them as in them, so that
// it may run beside recording; then the generation of this start is written. How many files were held is returned.
func (d *DB) Hold(ctx context.Context, generation int64) (int, error) {
	for {
		garbage, err := d.Garbage(ctx)
		if err != nil {
			return 0, err
		}
		if len(garbage) == 0 {
			break
		}
		if err := d.Apply(ctx, Batch{Cleaned: garbage}); err != nil {
			return 0, err
		}
	}
	n := 0
	err := d.turn(ctx, "", true, func(held int, took time.Duration) error {
		n += held
		rest := time.NewTimer(took)
		defer rest.Stop()
		select {
		case <-rest.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		return n, err
	}
	d.mu.Lock()
	d.older = false
	d.mu.Unlock()
	return n, d.Advance(ctx, generation)
}

// Advance writes a new generation, before the volume gets it. An older index keeps its own.
func (d *DB) Advance(ctx context.Context, generation int64) error {
	d.mu.Lock()
	older := d.older
	d.mu.Unlock()
	if older {
		return nil
	}
	i, err := d.identity(ctx)
	if err != nil {
		return err
	}
	return d.transact(ctx, func(w *writer) error { return w.identify(i.volume, generation) })
}

// turn holds or releases the files of one timeline, or of all. after is called behind each step, if given.
func (d *DB) turn(ctx context.Context, name string, held bool, after func(int, time.Duration) error) error {
	var at place
	for done := false; !done; {
		began := time.Now()
		n := 0
		err := d.transact(ctx, func(w *writer) (err error) {
			n, at, done, err = w.turn(name, held, at)
			return err
		})
		if err == nil && after != nil {
			err = after(n, time.Since(began))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// turn is a step: it changes rows behind the given place, and before the first of them those that have not moved there yet.
func (w *writer) turn(name string, held bool, after place) (n int, next place, done bool, err error) {
	if after == (place{}) {
		for _, a := range w.db.recent.Load().rows {
			if a.Held == held || name != "" && a.Timeline != name {
				continue
			}
			f := a.File
			f.Held = held
			if err := w.putFile(&f); err != nil {
				return n, after, false, err
			}
			n++
		}
	}
	// Names are not all known since the start, so it is the number that tells whose a row is.
	var only int64
	if name != "" {
		if only, err = w.db.idOf(w.ctx, w.db.writing(), name); err != nil || only == 0 {
			return n, after, true, err
		}
	}
	rows, err := w.db.put[qHeldAfter].QueryContext(w.ctx, flag(!held), after.start, after.timeline, after.id, turnStep)
	if err != nil {
		return n, after, false, failed(err)
	}
	seen := 0
	next = after
	files, err := w.db.collect(w.ctx, w.db.writing(), rows, true, func(_ *File, at place) verdict {
		seen++
		next = at
		if only == 0 || at.timeline == only {
			return take
		}
		return skip
	})
	if err != nil {
		return n, after, false, err
	}
	w.direct = true // back to where they were
	for i := range files {
		files[i].Held = held
		if err := w.putFile(&files[i]); err != nil {
			return n, after, false, err
		}
	}
	return n + len(files), next, seen < turnStep, nil
}
