package segmenter

import (
	"time"

	"weir/internal/media"
	"weir/internal/timeline"
)

const (
	// stall is how far audio may be ahead of the leading video before it stops waiting
	// to learn where the video cuts.
	stall = 2 * time.Second
	// lag is how many segments an audio track may be behind the leading video before
	// its playlist goes on without it.
	lag = 2
	// maxSegment bounds the segment duration that sparse key frames lead to.
	maxSegment = 10 * time.Second
)

// Sink takes the finished parts of a rendition.
type Sink func(rendition string, p timeline.Part) error

// Cutter turns the frames of one run into parts. It is a pure function of the run record
// and the frames: it looks at no clock, and what it makes of the same frames is the same
// to the byte on every node.
//
// Every window of SegmentDuration has one segment, which begins at the window's first
// random access point. A key frame that comes a little before or after the edge of the
// window that it was due in (see reach) begins that window's segment all the same: timestamps
// that are rounded, or tremble, would otherwise leave one window with two of them and the
// next with none.
//
// A window that has none gets a dependent segment that begins at its first frame. Since that
// can be known for sure only when the window is over, the distance of the last key frames
// says what to expect, and a key frame that was expected and does not come is given up for
// when the window is over.
type Cutter struct {
	run   *timeline.Run
	sink  Sink
	lanes []lane
	lead  *lane // decides where audio cuts
	start time.Duration
	done  time.Duration // the leading track's decoding has come so far
	keys  keyClock
	pace  pace // of the leading track's parts
}

// NewCutter returns a cutter for a run; the run's renditions name the tracks, and its
// first video track leads, or without video its first audio track.
func NewCutter(run *timeline.Run, sink Sink) *Cutter {
	c := &Cutter{run: run, sink: sink, lanes: make([]lane, len(run.Renditions)), start: time.Duration(run.Start.UnixNano())}
	c.done = c.start
	for i := range run.Renditions {
		c.lanes[i].init(run, &run.Renditions[i], c)
	}
	for _, kind := range [...]media.Kind{media.Video, media.Audio} {
		for i := range c.lanes {
			if l := &c.lanes[i]; c.lead == nil && l.track.Kind == kind {
				c.lead = l
			}
		}
	}
	if c.lead == nil && len(c.lanes) > 0 {
		c.lead = &c.lanes[0]
	}
	if c.lead != nil {
		c.lead.emitted = c.emitted
	}
	return c
}

// emitted tells the audio tracks of a part of the leading track.
func (c *Cutter) emitted(p *timeline.Part) {
	end, soon := c.pace.take(p)
	for i := range c.lanes {
		if a := &c.lanes[i]; a != c.lead && a.track.Kind == media.Audio {
			a.beat.follow(c.lead.track.Duration(end), c.lead.track.Duration(soon))
		}
	}
}

func (c *Cutter) laneOf(id media.TrackID) *lane {
	for i := range c.lanes {
		if c.lanes[i].track.ID == id {
			return &c.lanes[i]
		}
	}
	return nil
}

// window is the number of the window that a time lies in.
func (c *Cutter) window(at time.Duration) int64 { return int64(at / c.run.SegmentDuration) }

// windowStart is where a window begins.
func (c *Cutter) windowStart(n int64) time.Duration { return time.Duration(n) * c.run.SegmentDuration }

// Add takes the next frame in arrival order. Frames of tracks that are not in the run are
// left out. The error is the sink's.
func (c *Cutter) Add(f *media.Frame) error {
	l := c.laneOf(f.Track)
	if l == nil {
		return nil
	}
	at := l.track.Duration(f.PTS)
	switch {
	case l == c.lead:
		if f.Key {
			c.keys.see(at)
		}
		if err := c.place(l, f, at); err != nil {
			return err
		}
		c.done = max(c.done, l.track.Duration(f.DTS))
		return c.settleAll()
	case l.track.Kind == media.Video:
		return c.place(l, f, at)
	}
	if at < c.start {
		return nil // nobody would hear it: the run begins later
	}
	l.queue = append(l.queue, *f)
	return c.settle(l)
}

