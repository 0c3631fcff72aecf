package segmenter

import (
	"time"

	"weir/internal/codec"
	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/timeline"
)

// cut is a place where the leading track began segment n.
type cut struct {
	n  int64
	at time.Duration
}

// lane is one track on its way into parts.
type lane struct {
	name    string
	track   media.Track
	sink    Sink
	window  func(n int64) int64 // the tick at which a window begins
	part    int64               // part target, ticks
	fixed   int64               // ticks of each audio frame, 0 = ask each frame
	started bool
	n       int64         // open segment
	began   time.Duration // the open segment, if the track cuts by itself
	floor   int64         // earlier segments are closed
	index   int           // next part in it
	count   int64         // frames taken
	last    int64         // DTS of the last frame
	shown   int64         // the latest PTS
	delta   int64         // expected ticks to the next frame
	pending []media.Frame
	queue   []media.Frame          // audio that waits for the leading track
	cuts    []cut                  // cuts of the leading track that audio has not reached
	beat    beat                   // where parts of an audio track end
	emitted func(p *timeline.Part) // told of the leading track's parts
}

func (l *lane) init(run *timeline.Run, r *timeline.Rendition, c *Cutter) {
	l.name, l.track, l.sink = r.Name, r.Track, c.sink
	l.n = run.FirstN - 1
	l.part = r.Track.Ticks(run.PartDuration)
	l.window = func(n int64) int64 { return l.track.Ticks(c.windowStart(n)) }
	if r.Track.Kind == media.Audio {
		l.fixed = l.samples(nil)
	}
	if r.Track.FrameRate > 0 && r.Track.Kind == media.Video {
		l.delta = int64(float64(r.Track.TimeScale)/r.Track.FrameRate + 0.5)
	}
}

// samples is the duration of an audio frame in ticks, 0 if it cannot be told.
func (l *lane) samples(frame []byte) int64 {
	rate := l.track.SampleRate
	if l.track.Codec == media.Opus {
		rate = 48000
	}
	n := int64(codec.SampleDuration(&l.track, frame))
	if n <= 0 || rate <= 0 {
		return 0
	}
	return n * int64(l.track.TimeScale) / int64(rate)
}

// push adds a frame to segment n, which is the open one or a later one, and emits the
// parts that it completes.
func (l *lane) push(f *media.Frame, n int64) error {
	next := *f
	n = max(n, l.floor)
	if l.track.Kind == media.Audio {
		l.smooth(&next)
	} else {
		next.Duration = 0
	}
	if k := len(l.pending); k > 0 {
		tail := &l.pending[k-1]
		l.measure(tail, &next, n)
		if err := l.emitBefore(tail.DTS+tail.Duration, n, l.beat.passed(l.track.Duration(l.pending[0].PTS), l.track.Duration(next.PTS))); err != nil {
			return err
		}
	}
	if n != l.n || !l.started {
		l.n, l.index, l.started = n, 0, true
	}
	l.last, l.shown = next.DTS, max(l.shown, next.PTS)
	l.count++
	if next.Duration > 0 {
		l.delta = next.Duration
	}
	l.pending = append(l.pending, next)
	return nil
}

// measure sets the duration of the frame before next.
func (l *lane) measure(tail, next *media.Frame, n int64) {
	if tail.Duration > 0 {
		return
	}
	tail.Duration = min(max(next.DTS-tail.DTS, 1), 1<<31)
	if n > l.n+1 {
		// Whole windows are missing, and will be gaps of their own: the last picture
		// before them must not cover them too.
		tail.Duration = min(tail.Duration, max(l.window(l.n+1)-tail.DTS, l.delta, 1))
		return
	}
	if off := tail.Duration - l.delta; l.delta > 0 && off < l.delta/4 && off > -l.delta/4 {
		l.delta += off / 8 // jitter
		return
	}
	l.delta = tail.Duration
}

// emitBefore emits what is complete now that the last pending frame ends at end and the
// next one belongs to segment n. ended: a part of the leading track has ended meanwhile.
func (l *lane) emitBefore(end, n int64, ended bool) error {
	if k := len(l.pending); end-l.pending[0].DTS > l.part && k > 1 {
		// The last frame took longer than the ones before let expect.
		if err := l.emit(k-1, false); err != nil {
			return err
		}
	}
	last := n != l.n
	lasts := end - l.pending[0].DTS
	if last || lasts+l.delta > l.part || ended && lasts*100 >= l.part*wellFilled {
		return l.emit(len(l.pending), last)
	}
	return nil
}

