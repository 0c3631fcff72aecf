package transcode

import "golang.org/x/sys/unix"

// bound limits a child's address space, and keeps it from leaving a core file.
func bound(pid int) {
	_ = unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: childMemory, Max: childMemory}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}
