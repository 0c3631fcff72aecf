package hub

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/media"
)

// State says whether a stream has its publisher.
type State uint8

// The states of a stream.
const (
	Live State = iota
	Away       // the publisher left; readers stay for the grace time
	Over       // ended; the object is only kept by its readers
)

func (s State) String() string { return [...]string{"live", "away", "ended"}[s] }

// Run is an unbroken stretch of a stream: one clock mapping, one codec configuration.
type Run struct {
	ID     uint64 // grows, also over restarts of the server
	Start  time.Time
	Tracks []media.Track // as published, without derived ones
	Reason string        // why it began
	Clock  string        // where its times come from
}

// Why a run began.
const (
	ReasonStart       = "start"        // the stream began
	ReasonReturn      = "return"       // a publisher came (back)
	ReasonConfig      = "config"       // the tracks changed
	ReasonTimestamps  = "timestamps"   // the publisher's timestamps jumped, or lay far behind
	ReasonClockSource = "clock_source" // the publisher's timestamps proved useless: they are not used any more
	ReasonClockStep   = "clock_step"   // the wall clock was set
	ReasonFiller      = "filler"       // something is shown instead of the publisher
)

// Where a run's times come from.
const (
	ClockPublisher = "publisher" // its timestamps, moved to epoch media time and slewed
	ClockArrival   = "arrival"   // the arrival of its frames
)

// Stream is a named broadcast. It outlives its publishers by the grace time.
type Stream struct {
	hub      *Hub
	name     string
	origin   int64 // Unix ms of creation: zero of the millisecond clock of lanes
	unlisted bool

	mu      sync.Mutex
	state   State
	pub     *Publication
	next    *Publication // takes over from a filler with its first key frame
	layout  *layout
	order   uint64 // of the next frame
	group   uint64 // order of the newest random access point of the leading track
	groupAt int64  // its DTS
	leading media.TrackID
	end_    time.Duration // where the last publication ended, or the stream was created; without steps
	steps   steps
	logs    map[media.TrackID]*trackLog
	readers readers
	grace   *time.Timer

	done  chan struct{}
	count counters
}

// readers are woken at each write.
type readers struct {
	subs  map[*Subscription]struct{}
	lanes map[LaneKey]*Lane
}

type counters struct {
	frames, bytes, repairs, discontinuities, skipped, dropped, unusable atomic.Uint64
}

var errEnded = errors.New("hub: the stream ended while it was opened")

func newStream(h *Hub, o Offer) *Stream {
	now := h.now()
	s := &Stream{
		hub: h, name: o.Name, origin: now.wall.Milliseconds(), end_: now.wall, unlisted: o.Unlisted, state: Away,
		logs:    map[media.TrackID]*trackLog{},
		readers: readers{subs: map[*Subscription]struct{}{}, lanes: map[LaneKey]*Lane{}},
		done:    make(chan struct{}),
	}
	s.steps.Look(now.wall, now.mono)
	return s
}

// Name returns the stream's name.
func (s *Stream) Name() string { return s.name }

// Origin is the zero of the readers' millisecond clock, Unix ms.
func (s *Stream) Origin() int64 { return s.origin }

// Done is closed when the stream has ended.
func (s *Stream) Done() <-chan struct{} { return s.done }

// State returns whether the stream has its publisher.
func (s *Stream) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown()
}

// shown is the state that people are told: a filler is no publisher; s.mu is held.
func (s *Stream) shown() State {
	if s.state == Live && s.pub.offer.Filler {
		return Away
	}
	return s.state
}

// Tracks returns the tracks of the current run, derived ones included. The slice must not be changed.
func (s *Stream) Tracks() []media.Track {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout == nil {
		return nil
	}
	return s.layout.tracks
}

// Run returns the current run.
func (s *Stream) Run() Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout == nil {
		return Run{}
	}
	return *s.layout.run
}

// Publisher returns who publishes, or published last.
func (s *Stream) Publisher() Origin {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pub == nil {
		return Origin{}
	}
	return s.pub.offer.Origin
}

// ViaHeader is the HTTP header in which servers of our kind tell each other Via.
const ViaHeader = "Weir-Via"

// Via is what another server that gets the stream from here is to give as its Origin.Via: without it, servers that relay a
// stream in a circle would send its last group around for ever, as fast as they can.
func (s *Stream) Via() string { return strings.TrimSpace(s.Publisher().Via + " " + s.hub.id) }

// Kick ends the current publication; the stream is then held as after any loss of its publisher.
func (s *Stream) Kick(cause error) {
	s.mu.Lock()
	p := s.pub
	if s.next != nil {
		p = s.next
	}
	s.mu.Unlock()
	if p != nil {
		p.Close(cause)
	}
}

// StreamStats are one stream's figures.
type StreamStats struct {
	State                            State
	Lanes, Subscriptions             int
	Frames, Bytes                    uint64
	Repairs, Discontinuities         uint64
	Skipped                          uint64 // frames that slow readers lost, summed over readers
	Dropped                          uint64 // frames refused: before the first key frame, or of no known track
	Unusable                         uint64 // frames that the gateway could not use, see Publication.Lose
	HeldFrames, HeldBytes, LaneBytes int
}

