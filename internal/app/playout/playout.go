// Package playout is the scenario of sending stored footage out live: a range of a timeline becomes a stream that any player
// of live streams can watch, once or in a loop. What belongs here: which replays run, and their way through the door. What
// does not: reading and pacing (replay), HTTP (api).
package playout

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"weir/internal/control/inhouse"
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

// Replays plays footage as live streams. All methods are safe for concurrent use.
type Replays struct {
	*inhouse.Publishers[Replay]
	hub    *hub.Hub
	source replay.Source
	log    *slog.Logger
}

// New returns a player of footage; Close ends all it plays.
func New(h *hub.Hub, d *session.Door, source replay.Source, log *slog.Logger) *Replays {
	return &Replays{hub: h, source: source, log: log, Publishers: inhouse.New[Replay](inhouse.Kind{
		Protocol: protocol, Software: software, Most: maxReplays,
		TooMany: fault.New(fault.TooMany, "too_many_replays", fmt.Sprintf("There are %d replays already.", maxReplays), "Stop one of them first."),
		Unknown: fault.New(fault.NotFound, "replay_unknown", "There is no such replay.", "It may have ended."),
		Stopped: fault.New(fault.Unavailable, "stopped", "The replay was stopped.", ""),
	}, d, log)}
}

// Start plays until the range ends, Stop, or its session is ended. ctx bounds the start only.
func (r *Replays) Start(ctx context.Context, o Order) (Replay, error) {
	if err := r.check(ctx, &o); err != nil {
		return Replay{}, err
	}
	return r.Publishers.Start(ctx, o.As, func(sess *session.Session) (inhouse.Job[Replay], error) { return r.job(sess, o), nil })
}

func (r *Replays) job(sess *session.Session, o Order) inhouse.Job[Replay] {
	o.As = sess.Name()
	return inhouse.Job[Replay]{
		About: Replay{Order: o, ID: sess.ID(), Since: time.Now().UTC()},
		Run: func(ctx context.Context) error {
			options := o.options()
			options.Origin, options.Sent = hub.Origin{Protocol: protocol, Software: software, Session: sess.ID()}, sess.In
			return replay.Run(ctx, r.source, r.hub, options)
		},
		Ended: func(cause error) { r.log.Info("replay ended", "stream", o.As, "of", o.Stream, "cause", cause) },
	}
}

func (o *Order) options() replay.Options {
	return replay.Options{Timeline: o.Stream, Name: o.As, From: o.From, To: o.To, Speed: o.Speed, Loop: o.Loop, KeepGaps: o.KeepGaps}
}

// check refuses what cannot be played, before it has a session.
func (r *Replays) check(ctx context.Context, o *Order) error {
	for _, name := range []string{o.Stream, o.As} {
		if err := streamname.Check(name); err != nil {
			return err
		}
	}
	options := o.options()
	if err := options.Check(); err != nil {
		return err
	}
	o.Speed = options.Speed
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

// Stats counts the running replays.
type Stats struct{ Replays int }

// Stats returns the count.
func (r *Replays) Stats() Stats { return Stats{Replays: r.Count()} }
