package hub

import (
	"context"
	"sync"
	"time"

	"weir/internal/media"
)

// Encoder turns frames into one wire form, once for all readers of a lane. The hub knows no wire: encoders live in the
// gateways, over format. Calls never overlap.
type Encoder interface {
	// Start is called first and at each change of the selected tracks or of the run. header is what a newcomer needs
	// before any frame (a file header, metadata, sequence headers); inband is what readers already there need.
	// An error leaves the lane silent until the next change.
	Start(tracks []media.Track, run *Run) (header, inband [][]byte, err error)
	// Encode appends the wire form of f to dst. It refers to f.Data instead of copying it where it can, and never
	// changes a buffer that it has returned. Nothing appended means that the frame has no wire form here.
	// f's times go on over steps of the wall clock: they are epoch media time as it was when the stream began.
	Encode(dst [][]byte, f *media.Frame) [][]byte
}

// LaneKey names a shared encoded form: what readers with equal keys get is byte for byte the same.
type LaneKey struct {
	Format  string // "flv", "rtmp", "ts", "mp4", "rtp"
	Variant string // dialect and track selection, as the gateway spells them
}

// Watcher is told that a lane has something new. It is called with the stream's lock held: it must only set a flag.
type Watcher interface {
	// LaneChanged: flush is true where a reader that joins audio to the next video frame should write (a video frame,
	// a change of configuration, the end).
	LaneChanged(l *Lane, flush bool)
}

type chunk struct {
	bufs [][]byte
	size int
	at   time.Duration // when it was written, monotonic
}

// Lane is a stream in one wire form. Chunks have positions that grow by one and are never reused.
type Lane struct {
	stream *Stream
	key    LaneKey
	want   Want
	source laneSource // under the stream's mu

	mu       sync.Mutex
	log      chunkLog
	group    uint64 // where newcomers start
	changed  uint64 // position of the newest in-band header
	inband   [][]byte
	header   [][]byte
	ended    bool
	watchers map[Watcher]int
}

// laneSource is the encoding side of a lane.
type laneSource struct {
	enc    Encoder
	supply *supply // of the stream, when it is there on demand
	codec  *supply // of the codec that was wanted
	refs   int
	linger *time.Timer
	layout *layout
	tracks []media.Track
	video  bool  // the lane carries video
	err    error // the encoder refused the current tracks
	arena  [][]byte
	frame  media.Frame // the one being encoded, if its times are not those that were logged
}

// steady gives a frame the time that the readers of a lane live in: epoch media time, but for the steps of the wall
// clock, which only move what is called now.
func (l *laneSource) steady(e *entry, scale uint32) *media.Frame {
	if e.state.stepped == 0 {
		return &e.Frame
	}
	ticks := media.FromDuration(e.state.stepped, scale)
	l.frame = e.Frame
	l.frame.DTS -= ticks
	l.frame.PTS -= ticks
	return &l.frame
}

// chunkLog is a ring of encoded frames.
type chunkLog struct {
	ring        []chunk // length is a power of two
	first, next uint64
	bytes       int
}

func (l *chunkLog) at(pos uint64) *chunk { return &l.ring[pos&uint64(len(l.ring)-1)] }

func (l *chunkLog) push(c chunk) {
	if int(l.next-l.first) == len(l.ring) {
		bigger := make([]chunk, max(64, 2*len(l.ring)))
		for pos := l.first; pos < l.next; pos++ {
			bigger[pos&uint64(len(bigger)-1)] = *l.at(pos)
		}
		l.ring = bigger
	}
	*l.at(l.next) = c
	l.next++
	l.bytes += c.size
}

// trim drops chunks from the front as trackLog.trim does for frames.
func (l *chunkLog) trim(before time.Duration, keep uint64, maxBytes int) {
	for l.first < l.next {
		c := l.at(l.first)
		if l.bytes <= maxBytes && (c.at >= before || l.first >= keep) {
			return
		}
		l.bytes -= c.size
		*c = chunk{}
		l.first++
	}
}

// Lane opens the shared form key of the stream of that name, made by newEncoder if nobody has asked for it yet. Close
// it when done; it lingers a little. Errors: stream_unknown, and what the Supplier answers.
func (h *Hub) Lane(ctx context.Context, name string, key LaneKey, w Want, newEncoder func(*Stream) Encoder) (*Lane, error) {
	s, sup, err := h.find(ctx, name, w)
	if err != nil {
		return nil, err
	}
	l := s.Lane(key, w, newEncoder)
	s.mu.Lock()
	if l.source.supply == nil {
		l.source.supply, sup = sup, nil
	}
	s.mu.Unlock()
	h.supply.leave(sup)
	return l, nil
}

