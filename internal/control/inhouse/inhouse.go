// Package inhouse keeps the publishers that run inside the server, such as the test source and replays: like any other publisher each has a session at
// the door, and ends with it. What belongs here: their sessions, their number, their list and their end. What does not: what they publish (app).
package inhouse

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"weir/internal/control/session"
	"weir/internal/fault"
)

// Kind is what publishers of one sort have in common.
type Kind struct {
	Protocol, Software string // as their sessions tell
	Most               int    // that run at once

	TooMany, Unknown, Stopped *fault.Error
}

// Job is what one publisher does.
type Job[T any] struct {
	About T                           // what List tells of it
	Run   func(context.Context) error // publishes until its context ends; a panic in it ends this publisher only
	Ended func(cause error)           // is told once, before the session is closed
}

// Publishers runs publishers of one kind. All methods are safe for concurrent use.
type Publishers[T any] struct {
	kind Kind
	door *session.Door
	log  *slog.Logger

	mu     sync.Mutex
	closed bool
	begun  int                    // so far
	byID   map[string]*running[T] // by the IDs of their sessions
	wg     sync.WaitGroup
}

type running[T any] struct {
	Job[T]
	number int // in the order of their starts; the IDs of one millisecond are in none
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// New returns a keeper of publishers; Close ends all.
func New[T any](k Kind, d *session.Door, log *slog.Logger) *Publishers[T] {
	return &Publishers[T]{kind: k, door: d, log: log, byID: make(map[string]*running[T])}
}

// Start opens a session to publish name and runs the job that begin makes for it, until it is done, Stop, or its session is ended. ctx bounds the start only.
func (p *Publishers[T]) Start(ctx context.Context, name string, begin func(*session.Session) (Job[T], error)) (about T, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return about, fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	}
	if len(p.byID) >= p.kind.Most {
		return about, p.kind.TooMany
	}
	// The session outlives the request that asked for it.
	sess, err := p.door.Open(context.WithoutCancel(ctx), session.Request{
		Action: session.Publish, Protocol: p.kind.Protocol, Name: name, Remote: netip.AddrPortFrom(netip.IPv6Loopback(), 0), UserAgent: p.kind.Software, Internal: true,
	})
	if err != nil {
		return about, err
	}
	job, err := begin(sess)
	if err != nil {
		sess.Close(err)
		return about, err
	}
	run, cancel := context.WithCancelCause(sess.Context())
	p.begun++
	r := &running[T]{Job: job, number: p.begun, cancel: cancel, done: make(chan struct{})}
	p.byID[sess.ID()] = r
	p.wg.Go(func() { p.run(run, r, sess) })
	return job.About, nil
}

func (p *Publishers[T]) run(ctx context.Context, r *running[T], sess *session.Session) {
	defer close(r.done)
	defer r.cancel(nil)
	cause := p.work(ctx, r, sess)
	p.mu.Lock()
	delete(p.byID, sess.ID())
	p.mu.Unlock()
	r.Ended(cause)
	sess.Close(cause)
}

func (p *Publishers[T]) work(ctx context.Context, r *running[T], sess *session.Session) (cause error) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("a publisher inside the server panicked", "protocol", p.kind.Protocol, "stream", sess.Name(), "panic", v)
			cause = fault.Of(fmt.Errorf("panic: %v", v))
		}
	}()
	return r.Run(ctx)
}

// Stop ends a publisher and waits for its end.
func (p *Publishers[T]) Stop(id string) error {
	p.mu.Lock()
	r := p.byID[id]
	p.mu.Unlock()
	if r == nil {
		return p.kind.Unknown
	}
	r.cancel(p.kind.Stopped)
	<-r.done
	return nil
}

// List tells of the running publishers, the oldest first.
func (p *Publishers[T]) List() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.SortedFunc(maps.Values(p.byID), func(a, b *running[T]) int { return cmp.Compare(a.number, b.number) })
	list := make([]T, len(all))
	for i, r := range all {
		list[i] = r.About
	}
	return list
}

// Count returns how many run.
func (p *Publishers[T]) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byID)
}

// Close stops all and waits for them.
func (p *Publishers[T]) Close() {
	p.mu.Lock()
	p.closed = true
	for _, r := range p.byID {
		r.cancel(fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", ""))
	}
	p.mu.Unlock()
	p.Wait()
}

// Wait returns when all that run have ended; it ends none.
func (p *Publishers[T]) Wait() { p.wg.Wait() }
