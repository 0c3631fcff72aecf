package hub

import "sync"

// EventType names what happened to a stream.
type EventType string

// The hub's events.
const (
	Started  EventType = "started"  // the stream came to be
	WentAway EventType = "away"     // its publisher left; the grace time runs
	Returned EventType = "returned" // a publisher continues it
	NewRun   EventType = "run"      // new codec configuration or clock; tracks changed
	Ended    EventType = "ended"    // the stream is over
)

// Event tells one change of one stream.
type Event struct {
	Type   EventType
	Stream *Stream
	Run    *Run
	Cause  error // why the publisher left or the stream ended; may be nil
}

type events struct {
	mu       sync.Mutex
	watchers map[chan Event]struct{}
	closed   bool
}

const eventBuffer = 256

func (e *events) watch() (<-chan Event, func()) {
	ch := make(chan Event, eventBuffer)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		close(ch)
		return ch, func() {}
	}
	if e.watchers == nil {
		e.watchers = map[chan Event]struct{}{}
	}
	e.watchers[ch] = struct{}{}
	return ch, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if _, ok := e.watchers[ch]; ok {
			delete(e.watchers, ch)
			close(ch)
		}
	}
}

func (e *events) emit(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for ch := range e.watchers {
		for sent := false; !sent; {
			select {
			case ch <- ev:
				sent = true
			default:
				select { // a watcher that does not read loses the oldest
				case <-ch:
				default:
				}
			}
		}
	}
}

func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for ch := range e.watchers {
		close(ch)
	}
	e.watchers = nil
}
