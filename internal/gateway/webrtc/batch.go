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

// The kernel cuts one buffer into datagrams of equal size but the last (UDP_SEGMENT): at most 64 of them and
// 65507 bytes together.
const (
	maxSegments = 64
	maxBuffer   = 65507
)

// batch sends the datagrams of one viewer at a time over the shared socket.
type batch struct {
	raw   syscall.RawConn
	six   bool // the socket is an IPv6 one
	plain *atomic.Bool
	count *counters

	buf     []byte
	segment int // length of the first datagram
	n       int
	short   bool // the last datagram is shorter than the first: nothing may follow
	to      *sockaddr
	control []byte
	send    func(fd uintptr) bool
	err     error
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
	b := &batch{raw: raw, plain: plain, count: count, buf: make([]byte, 0, maxBuffer)}
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

// room makes place for a datagram of n bytes for to, sending what stands before it if it must.
func (b *batch) room(n int, to *sockaddr) {
	if b.n > 0 && (b.to != to || b.short || n > b.segment || b.n == maxSegments || len(b.buf)+n > maxBuffer) {
		b.flush()
	}
	if b.n == 0 {
		b.to = to
	}
}

// added counts the datagram of n bytes that was appended to buf.
func (b *batch) added(n int) {
	if b.n == 0 {
		b.segment = n
	}
	b.n++
	b.short = n < b.segment
}

// flush sends what is there.
func (b *batch) flush() {
	if b == nil || b.n == 0 {
		return // nil: there is no UDP, and viewers over TCP are written to directly
	}
	if b.n > 1 && b.plain.Load() {
		b.flushPlain()
	} else {
		b.write()
		if b.n > 1 && (errors.Is(b.err, unix.EIO) || errors.Is(b.err, unix.EINVAL) || errors.Is(b.err, unix.ENOPROTOOPT)) {
			b.plain.Store(true) // the kernel or the device cannot segment
			b.flushPlain()
		}
	}
	b.count.packetsOut.Add(uint64(b.n))
	b.count.bytesOut.Add(uint64(len(b.buf)))
	if b.err != nil {
		b.count.sendDropped.Add(uint64(b.n))
	}
	b.buf, b.n, b.short, b.to = b.buf[:0], 0, false, nil
}

func (b *batch) write() {
	if err := b.raw.Write(b.send); err != nil {
		b.err = err
	}
}

// flushPlain sends one datagram at a time.
func (b *batch) flushPlain() {
	whole, n := b.buf, b.n
	for len(b.buf) > 0 {
		rest := b.buf[min(b.segment, len(b.buf)):]
		b.buf, b.n = b.buf[:len(b.buf)-len(rest)], 1
		b.write()
		b.buf = rest
	}
	b.buf, b.n = whole, n
}

func (b *batch) sendmsg(fd int) error {
	if b.n == 1 {
		return unix.Sendto(fd, b.buf, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, b.to.Sockaddr)
	}
	binary.NativeEndian.PutUint16(b.control[unix.CmsgLen(0):], uint16(b.segment))
	_, err := unix.SendmsgN(fd, b.buf, b.control, b.to.Sockaddr, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return err
}