// Stats returns the stream's figures.
func (s *Stream) Stats() StreamStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := StreamStats{
		State: s.shown(), Lanes: len(s.readers.lanes), Subscriptions: len(s.readers.subs),
		Frames: s.count.frames.Load(), Bytes: s.count.bytes.Load(), Repairs: s.count.repairs.Load(),
		Discontinuities: s.count.discontinuities.Load(), Skipped: s.count.skipped.Load(), Dropped: s.count.dropped.Load(),
		Unusable: s.count.unusable.Load(),
	}
	for _, l := range s.logs {
		st.HeldFrames += int(l.next - l.first)
		st.HeldBytes += l.bytes
	}
	for _, l := range s.readers.lanes {
		st.LaneBytes += l.held()
	}
	return st
}

// setLayout installs a new run and/or track list; s.mu is held.
func (s *Stream) setLayout(run *Run, tracks []media.Track) {
	s.layout = &layout{run: run, tracks: tracks, stepped: s.steps.Steps()}
	s.leading = leading(run.Tracks)
	for _, l := range s.readers.lanes {
		l.relayout(s.layout)
	}
	s.wake()
}

// leading is the track that decides where readers may start.
func leading(tracks []media.Track) media.TrackID {
	for _, kind := range [...]media.Kind{media.Video, media.Audio} {
		if t := media.First(tracks, kind); t != nil {
			return t.ID
		}
	}
	return tracks[0].ID
}

// wake tells the frame readers that something changed; s.mu is held.
func (s *Stream) wake() {
	for sub := range s.readers.subs {
		sub.notify()
	}
}

// append logs a mapped frame and feeds the lanes; s.mu is held.
func (s *Stream) append(f media.Frame, scale uint32, now time.Duration) {
	log := s.logs[f.Track]
	if log == nil {
		log = &trackLog{}
		s.logs[f.Track] = log
	}
	order := s.order
	s.order++
	if f.Track == s.leading && f.Key && s.beginsGroup(&f, scale) {
		s.group, s.groupAt = order, f.DTS
	}
	log.push(entry{Frame: f, order: order, at: now, state: s.layout})
	s.trim(now)
	for _, l := range s.readers.lanes {
		l.feed(log.at(log.next - 1))
	}
	for sub := range s.readers.subs {
		if !sub.want.Calm || f.Track == s.leading {
			sub.notify()
		}
	}
}

// beginsGroup tells where readers may start. Every audio frame is a random access point, so an audio-only
// stream has a group each second, to give newcomers something to start with.
func (s *Stream) beginsGroup(f *media.Frame, scale uint32) bool {
	t := media.Find(s.layout.tracks, f.Track)
	return t == nil || t.Kind == media.Video || f.DTS-s.groupAt >= int64(scale)
}

func (s *Stream) trim(now time.Duration) {
	before := now - s.hub.config().Window
	for _, l := range s.logs {
		l.trim(before, s.group, s.hub.config().MaxBytes)
	}
}

// leave is called when the publication p closed: the grace time begins.
func (s *Stream) leave(p *Publication, cause error) {
	s.mu.Lock()
	if s.next == p {
		s.next = nil
	}
	if s.pub != p || s.state != Live {
		s.mu.Unlock()
		return
	}
	if next := s.next; next != nil {
		next.enter(s.hub.now(), nil) // there is nobody left to take over from
		return
	}
	s.state = Away
	s.end_ = p.clock.end()
	if p.final {
		s.mu.Unlock()
		s.end(cause)
		return
	}
	s.grace = time.AfterFunc(s.hub.config().Grace, func() { s.endIfAway(p, cause) })
	run := s.layout.run
	s.wake()
	for _, l := range s.readers.lanes {
		l.flush()
	}
	s.mu.Unlock()
	if !p.offer.Filler { // of which nobody was told that it came
		s.hub.events.Tell(Event{Type: WentAway, Stream: s, Run: run, Cause: cause})
	}
}

func (s *Stream) endIfAway(p *Publication, cause error) {
	s.mu.Lock()
	over := s.state == Away && s.pub == p
	s.mu.Unlock()
	if over {
		s.end(cause)
	}
}

// end takes the stream away for good; readers see io.EOF after what they still have to read.
func (s *Stream) end(cause error) {
	s.mu.Lock()
	if s.state == Over {
		s.mu.Unlock()
		return
	}
	s.state = Over
	if s.grace != nil {
		s.grace.Stop()
	}
	p, next := s.pub, s.next
	s.wake()
	for _, l := range s.readers.lanes {
		l.end()
	}
	close(s.done)
	s.mu.Unlock()
	s.hub.remove(s)
	for _, p := range []*Publication{p, next} {
		if p != nil {
			p.finish(cause)
		}
	}
	s.hub.events.Tell(Event{Type: Ended, Stream: s, Cause: cause})
}

// derived returns the tracks made here, which stay over a new run; s.mu is held.
func (s *Stream) derived() []media.Track {
	if s.layout == nil {
		return nil
	}
	var out []media.Track
	for _, t := range s.layout.tracks {
		if t.Derived {
			out = append(out, t)
		}
	}
	return out
}
