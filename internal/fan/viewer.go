package fan

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/internal/fault"
	"weir/internal/hub"
)

// vector is a run of shared buffers in the kernel's form, made once for all viewers at one position.
type vector struct {
	bufs [][]byte
	iov  []unix.Iovec
	size int
	full bool // as long as a read may be, so that there may be more
	file int  // where the same bytes lie too, if not 0
	at   int64
}

func newVector(bufs [][]byte) *vector {
	v := &vector{}
	v.set(bufs)
	return v
}

// set reuses the vector for other buffers.
func (v *vector) set(bufs [][]byte) {
	v.bufs, v.iov, v.size, v.file = bufs, v.iov[:0], 0, 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		iov := unix.Iovec{Base: &b[0]}
		iov.SetLen(len(b))
		v.iov = append(v.iov, iov)
		v.size += len(b)
	}
}

// flatten puts the buffers into one: for many viewers one copy costs less than the kernel's walk along the vector for
// each of them.
func (v *vector) flatten() {
	if len(v.iov) < 2 || v.size > flatMost {
		return
	}
	flat := make([]byte, 0, v.size) // fresh: a helper may still be writing the last one
	for _, b := range v.bufs {
		flat = append(flat, b...)
	}
	clear(v.bufs)
	v.set(append(v.bufs[:0], flat))
}

// send writes the vector, from its file if it lies in one.
func (v *vector) send(fd uintptr) (n uintptr, errno unix.Errno) {
	if v.file != 0 {
		return sendFile(fd, v.file, v.at, v.size)
	}
	return send(fd, v.iov)
}

// rest returns what is left after n bytes, as buffers of the caller's own slice.
func (v *vector) rest(n int) net.Buffers {
	var out net.Buffers
	for _, b := range v.bufs {
		if n >= len(b) {
			n -= len(b)
			continue
		}
		out = append(out, b[n:])
		n = 0
	}
	return out
}

// Viewer is one socket that a lane is written to.
type Viewer struct {
	fan   *Fan
	conn  *net.TCPConn
	raw   syscall.RawConn
	opt   Options
	lane  *hub.Lane
	place uint32 // among all viewers of the fan, by which they take turns
	group *group
	try   func(fd uintptr) bool // writeTo as a value, made once

	mu      sync.Mutex // held while writing; what the fields below say is true when it is free
	pos     uint64
	out     *vector // argument and results of try
	sent    int
	errno   syscall.Errno
	writes  int // not told yet, and their bytes
	unsaid  int
	blocked bool // a helper is writing the rest of a batch
	over    bool
	err     error
	done    chan struct{}
}

// Done is closed when the viewer is over.
func (v *Viewer) Done() <-chan struct{} { return v.done }

// Err says why the viewer is over: io.EOF when the stream ended.
func (v *Viewer) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// Close takes the viewer off its shard. The connection stays the caller's.
func (v *Viewer) Close() {
	v.mu.Lock()
	v.finish(errStopped)
	v.mu.Unlock()
}

// Inject writes b between two chunks, for answers of the protocol. It may wait while the socket is full.
func (v *Viewer) Inject(b []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		return v.err
	}
	if v.blocked {
		return nil // the socket is full: an answer would come too late to matter
	}
	v.write(newVector([][]byte{b}))
	return nil
}

// finish ends the viewer; v.mu is held.
func (v *Viewer) finish(err error) {
	if v.over {
		return
	}
	v.over, v.err = true, err
	v.tell()
	close(v.done)
	v.fan.count.viewers.Add(-1)
	v.fan.places.leave(v.lane)
	if v.group != nil {
		v.group.shard.leave(v)
	}
	if v.opt.Ended != nil {
		go v.opt.Ended(err) // the gateway's own ending may take its time; shards must not wait for it
	}
}

// writeTo is one non-blocking vectored write. It runs while the runtime holds the descriptor, so that the number
// cannot have been reused for another connection.
func (v *Viewer) writeTo(fd uintptr) bool {
	for {
		n, errno := v.out.send(fd)
		switch errno {
		case 0:
			v.sent, v.errno = int(n), 0
		case unix.EINTR:
			continue
		default:
			v.sent, v.errno = 0, errno
		}
		return true
	}
}

