package pipeline

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"weir/internal/fault"
	"weir/internal/streamname"
)

// AddPull keeps pulling a stream from another server until RemovePull.
// Errors: those of stream names, relay_exists, too_many_relays, relay_pattern_bad, relays_off.
func (p *Pipeline) AddPull(r Relay) error { return p.add(Pull, r) }

// RemovePull ends a pull.
func (p *Pipeline) RemovePull(id string) { p.remove(Pull, id) }

// Pulls tells how the pulls are doing, in the order of their IDs.
func (p *Pipeline) Pulls() []RelayState { return p.states(Pull) }

// AddPush keeps pushing a stream to another server whenever it is live, until RemovePush. Errors: as AddPull.
func (p *Pipeline) AddPush(r Relay) error { return p.add(Push, r) }

// RemovePush ends a push.
func (p *Pipeline) RemovePush(id string) { p.remove(Push, id) }

// Pushes tells how the pushes are doing, in the order of their IDs.
func (p *Pipeline) Pushes() []RelayState { return p.states(Push) }

func (p *Pipeline) add(d Direction, r Relay) error {
	if d == Push {
		r.OnDemand = false // a push goes whenever there is something to send
	}
	if err := p.check(d, &r); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.relays[d]
	switch {
	case p.closed:
		return fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	case list[r.ID] != nil:
		return fault.New(fault.Conflict, "relay_exists", "There is a "+string(d)+" of this ID already.", "")
	case len(list) >= p.cfg.MaxRelays:
		return fault.New(fault.TooMany, "too_many_relays", "The server already holds as many of them as it may.", "Remove some that are not needed.")
	}
	rel := &relay{
		Relay: r, direction: d, log: p.log, changed: p.cfg.Changed, removed: make(chan struct{}),
		idle: time.Now(), runs: map[*run]struct{}{}, turn: make(chan struct{}),
	}
	list[r.ID] = rel
	if p.life != nil {
		p.start(rel)
	}
	return nil
}

func (p *Pipeline) check(d Direction, r *Relay) error {
	if d == Pull && p.cfg.Pull == nil || d == Push && p.cfg.Push == nil {
		return fault.New(fault.Unsupported, "relays_off", "This server does not "+string(d)+" streams.", "")
	}
	return r.Validate()
}

// Validate says what is wrong with the name of the stream.
func (r *Relay) Validate() error {
	if !strings.Contains(r.Stream, "*") {
		return streamname.Check(r.Stream)
	}
	prefix, pattern := cutPattern(r.Stream)
	if !r.OnDemand || !pattern || strings.Contains(prefix, "*") || !strings.Contains(r.URL, pathHole) {
		return fault.New(fault.Invalid, "relay_pattern_bad", "A pattern such as "+streamname.Quote(r.Stream)+" must end in /*, be pulled on demand, and its address must hold {path}.",
			"Write live/* and rtmp://host/live/{path}.")
	}
	return streamname.CheckPattern(r.Stream)
}

// start gives a relay its goroutine; one on demand has none until somebody asks. p.mu is held.
func (p *Pipeline) start(r *relay) {
	if r.OnDemand {
		return
	}
	keep := p.keepPulling
	if r.direction == Push {
		keep = p.keepPushing
	}
	life := p.life
	p.wg.Go(func() {
		ctx, cancel := r.while(life)
		defer cancel()
		keep(ctx, r)
	})
}

// while returns a context that ends with ctx or when the relay is removed.
func (r *relay) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-r.removed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-done
	}
}

func (p *Pipeline) startRelays(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life = ctx
	for _, list := range p.relays {
		for _, r := range list {
			p.start(r)
		}
	}
}

// closeRelays lets nothing start any more, so that Run can wait for what did.
func (p *Pipeline) closeRelays() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

func (p *Pipeline) remove(d Direction, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.relays[d][id]; r != nil {
		delete(p.relays[d], id)
		close(r.removed)
	}
}

func (p *Pipeline) states(d Direction) []RelayState {
	p.mu.Lock()
	list := make([]*relay, 0, len(p.relays[d]))
	for _, r := range p.relays[d] {
		list = append(list, r)
	}
	p.mu.Unlock()
	out := make([]RelayState, 0, len(list))
	for _, r := range list {
		out = append(out, r.state())
	}
	slices.SortFunc(out, func(a, b RelayState) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
