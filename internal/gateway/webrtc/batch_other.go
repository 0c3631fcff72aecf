//go:build !linux

package webrtc

import (
	"net"
	"net/netip"
	"sync/atomic"
)

// wire is the socket.
type wire struct{ conn *net.UDPConn }

// sockaddr is a viewer's address.
type sockaddr struct{ netip.AddrPort }

func newSockaddr(a netip.AddrPort, six bool) *sockaddr {
	if six {
		return &sockaddr{netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())}
	}
	return &sockaddr{netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}
}

// newBatch prepares sending over conn, one datagram at a time.
func newBatch(conn *net.UDPConn, plain *atomic.Bool, count *counters) (*batch, error) {
	plain.Store(true)
	local, _ := netip.ParseAddrPort(conn.LocalAddr().String())
	return &batch{wire: wire{conn: conn}, six: local.Addr().Is6(), plain: plain, count: count, buf: make([]byte, 0, maxBuffer)}, nil
}

func cannotSegment(error) bool { return false }

// write sends buf, one datagram, to its address.
func (b *batch) write() {
	_, b.err = b.conn.WriteToUDPAddrPort(b.buf, b.to.AddrPort)
}
