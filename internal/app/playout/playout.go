// Package playout is the scenario of sending stored footage out live: a range of a timeline becomes a stream that any player
// of live streams can watch, once or in a loop. What belongs here: which replays run, and their way through the door. What
// does not: reading and pacing (replay), HTTP (api).
package playout

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/replay"
	"weir/internal/streamname"
	"weir/internal/timeline"
)

// maxReplays bounds what an owner can start by mistake; a replay costs about what a publisher does.
const maxReplays = 100

const (
	protocol = "replay"
	software = "Weir replay"
)

// Order is what is to be played.
type Order struct {
	Stream   string    // whose footage
	As       string    // the live stream that it becomes
	From, To time.Time // zero From: the oldest; zero To: the newest, and on with it while the stream lives
	Speed    float64   // 0.25 to 32; 0: 1
	Loop     bool
	KeepGaps bool // wait where footage is missing
}

// Replay is one that runs. Its id is that of its session.
type Replay struct {
	Order
	ID    string
	Since time.Time
}

type running struct {
	Replay
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// Replays plays footage as live streams. All methods are safe for concurrent use.
type Replays struct {
	hub    *hub.Hub
	door   *session.Door
	source replay.Source
	log    *slog.Logger

	mu     sync.Mutex
	closed bool
	byID   map[string]*running
	wg     sync.WaitGroup
}

// New returns a player of footage; Close ends all it plays.
func New(h *hub.Hub, d *session.Door, source replay.Source, log *slog.Logger) *Replays {
	return &Replays{hub: h, door: d, source: source, log: log, byID: make(map[string]*running)}
}

// Start plays until the range ends, Stop, or its session is ended. ctx bounds the start only.
func (r *Replays) Start(ctx context.Context, o Order) (Replay, error) {
	if err := r.check(ctx, &o); err != nil {
		return Replay{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return Replay{}, fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	}
	if len(r.byID) >= maxReplays {
		return Replay{}, fault.New(fault.TooMany, "too_many_replays", fmt.Sprintf("There are %d replays already.", maxReplays), "Stop one of them first.")
	}
	// The session outlives the request that asked for it.
	sess, err := r.door.Open(context.WithoutCancel(ctx), session.Request{
		Action: session.Publish, Protocol: protocol, Name: o.As, Remote: netip.AddrPortFrom(netip.IPv6Loopback(), 0), UserAgent: software, Internal: true,
	})
	if err != nil {
		return Replay{}, err
	}
	o.As = sess.Name()
	run, cancel := context.WithCancelCause(sess.Context())
	p := &running{Replay: Replay{Order: o, ID: sess.ID(), Since: time.Now().UTC()}, cancel: cancel, done: make(chan struct{})}
	r.byID[p.ID] = p
	r.wg.Go(func() { r.run(run, p, sess) })
	return p.Replay, nil
}

// check refuses what cannot be played, before it has a session.
func (r *Replays) check(ctx context.Context, o *Order) error {
	for _, name := range []string{o.Stream, o.As} {
		if err := streamname.Check(name); err != nil {
			return err
		}
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed >= replay.MinSpeed && o.Speed <= replay.MaxSpeed) {
		return fault.New(fault.Invalid, "replay_speed", "A replay has a speed from 0.25 to 32.", "Choose a speed inside this range.")
	}
	if o.Stream == o.As {
		return fault.New(fault.Invalid, "replay_into_itself", "A stream cannot be played into itself.", "Give the replay another name.")
	}
	if s := r.hub.Stream(o.As); s != nil && s.State() == hub.Live {
		return fault.New(fault.Conflict, "stream_busy", "Somebody publishes "+o.As+" already.", "Choose another name, or end that publication.")
	}
	spans, err := r.source.Spans(ctx, o.Stream, timeline.Range{From: o.From, To: o.To}, time.Second)
	if err == nil && len(spans) == 0 {
		err = timeline.ErrNoFootage
	}
	return err
}

func (r *Replays) run(ctx context.Context, p *running, sess *session.Session) {
	defer close(p.done)
	defer p.cancel(nil)
	cause := r.play(ctx, p, sess)
	r.mu.Lock()
	delete(r.byID, p.ID)
	r.mu.Unlock()
	sess.Close(cause)
	r.log.Info("replay ended", "stream", p.As, "of", p.Stream, "cause", cause)
}

func (r *Replays) play(ctx context.Context, p *running, sess *session.Session) (cause error) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("a replay panicked", "stream", p.As, "panic", v)
			cause = fault.New(fault.Internal, "internal", "The replay failed.", "The log has the details.")
		}
	}()
	return replay.Run(ctx, r.source, r.hub, replay.Options{
		Timeline: p.Stream, From: p.From, To: p.To, Speed: p.Speed, Loop: p.Loop, KeepGaps: p.KeepGaps,
		Name: p.As, Origin: hub.Origin{Protocol: protocol, Software: software, Session: sess.ID()}, Sent: sess.In,
	})
}

// Stop ends a replay and waits for its end.
func (r *Replays) Stop(id string) error {
	r.mu.Lock()
	p := r.byID[id]
	r.mu.Unlock()
	if p == nil {
		return fault.New(fault.NotFound, "replay_unknown", "There is no such replay.", "It may have ended.")
	}
	p.cancel(fault.New(fault.Unavailable, "stopped", "The replay was stopped.", ""))
	<-p.done
	return nil
}

// List returns the running replays, the oldest first.
func (r *Replays) List() []Replay {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Replay, 0, len(r.byID))
	for _, p := range r.byID {
		list = append(list, p.Replay)
	}
	slices.SortFunc(list, func(a, b Replay) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Close stops all replays and waits for them.
func (r *Replays) Close() {
	r.mu.Lock()
	r.closed = true
	for _, p := range r.byID {
		p.cancel(fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", ""))
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// Stats counts the running replays.
type Stats struct{ Replays int }

// Stats returns the count.
func (r *Replays) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Replays: len(r.byID)}
}
