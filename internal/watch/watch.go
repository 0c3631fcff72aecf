// Package watch tells events to whoever wants to know. What belongs here: channels that never make the teller wait. What does not: what happened.
package watch

import (
	"sync"
	"sync/atomic"
)

const length = 256 // events that a watcher may be behind

// List is who watches. The zero value is ready; its methods are safe for concurrent use.
type List[E any] struct {
	mu       sync.Mutex
	closed   bool
	watchers map[chan E]struct{}
	some     atomic.Bool
	dropped  atomic.Int64
}

// Watch returns what is told from now on. A watcher that does not read loses the oldest. The channel is closed by stop and by Close.
func (l *List[E]) Watch() (events <-chan E, stop func()) {
	c := make(chan E, length)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		close(c)
		return c, func() {}
	}
	if l.watchers == nil {
		l.watchers = make(map[chan E]struct{})
	}
	l.watchers[c] = struct{}{}
	l.some.Store(true)
	return c, func() { l.leave(c) }
}

func (l *List[E]) leave(c chan E) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.watchers[c]; ok {
		delete(l.watchers, c)
		close(c)
	}
	l.some.Store(len(l.watchers) > 0)
}

// Close ends all channels, behind what was told. Nothing is told any more.
func (l *List[E]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.watchers {
		close(c)
	}
	l.watchers = nil
	l.some.Store(false)
}

// Some reports that somebody watches: an event that is dear to make need not be made for nobody.
func (l *List[E]) Some() bool { return l.some.Load() }

// Dropped counts the events that a watcher lost.
func (l *List[E]) Dropped() int64 { return l.dropped.Load() }

// Tell hands an event to all who watch.
func (l *List[E]) Tell(e E) {
	if !l.Some() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.watchers {
		for sent := false; !sent; {
			select {
			case c <- e:
				sent = true
			default:
				select {
				case <-c:
					l.dropped.Add(1)
				default:
				}
			}
		}
	}
}