// emit makes a part of the first k pending frames.
func (l *lane) emit(k int, last bool) error {
	frames := l.pending[:k]
	first := &frames[0]
	p := timeline.Part{N: l.n, Index: l.index, Start: first.PTS, DTS: first.DTS, Independent: first.Key, Last: last}
	for i := range frames {
		p.Duration += frames[i].Duration
		if l.index == 0 { // where groups are open, pictures that are shown before the key picture stand behind it
			p.Start = min(p.Start, frames[i].PTS)
		}
	}
	p.Data = cmaf.AppendChunk(nil, &cmaf.Chunk{
		Sequence: sequence(l.n, l.index), Styp: l.index == 0, Producer: l.index == 0, Frames: frames,
	})
	if l.index == 0 && first.Key && l.track.Kind == media.Video {
		p.Key = int64(len(p.Data))
		for i := range frames[1:] {
			p.Key -= int64(len(frames[1+i].Data))
		}
	}
	if l.emitted != nil {
		l.emitted(&p)
	}
	l.index++
	rest := copy(l.pending, l.pending[k:])
	clear(l.pending[rest:])
	l.pending = l.pending[:rest]
	return l.sink(l.name, p)
}

// sequence numbers fragments so that they grow and every node makes the same ones.
func sequence(n int64, index int) uint32 { return uint32(n)<<8 | uint32(min(index, 0xFF)) }

// finish emits the open part as the last of its segment.
func (l *lane) finish() error {
	k := len(l.pending)
	if k == 0 {
		return nil
	}
	if tail := &l.pending[k-1]; tail.Duration <= 0 {
		tail.Duration = max(l.delta, 1)
	}
	return l.emit(k, true)
}

// reach gives the last frame to segment n, the one after the open one: the run ends where
// the leading track has just begun a segment, and without a frame the track's playlist
// would end with a gap.
func (l *lane) reach(n int64) error {
	k := len(l.pending)
	if k < 2 {
		return nil
	}
	if err := l.emit(k-1, true); err != nil {
		return err
	}
	l.n, l.index = n, 0
	return nil
}

// end is the time up to which the track has been taken, 0 if nothing has come of it.
func (l *lane) end() time.Duration {
	switch {
	case len(l.queue) > 0:
		return l.track.Duration(l.queue[len(l.queue)-1].PTS + l.delta)
	case l.started:
		return l.track.Duration(l.shown + l.delta)
	}
	return 0
}

// hold lets the last frame last until the end of the run's longest track, as far as one part
// can. When a publisher dies, what it sent last of its tracks does not end together, and
// players that join the next run to this one would stand before a hole in one of them.
func (l *lane) hold(end time.Duration) error {
	k := len(l.pending)
	if k == 0 {
		return nil
	}
	tail := &l.pending[k-1]
	if tail.Duration <= 0 {
		tail.Duration = max(l.delta, 1)
	}
	wish := min(tail.Duration+l.track.Ticks(end-l.end()), l.part)
	if wish <= tail.Duration {
		return nil
	}
	if tail.DTS+wish-l.pending[0].DTS > l.part && k > 1 {
		// However short it is, a part that is independent may be (RFC 8216bis section 4.4.4.9), and sound always is.
		if err := l.emit(k-1, false); err != nil {
			return err
		}
		tail = &l.pending[0]
	}
	tail.Duration = wish
	return nil
}

// leave closes the open segment and says that there is nothing up to segment n: the
// playlist must go on, whether or not the track does.
func (l *lane) leave(n int64) error {
	if err := l.finish(); err != nil {
		return err
	}
	from := l.window(n)
	l.n, l.floor, l.index, l.started = n, n+1, 0, true
	return l.sink(l.name, timeline.Part{N: n, Start: from, DTS: from, Duration: l.window(n+1) - from, Gap: true, Last: true})
}

// smooth puts an audio frame right behind the one before, as its samples are. Timestamps in
// milliseconds would otherwise leave a gap or an overlap at every frame. What is off by
// more than 2 ms is approached slowly (encoders whose sample clock drifts), by more than
// a frame or 30 ms is a gap.
func (l *lane) smooth(f *media.Frame) {
	cts := f.PTS - f.DTS
	f.Duration = l.fixed
	if f.Duration == 0 {
		f.Duration = l.samples(f.Data)
	}
	k := len(l.pending)
	if k == 0 {
		if l.count > 0 {
			f.DTS = max(f.DTS, l.last+l.delta)
		}
		f.PTS = f.DTS + cts
		return
	}
	tail := &l.pending[k-1]
	if f.Duration == 0 || tail.Duration <= 0 {
		return
	}
	expected := tail.DTS + tail.Duration
	off := f.DTS - expected
	scale := int64(l.track.TimeScale)
	if far := max(f.Duration, scale*30/1000); off > far || off < -far {
		// A hole stays one; where frames overlap, the timestamps are right and the
		// frames are shorter than their codec says.
		if off < 0 {
			tail.Duration = max(f.DTS-tail.DTS, 1)
			f.DTS = tail.DTS + tail.Duration
		}
		f.PTS = f.DTS + cts
		return
	}
	if near := scale * 2 / 1000; off > near || off < -near {
		step := max(min(off/16, f.Duration/4), -f.Duration/4)
		tail.Duration += step
		expected += step
	}
	f.DTS, f.PTS = expected, expected+cts
}
