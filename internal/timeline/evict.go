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
		if total-r.SegmentDuration < t.store.cfg.Window {
			break
		}
		total -= r.SegmentDuration
		t.dropLocked(r)
	}
	t.sweepLocked()
}

// dropLocked removes the first segment number of a run from the window.
func (t *Timeline) dropLocked(r *run) {
	for _, rd := range r.rends {
		if len(rd.views) == 0 || rd.views[0].N != r.liveN {
			continue
		}
		rd.bodies[0].dropped = true
		if f := rd.bodies[0].file; f != nil {
			f.live--
		}
		rd.views[0], rd.bodies[0] = SegmentView{}, nil
		rd.views, rd.bodies = rd.views[1:], rd.bodies[1:]
	}
	r.liveN++
}

// sweepLocked removes the files that hold nothing of the window any more, and moves on
// to a new file when the present one has seen more than a window, so that the disk use
// stays within about three windows.
func (t *Timeline) sweepLocked() {
	if t.current != nil && t.current.live*2 < t.current.total {
		t.current = nil
	}
	kept := t.scratchs[:0]
	for _, s := range t.scratchs {
		if s.live == 0 && s != t.current {
			s.retire()
			continue
		}
		if s != t.current {
			s.seal()
		}
		kept = append(kept, s)
	}
	clear(t.scratchs[len(kept):])
	t.scratchs = kept
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

// close ends the timeline, wakes everybody and removes its files.
func (t *Timeline) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	for _, r := range t.runs {
		for _, rd := range r.rends {
			t.completeLocked(rd)
		}
	}
	t.closed, t.ended = true, true
	for _, s := range t.scratchs {
		s.retire()
	}
	t.scratchs, t.current = nil, nil
	t.bumpLocked()
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
					st.MemoryBytes += int64(len(m))
				}
			}
		}
	}
	st.ScratchFiles += len(t.scratchs)
	for _, s := range t.scratchs {
		st.ScratchBytes += s.size
	}
}
