package segmenter

import (
	"time"

	"weir/internal/hub"
	"weir/internal/media"
)

// bridge carries frames over the beginning of a run of the hub in the middle of a group. Clocks are set and timestamps
// jump between any two frames; the frames up to the next key frame can be decoded only after those before, so that they
// are the end of the old run, in the old run's time.
type bridge struct {
	run   *hub.Run      // whose frames are carried; nil: none
	by    time.Duration // what their times are ahead of the old run's
	began time.Duration // in the old run's time
}

// steps is less than clocks are set by, and more than a track is off.
const steps = 700 * time.Millisecond

// carry gives a frame that begins no new run the time that it has in the old one. ok is false when the new run must begin.
func (s *session) carry(item *hub.Item) (f media.Frame, ok bool) {
	if s.cutter == nil || s.run == item.Run || !sameClock(item.Run.Reason) || !media.SameFormats(s.tracks, item.Tracks) {
		return f, false
	}
	f = item.Frame
	lead := &s.cutter.lead.track
	t := media.Find(item.Tracks, f.Track)
	if t == nil || lead.Kind != media.Video || f.Track == lead.ID && f.Key {
		return f, false
	}
	at := t.Duration(f.DTS)
	if s.bridge.run != item.Run {
		next, known := s.cutter.next(f.Track)
		if !known {
			return f, false
		}
		if s.bridge.run == nil {
			s.bridge.began = next
		}
		s.bridge.run = item.Run
		// After most jumps the hub lets times go on, and what is little off would move the other tracks.
		if off := at - s.bridge.by - next; off.Abs() > steps {
			s.bridge.by += off
		}
	}
	if at-s.bridge.by-s.bridge.began > maxSegment {
		return f, false // no key frame comes
	}
	back := t.Ticks(s.bridge.by)
	f.DTS -= back
	f.PTS -= back
	return f, true
}

// sameClock says whether a run began for no other reason than that times go on elsewhere.
func sameClock(reason string) bool {
	return reason == hub.ReasonTimestamps || reason == hub.ReasonClockSource || reason == hub.ReasonClockStep
}

// next is when the frame after the last one of a track is due, if one has come.
func (c *Cutter) next(id media.TrackID) (at time.Duration, known bool) {
	l := c.laneOf(id)
	switch {
	case l == nil:
		return 0, false
	case len(l.queue) > 0:
		return l.track.Duration(l.queue[len(l.queue)-1].DTS + l.delta), true
	}
	return l.track.Duration(l.last + l.delta), l.started
}
