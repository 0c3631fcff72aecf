package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func freeBytes(dir string) (int64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}

// clockSynced asks the kernel whether something keeps its clock right (adjtimex(2): STA_UNSYNC).
func clockSynced() (synced, known bool) {
	const unsynced = 0x40
	var tx syscall.Timex
	if _, err := syscall.Adjtimex(&tx); err != nil {
		return false, false
	}
	return tx.Status&unsynced == 0, true
}

func descriptorLimit() (uint64, bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return l.Max, true // Go raises the soft limit to the hard one
}

// writableFolder asks whether files can be made in a folder, without making one: a server may be at work in it.
func writableFolder(path string) error {
	if err := unix.Access(path, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}
