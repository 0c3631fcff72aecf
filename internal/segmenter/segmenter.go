// Package segmenter is the stair down: frames of the hub become CMAF segments and parts
// of a timeline. What belongs here: where segments and parts are cut, when a new run
// begins. What does not: the bytes of boxes (format/cmaf), keeping segments (timeline),
// playlists, and repairing timestamps (hub).
package segmenter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/timeline"
)

// Config says how long segments and parts are.
type Config struct {
	SegmentDuration time.Duration // 2 s if zero
	PartDuration    time.Duration // 200 ms if zero; each run takes the nearest that its frame rates allow
	// Lengths is asked for both before each run of the hub, so that they can change when a publisher returns; nil: they stay.
	Lengths  func() (segment, part time.Duration)
	Log      *slog.Logger // slog.Default if nil
	Counters *Counters    // what is counted for all streams; may be nil
}

// Counters counts over all streams that share it.
type Counters struct{ runs, parts, bytes, late, panics atomic.Int64 }

// Stats is what Counters have counted.
type Stats struct {
	Runs, Parts, Bytes int64
	Late               int64 // parts that came when their window was over
	Panics             int64
}

// Stats returns the present values.
func (c *Counters) Stats() Stats {
	return Stats{Runs: c.runs.Load(), Parts: c.parts.Load(), Bytes: c.bytes.Load(), Late: c.late.Load(), Panics: c.panics.Load()}
}

func (c Config) withDefaults() Config {
	if c.SegmentDuration <= 0 {
		c.SegmentDuration = 2 * time.Second
	}
	if c.PartDuration <= 0 {
		c.PartDuration = 200 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Counters == nil {
		c.Counters = &Counters{}
	}
	return c
}

// Run segments a subscription into a timeline until the stream is over, which is nil, or
// ctx ends, which is its cause. While the publisher is away, everything it sent is in
// finished segments. A panic comes back as an error, so that one stream's trouble stays
// its own.
func Run(ctx context.Context, sub *hub.Subscription, tl *timeline.Timeline, cfg Config) (err error) {
	s := &session{sub: sub, tl: tl, cfg: cfg.withDefaults()}
	s.log = s.cfg.Log.With("stream", tl.Name())
	s.duration = s.cfg.SegmentDuration
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Counters.panics.Add(1)
			tl.EndRun()
			err = fault.Wrap(fmt.Errorf("panic: %v\n%s", p, debug.Stack()), fault.Internal,
				"panic", "The segmenter failed.", "The log has the details.")
		}
	}()
	return s.loop(ctx)
}

// session is one Run.
type session struct {
	sub      *hub.Subscription
	tl       *timeline.Timeline
	cfg      Config
	log      *slog.Logger
	duration time.Duration // of the next run's segments

	run    *hub.Run        // of the last item
	tracks []media.Track   // of the last item
	usable []media.Track   // those of them that can be carried
	gather gather          // frames before the run begins
	cutter *Cutter         // nil while gathering
	absent []media.TrackID // announced, and not in the cutter's run
	seen   []media.TrackID // what has shown itself since the tracks were announced
	bridge bridge          // from the run before
}

func (s *session) loop(ctx context.Context) error {
	for {
		item, ok, err := s.sub.TryNext()
		switch {
		case errors.Is(err, io.EOF):
			err := s.close(timeline.EndPublisherGone)
			s.tl.End()
			return err
		case err != nil:
			return err
		case ok && ctx.Err() == nil:
			if err := s.take(&item); err != nil {
				return err
			}
			continue
		}
		if s.sub.Idle() {
			if err := s.close(timeline.EndPublisherGone); err != nil {
				return err
			}
		}
		select {
		case <-s.sub.Changed():
		case <-s.gather.late():
			if err := s.begin(); err != nil {
				return err
			}
		case <-ctx.Done():
			if err := s.close(timeline.EndStop); err != nil {
				return err
			}
			return context.Cause(ctx)
		}
	}
}

