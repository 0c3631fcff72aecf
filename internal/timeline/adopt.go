package timeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"weir/internal/blob"
	"weir/internal/fault"
	"weir/internal/format/cmaf/trackfile"
)

const (
	adoptBatch = 200
	adoptPage  = 1000
	walkStep   = 200                    // objects between two looks at the clock
	walkPace   = 500 * time.Microsecond // for an object, so that a look at millions of them leaves the processor to the streams
)

// restored is the state of an index that was restored from a backup.
type restored struct {
	holding    atomic.Bool // its files are not all held yet: nothing may be deleted
	generation int64
}

// adopter holds what an older index knows, then looks for what the index does not know. What does not work now is tried again.
func (v *volume) adopter(ctx context.Context) {
	for pause := firstPause; v.holding.Load(); pause = min(2*pause, longestPause) {
		err := v.safely(func() error { return v.hold(ctx) })
		if err == nil || ctx.Err() != nil {
			break
		}
		v.log.Error("cannot hold the footage of a restored index yet", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	if err := v.safely(func() error { return v.adoptUnknown(ctx) }); err != nil && ctx.Err() == nil {
		v.log.Error("cannot look for files that the index does not know", "error", err)
	}
}

// hold keeps retention from all files of an index that was restored from a backup: by what it says of them, they may be long
// past their time, and somebody restored it to have them.
func (v *volume) hold(ctx context.Context) error {
	n, err := v.db.Hold(ctx, v.generation)
	if err != nil {
		return err
	}
	v.holding.Store(false)
	v.log.Warn("the index of the recordings is an older one; its files are held until released", "files", n)
	v.alarm(Alarm{Code: "footage_held", Message: fmt.Sprintf("The index of the recordings was restored from an older copy. The %d files in it are kept until you release them.", n),
		Remedy: "Look at what they are, then release them on the storage page.", At: time.Now()})
	return nil
}

// adoptUnknown gives a row to every object that the index does not know, and holds it: an index that is empty, of
// another volume or restored from a backup must never be a reason to delete footage. It walks over all objects while
// the server runs.
func (v *volume) adoptUnknown(ctx context.Context) error {
	defer close(v.held)
	w := walker{v: v, began: time.Now()}
	if err := w.page(ctx, ""); err != nil {
		return err
	}
	err := v.blobs.List(ctx, "", func(i blob.Info) error { return w.visit(ctx, i) })
	if err == nil {
		err = w.enter(ctx)
	}
	if w.adopted > 0 {
		v.log.Warn("files that the index did not know were adopted; they are held until released", "files", w.adopted)
		v.alarm(Alarm{Code: "footage_held", Message: fmt.Sprintf("%d files of footage that the index did not know were found. They are kept until you release them.", w.adopted),
			Remedy: "Look at what they are, then release them on the storage page.", At: time.Now()})
	}
	return err
}

// walker walks over the objects of the store beside those of the index.
type walker struct {
	v       *volume
	known   []string // a page of the index
	last    string   // its last key
	end     bool     // of the index
	files   []*found
	adopted int
	visited int
	began   time.Time
}

// pace waits when the walk is ahead of its time.
func (w *walker) pace(ctx context.Context) error {
	if w.visited++; w.visited%walkStep != 0 {
		return ctx.Err()
	}
	rest := time.NewTimer(time.Until(w.began.Add(time.Duration(w.visited) * walkPace)))
	defer rest.Stop()
	select {
	case <-rest.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *walker) page(ctx context.Context, after string) (err error) {
	if w.known, err = w.v.db.Objects(ctx, after, adoptPage); err != nil {
		return err
	}
	if w.end = len(w.known) < adoptPage; len(w.known) > 0 {
		w.last = w.known[len(w.known)-1]
	}
	return nil
}

func (w *walker) visit(ctx context.Context, i blob.Info) error {
	if err := w.pace(ctx); err != nil {
		return err
	}
	for {
		for len(w.known) > 0 && w.known[0] < i.Key {
			w.known = w.known[1:]
		}
		if len(w.known) > 0 || w.end {
			break
		}
		if err := w.page(ctx, w.last); err != nil {
			return err
		}
	}
	if len(w.known) > 0 && w.known[0] == i.Key {
		return nil
	}
	f, err := w.read(ctx, i)
	if err != nil || f == nil {
		return err
	}
	w.files = append(w.files, f)
	if len(w.files) >= adoptBatch {
		return w.enter(ctx)
	}
	return nil
}

// read reads an object that the index did not know when it was looked at; nil if it knows it now or it is no footage.
func (w *walker) read(ctx context.Context, i blob.Info) (*found, error) {
	if known, err := w.v.db.Has(ctx, i.Key); err != nil || known || w.v.isSealing(i.Key) {
		return nil, err
	}
	o, err := w.v.blobs.Open(ctx, i.Key)
	if errors.Is(err, blob.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := trackfile.Read(o, o.Size())
	if err != nil {
		file, err = trackfile.Scan(o, o.Size())
	}
	_ = o.Close() // it was only read
	switch {
	case fault.Code(err) == "footage_damaged":
		w.v.report("", i.Key, "a file that the index does not know does not read")
		return nil, nil
	case err != nil:
		w.v.log.Error("a file that the index does not know cannot be read", "object", i.Key, "error", err)
		return nil, nil
	case len(file.Segments) == 0:
		return nil, nil
	}
	if file.End == "" {
		file.End = EndCrash
	}
	r := row(&file.Head, i.Key, o.Size(), file.Segments, file.Track.TimeScale, file.End)
	r.Held = true
	return &found{file: file, key: i.Key, row: r}, nil
}

// enter gives rows to what was found, unless it was deleted or entered meanwhile.
func (w *walker) enter(ctx context.Context) error {
	w.v.removing.Lock()
	defer w.v.removing.Unlock()
	kept := w.files[:0]
	for _, f := range w.files {
		known, err := w.v.db.Has(ctx, f.key)
		if err != nil {
			return err
		}
		if _, err := w.v.blobs.Stat(ctx, f.key); !known && err == nil && !w.v.isSealing(f.key) {
			kept = append(kept, f)
		}
	}
	w.files = nil
	w.adopted += len(kept)
	return w.v.enter(ctx, kept, true)
}

// isSealing reports whether an object is of this process and on its way to the index.
func (v *volume) isSealing(key string) bool {
	for _, tr := range v.all(nil) {
		tr.t.mu.Lock()
		for _, f := range tr.files {
			if f.key == key {
				tr.t.mu.Unlock()
				return true
			}
		}
		tr.t.mu.Unlock()
	}
	return false
}