// Lane opens a shared form of this very stream.
func (s *Stream) Lane(key LaneKey, w Want, newEncoder func(*Stream) Encoder) *Lane {
	s.mu.Lock()
	l := s.readers.lanes[key]
	if l != nil {
		l.source.refs++
		if l.source.linger != nil {
			l.source.linger.Stop()
			l.source.linger = nil
		}
		s.mu.Unlock()
		return l
	}
	l = &Lane{stream: s, key: key, want: w, source: laneSource{enc: newEncoder(s), refs: 1}, watchers: map[Watcher]int{}}
	s.readers.lanes[key] = l
	l.ended = s.state == Over
	if s.layout != nil {
		l.backlog()
	}
	s.mu.Unlock()
	if w.Need != media.UnknownCodec {
		u := s.hub.supply.need(s, w.Need)
		s.mu.Lock()
		l.source.codec = u
		s.mu.Unlock()
	}
	return l
}

// backlog encodes the frames from the last random access point on; the stream's mu is held.
func (l *Lane) backlog() {
	s := l.stream
	l.relayout(s.layout)
	if l.source.err != nil {
		return
	}
	cursors := make([]logCursor, 0, len(l.source.tracks))
	for i := range l.source.tracks {
		if log := s.logs[l.source.tracks[i].ID]; log != nil {
			cursors = append(cursors, logCursor{l.source.tracks[i].ID, log, log.seek(s.group)})
		}
	}
	for {
		var oldest *logCursor
		for i := range cursors {
			c := &cursors[i]
			if c.pos < c.log.next && (oldest == nil || c.log.at(c.pos).order < oldest.log.at(oldest.pos).order) {
				oldest = c
			}
		}
		if oldest == nil {
			return
		}
		e := oldest.log.at(oldest.pos)
		oldest.pos++
		if e.state.run == l.source.layout.run { // frames of an older run need an older header
			l.encode(e)
		}
	}
}

// relayout follows a change of run or tracks; the stream's mu is held.
func (l *Lane) relayout(to *layout) {
	chosen := l.want.choose(to.tracks)
	if l.source.layout != nil && l.source.layout.run == to.run && media.SameFormats(chosen, l.source.tracks) {
		l.source.layout = to
		return
	}
	first := l.source.layout == nil
	joinable := !first && l.source.layout.run == to.run && sameVideo(chosen, l.source.tracks)
	l.source.layout, l.source.tracks = to, chosen
	l.source.video = media.First(chosen, media.Video) != nil
	header, inband, err := l.source.enc.Start(chosen, to.run)
	l.source.err = err
	if err != nil {
		return
	}
	l.mu.Lock()
	l.header, l.inband = header, inband
	l.changed = l.log.next
	l.mu.Unlock()
	if first {
		return
	}
	if len(inband) > 0 {
		l.push(inband, l.stream.hub.now().mono)
	}
	if !joinable { // nothing before can be decoded with the new header
		l.mu.Lock()
		l.group = l.log.next
		l.mu.Unlock()
	}
	l.notify(true)
}

// sameVideo reports whether the picture goes on undisturbed while other tracks come or go.
func sameVideo(a, b []media.Track) bool {
	x, y := media.First(a, media.Video), media.First(b, media.Video)
	return x != nil && y != nil && x.ID == y.ID && x.SameFormat(y)
}

// Err says why the lane is silent: its encoder refused the tracks.
func (l *Lane) Err() error {
	l.stream.mu.Lock()
	defer l.stream.mu.Unlock()
	return l.source.err
}

// Tracks returns the tracks that the lane carries now.
func (l *Lane) Tracks() []media.Track {
	l.stream.mu.Lock()
	defer l.stream.mu.Unlock()
	return l.source.tracks
}

// Stream returns the stream that the lane belongs to.
func (l *Lane) Stream() *Stream { return l.stream }

// feed takes one new frame; the stream's mu is held.
func (l *Lane) feed(e *entry) {
	if l.source.err != nil || media.Find(l.source.tracks, e.Track) == nil {
		return
	}
	video := l.encode(e)
	l.trim(e.at)
	l.notify(video)
}

