// Package fan writes what a lane holds to many sockets. What belongs here: shards that write without blocking
// to all their TCP viewers, the goroutine form for viewers behind TLS or HTTP/2, flush profiles, the slow-reader rule.
// What does not: wire formats (the lane's encoder), who may watch (control/session), requests (the gateways).
//
// The cost of fan-out over TCP is the number of writes and the copies of the bytes into the kernel. So the audio that arrives
// between two video frames leaves with the second one, a crowd takes turns at the pictures (halves), viewers at the same position
// share one vector of buffers, and what is long goes from a file in memory whose pages all their sockets share (spool).
package fan

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
)

// Profile says how often a viewer is written to.
type Profile uint8

// The profiles, from least delay to least work.
const (
	Live     Profile = iota // with every video frame, a crowd with every other; audio joined, alone after 40 ms (default)
	Realtime                // with every frame
	Relaxed                 // every 350 ms, spread over the viewers
)

// ParseProfile reads a profile's name; "" is Live.
func ParseProfile(s string) (Profile, error) {
	switch s {
	case "", "live":
		return Live, nil
	case "realtime":
		return Realtime, nil
	case "relaxed":
		return Relaxed, nil
	}
	return Live, fault.New(fault.Invalid, "profile_unknown", "There is no delivery profile "+s+".", "Use realtime, live or relaxed.")
}

const (
	perShard     = 1024                   // viewers of one lane that share a shard, before the next one takes more
	tick         = 20 * time.Millisecond  // how often a shard looks for audio that waits
	lazyTick     = 100 * time.Millisecond // the same where video frames flush: audio waits only while the video stalls
	audioWait    = 40 * time.Millisecond  // the longest that audio waits for a video frame
	relaxedEvery = 350 * time.Millisecond // SRS merges as much by default
	relaxedTick  = 50 * time.Millisecond  // how often some of the relaxed viewers have their turn
	maxBufs      = 1000                   // IOV_MAX is 1024
	flatFrom     = 16                     // viewers for whom a vector is copied into one buffer
	flatMost     = 64 << 10               // bytes; copying more costs more than it saves
	tellWrites   = 8                      // after so many writes, or bytes, of a viewer they are counted
	tellBytes    = 64 << 10
	defaultStall = 15 * time.Second
)

// Config of a Fan. Zero values get the defaults.
type Config struct {
	Shards int           // default GOMAXPROCS
	Stall  time.Duration // a viewer that takes nothing for so long is let go (default 15 s); see SetStall
}

// Fan is a set of shards.
type Fan struct {
	stall  atomic.Int64 // ns
	log    *slog.Logger
	shards []*shard
	next   atomic.Uint32
	places places
	wg     sync.WaitGroup
	stop   chan struct{}
	once   sync.Once
	count  counters
}

type counters struct {
	viewers                           atomic.Int64
	writes, bytes, blocked, stalled   atomic.Uint64
	skips, skippedChunks, writeErrors atomic.Uint64
}

// New starts the shards.
func New(cfg Config, log *slog.Logger) *Fan {
	if cfg.Shards == 0 {
		cfg.Shards = runtime.GOMAXPROCS(0)
	}
	f := &Fan{log: log, stop: make(chan struct{}), places: places{lanes: map[*hub.Lane]*place{}}}
	f.SetStall(cfg.Stall)
	for range cfg.Shards {
		s := newShard(f)
		f.shards = append(f.shards, s)
		f.wg.Go(s.run)
	}
	return f
}

// SetStall says how long a viewer may take nothing, for all from now on; 0 is the default.
func (f *Fan) SetStall(d time.Duration) { f.stall.Store(int64(cmp.Or(d, defaultStall))) }

func (f *Fan) stalled() time.Duration { return time.Duration(f.stall.Load()) }

// Close lets all viewers go and waits for the shards.
func (f *Fan) Close() {
	f.once.Do(func() { close(f.stop) })
	f.wg.Wait()
}

// Stats are the fan's totals since its start; Viewers is now.
type Stats struct {
	Viewers                         int64
	Writes, Bytes, Blocked, Stalled uint64 // Blocked: writes that the socket did not take at once
	Skips, SkippedChunks            uint64 // how often slow viewers skipped, and how much they lost
}

// Stats returns the totals.
func (f *Fan) Stats() Stats {
	c := &f.count
	return Stats{
		Viewers: c.viewers.Load(), Writes: c.writes.Load(), Bytes: c.bytes.Load(), Blocked: c.blocked.Load(),
		Stalled: c.stalled.Load(), Skips: c.skips.Load(), SkippedChunks: c.skippedChunks.Load(),
	}
}

