//go:build !linux

package fan

import "golang.org/x/sys/unix"

// spool is of use where the kernel passes on the pages of a file in memory: Linux. Elsewhere it takes nothing.
type spool struct{}

func (s *spool) take(*vector) bool { return false }
func (s *spool) giveBack()         {}
func (s *spool) close()            {}

// sendFile is never called where nothing is spooled.
func sendFile(uintptr, int, int64, int) (uintptr, unix.Errno) { return 0, unix.ENOSYS }
