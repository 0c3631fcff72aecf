package timeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/timeline/index"
)

const (
	retainEvery = 10 * time.Second
	retainStep  = 256  // files that are looked at at once
	removeStep  = 1024 // files that are removed in one transaction
	maxSlack    = 10 * time.Minute
	totalsPage  = 1000
)

// retainer is the state of retention.
type retainer struct {
	removing sync.Mutex // held from a file's row being removed to its object being gone
	soon     chan struct{}

	retainMu sync.Mutex
	passed   map[string]looked // by stream

	usage, heldBytes atomic.Int64 // as of the last look
}

// retainSoon has retention look now: the disk is full.
func (v *volume) retainSoon() {
	select {
	case v.soon <- struct{}{}:
	default:
	}
}

// lookAgain has retention look at all of a stream's footage: a pin has changed. An empty name means all.
func (v *volume) lookAgain(name string) {
	v.retainMu.Lock()
	defer v.retainMu.Unlock()
	if name == "" {
		clear(v.passed)
		return
	}
	delete(v.passed, name)
}

// looked is the last look at a stream's age.
type looked struct {
	from   time.Time // what ends before is gone or has a reason to stay
	before time.Time // what ended before had to go
}

// retain removes what need not be kept: by the age and bytes that a stream may keep, then by the bytes of all and the
// space to leave free. What is pinned, held or still in the live window stays. Age is looked at in rounds of all streams, since
// many rows that go together cost little more than one. Ages are reckoned from aged, which is now unless the clock is doubted.
func (v *volume) retain(ctx context.Context, now, aged time.Time) error {
	if err := v.expirePins(aged); err != nil {
		return err
	}
	due, used, held, err := v.survey(ctx, aged)
	if err != nil {
		return err
	}
	v.heldBytes.Store(held)
	v.usage.Store(used)
	if v.holding.Load() {
		return nil
	}
	out := removal{v: v}
	for i := range due {
		freed, err := v.retainStream(ctx, &due[i], now, aged, &out)
		used -= freed
		if err != nil {
			return errors.Join(err, out.flush(ctx))
		}
	}
	if err := out.flush(ctx); err != nil {
		return err
	}
	v.usage.Store(used)
	return v.retainSpace(ctx, used, now)
}

// survey sums up all streams and lists those to be looked at: if one of them has a full slack of files to go, all that have half of it.
func (v *volume) survey(ctx context.Context, now time.Time) (due []index.Coverage, used, held int64, err error) {
	var soon []index.Coverage
	round := false
	for after := ""; ; {
		page, err := v.db.Timelines(ctx, "", after, totalsPage)
		if err != nil {
			return nil, 0, 0, err
		}
		for i := range page {
			c := &page[i]
			after = c.Timeline
			used += c.Bytes
			held += c.HeldBytes
			keep := v.keepOf(c.Timeline)
			if age := v.overdue(c, keep, now); age >= slackOf(keep) {
				round = true
				due = append(due, *c)
			} else if age >= slackOf(keep)/2 {
				soon = append(soon, *c)
			} else if keep.Bytes > 0 && c.Bytes-c.HeldBytes > keep.Bytes {
				due = append(due, *c)
			}
		}
		if len(page) < totalsPage {
			break
		}
	}
	if round {
		due = append(due, soon...)
	}
	return due, used, held, nil
}

func (v *volume) keepOf(name string) Keep {
	if v.cfg.Keep == nil {
		return Keep{}
	}
	return v.cfg.Keep(name)
}

// slackOf is how much longer than it must footage may stay.
func slackOf(k Keep) time.Duration { return min(max(k.For, 0)/12, maxSlack) }

// overdue is how much of a stream's time has become too old since it was looked at; below 0 if nothing can be.
func (v *volume) overdue(c *index.Coverage, keep Keep, now time.Time) time.Duration {
	before := now.Add(-max(keep.For, v.cfg.bounds.Load().Window))
	if keep.For < 0 || !c.From.Before(before) {
		return -1
	}
	v.retainMu.Lock()
	last := v.passed[c.Timeline].before
	v.retainMu.Unlock()
	if before.Before(last) || last.IsZero() {
		return 1<<63 - 1 // the clock was set back, or a pin has changed
	}
	return before.Sub(last)
}

