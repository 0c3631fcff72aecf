package hub

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
