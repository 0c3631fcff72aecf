package timeline

import "time"

// evictLocked drops the oldest segments while what is newer fills the window. A segment
// number leaves all renditions at once, so that their playlists begin with the same
// media sequence number.
func (t *Timeline) evictLocked() {
	total := time.Duration(0)
	for _, r := range t.runs {
		total += time.Duration(r.lastN-r.liveN+1) * r.SegmentDuration
	}
	if r := t.openRun(); r != nil && r.lastN >= r.FirstN {
		total -= r.SegmentDuration // the open segment does not count
	}
	for len(t.runs) > 0 {
		r := t.runs[0]
		if r.lastN < r.liveN {
			if !r.ended {
				break
			}
			t.runs[0] = nil
			t.runs = t.runs[1:]
			continue
		}
		if total-r.SegmentDuration < t.window {
			break
		}
		total -= r.SegmentDuration
		t.dropLocked(r)
	}
}

// dropLocked removes the first segment number of a run from the window.
func (t *Timeline) dropLocked(r *run) {
	for _, rd := range r.rends {
		if len(rd.views) == 0 || rd.views[0].N != r.liveN {
			continue
		}
		if rd.rec != nil {
			t.store.volume().beyond(rd.bodies[0])
		}
		rd.views[0], rd.bodies[0] = SegmentView{}, nil
		rd.views, rd.bodies = rd.views[1:], rd.bodies[1:]
	}
	r.liveN++
}

func (t *Timeline) find(runID uint64, name string, n int64) (*body, *SegmentView) {
	for _, r := range t.runs {
		if r.ID != runID {
			continue
		}
		i := r.indexOf(name)
		if i < 0 {
			return nil, nil
		}
		rd := r.rends[i]
		if len(rd.views) == 0 {
			return nil, nil
		}
		k := n - rd.views[0].N
		if k < 0 || k >= int64(len(rd.views)) {
			return nil, nil
		}
		return rd.bodies[k], &rd.views[k]
	}
	return nil, nil
}

// close ends the timeline and wakes everybody. What it has not recorded yet is still written.
func (t *Timeline) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.endRunLocked(EndStop)
	t.next.until = time.Time{}
	v := t.store.volume()
	if v != nil && len(t.runs) > 0 {
		if last := t.runs[len(t.runs)-1]; !last.told {
			v.mu.Lock()
			v.last[t.name] = t.next
			v.mu.Unlock()
		}
	}
	t.closed, t.ended = true, true
	for _, r := range t.runs {
		for _, rd := range r.rends {
			if rd.rec == nil {
				continue
			}
			for _, b := range rd.bodies {
				v.beyond(b)
			}
		}
	}
	t.bumpLocked()
}

// record begins the recording of a run, with what the window has of it. It is called with the timeline's lock.
func (v *volume) record(r *run) {
	v.mu.Lock()
	for i, rd := range r.rends {
		if rd.rec != nil {
			continue
		}
		rd.rec = &track{t: r.t, r: r, i: i, over: r.ended}
		for _, b := range rd.bodies {
			if !b.gap {
				rd.rec.queue = append(rd.rec.queue, b)
			}
		}
		v.tracks[r.t.name] = append(v.tracks[r.t.name], rd.rec)
	}
	v.mu.Unlock()
	if r.ended {
		v.runEnded(r)
	}
}

// beyond notes that a segment leaves the window. If it is not safe yet and too much waits for the disk already, it is
// not recorded. It is called with the timeline's lock.
func (v *volume) beyond(b *body) {
	if b.gap || b.file != nil || b.lost || b.beyond {
		return
	}
	if !b.taken && b.complete && v.backlog.Load()+b.size > maxBacklog {
		b.lost, b.mem = true, nil
		v.lost.Add(1)
		return
	}
	b.beyond = true
	v.backlog.Add(b.size)
}

func (t *Timeline) addStats(st *Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st.Runs += len(t.runs)
	for _, r := range t.runs {
		for _, rd := range r.rends {
			st.Segments += len(rd.views)
			for _, b := range rd.bodies {
				for _, m := range b.mem {
					st.MemoryBytes += int64(len(m.b))
				}
			}
		}
	}
}
