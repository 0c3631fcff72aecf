package timeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"weir/internal/blob"
	"weir/internal/fault"
	"weir/internal/format/cmaf/trackfile"
	"weir/internal/timeline/index"
)

// sealRounds is how long finished files wait for others, in intervals of syncing. They are safe already.
const sealRounds = 2

// sealBatch is how many files get their rows in one transaction.
const sealBatch = 128

// sealing is the state of the one who hands finished files to the blob store and tells the index.
type sealing struct {
	wake   chan struct{}
	doing  sync.Mutex // held while sealing
	sealMu sync.Mutex // guards what follows
	queue  []*footage
	ended  []*run // whose rows are to be written
}

func (v *volume) sealLater(f *footage) {
	v.sealMu.Lock()
	v.sealing.queue = append(v.sealing.queue, f)
	v.sealMu.Unlock()
	v.sealSoon()
}

func (v *volume) sealSoon() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// runEnded has the row of a run written.
func (v *volume) runEnded(r *run) {
	v.sealMu.Lock()
	v.ended = append(v.ended, r)
	v.sealMu.Unlock()
	v.sealSoon()
}

// sealAll seals what waits. What fails waits on; the first error is returned.
func (v *volume) sealAll(ctx context.Context) error {
	v.doing.Lock()
	defer v.doing.Unlock()
	var first error
	v.sealMu.Lock()
	left := len(v.sealing.queue)
	v.sealMu.Unlock()
	for {
		v.sealMu.Lock()
		n := min(left, len(v.sealing.queue), sealBatch)
		files := append([]*footage(nil), v.sealing.queue[:n]...)
		v.sealing.queue = append(v.sealing.queue[:0], v.sealing.queue[n:]...)
		ended := v.ended
		v.ended = nil
		v.sealMu.Unlock()
		left -= n
		if n == 0 && len(ended) == 0 {
			return first
		}
		again, err := v.sealBatch(ctx, files, ended)
		if err != nil && first == nil {
			first = err
		}
		v.sealMu.Lock()
		v.sealing.queue = append(v.sealing.queue, again...)
		v.sealMu.Unlock()
		if err != nil && ctx.Err() != nil {
			return first
		}
		if left == 0 && (len(again) > 0 || err != nil) {
			return first // what is to be tried again, runs that have ended among it, waits for the next time
		}
	}
}

// sealBatch seals files; it returns those that have to be tried again.
func (v *volume) sealBatch(ctx context.Context, files []*footage, ended []*run) (again []*footage, err error) {
	var b index.Batch
	var done []*footage
	rows := map[*run]bool{}
	for _, r := range ended {
		rows[r] = true
	}
	handed, err := v.handOverAll(ctx, files)
	for i, f := range files {
		switch {
		case !handed[i]:
			again = append(again, f)
			continue
		case len(f.all) == 0:
			f.forget()
			_ = v.disk.remove(f.path)
			continue
		}
		h := &f.head
		b.Files = append(b.Files, row(h, f.key, f.size, f.all, f.tr.r.Renditions[f.tr.i].Track.TimeScale, f.end))
		rows[f.tr.r] = true
		done = append(done, f)
	}
	for r := range rows {
		b.Runs = append(b.Runs, r.t.runRow(r))
	}
	if len(b.Runs)+len(b.Files) == 0 {
		return again, err
	}
	if e := v.put(ctx, b); e != nil {
		v.distrust(e)
		for r := range rows {
			if !r.isOpen() {
				v.sealMu.Lock()
				v.ended = append(v.ended, r)
				v.sealMu.Unlock()
			}
		}
		return append(again, done...), errors.Join(err, e)
	}
	for _, f := range done {
		f.forget()
		if e := v.disk.remove(f.path); e != nil {
			v.log.Warn("cannot remove the working name of a finished file; the next start does", "file", f.path, "error", e)
		}
	}
	for _, r := range ended {
		v.told(r)
	}
	return again, err
}

// put applies a batch of rows. One that the index refuses, which only lying timestamps can bring about, must not keep
// the others out: its file stays in the store, and each start tells of it.
func (v *volume) put(ctx context.Context, b index.Batch) error {
	err := v.apply(ctx, b)
	if fault.Code(err) != "index_invalid" {
		return err
	}
	for i := range b.Runs {
		if err := v.putOne(ctx, b.Runs[i].Timeline, index.Batch{Runs: b.Runs[i : i+1]}); err != nil {
			return err
		}
	}
	for i := range b.Files {
		if err := v.putOne(ctx, b.Files[i].Timeline, index.Batch{Files: b.Files[i : i+1]}); err != nil {
			return err
		}
	}
	return nil
}

func (v *volume) putOne(ctx context.Context, name string, b index.Batch) error {
	err := v.apply(ctx, b)
	if fault.Code(err) != "index_invalid" {
		return err
	}
	v.log.Error("the index of the recordings refuses a row", "stream", name, "error", err)
	return nil
}

// forget takes the file off those that the index does not know.
func (f *footage) forget() {
	f.tr.t.mu.Lock()
	f.indexed = true
	f.tr.drop(f)
	f.tr.t.mu.Unlock()
}

