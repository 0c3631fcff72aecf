package fan

import (
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/hub"
	"weir/internal/media"
)

// shard is one goroutine that writes to its share of the viewers.
type shard struct {
	fan  *Fan
	wake chan struct{}

	mu     sync.Mutex
	groups map[groupKey]*group
	ready  []*group // groups that have something to write

	ticker  *time.Ticker
	pace    time.Duration // of the ticker; 0 = stopped
	round   uint32        // of the relaxed profile
	cache   cache
	working []*group
	viewers []*Viewer
}

type groupKey struct {
	lane    *hub.Lane
	profile Profile
}

// group is the viewers of one lane and profile on one shard. It watches the lane.
type group struct {
	shard   *shard
	key     groupKey
	viewers []*Viewer // under shard.mu
	video   bool      // the lane carries video, whose frames flush
	queued  atomic.Bool
	due     atomic.Int64 // Unix ns when what waits for a picture goes without it; 0 = nothing waits
	halves  halves
}

func newShard(f *Fan) *shard {
	s := &shard{fan: f, wake: make(chan struct{}, 1), groups: map[groupKey]*group{}, ticker: time.NewTicker(time.Hour)}
	s.ticker.Stop()
	return s
}

// setPace ticks as often as the shard's viewers need and no more: a tick wakes a thread. s.mu is held.
func (s *shard) setPace() {
	pace := time.Duration(0)
	for key, g := range s.groups {
		switch {
		case !g.video && key.profile != Relaxed:
			pace = tick
		case key.profile == Relaxed && pace != tick:
			pace = relaxedTick
		case pace == 0:
			pace = lazyTick
		}
	}
	if pace == s.pace {
		return
	}
	s.pace = pace
	if pace == 0 {
		s.ticker.Stop()
		return
	}
	s.ticker.Reset(pace)
}

// LaneChanged is called by the publisher's goroutine with the stream's lock held.
func (g *group) LaneChanged(_ *hub.Lane, flush bool) {
	switch {
	case g.key.profile == Realtime, g.key.profile == Live && flush:
		g.halves.pictures.Add(1)
		g.shard.wakeUp(g)
	case g.due.Load() == 0:
		g.due.Store(time.Now().Add(audioWait - tick/2).UnixNano())
	}
}

// wakeUp queues a group and wakes the shard.
func (s *shard) wakeUp(g *group) {
	if g.queued.Swap(true) {
		return
	}
	s.mu.Lock()
	s.ready = append(s.ready, g)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) join(v *Viewer) {
	key := groupKey{v.lane, v.opt.Profile}
	video := media.First(v.lane.Tracks(), media.Video) != nil // asked before s.mu: the hub calls LaneChanged with its own lock held
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		return
	}
	s.mu.Lock()
	g := s.groups[key]
	if g == nil {
		g = &group{shard: s, key: key, video: video}
		s.groups[key] = g
		s.setPace()
	}
	fresh := len(g.viewers) == 0
	v.group = g
	g.viewers = append(g.viewers, v)
	s.mu.Unlock()
	if fresh {
		v.lane.Watch(g)
	}
	s.wakeUp(g) // what came between the start and now
}

func (s *shard) leave(v *Viewer) {
	s.mu.Lock()
	g := v.group
	last := false
	for i, o := range g.viewers {
		if o == v {
			n := len(g.viewers) - 1
			g.viewers[i], g.viewers[n] = g.viewers[n], nil
			g.viewers = g.viewers[:n]
			last = n == 0
			break
		}
	}
	if last {
		delete(s.groups, g.key)
		s.setPace()
	}
	s.mu.Unlock()
	if last {
		g.key.lane.Unwatch(g)
	}
}

func (s *shard) run() {
	defer s.ticker.Stop()
	defer s.cache.spool.close()
	for {
		select {
		case <-s.wake:
			s.flushReady()
		case now := <-s.ticker.C:
			s.flushDue(now.UnixNano())
		case <-s.fan.stop:
			s.closeAll()
			return
		}
	}
}

