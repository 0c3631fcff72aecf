//go:build !linux

package rtmp

import (
	"errors"
	"syscall"
)

// Without a low water mark that wakes nobody, rounds would save nothing.
func setLowWater(syscall.RawConn, int) error { return errors.ErrUnsupported }

func readNow(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
