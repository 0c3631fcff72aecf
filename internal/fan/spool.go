package fan

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	spoolFrom = 16 << 10 // bytes that are spooled rather than copied for each viewer, if there are enough viewers
	spoolMost = 1 << 19  // what is longer is for one who is behind, and alone
	spoolKeep = 1 << 20  // bytes that have been sent, before they are given back
	pageSize  = 4 << 10
)

// spool is a file in memory that many viewers are sent the same bytes from. The kernel copies what is written to a socket once
// for each viewer; of a file it passes on the pages themselves. So no page is ever written again: what has been sent is given
// back as a hole, and the kernel keeps the pages that still lie in sockets.
type spool struct {
	fd     int // 0: not made yet, -1: cannot be made
	end    int64
	holeTo int64
}

// take appends a vector and notes in it where it lies. It reports false when that is not worth it, or when the system has no
// such files or no memory.
func (s *spool) take(v *vector) bool {
	if v.size < spoolFrom || v.size > spoolMost || s.fd < 0 {
		return false
	}
	if s.fd == 0 {
		fd, err := unix.MemfdCreate("weir-fan", unix.MFD_CLOEXEC)
		if err != nil {
			s.fd = -1
			return false
		}
		s.fd = fd
	}
	at := s.end
	n, _, errno := unix.RawSyscall6(unix.SYS_PWRITEV, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(v.iov))), uintptr(len(v.iov)), uintptr(at), 0, 0)
	if errno != 0 {
		return false
	}
	s.end += int64(n)
	if int(n) < v.size {
		return false
	}
	v.file, v.at = s.fd, at
	return true
}

// giveBack punches a hole where everything has been sent: between two flushes, not while one is going on. Whole pages only,
// because a hole clears the rest of a page.
func (s *spool) giveBack() {
	to := s.end / pageSize * pageSize
	if to-s.holeTo < spoolKeep {
		return
	}
	switch err := unix.Fallocate(s.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, s.holeTo, to-s.holeTo); err {
	case nil:
		s.holeTo = to
	case unix.EINTR: // the next time, then
	default:
		s.close() // it would grow for ever
	}
}

func (s *spool) close() {
	if s.fd > 0 {
		_ = unix.Close(s.fd)
	}
	s.fd = -1
}

// sendFile is one non-blocking system call.
func sendFile(fd uintptr, file int, at int64, size int) (n uintptr, errno unix.Errno) {
	n, _, errno = unix.RawSyscall6(unix.SYS_SENDFILE, fd, uintptr(file), uintptr(unsafe.Pointer(&at)), uintptr(size), 0, 0)
	return n, errno
}
