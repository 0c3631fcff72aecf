//go:build !linux

package fan

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// send is one non-blocking system call. Weir is measured on Linux; elsewhere the call is the library's, so that it builds and works.
func send(fd uintptr, iov []unix.Iovec) (n uintptr, errno unix.Errno) {
	bufs := make([][]byte, len(iov))
	for i, v := range iov {
		bufs[i] = unsafe.Slice(v.Base, v.Len)
	}
	sent, err := unix.SendmsgBuffers(int(fd), bufs, nil, nil, unix.MSG_DONTWAIT)
	if err == nil {
		return uintptr(sent), 0
	}
	if errno, ok := err.(unix.Errno); ok {
		return 0, errno
	}
	return 0, unix.EIO
}
