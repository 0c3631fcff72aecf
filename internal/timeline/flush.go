package timeline

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/internal/fault"
)

const (
	fewFiles     = 8 // up to here each file is synced by itself; beyond, the whole file system at once
	maxBacklog   = 64 << 20
	firstPause   = time.Second
	longestPause = 10 * time.Second
	slowSync     = 5 * time.Second
)

// flushing is the state of the one who writes. Its lock is held for the whole of a tick, across the disk's work.
type flushing struct {
	flushMu  sync.Mutex
	folder   *os.File   // the folder of open files, for syncing it and the volume
	folderMu sync.Mutex // guards folder
	created  bool       // files were begun since the last sync
	list     []news     // reused
	buf      []byte     // reused
	busy     []*track   // reused
	slow     bool
}

// flush writes what is pending, makes it durable and lets readers have it from the files. With all set nothing is
// left waiting, neither for its page to fill nor for a pause to end.
func (v *volume) flush(all bool) error {
	v.flushMu.Lock()
	defer v.flushMu.Unlock()
	began := time.Now()
	v.busy = v.all(v.busy[:0])
	defer func() { clear(v.busy) }()
	deadline := began.Add(v.tick() - v.cfg.Sync*9/10) // what came before would be late at the next tick
	var wrote []*footage
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, tr := range v.busy {
		if tr.pause > 0 && !all && began.Before(tr.retryAt) {
			continue
		}
		tr.stumbled = false
		err := tr.gather(v, began)
		if err != nil {
			note(v.stumble(tr, nil, err))
		}
		for _, f := range tr.writing {
			did, err := f.write(v, all, deadline)
			if err != nil {
				note(v.stumble(tr, f, err))
				break
			}
			if did {
				wrote = append(wrote, f)
			}
		}
	}
	for _, f := range v.makeDurable(wrote, note) {
		if !f.given {
			v.settle(f)
		}
	}
	for _, tr := range v.busy {
		v.tidy(tr)
	}
	v.tookLong(time.Since(began), len(wrote))
	return first
}

// makeDurable syncs files and returns those that are.
func (v *volume) makeDurable(wrote []*footage, note func(error)) []*footage {
	good := wrote[:0:0]
	if len(wrote) == 0 {
		return nil
	}
	if v.created {
		v.openFolder()
	}
	if len(wrote) > fewFiles {
		if err := v.syncAll(); err == nil {
			v.created = false
			for _, f := range wrote {
				if f.w != nil {
					good = append(good, f)
				}
			}
			return good
		}
		// Which file it was, each of them says by itself.
	}
	for _, f := range wrote {
		if f.w == nil {
			continue // given up since
		}
		if err := v.disk.sync(f.w); err != nil {
			note(v.stumble(f.tr, f, err))
			continue
		}
		good = append(good, f)
	}
	if v.created {
		v.folderMu.Lock()
		err := v.disk.syncOpen(v.folder)
		v.folderMu.Unlock()
		if err != nil {
			for _, f := range good {
				note(v.stumble(f.tr, f, err))
			}
			return nil
		}
		v.created = false
	}
	return good
}

// openFolder opens the folder of open files anew: a disk may have been mounted there since, and it is the one with the new files.
// Without a descriptor to spare the old one has to do.
func (v *volume) openFolder() {
	f, err := os.Open(filepath.Join(v.dir, openFolder))
	if err != nil {
		return
	}
	v.folderMu.Lock()
	defer v.folderMu.Unlock()
	_ = v.folder.Close() // it was only read
	v.folder = f
}

// syncAll makes everything on the volume durable. The sealer calls it too.
func (v *volume) syncAll() error {
	v.folderMu.Lock()
	defer v.folderMu.Unlock()
	return v.disk.syncAll(v.folder)
}

// settle lets go of the memory of what is safe.
func (v *volume) settle(f *footage) {
	tr := f.tr
	tr.t.mu.Lock()
	f.settle()
	tr.popped(v)
	tr.t.mu.Unlock()
	if f.end != "" && f.pos == f.size {
		tr.wrote(f)
		_ = f.w.Close() // it has been synced
		f.w = nil
		v.sealLater(f)
	}
	if tr.pause > 0 && !tr.stumbled {
		v.recovered(tr)
	}
}

