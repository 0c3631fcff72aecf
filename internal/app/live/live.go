// Package live is the scenario of live broadcasts: what people are told of the
// streams that are on, and the test source. What belongs here: joining what hub, door
// and health know of a stream into one picture, and publishing the test pattern like
// any other publisher. What does not: HTTP (api), wires (gateway) and the making of
// frames (testpattern).
package live

import (
	"slices"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// Finding is one thing that is wrong with a stream, and what to do about it.
type Finding struct {
	Code, Severity  string // "warn" or "bad"
	Message, Remedy string
	Values          map[string]any
}

// TrackFigures is what was measured of a track.
type TrackFigures struct {
	ID         media.TrackID
	FPS        float64
	BitrateBPS int
	GOPSeconds float64
	BFrames    bool
}

// Report is the verdict on a stream.
type Report struct {
	Grade      string // "good", "fair", "bad" or "none"
	Findings   []Finding
	Tracks     []TrackFigures
	AVOffsetMS float64
}

// Point is one second of a stream's past.
type Point struct {
	At                          time.Time
	InBPS                       int64
	FPS, GOPSeconds, AVOffsetMS float64
	Viewers                     int
}

// Happening is one event in a stream's past.
type Happening struct {
	At     time.Time
	Code   string
	Values map[string]any
}

// Health watches the streams' frames.
type Health interface {
	// Report returns the verdict on a stream; false when nothing is known of it.
	Report(name string) (Report, bool)
	// History returns the last seconds of a stream, the oldest first.
	History(name string) []Point
	// Events returns what happened to a stream, the oldest first.
	Events(name string) []Happening
}

// Streams tells of the streams that are on.
type Streams struct {
	hub    *hub.Hub
	door   *session.Door
	health Health
}

// New returns a teller over the rooms; health may be nil.
func New(h *hub.Hub, d *session.Door, health Health) *Streams {
	return &Streams{hub: h, door: d, health: health}
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

	Report Report
	Stats  hub.StreamStats
}

// Publisher is who publishes a stream.
type Publisher struct{ Protocol, Remote, Software, KeyName, SessionID string }

// Track is a track with what was measured of it.
type Track struct {
	media.Track
	Measured TrackFigures
}

// List returns the listed streams in the order of their names, from the one after the name after on.
func (l *Streams) List(after string, limit int, accept func(hub.State) bool) []Summary {
	var list []Summary
	publishers := l.publishers()
	for _, s := range l.hub.Streams() {
		if s.Name() <= after || accept != nil && !accept(s.State()) {
			continue
		}
		if list = append(list, l.summary(s, publishers)); len(list) == limit {
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
	return l.summary(s, l.publishers()), true
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
func (l *Streams) History(name string) ([]Point, []Happening) {
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
	return "none"
}

func (l *Streams) publishers() map[string]session.Info {
	list := l.door.Sessions(func(i session.Info) bool { return i.Action == session.Publish })
	byID := make(map[string]session.Info, len(list))
	for _, i := range list {
		byID[i.ID] = i
	}
	return byID
}

func (l *Streams) summary(s *hub.Stream, publishers map[string]session.Info) Summary {
	run := s.Run()
	sum := Summary{Name: s.Name(), State: s.State(), Since: time.UnixMilli(s.Origin()).UTC(), Run: run.ID, Stats: s.Stats()}
	sum.Report.Grade = "none"
	if l.health != nil {
		if r, ok := l.health.Report(s.Name()); ok {
			sum.Report = r
		}
	}
	if sum.State == hub.Live {
		o := s.Publisher()
		i := publishers[o.Session]
		sum.Publisher = &Publisher{Protocol: o.Protocol, Remote: o.Remote, Software: o.Software, KeyName: i.KeyName, SessionID: o.Session}
		sum.InBPS = i.InBPS
	}
	for _, t := range s.Tracks() {
		track := Track{Track: t}
		if i := slices.IndexFunc(sum.Report.Tracks, func(f TrackFigures) bool { return f.ID == t.ID }); i >= 0 {
			track.Measured = sum.Report.Tracks[i]
		}
		sum.Tracks = append(sum.Tracks, track)
	}
	sum.Viewers, sum.ViewersByProtocol = l.door.Viewers(s.Name())
	return sum
}
