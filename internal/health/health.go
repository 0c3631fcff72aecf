// Package health watches live streams and says in words what is wrong with them,
// why it matters, and what to do about it.
//
// What belongs here: measuring frames without decoding them, the rules that come to a verdict, the
// last five minutes of figures and events. What does not: making pictures (a Look function is
// given), who is asked to act on a verdict, and anything that would disturb the stream: the
// monitor reads like any other reader, some times a second, and never asks the publisher for anything.
package health

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"weir/internal/hub"
	"weir/internal/media"
)

// Config gives what the monitor cannot see itself. All functions may be nil and must be quick, but for Look.
type Config struct {
	Viewers       func(name string) int    // who watch, for the graphs
	WebRTCViewers func(name string) int    // who watch over WebRTC, which shows no B-frames
	Unusable      func(name string) uint64 // running total of frames that came without a decoder configuration and were dropped by a gateway
	// Look decodes a key frame and measures its picture. It is asked rarely, for one frame of a stream at a time.
	Look func(ctx context.Context, t *media.Track, key media.Frame) (Picture, error)
}

// How often frames are taken and verdicts reached. The hub keeps frames for seconds and each carries its time of arrival, so
// that nothing is lost by looking rarely, and a stream costs few wake-ups.
const (
	readEvery  = 250 * time.Millisecond
	judgeEvery = time.Second
)

// Monitor keeps a judge for each stream.
type Monitor struct {
	cfg Config
	hub *hub.Hub
	log *slog.Logger

	mu      sync.Mutex
	watches map[string]*watch
}

// watch is one stream under a judge.
type watch struct {
	stream *hub.Stream

	mu    sync.Mutex
	judge *Judge

	run     *hub.Run
	session string
	key     media.Frame // newest key frame of the leading video
	track   *media.Track
	judged  time.Time
	looking bool
	looks   chan lookResult
}

type lookResult struct {
	picture Picture
	err     error
}

// New returns a monitor. It watches the streams that Run is called for.
func New(cfg Config, h *hub.Hub, log *slog.Logger) *Monitor {
	if cfg.Viewers == nil {
		cfg.Viewers = func(string) int { return 0 }
	}
	if cfg.WebRTCViewers == nil {
		cfg.WebRTCViewers = func(string) int { return 0 }
	}
	if cfg.Unusable == nil {
		cfg.Unusable = func(string) uint64 { return 0 }
	}
	return &Monitor{cfg: cfg, hub: h, log: log, watches: map[string]*watch{}}
}

// Run watches a stream until it has ended (nil) or ctx ends.
func (m *Monitor) Run(ctx context.Context, s *hub.Stream) error {
	w := &watch{stream: s, judge: NewJudge(), looks: make(chan lookResult, 1), session: s.Publisher().Session}
	m.mu.Lock()
	m.watches[s.Name()] = w
	m.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		if w.looking {
			<-w.looks
		}
		m.mu.Lock()
		if m.watches[s.Name()] == w {
			delete(m.watches, s.Name())
		}
		m.mu.Unlock()
	}()
	sub := s.Subscribe(hub.Want{})
	defer sub.Close()
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		if err := m.read(ctx, w, sub); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		select {
		case <-tick.C:
		case r := <-w.looks:
			w.looking = false
			m.looked(w, r)
		case <-s.Done():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// read takes all frames that are there, and reaches a verdict when a second is over.
func (m *Monitor) read(ctx context.Context, w *watch, sub *hub.Subscription) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		item, ok, err := sub.TryNext()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		w.take(&item)
	}
	now := time.Now()
	if now.Sub(w.judged) < judgeEvery-readEvery/2 {
		return nil
	}
	w.judged = now
	w.judge.Tick(now, m.facts(w, now))
	m.look(ctx, w, now)
	return nil
}

func (w *watch) take(item *hub.Item) {
	if item.Run != w.run {
		if w.run != nil {
			w.judge.Cut()
		}
		w.run, w.track, w.key = item.Run, nil, media.Frame{}
	}
	t := media.Find(item.Tracks, item.Track)
	if t == nil {
		return
	}
	if t.Kind == media.Video && item.Key && (w.track == nil || w.track.ID == t.ID || t.Rank < w.track.Rank) {
		w.track, w.key = t, item.Frame
	}
	w.judge.Observe(&item.Frame, t, time.Unix(0, item.Wall))
}

// facts asks what the frames do not tell. A publisher that came back between two looks is found by its session.
func (m *Monitor) facts(w *watch, now time.Time) Facts {
	st, name := w.stream.Stats(), w.stream.Name()
	f := Facts{
		Live: st.State == hub.Live, Tracks: w.stream.Tracks(), Viewers: m.cfg.Viewers(name), WebRTCViewers: m.cfg.WebRTCViewers(name),
		Repairs: st.Repairs, Discontinuities: st.Discontinuities, Dropped: st.Dropped, Unusable: m.cfg.Unusable(name),
	}
	publisher := w.stream.Publisher()
	f.Speed = publisher.Speed
	if session := publisher.Session; session != w.session {
		w.session = session
		if f.Live && w.judge.facts.Live {
			away := f
			away.Live = false
			w.judge.changes(now, away)
			w.judge.facts.Live, w.judge.left = false, now
		}
	}
	return f
}

// look has the newest key frame looked at when that is due, beside the reading of frames.
func (m *Monitor) look(ctx context.Context, w *watch, now time.Time) {
	if m.cfg.Look == nil || w.looking || w.track == nil || !w.judge.LookDue(now, len(w.key.Data), w.track.Width*w.track.Height) {
		return
	}
	w.looking = true
	track, key := w.track, w.key
	go func() { // Run waits for its answer
		var r lookResult
		defer func() {
			if v := recover(); v != nil {
				m.log.Error("panic", "where", "health look", "stream", w.stream.Name(), "value", v)
				r.err = errors.New("health: the look panicked")
			}
			w.looks <- r
		}()
		r.picture, r.err = m.cfg.Look(ctx, track, key)
	}()
}

func (m *Monitor) looked(w *watch, r lookResult) {
	if r.err != nil {
		m.log.Debug("a key frame could not be looked at", "stream", w.stream.Name(), "error", r.err)
		return
	}
	w.mu.Lock()
	w.judge.Look(r.picture)
	w.mu.Unlock()
}

// with calls f with the judge of a stream and reports whether there is one.
func (m *Monitor) with(name string, f func(*Judge)) bool {
	m.mu.Lock()
	w := m.watches[name]
	m.mu.Unlock()
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.judge)
	return true
}

// Report returns the verdict on a stream; false when it is not watched.
func (m *Monitor) Report(name string) (r Report, ok bool) {
	ok = m.with(name, func(j *Judge) { r = j.Report() })
	return r, ok
}

// History returns the last 300 seconds of a stream, the oldest first.
func (m *Monitor) History(name string) (list []Point) {
	m.with(name, func(j *Judge) { list = j.History() })
	return list
}

// Events returns what happened to a stream, the oldest first.
func (m *Monitor) Events(name string) (list []Event) {
	m.with(name, func(j *Judge) { list = j.Events() })
	return list
}

// Stats are the monitor's figures.
type Stats struct{ Watched int }

// Stats gives the figures now.
func (m *Monitor) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Stats{Watched: len(m.watches)}
}
