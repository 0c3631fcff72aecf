package recordings

import (
	"weir/internal/timeline"
	"weir/internal/watch"
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

// Events hands events to who watches. It is made before the store that tells alarms.
type Events struct{ watch.List[Event] }

// NewEvents returns the events of nobody yet.
func NewEvents() *Events { return &Events{} }

// Alarm is what the timeline store calls.
func (e *Events) Alarm(a timeline.Alarm) {
	kind := Alarmed
	if a.Code == "recording_resumed" {
		kind = Relieved
	}
	e.Tell(Event{Kind: kind, Alarm: a})
}
