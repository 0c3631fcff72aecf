package timeline

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/format/cmaf/trackfile"
	"weir/internal/timeline/index"
)

// found is a track file that was found on the volume, with its row.
type found struct {
	file *trackFile
	key  string
	row  index.File
	path string // in the open folder, if it lies there
}

type trackFile = trackfile.File

// recover finishes the files that the last process left open, and deletes what it had begun to delete. Only the open
// folder is looked at, so that a start takes no longer when there is more footage.
func (v *volume) recover(ctx context.Context) error {
	began := time.Now()
	dir := filepath.Join(v.dir, openFolder)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		switch {
		case !e.Type().IsRegular(): // to open a pipe would wait for ever
			v.log.Warn("something that is no file lies among the open ones; it is left alone", "name", e.Name())
		case strings.HasSuffix(e.Name(), sealingSuffix), strings.HasSuffix(e.Name(), ".draft"):
			if err := v.disk.remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		case strings.HasSuffix(e.Name(), openSuffix):
			names = append(names, e.Name())
		}
	}
	files, err := v.recoverFiles(ctx, names)
	if err != nil {
		return err
	}
	if err := v.enter(ctx, files, false); err != nil {
		return err
	}
	for _, f := range files {
		if err := v.disk.remove(f.path); err != nil {
			v.log.Warn("cannot remove the working name of a finished file", "file", f.path, "error", err)
		}
	}
	if len(names) > 0 {
		v.log.Info("files that were open have been finished", "files", len(files), "of", len(names), "took", time.Since(began).Round(time.Millisecond))
	}
	if v.holding.Load() {
		return nil // what an older index wanted deleted may have been adopted since
	}
	return v.cleanGarbage(ctx)
}

// recoverFiles finishes files, a few at a time. What cannot be finished now stays for the next start.
func (v *volume) recoverFiles(ctx context.Context, names []string) ([]*found, error) {
	var mu sync.Mutex // guards what follows
	var folders unsynced
	var out []*found
	var wg sync.WaitGroup
	next := make(chan string)
	for range min(len(names), 4*runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for name := range next {
				var own unsynced
				f, err := v.recoverFile(ctx, filepath.Join(v.dir, openFolder, name), &own)
				if err != nil {
					v.log.Error("a file that was open cannot be finished; it is left for the next start", "file", name, "error", err)
					continue
				}
				if f != nil {
					mu.Lock()
					for dir := range own {
						folders.add(dir)
					}
					out = append(out, f)
					mu.Unlock()
				}
			}
		})
	}
	for _, name := range names {
		next <- name
	}
	close(next)
	wg.Wait()
	slices.SortFunc(out, func(a, b *found) int { return strings.Compare(a.key, b.key) })
	return out, v.syncNames(&folders)
}

// recoverFile finishes one file of the open folder and hands it over; nil if it holds nothing.
func (v *volume) recoverFile(ctx context.Context, path string, names *unsynced) (*found, error) {
	w, err := v.disk.open(path)
	if err != nil {
		return nil, err
	}
	file, err := v.finishFile(w)
	if e := w.Close(); err == nil {
		err = e
	}
	switch {
	case fault.Code(err) == "footage_damaged":
		return nil, v.setAside(path, err)
	case err != nil:
		return nil, err
	case len(file.Segments) == 0:
		return nil, v.disk.remove(path)
	}
	key := keyOf(&file.Head)
	if err := v.handOver(ctx, key, path, file.Size, names); err != nil {
		return nil, err
	}
	return &found{file: file, key: key, path: path,
		row: row(&file.Head, key, file.Size, file.Segments, file.Track.TimeScale, file.End)}, nil
}

// finishFile reads a file, and if it has no index, cuts off what is torn and adds one.
func (v *volume) finishFile(w *os.File) (*trackFile, error) {
	st, err := w.Stat()
	if err != nil {
		return nil, err
	}
	file, err := trackfile.Read(w, st.Size())
	if err == nil {
		return file, nil
	}
	if file, err = trackfile.Scan(w, st.Size()); err != nil {
		return nil, err
	}
	if len(file.Segments) == 0 {
		return file, nil
	}
	file.End = EndCrash
	at := file.Size
	if err := v.disk.cut(w, at); err != nil {
		return nil, err
	}
	footer := trackfile.AppendIndex(nil, file.Segments, at, file.End)
	if err := v.disk.write(w, footer, at); err != nil {
		return nil, err
	}
	file.Size, file.Sealed = at+int64(len(footer)), true
	return file, v.disk.sync(w)
}

// setAside moves away a file that does not read at all, unless nothing of it ever reached the disk: the first sync
// of a file is of its head too.
func (v *volume) setAside(path string, why error) error {
	if blank, err := isBlank(path); err != nil {
		return err
	} else if blank {
		return v.disk.remove(path)
	}
	dir := filepath.Join(v.dir, unreadableFolder)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	to := filepath.Join(dir, filepath.Base(path))
	if err := v.disk.rename(path, to); err != nil {
		return err
	}
	v.report("", filepath.Base(path), "a file that was open does not read ("+why.Error()+"); it was moved to "+unreadableFolder)
	return nil
}

