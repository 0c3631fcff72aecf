package webrtc

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/hub"
)

const (
	// A key frame larger than this goes out in portions, one a pause, so that it does not overflow the buffers on
	// the way.
	portion = 64
	pause   = 5 * time.Millisecond
	// catchUp is the portion of those who still read the group that they joined in: 27 Mbit/s, a little for
	// slow lines and a few frames' worth for all others.
	catchUp    = 14
	readAhead  = 256
	reportTick = 250 * time.Millisecond
)

// shard sends to a part of the viewers from one goroutine. Viewers that are equally far in a lane form a flock: the
// lane is read once for all of them.
type shard struct {
	gateway *Gateway
	batch   *batch
	signal  chan struct{}

	mu      sync.Mutex
	joining []*viewer
	leaving []*viewer

	flocks []*flock // of the goroutine
}

// flock is viewers of one lane at one position.
type flock struct {
	shard   *shard
	lane    *hub.Lane
	pos     uint64
	queue   [][]byte // read and not yet sent
	buf     [][]byte
	ended   bool
	young   bool // still catching up
	past    backlog
	due     time.Time
	viewers []*viewer
	dirty   atomic.Bool
}

// LaneChanged is called by the hub, under its lock.
func (f *flock) LaneChanged(*hub.Lane, bool) {
	if !f.dirty.Swap(true) {
		f.shard.wake()
	}
}

func (s *shard) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *shard) join(v *viewer) {
	s.mu.Lock()
	s.joining = append(s.joining, v)
	s.mu.Unlock()
	s.wake()
}

func (s *shard) leave(v *viewer) {
	s.mu.Lock()
	s.leaving = append(s.leaving, v)
	s.mu.Unlock()
	s.wake()
}

// run is the shard's goroutine.
func (s *shard) run(ctx context.Context) {
	pacer := time.NewTimer(0)
	defer pacer.Stop()
	reports := time.NewTicker(reportTick)
	defer reports.Stop()
	for {
		select {
		case <-s.signal:
		case <-pacer.C:
		case now := <-reports.C:
			s.report(now)
		case <-ctx.Done():
			s.close()
			return
		}
		s.change()
		if s.step(time.Now()) {
			pacer.Reset(pause)
		}
	}
}

// close lets go of all viewers; their own goroutines wait for that.
func (s *shard) close() {
	s.change()
	for _, f := range s.flocks {
		f.lane.Unwatch(f)
		for _, v := range f.viewers {
			close(v.left)
		}
	}
	s.flocks = nil
}

// change takes in who came and lets go who left. Who leaves has come before.
func (s *shard) change() {
	s.mu.Lock()
	joining, leaving := s.joining, s.leaving
	s.joining, s.leaving = nil, nil
	s.mu.Unlock()
	for _, v := range joining {
		lane := v.program.lane
		header, pos := lane.Join()
		f := &flock{shard: s, lane: lane, pos: pos, young: true, viewers: []*viewer{v}, queue: slices.Clone(header)}
		f.dirty.Store(true)
		lane.Watch(f)
		s.flocks = append(s.flocks, f)
	}
	for _, v := range leaving {
		for _, f := range s.flocks {
			if i := slices.Index(f.viewers, v); i >= 0 {
				f.viewers = slices.Delete(f.viewers, i, i+1)
				close(v.left)
				break
			}
		}
	}
	s.flocks = slices.DeleteFunc(s.flocks, func(f *flock) bool {
		if len(f.viewers) == 0 {
			f.lane.Unwatch(f)
			return true
		}
		return false
	})
}

// step sends what there is to send; more says that something waits for the next pause.
func (s *shard) step(now time.Time) (more bool) {
	for _, f := range s.flocks {
		switch {
		case now.Before(f.due):
			more = true
		case f.dirty.Swap(false) || len(f.queue) > 0:
			if f.step() {
				f.due, more = now.Add(pause), true
				f.dirty.Store(true) // there may be more in the lane
			}
		}
	}
	s.merge()
	return more
}

// step sends one flock's next portion.
func (f *flock) step() (more bool) {
	budget := portion
	if f.young {
		budget = catchUp
	}
	for budget > 0 {
		if len(f.queue) == 0 {
			var b hub.Batch
			ahead := readAhead
			if f.young && f.past.edge == 0 {
				ahead = wholeBacklog
			}
			f.buf, b = f.lane.Read(f.buf[:0], f.pos, ahead)
			if ahead == wholeBacklog {
				f.past = readBacklog(f.buf)
			}
			f.queue, f.pos, f.ended = f.buf, b.Next, b.Ended
			if len(f.queue) == 0 {
				break
			}
		}
		now := f.queue[:min(budget, len(f.queue))]
		f.queue = f.queue[len(now):]
		budget -= len(now)
		past := &f.past
		if !f.young {
			past = nil
		}
		for _, v := range f.viewers {
			v.deliver(f.shard.batch, now, past)
		}
	}
	if len(f.queue) == 0 && f.ended {
		for _, v := range f.viewers {
			v.end(errEnded())
		}
	}
	return budget <= 0
}

// merge joins those who have caught up to the flock of their lane.
func (s *shard) merge() {
	for i := 0; i < len(s.flocks); i++ {
		f := s.flocks[i]
		if !f.young || len(f.queue) > 0 || f.dirty.Load() {
			continue
		}
		main := slices.IndexFunc(s.flocks, func(o *flock) bool { return o.lane == f.lane && !o.young })
		if main < 0 {
			f.young = false
			continue
		}
		if o := s.flocks[main]; o.pos == f.pos && len(o.queue) == 0 {
			o.viewers = append(o.viewers, f.viewers...)
			f.lane.Unwatch(f)
			s.flocks = slices.Delete(s.flocks, i, i+1)
			i--
		}
	}
}

func (s *shard) report(now time.Time) {
	for _, f := range s.flocks {
		for _, v := range f.viewers {
			v.report(now)
		}
	}
}
