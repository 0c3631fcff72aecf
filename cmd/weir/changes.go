package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// changes ticks when the file was written (also when an editor replaced it) or SIGHUP came, until ctx ends.
func changes(ctx context.Context, file string, log *slog.Logger) <-chan struct{} {
	out := make(chan struct{})
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(filepath.Dir(file))
	}
	if target, bad := filepath.EvalSymlinks(file); err == nil && bad == nil {
		err = watcher.Add(filepath.Dir(target)) // the same folder again is no mistake
	}
	var events chan fsnotify.Event
	if err != nil {
		log.Warn("the configuration file is not watched; send SIGHUP after a change", "error", err)
	} else {
		events = watcher.Events
	}
	last, _ := os.Stat(file)
	go func() {
		defer close(out)
		defer signal.Stop(hup)
		if watcher != nil {
			defer watcher.Close()
		}
		quiet := time.NewTimer(time.Hour) // editors write in several steps
		quiet.Stop()
		for {
			select {
			case <-hup:
				quiet.Reset(time.Millisecond)
			case ev := <-events:
				now, _ := os.Stat(file) // through symbolic links, which others may set anew (Kubernetes does)
				if filepath.Base(ev.Name) == filepath.Base(file) && !ev.Has(fsnotify.Chmod) || !unchanged(last, now) {
					quiet.Reset(200 * time.Millisecond)
				}
				last = now
			case <-quiet.C:
				select {
				case out <- struct{}{}:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// unchanged says whether two looks at a path saw the same file; nil: there was none.
func unchanged(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
