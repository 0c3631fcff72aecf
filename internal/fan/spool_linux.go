package fan

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	spoolFrom = 16 << 10 // bytes that are spooled rather than copied for each viewer, if there are enough viewers
	spoolMost = 1 << 19  // what is longer is for one who is behind, and alone
	spoolKeep = 1 << 20  // bytes from which a file is given back, once all has been sent
	spoolFull = 2 << 20  // bytes that a file may have: viewers at many positions must not make it grow
)

// spool is a file in memory that many viewers are sent the same bytes from. The kernel copies what is written to a socket once
// for each viewer; of a file it passes on the pages themselves, and keeps those that still lie in sockets when the file is
// closed. So no byte is ever written over, nor cut out of the file: a hole is cleared before it is taken out of a larger page.
type spool struct {
	fd  int // 0: none
	end int64
}

// take appends a vector and notes in it where it lies. It reports false when that is not worth it, when there is no more room,
// or when the system has no such files, descriptors or memory.
func (s *spool) take(v *vector) bool {
	if v.size < spoolFrom || v.size > spoolMost || s.end+int64(v.size) > spoolFull {
		return false
	}
	if s.fd == 0 {
		fd, err := unix.MemfdCreate("weir-fan", unix.MFD_CLOEXEC)
		if err != nil {
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

// giveBack begins a new file when this one is long: between two flushes, not while one is going on.
func (s *spool) giveBack() {
	if s.end >= spoolKeep {
		s.close()
	}
}

func (s *spool) close() {
	if s.fd > 0 {
		_ = unix.Close(s.fd)
	}
	s.fd, s.end = 0, 0
}

// sendFile is one non-blocking system call.
func sendFile(fd uintptr, file int, at int64, size int) (n uintptr, errno unix.Errno) {
	n, _, errno = unix.RawSyscall6(unix.SYS_SENDFILE, fd, uintptr(file), uintptr(unsafe.Pointer(&at)), uintptr(size), 0, 0)
	return n, errno
}