// removal collects what goes.
type removal struct {
	v    *volume
	gone []index.File
}

func (r *removal) add(ctx context.Context, f *index.File) error {
	if r.gone = append(r.gone, *f); len(r.gone) < removeStep {
		return nil
	}
	return r.flush(ctx)
}

// flush removes what was collected, but for what has got a reason to stay since.
func (r *removal) flush(ctx context.Context) error {
	gone := slices.DeleteFunc(r.gone, func(f index.File) bool { return r.v.pinned(&f) || r.v.inWindow(&f) })
	r.gone = nil
	return r.v.remove(ctx, gone)
}

// expirePins removes the pins whose time is over.
func (v *volume) expirePins(now time.Time) error {
	for _, p := range v.pins.list("") {
		if !p.Until.IsZero() && now.After(p.Until) {
			if _, err := v.pins.remove(p.ID); err != nil {
				return err
			}
			v.lookAgain(p.Timeline)
		}
	}
	return nil
}

// retainStream applies a stream's own rule and returns how much goes by it.
func (v *volume) retainStream(ctx context.Context, c *index.Coverage, now, aged time.Time, out *removal) (int64, error) {
	keep := v.keepOf(c.Timeline)
	freed := int64(0)
	if v.overdue(c, keep, aged) >= 0 {
		before := aged.Add(-max(keep.For, v.cfg.bounds.Load().Window))
		v.retainMu.Lock()
		from := v.passed[c.Timeline].from
		v.retainMu.Unlock()
		n, live, err := v.removeOldest(ctx, c.Timeline, from, before, 1<<62, out)
		freed += n
		if err != nil {
			return freed, err
		}
		if !live {
			v.retainMu.Lock()
			v.passed[c.Timeline] = looked{later(from, before.Add(-2*index.MaxFile)), before}
			v.retainMu.Unlock()
		}
	}
	if freed > 0 && keep.Bytes > 0 {
		if err := out.flush(ctx); err != nil { // or they would count twice
			return freed, err
		}
	}
	if keep.Bytes > 0 && c.Bytes-freed-c.HeldBytes > keep.Bytes {
		pinned, err := v.pinnedBytes(ctx, c.Timeline)
		if err != nil {
			return freed, err
		}
		if over := c.Bytes - freed - c.HeldBytes - pinned - keep.Bytes; over > 0 {
			n, _, err := v.removeOldest(ctx, c.Timeline, time.Time{}, now.Add(-v.cfg.bounds.Load().Window), over, out)
			return freed + n, err
		}
	}
	return freed, nil
}

// pinnedBytes is how much footage of a stream the pins protect.
func (v *volume) pinnedBytes(ctx context.Context, name string) (int64, error) {
	total := int64(0)
	for _, r := range merged(v.pins.list(name)) {
		spans, err := v.db.Spans(ctx, name, r.From, r.To, time.Minute) // the sum is the same, and read by the hour
		if err != nil {
			return 0, err
		}
		for i := range spans {
			total += spans[i].Bytes
		}
	}
	return total, nil
}

// merged joins pins, which are ordered by From, to ranges that do not overlap.
func merged(pins []Pin) []Range {
	var out []Range
	for i := range pins {
		p := &pins[i]
		if n := len(out); n > 0 && (out[n-1].To.IsZero() || !p.From.After(out[n-1].To)) {
			if last := &out[n-1]; !last.To.IsZero() && (p.To.IsZero() || p.To.After(last.To)) {
				last.To = p.To
			}
			continue
		}
		out = append(out, Range{p.From, p.To})
	}
	return out
}

