package session

import (
	"fmt"
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"weir/internal/fault"
)

// tally counts the sessions, by stream and by address. The door's mutex guards it.
type tally struct {
	publishers, viewers int
	streams             map[string]*streamTally
	addresses           map[netip.Prefix]int // viewers
}

type streamTally struct {
	publishers, viewers int
	byProtocol          map[string]int // viewers
}

func newTally() tally {
	return tally{streams: make(map[string]*streamTally), addresses: make(map[netip.Prefix]int)}
}

// add counts a session in (by = 1) or out (by = -1); what is nobody's is forgotten.
// The server's own readers, pushes among them, are no viewers.
func (t *tally) add(s *Session, by int) {
	if s.internal && s.action == Play {
		return
	}
	st := t.streams[s.name]
	if st == nil {
		st = &streamTally{byProtocol: make(map[string]int, 2)}
		t.streams[s.name] = st
	}
	if s.action == Publish {
		t.publishers += by
		st.publishers += by
	} else {
		t.viewers += by
		st.viewers += by
		bump(st.byProtocol, s.protocol, by)
		bump(t.addresses, subscriber(s.remote.Addr()), by)
	}
	if st.publishers == 0 && st.viewers == 0 {
		delete(t.streams, s.name)
	}
}

func bump[K comparable](m map[K]int, k K, by int) {
	if m[k] += by; m[k] == 0 {
		delete(m, k)
	}
}

// subscriber is what one customer of a provider has: an IPv4 address, or 64 bits of IPv6.
func subscriber(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // fails for no address at all only, which is one customer then
	return p
}

// fits reports what limit a new session would break. The door's mutex is held.
func (d *Door) fits(l Limits, s *Session) error {
	over := func(code string, limit int, what string) error {
		return fault.New(fault.TooMany, code, fmt.Sprintf("The limit of %d %s is reached.", limit, what), "Try again later, or ask the server's owner to raise the limit.")
	}
	st := d.tally.streams[s.name]
	if s.action == Publish {
		// Who may take over a stream needs no free place: the other one leaves.
		if takesOver := st != nil && st.publishers > 0; l.Publishers > 0 && d.tally.publishers >= l.Publishers && !takesOver {
			return over("too_many_publishers", l.Publishers, "publishers")
		}
		return nil
	}
	if l.Viewers > 0 && d.tally.viewers >= l.Viewers {
		return over("too_many_viewers", l.Viewers, "viewers")
	}
	if l.ViewersPerStream > 0 && st != nil && st.viewers >= l.ViewersPerStream {
		return over("too_many_viewers", l.ViewersPerStream, "viewers of "+s.name)
	}
	if l.ViewersPerAddress > 0 && d.tally.addresses[subscriber(s.remote.Addr())] >= l.ViewersPerAddress {
		return over("too_many_viewers", l.ViewersPerAddress, "viewers from one address")
	}
	if l.OutBPS > 0 && d.meter.outBPS >= l.OutBPS {
		return fault.New(fault.TooMany, "bandwidth_full", "The server sends as much as it may already.", "Try again later, or ask the server's owner to raise the limit.")
	}
	return nil
}

// watched is what the tick remembers of a session.
type watched struct {
	in, out       int64 // at the last tick
	inBPS, outBPS atomic.Int64
	over          int       // ticks in a row above the limit of bandwidth
	touched       time.Time // of sessions without a connection; zero: it has one
	held          int       // answers that it is still taking (see Hold)
	update        time.Time // when on_update is due; zero: not planned yet
}

// meter measures the traffic of all sessions. The door's mutex guards it.
type meter struct {
	at                time.Time
	inBPS, outBPS     int64
	leftIn, leftOut   int64 // bytes since the last tick of sessions that have ended
	totalIn, totalOut int64 // bytes of sessions that have ended
}

// leave keeps what an ended session carried.
func (m *meter) leave(s *Session) {
	in, out := s.in.Load(), s.out.Load()
	m.totalIn += in
	m.totalOut += out
	m.leftIn += in - s.watch.in
	m.leftOut += out - s.watch.out
}

// Stats counts what the door sees.
type Stats struct {
	Publishers, Viewers, Streams int
	InBPS, OutBPS                int64            // bit/s over the last second
	BytesIn, BytesOut            int64            // since the start
	Refused                      map[string]int64 // by the fault's code
	Events                       int64            // dropped because a watcher was slow
}

// Stats returns the counts.
func (d *Door) Stats() Stats {
	d.mu.Lock()
	s := Stats{
		Publishers: d.tally.publishers, Viewers: d.tally.viewers, Streams: len(d.tally.streams),
		InBPS: d.meter.inBPS, OutBPS: d.meter.outBPS, BytesIn: d.meter.totalIn, BytesOut: d.meter.totalOut,
	}
	for _, open := range d.sessions {
		s.BytesIn += open.in.Load()
		s.BytesOut += open.out.Load()
	}
	d.mu.Unlock()
	s.Refused = d.refusals.counts()
	s.Events = d.events.Dropped()
	return s
}

// Viewers returns how many watch a stream, and over which protocols.
func (d *Door) Viewers(name string) (total int, byProtocol map[string]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := d.tally.streams[name]
	if st == nil {
		return 0, nil
	}
	return st.viewers, maps.Clone(st.byProtocol)
}
