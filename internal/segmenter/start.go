package segmenter

import (
	"math"
	"slices"
	"strconv"
	"time"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/timeline"
)

const (
	gatherTime   = time.Second // how long a run waits for the first frames of its tracks
	gatherFrames = 2048
	enoughFrames = 4 // of the leading video, to know its frame rate
	maxTracks    = 32
)

// gather keeps the first frames of a run until every track has shown itself, or a second
// has passed.
type gather struct {
	frames []media.Frame
	timer  *time.Timer
}

func (g *gather) len() int { return len(g.frames) }

func (g *gather) add(f *media.Frame) {
	if g.timer == nil {
		g.timer = time.NewTimer(gatherTime)
	}
	g.frames = append(g.frames, *f)
}

func (g *gather) reset() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	clear(g.frames)
	g.frames = g.frames[:0]
}

// late fires when it has waited long enough by the clock.
func (g *gather) late() <-chan time.Time {
	if g.timer == nil {
		return nil
	}
	return g.timer.C
}

// ready says whether the run can begin.
func (g *gather) ready(tracks []media.Track) bool {
	if len(g.frames) >= gatherFrames {
		return true
	}
	missing := false
	longest := time.Duration(0)
	for i := range tracks {
		t := &tracks[i]
		n, first, last := g.span(t.ID)
		need := 1
		if t.Kind == media.Video {
			need = enoughFrames
		}
		missing = missing || n < need
		longest = max(longest, t.Duration(last-first))
	}
	return !missing || longest >= gatherTime
}

// span counts a track's frames and gives its first and last DTS.
func (g *gather) span(id media.TrackID) (n int, first, last int64) {
	for i := range g.frames {
		if f := &g.frames[i]; f.Track == id {
			if n == 0 {
				first = f.DTS
			}
			last = f.DTS
			n++
		}
	}
	return n, first, last
}

// follow takes over the tracks of a new run.
func (s *session) follow(item *hub.Item) error {
	if s.run != item.Run {
		s.measure()
	}
	s.run, s.tracks, s.bridge = item.Run, item.Tracks, bridge{}
	s.usable, s.seen = nil, nil
	var refused error
	for i := range item.Tracks {
		t := item.Tracks[i]
		if err := cmaf.Supports(&t); err != nil {
			s.log.Warn("a track is left out of the segments", "track", t.ID, "codec", t.Codec.String(), "reason", fault.Of(err).Message)
			refused = err
			continue
		}
		if len(s.usable) < maxTracks {
			s.usable = append(s.usable, t)
		}
	}
	if len(s.usable) == 0 && refused != nil {
		return refused
	}
	return nil
}

// measure takes over how long segments and parts are to be. Segments that had to be longer stay so where nothing has changed.
func (s *session) measure() {
	if s.cfg.Lengths == nil {
		return
	}
	next := s.cfg
	next.SegmentDuration, next.PartDuration = s.cfg.Lengths()
	next = next.withDefaults()
	if next.SegmentDuration != s.cfg.SegmentDuration {
		s.duration = next.SegmentDuration
	}
	s.cfg = next
}

// begin begins a run with the tracks that have shown themselves.
func (s *session) begin() error {
	frames := append([]media.Frame(nil), s.gather.frames...)
	tracks := s.present()
	s.gather.correctRates(tracks)
	lead := leading(tracks)
	if lead == nil {
		s.gather.reset()
		return nil
	}
	start, ok := s.gather.startOf(lead)
	if !ok { // video without a key frame yet
		s.gather.reset()
		return nil
	}
	times := s.gather.frameTimes(tracks)
	for i := range tracks {
		if &tracks[i] == lead { // its frames make the parts
			times[0], times[i] = times[i], times[0]
		}
	}
	parts := choosePart(s.cfg.PartDuration, times)
	s.gather.reset()
	if err := s.open(tracks, start, start, parts); err != nil {
		return err
	}
	for i := range frames {
		if s.cutter == nil {
			return nil
		}
		if err := s.add(&frames[i]); err != nil {
			return err
		}
	}
	return nil
}

// present are the usable tracks of which frames have come, now or in an earlier run: a sparse one need not be among the
// first frames of each. The others are remembered.
func (s *session) present() []media.Track {
	var tracks []media.Track
	s.absent = s.absent[:0]
	for _, t := range s.usable {
		known := slices.Contains(s.seen, t.ID)
		if n, _, _ := s.gather.span(t.ID); n > 0 || known {
			tracks = append(tracks, t)
			if !known {
				s.seen = append(s.seen, t.ID)
			}
			continue
		}
		s.absent = append(s.absent, t.ID)
		s.log.Info("a track was announced and does not come", "track", t.ID, "codec", t.Codec.String())
	}
	return tracks
}

func leading(tracks []media.Track) *media.Track {
	if t := media.First(tracks, media.Video); t != nil {
		return t
	}
	return media.First(tracks, media.Audio)
}

// startOf is the time of the first frame that the track can begin with.
func (g *gather) startOf(t *media.Track) (time.Duration, bool) {
	for i := range g.frames {
		if f := &g.frames[i]; f.Track == t.ID && f.Key {
			return t.Duration(f.PTS), true
		}
	}
	return 0, false
}

