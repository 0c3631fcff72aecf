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
	return fmt.Errorf("timer slack: %w", unix.Exec("/proc/self/exe", os.Args, os.Environ()))
}
