package health

import (
	"math"
	"time"

	"weir/internal/media"
)

const maxTracks = 16 // that are looked at

// Judge comes to the verdict on one stream. It knows no clock and no hub: frames, facts and times are given. It is not
// safe for concurrent use.
type Judge struct {
	meters   []*meter
	begun    time.Time // first frame of this run
	arrived  time.Time // newest frame
	pause    time.Duration
	bytes    uint64 // since the last tick
	ticked   time.Time
	together together
	uplink   uplink
	stamps   stamps
	look     looks
	facts    Facts
	know     bool // facts were given
	left     time.Time
	unusable uint64 // frames without a decoder configuration, in the last second
	refused  int    // ticks in a row in which the hub dropped frames
	lights   [ruleCount]light
	past     past
}

// NewJudge returns a judge who has seen nothing.
func NewJudge() *Judge { return &Judge{} }

// Observe takes a frame in, its times in epoch media time, in the order of arrival.
func (j *Judge) Observe(f *media.Frame, t *media.Track, arrival time.Time) {
	m := j.meter(t)
	if m == nil || t.TimeScale == 0 {
		return
	}
	if m.track != t {
		j.retrack(m, t, arrival)
	}
	if m.started && f.DTS < m.last {
		j.stamps.backwards++
	}
	m.observe(f, arrival)
	if j.begun.IsZero() {
		j.begun = arrival
	} else {
		j.pause = max(j.pause, arrival.Sub(j.arrived))
	}
	j.arrived = arrival
	j.bytes += uint64(len(f.Data))
	dts := t.Duration(f.DTS)
	if m == j.video() || m == j.audio() {
		j.together.observe(m.kind, dts)
	}
	if m.kind == media.Video || j.video() == nil {
		j.uplink.observe(time.Duration(arrival.UnixNano()) - dts)
	}
}

func (j *Judge) meter(t *media.Track) *meter {
	for _, m := range j.meters {
		if m.track.ID == t.ID {
			return m
		}
	}
	if t.Derived || len(j.meters) == maxTracks || t.TimeScale == 0 {
		return nil
	}
	m := newMeter(t)
	j.meters = append(j.meters, m)
	return m
}

func (j *Judge) retrack(m *meter, t *media.Track, now time.Time) {
	if m.track.Codec != t.Codec || m.track.Width != t.Width || m.track.Height != t.Height || m.track.SampleRate != t.SampleRate {
		j.past.event(Event{At: now.UTC(), Code: CodecChanged, Values: map[string]any{"from": describe(m.track), "to": describe(t)}})
	}
	m.kind = t.Kind
	m.retrack(t)
}

// Cut tells that a new run begins: times before and after it have nothing to do with each other.
func (j *Judge) Cut() {
	for _, m := range j.meters {
		m.cut()
	}
	j.together = together{}
	j.uplink.cut()
	j.begun = time.Time{}
}

func (j *Judge) best(kind media.Kind) *meter {
	var best *meter
	for _, m := range j.meters {
		if m.kind == kind && (best == nil || m.track.Rank < best.track.Rank) {
			best = m
		}
	}
	return best
}

func (j *Judge) video() *meter { return j.best(media.Video) }
func (j *Judge) audio() *meter { return j.best(media.Audio) }

// Tick closes a second: figures are kept and the verdict is reached. Call it about once a second.
func (j *Judge) Tick(now time.Time, facts Facts) {
	j.forget(facts.Tracks)
	if j.know {
		j.changes(now, facts)
	}
	j.facts, j.know = facts, true
	j.remember(now)
	if !facts.Live {
		j.lights = [ruleCount]light{}
		j.ticked = now
		return
	}
	j.together.tick()
	j.uplink.tick(now, j.arrived)
	for i := range rules {
		j.lights[i].step(now, rules[i].see(j, now), &rules[i])
	}
	j.pause, j.ticked = 0, now
}

