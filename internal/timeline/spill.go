package timeline

// unlockAndSpill unlocks the timeline and writes what has been finished under the lock to
// the scratch file. A slow disk then holds up the segmenter alone: readers find the
// segment in memory until it is written.
func (t *Timeline) unlockAndSpill() {
	bodies := t.spills
	t.spills = nil
	t.mu.Unlock()
	for _, b := range bodies {
		err := t.spill(b)
		if err != nil {
			t.store.writeErrors.Add(1)
		}
		t.mu.Lock()
		warn := err != nil && !t.warned && !t.closed
		t.warned = err != nil
		t.mu.Unlock()
		if warn {
			t.store.log.Warn("cannot write the live window to disk; keeping it in memory", "stream", t.name, "error", err)
		}
	}
}

// spill moves one finished segment to the scratch file.
func (t *Timeline) spill(b *body) error {
	s, at, err := t.reserve(b)
	if s == nil || err != nil {
		return err
	}
	err = s.write(b.mem, at)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || b.dropped || t.closed {
		s.live--
		return err
	}
	b.file, b.offset, b.mem = s, at, nil
	return nil
}

// reserve finds a place for a segment in the present scratch file, which it makes if
// there is none. It is nil for a segment that nobody will read any more.
func (t *Timeline) reserve(b *body) (s *scratch, at int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || b.dropped {
		return nil, 0, nil
	}
	if t.current == nil {
		if t.current, err = t.store.newScratch(); err != nil {
			return nil, 0, err
		}
		t.scratchs = append(t.scratchs, t.current)
	}
	s = t.current
	at = s.size
	s.size += b.size
	s.live++
	s.total++
	if s.size >= rotateBytes {
		t.current = nil
	}
	return s, at, nil
}
