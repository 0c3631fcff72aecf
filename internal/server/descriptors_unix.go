//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package server

import (
	"math"

	"golang.org/x/sys/unix"
)

// descriptors is how many files and connections this process may have open.
func descriptors() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || uint64(l.Cur) > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(l.Cur)
}
