package replay

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/streamname"
)

// A replay reads the disk like a viewer and costs as much as a publisher; this bounds what a mistaken script can start.
const maxReplays = 64

const protocol = "replay"

// Info describes a running replay.
type Info struct {
	ID       string // that of its session
	Stream   string // whose timeline is played
	As       string // the live stream
	From, To time.Time
	Speed    float64
	Loop     bool
	Since    time.Time
	Bytes    int64
}

type running struct {
	Info
	bytes  atomic.Int64
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// Desk starts, lists and stops replays. Its methods are safe for concurrent use.
type Desk struct {
	src  Source
	hub  *hub.Hub
	door *session.Door
	log  *slog.Logger

	mu     sync.Mutex
	closed bool
	byID   map[string]*running
	wg     sync.WaitGroup
	panics atomic.Uint64
}

// NewDesk returns a desk without replays. Close ends all.
func NewDesk(src Source, h *hub.Hub, d *session.Door, log *slog.Logger) *Desk {
	return &Desk{src: src, hub: h, door: d, log: log, byID: map[string]*running{}}
}

// Start begins a replay and returns when its stream is there; it goes on until its end, Stop, or the end of its
// session. ctx bounds the start only. Errors: those of Run and of stream names, too_many_replays, replay_onto_itself.
func (d *Desk) Start(ctx context.Context, o Options) (Info, error) {
	if err := o.check(); err != nil {
		return Info{}, err
	}
	if err := streamname.Check(o.Name); err != nil {
		return Info{}, err
	}
	if o.Name == o.Timeline {
		return Info{}, fault.New(fault.Invalid, "replay_onto_itself", "A replay must not be published as the stream that it plays.", "Give it another name, such as replay/"+o.Timeline+".")
	}
	// The session outlives the request that asked for it.
	sess, err := d.door.Open(context.WithoutCancel(ctx), session.Request{
		Action: session.Publish, Protocol: protocol, Name: o.Name, Remote: netip.AddrPortFrom(netip.IPv6Loopback(), 0), UserAgent: "Weir replay", Internal: true,
	})
	if err != nil {
		return Info{}, err
	}
	life, cancel := context.WithCancelCause(sess.Context())
	r := &running{cancel: cancel, done: make(chan struct{}), Info: Info{
		ID: sess.ID(), Stream: o.Timeline, As: sess.Name(), From: o.From, To: o.To, Speed: o.Speed, Loop: o.Loop, Since: time.Now().UTC(),
	}}
	live := make(chan struct{})
	o.Name, o.Origin = sess.Name(), hub.Origin{Protocol: protocol, Software: "Weir replay", Session: sess.ID()}
	o.Live = func() { close(live) }
	o.Sent = func(n int) { sess.In(n); r.bytes.Add(int64(n)) }
	if err := d.admit(r); err != nil {
		cancel(err)
		sess.Close(err)
		return Info{}, err
	}
	failed := make(chan error, 1)
	go d.run(life, r, o, sess, failed)
	select {
	case <-live:
		return r.Info, nil
	case err := <-failed:
		return Info{}, err
	case <-ctx.Done():
		cancel(context.Cause(ctx))
		<-r.done
		return Info{}, context.Cause(ctx)
	}
}

func (d *Desk) admit(r *running) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	}
	if len(d.byID) >= maxReplays {
		return fault.New(fault.TooMany, "too_many_replays", fmt.Sprintf("There are %d replays already.", maxReplays), "Stop one of them first.")
	}
	d.byID[r.ID] = r
	d.wg.Add(1)
	return nil
}

func (d *Desk) run(ctx context.Context, r *running, o Options, sess *session.Session, failed chan<- error) {
	defer d.wg.Done()
	defer close(r.done)
	err := d.guard(ctx, o)
	r.cancel(nil)
	d.mu.Lock()
	delete(d.byID, r.ID)
	d.mu.Unlock()
	sess.Close(err)
	failed <- err
	d.log.Info("replay ended", "of", r.Stream, "as", r.As, "cause", err)
}

func (d *Desk) guard(ctx context.Context, o Options) (err error) {
	defer func() {
		if v := recover(); v != nil {
			d.panics.Add(1)
			d.log.Error("panic", "where", "replay", "stream", o.Name, "value", v, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "internal", "The replay failed.", "The log has the details.")
		}
	}()
	return Run(ctx, d.src, d.hub, o)
}

// List returns the running replays, the oldest first.
func (d *Desk) List() []Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Info, 0, len(d.byID))
	for _, r := range d.byID {
		i := r.Info
		i.Bytes = r.bytes.Load()
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Stop ends a replay and waits for its end. Error: replay_unknown.
func (d *Desk) Stop(id string) error {
	d.mu.Lock()
	r := d.byID[id]
	d.mu.Unlock()
	if r == nil {
		return fault.New(fault.NotFound, "replay_unknown", "There is no such replay.", "It may have ended.")
	}
	r.cancel(fault.New(fault.Unavailable, "stopped", "The replay was stopped.", ""))
	<-r.done
	return nil
}

// Stats count.
type Stats struct {
	Replays int
	Panics  uint64
}

// Stats returns the present figures.
func (d *Desk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Stats{Replays: len(d.byID), Panics: d.panics.Load()}
}

// Close stops all replays and waits for them.
func (d *Desk) Close() {
	d.mu.Lock()
	d.closed = true
	for _, r := range d.byID {
		r.cancel(fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", ""))
	}
	d.mu.Unlock()
	d.wg.Wait()
}
