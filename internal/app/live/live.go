// Package live is the scenario of live broadcasts: what people are told of the
// streams that are on, and the test source. What belongs here: joining what hub, door
// and health know of a stream into one picture, and publishing the test pattern like
// any other publisher. What does not: HTTP (api), wires (gateway) and the making of
// frames (testpattern).
package live

import (
	"slices"
	"sync"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/health"
	"weir/internal/hub"
	"weir/internal/media"
)

// Streams tells of the streams that are on.
type Streams struct {
	hub    *hub.Hub
	door   *session.Door
	health *health.Monitor

	publishers publishers
}

// New returns a teller over the rooms; the monitor may be nil.
func New(h *hub.Hub, d *session.Door, m *health.Monitor) *Streams {
	return &Streams{hub: h, door: d, health: m}
}

// Summary is what people are told of a stream.
type Summary struct {
	Name      string
	State     hub.State
	Since     time.Time
	Run       uint64
	Publisher *Publisher // nil: nobody publishes
	Tracks    []Track
	InBPS     int64

	Viewers           int
	ViewersByProtocol map[string]int

	Report health.Report
	Stats  hub.StreamStats
}

// Publisher is who publishes a stream.
type Publisher struct{ Protocol, Remote, Software, KeyName, SessionID string }

// Track is a track with what was measured of it.
type Track struct {
	media.Track
	Measured health.TrackFigures
}

// List returns the listed streams in the order of their names, from the one after the name after on.
func (l *Streams) List(after string, limit int, accept func(hub.State) bool) []Summary {
	var list []Summary
	for _, s := range l.hub.Streams() {
		if s.Name() <= after || accept != nil && !accept(s.State()) {
			continue
		}
		if list = append(list, l.summary(s)); len(list) == limit {
			break
		}
	}
	return list
}

// Get returns the stream of that name; false when it is not on.
func (l *Streams) Get(name string) (Summary, bool) {
	s := l.hub.Stream(name)
	if s == nil {
		return Summary{}, false
	}
	return l.summary(s), true
}

// Kick ends the publication of a stream.
func (l *Streams) Kick(name string) error {
	s := l.hub.Stream(name)
	if s == nil || s.State() != hub.Live {
		return fault.New(fault.NotFound, "publisher_unknown", "Nobody publishes this stream now.", "")
	}
	cause := fault.New(fault.Forbidden, "kicked", "The session was ended by the server's owner.", "")
	if id := s.Publisher().Session; id != "" && l.door.Kick(id, cause) {
		return nil
	}
	s.Kick(cause)
	return nil
}

// History returns a stream's last seconds and what happened in them.
func (l *Streams) History(name string) ([]health.Point, []health.Event) {
	if l.health == nil {
		return nil, nil
	}
	return l.health.History(name), l.health.Events(name)
}

// Grade is the verdict in a word.
func (l *Streams) Grade(name string) string {
	if l.health != nil {
		if r, ok := l.health.Report(name); ok {
			return r.Grade
		}
	}
	return health.None
}

// publishers remembers the publishers' sessions for a moment: the door looks through
// all viewers for them, and a summary is asked for each second and page.
type publishers struct {
	mu   sync.Mutex
	at   time.Time
	byID map[string]session.Info
}

// The first is how long what was found stands, the second how long what was missed does.
const (
	publishersStand = 250 * time.Millisecond
	missesStand     = 20 * time.Millisecond
)

// publisher returns a publisher's session, or the zero Info.
func (l *Streams) publisher(id string) session.Info {
	p := &l.publishers
	p.mu.Lock()
	defer p.mu.Unlock()
	info, ok := p.byID[id]
	age := time.Since(p.at)
	if ok && age < publishersStand || !ok && age < missesStand {
		return info
	}
	list := l.door.Sessions(func(i session.Info) bool { return i.Action == session.Publish })
	p.at, p.byID = time.Now(), make(map[string]session.Info, len(list))
	for i := range list {
		p.byID[list[i].ID] = list[i]
	}
	return p.byID[id]
}

func (l *Streams) summary(s *hub.Stream) Summary {
	run := s.Run()
	sum := Summary{Name: s.Name(), State: s.State(), Since: time.UnixMilli(s.Origin()).UTC(), Run: run.ID, Stats: s.Stats()}
	sum.Report.Grade = health.None
	if l.health != nil {
		if r, ok := l.health.Report(s.Name()); ok {
			sum.Report = r
		}
	}
	if sum.State == hub.Live {
		o := s.Publisher()
		i := l.publisher(o.Session)
		sum.Publisher = &Publisher{Protocol: o.Protocol, Remote: o.Remote, Software: o.Software, KeyName: i.KeyName, SessionID: o.Session}
		sum.InBPS = i.InBPS
	}
	for _, t := range s.Tracks() {
		track := Track{Track: t}
		if i := slices.IndexFunc(sum.Report.Tracks, func(f health.TrackFigures) bool { return f.ID == t.ID }); i >= 0 {
			track.Measured = sum.Report.Tracks[i]
		}
		sum.Tracks = append(sum.Tracks, track)
	}
	sum.Viewers, sum.ViewersByProtocol = l.door.Viewers(s.Name())
	return sum
}