// wrote takes a file off the ones being written.
func (tr *track) wrote(f *footage) {
	kept := tr.writing[:0]
	for _, w := range tr.writing {
		if w != f {
			kept = append(kept, w)
		}
	}
	clear(tr.writing[len(kept):])
	tr.writing = kept
}

// tidy forgets a recording that is complete. Without segments there was never a file.
func (v *volume) tidy(tr *track) {
	if tr.file != nil || len(tr.writing) > 0 {
		return
	}
	tr.t.mu.Lock()
	for tr.next > 0 || len(tr.queue) > 0 && tr.queue[0].lost {
		if tr.next == 0 {
			tr.next = 1
		}
		n := len(tr.queue)
		if tr.popped(v); len(tr.queue) == n {
			break
		}
	}
	over := tr.r.ended && len(tr.queue) == 0 && len(tr.files) == 0
	tr.t.mu.Unlock()
	if !over {
		return
	}
	if tr.pause > 0 {
		v.recovered(tr)
	}
	v.forget(tr)
}

func (v *volume) forget(tr *track) {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.tracks[tr.t.name]
	kept := make([]*track, 0, len(list))
	for _, o := range list {
		if o != tr {
			kept = append(kept, o)
		}
	}
	if len(kept) == 0 {
		delete(v.tracks, tr.t.name)
		return
	}
	v.tracks[tr.t.name] = kept
}

// stumble stops a recording for a while. f is the file that could not be written; nil: one could not be begun.
// After a failed sync the system may have thrown away what it could not write and say that all is well (fsyncgate),
// so nothing that was not safe before is trusted: those segments are still in memory and go to a new file.
func (v *volume) stumble(tr *track, f *footage, err error) error {
	now := time.Now()
	tr.pause = min(max(2*tr.pause, firstPause), longestPause)
	tr.retryAt, tr.stumbled = now.Add(tr.pause), true
	if f != nil {
		for _, w := range append([]*footage(nil), tr.writing...) {
			v.giveUp(tr, w)
		}
		tr.t.mu.Lock()
		tr.next, tr.fed = 0, 0
		for _, b := range tr.queue {
			b.taken = false
		}
		tr.t.mu.Unlock()
	}
	v.status.failed(v, tr, err, now)
	_, cause, remedy := trouble(err)
	return fault.Wrap(err, fault.Unavailable, "recording_stopped", "Recording has stopped: "+cause+".", remedy)
}

// giveUp leaves a file at its last safe segment. Without any it is removed; if even that fails, the next start does.
func (v *volume) giveUp(tr *track, f *footage) {
	tr.wrote(f)
	if tr.file == f {
		tr.file = nil
	}
	if f.w != nil {
		_ = f.w.Close() // what it says now does not matter
		f.w = nil
	}
	tr.t.mu.Lock()
	f.pend, f.waiting = nil, nil
	f.all = f.safe
	f.given = true
	if f.end == "" || f.end == "rotate" {
		f.end = "full"
	}
	empty := len(f.safe) == 0
	if empty {
		tr.drop(f)
	}
	tr.t.mu.Unlock()
	if empty {
		_ = v.disk.remove(f.path)
		return
	}
	v.sealLater(f)
}

// drop takes a file off those that the index does not know. It is called with the timeline's lock.
func (tr *track) drop(f *footage) {
	kept := make([]*footage, 0, len(tr.files))
	for _, o := range tr.files {
		if o != f {
			kept = append(kept, o)
		}
	}
	tr.files = kept
}

// recovered notes that a recording goes on.
func (v *volume) recovered(tr *track) {
	tr.pause, tr.retryAt = 0, time.Time{}
	v.status.healed(v, tr, time.Now())
}

func (v *volume) tookLong(d time.Duration, files int) {
	v.status.took(d)
	if slow := d > slowSync; slow != v.slow {
		v.slow = slow
		if slow {
			v.log.Warn("the disk is slow", "took", d, "files", files)
			v.alarm(Alarm{Code: "sync_slow", Message: "The disk for recordings took " + d.Round(time.Millisecond).String() + " to make footage safe.",
				Remedy: "Use a faster disk, or record fewer streams to it."})
		}
	}
}