// told notes that the index knows how a run ended.
func (v *volume) told(r *run) {
	r.t.mu.Lock()
	r.told = true
	r.t.mu.Unlock()
	v.mu.Lock()
	if v.last[r.t.name].run == r.ID {
		delete(v.last, r.t.name)
	}
	v.mu.Unlock()
}

func (r *run) isOpen() bool {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	return !r.ended
}

// runRow is a run's row as of now.
func (t *Timeline) runRow(r *run) index.Run {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := index.Run{ID: r.ID, Timeline: t.name, Start: r.Start, FirstN: r.FirstN, LastN: r.lastN, MSNBase: r.MSNBase, Seq: r.DiscontinuitySeq,
		SegmentDuration: r.SegmentDuration, PartDuration: r.PartDuration, Clock: r.Clock, Reason: r.EndReason}
	if r.ended {
		out.End = r.until
		if out.End.Before(r.Start) {
			out.End = r.Start
		}
	}
	for i := range r.Renditions {
		out.Renditions = append(out.Renditions, index.Rendition{Name: r.Renditions[i].Name, Init: r.Renditions[i].Init})
	}
	return out
}

// handOverAll hands finished files to the blob store and says which of them have got there. Each keeps its working name until
// the index knows it, so that a crash at any point is put right by looking at the open folder alone.
func (v *volume) handOverAll(ctx context.Context, files []*footage) (handed []bool, err error) {
	handed = make([]bool, len(files))
	var names unsynced
	for i, f := range files {
		e := ctx.Err()
		if f.given && e == nil {
			e = v.mend(f)
		}
		if e == nil && len(f.all) > 0 {
			e = v.handOver(ctx, f.key, f.path, f.size, &names)
		}
		handed[i] = e == nil
		err = errors.Join(err, e)
	}
	if e := v.syncNames(&names); e != nil {
		clear(handed)
		err = errors.Join(err, e)
	}
	return handed, err
}

// handOver makes the file at path an object, and leaves it at path too where the file system has hard links. Its name may have
// to be synced yet.
func (v *volume) handOver(ctx context.Context, key, path string, size int64, names *unsynced) error {
	if info, err := v.blobs.Stat(ctx, key); err == nil && info.Size == size {
		if v.cfg.Blobs == nil {
			names.add(filepath.Dir(v.sealedPath(key)))
		}
		return nil // it was handed over before a crash, or in a batch whose names could not be synced
	}
	if v.cfg.Blobs == nil {
		if err := v.linkSealed(key, path, names); err == nil || !noLinks(err) {
			return err
		}
	}
	second := path + sealingSuffix
	if err := v.disk.remove(second); err != nil {
		return err
	}
	switch err := v.disk.link(path, second); {
	case noLinks(err):
		second = path // a file system without hard links: a crash before the row is committed leaves an unknown file
	case err != nil:
		return err
	}
	if a, ok := v.blobs.(blob.Adopter); ok {
		return a.Adopt(ctx, key, second)
	}
	return v.upload(ctx, key, second, size, second != path)
}

func (v *volume) upload(ctx context.Context, key, path string, size int64, extra bool) error {
	r, err := v.disk.open(path)
	if err != nil {
		return err
	}
	err = v.blobs.Put(ctx, key, r, size)
	err = errors.Join(err, r.Close())
	if extra && err == nil {
		err = v.disk.remove(path)
	}
	return err
}

// mend finishes a file that was given up: it ends behind its last safe segment. What these hold is read again first.
func (v *volume) mend(f *footage) error {
	w, err := v.disk.open(f.path)
	if err != nil {
		return err
	}
	size, segs, err := v.mendFile(w, f.all, f.end)
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	lost := len(f.all) - len(segs)
	if lost > 0 {
		v.lost.Add(int64(lost))
		v.report(f.head.Timeline, f.key, "segments that had been written cannot be read any more")
	}
	f.tr.t.mu.Lock()
	f.all, f.safe, f.size, f.given = segs, segs, size, false
	f.tr.t.mu.Unlock()
	return nil
}

// mendFile cuts a file behind the last of the segments that are whole, and adds the index. What cannot be read may be whole
// yet: a disk that does not answer is asked again later.
func (v *volume) mendFile(w *os.File, segs []trackfile.Segment, end string) (int64, []trackfile.Segment, error) {
	k := 0
	var buf []byte
	for ; k < len(segs); k++ {
		buf = grow(buf, segs[k].Size)
		if ok, err := compare(w, &segs[k], buf); err != nil {
			return 0, segs, err
		} else if !ok {
			break
		}
	}
	segs = segs[:k:k]
	if k == 0 {
		return 0, segs, nil
	}
	at := segs[k-1].Offset + segs[k-1].Size
	if err := v.disk.cut(w, at); err != nil {
		return 0, segs, err
	}
	footer := trackfile.AppendIndex(nil, segs, at, end)
	if err := v.disk.write(w, footer, at); err != nil {
		return 0, segs, err
	}
	if err := v.disk.sync(w); err != nil {
		return 0, segs, err
	}
	return at + int64(len(footer)), segs, nil
}