// retainSpace removes the oldest footage of all streams until there is room.
func (v *volume) retainSpace(ctx context.Context, used int64, now time.Time) error {
	over, bounds := int64(0), v.cfg.bounds.Load()
	if bounds.Total > 0 {
		over = used - bounds.Total
	}
	if bounds.MinFree > 0 {
		if total, free, err := v.disk.space(v.dir); err == nil {
			over = max(over, min(bounds.MinFree, total/10)-free) // of a small disk not more than a tenth
		}
	}
	if over <= 0 {
		return nil
	}
	out := removal{v: v}
	n, _, err := v.removeOldest(ctx, "", time.Time{}, now.Add(-bounds.Window), over, &out)
	err = errors.Join(err, out.flush(ctx))
	if n > 0 {
		v.log.Info("old footage was removed to make room", "bytes", n)
		v.usage.Add(-n)
	}
	return err
}

// removeOldest has files go that end before an instant, oldest first, until so many bytes are free. live says that a
// file stayed because it is in a live window, so that it has to be looked at again.
func (v *volume) removeOldest(ctx context.Context, name string, from, before time.Time, bytes int64, out *removal) (freed int64, live bool, err error) {
	for freed < bytes {
		files, err := v.db.OldestFrom(ctx, name, from, before, retainStep)
		if err != nil {
			v.distrust(err)
			return freed, live, err
		}
		for i := range files {
			f := &files[i]
			from = f.From
			switch {
			case freed >= bytes || v.pinned(f):
			case v.inWindow(f):
				live = true
			default:
				freed += f.Size
				if err := out.add(ctx, f); err != nil {
					return freed, live, err
				}
			}
		}
		if len(files) < retainStep {
			break
		}
		if files[0].From.Equal(from) {
			from = from.Add(1) // a page full of one instant: the rest of it comes at the next pass
		}
	}
	return freed, live, nil
}

// pinned reports whether a pin protects a file.
func (v *volume) pinned(f *index.File) bool {
	for _, p := range v.pins.list(f.Timeline) {
		if (Range{p.From, p.To}).overlaps(f.From, f.To) {
			return true
		}
	}
	return false
}

// inWindow reports whether a live window still shows something of a file. A window counts segments and not hours, so
// that after a pause of the publisher it can be older than what is kept.
func (v *volume) inWindow(f *index.File) bool {
	t := v.head(f.Timeline)
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.runs {
		if r.ID == f.Run && f.LastN >= r.liveN {
			return true
		}
	}
	return false
}

// remove deletes files. A crash after the first step is put right at the next start: the rows have become garbage rows.
func (v *volume) remove(ctx context.Context, files []index.File) error {
	if len(files) == 0 {
		return nil
	}
	v.removing.Lock()
	defer v.removing.Unlock()
	if err := v.apply(ctx, index.Batch{Remove: files}); err != nil {
		v.distrust(err)
		return err
	}
	objects := make([]string, len(files))
	for i := range files {
		objects[i] = files[i].Object
		v.cache.drop(files[i].Object)
		v.spoiled.forget(&files[i])
	}
	return v.deleteObjects(ctx, objects)
}

func (v *volume) deleteObjects(ctx context.Context, objects []string) error {
	for i, key := range objects {
		if err := v.blobs.Delete(ctx, key); err != nil {
			if i > 0 {
				_ = v.apply(ctx, index.Batch{Cleaned: objects[:i]}) // the next start does it too
			}
			return err
		}
	}
	return v.apply(ctx, index.Batch{Cleaned: objects})
}

// cleanGarbage deletes what was on its way out when the last process ended, and what could not be deleted before.
func (v *volume) cleanGarbage(ctx context.Context) error {
	v.removing.Lock()
	defer v.removing.Unlock()
	for {
		objects, err := v.db.Garbage(ctx)
		if err != nil || len(objects) == 0 {
			return err
		}
		if err := v.deleteObjects(ctx, objects); err != nil {
			v.log.Warn("cannot delete old footage yet", "error", err)
			return nil
		}
	}
}
