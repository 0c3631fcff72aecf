package webrtc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wire is the socket by its system calls.
type wire struct {
	raw     syscall.RawConn
	control []byte
	send    func(fd uintptr) bool
}

// sockaddr is a viewer's address in the form that the system call takes.
type sockaddr struct{ unix.Sockaddr }

func newSockaddr(a netip.AddrPort, six bool) *sockaddr {
	if six {
		return &sockaddr{&unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}}
	}
	return &sockaddr{&unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}}
}

// newBatch prepares sending over conn; plain is set, for all, once the kernel refuses to segment.
func newBatch(conn *net.UDPConn, plain *atomic.Bool, count *counters) (*batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{wire: wire{raw: raw}, plain: plain, count: count, buf: make([]byte, 0, maxBuffer)}
	domain, inner := 0, error(nil)
	if err := raw.Control(func(fd uintptr) { domain, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN) }); err != nil {
		return nil, err
	}
	if inner != nil {
		return nil, inner
	}
	b.six = domain == unix.AF_INET6
	b.control = make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b.control[0]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	// The descriptor is held while it is written to: a raw number may be another file by then.
	b.send = func(fd uintptr) bool {
		b.err = b.sendmsg(int(fd))
		return true // a full socket buffer is loss, as anywhere on the way
	}
	return b, nil
}

// cannotSegment tells whether the kernel or the device refused to cut a buffer.
func cannotSegment(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOPROTOOPT)
}

// write sends buf, n datagrams, to its address.
func (b *batch) write() {
	if err := b.raw.Write(b.send); err != nil {
		b.err = err
	}
}

func (b *batch) sendmsg(fd int) error {
	if b.n == 1 {
		return unix.Sendto(fd, b.buf, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, b.to.Sockaddr)
	}
	binary.NativeEndian.PutUint16(b.control[unix.CmsgLen(0):], uint16(b.segment))
	_, err := unix.SendmsgN(fd, b.buf, b.control, b.to.Sockaddr, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return err
}
