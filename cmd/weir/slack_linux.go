package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than asked the kernel may wake this process: nothing here needs more than a millisecond.
const timerSlack = time.Millisecond

// coarseTimers starts this program over, in the same process, with timers that may be timerSlack late. After each idle
// moment the runtime's monitor sleeps 20 µs at a time, fifty times; with the kernel's usual slack of 50 µs that was a tenth
// of the CPU time of a server with many viewers. Threads inherit the slack from who made them, so it must be set before the
// runtime makes its own: hence the exec, which keeps a slack that was set. It returns at once where that is done,
// and with an error where it is not possible, which costs only that tenth.
func coarseTimers() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	if time.Duration(slack) >= timerSlack {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0); err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	return fmt.Errorf("timer slack: %w", unix.Exec(program(), os.Args, os.Environ()))
}

// program is where this program lies. The kernel calls a process by the last part of what was executed, and ps, killall and
// `weir doctor` look for that name; so the link in /proc is only for a file that has been moved or replaced meanwhile.
func program() string {
	const link = "/proc/self/exe"
	path, err := os.Executable()
	if err != nil {
		return link
	}
	there, err := os.Stat(path)
	if err != nil {
		return link
	}
	if self, err := os.Stat(link); err != nil || !os.SameFile(self, there) {
		return link
	}
	return path
}