// encode appends the chunk of one frame and reports whether it is video.
func (l *Lane) encode(e *entry) (video bool) {
	if cap(l.source.arena)-len(l.source.arena) < 16 {
		l.source.arena = make([][]byte, 0, 256)
	}
	start := len(l.source.arena)
	t := media.Find(l.source.tracks, e.Track)
	out := l.source.enc.Encode(l.source.arena, l.source.steady(e, t.TimeScale))
	if len(out) == start {
		return false
	}
	l.source.arena = out
	if e.order == l.stream.group {
		l.mu.Lock()
		l.group = l.log.next
		l.mu.Unlock()
	}
	l.push(out[start:len(out):len(out)], e.at)
	return l.source.video && t.Kind == media.Video
}

func (l *Lane) push(bufs [][]byte, at time.Duration) {
	c := chunk{bufs: bufs, at: at}
	for _, b := range bufs {
		c.size += len(b)
	}
	l.mu.Lock()
	l.log.push(c)
	l.mu.Unlock()
}

func (l *Lane) trim(now time.Duration) {
	cfg := l.stream.hub.config()
	l.mu.Lock()
	l.log.trim(now-cfg.Window, l.group, cfg.MaxBytes)
	l.mu.Unlock()
}

func (l *Lane) held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.bytes
}

// flush makes joined readers write what they hold back; the stream's mu is held.
func (l *Lane) flush() { l.notify(true) }

// end tells the readers that nothing more comes; the stream's mu is held.
func (l *Lane) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.notify(true)
}

func (l *Lane) notify(flush bool) {
	l.mu.Lock()
	for w := range l.watchers {
		w.LaneChanged(l, flush)
	}
	l.mu.Unlock()
}

// Watch has w told of new chunks until as many calls of Unwatch.
func (l *Lane) Watch(w Watcher) {
	l.mu.Lock()
	l.watchers[w]++
	l.mu.Unlock()
}

// Unwatch undoes one Watch.
func (l *Lane) Unwatch(w Watcher) {
	l.mu.Lock()
	if l.watchers[w]--; l.watchers[w] <= 0 {
		delete(l.watchers, w)
	}
	l.mu.Unlock()
}

// Join returns what a newcomer gets first and the position of the last random access point.
func (l *Lane) Join() (header [][]byte, pos uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.header, max(l.group, l.log.first)
}

// Batch is what Read found.
type Batch struct {
	Next    uint64 // where to go on
	Size    int    // bytes appended
	Skipped int    // chunks the reader lost because it was too slow
	Ended   bool   // nothing more will come after Next
}

// Read appends to dst the buffers of the chunks from pos on, as many as fit whole into maxBufs buffers (at least one
// chunk). A reader that fell out of the window goes on at the last random access point, with the in-band header
// first if it missed a change. The buffers are shared: they must not be changed.
func (l *Lane) Read(dst [][]byte, pos uint64, maxBufs int) ([][]byte, Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b Batch
	if pos < l.log.first {
		to := max(l.group, l.log.first)
		b.Skipped = int(to - pos)
		if l.changed >= pos && l.changed < to {
			dst = append(dst, l.inband...)
			for _, buf := range l.inband {
				b.Size += len(buf)
			}
		}
		pos = to
		l.stream.count.skipped.Add(uint64(b.Skipped))
	}
	for n := 0; pos < l.log.next; pos++ {
		c := l.log.at(pos)
		if n > 0 && n+len(c.bufs) > maxBufs {
			break
		}
		n += len(c.bufs)
		dst = append(dst, c.bufs...)
		b.Size += c.size
	}
	b.Next = pos
	b.Ended = l.ended && pos >= l.log.next
	return dst, b
}

// Pending returns how many bytes a reader at pos has before it, for the cap on what a stalled reader may hold.
func (l *Lane) Pending(pos uint64) (chunks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.log.next - max(pos, l.log.first))
}

// Close gives back one use of the lane.
func (l *Lane) Close() {
	s := l.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.source.refs--; l.source.refs > 0 {
		return
	}
	l.source.linger = time.AfterFunc(s.hub.config().Linger, l.drop)
}

func (l *Lane) drop() {
	s := l.stream
	s.mu.Lock()
	if l.source.refs > 0 || s.readers.lanes[l.key] != l {
		s.mu.Unlock()
		return
	}
	delete(s.readers.lanes, l.key)
	stream, codec := l.source.supply, l.source.codec
	s.mu.Unlock()
	s.hub.supply.leave(stream)
	s.hub.supply.leave(codec)
}

// Millis converts a time given to an Encoder to the readers' millisecond clock, modulo 2^32.
func (s *Stream) Millis(dts int64, scale uint32) uint32 {
	return uint32(media.Rescale(dts, scale, 1000) - s.origin)
}
