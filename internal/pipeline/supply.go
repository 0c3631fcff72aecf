package pipeline

import (
	"context"
	"net/url"
	"strings"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/streamname"
)

// pathHole is what a pattern's address holds in the place of the name.
const pathHole = "{path}"

// Supply is what the hub asks when a stream or a codec is missing. It runs until ctx ends, and returns an error at
// once when it cannot help. Errors: no_source, too_many_pulls, and those of the attempt.
func (p *Pipeline) Supply(ctx context.Context, r hub.Request) error {
	if r.Codec != media.UnknownCodec {
		if p.cfg.Codec == nil {
			return fault.New(fault.Unsupported, "conversion_unsupported", "Weir does not make "+r.Codec.String()+".", "")
		}
		return p.guard("codec", r.Name, func() error { return p.cfg.Codec(ctx, r) })
	}
	if r.Stream != nil || streamname.Check(r.Name) != nil {
		return errNoSource(r.Name)
	}
	rel, from := p.source(r.Name)
	switch {
	case rel == nil:
		return errNoSource(r.Name)
	case !rel.OnDemand:
		return p.awaitPull(ctx, rel)
	}
	if !p.takePlace() {
		return fault.New(fault.TooMany, "too_many_pulls", "The server already pulls as many streams on demand as it may.", "Try again when fewer are watched.")
	}
	defer p.givePlace()
	ctx, cancel := rel.while(ctx)
	defer cancel()
	return p.pullWhileAsked(ctx, rel.begin(from, r.Name))
}

func errNoSource(name string) error {
	return fault.New(fault.NotFound, "no_source", "Nothing is published as "+name+", and no pull provides it.", "Start the encoder, or check the name in the address.")
}

// pullWhileAsked pulls until ctx ends. When the first attempt fails, who asks learns it at once; later on the
// stream is held for its return, as with any publisher.
func (p *Pipeline) pullWhileAsked(ctx context.Context, u *run) error {
	defer u.relay.end(u)
	for ctx.Err() == nil {
		err := p.try(ctx, u, p.cfg.Pull)
		if err != nil && (!u.hasLived() || !p.rest(ctx, u, err, nil)) {
			return err
		}
	}
	return context.Cause(ctx)
}

func (u *run) hasLived() bool {
	u.relay.mu.Lock()
	defer u.relay.mu.Unlock()
	return u.lived
}

// awaitPull answers for a stream that a standing pull provides: it may be about to come, and
// if the pull has failed, that is the reason to give.
func (p *Pipeline) awaitPull(ctx context.Context, r *relay) error {
	for {
		turn := r.turns()
		if s := r.state(); s.State == Waiting && s.LastError != nil {
			return s.LastError
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.removed:
			return errNoSource(r.Stream)
		}
	}
}

func (p *Pipeline) takePlace() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.onDemand >= p.cfg.MaxOnDemand {
		return false
	}
	p.onDemand++
	return true
}

func (p *Pipeline) givePlace() {
	p.mu.Lock()
	p.onDemand--
	p.mu.Unlock()
}

// source finds the pull that provides a name: that of the very name before a pattern, the longer pattern before
// the shorter, the lower ID before the higher.
func (p *Pipeline) source(name string) (best *relay, from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rank := -1
	for _, r := range p.relays[Pull] {
		n, u := r.covers(name)
		if n > rank || n == rank && n >= 0 && r.ID < best.ID {
			best, from, rank = r, u, n
		}
	}
	return best, from
}

// covers says how closely a pull matches a name (-1: not at all) and from which address it comes.
func (r *relay) covers(name string) (rank int, from string) {
	if r.Stream == name {
		return len(name) + 1, r.URL
	}
	prefix, pattern := cutPattern(r.Stream)
	rest, ok := strings.CutPrefix(name, prefix)
	if !pattern || !ok || rest == "" {
		return -1, ""
	}
	return len(prefix), strings.ReplaceAll(r.URL, pathHole, escape(rest))
}

// cutPattern gives what "live/*" has before its star; ok is false for a plain name.
func cutPattern(s string) (prefix string, ok bool) {
	if s != "*" && !strings.HasSuffix(s, "/*") {
		return s, false
	}
	return s[:len(s)-1], true
}

func escape(path string) string {
	segments := strings.Split(path, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return strings.Join(segments, "/")
}
