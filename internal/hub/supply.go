package hub

import (
	"context"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

// Supplier provides what is missing: a stream that must be pulled or lives elsewhere, a codec that must be made. It
// is asked once for all who want the same, and its context ends some time after the last of them has gone.
type Supplier interface {
	// Supply runs until ctx ends. It returns an error at once when it cannot help; that answer is kept for a short
	// while, so that a crowd of viewers does not become a crowd of attempts.
	Supply(ctx context.Context, r Request) error
}

// CodeNoSource is the code of a Supplier's fault when nothing is known of a stream, as opposed to a source that failed.
const CodeNoSource = "no_source"

// Request says what is missing.
type Request struct {
	Name   string
	Stream *Stream     // nil: the stream itself is missing
	Codec  media.Codec // a track of this codec is missing
}

// over reports whether the stream that a codec was made for has ended, which is no failure.
func (r *Request) over() bool {
	if r.Stream == nil {
		return false
	}
	select {
	case <-r.Stream.done:
		return true
	default:
		return false
	}
}

type supplyKey struct {
	name   string
	stream *Stream
	codec  media.Codec
}

// supply is one running (or lately failed) request to the Supplier.
type supply struct {
	key    supplyKey
	refs   int
	cancel context.CancelFunc
	linger *time.Timer
	done   chan struct{} // the Supplier has returned
	err    error
}

type supplies struct {
	supplier Supplier
	hub      *Hub

	mu     sync.Mutex
	active map[supplyKey]*supply
	wg     sync.WaitGroup
	ctx    context.Context //nolint:containedctx // the life of the hub, for supplies that outlive their first caller
	stop   context.CancelFunc
}

const negativeCache = 2 * time.Second

func (s *supplies) init(h *Hub) {
	s.hub = h
	s.active = map[supplyKey]*supply{}
	s.ctx, s.stop = context.WithCancel(context.Background())
}

func (s *supplies) close() {
	s.stop()
	s.wg.Wait()
}

// need asks for a codec unless the stream has it already.
func (s *supplies) need(st *Stream, c media.Codec) *supply {
	for _, t := range st.Tracks() {
		if t.Codec == c && !t.Derived {
			return nil
		}
	}
	return s.join(Request{Name: st.name, Stream: st, Codec: c})
}

// join takes a share in the supply of r, starting it if nobody else wants it yet.
func (s *supplies) join(r Request) *supply {
	key := supplyKey{r.Name, r.Stream, r.Codec}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.active[key]; u != nil {
		u.refs++
		if u.linger != nil {
			u.linger.Stop()
			u.linger = nil
		}
		return u
	}
	u := &supply{key: key, refs: 1, done: make(chan struct{})}
	if s.supplier == nil || s.ctx.Err() != nil {
		u.err = fault.New(fault.Unsupported, "not_supplied", "Nothing here can provide that.", "")
		close(u.done)
		return u
	}
	ctx, cancel := context.WithCancel(s.ctx)
	u.cancel = cancel
	s.active[key] = u
	s.wg.Go(func() { s.run(ctx, u, r) })
	return u
}

func (s *supplies) run(ctx context.Context, u *supply, r Request) {
	defer u.cancel()
	err := s.supplier.Supply(ctx, r)
	if err == nil {
		err = fault.New(fault.Unavailable, "supply_ended", "The source of the stream ended.", "")
	}
	failed := ctx.Err() == nil && !r.over()
	s.mu.Lock()
	u.err = err
	close(u.done)
	s.mu.Unlock()
	if failed {
		if fault.Code(err) != CodeNoSource { // viewers of unknown names are everyday life
			s.hub.log.Warn("supply failed", "stream", r.Name, "codec", r.Codec.String(), "error", err)
		}
		select { // the answer stands for a moment
		case <-time.After(negativeCache):
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	if s.active[u.key] == u {
		delete(s.active, u.key)
	}
	s.mu.Unlock()
}

// share takes a share in a running supply of a stream, nil if there is none.
func (s *supplies) share(name string) *supply {
	s.mu.Lock()
	_, active := s.active[supplyKey{name: name}]
	s.mu.Unlock()
	if !active {
		return nil
	}
	return s.join(Request{Name: name})
}

// leave gives a share back; the supply ends a while after the last one. nil is nobody's.
func (s *supplies) leave(u *supply) {
	if u == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.refs--; u.refs > 0 || u.cancel == nil {
		return
	}
	u.linger = time.AfterFunc(s.hub.config().Linger, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if u.refs == 0 {
			u.cancel()
		}
	})
}

// until ends with ctx or when the supply has failed.
func (u *supply) until(ctx context.Context) context.Context {
	if u.cancel == nil {
		return ctx // no supplier: only a publisher can help
	}
	out, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-u.done:
		case <-ctx.Done():
		}
	}()
	return out
}

// failed returns the Supplier's answer, if it has answered.
func (u *supply) failed() error {
	select {
	case <-u.done:
		if u.cancel == nil {
			return nil
		}
		return u.err
	default:
		return nil
	}
}
