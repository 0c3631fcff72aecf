package fan

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// iovecPointer is the address of a vector for the system call. The vector is reachable through the viewer for as long
// as the call takes, so the collector leaves its buffers alone.
func iovecPointer(iov []unix.Iovec) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(iov)))
}
