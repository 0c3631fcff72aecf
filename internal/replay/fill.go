package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// FillOptions say what is shown while a publisher is away.
type FillOptions struct {
	After time.Duration                 // how long it must be away first; 0 = at once. It must be shorter than the hub's grace time
	For   time.Duration                 // the stream ends when the publisher has not returned in this time; 0 = never
	Slate func() (io.ReadCloser, error) // a fragmented MP4 that is shown again and again; nil: the last picture, without a sound
}

const (
	stillEvery = 500 * time.Millisecond // a newcomer must not wait long for its first picture
	slate      = "slate"
)

// Fill watches a stream until it has ended, which is nil, or ctx ends, which is its cause, and publishes the filler into it
// whenever its publisher is away. The filler is a publication like any other, so that every viewer of every protocol
// sees it, with a new run where it begins and ends; the hub takes it off air at the publisher's first key frame.
func Fill(ctx context.Context, s *hub.Stream, o FillOptions) error {
	for {
		last, err := lastSeen(ctx, s, o.After)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = fill(ctx, s, o, last)
		switch fault.Code(err) {
		case "stream_unknown", "nothing_to_show":
			return nil
		case "stream_busy", "taken_over": // the publisher is back
			continue
		}
		if err != nil {
			return err
		}
	}
}

// picture is what a publisher showed last.
type picture struct {
	tracks []media.Track
	key    media.Frame // of the leading video; no Data: there was none
}

// lastSeen reads the stream until its publisher has been away for so long.
func lastSeen(ctx context.Context, s *hub.Stream, after time.Duration) (p picture, err error) {
	sub := s.Subscribe(hub.Want{Calm: true})
	defer sub.Close()
	away := time.NewTimer(after)
	defer away.Stop()
	waiting := false
	for {
		item, ok, err := sub.TryNext()
		if err != nil {
			return p, err
		}
		if ok {
			p.see(&item)
			continue
		}
		switch idle := sub.Idle(); {
		case !idle:
			waiting = false
		case !waiting:
			waiting = true
			away.Reset(after)
		}
		var due <-chan time.Time
		if waiting {
			due = away.C
		}
		select {
		case <-sub.Changed():
		case <-due:
			return p, nil
		case <-ctx.Done():
			return p, context.Cause(ctx)
		}
	}
}

func (p *picture) see(item *hub.Item) {
	if len(item.Tracks) == 0 || item.Run.Reason == hub.ReasonFiller {
		return
	}
	if len(p.tracks) == 0 || &p.tracks[0] != &item.Tracks[0] {
		p.tracks, p.key = item.Tracks, media.Frame{}
	}
	if lead := leading(p.tracks); item.Key && lead.Kind == media.Video && item.Track == lead.ID {
		p.key = item.Frame
	}
}

// fill shows the filler until somebody takes over, which is the error.
func fill(ctx context.Context, s *hub.Stream, o FillOptions, last picture) error {
	var cause error
	if o.For > 0 {
		var cancel context.CancelFunc
		cause = fault.New(fault.Unavailable, "publisher_gone", "The publisher did not return.", "")
		ctx, cancel = context.WithTimeoutCause(ctx, o.For, cause)
		defer cancel()
	}
	open := func() (reel, error) { return last.reel() }
	if o.Slate != nil {
		open = func() (reel, error) { return newFile(o.Slate) }
	}
	p := newPlayer(1, false, func(offer hub.Offer) (*hub.Publication, error) {
		offer.Filler, offer.Origin = true, hub.Origin{Protocol: slate, Software: "Weir slate"}
		return s.Publish(offer)
	})
	err := p.loop(ctx, open)
	if cause != nil && err == cause { //nolint:errorlint // it is this very value
		p.end(err)
		return nil
	}
	p.leave(err)
	return err
}

// loop plays a reel again and again. It must have something to play.
func (p *player) loop(ctx context.Context, open func() (reel, error)) error {
	for {
		played, err := p.pass(ctx, open)
		if err != nil {
			return err
		}
		if !played {
			return unreadable("it is empty")
		}
	}
}

// reel is the last picture again and again, and silence beside it. It never ends.
func (p *picture) reel() (reel, error) {
	s := &still{}
	for i := range p.tracks {
		t := p.tracks[i]
		switch {
		case t.ID == leading(p.tracks).ID && p.key.Data != nil:
			t.FrameRate = float64(time.Second) / float64(stillEvery)
			s.picture, s.video = p.key, t
			s.tracks = append(s.tracks, t)
		case t.Kind == media.Audio && s.silence == nil:
			if data, samples := silent(&t); data != nil {
				s.silence, s.samples, s.sound = data, samples, t
				s.tracks = append(s.tracks, t)
			}
		}
	}
	if len(s.tracks) == 0 {
		return nil, fault.New(fault.NotFound, "nothing_to_show", "There is nothing to show instead of the publisher.", "")
	}
	return s, nil
}

type still struct {
	tracks  []media.Track
	picture media.Frame
	video   media.Track
	sound   media.Track
	silence []byte
	samples int64
	pieces  int64
	audio   int64 // samples given
}

func (s *still) close() {}

func (s *still) next(context.Context) (p piece, err error) {
	if s.pieces == 0 {
		p.tracks = s.tracks
	}
	if s.picture.Data != nil {
		at := s.video.Ticks(time.Duration(s.pieces) * stillEvery)
		p.frames = append(p.frames, media.Frame{Track: s.video.ID, Key: true, DTS: at, PTS: at, Duration: s.video.Ticks(stillEvery), Data: s.picture.Data})
	}
	s.pieces++
	for s.silence != nil && s.audio < s.sound.Ticks(time.Duration(s.pieces)*stillEvery) {
		p.frames = append(p.frames, media.Frame{Track: s.sound.ID, Key: true, DTS: s.audio, PTS: s.audio, Duration: s.samples, Data: s.silence})
		s.audio += s.samples
	}
	inOrder(p.frames, s.tracks)
	return p, nil
}

// silent gives a frame of silence and its length in ticks; nil where none is known. A track whose frames cannot be made
// is left out while the publisher is away.
func silent(t *media.Track) (data []byte, ticks int64) {
	rate := t.SampleRate
	switch t.Codec {
	case media.AAC: // a raw_data_block (14496-3 4.4.2.1) with one element in which nothing is coded
		const lc, short = 2, 0x04 // audio object type; frameLengthFlag: 960 instead of 1024 samples
		if len(t.Config) < 2 || t.Config[0]>>3 != lc || t.Config[1]&short != 0 {
			return nil, 0
		}
		switch t.Channels {
		case 1:
			data = []byte{0x00, 0xC8, 0x00, 0x80, 0x23, 0x80}
		case 2:
			data = []byte{0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80}
		}
	case media.Opus: // CELT, 20 ms, one frame (RFC 6716 3.1) that decodes to silence
		data, rate = []byte{0xFC, 0xFF, 0xFE}, 48000
	case media.PCMA:
		data = bytes.Repeat([]byte{0xD5}, rate*max(t.Channels, 1)/50)
	case media.PCMU:
		data = bytes.Repeat([]byte{0xFF}, rate*max(t.Channels, 1)/50)
	}
	if len(data) == 0 || rate <= 0 {
		return nil, 0
	}
	ticks = int64(codec.SampleDuration(t, data)) * int64(t.TimeScale) / int64(rate)
	if ticks <= 0 {
		return nil, 0
	}
	return data, ticks
}
