package hub

import (
	"slices"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

// Publication is one publisher's hold on a stream.
type Publication struct {
	stream *Stream
	offer  Offer
	clock  *clock
	scales map[media.TrackID]uint32
	begun  bool  // the leading video had its first key frame in this run
	last   int64 // wall time of the last frame, Unix ns
	final  bool  // no grace: the publisher said that the stream is over

	once sync.Once
	done chan struct{}
	err  error
}

// publish makes o's publisher the stream's. s.mu is held and given back. errEnded means that the stream ended
// meanwhile: open it anew.
func (s *Stream) publish(o Offer) (*Publication, error) {
	if s.state == Over {
		s.mu.Unlock()
		return nil, errEnded
	}
	old := s.pub
	if old != nil && s.state == Live {
		silent := time.Since(time.Unix(0, old.last)) > s.hub.cfg.Silent
		if !o.TakeOver && !silent {
			s.mu.Unlock()
			return nil, fault.New(fault.Conflict, "stream_busy", s.name+" already has a publisher ("+old.offer.Origin.Remote+").",
				"Stop the other encoder, kick it from the stream page, or allow take-over for this stream.")
		}
		s.end_ = old.clock.end()
	}
	now := time.Now()
	first := s.pub == nil
	p := &Publication{
		stream: s, offer: o, clock: newClock(max(s.end_, time.Duration(now.UnixNano()))),
		done: make(chan struct{}), last: now.UnixNano(),
	}
	s.pub, s.state = p, Live
	if s.grace != nil {
		s.grace.Stop()
	}
	run := p.begin(o.Tracks, now)
	s.mu.Unlock()
	if old != nil {
		old.finish(fault.New(fault.Conflict, "taken_over", "Another publisher with a valid key took over "+s.name+".", "Only one encoder can publish to a stream at a time."))
	}
	ev := Event{Type: Returned, Stream: s, Run: run}
	if first {
		ev.Type = Started
	}
	s.hub.events.emit(ev)
	return p, nil
}

// begin starts a run with the given tracks; the stream's mu is held.
func (p *Publication) begin(tracks []media.Track, now time.Time) *Run {
	s := p.stream
	run := &Run{ID: s.hub.nextRun(now), Start: now, Tracks: slices.Clone(tracks)}
	p.scales = make(map[media.TrackID]uint32, len(tracks))
	for i := range tracks {
		p.scales[tracks[i].ID] = tracks[i].TimeScale
	}
	p.begun = false
	s.setLayout(run, append(slices.Clone(run.Tracks), s.derived()...))
	return run
}

// Stream returns the stream that is published.
func (p *Publication) Stream() *Stream { return p.stream }

// Done is closed when the publication is over, by Close or by somebody else.
func (p *Publication) Done() <-chan struct{} { return p.done }

// Err says why the publication is over; nil before, and after Close(nil).
func (p *Publication) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Close leaves the stream; it is held for the grace time. The cause is told to readers and in the event.
func (p *Publication) Close(cause error) {
	p.finish(cause)
	p.stream.leave(p, cause)
}

// End leaves the stream and ends it at once, for publishers that will not return (a test source switched off).
func (p *Publication) End(cause error) {
	p.stream.mu.Lock()
	p.final = true
	p.stream.mu.Unlock()
	p.Close(cause)
}

func (p *Publication) finish(cause error) {
	p.once.Do(func() { p.err = cause; close(p.done) })
}

// closed returns the error for a write to a publication that is over.
func (p *Publication) closed() error {
	if p.err != nil {
		return p.err
	}
	return fault.New(fault.Unavailable, "publication_closed", "The publication is closed.", "")
}

// Write hands a frame to all readers. It never blocks on them. f.Data belongs to the hub from here on; f's times are
// on the publisher's clock, f.Wall may be zero for now. It fails only when the publication is over.
func (p *Publication) Write(f media.Frame) error {
	s := p.stream
	now := time.Now().UnixNano()
	if f.Wall == 0 {
		f.Wall = now
	}
	s.mu.Lock()
	if s.pub != p || s.state != Live {
		s.mu.Unlock()
		<-p.done // whoever replaced or ended the publication is about to say why
		return p.closed()
	}
	p.last = now
	scale, known := p.scales[f.Track]
	if !known || !p.mayPass(&f) {
		s.count.dropped.Add(1)
		s.mu.Unlock()
		return nil
	}
	v := p.clock.mapFrame(&f, scale, time.Duration(now))
	if v.repaired {
		s.count.repairs.Add(1)
	}
	var run *Run
	if v.jumped {
		s.count.discontinuities.Add(1)
		run = p.begin(s.layout.run.Tracks, time.Unix(0, now))
		if !p.mayPass(&f) { // the jump fell between key frames; decoders of the old run can go on
			p.begun = true
		}
	}
	s.count.frames.Add(1)
	s.count.bytes.Add(uint64(len(f.Data)))
	s.append(f, scale)
	s.mu.Unlock()
	if run != nil {
		s.hub.events.emit(Event{Type: NewRun, Stream: s, Run: run})
	}
	return nil
}

// Lose counts frames that the gateway had to leave out because nothing could decode them: they came without a
// configuration, or damaged.
func (p *Publication) Lose(frames int) { p.stream.count.unusable.Add(uint64(frames)) }

// mayPass holds the leading video back until its first key frame: nothing could decode it.
func (p *Publication) mayPass(f *media.Frame) bool {
	if p.begun || f.Track != p.stream.leading {
		return true
	}
	p.begun = f.Key
	return f.Key
}

// Update replaces the tracks, because a codec configuration changed or a track came or went. A new run begins.
func (p *Publication) Update(tracks []media.Track) error {
	if len(tracks) == 0 {
		return fault.New(fault.Invalid, "no_tracks", "The publisher sends neither video nor audio.", "")
	}
	s := p.stream
	s.mu.Lock()
	if s.pub != p || s.state != Live {
		s.mu.Unlock()
		<-p.done
		return p.closed()
	}
	run := p.begin(tracks, time.Now())
	s.mu.Unlock()
	s.hub.events.emit(Event{Type: NewRun, Stream: s, Run: run})
	return nil
}

// Derived is a track that this server makes from another one.
type Derived struct {
	stream *Stream
	track  media.Track
}

// Derive adds a track that is made here; it gets an ID of its own, found in Track. It stays over new runs
// until it is closed, so its maker must close it when it can no longer follow the source.
func (s *Stream) Derive(t media.Track) (*Derived, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Over || s.layout == nil {
		return nil, fault.New(fault.NotFound, "stream_unknown", "The stream "+s.name+" has ended.", "")
	}
	t.Derived = true
	for t.ID = derivedBase; media.Find(s.layout.tracks, t.ID) != nil; t.ID++ {
	}
	s.setLayout(s.layout.run, append(slices.Clone(s.layout.tracks), t))
	return &Derived{stream: s, track: t}, nil
}

// derivedBase keeps the IDs of derived tracks away from those that publishers choose.
const derivedBase media.TrackID = 0x8000

// Track returns the track as it stands in the stream.
func (d *Derived) Track() media.Track { return d.track }

// Write adds a frame whose times are epoch media time already (they come from the source's frames).
// It fails when the track is gone.
func (d *Derived) Write(f media.Frame) error {
	s := d.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Over || media.Find(s.layout.tracks, d.track.ID) == nil {
		return fault.New(fault.NotFound, "track_gone", "The derived track is gone.", "")
	}
	f.Track = d.track.ID
	if f.Wall == 0 {
		f.Wall = time.Now().UnixNano()
	}
	s.append(f, d.track.TimeScale)
	return nil
}

// Close takes the track out of the stream.
func (d *Derived) Close() {
	s := d.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout == nil || media.Find(s.layout.tracks, d.track.ID) == nil {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(s.layout.tracks), func(t media.Track) bool { return t.ID == d.track.ID })
	delete(s.logs, d.track.ID)
	s.setLayout(s.layout.run, rest)
}
