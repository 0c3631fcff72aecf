// Package session is the one door: who may publish or play, how much, and when to
// stop, the same for every protocol. What belongs here: the order of the checks,
// the limits, the counting and ending of sessions, and the memory of who was
// refused. What does not: how keys and hooks answer (control/access, control/hook),
// what a stream is (hub) and anything of a wire.
package session

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
	"weir/internal/streamname"
)

// Config sets the door's limits. Zero values mean no limit or the default.
type Config struct{}

// Door opens sessions.
type Door struct {
	log  *slog.Logger
	last atomic.Uint64

	mu       sync.Mutex
	sessions map[string]*Session
}

// New returns a door that lets everybody in.
func New(_ Config, log *slog.Logger) *Door {
	return &Door{log: log, sessions: make(map[string]*Session)}
}

// Connect is asked at an RTMP connect, before a stream is named.
func (d *Door) Connect(_ context.Context, _ Request) error { return nil }

// Open lets somebody in or refuses with a *fault.Error.
func (d *Door) Open(ctx context.Context, r Request) (*Session, error) {
	if err := streamname.Check(r.Name); err != nil {
		return nil, err
	}
	s := &Session{
		door: d, id: fmt.Sprint(d.last.Add(1)), action: r.Action, protocol: r.Protocol, name: r.Name,
		remote: r.Remote, agent: r.UserAgent, since: time.Now(),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions[s.id] = s
	return s, nil
}

// Touch counts a request of a viewer without a connection (HLS, DASH).
func (d *Door) Touch(ctx context.Context, r Request, _ string, bytes int64) (*Session, error) {
	s, err := d.Open(context.WithoutCancel(ctx), r)
	if err != nil {
		return nil, err
	}
	s.Out(int(bytes))
	s.Close(nil)
	return s, nil
}

// Sessions lists the sessions that the filter accepts; nil accepts all.
func (d *Door) Sessions(filter func(Info) bool) []Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []Info
	for _, s := range d.sessions {
		info := Info{
			ID: s.id, Action: s.action, Protocol: s.protocol, Name: s.name, Remote: s.remote.String(), UserAgent: s.agent,
			Since: s.since, BytesIn: s.in.Load(), BytesOut: s.out.Load(),
		}
		if filter == nil || filter(info) {
			list = append(list, info)
		}
	}
	return list
}

// Kick ends a session and reports whether there was one.
func (d *Door) Kick(id string, cause error) bool {
	d.mu.Lock()
	s := d.sessions[id]
	d.mu.Unlock()
	if s == nil {
		return false
	}
	if cause == nil {
		cause = fault.New(fault.Forbidden, "kicked", "The session was ended by the server's owner.", "")
	}
	s.Close(cause)
	return true
}

func (d *Door) remove(s *Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sessions, s.id)
}