// restart begins a new run at the key frame f with the present tracks.
func (s *session) restart(f *media.Frame) error {
	old := s.cutter
	tracks := make([]media.Track, 0, len(old.lanes))
	start := old.lead.track.Duration(f.PTS)
	first := start
	for i := range old.lanes {
		l := &old.lanes[i]
		tracks = append(tracks, l.track)
		// Audio that is still on its way goes on where it was.
		if end := old.End(l.track.ID); l.track.Kind == media.Audio && end > start-2*time.Second {
			first = min(first, end)
		}
	}
	part := old.run.PartDuration
	if err := s.tolerate(old.Break()); err != nil {
		return err
	}
	s.cutter = nil
	if err := s.open(tracks, first, start, part); err != nil {
		return err
	}
	return s.add(f)
}

// open begins a run in the timeline. Its first segment is the one of the leading track's
// first frame, at leadAt; frames before start are not wanted.
func (s *session) open(tracks []media.Track, start, leadAt, part time.Duration) error {
	r := timeline.Run{
		Start: time.Unix(0, int64(start)).UTC(), SegmentDuration: s.duration, PartDuration: part,
		FirstN: int64(leadAt / s.duration),
	}
	if s.run != nil {
		r.Clock = s.run.Clock
	}
	lead := leading(tracks)
	for _, kind := range [...]media.Kind{media.Video, media.Audio} {
		n := 0
		for i := range tracks {
			t := &tracks[i]
			if t.Kind != kind {
				continue
			}
			header, err := cmaf.Init(*t)
			if err != nil {
				return err
			}
			rd := timeline.Rendition{Name: kind.String()[:1] + strconv.Itoa(n), Track: *t, Init: header}
			n++
			if t == lead { // the cutter lets the first one lead
				r.Renditions = append([]timeline.Rendition{rd}, r.Renditions...)
				continue
			}
			r.Renditions = append(r.Renditions, rd)
		}
	}
	r, err := s.tl.BeginRun(r)
	if err != nil {
		return err
	}
	s.cfg.Counters.runs.Add(1)
	s.cutter = NewCutter(&r, s.part)
	return nil
}

// correctRates measures the frame rates that cannot be. Encoders of variable rate declare how fine their clock is, 600 or 1000 a second,
// and players that ask whether a machine can play so many pictures are told no.
func (g *gather) correctRates(tracks []media.Track) {
	const wrong = 2.5 // times; less may be a camera that begins in the dark
	for i := range tracks {
		t := &tracks[i]
		n, first, last := g.span(t.ID)
		if t.Kind != media.Video || t.FrameRate <= 0 || n < enoughFrames || last <= first {
			continue
		}
		measured := float64(n-1) / t.Duration(last-first).Seconds()
		if t.FrameRate > measured*wrong || t.FrameRate < measured/wrong {
			t.FrameRate = max(math.Round(measured), 1)
		}
	}
}

// frameTimes measures how long a frame of each track lasts, 0 if it cannot be told.
func (g *gather) frameTimes(tracks []media.Track) []time.Duration {
	out := make([]time.Duration, 0, len(tracks))
	for i := range tracks {
		t := &tracks[i]
		n, first, last := g.span(t.ID)
		d := time.Duration(0)
		switch {
		case n >= enoughFrames:
			d = t.Duration(last-first) / time.Duration(n-1)
		case t.FrameRate > 0:
			d = time.Duration(float64(time.Second) / t.FrameRate)
		}
		if t.Kind == media.Audio {
			rate := t.SampleRate
			if t.Codec == media.Opus {
				rate = 48000
			}
			if k := codec.SampleDuration(t, g.sample(t.ID)); k > 0 && rate > 0 {
				d = time.Duration(k) * time.Second / time.Duration(rate)
			}
		}
		out = append(out, d)
	}
	return out
}

func (g *gather) sample(id media.TrackID) []byte {
	for i := range g.frames {
		if g.frames[i].Track == id {
			return g.frames[i].Data
		}
	}
	return nil
}

// choosePart finds the part target nearest to the wish that whole frames of every track
// fill to at least 85 % (RFC 8216bis 4.4.4.9), as a multiple of the first track's frames. It
// adds 4 ms, since timestamps that are rounded to milliseconds or tremble make some parts longer,
// or what lets the other tracks' parts end with those of the first (see alongside).
func choosePart(wish time.Duration, frames []time.Duration) time.Duration {
	const slack = 4 * time.Millisecond
	if len(frames) == 0 || frames[0] <= 0 {
		return wish
	}
	fits := func(target time.Duration) bool {
		for _, d := range frames {
			if d > 0 && (target/d)*d*100 < (target+slack)*87 {
				return false
			}
		}
		return true
	}
	base := frames[0]
	nearest := max((wish+base/2)/base, 1) * base
	for step := range time.Duration(4) {
		for _, target := range [...]time.Duration{nearest + step*base, nearest - step*base} {
			if target >= wish*7/10 && target <= wish*2 && fits(target) {
				return max(roundUp(target)+slack, alongside(target, wish*11/10, slack, frames[1:]))
			}
		}
	}
	return roundUp(nearest) + slack
}

// alongside is how long the parts of the other tracks become if they end with those of the first track: some have a frame more than
// others. 0: none of them is so short of a whole number of frames, or parts would become longer than most, or too different.
func alongside(target, most, slack time.Duration, frames []time.Duration) time.Duration {
	longest := time.Duration(0)
	for _, d := range frames {
		if d <= 0 || target%d <= slack {
			continue
		}
		less := target / d * d
		more := less + d
		if more > most || less*100 < more*wellFilled {
			continue
		}
		longest = max(longest, (more + 100*time.Microsecond).Truncate(100*time.Microsecond))
	}
	return longest
}

func roundUp(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}
