package recordings

import (
	"context"
	"time"

	"weir/internal/hub"
	"weir/internal/timeline"
)

// expireEvery is how often recordings whose time has come are looked for.
const expireEvery = time.Minute

// Run begins and ends recordings with their streams until ctx ends. Recordings that run when ctx ends go on at the next
// start, if the stream returns soon.
func (r *Recordings) Run(ctx context.Context) error {
	streams, stop := r.hub.Watch()
	defer stop()
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	orphans := time.NewTimer(resume)
	defer orphans.Stop()
	for _, s := range r.hub.Streams() {
		r.began(ctx, s.Name())
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, ok := <-streams:
			if !ok {
				return nil
			}
			switch e.Type {
			case hub.Started:
				r.began(ctx, e.Stream.Name())
			case hub.Ended:
				r.over(ctx, e.Stream.Name())
			}
		case <-orphans.C:
			r.finishOrphans(ctx)
		case <-ticker.C:
			r.expire(ctx)
		}
	}
}

// began records a new broadcast where a rule wants it.
func (r *Recordings) began(ctx context.Context, stream string) {
	rule := r.policy().rule(stream)
	if rule == nil || !rule.Record {
		return
	}
	r.mu.Lock()
	running := r.running(stream, byRule)
	r.mu.Unlock()
	if running != nil {
		return // the server was restarted in between
	}
	if _, err := r.Begin(ctx, Begin{Stream: stream, By: byRule}); err != nil && ctx.Err() == nil {
		r.log.Error("a stream that a rule records is not recorded", "stream", stream, "error", err)
	}
}

// over ends all recordings of a stream that has ended.
func (r *Recordings) over(ctx context.Context, stream string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.footage.Pins(stream) {
		r.end(ctx, p)
	}
}

func (r *Recordings) end(ctx context.Context, p timeline.Pin) {
	if !p.To.IsZero() {
		return
	}
	if _, err := r.finish(ctx, p, r.now()); err != nil && ctx.Err() == nil {
		r.log.Error("a recording could not be finished; it is kept open", "id", p.ID, "stream", p.Timeline, "error", err)
	}
}

// finishOrphans ends the recordings that an earlier process left running and whose stream has not come back.
func (r *Recordings) finishOrphans(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.footage.Pins("") {
		if r.hub.Stream(p.Timeline) == nil {
			r.end(ctx, p)
		}
	}
}

// expire forgets the recordings whose time has come. Their footage goes by the stream's retention.
func (r *Recordings) expire(ctx context.Context) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.footage.Pins("") {
		if p.Until.IsZero() || p.To.IsZero() || p.Until.After(now) {
			continue
		}
		if err := r.footage.Unpin(ctx, p.ID); err != nil {
			if ctx.Err() == nil {
				r.log.Error("a recording whose time has come could not be removed", "id", p.ID, "error", err)
			}
			continue
		}
		r.events.Tell(Event{Kind: Deleted, Record: Record{Pin: p}})
	}
}
