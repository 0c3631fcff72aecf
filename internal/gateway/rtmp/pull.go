package rtmp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
	"weir/internal/media"
)

// PullConfig is one attempt to pull a stream from another server.
type PullConfig struct {
	ClientConfig
	Idle     time.Duration // the other server may send nothing for so long (30 s)
	Unlisted bool
	Session  string          // of the pull, for people
	Received func(bytes int) // counts; may be nil
	Live     func()          // called with the first media; may be nil
	Log      *slog.Logger    // nil: the default
}

func (cfg *PullConfig) ingest(h *hub.Hub, name, protocol, remote string) *ingest {
	if cfg.Idle == 0 {
		cfg.Idle = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &ingest{hub: h, log: cfg.Log, offer: hub.Offer{
		Name: name, Unlisted: cfg.Unlisted,
		Origin: hub.Origin{Protocol: protocol, Remote: remote, Session: cfg.Session},
	}}
}

// Pull plays a stream from another server and publishes it in the hub under
// name, until the other server ends it (nil), goes, or ctx ends. One attempt.
func Pull(ctx context.Context, cfg PullConfig, h *hub.Hub, name string) error {
	c, err := dial(ctx, cfg.ClientConfig, false)
	if err != nil {
		return err
	}
	defer c.conn.Close() //nolint:errcheck // gone either way
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	in := cfg.ingest(h, name, "rtmp", c.target.host)
	err = c.play(func(m rtmpmsg.Message) error {
		if cfg.Received != nil {
			cfg.Received(len(m.Payload))
		}
		if m.Type != rtmpmsg.TypeAudio && m.Type != rtmpmsg.TypeVideo {
			in.data(m)
			return nil
		}
		if cfg.Live != nil {
			cfg.Live()
			cfg.Live = nil
		}
		in.offer.Origin.Via = c.via
		return in.media(flv.TagType(m.Type), m.Timestamp, m.Payload)
	}, cfg.Idle)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	err = c.lost(err)
	in.close(err)
	return err
}

// lost explains the end of a pull.
func (c *client) lost(err error) error { return lost(c.target.host, err) }

func lost(host string, err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "remote_gone", "The server "+host+" stopped sending.", "It is tried again by itself.")
}

// play asks to play and hands on every media and data message. It returns nil
// when the server says that the stream is over.
func (c *client) play(take func(rtmpmsg.Message) error, idle time.Duration) error {
	c.calls++
	b := rtmpmsg.Command{Name: "play", Transaction: c.calls, Args: []any{c.target.stream, float64(-2000)}}.Append(nil, rtmpmsg.CSIDStatus, c.streamID, c.chunk)
	b = rtmpmsg.AppendEvent(b, rtmpmsg.EventSetBufferLength, c.streamID, 1000)
	if err := c.send(b); err != nil {
		return err
	}
	var expires time.Time
	for {
		if now := time.Now(); now.After(expires) {
			expires = now.Add(time.Second)
			if err := c.conn.SetReadDeadline(now.Add(idle)); err != nil {
				return err
			}
		}
		m, err := c.read()
		if err != nil {
			return err
		}
		switch m.Type {
		case rtmpmsg.TypeAudio, rtmpmsg.TypeVideo, rtmpmsg.TypeDataAMF0, rtmpmsg.TypeDataAMF3:
			err = take(m)
		case rtmpmsg.TypeCommandAMF0, rtmpmsg.TypeCommandAMF3:
			var r rtmpmsg.Command
			if r, err = c.judge(m); err == nil && ends(r) {
				return nil
			}
			if via := statusOf(r).String(viaKey); via != "" {
				c.via = clipVia(via)
			}
		}
		if err != nil {
			return err
		}
	}
}

// ends reports whether a status says that the stream is over.
func ends(r rtmpmsg.Command) bool {
	if r.Name != "onStatus" {
		return false
	}
	switch statusOf(r).String("code") {
	case "NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete":
		return true
	}
	return false
}

// Play reads a stream from a server: take gets each frame with the tracks known at
// that time, and ends it with an error (io.EOF: nil is returned). weir probe uses it.
func Play(ctx context.Context, cfg ClientConfig, take func([]media.Track, media.Frame) error) error {
	c, err := dial(ctx, cfg, false)
	if err != nil {
		return err
	}
	defer c.conn.Close() //nolint:errcheck // gone either way
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	r := frameReader{take: take}
	err = c.play(func(m rtmpmsg.Message) error {
		if m.Type != rtmpmsg.TypeAudio && m.Type != rtmpmsg.TypeVideo {
			return nil
		}
		return r.tag(flv.TagType(m.Type), m.Timestamp, m.Payload)
	}, 30*time.Second)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) && r.ended {
		return nil
	}
	return c.lost(err)
}

// frameReader hands frames out with their tracks.
type frameReader struct {
	demux    flv.Demuxer
	revision int
	tracks   []media.Track
	take     func([]media.Track, media.Frame) error
	ended    bool
}

func (r *frameReader) tag(kind flv.TagType, ms uint32, body []byte) error {
	frames, err := r.demux.Tag(kind, ms, body)
	if err != nil {
		return err
	}
	if v := r.demux.Revision(); v != r.revision {
		r.revision, r.tracks = v, r.demux.Tracks()
	}
	for i := range frames {
		if err := r.take(r.tracks, frames[i]); err != nil {
			r.ended = true
			return err
		}
	}
	return nil
}
