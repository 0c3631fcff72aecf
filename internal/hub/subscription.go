package hub

import (
	"context"
	"io"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
)

// Want says what a reader needs of a stream.
type Want struct {
	// Tracks selects among the tracks; nil means all published ones. It is asked again at each change of the
	// track list, with the hub's lock held: it must be quick and pure.
	Tracks  func([]media.Track) []media.TrackID
	Need    media.Codec   // a codec that the Supplier shall make if the stream lacks it
	Wait    time.Duration // how long to wait for a stream that is not there; 0 = not at all
	Patient bool          // wait even when no Supplier knows the stream: a publisher may be about to come
	FromNow bool          // start with the next frame instead of the last random access point
	Calm    bool          // be woken by frames of the leading track only: less to do for who needs nothing at once
}

func (w *Want) choose(tracks []media.Track) []media.Track {
	var out []media.Track
	if w.Tracks == nil {
		for _, t := range tracks {
			if !t.Derived {
				out = append(out, t)
			}
		}
		return out
	}
	for _, id := range w.Tracks(tracks) {
		if t := media.Find(tracks, id); t != nil {
			out = append(out, *t)
		}
	}
	return out
}

// Item is one frame with the run and the selected tracks it belongs to. A changed Run pointer tells a new run; Tracks
// is the same slice as long as the selection stays.
type Item struct {
	media.Frame
	Run     *Run
	Tracks  []media.Track
	Skipped int // frames this reader lost before this one because it was too slow
}

// Subscription is one reader of frames, with a cursor of its own. It is used by one goroutine.
type Subscription struct {
	stream *Stream
	want   Want
	supply *supply // of the stream, when it is there on demand
	codec  *supply // of the codec that was wanted
	signal chan struct{}
	once   sync.Once

	logs    []logCursor
	seen    *layout // the layout the cursors were made for
	current *layout // the layout of the last item
	tracks  []media.Track
	from    uint64 // order before which nothing is read
}

type logCursor struct {
	id  media.TrackID
	log *trackLog
	pos uint64
}

func unknown(name string) error {
	return fault.New(fault.NotFound, "stream_unknown", "Nothing is published as "+name+".", "Start the encoder, or check the name in the address.")
}

// find returns the stream, asking the Supplier and waiting for a publisher as w allows.
func (h *Hub) find(ctx context.Context, name string, w Want) (*Stream, *supply, error) {
	if s := h.Stream(name); s != nil {
		return s, h.supply.share(name), nil
	}
	if w.Wait <= 0 {
		return nil, nil, unknown(name)
	}
	ctx, cancel := context.WithTimeout(ctx, w.Wait)
	defer cancel()
	sup := h.supply.join(Request{Name: name})
	s := h.await(sup.until(ctx), name)
	err := sup.failed()
	if s == nil && w.Patient && fault.Code(err) == CodeNoSource {
		s = h.await(ctx, name)
	}
	if s != nil {
		return s, sup, nil
	}
	h.supply.leave(sup)
	if err != nil && fault.Code(err) != CodeNoSource {
		return nil, nil, err
	}
	return nil, nil, unknown(name)
}

// Keep renews the linger time of a stream that is supplied on demand, for readers without a lasting connection.
func (h *Hub) Keep(name string) {
	if u := h.supply.share(name); u != nil {
		h.supply.leave(u)
	}
}

// Subscribe opens a reader of frames. Errors: stream_unknown, and what the Supplier answers.
func (h *Hub) Subscribe(ctx context.Context, name string, w Want) (*Subscription, error) {
	s, sup, err := h.find(ctx, name, w)
	if err != nil {
		return nil, err
	}
	return s.subscribe(w, sup), nil
}

// Subscribe opens a reader of this very stream.
func (s *Stream) Subscribe(w Want) *Subscription { return s.subscribe(w, nil) }

func (s *Stream) subscribe(w Want, sup *supply) *Subscription {
	sub := &Subscription{stream: s, want: w, supply: sup, signal: make(chan struct{}, 1)}
	s.mu.Lock()
	s.readers.subs[sub] = struct{}{}
	sub.from = s.group
	if w.FromNow {
		sub.from = s.order
	}
	s.mu.Unlock()
	if w.Need != media.UnknownCodec {
		sub.codec = s.hub.supply.need(s, w.Need)
	}
	return sub
}

// Stream returns the stream that is read.
func (sub *Subscription) Stream() *Stream { return sub.stream }

// Ask passes a wish up to the publisher.
func (sub *Subscription) Ask(f Feedback) { sub.stream.Ask(f) }

