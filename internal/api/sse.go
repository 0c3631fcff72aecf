package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"weir/internal/control/access"
	"weir/internal/fault"
)

const (
	heartbeatEvery = 15 * time.Second
	sseWrite       = 10 * time.Second // a reader that takes longer is gone
)

type eventsInput struct {
	Types       []string `query:"types" maxItems:"32" doc:"Only these types, separated by commas; empty: all"`
	Since       string   `query:"since" maxLength:"64" doc:"An event's id, or a time (RFC 3339): what came after it is sent first"`
	LastEventID string   `header:"Last-Event-ID" maxLength:"64" doc:"As browsers send it when they reconnect; goes before since"`
}

func (a *API) eventRoutes() {
	add(a, op{id: "stream-events", method: http.MethodGet, path: "/events", summary: "Server-sent events", tag: "events", right: access.ScopeStreamsRead}, a.streamEvents)
	// Huma cannot tell the content of a body that is written by hand.
	get := a.huma.OpenAPI().Paths[base+"/events"].Get
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Event](), true, "Event")
	get.Responses["200"] = &huma.Response{
		Description: "One event after the other; data is an Event, event its type, id its id. Types: " + strings.Join(eventTypes(), ", ") + ".",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: schema}},
	}
}

func (a *API) streamEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	for _, t := range in.Types {
		if !slices.Contains(eventTypes(), t) {
			return nil, typeUnknown(t)
		}
	}
	from, err := in.from()
	if err != nil {
		return nil, err
	}
	sub, missed, err := a.events.subscribe(in.Types, from)
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer a.events.leave(sub)
		_, w := humago.Unwrap(hctx)
		a.sendEvents(hctx.Context(), newEventWriter(w), c, sub, missed)
	}}, nil
}

func typeUnknown(t string) error {
	return fault.New(fault.Invalid, "event_type_unknown", "There is no event type "+quote(t)+".", "The types are "+strings.Join(eventTypes(), ", ")+".")
}

func (in *eventsInput) from() (since, error) {
	given := in.LastEventID
	if given == "" {
		given = in.Since
	}
	if given == "" {
		return since{}, nil
	}
	if at, err := time.Parse(time.RFC3339, given); err == nil {
		return since{at: at}, nil
	}
	if len(given) == 26 && strings.Trim(given, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == "" {
		return since{id: given}, nil
	}
	return since{}, fault.New(fault.Invalid, "since_invalid", "The place to go on from is neither an event's id nor a time.", "Give the id of an event, or a time like 2026-01-02T15:04:05Z.")
}

// sendEvents writes until the reader leaves, falls behind or loses its right.
func (a *API) sendEvents(ctx context.Context, w *eventWriter, c *caller, sub *subscriber, missed []*Event) {
	w.text("retry: 3000\n: weir\n\n")
	for _, e := range missed {
		w.event(e)
	}
	w.flush()
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	for w.err == nil {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-sub.events:
			if !ok {
				return
			}
			w.event(e)
			for more := true; more; { // what is there already goes in one flush
				select {
				case e, ok := <-sub.events:
					if more = ok; ok {
						w.event(e)
					}
				default:
					more = false
				}
			}
			w.flush()
		case <-heartbeat.C:
			if !a.stillMay(c) {
				return
			}
			w.text(": still here\n\n")
			w.flush()
		}
	}
}

// stillMay asks again whether a long connection's caller may read, for a token may
// have been deleted, and a user signed out.
func (a *API) stillMay(c *caller) bool {
	now, err := a.caller(c.request)
	return err == nil && now.known && now.identity.Allows(access.ScopeStreamsRead)
}

// eventWriter writes the text/event-stream format (HTML Standard, section 9.2).
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func newEventWriter(w http.ResponseWriter) *eventWriter {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	return &eventWriter{w: w, control: http.NewResponseController(w)}
}

func (w *eventWriter) text(s string) { w.write([]byte(s)) }

func (w *eventWriter) event(e *Event) {
	line := make([]byte, 0, len(e.encoded)+len(e.ID)+len(e.Type)+32)
	line = append(line, "id: "+e.ID+"\nevent: "+e.Type+"\ndata: "...)
	line = append(line, e.encoded...)
	w.write(append(line, "\n\n"...))
}

func (w *eventWriter) write(b []byte) {
	if w.err != nil {
		return
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(sseWrite)) // not every writer has deadlines
	_, w.err = w.w.Write(b)
}

// flush sends what was written. Until the next event there is no deadline: HTTP/2 resets a stream whose deadline passes,
// whatever it does.
func (w *eventWriter) flush() {
	if w.err == nil {
		w.err = w.control.Flush()
	}
	_ = w.control.SetWriteDeadline(time.Time{})
}
