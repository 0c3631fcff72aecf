package webrtc

import "sync/atomic"

// The kernel, where it can (Linux: UDP_SEGMENT), cuts one buffer into datagrams of equal size but the last: at most 64 of them
// and 65507 bytes together.
const (
	maxSegments = 64
	maxBuffer   = 65507
)

// batch sends the datagrams of one viewer at a time over the shared socket. Where the kernel cannot cut buffers they leave one
// by one.
type batch struct {
	wire
	six   bool         // the socket is an IPv6 one
	plain *atomic.Bool // the kernel does not segment; all batches of a socket share it
	count *counters

	buf     []byte
	segment int // length of the first datagram
	n       int
	short   bool // the last datagram is shorter than the first: nothing may follow
	to      *sockaddr
	err     error
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
		if b.n > 1 && cannotSegment(b.err) {
			b.plain.Store(true)
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