// place puts a frame of a track that cuts by itself where it belongs.
func (c *Cutter) place(l *lane, f *media.Frame, at time.Duration) error {
	w := c.window(at)
	if !l.started {
		if l.track.Kind == media.Video && !f.Key {
			return nil
		}
		l.began = at
		c.told(l, w, at)
		return l.push(f, w)
	}
	n := c.segmentOf(l, f, w, at)
	if n > l.n {
		l.began = at
		c.told(l, n, at)
	}
	return l.push(f, n)
}

// reach is how far from the edges of its window a segment may begin: more than the
// rounding of timestamps and, at the usual frame rates, than a frame, by which key frames
// move that are forced at times which no frame has.
func (c *Cutter) reach() time.Duration { return c.run.SegmentDuration / 16 }

// segmentOf says which segment a frame in window w belongs to: the open one, or the one
// that begins with it.
func (c *Cutter) segmentOf(l *lane, f *media.Frame, w int64, at time.Duration) int64 {
	next := l.n + 1
	begin, end := c.windowStart(next), c.windowStart(next+1)
	video := l.track.Kind == media.Video
	if w == l.n && f.Key && video && at >= begin-c.reach() && at-l.began >= c.run.SegmentDuration-c.reach() {
		return next // early: the open segment is as long as it was to become
	}
	if w <= l.n {
		return l.n
	}
	if w == next+1 && at < end+c.reach() && l.track.Duration(l.shown) >= begin {
		w = next // late: the window was not empty, and what was awaited comes now
	}
	if f.Key || w > next || c.givesUp(l, at, end) {
		return w
	}
	return l.n
}

// givesUp decides whether the segment of the window that ends at end begins at a frame
// that is no random access point.
func (c *Cutter) givesUp(l *lane, at, end time.Duration) bool {
	frame := l.track.Duration(l.delta)
	limit := end + c.reach()
	if at+frame >= limit {
		return true // the next frame would be too late
	}
	past := at - frame*3/2 // key frames that are forced at times which no frame has move by a frame
	due, known := c.keys.due(past)
	switch first := c.keys.last + c.keys.gap; {
	case known && first >= past:
		return first >= limit
	case l.began <= c.keys.last:
		return at >= end // nothing is known, or it is overdue: the window may still bring it
	case known && due < limit:
		return false // the second that is awaited; the segment before had none
	}
	return at+2*frame >= end
}

// told records a cut of the leading track for the audio tracks.
func (c *Cutter) told(l *lane, n int64, at time.Duration) {
	if l != c.lead {
		return
	}
	for i := range c.lanes {
		if a := &c.lanes[i]; a != c.lead && a.track.Kind == media.Audio {
			a.cuts = append(a.cuts, cut{n, at})
		}
	}
}

