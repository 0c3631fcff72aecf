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
	begun  bool          // the leading video had its first key frame in this run
	last   time.Duration // when the last frame came, monotonic
	final  bool          // no grace: the publisher said that the stream is over

	once sync.Once
	done chan struct{}
	err  error
}

// publish makes o's publisher the stream's. s.mu is held and given back. errEnded means that the stream ended
// meanwhile: open it anew.
func (s *Stream) publish(o Offer) (*Publication, error) {
	now := s.hub.now()
	if s.state == Over {
		s.mu.Unlock()
		return nil, errEnded
	}
	if err := s.busy(&o, now); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	p := &Publication{stream: s, offer: o, done: make(chan struct{}), last: now.mono}
	if s.state != Live || !s.pub.offer.Filler || o.Filler {
		p.enter(now, takenOver(s.name))
		return p, nil
	}
	old := s.next
	s.next = p
	s.mu.Unlock()
	if old != nil {
		old.finish(takenOver(s.name))
	}
	if o.Feedback != nil {
		o.Feedback(Feedback{KeyFrame: true}) // which the viewers wait for
	}
	return p, nil
}

// Publish continues this very stream, for whoever must not begin another one of its name (a Filler). Errors: stream_busy,
// stream_unknown when it has ended.
func (s *Stream) Publish(o Offer) (*Publication, error) {
	if len(o.Tracks) == 0 {
		return nil, errNoTracks()
	}
	s.mu.Lock()
	p, err := s.publish(o)
	if err == errEnded { //nolint:errorlint // a private sentinel that never leaves this package
		return nil, fault.New(fault.NotFound, "stream_unknown", "The stream "+s.name+" has ended.", "")
	}
	return p, err
}

// busy is the refusal of an offer, if there is a publisher that does not give way to it; s.mu is held.
func (s *Stream) busy(o *Offer, now instant) error {
	holder := s.next
	if holder == nil && s.state == Live {
		holder = s.pub
	}
	if holder == nil || holder.offer.Filler && !o.Filler {
		return nil
	}
	if silent := now.mono-holder.last > s.hub.config().Silent; o.TakeOver || silent && !o.Filler {
		return nil
	}
	return fault.New(fault.Conflict, "stream_busy", s.name+" already has a publisher ("+holder.offer.Origin.Remote+").",
		"Stop the other encoder, kick it from the stream page, or allow take-over for this stream.")
}

func takenOver(name string) error {
	return fault.New(fault.Conflict, "taken_over", "Another publisher with a valid key took over "+name+".", "Only one encoder can publish to a stream at a time.")
}

// enter makes p the publication of its stream, in the place of the one before, which learns the cause. The stream's mu
// is held and given back.
func (p *Publication) enter(now instant, cause error) {
	s := p.stream
	s.look(now)
	old, next := s.pub, s.next
	reason, ev := ReasonReturn, Event{Type: Returned, Stream: s}
	switch {
	case old == nil:
		reason, ev.Type = ReasonStart, Started
	case s.state == Live:
		s.end_ = old.clock.end()
	}
	if p.offer.Filler {
		reason = ReasonFiller
		if old != nil {
			ev.Type = NewRun // the publisher is as far away as before
		}
	}
	p.clock = newClock(s.end_)
	s.pub, s.state, s.next = p, Live, nil
	if s.grace != nil {
		s.grace.Stop()
	}
	ev.Run = p.begin(p.offer.Tracks, now, reason)
	s.mu.Unlock()
	for _, out := range []*Publication{old, next} {
		if out != nil && out != p {
			out.finish(cause)
		}
	}
	s.hub.events.Tell(ev)
}

// begin starts a run with the given tracks; the stream's mu is held.
func (p *Publication) begin(tracks []media.Track, now instant, reason string) *Run {
	s := p.stream
	run := &Run{ID: s.hub.nextRun(now.time()), Start: now.time(), Tracks: slices.Clone(tracks), Reason: reason, Clock: p.clock.source()}
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
	now := s.hub.now()
	if f.Wall == 0 {
		f.Wall = int64(now.wall)
	}
	s.mu.Lock()
	if s.next == p {
		p.last = now.mono
		if f.Track != leading(p.offer.Tracks) || !f.Key {
			s.count.dropped.Add(1)
			s.mu.Unlock()
			return nil
		}
		p.enter(now, takenOver(s.name))
		s.mu.Lock()
	}
	if s.pub != p || s.state != Live {
		s.mu.Unlock()
		<-p.done // whoever replaced or ended the publication is about to say why
		return p.closed()
	}
	run := p.write(&f, now)
	s.mu.Unlock()
	if run != nil {
		s.hub.events.Tell(Event{Type: NewRun, Stream: s, Run: run})
	}
	return nil
}

// write maps a frame's times and appends it. It returns the run that had to begin with it, if one had. The stream's mu
// is held.
func (p *Publication) write(f *media.Frame, now instant) (run *Run) {
	s := p.stream
	p.last = now.mono
	reason := ""
	if s.look(now) {
		reason = ReasonClockStep
	}
	scale, known := p.scales[f.Track]
	if !known || !p.mayPass(f) {
		s.count.dropped.Add(1)
		if reason != "" { // the step must not be forgotten with the frame
			return p.anew(now, reason, p.begun)
		}
		return nil
	}
	v := p.clock.mapFrame(f, scale, s.unstepped(now))
	if v.repaired {
		s.count.repairs.Add(1)
	}
	if v.reason != "" {
		reason = v.reason
	}
	if reason != "" {
		s.count.discontinuities.Add(1)
		run = p.anew(now, reason, true)
	}
	ticks := media.FromDuration(s.steps.Steps(), scale)
	f.DTS += ticks
	f.PTS += ticks
	s.count.frames.Add(1)
	s.count.bytes.Add(uint64(len(f.Data)))
	s.append(*f, scale, now.mono)
	return run
}

// anew begins a run in which the publisher's frames go on: decoders of the old run can go on, too, wherever between
// two key frames it begins.
func (p *Publication) anew(now instant, reason string, begun bool) *Run {
	run := p.begin(p.stream.layout.run.Tracks, now, reason)
	p.begun = begun
	return run
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
		return errNoTracks()
	}
	s := p.stream
	s.mu.Lock()
	if s.next == p {
		p.offer.Tracks = slices.Clone(tracks)
		s.mu.Unlock()
		return nil
	}
	if s.pub != p || s.state != Live {
		s.mu.Unlock()
		<-p.done
		return p.closed()
	}
	now := s.hub.now()
	s.look(now)
	run := p.begin(tracks, now, ReasonConfig)
	s.mu.Unlock()
	s.hub.events.Tell(Event{Type: NewRun, Stream: s, Run: run})
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
	now := s.hub.now()
	if f.Wall == 0 {
		f.Wall = int64(now.wall)
	}
	s.settle(&f, d.track.TimeScale, now)
	s.append(f, d.track.TimeScale, now.mono)
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
