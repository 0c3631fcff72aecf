package api

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"weir/internal/fault"
)

// The types of event.
const (
	streamStarted  = "stream.started"
	streamUpdated  = "stream.updated"
	streamAway     = "stream.away"
	streamReturned = "stream.returned"
	streamEnded    = "stream.ended"
	publishRefused = "publish.refused"
	sessionOpened  = "session.opened"
	sessionClosed  = "session.closed"
	systemTick     = "system.tick"

	recordingStarted  = "recording.started"
	recordingFinished = "recording.finished"
	recordingDeleted  = "recording.deleted"
	storageAlarm      = "storage.alarm"
	storageOK         = "storage.ok"
)

// eventTypes are all there are.
func eventTypes() []string {
	return []string{
		streamStarted, streamUpdated, streamAway, streamReturned, streamEnded, publishRefused, sessionOpened, sessionClosed, systemTick,
		recordingStarted, recordingFinished, recordingDeleted, storageAlarm, storageOK,
	}
}

// passing reports whether an event tells a figure of the moment, which is not worth
// sending later or to a webhook.
func passing(kind string) bool { return kind == streamUpdated || kind == systemTick }

// Event is something that happened.
type Event struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`

	encoded []byte
}

const (
	ringLength      = 1000 // events of each ring that can be had again by Last-Event-ID
	subscriberQueue = 256
)

// broker hands events to subscribers and remembers the latest. A subscriber that
// does not keep up is cut off: it comes back and asks for what it missed.
type broker struct {
	most int

	mu      sync.Mutex
	closed  bool
	streams []*Event // the latest of streams and refusals
	people  []*Event // the latest of sessions: apart, because a crowd of viewers must not push the others out
	last    ulid.ULID
	subs    map[*subscriber]struct{}
	webhook func(*Event)

	sent, lagged atomic.Int64
}

type subscriber struct {
	types  []string // empty: all
	events chan *Event
}

func newBroker(most int) *broker {
	return &broker{most: most, subs: make(map[*subscriber]struct{}), webhook: func(*Event) {}}
}

// nextID gives IDs that sort by time, also over restarts.
func (b *broker) nextID(now time.Time) string {
	id := ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy())
	if id.Compare(b.last) <= 0 {
		id = b.last
		for i := len(id) - 1; i >= 0; i-- { // the next number, whatever the clock did
			if id[i]++; id[i] != 0 {
				break
			}
		}
	}
	b.last = id
	return id.String()
}

// publish tells everybody of an event.
func (b *broker) publish(kind string, now time.Time, data any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || passing(kind) && len(b.subs) == 0 {
		return
	}
	e := &Event{ID: b.nextID(now), Type: kind, Timestamp: now.UTC(), Data: data}
	var err error
	if e.encoded, err = json.Marshal(e); err != nil {
		return // our own plain structs; none fails
	}
	b.sent.Add(1)
	if !passing(kind) {
		ring := &b.streams
		if kind == sessionOpened || kind == sessionClosed {
			ring = &b.people
		}
		if len(*ring) >= ringLength {
			*ring = slices.Delete(*ring, 0, ringLength/10)
		}
		*ring = append(*ring, e)
		b.webhook(e)
	}
	for s := range b.subs {
		if !s.wants(kind) {
			continue
		}
		select {
		case s.events <- e:
		default:
			b.lagged.Add(1)
			delete(b.subs, s)
			close(s.events)
		}
	}
}

func (s *subscriber) wants(kind string) bool {
	return len(s.types) == 0 || slices.Contains(s.types, kind)
}

// since says from where on a subscriber wants to be told again; zero: only what comes.
type since struct {
	id string
	at time.Time
}

func (s since) includes(e *Event) bool {
	return s.id != "" && e.ID > s.id || !s.at.IsZero() && !e.Timestamp.Before(s.at)
}

// subscribe returns a subscriber and what it missed. Leave ends it; the channel is
// closed when it is too slow and when the server stops.
func (b *broker) subscribe(types []string, from since) (*subscriber, []*Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	}
	if len(b.subs) >= b.most {
		return nil, nil, fault.New(fault.Unavailable, "too_many_subscribers", "Too many programs listen to events already.", "Close a console, or try again later.")
	}
	s := &subscriber{types: types, events: make(chan *Event, subscriberQueue)}
	b.subs[s] = struct{}{}
	var missed []*Event
	for _, ring := range [][]*Event{b.streams, b.people} {
		for _, e := range ring {
			if s.wants(e.Type) && from.includes(e) {
				missed = append(missed, e)
			}
		}
	}
	slices.SortFunc(missed, func(x, y *Event) int { return strings.Compare(x.ID, y.ID) })
	return s, missed, nil
}

// listened reports whether figures of the moment have a reader.
func (b *broker) listened() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs) > 0
}

func (b *broker) leave(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.subs[s]; ok {
		delete(b.subs, s)
		close(s.events)
	}
}

func (b *broker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subs {
		close(s.events)
	}
	clear(b.subs)
}

func (b *broker) stats(s *Stats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Subscribers, s.Events, s.Lagged = len(b.subs), b.sent.Load(), b.lagged.Load()
}
