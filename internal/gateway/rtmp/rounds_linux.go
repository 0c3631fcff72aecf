package rtmp

import "syscall"

// setLowWater makes the kernel call a socket readable only when n bytes are there or the peer is gone (SO_RCVLOWAT).
func setLowWater(raw syscall.RawConn, n int) error {
	var err error
	if e := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n) }); e != nil {
		return e
	}
	return err
}

// readNow reads what is there, whatever the low water mark says: EAGAIN where nothing is. Deadline and Close of the
// connection hold, each call looks at them.
func readNow(raw syscall.RawConn, b []byte) (n int, err error) {
	e := raw.Read(func(fd uintptr) bool {
		for {
			if n, err = syscall.Read(int(fd), b); err != syscall.EINTR {
				return true
			}
		}
	})
	if e != nil {
		return 0, e
	}
	return n, err
}
