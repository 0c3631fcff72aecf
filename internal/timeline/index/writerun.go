package index

import (
	"errors"
	"slices"
)

// putRun adds or replaces a run and counts the uses of its headers.
func (w *writer) putRun(r *Run) error {
	id, err := w.timeline(r.Timeline)
	if err != nil {
		return err
	}
	old, err := w.runs(r.Timeline, qRun, id, int64(r.ID))
	if err != nil {
		return err
	}
	key := runKey{id, r.ID}
	if len(old) == 1 && !w.direct && r.End.IsZero() && r.LastN >= old[0].LastN && grown(&old[0], r) {
		if r.LastN > old[0].LastN {
			w.ends[key] = r.LastN
		}
		return nil
	}
	w.ends[key] = 0
	for _, t := range r.Renditions { // first, so that a header that stays never falls to no use
		if err := w.useInit(t.Init); err != nil {
			return err
		}
	}
	for i := range old {
		if err := w.freeInits(&old[i]); err != nil {
			return err
		}
	}
	return w.exec(xRun, id, int64(r.ID), stopOf(r), packRun(r, id))
}

// grown reports whether a run, as given, is the stored one but for its LastN. The stored one has hashes for headers.
func grown(stored, given *Run) bool {
	old, now := *stored, *given
	old.Renditions, now.Renditions, now.LastN = nil, nil, old.LastN
	if !slices.Equal(packRun(&old, 0), packRun(&now, 0)) {
		return false
	}
	return slices.EqualFunc(stored.Renditions, given.Renditions, func(a, b Rendition) bool {
		h := initHash(b.Init)
		return a.Name == b.Name && string(a.Init) == string(h[:])
	})
}

// writeEnd writes the newest LastN of a run into its row.
func (w *writer) writeEnd(key runKey) error {
	n, ok := w.ends[key]
	if !ok {
		n = w.db.endOf(key)
	}
	if n == 0 {
		return nil
	}
	w.ends[key] = 0
	rows, err := w.db.put[qRun].QueryContext(w.ctx, key.timeline, int64(key.id))
	if err != nil {
		return failed(err)
	}
	runs, err := bareRuns("", rows, nil)
	if err != nil || len(runs) == 0 || runs[0].LastN >= n {
		return err
	}
	r := &runs[0]
	r.LastN = n
	return w.exec(xRun, key.timeline, int64(key.id), stopOf(r), packBare(r, key.timeline))
}

func (w *writer) useInit(data []byte) error {
	hash := initHash(data)
	res, err := w.db.put[xInitRefs].ExecContext(w.ctx, 1, hash[:])
	if err != nil {
		return failed(err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return failed(err)
	}
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	return w.exec(xInit, hash[:], data)
}

func (w *writer) freeInits(r *Run) error {
	for _, t := range r.Renditions {
		if err := errors.Join(w.exec(xInitRefs, -1, t.Init), w.exec(xNoInit, t.Init)); err != nil {
			return err
		}
	}
	return nil
}

// runs reads runs whose renditions still have hashes for headers.
func (w *writer) runs(name string, q query, args ...any) ([]Run, error) {
	rows, err := w.db.put[q].QueryContext(w.ctx, args...)
	if err != nil {
		return nil, failed(err)
	}
	return bareRuns(name, rows, nil)
}

// forgetStep bounds how many runs one transaction forgets of a timeline.
const forgetStep = 16

// forget drops the oldest runs of a timeline that have lost all their files. The newest run
// stays, because the next one continues its numbers; so does one whose last file may still come.
func (w *writer) forget(name string, timeline int64) error {
	last, err := w.runs(name, qLastRun, timeline)
	if err != nil || len(last) == 0 {
		return err
	}
	for range forgetStep {
		first, err := w.runs(name, qFirstRun, timeline)
		if err != nil || len(first) == 0 {
			return err
		}
		r := &first[0]
		if r.ID == last[0].ID || r.End.IsZero() || r.End.Add(2*MaxFile).After(last[0].Start) {
			return nil
		}
		used, err := w.used(timeline, r)
		if err != nil || used {
			return err
		}
		if err := errors.Join(w.freeInits(r), w.exec(xNoRun, timeline, int64(r.ID))); err != nil {
			return err
		}
	}
	return nil
}

// used reports whether a run still has a file. Files of a run lie between its begin and its
// end; as it is the oldest run, the first file there is most often one of its own.
func (w *writer) used(timeline int64, r *Run) (bool, error) {
	for _, rows := range []map[string]*arrival{w.db.arrivals, w.arrived} {
		for _, a := range rows {
			if a.at.timeline == timeline && a.Run == r.ID && w.left[a.Object] != a {
				return true, nil
			}
		}
	}
	rows, err := w.db.put[qFiles].QueryContext(w.ctx, timeline, nanos(r.Start)-int64(MaxFile), nanos(r.End)+int64(MaxFile))
	if err != nil {
		return false, failed(err)
	}
	found := false
	_, err = w.db.collect(w.ctx, w.db.writing(), rows, false, func(f *File, _ place) verdict {
		if found = f.Run == r.ID; found {
			return stop
		}
		return skip
	})
	return found, err
}
