package session

import "net/netip"

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

// Watch returns what happens at the door from now on. A slow reader misses the
// oldest events. The channel is closed by stop and when the door is closed.
func (d *Door) Watch() (events <-chan Event, stop func()) { return d.events.Watch() }

// host is the address of "address:port" as Attempt has it.
func host(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return a.Addr().String()
}