// isBlank reports whether a file has no mark or head of ours anywhere.
func isBlank(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	sign := []byte("WEIRtr")
	buf := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := io.ReadFull(f, buf[kept:])
		if bytes.Contains(buf[:kept+n], sign) {
			return false, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buf, buf[kept+n-len(sign):kept+n])
	}
}

// enter makes the rows of files that were found, and the rows of their runs. Of a run that has no end a crash was
// the end.
func (v *volume) enter(ctx context.Context, files []*found, held bool) error {
	type runKey struct {
		timeline string
		id       uint64
	}
	runs := map[runKey]*foundRun{}
	var order []runKey
	for _, f := range files {
		key := runKey{f.file.Timeline, f.file.Run}
		r := runs[key]
		if r == nil {
			old, err := v.findRun(ctx, f.file.Timeline, f.file.Run)
			if err != nil {
				return err
			}
			if r = (&foundRun{open: true}); old != nil {
				r.Run, r.open = *old, old.End.IsZero()
			} else {
				r.Run = index.Run{ID: f.file.Run, Timeline: f.file.Timeline, Start: f.file.RunStart, FirstN: f.file.FirstN, LastN: f.row.LastN,
					MSNBase: f.file.MSNBase, Seq: f.file.DiscontinuitySeq, SegmentDuration: f.file.SegmentDuration, PartDuration: f.file.PartDuration, Clock: f.file.Clock}
			}
			runs[key] = r
			order = append(order, key)
		}
		v.extend(r, f)
	}
	if !held {
		found := make([]*foundRun, 0, len(runs))
		for _, r := range runs {
			found = append(found, r)
		}
		if err := v.level(ctx, found); err != nil {
			return err
		}
	}
	for len(files) > 0 || len(order) > 0 {
		var b index.Batch
		for _, key := range order {
			b.Runs = append(b.Runs, runs[key].Run)
		}
		order = nil
		n := min(len(files), 500)
		for _, f := range files[:n] {
			f.row.Held = held
			b.Files = append(b.Files, f.row)
		}
		files = files[n:]
		if err := v.put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// foundRun is the row of a run that files were found of.
type foundRun struct {
	index.Run
	open  bool // the index did not know its end
	crash bool // one of its files was not finished
}

// level finds the last segment numbers of runs whose end the index did not know: up to where the next run begins, or of
// the newest run a little more than there is, since viewers may have seen what a crash has lost.
func (v *volume) level(ctx context.Context, runs []*foundRun) error {
	slices.SortFunc(runs, func(a, b *foundRun) int {
		return cmp.Or(strings.Compare(a.Timeline, b.Timeline), cmp.Compare(a.ID, b.ID))
	})
	for i, r := range runs {
		if !r.open {
			continue
		}
		if i+1 < len(runs) && runs[i+1].Timeline == r.Timeline {
			r.LastN = max(r.LastN, r.FirstN+runs[i+1].MSNBase-r.MSNBase-1)
			continue
		}
		newest, err := v.db.LastRun(ctx, r.Timeline)
		if err != nil {
			return err
		}
		if r.crash && (newest == nil || newest.ID <= r.ID) {
			r.LastN += v.unseen(r.SegmentDuration)
		}
	}
	return nil
}

// extend adds to a run what one of its files tells.
func (v *volume) extend(r *foundRun, f *found) {
	r.LastN = max(r.LastN, f.row.LastN)
	if r.open {
		r.crash = r.crash || f.file.End == EndCrash
		r.End = later(later(r.End, f.row.To), r.Start)
		switch {
		case f.file.End != EndCrash && f.file.End != "rotate" && f.file.End != "full":
			r.Reason = f.file.End // it had ended in order, though not all of it may have been written
		case r.Reason == "":
			r.Reason, r.crash = EndCrash, true
		}
	}
	have := map[string][]byte{f.file.Rendition: f.file.Init}
	for _, t := range r.Renditions {
		if len(t.Init) > 0 {
			have[t.Name] = t.Init
		}
	}
	names := f.file.Renditions
	if len(names) == 0 {
		names = []string{f.file.Rendition}
	}
	r.Renditions = r.Renditions[:0:0]
	for _, name := range names {
		r.Renditions = append(r.Renditions, index.Rendition{Name: name, Init: have[name]})
	}
}

// unseen is how many segments viewers may have seen that a crash has lost: their numbers are not given again.
func (v *volume) unseen(segment time.Duration) int64 {
	return max(1, int64((3*v.cfg.Sync/2+segment-1)/max(segment, 1)))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