// write sends a vector, handing what the socket does not take to a helper. It reports whether the viewer can be
// written to again; v.mu is held (or nobody else knows v yet).
func (v *Viewer) write(out *vector) bool {
	v.out = out
	err := v.raw.Write(v.try)
	v.out = nil
	if err == nil && v.errno != 0 && v.errno != unix.EAGAIN {
		err = v.errno
	}
	if err != nil {
		v.fail(err)
		return false
	}
	v.tally(v.sent)
	if v.sent == out.size {
		return true
	}
	v.blocked = true
	v.fan.count.blocked.Add(1)
	rest := out.rest(v.sent)
	v.fan.wg.Go(func() { v.drain(rest) })
	return false
}

// tally counts a write. The session's counter lies in memory that no cache holds any more when its viewer's turn comes
// again, so it and the fan's are told of several writes at once; v.mu is held.
func (v *Viewer) tally(n int) {
	v.writes++
	v.unsaid += n
	if v.writes >= tellWrites || v.unsaid >= tellBytes {
		v.tell()
	}
}

// tell counts what was not told yet; v.mu is held.
func (v *Viewer) tell() {
	v.account(v.writes, v.unsaid)
	v.writes, v.unsaid = 0, 0
}

func (v *Viewer) account(writes, bytes int) {
	v.fan.count.writes.Add(uint64(writes))
	v.fan.count.bytes.Add(uint64(bytes))
	if v.opt.Sent != nil && bytes > 0 {
		v.opt.Sent(bytes)
	}
}

// drain writes the rest of a batch with the poller's help, so that one full socket costs the shard nothing. What it pins is
// at most one batch; the viewer's cursor goes on afterwards, or skips.
func (v *Viewer) drain(rest net.Buffers) {
	var err error
	for len(rest) > 0 && err == nil {
		_ = v.conn.SetWriteDeadline(time.Now().Add(v.fan.stalled()))
		var n int64
		n, err = v.writeSome(&rest)
		if n > 0 {
			v.account(1, int(n))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil // slow, but it moves
			}
		}
	}
	_ = v.conn.SetWriteDeadline(time.Time{})
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blocked = false
	if err != nil {
		v.fail(err)
		return
	}
	if v.group != nil {
		v.group.shard.wakeUp(v.group)
	}
}

// writeSome writes at most about 256 KiB, so that a slow but moving viewer keeps renewing its deadline.
func (v *Viewer) writeSome(rest *net.Buffers) (int64, error) {
	const most = 256 << 10
	part, size := net.Buffers{}, 0
	for _, b := range *rest {
		if size > 0 && size+len(b) > most {
			break
		}
		part = append(part, b)
		size += len(b)
	}
	count := len(part)
	n, err := part.WriteTo(v.conn)
	*rest = append(part, (*rest)[count:]...)
	return n, err
}

// fail ends the viewer after a failed write; v.mu is held.
func (v *Viewer) fail(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		v.fan.count.stalled.Add(1)
		err = fault.Wrap(err, fault.Unavailable, "viewer_stalled", "The viewer took no data for "+v.fan.stalled().String()+".", "Its network is too slow for this stream, or its player hangs.")
	} else {
		v.fan.count.writeErrors.Add(1)
	}
	v.finish(err)
	_ = v.conn.Close() // wakes the goroutine that reads it
}

// flush writes what the viewer's position has before it, using the shard's cache of vectors; only the shard calls it.
func (v *Viewer) flush(c *cache) {
	if !v.mu.TryLock() {
		return // an answer is being injected; the next flush takes this up
	}
	defer v.mu.Unlock()
	for !v.over && !v.blocked {
		out, b := c.read(v.lane, v.pos)
		v.fan.skipped(b.Skipped)
		v.pos = b.Next
		if out.size > 0 && !v.write(out) {
			return
		}
		if b.Ended {
			v.finish(io.EOF)
			return
		}
		if out.size == 0 || !out.full {
			return
		}
	}
}