// settleAll places what audio has waited for the leading track, and leaves behind the
// tracks that have fallen silent.
func (c *Cutter) settleAll() error {
	for i := range c.lanes {
		l := &c.lanes[i]
		if l == c.lead || l.track.Kind != media.Audio {
			continue
		}
		if err := c.settle(l); err != nil {
			return err
		}
		if behind := c.lead.n - lag; behind > l.n && behind >= c.run.FirstN {
			if err := l.leave(behind); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle places the waiting frames of an audio track as far as it is known where they belong.
func (c *Cutter) settle(l *lane) error {
	k := 0
	for ; k < len(l.queue); k++ {
		f := &l.queue[k]
		at := l.track.Duration(f.PTS)
		n, passed := l.n, 0
		for passed < len(l.cuts) && l.cuts[passed].at <= at {
			n = max(n, l.cuts[passed].n)
			passed++
		}
		if passed == len(l.cuts) && !c.known(at) {
			if at-c.done <= stall {
				break
			}
			n = max(n, c.window(at)) // the video has stalled; audio goes on by itself
		}
		l.cuts = l.cuts[passed:]
		if err := l.push(f, max(n, c.run.FirstN)); err != nil {
			return err
		}
	}
	l.queue = append(l.queue[:0], l.queue[k:]...)
	return nil
}

// known says whether the leading track can still cut at or before a time.
func (c *Cutter) known(at time.Duration) bool {
	return c.lead.started && (at < c.windowStart(c.lead.n+1)-c.reach() || at < c.done)
}

// Flush closes all open segments: the run is over. What is shorter than the longest track
// is held up to its end (see hold).
func (c *Cutter) Flush() error {
	if err := c.drain(); err != nil {
		return err
	}
	end := time.Duration(0)
	for i := range c.lanes {
		end = max(end, c.lanes[i].end())
	}
	for i := range c.lanes {
		if err := c.lanes[i].hold(end); err != nil {
			return err
		}
	}
	return c.finish()
}

// Break closes all open segments at the key frame where the next run goes on without a pause.
func (c *Cutter) Break() error {
	if err := c.drain(); err != nil {
		return err
	}
	return c.finish()
}

// drain places what audio has waited for the leading track.
func (c *Cutter) drain() error {
	for i := range c.lanes {
		l := &c.lanes[i]
		for k := range l.queue {
			f := &l.queue[k]
			n := max(l.n, c.run.FirstN)
			for len(l.cuts) > 0 && l.cuts[0].at <= l.track.Duration(f.PTS) {
				n = max(n, l.cuts[0].n)
				l.cuts = l.cuts[1:]
			}
			if err := l.push(f, n); err != nil {
				return err
			}
		}
		l.queue = l.queue[:0]
		if l.track.Kind == media.Audio && l.n == c.lead.n-1 {
			if err := l.reach(c.lead.n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cutter) finish() error {
	for i := range c.lanes {
		if err := c.lanes[i].finish(); err != nil {
			return err
		}
	}
	return nil
}

// Longer says which segment duration the next run should have, and whether the key frame
// f of the leading track is the place to begin it: the last two key frame distances both
// were longer than the present segment duration.
func (c *Cutter) Longer(f *media.Frame) (time.Duration, bool) {
	if !f.Key || f.Track != c.lead.track.ID || c.lead.track.Kind != media.Video || c.run.SegmentDuration >= maxSegment {
		return 0, false
	}
	at := c.lead.track.Duration(f.PTS)
	gap := c.keys.sparse(at)
	if gap <= c.run.SegmentDuration+c.run.SegmentDuration/20 {
		return 0, false
	}
	return fitting(at, gap), true
}

// fitting is the segment duration for key frames that come every gap, of which one comes
// at at: just as long as gap, so that each window has one, and such that they come near
// the middle of the windows, where a little more or less of gap does not matter. A
// microsecond is enough to find one, since so many windows have passed since the epoch.
func fitting(at, gap time.Duration) time.Duration {
	d := (gap + time.Microsecond - 1).Truncate(time.Microsecond)
	for range 20 {
		if d >= maxSegment {
			return maxSegment
		}
		if phase := at % d; phase > d/4 && phase < d*3/4 {
			break
		}
		d += time.Microsecond
	}
	return d
}

// KeyDistance is the distance of the last two key frames of the leading track, 0 if unknown.
func (c *Cutter) KeyDistance() time.Duration { return c.keys.gap }

// End is the time up to which a track has been taken, 0 if nothing has come of it.
func (c *Cutter) End(id media.TrackID) time.Duration {
	if l := c.laneOf(id); l != nil {
		return l.end()
	}
	return 0
}

// keyClock expects key frames at the distance of the last two.
type keyClock struct {
	last, gap time.Duration
	count     int
}

func (k *keyClock) see(at time.Duration) {
	if k.count > 0 {
		k.gap = at - k.last
	}
	k.last = at
	k.count++
}

// due is when the first key frame not before a time is expected, if two of them have told how far apart they are.
func (k *keyClock) due(from time.Duration) (at time.Duration, known bool) {
	if k.gap <= 0 {
		return 0, false
	}
	at = k.last + k.gap
	if from > at {
		at += (from - at + k.gap - 1) / k.gap * k.gap
	}
	return at, true
}

// sparse is the key frame distance, if the last two agree to a tenth, counting a key frame
// at at; else the smaller one of them.
func (k *keyClock) sparse(at time.Duration) time.Duration {
	if k.count < 2 {
		return 0
	}
	last := at - k.last
	if off := (last - k.gap).Abs(); off > k.gap/10 {
		return min(k.gap, last)
	}
	return (k.gap + last) / 2
}
