package rtmp

import (
	"context"
	"errors"
	"io"
	"time"

	"weir/internal/fan"
	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
	"weir/internal/media"
)

// PushConfig is one attempt to push a stream to another server.
type PushConfig struct {
	ClientConfig
	Fan  *fan.Fan
	Wait time.Duration   // for the stream to come here
	Sent func(bytes int) // counts; may be nil
	Live func()          // called once the other server took the publication; may be nil
}

// Push sends a stream of the hub to another server until the stream ends (nil), ctx ends or the other server
// goes. It is one attempt: retrying belongs to who calls it.
func Push(ctx context.Context, cfg PushConfig, h *hub.Hub, name string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c, err := dial(ctx, cfg.ClientConfig, true)
	if err != nil {
		return err
	}
	defer c.conn.Close() //nolint:errcheck // gone either way
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	if err := c.publish(); err != nil {
		return err
	}
	want := hub.Want{Tracks: selectTracks(flv.Enhanced), Wait: cfg.Wait, Patient: true}
	lane, err := h.Lane(ctx, name, laneKey(flv.Enhanced, c.streamID, true), want, newEncoder(flv.Enhanced, c.streamID, true))
	if err != nil {
		return err
	}
	defer lane.Close()
	if err := lane.Err(); err != nil {
		return err
	}
	if cfg.Live != nil {
		cfg.Live()
	}
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		cancel(c.listen())
	}()
	err = cfg.Fan.Copy(ctx, lane, fan.Options{Profile: fan.Realtime, Sent: cfg.Sent}, c.sendBuffers)
	if err == nil {
		c.unpublish()
	}
	_ = c.conn.Close()
	<-listening
	return pushError(ctx, c, err, "It is tried again by itself.")
}

// pushError prefers what the other server said to the broken write that followed.
func pushError(ctx context.Context, c *client, err error, remedy string) error {
	cause := context.Cause(ctx)
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(cause, &f):
		return f
	case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		return cause
	}
	return fault.Wrap(err, fault.Unavailable, "remote_gone", "The server "+c.target.host+" closed the connection.", remedy)
}

// publish asks to publish and waits for the permission.
func (c *client) publish() error {
	c.calls++
	cmd := rtmpmsg.Command{Name: "publish", Transaction: c.calls, Args: []any{c.target.stream, "live"}}
	if err := c.command(cmd, rtmpmsg.CSIDCommand, c.streamID); err != nil {
		return err
	}
	if err := c.waitStatus("NetStream.Publish.Start"); err != nil {
		return c.explain(err)
	}
	return c.conn.SetDeadline(time.Time{})
}

// explain wraps what is not yet a fault.
func (c *client) explain(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "remote_gone", "The server "+c.target.host+" closed the connection before it let the stream in.", "Check the stream key: many servers say no in this way.")
}

func (c *client) unpublish() {
	c.calls++
	b := rtmpmsg.Command{Name: "FCUnpublish", Transaction: c.calls, Args: []any{c.target.stream}}.Append(nil, rtmpmsg.CSIDCommand, 0, c.chunk)
	c.calls++
	b = rtmpmsg.Command{Name: "deleteStream", Transaction: c.calls, Args: []any{float64(c.streamID)}}.Append(b, rtmpmsg.CSIDCommand, 0, c.chunk)
	_ = c.send(b) // the connection ends anyway
}

// listen reads what the other server says while media goes there.
func (c *client) listen() error {
	for {
		if _, err := c.nextCommand(); err != nil {
			return err
		}
	}
}

// Publish sends frames to a server: next gives them, on a clock of their own,
// and io.EOF at the end. weir publish uses it.
func Publish(ctx context.Context, cfg ClientConfig, tracks []media.Track, next func(context.Context) (media.Frame, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c, err := dial(ctx, cfg, true)
	if err != nil {
		return err
	}
	defer c.conn.Close() //nolint:errcheck // gone either way
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	if err := c.publish(); err != nil {
		return err
	}
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		cancel(c.listen())
	}()
	err = c.sendFrames(ctx, tracks, next)
	if errors.Is(err, io.EOF) && ctx.Err() == nil { // the frames', not that of the connection
		c.unpublish()
		err = nil
	}
	_ = c.conn.Close()
	<-listening
	return pushError(ctx, c, err, "Publish again when it is back.")
}

func (c *client) sendFrames(ctx context.Context, tracks []media.Track, next func(context.Context) (media.Frame, error)) error {
	e := laneEncoder{dialect: flv.Multitrack, streamID: c.streamID, publish: true}
	header, _, err := e.Start(tracks, nil)
	if err != nil {
		return err
	}
	if err := c.sendBuffers(header); err != nil {
		return err
	}
	var bufs [][]byte
	var shift int64 // files with reordered pictures begin before zero, which RTMP's clock cannot
	for {
		f, err := next(ctx)
		if err != nil {
			return err
		}
		t := media.Find(tracks, f.Track)
		if t == nil {
			continue
		}
		ms := media.Rescale(f.DTS, t.TimeScale, 1000)
		shift = max(shift, -ms)
		bufs = e.encodeAt(bufs[:0], &f, uint32(ms+shift))
		if err := c.sendBuffers(bufs); err != nil {
			return err
		}
	}
}