// Options of one viewer.
type Options struct {
	Profile Profile
	Sent    func(n int)     // counts bytes that left; called from shards, must be cheap; may be nil
	Ended   func(err error) // called once from a goroutine of its own when the viewer is over; may be nil
}

// Attach writes the lane to conn from a shard, beginning at the last random access point. It returns as soon as the start
// is handed to the kernel or to a helper. The caller keeps reading conn and calls Close when the viewer has gone. When writing
// fails or the viewer stalls, conn is closed; when the stream ends, it stays open.
func (f *Fan) Attach(conn *net.TCPConn, l *hub.Lane, o Options) (*Viewer, error) {
	select {
	case <-f.stop:
		return nil, errStopped
	default:
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := f.shards[f.places.take(l)%len(f.shards)]
	v := &Viewer{fan: f, conn: conn, raw: raw, opt: o, lane: l, done: make(chan struct{}), place: f.next.Add(1)}
	v.try = v.writeTo
	f.count.viewers.Add(1)
	header, pos := l.Join()
	v.pos = pos
	bufs := append(make([][]byte, 0, 256), header...)
	for {
		var b hub.Batch
		if bufs, b = l.Read(bufs, v.pos, maxBufs-len(header)); len(bufs) == 0 {
			break
		}
		v.pos = b.Next
		if !v.write(newVector(bufs)) {
			break // a helper goes on, or the connection is broken
		}
		bufs = bufs[:0:0]
	}
	s.join(v)
	return v, nil
}

// places says which shard takes the next viewer of a lane. Viewers of one lane stay together, because each shard that has to
// be woken for a frame costs a wake-up, and those who stand at one position share a vector.
type places struct {
	mu    sync.Mutex
	lanes map[*hub.Lane]*place
	next  int
}

type place struct{ base, viewers int }

func (p *places) take(l *hub.Lane) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.lanes[l]
	if at == nil {
		at = &place{base: p.next}
		p.next++
		p.lanes[l] = at
	}
	at.viewers++
	return at.base + (at.viewers-1)/perShard
}

func (p *places) leave(l *hub.Lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.lanes[l]
	if at.viewers--; at.viewers == 0 {
		delete(p.lanes, l)
	}
}

// Copy is Attach for viewers that have no bare socket: it writes from the caller's goroutine until ctx ends, write fails
// or the stream ends (nil). write gets the buffers of one flush; they are shared and must not be kept or changed.
func (f *Fan) Copy(ctx context.Context, l *hub.Lane, o Options, write func([][]byte) error) error {
	w := &waiter{flush: make(chan struct{}, 1), some: make(chan struct{}, 1)}
	l.Watch(w)
	defer l.Unwatch(w)
	f.count.viewers.Add(1)
	defer f.count.viewers.Add(-1)
	header, pos := l.Join()
	bufs := append(make([][]byte, 0, 256), header...)
	for {
		var b hub.Batch
		bufs, b = l.Read(bufs, pos, maxBufs)
		f.skipped(b.Skipped)
		if len(bufs) > 0 {
			if err := write(bufs); err != nil {
				return err
			}
			f.count.writes.Add(1)
			f.count.bytes.Add(uint64(b.Size))
			if o.Sent != nil {
				o.Sent(b.Size)
			}
		}
		if b.Ended {
			return nil
		}
		more := b.Size > 0 && l.Pending(b.Next) > 0
		pos, bufs = b.Next, bufs[:0]
		if more {
			continue
		}
		if err := w.wait(ctx, o.Profile); err != nil {
			return err
		}
	}
}

func (f *Fan) skipped(chunks int) {
	if chunks > 0 {
		f.count.skips.Add(1)
		f.count.skippedChunks.Add(uint64(chunks))
	}
}

// waiter wakes one goroutine by the rules of its profile.
type waiter struct{ flush, some chan struct{} }

func (w *waiter) LaneChanged(_ *hub.Lane, flush bool) {
	ch := w.some
	if flush {
		ch = w.flush
	}
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (w *waiter) wait(ctx context.Context, p Profile) error {
	delay := audioWait
	flush := w.flush
	switch p {
	case Realtime:
		delay = 0
	case Relaxed:
		delay, flush = relaxedEvery, nil
	case Live:
	}
	select {
	case <-w.flush:
		if p != Relaxed {
			return nil
		}
	case <-w.some:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-flush:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

var errStopped = io.ErrClosedPipe
