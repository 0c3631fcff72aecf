package replay

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/segmenter"
	"weir/internal/testpattern"
	"weir/internal/timeline"
)

var quiet = slog.New(slog.DiscardHandler)

// stage is a hub and a store in fake time.
type stage struct {
	t     *testing.T
	hub   *hub.Hub
	store *timeline.Store
}

func bubble(t *testing.T, f func(s *stage)) {
	t.Helper()
	bubbleWith(t, timeline.Config{Window: time.Hour}, f)
}

func bubbleWith(t *testing.T, cfg timeline.Config, f func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, err := timeline.NewStore(cfg, quiet)
		if err != nil {
			t.Fatal(err)
		}
		s := &stage{t: t, hub: hub.New(hub.Config{Grace: time.Second}, quiet), store: store}
		f(s)
		s.hub.Close()
		s.store.Close()
		synctest.Wait()
	})
}

// camera publishes the test pattern as live/cam and has it segmented.
type camera struct {
	s      *stage
	source *testpattern.Source
	pub    *hub.Publication
	done   chan error
	tl     *timeline.Timeline
	from   time.Time // of the present run
	due    time.Duration
}

func (s *stage) camera(audio bool) *camera {
	source, err := testpattern.New(testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: time.Second, Audio: audio})
	if err != nil {
		s.t.Fatal(err)
	}
	c := &camera{s: s, source: source, done: make(chan error, 1)}
	if c.tl, err = s.store.Open("live/cam"); err != nil {
		s.t.Fatal(err)
	}
	c.open()
	sub := c.pub.Stream().Subscribe(hub.Want{})
	go func() {
		defer sub.Close()
		c.done <- segmenter.Run(context.Background(), sub, c.tl, segmenter.Config{SegmentDuration: 2 * time.Second, Log: quiet})
	}()
	return c
}

func (c *camera) open() {
	pub, err := c.s.hub.Publish(hub.Offer{Name: "live/cam", Tracks: c.source.Tracks()})
	if err != nil {
		c.s.t.Fatal(err)
	}
	c.pub, c.from, c.due = pub, time.Now(), c.source.Due()
}

// shoot publishes for so long.
func (c *camera) shoot(d time.Duration) {
	c.s.t.Helper()
	end := time.Now().Add(d)
	for {
		at := c.from.Add(c.source.Due() - c.due)
		if !at.Before(end) {
			faketime.Pass(time.Until(end))
			return
		}
		faketime.Pass(time.Until(at))
		if err := c.pub.Write(c.source.Next(at)); err != nil {
			c.s.t.Fatal(err)
		}
	}
}

// off ends the stream.
func (c *camera) off() {
	c.s.t.Helper()
	c.pub.End(nil)
	if err := <-c.done; err != nil {
		c.s.t.Fatal(err)
	}
}

// seen is what a viewer got of a stream.
type seen struct {
	counters []uint32
	arrived  []time.Time     // of each picture
	times    []time.Duration // media times of the pictures
	sounds   []time.Duration
	skew     time.Duration // the farthest that media time was from the wall clock
	runs     []string      // why each began
	speed    float64       // that the publisher tells of
	tally    testpattern.Tally
}

// watch reads a stream to its end.
func (s *stage) watch(name string) <-chan *seen {
	out := make(chan *seen, 1)
	go func() {
		v := &seen{}
		defer func() { out <- v }()
		sub, err := s.hub.Subscribe(context.Background(), name, hub.Want{Wait: time.Minute, Patient: true})
		if err != nil {
			return
		}
		defer sub.Close()
		var run *hub.Run
		for {
			item, err := sub.Next(context.Background())
			if err != nil {
				return
			}
			if item.Run != run {
				run, v.speed = item.Run, sub.Stream().Publisher().Speed
				v.runs = append(v.runs, run.Reason)
			}
			v.take(&item)
		}
	}()
	return out
}

func (v *seen) take(item *hub.Item) {
	now := time.Now()
	t := media.Find(item.Tracks, item.Track)
	at := t.Duration(item.DTS)
	v.skew = max(v.skew, (time.Duration(now.UnixNano()) - at).Abs())
	if t.Kind == media.Audio {
		v.sounds = append(v.sounds, at)
		return
	}
	v.times, v.arrived = append(v.times, at), append(v.arrived, now)
	if m, ok := testpattern.ReadSEI(item.Data, t.Codec); ok {
		v.counters = append(v.counters, m.Counter)
		v.tally.Add(m, now)
	}
}

// monotonic fails unless the media times of each track only grow.
func (v *seen) monotonic(t *testing.T) {
	t.Helper()
	for _, list := range [][]time.Duration{v.times, v.sounds} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Error("media time goes back or stands still")
		}
	}
}

// whole fails unless the counters from first to last came once each, in order.
func (v *seen) whole(t *testing.T, first, last uint32) {
	t.Helper()
	r := v.tally.Report()
	if r.First != first || r.Last != last || r.Missing+r.Duplicates+r.OutOfOrder+r.Unreadable != 0 || r.Frames != len(v.times) {
		t.Errorf("expected counters %d to %d, got %+v of %d pictures", first, last, r, len(v.times))
	}
	v.monotonic(t)
}
