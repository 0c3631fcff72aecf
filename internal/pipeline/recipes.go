package pipeline

import (
	"context"
	"time"

	"weir/internal/hub"
)

// A recipe that does not end by itself after its stream is stopped.
const lastOrders = 5 * time.Second

// ward is a stream that is looked after.
type ward struct {
	stream *hub.Stream
	jobs   []job // parallel to the recipes
	ended  time.Time
}

type job struct {
	cancel   context.CancelFunc
	done     chan struct{} // nil: never started
	complete *bool         // the recipe returned nil; written before done is closed
}

func (j *job) running() bool {
	if j.done == nil {
		return false
	}
	select {
	case <-j.done:
		return false
	default:
		return true
	}
}

// jobKey names the place that one recipe has for one stream name: a stream that ended and its
// successor of the same name share it, one after the other.
type jobKey struct {
	name   string
	recipe int
}

// reconcile starts what should run and does not, and stops what runs and should not. Looking at the hub each time,
// instead of trusting events, makes it right whatever was missed.
func (p *Pipeline) reconcile(ctx context.Context) {
	if len(p.cfg.Recipes) == 0 {
		return
	}
	for _, s := range p.hub.Streams() {
		if p.wards[s] == nil && !isDone(s) {
			p.wards[s] = &ward{stream: s, jobs: make([]job, len(p.cfg.Recipes))}
		}
	}
	now := time.Now()
	for s, w := range p.wards {
		if isDone(s) {
			p.release(w, now)
			continue
		}
		for i := range w.jobs {
			p.attend(ctx, w, i)
		}
	}
	for k, done := range p.last {
		select {
		case <-done:
			delete(p.last, k)
		default:
		}
	}
}

func isDone(s *hub.Stream) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// attend makes one recipe run or not, as it wants.
func (p *Pipeline) attend(ctx context.Context, w *ward, i int) {
	r, j := &p.cfg.Recipes[i], &w.jobs[i]
	wants := p.wants(r, w.stream)
	switch {
	case j.running():
		if !wants {
			j.cancel()
		}
	case wants && (j.complete == nil || !*j.complete) && ctx.Err() == nil:
		life, cancel := context.WithCancel(ctx)
		key := jobKey{w.stream.Name(), i}
		before := p.last[key]
		*j = job{cancel: cancel, done: make(chan struct{}), complete: new(bool)}
		p.last[key] = j.done
		done, complete := j.done, j.complete
		p.wg.Go(func() {
			defer close(done)
			defer cancel()
			if before != nil {
				<-before
			}
			p.count.jobs.Add(1)
			defer p.count.jobs.Add(-1)
			*complete = p.cook(life, r, w.stream)
		})
	}
}

func (p *Pipeline) wants(r *Recipe, s *hub.Stream) (yes bool) {
	if r.Wants == nil {
		return true
	}
	_ = p.guard(r.Name, s.Name(), func() error { yes = r.Wants(s); return nil }) // a panic is logged there and means no
	return yes
}

// release lets the recipes of an ended stream finish, stops those that do not, and forgets the stream.
func (p *Pipeline) release(w *ward, now time.Time) {
	if w.ended.IsZero() {
		w.ended = now
	}
	busy := false
	for i := range w.jobs {
		if w.jobs[i].running() {
			busy = true
			if now.Sub(w.ended) >= lastOrders {
				w.jobs[i].cancel()
			}
		}
	}
	if !busy {
		delete(p.wards, w.stream)
	}
}

// cook runs a recipe, again and again if it must be, and reports whether it came to its end.
func (p *Pipeline) cook(ctx context.Context, r *Recipe, s *hub.Stream) (complete bool) {
	again := pauses{first: 100 * time.Millisecond, longest: 5 * time.Second}
	for ctx.Err() == nil {
		begun := time.Now()
		err := p.guard(r.Name, s.Name(), func() error { return r.Run(ctx, s) })
		if err == nil {
			return true
		}
		if ctx.Err() != nil || isDone(s) {
			return false
		}
		if time.Since(begun) >= steady {
			again.reset()
		}
		pause := again.next()
		p.count.restarts.Add(1)
		p.log.Warn("a recipe failed and is started again", "recipe", r.Name, "stream", s.Name(), "error", err, "pause", pause)
		select {
		case <-s.Done():
			return false
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return false
}
