package recordings

import (
	"sync"

	"weir/internal/timeline"
)

// Kinds of event.
const (
	Started  = "recording.started"
	Finished = "recording.finished"
	Deleted  = "recording.deleted"
	Alarmed  = "storage.alarm"
	Relieved = "storage.ok"
)

// Event tells of a recording, or of the disk that footage is written to.
type Event struct {
	Kind   string
	Record Record         // of a recording
	Alarm  timeline.Alarm // of the storage
}

const eventBuffer = 64

// Events hands events to who watches. It is made before the store that tells alarms. A watcher that does not read
// loses the oldest.
type Events struct {
	mu       sync.Mutex
	watchers map[chan Event]struct{}
}

// NewEvents returns the events of nobody yet.
func NewEvents() *Events { return &Events{watchers: make(map[chan Event]struct{})} }

// Watch returns a channel of events and what ends it.
func (e *Events) Watch() (<-chan Event, func()) {
	ch := make(chan Event, eventBuffer)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watchers[ch] = struct{}{}
	return ch, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watchers, ch)
	}
}

// Alarm is what the timeline store calls.
func (e *Events) Alarm(a timeline.Alarm) {
	kind := Alarmed
	if a.Code == "recording_resumed" {
		kind = Relieved
	}
	e.tell(Event{Kind: kind, Alarm: a})
}

func (e *Events) tell(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for ch := range e.watchers {
		for sent := false; !sent; {
			select {
			case ch <- ev:
				sent = true
			default:
				select {
				case <-ch:
				default:
				}
			}
		}
	}
}
