// Package replay is the stair up: what was recorded becomes a live stream again. It plays a range of a timeline, or a
// file, into the hub as a publisher would, at any speed and again and again, and it shows a slate or the last picture
// while a publisher is away.
//
// What belongs here: reading segments in order, taking them apart, pacing, and what becomes of gaps and joints. What
// does not: how footage is stored (timeline), who may replay what (api, control), and viewers of the past itself, which
// read segments (deliver).
package replay

import (
	"context"
	"io"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/timeline"
)

// The speeds that a replay may have.
const (
	minSpeed = 0.25
	maxSpeed = 32
	keysFrom = 4 // above it only key frames are sent
)

// Source is the past: *timeline.Store.
type Source interface {
	// Spans lists the stretches of footage in a range, those of one run in order.
	Spans(ctx context.Context, name string, r timeline.Range, join time.Duration) ([]timeline.Span, error)
	// Past lists the segments of a range. Error: no_footage.
	Past(ctx context.Context, name string, r timeline.Range) (*timeline.Snapshot, error)
	OpenSegment(ctx context.Context, name string, run uint64, rendition string, n int64) (*timeline.Reader, error)
	Init(ctx context.Context, name string, run uint64, rendition string) ([]byte, error)
}

// Options say what is played, and as what.
type Options struct {
	Timeline string
	From, To time.Time // zero From: from the oldest; zero To: to the newest, and on with it while the stream lives
	Speed    float64   // 0.25 to 32, 0 means 1; at another one than 1 there is no sound
	Loop     bool      // begin again at the end; a zero To then means the newest footage of now
	KeepGaps bool      // wait as long as footage is missing, instead of going on with what comes after

	Name     string // of the live stream
	Unlisted bool
	Origin   hub.Origin
	Sent     func(bytes int) // told of each frame; may be nil
	Live     func()          // told once, when the stream is there; may be nil
}

// Check refuses what cannot be played, and fills in the speed. Errors: replay_speed, range_empty.
func (o *Options) Check() error {
	if o.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed >= minSpeed && o.Speed <= maxSpeed) { // also refuses NaN
		return fault.New(fault.Invalid, "replay_speed", "A replay has a speed from 0.25 to 32.", "Choose a speed inside this range.")
	}
	if !o.From.IsZero() && !o.To.IsZero() && !o.From.Before(o.To) {
		return fault.New(fault.Invalid, "range_empty", "The range ends before it begins.", "Give a from before to.")
	}
	return nil
}

// Run plays a range of a timeline as a live stream until its end, which is nil, or ctx ends, which is its cause. The
// stream ends with it. Errors: no_footage, footage_damaged, replay_speed, range_empty, and those of publishing.
func Run(ctx context.Context, src Source, h *hub.Hub, o Options) error {
	if err := o.Check(); err != nil {
		return err
	}
	if o.Loop && o.To.IsZero() {
		o.To = time.Now()
	}
	return play(ctx, h, o, func() (reel, error) { return newFootage(src, o), nil })
}

// RunFile plays a fragmented MP4 as a live stream; open is called for each pass. Timeline, From and To have no meaning.
func RunFile(ctx context.Context, open func() (io.ReadCloser, error), h *hub.Hub, o Options) error {
	o.From, o.To = time.Time{}, time.Time{}
	if err := o.Check(); err != nil {
		return err
	}
	return play(ctx, h, o, func() (reel, error) { return newFile(open) })
}

func play(ctx context.Context, h *hub.Hub, o Options, open func() (reel, error)) (err error) {
	p := newPlayer(o.Speed, o.KeepGaps, func(offer hub.Offer) (*hub.Publication, error) {
		offer.Name, offer.Unlisted, offer.Origin = o.Name, o.Unlisted, o.Origin
		if o.Speed != 1 {
			offer.Origin.Speed = o.Speed
		}
		pub, err := h.Publish(offer)
		if err == nil && o.Live != nil {
			o.Live()
		}
		return pub, err
	})
	p.sent = o.Sent
	defer func() { p.end(err) }()
	for first := true; ; first = false {
		played, err := p.pass(ctx, open)
		switch {
		case err != nil:
			return err
		case !played && first:
			return timeline.ErrNoFootage
		case !o.Loop || !played: // what was looped has been deleted
			return nil
		}
	}
}