// close finishes the present run: nothing follows for now. why is one of timeline's End constants.
func (s *session) close(why string) error {
	if s.cutter == nil && s.gather.len() > 0 {
		if err := s.begin(); err != nil {
			return err
		}
	}
	s.gather.reset()
	if s.cutter == nil {
		return nil
	}
	err := s.cutter.Flush()
	if d := s.cutter.KeyDistance(); d > 0 && d <= s.cfg.SegmentDuration {
		s.duration = s.cfg.SegmentDuration // the reason for longer segments is gone
	}
	s.cutter = nil
	s.tl.EndRunFor(why)
	return s.tolerate(err)
}

// take handles one frame.
func (s *session) take(item *hub.Item) error {
	if s.changed(item) {
		if f, ok := s.carry(item); ok {
			return s.add(&f)
		}
		if err := s.close(s.whyChanged(item)); err != nil {
			return err
		}
		if err := s.follow(item); err != nil {
			return err
		}
	}
	f := &item.Frame
	if media.Find(s.usable, f.Track) == nil {
		return nil
	}
	if s.completes(f) {
		if err := s.close(timeline.EndConfig); err != nil {
			return err
		}
	}
	if s.cutter == nil {
		s.gather.add(f)
		if s.gather.ready(s.usable) {
			return s.begin()
		}
		return nil
	}
	if longer, ok := s.cutter.Longer(f); ok {
		s.log.Info("key frames come less often than segments begin; longer segments from now on",
			"segment", longer, "was", s.duration)
		s.duration = longer
		return s.restart(f)
	}
	return s.add(f)
}

// changed says whether the run or the selected tracks are others than those of the last item.
func (s *session) changed(item *hub.Item) bool {
	if s.run != item.Run || len(s.tracks) != len(item.Tracks) {
		return true
	}
	return len(s.tracks) > 0 && &s.tracks[0] != &item.Tracks[0]
}

// whyChanged says why the run ends that an item does not belong to.
func (s *session) whyChanged(item *hub.Item) string {
	if s.run == item.Run {
		return timeline.EndConfig
	}
	switch {
	case item.Run.Reason == hub.ReasonConfig:
		return timeline.EndConfig
	case sameClock(item.Run.Reason):
		return timeline.EndClockStep
	}
	return timeline.EndPublisherGone
}

// completes says whether a run with more tracks begins with f: a track that was announced and did not come has come after
// all. It waits for a frame that the leading track can begin with, because what comes before that one can only be decoded
// as part of the old run.
func (s *session) completes(f *media.Frame) bool {
	if s.cutter == nil || len(s.absent) == 0 {
		return false
	}
	if !slices.Contains(s.seen, f.Track) {
		s.seen = append(s.seen, f.Track)
	}
	if !f.Key || !slices.ContainsFunc(s.absent, func(id media.TrackID) bool { return slices.Contains(s.seen, id) }) {
		return false
	}
	lead := leading(slices.DeleteFunc(slices.Clone(s.usable), func(t media.Track) bool { return !slices.Contains(s.seen, t.ID) }))
	return lead != nil && lead.ID == f.Track
}

func (s *session) add(f *media.Frame) error {
	err := s.cutter.Add(f)
	if s.tolerate(err) != nil {
		return err
	}
	if err != nil { // the timeline cannot go on within this run
		s.tl.EndRunFor(timeline.EndClockStep)
		s.cutter = nil
		s.gather.reset()
	}
	return nil
}

// tolerate lets pass what a new run puts right.
func (s *session) tolerate(err error) error {
	if err == nil || errors.Is(err, timeline.ErrOrder) {
		return nil
	}
	return err
}

// part hands a finished part to the timeline.
func (s *session) part(rendition string, p timeline.Part) error {
	n := s.cfg.Counters
	err := s.tl.Append(rendition, p)
	switch {
	case err == nil:
		n.parts.Add(1)
		n.bytes.Add(int64(len(p.Data)))
	case errors.Is(err, timeline.ErrGone):
		n.late.Add(1)
		return nil // its window is over
	}
	return err
}
