package pipeline

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
)

// Direction says which way a relay carries a stream.
type Direction string

// The directions.
const (
	Pull Direction = "pull"
	Push Direction = "push"
)

// The states of a relay.
const (
	Connecting = "connecting" // an attempt runs, no media yet
	Running    = "running"    // media flows
	Waiting    = "waiting"    // for the next attempt, or (NextRetry is zero) for a push's stream to come or a pull's other publisher to leave
	Off        = "off"        // on demand, and nobody asks
)

// Relay is a pull or a push that shall be kept going.
type Relay struct {
	ID, Stream, URL string
	// OnDemand: pulled only while somebody watches. Stream may then end in "/*", and the part of a
	// name that it covers takes the place of {path} in URL.
	OnDemand bool
}

// RelayState is how a relay is doing.
type RelayState struct {
	ID, Stream string
	URL        string // without its secrets
	OnDemand   bool
	State      string
	Attempts   int
	LastError  error     // of the last attempt that failed; nil once media flows
	Since      time.Time // of the state
	NextRetry  time.Time // zero: no attempt is planned
	Bytes      int64
}

// relay keeps the figures of a Relay. One on demand has a run for each stream that is asked for.
type relay struct {
	Relay
	direction Direction
	log       *slog.Logger
	changed   func(direction Direction, id string, state string)
	removed   chan struct{}
	bytes     atomic.Int64

	mu       sync.Mutex
	attempts int
	lastErr  error
	idle     time.Time // since when no run is there
	runs     map[*run]struct{}
	turn     chan struct{} // closed and made anew at each change of state
}

// run is one stream that a relay carries, or tries to.
type run struct {
	relay           *relay
	again           pauses
	state           string // guarded by the relay's mu, as the rest
	since, next     time.Time
	lived           bool // at least one attempt got media through
	liveSince       time.Time
	attempt, stream string // URL and name of this run
}

func (r *relay) begin(url, stream string) *run {
	u := &run{relay: r, attempt: url, stream: stream, again: pauses{first: 500 * time.Millisecond, longest: 30 * time.Second}}
	u.state, u.since = Waiting, time.Now()
	r.mu.Lock()
	r.runs[u] = struct{}{}
	r.mu.Unlock()
	return u
}

func (r *relay) end(u *run) {
	r.mu.Lock()
	delete(r.runs, u)
	r.idle = time.Now()
	r.turned()
	r.mu.Unlock()
	r.tell(Off)
}

// turned wakes who waits for another state; r.mu is held.
func (r *relay) turned() {
	close(r.turn)
	r.turn = make(chan struct{})
}

func (r *relay) turns() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turn
}

func (r *relay) tell(state string) {
	if r.changed != nil {
		r.changed(r.direction, r.ID, state)
	}
}

func (u *run) set(state string, next time.Time) {
	r := u.relay
	r.mu.Lock()
	same := u.state == state
	if !same {
		u.state, u.since = state, time.Now()
		r.turned()
	}
	u.next = next
	r.mu.Unlock()
	if !same {
		r.tell(state)
	}
}

func (u *run) live() {
	r := u.relay
	r.mu.Lock()
	first := u.state != Running
	if first {
		u.lived, u.liveSince, r.lastErr = true, time.Now(), nil
		u.state, u.since = Running, u.liveSince
		r.turned()
	}
	r.mu.Unlock()
	if first {
		r.log.Info("media flows", "relay", r.direction, "stream", u.stream)
		r.tell(Running)
	}
}

// state sums a relay up: the most lively of its runs speaks for it.
func (r *relay) state() RelayState {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := RelayState{
		ID: r.ID, Stream: r.Stream, URL: mask(r.URL, r.direction), OnDemand: r.OnDemand, State: Off,
		Attempts: r.attempts, LastError: r.lastErr, Since: r.idle, Bytes: r.bytes.Load(),
	}
	for u := range r.runs {
		if rank(u.state) > rank(s.State) || rank(u.state) == rank(s.State) && u.since.Before(s.Since) {
			s.State, s.Since, s.NextRetry = u.state, u.since, u.next
		}
	}
	return s
}

func rank(state string) int {
	switch state {
	case Running:
		return 3
	case Connecting:
		return 2
	case Waiting:
		return 1
	}
	return 0
}

// try makes one attempt. The error is nil only when ctx ended.
func (p *Pipeline) try(ctx context.Context, u *run, do func(context.Context, Attempt) error) error {
	r := u.relay
	u.set(Connecting, time.Time{})
	p.count.attempts.Add(1)
	r.mu.Lock()
	r.attempts++
	u.liveSince = time.Time{}
	r.mu.Unlock()
	a := Attempt{ID: r.ID, URL: u.attempt, Stream: u.stream, Count: func(n int) { r.bytes.Add(int64(n)) }, Live: u.live}
	err := p.guard(string(r.direction), u.stream, func() error { return do(ctx, a) })
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errRemoteEnded()
	}
	p.count.failed.Add(1)
	r.mu.Lock()
	r.lastErr = err
	if !u.liveSince.IsZero() && time.Since(u.liveSince) >= steady {
		u.again.reset()
	}
	r.mu.Unlock()
	return err
}

func errRemoteEnded() error {
	return fault.New(fault.Unavailable, "remote_ended", "The other server ended the stream.", "It is tried again by itself.")
}

// rest waits for the time of the next attempt, or until there is nothing more to wait for; false when ctx ended.
func (p *Pipeline) rest(ctx context.Context, u *run, err error, until <-chan struct{}) bool {
	pause := u.again.next()
	p.count.restarts.Add(1)
	p.log.Warn("a "+string(u.relay.direction)+" failed and is tried again", "stream", u.stream, "error", err, "pause", pause)
	u.set(Waiting, time.Now().Add(pause))
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-until:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// keepPulling is the life of a pull that is always on.
func (p *Pipeline) keepPulling(ctx context.Context, r *relay) {
	u := r.begin(r.URL, r.Stream)
	defer r.end(u)
	for p.await(ctx, u, false) { // a publisher, or another pull of the same stream, is not to be driven out
		if err := p.try(ctx, u, p.cfg.Pull); err != nil && !p.rest(ctx, u, err, nil) {
			return
		}
	}
}

// keepPushing is the life of a push: whenever its stream is live, it goes.
func (p *Pipeline) keepPushing(ctx context.Context, r *relay) {
	u := r.begin(r.URL, r.Stream)
	defer r.end(u)
	for p.await(ctx, u, true) {
		err := p.try(ctx, u, p.cfg.Push)
		if err == nil {
			return
		}
		s := p.hub.Stream(r.Stream)
		if isLive(s) && !p.rest(ctx, u, err, s.Done()) {
			return
		}
	}
}

// forgive forgets failures: the stream went, and the next one starts afresh.
func (u *run) forgive() {
	u.again.reset()
	u.relay.mu.Lock()
	u.relay.lastErr = nil
	u.relay.mu.Unlock()
}

func isLive(s *hub.Stream) bool { return s != nil && s.State() == hub.Live }

// await waits for the stream of a relay to have a publisher, or to have none; false when ctx ended.
func (p *Pipeline) await(ctx context.Context, u *run, live bool) bool {
	for {
		changed := p.pulses()
		if ctx.Err() != nil {
			return false
		}
		if isLive(p.hub.Stream(u.stream)) == live {
			return true
		}
		u.forgive()
		u.set(Waiting, time.Time{})
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}