func (s *shard) flushReady() {
	s.mu.Lock()
	s.working, s.ready = s.ready, s.working[:0]
	s.mu.Unlock()
	for i, g := range s.working {
		g.queued.Store(false)
		switch {
		case g.key.profile == Relaxed: // waits for its turn
		case g.inHalves():
			s.flushHalf(g)
		default:
			g.due.Store(0)
			s.flush(g, everyone)
		}
		s.working[i] = nil
	}
}

// flushHalf writes to those of a crowd whose turn it is. Whoever has to wait does so until the next picture, or until it is due:
// also one who could not be written to when all the others were.
func (s *shard) flushHalf(g *group) {
	now := time.Now()
	later := now.Add(crowdWait).UnixNano()
	who, any := g.halves.next(now)
	switch {
	case !any:
		g.due.CompareAndSwap(0, later)
		return
	case who == everyone:
		g.due.Store(0)
	default:
		g.due.Store(later)
	}
	s.flush(g, who)
}

// flushDue writes what has waited long enough for a picture, and to the relaxed viewers whose turn it is.
func (s *shard) flushDue(now int64) {
	s.mu.Lock()
	phases := uint32(relaxedEvery / max(s.pace, tick))
	s.round = (s.round + 1) % phases
	ripe := s.working[:0]
	for _, g := range s.groups {
		due := g.due.Load()
		if g.key.profile == Relaxed || due != 0 && now >= due {
			ripe = append(ripe, g)
		}
	}
	s.mu.Unlock()
	for i, g := range ripe {
		if g.key.profile == Relaxed {
			s.flush(g, turn{of: phases, is: s.round})
		} else {
			g.due.Store(0)
			s.flush(g, everyone)
		}
		ripe[i] = nil
	}
	s.working = ripe[:0]
}

// turn says which viewers of a group are written to: those whose place, modulo of, is is.
type turn struct{ of, is uint32 }

var everyone = turn{of: 1}

// flush writes to the viewers whose turn it is.
func (s *shard) flush(g *group, who turn) {
	s.mu.Lock()
	s.viewers = append(s.viewers[:0], g.viewers...)
	s.mu.Unlock()
	s.cache.reset()
	s.cache.viewers = len(s.viewers) / int(who.of)
	for _, v := range s.viewers {
		if v.place%who.of == who.is {
			v.flush(&s.cache)
		}
	}
	clear(s.viewers)
	s.cache.reset()
}

func (s *shard) closeAll() {
	s.mu.Lock()
	var all []*Viewer
	for _, g := range s.groups {
		all = append(all, g.viewers...)
	}
	s.mu.Unlock()
	for _, v := range all {
		v.mu.Lock()
		v.finish(errStopped)
		v.mu.Unlock()
		_ = v.conn.Close() // also ends its helper
	}
}

// cache keeps the vectors of one flush: nearly all viewers stand at one or two positions.
type cache struct {
	viewers int // who may share what is read
	used    int
	entries [4]cached
	spool   spool
}

type cached struct {
	pos uint64
	vec vector
	b   hub.Batch
}

func (c *cache) reset() {
	for i := range c.entries {
		e := &c.entries[i]
		clear(e.vec.bufs)
		clear(e.vec.iov)
		e.vec.bufs = e.vec.bufs[:0]
	}
	c.used = 0
	c.spool.giveBack()
}

func (c *cache) read(l *hub.Lane, pos uint64) (*vector, hub.Batch) {
	for i := range min(c.used, len(c.entries)) {
		if e := &c.entries[i]; e.pos == pos {
			return &e.vec, e.b
		}
	}
	e := &c.entries[c.used%len(c.entries)]
	c.used++
	clear(e.vec.bufs)
	bufs, b := l.Read(e.vec.bufs[:0], pos, maxBufs)
	e.pos, e.b = pos, b
	e.vec.set(bufs)
	e.vec.full = len(bufs) >= maxBufs/2
	if c.viewers >= flatFrom && !c.spool.take(&e.vec) {
		e.vec.flatten()
	}
	return &e.vec, b
}
