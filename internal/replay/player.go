package replay

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

const (
	hole   = time.Second // a longer distance of two frames of the leading track is a gap
	behind = 2 * time.Second
)

// player publishes pieces at their time.
type player struct {
	publish  func(hub.Offer) (*hub.Publication, error)
	pub      *hub.Publication
	speed    float64
	keepGaps bool
	sent     func(int)
	frames   int // published

	tracks  []media.Track // of the reel
	lead    media.TrackID
	anchor  time.Time     // when output time 0 is due
	base    time.Duration // reel time that is output time begin
	begin   time.Duration
	ended   time.Duration // output time after the last frame
	last    time.Duration // reel time of the last frame
	led     time.Duration // reel time of the leading track's last frame
	step    time.Duration // between its last two
	started bool
	joint   bool // the next frame is the first after one
	timer   *time.Timer
}

func newPlayer(speed float64, keepGaps bool, publish func(hub.Offer) (*hub.Publication, error)) *player {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &player{publish: publish, speed: speed, keepGaps: keepGaps, timer: t}
}

// run plays a reel to its end, which is io.EOF, after what has been played before.
func (p *player) run(ctx context.Context, r reel) error {
	for {
		piece, err := r.next(ctx)
		if err != nil {
			return err
		}
		if piece.tracks != nil {
			if err := p.change(piece.tracks); err != nil {
				return err
			}
		}
		for i := range piece.frames {
			if err := p.frame(ctx, &piece.frames[i]); err != nil {
				return err
			}
		}
	}
}

// pass plays a reel to its end; played says whether there was anything in it.
func (p *player) pass(ctx context.Context, open func() (reel, error)) (played bool, err error) {
	r, err := open()
	if err != nil {
		return false, err
	}
	defer r.close()
	before := p.frames
	if err := p.run(ctx, r); !errors.Is(err, io.EOF) {
		return false, err
	}
	return p.frames != before, nil
}

// change takes the tracks of a joint over.
func (p *player) change(tracks []media.Track) error {
	kept := slices.Clone(tracks)
	if p.speed != 1 { // sound at another speed is none, and its frames would not fit into their time
		kept = slices.DeleteFunc(kept, func(t media.Track) bool { return t.Kind == media.Audio })
	}
	if len(kept) == 0 {
		return fault.New(fault.Unsupported, "replay_only_sound", "Footage without a picture is only replayed at its own speed.", "Leave the speed at 1.")
	}
	p.tracks, p.lead, p.joint = kept, leading(kept).ID, true
	for i := range kept {
		kept[i].FrameRate *= p.speed
	}
	if p.pub == nil {
		pub, err := p.publish(hub.Offer{Tracks: kept})
		p.pub = pub
		return err
	}
	return p.pub.Update(kept)
}

// frame publishes a frame when its time has come.
func (p *player) frame(ctx context.Context, f *media.Frame) error {
	t := media.Find(p.tracks, f.Track)
	if t == nil {
		return nil
	}
	at := t.Duration(f.DTS)
	if err := p.join(f, at); err != nil {
		return err
	}
	due := p.output(at)
	length := t.Duration(f.Duration)
	if f.Track == p.lead {
		length = max(length, p.step)
	}
	p.ended = max(p.ended, due+p.scaled(length))
	if p.speed > keysFrom && !f.Key {
		return nil
	}
	if err := p.await(ctx, due); err != nil {
		return err
	}
	out := *f
	out.DTS, out.PTS = ticks(due, t.TimeScale), ticks(p.output(t.Duration(f.PTS)), t.TimeScale)
	out.Duration, out.Wall = int64(float64(f.Duration)/p.speed), 0
	if err := p.pub.Write(out); err != nil {
		return err
	}
	p.frames++
	if p.sent != nil {
		p.sent(len(f.Data))
	}
	return nil
}

// join lets a frame at the reel's time at follow what has been played: at a joint, and where footage is missing.
func (p *player) join(f *media.Frame, at time.Duration) error {
	gap := at - p.last
	skip := false
	switch {
	case !p.started:
		p.started, p.anchor, skip = true, time.Now(), true
	case p.joint:
		skip = !p.keepGaps || gap <= 0
	case gap > max(hole, 4*p.step):
		skip = !p.keepGaps
		if err := p.pub.Update(p.tracks); err != nil {
			return err
		}
	case f.Track == p.lead && at > p.led:
		p.step = at - p.led
	}
	p.joint = false
	if skip {
		p.base, p.begin, p.last = at, p.ended, at
	}
	if f.Track == p.lead {
		p.led = at
	}
	p.last = max(p.last, at)
	return nil
}

func (p *player) scaled(d time.Duration) time.Duration {
	if p.speed == 1 {
		return d
	}
	return time.Duration(float64(d) / p.speed)
}

// output converts the reel's time.
func (p *player) output(at time.Duration) time.Duration { return p.begin + p.scaled(at-p.base) }

// await waits for an output time. When reading has fallen behind, what follows is moved on rather than hurried.
func (p *player) await(ctx context.Context, due time.Duration) error {
	wait := time.Until(p.anchor.Add(due))
	if wait < -behind {
		p.anchor = p.anchor.Add(-wait)
	}
	if wait <= 0 {
		return context.Cause(ctx)
	}
	p.timer.Reset(wait)
	select {
	case <-p.timer.C:
		return nil
	case <-p.pub.Done():
		return p.over()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// over is why somebody else ended the publication.
func (p *player) over() error {
	if err := p.pub.Err(); err != nil {
		return err
	}
	return fault.New(fault.Unavailable, "publication_closed", "The publication is closed.", "")
}

// end ends the stream.
func (p *player) end(cause error) {
	p.timer.Stop()
	if errors.Is(cause, io.EOF) {
		cause = nil
	}
	if p.pub != nil {
		p.pub.End(cause)
	}
}

// leave gives the stream back, to be held for another publisher.
func (p *player) leave(cause error) {
	p.timer.Stop()
	if p.pub != nil {
		p.pub.Close(cause)
	}
}

// ticks rounds to the nearest tick, so that times survive the way through nanoseconds.
func ticks(d time.Duration, scale uint32) int64 {
	return media.FromDuration(d+time.Second/time.Duration(2*scale), scale)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
