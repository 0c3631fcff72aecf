package timeline

import (
	"context"
	"errors"
	"syscall"
	"time"

	"weir/internal/fault"
)

// closing is why the volume could not be opened.
type closing struct {
	err   error
	since time.Time
}

// openVolume opens the volume and begins to record what is live already, from the window's beginning.
func (s *Store) openVolume(ctx context.Context) error {
	v, err := openVolume(ctx, s.cfg, s.disk, s.log)
	if err != nil {
		return err
	}
	v.head = s.Get
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.Join(ErrClosed, v.close())
	}
	s.vol.Store(v)
	for _, t := range s.byName {
		t.mu.Lock()
		for _, r := range t.runs {
			v.record(r)
		}
		t.mu.Unlock()
	}
	return nil
}

// mayHeal reports whether an error of opening the volume can go away by itself, and then tells of it.
func (s *Store) mayHeal(err error) bool {
	code := fault.Code(err)
	ok := code == "index_full" || code == "index_failed"
	for _, e := range [...]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE} {
		ok = ok || errors.Is(err, e)
	}
	if ok && s.waiting.Load() == nil {
		now := time.Now()
		s.waiting.Store(&closing{err, now})
		_, cause, remedy := trouble(err)
		s.log.Error("nothing can be recorded yet", "cause", cause, "error", err)
		if s.cfg.Alarm != nil {
			s.cfg.Alarm(Alarm{Code: "recording_stopped", Message: "Nothing can be recorded: " + cause + ". Live goes on.", Remedy: remedy, At: now})
		}
	}
	return ok
}

// openLater opens the volume as soon as the disk lets it.
func (s *Store) openLater(ctx context.Context) error {
	for pause := firstPause; s.cfg.Dir != "" && s.volume() == nil; pause = min(2*pause, longestPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := s.openVolume(ctx)
		switch {
		case err == nil:
			_, cause, _ := trouble(s.waiting.Load().err)
			s.log.Info("recording begins", "was", cause)
			s.volume().alarm(Alarm{Code: "recording_resumed", Message: "Recording has begun. It could not before because " + cause + "."})
		case !s.mayHeal(err):
			return err
		}
	}
	return nil
}
