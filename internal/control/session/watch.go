package session

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// EventType says what happened at the door.
type EventType string

// The types of event.
const (
	Opened  EventType = "session.opened"
	Closed  EventType = "session.closed"
	Refused EventType = "publish.refused" // also for Info.Action Play
)

// Event is something that happened at the door.
type Event struct {
	Type    EventType
	Info    Info    // of a refused one: only Action, Protocol, Name, Remote and UserAgent
	Cause   error   // Closed: why; nil when the peer left
	Attempt Attempt // Refused
}

const watchLength = 256

// watchers hands events to whoever listens; who is slow loses the oldest.
type watchers struct {
	mu      sync.Mutex
	closed  bool
	list    map[chan Event]struct{}
	some    atomic.Bool
	dropped atomic.Int64
}

// Watch returns what happens at the door from now on. A slow reader misses the
// oldest events. The channel is closed by stop and when the door is closed.
func (d *Door) Watch() (events <-chan Event, stop func()) {
	w := &d.watchers
	c := make(chan Event, watchLength)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		close(c)
		return c, func() {}
	}
	if w.list == nil {
		w.list = make(map[chan Event]struct{})
	}
	w.list[c] = struct{}{}
	w.some.Store(true)
	return c, func() { w.leave(c) }
}

func (w *watchers) leave(c chan Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.list[c]; ok {
		delete(w.list, c)
		close(c)
	}
	w.some.Store(len(w.list) > 0)
}

func (w *watchers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for c := range w.list {
		close(c)
	}
	w.list = nil
	w.some.Store(false)
}

// send makes the event only when somebody listens.
func (w *watchers) send(event func() Event) {
	if !w.some.Load() {
		return
	}
	e := event()
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.list {
		for full := true; full; {
			select {
			case c <- e:
				full = false
			default:
				select {
				case <-c:
					w.dropped.Add(1)
				default:
				}
			}
		}
	}
}

// host is the address of "address:port" as Attempt has it.
func host(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return a.Addr().String()
}
