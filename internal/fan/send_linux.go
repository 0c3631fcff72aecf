package fan

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// send is one non-blocking system call. The send calls are for sockets alone, and so spare what write and writev do
// for files (locks of the file position, permission and notification hooks).
func send(fd uintptr, iov []unix.Iovec) (n uintptr, errno unix.Errno) {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if len(iov) == 1 {
		n, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(iov[0].Base)), uintptr(iov[0].Len), flags, 0, 0)
		return n, errno
	}
	h := unix.Msghdr{Iov: unsafe.SliceData(iov)}
	h.SetIovlen(len(iov))
	n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&h)), flags)
	return n, errno
}