// Ask passes a reader's wish up to the publisher.
func (s *Stream) Ask(f Feedback) {
	s.mu.Lock()
	p := s.pub
	live := s.state == Live
	s.mu.Unlock()
	if live && p != nil && p.offer.Feedback != nil {
		p.offer.Feedback(f)
	}
}

// Close ends the subscription.
func (sub *Subscription) Close() {
	sub.once.Do(func() {
		s := sub.stream
		s.mu.Lock()
		delete(s.readers.subs, sub)
		s.mu.Unlock()
		s.hub.supply.leave(sub.supply)
		s.hub.supply.leave(sub.codec)
	})
}

func (sub *Subscription) notify() {
	select {
	case sub.signal <- struct{}{}:
	default:
	}
}

// Next returns the next frame of the selected tracks in arrival order. It waits while there is none, also while the
// publisher is away. io.EOF: the stream has ended.
func (sub *Subscription) Next(ctx context.Context) (Item, error) {
	for {
		item, state := sub.take()
		if item.Run != nil {
			return item, nil
		}
		if state == Over {
			return Item{}, io.EOF
		}
		select {
		case <-sub.signal:
		case <-ctx.Done():
			return Item{}, context.Cause(ctx)
		}
	}
}

// Idle reports whether the publisher is away and everything before has been read.
func (sub *Subscription) Idle() bool {
	s := sub.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Live {
		return false
	}
	for i := range sub.logs {
		if sub.logs[i].pos < sub.logs[i].log.next {
			return false
		}
	}
	return true
}

// Changed is signalled when there may be something to read or the stream's state changed. Next drains it; it is for
// readers that have to look at something else meanwhile.
func (sub *Subscription) Changed() <-chan struct{} { return sub.signal }

// TryNext is Next without waiting; ok is false when there is nothing to read now.
func (sub *Subscription) TryNext() (item Item, ok bool, err error) {
	item, state := sub.take()
	if item.Run == nil && state == Over {
		return item, false, io.EOF
	}
	return item, item.Run != nil, nil
}

// take returns the oldest unread frame, or an Item without Run.
func (sub *Subscription) take() (Item, State) {
	s := sub.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout != sub.seen {
		sub.follow(s.layout)
	}
	skipped := sub.skip()
	for {
		oldest := -1
		var order uint64
		for i := range sub.logs {
			c := &sub.logs[i]
			if c.pos < c.log.next && (oldest < 0 || c.log.at(c.pos).order < order) {
				oldest, order = i, c.log.at(c.pos).order
			}
		}
		if oldest < 0 {
			return Item{}, s.state
		}
		c := &sub.logs[oldest]
		e := c.log.at(c.pos)
		c.pos++
		if e.state != sub.current {
			sub.enter(e.state)
		}
		if media.Find(sub.tracks, e.Track) == nil {
			continue // written before or after the selection had this track
		}
		return Item{Frame: e.Frame, Run: e.state.run, Tracks: sub.tracks, Skipped: skipped}, s.state
	}
}

// follow opens cursors on tracks that a new layout selects.
func (sub *Subscription) follow(l *layout) {
	sub.seen = l
	for _, t := range sub.want.choose(l.tracks) {
		log := sub.stream.logs[t.ID]
		if log == nil {
			log = &trackLog{}
			sub.stream.logs[t.ID] = log
		}
		have := false
		for i := range sub.logs {
			if sub.logs[i].id == t.ID {
				have = true
				if sub.logs[i].log != log { // a derived track was closed and another one made under its ID
					sub.logs[i] = logCursor{t.ID, log, log.seek(sub.from)}
				}
			}
		}
		if !have {
			sub.logs = append(sub.logs, logCursor{t.ID, log, log.seek(sub.from)})
		}
	}
}

// enter makes the selection of the layout that the next frame was written under.
func (sub *Subscription) enter(l *layout) {
	chosen := sub.want.choose(l.tracks)
	same := sub.current != nil && sub.current.run == l.run && len(chosen) == len(sub.tracks)
	for i := 0; same && i < len(chosen); i++ {
		same = chosen[i].ID == sub.tracks[i].ID && chosen[i].SameFormat(&sub.tracks[i])
	}
	sub.current = l
	if !same {
		sub.tracks = chosen
	}
}

// skip moves a reader that fell out of the window to the last random access point.
func (sub *Subscription) skip() (lost int) {
	behind := false
	for i := range sub.logs {
		behind = behind || sub.logs[i].pos < sub.logs[i].log.first
	}
	if !behind {
		return 0
	}
	s := sub.stream
	for i := range sub.logs {
		c := &sub.logs[i]
		to := max(c.log.seek(s.group), c.pos)
		lost += int(to - c.pos)
		c.pos = to
	}
	s.count.skipped.Add(uint64(lost))
	return lost
}
