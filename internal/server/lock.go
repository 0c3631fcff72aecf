package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"weir/internal/fault"
)

const (
	lockPatience = 10 * time.Second // a server that was told to stop finishes its files first
	lockEvery    = 50 * time.Millisecond
)

// errHeld is lock's answer while another process has the folder.
var errHeld = errors.New("the folder is locked")

// own makes this server the only one that uses a folder, until it is closed: a second one would finish the files that the
// first one writes, and write other rows into its index. The kernel forgets the lock when the process dies, however it does.
func (s *Server) own(ctx context.Context, dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return folderUnusable(dir, err)
	}
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	again := time.NewTicker(lockEvery)
	defer again.Stop()
	for told := false; ; told = true {
		err := lock(folder)
		if err == nil {
			s.onClose(func() { _ = folder.Close() })
			return nil
		}
		if !errors.Is(err, errHeld) { // some network file systems have no locks
			s.log.Warn("the folder cannot be locked against a second server", "folder", dir, "error", err)
			return folder.Close()
		}
		if !told {
			s.log.Warn("another server uses the folder; waiting for it to stop", "folder", dir, "process", holder(folder))
		}
		select {
		case <-again.C:
			continue
		case <-patience.C:
		case <-ctx.Done():
		}
		_ = folder.Close()
		return fault.New(fault.Conflict, "data_in_use", fmt.Sprintf("Another server uses the folder %s.", dir), "Stop it first, or name another folder with --data_dir.")
	}
}

func folderUnusable(dir string, err error) error {
	return fault.Wrap(err, fault.Unavailable, "folder_unusable", fmt.Sprintf("The folder %s cannot be used.", dir),
		"Give it, with all that is in it, to the user that Weir runs as, or name another one.")
}

func same(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}