// forget drops tracks that the stream has no more.
func (j *Judge) forget(tracks []media.Track) {
	if tracks == nil {
		return
	}
	kept := j.meters[:0]
	for _, m := range j.meters {
		if media.Find(tracks, m.track.ID) != nil {
			kept = append(kept, m)
		}
	}
	clear(j.meters[len(kept):])
	j.meters = kept
}

// changes turns what the facts say anew into events.
func (j *Judge) changes(now time.Time, facts Facts) {
	switch {
	case j.facts.Live && !facts.Live:
		j.left = now
		j.past.event(Event{At: now.UTC(), Code: PublisherLeft})
	case !j.facts.Live && facts.Live:
		j.past.event(Event{At: now.UTC(), Code: PublisherReturned, Values: map[string]any{"seconds": round(now.Sub(j.left).Seconds(), 1)}})
	}
	j.unusable = delta(j.facts.Unusable, facts.Unusable)
	if delta(j.facts.Dropped, facts.Dropped) > 0 {
		j.refused++
	} else {
		j.refused = 0
	}
	repairs, jumps := delta(j.facts.Repairs, facts.Repairs), delta(j.facts.Discontinuities, facts.Discontinuities)
	if jumps > 0 && (j.uplink.peak > 3*time.Second || j.pause > 3*time.Second) {
		j.uplink.hold(now) // the hub caught up with a publisher that came too late: its timestamps were right
		jumps = 0
	}
	if n := j.stamps.tick(now, repairs, jumps); n > 0 {
		j.past.event(Event{At: now.UTC(), Code: TimestampsRepaired, Values: map[string]any{"count": n}})
	}
	for _, m := range j.meters {
		if m.holes > 0 {
			j.past.event(Event{At: now.UTC(), Code: FramesMissing, Values: map[string]any{"track": m.track.ID, "seconds": round(m.holes.Seconds(), 2)}})
			m.holes = 0
		}
	}
}

func delta(before, now uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// remember writes the point of this second.
func (j *Judge) remember(now time.Time) {
	p := point{at: now.Unix(), viewers: uint32(max(j.facts.Viewers, 0))}
	if since := now.Sub(j.ticked); !j.ticked.IsZero() && since > 0 {
		p.bps = uint32(min(8*float64(j.bytes)/since.Seconds(), math.MaxUint32))
	}
	j.bytes = 0
	if v := j.video(); v != nil && j.facts.Live && now.Sub(v.arrived) < 3*time.Second {
		p.fps = float32(v.fps())
		for _, s := range v.spans(1, make([]float32, 0, 1)) {
			p.gop = s
		}
	}
	p.off = float32(j.together.offset)
	j.past.add(p)
}

// Report gives the verdict as of the last Tick.
func (j *Judge) Report() Report {
	r := Report{
		Grade: None, Findings: []Finding{}, Tracks: []TrackFigures{},
		Repairs: j.facts.Repairs, Discontinuities: j.facts.Discontinuities, Dropped: j.facts.Dropped,
	}
	if j.know && !j.facts.Live {
		return r
	}
	r.Grade = Good
	for i := range j.lights {
		l := &j.lights[i]
		if l.level == nothing {
			continue
		}
		r.Findings = append(r.Findings, j.finding(&rules[i], l))
		switch {
		case l.level == bad:
			r.Grade = BadGrade
		case l.level == warn && r.Grade == Good:
			r.Grade = Fair
		}
	}
	for _, m := range j.meters {
		r.Tracks = append(r.Tracks, m.figures())
	}
	r.AVOffsetMS, r.AVDriftMS = round(j.together.offset, 1), round(j.drift(), 1)
	r.LagMS = round(float64(j.uplink.behind().Microseconds())/1000, 1)
	return r
}

// History returns the last 300 seconds, the oldest first.
func (j *Judge) History() []Point { return j.past.list() }

// Events returns what happened, the oldest first.
func (j *Judge) Events() []Event { return append([]Event(nil), j.past.events...) }

func round(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p)/p + 0 // no negative zero
}
