//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package server

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func lock(folder *os.File) error {
	err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return errHeld
	}
	return err
}

// holder is the process that has the lock, "-" where the kernel does not tell (proc(5), /proc/locks).
func holder(folder *os.File) string {
	info, err := folder.Stat()
	if err != nil {
		return "-"
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "-"
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return "-"
	}
	defer locks.Close() //nolint:errcheck // read only
	inode := fmt.Sprintf(":%d", sys.Ino)
	for s := bufio.NewScanner(locks); s.Scan(); {
		if col := strings.Fields(s.Text()); len(col) > 5 && col[1] == "FLOCK" && strings.HasSuffix(col[5], inode) {
			return col[4]
		}
	}
	return "-"
}
