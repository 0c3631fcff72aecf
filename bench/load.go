package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/format/rtmpmsg"
	"weir/internal/gateway/rtmp"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// clip is some seconds of the test pattern, made once and sent again and again with fresh times and marks left as they are.
type clip struct {
	tracks []media.Track
	frames []media.Frame
	length time.Duration
}

func makeClip(bitrate int, size [2]int) (*clip, error) {
	src, err := testpattern.New(testpattern.Options{Width: size[0], Height: size[1], Bitrate: bitrate, Audio: true})
	if err != nil {
		return nil, err
	}
	c := &clip{tracks: src.Tracks(), length: 8 * time.Second}
	for src.Due() < c.length {
		f := src.Next(time.Now())
		if media.Find(c.tracks, f.Track).Kind == media.Audio {
			// The pattern's tone takes a seventh of what encoders send; nobody decodes it here.
			f.Data = append(f.Data[:len(f.Data):len(f.Data)], make([]byte, max(0, audioFrame-len(f.Data)))...)
		}
		c.frames = append(c.frames, f)
	}
	return c, nil
}

// audioFrame is the size of an AAC frame of 1024 samples at 48 kHz and 128 kbit/s.
const audioFrame = 128_000 / 8 * 1024 / 48_000

// publishClip sends the clip in real time until ctx ends.
func publishClip(ctx context.Context, url string, c *clip, offset time.Duration) error {
	start := time.Now().Add(-offset)
	i, round := 0, time.Duration(0)
	for c.tracks[0].Duration(c.frames[i].DTS) < offset%c.length {
		i++
	}
	first := c.tracks[0].Duration(c.frames[i].DTS)
	start = time.Now().Add(-first)
	timer := time.NewTimer(0)
	defer timer.Stop()
	err := rtmp.Publish(ctx, rtmp.ClientConfig{URL: url}, c.tracks, func(ctx context.Context) (media.Frame, error) {
		if i == len(c.frames) {
			i, round = 0, round+c.length
		}
		f := c.frames[i]
		i++
		t := media.Find(c.tracks, f.Track)
		shift := t.Ticks(round)
		f.DTS += shift
		f.PTS += shift
		timer.Reset(max(0, t.Duration(f.DTS)-time.Since(start)))
		select {
		case <-timer.C:
			return f, nil
		case <-ctx.Done():
			return f, context.Cause(ctx)
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// publishClips publishes a clip n times over, each a bit later in it, until stop; lost says why a publisher ended before.
func publishClips(ctx context.Context, p *peer, c *clip, n int) (lost <-chan error, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := publishClip(ctx, p.url(fmt.Sprintf("s%d", i)), c, time.Duration(i)*c.length/time.Duration(n)); err != nil {
				errs <- err
			}
		})
	}
	return errs, func() { cancel(); wg.Wait() }
}

// departures says when each picture was made. Marks carry whole milliseconds, which is too coarse where a
// millisecond is the bar; publisher and probes are one process, so they can share a clock.
var departures times

type times struct {
	mu sync.Mutex
	at map[testpattern.Mark]time.Time
}

func (d *times) note(f *media.Frame) {
	if mark, ok := testpattern.ReadSEI(f.Data, media.H264); ok {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.at == nil || len(d.at) > 100_000 {
			d.at = map[testpattern.Mark]time.Time{}
		}
		d.at[mark] = time.Now()
	}
}

// since is how long a picture was on its way.
func (d *times) since(m testpattern.Mark, now time.Time) (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.at[m]
	return now.Sub(at), ok
}

// publishPattern sends the live test pattern, whose marks carry the time of sending.
func publishPattern(ctx context.Context, url string, bitrate int) error {
	src, err := testpattern.New(testpattern.Options{Bitrate: bitrate, Audio: true})
	if err != nil {
		return err
	}
	frames := make(chan media.Frame, 256)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(frames)
		_ = src.Run(ctx, func(f media.Frame) error { // ends with ctx
			departures.note(&f)
			select {
			case frames <- f:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	err = rtmp.Publish(ctx, rtmp.ClientConfig{URL: url}, src.Tracks(), func(ctx context.Context) (media.Frame, error) {
		f, ok := <-frames
		if !ok {
			return f, io.EOF
		}
		return f, nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// viewer is one client that counts what it is sent.
type viewer struct {
	bytes atomic.Int64
	err   error
}

// crowd is a set of viewers of one stream.
type crowd struct {
	viewers []*viewer
	wg      sync.WaitGroup
	cancel  context.CancelFunc
}

// join connects n viewers, a few at a time, and returns when each has got bytes.
func join(ctx context.Context, n int, connect func(context.Context) (io.ReadCloser, error)) (*crowd, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd{cancel: cancel}
	gate := make(chan struct{}, 16)
	arrived := make(chan error, n)
	for range n {
		v := &viewer{}
		c.viewers = append(c.viewers, v)
		c.wg.Go(func() {
			gate <- struct{}{}
			r, err := connect(ctx)
			if err == nil {
				defer r.Close()
				stop := context.AfterFunc(ctx, func() { _ = r.Close() })
				defer stop()
				var one [1]byte
				_, err = io.ReadFull(r, one[:])
			}
			<-gate
			arrived <- err
			if err != nil {
				v.err = err
				return
			}
			buf := make([]byte, 32<<10)
			for {
				n, err := r.Read(buf)
				v.bytes.Add(int64(n))
				if err != nil {
					v.err = err
					return
				}
			}
		})
	}
	for range n {
		if err := <-arrived; err != nil {
			c.leave()
			return nil, fmt.Errorf("a viewer could not join: %w", err)
		}
	}
	return c, nil
}

func (c *crowd) leave() {
	c.cancel()
	c.wg.Wait()
}

func (c *crowd) snapshot() []int64 {
	out := make([]int64, len(c.viewers))
	for i, v := range c.viewers {
		out[i] = v.bytes.Load()
	}
	return out
}

// playRTMP connects a bare player: it asks for the stream and then only reads.
func playRTMP(port int, app, stream string) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return nil, err
		}
		hello := make([]byte, 1537)
		hello[0] = 3
		answer := make([]byte, 1+2*1536)
		if _, err = conn.Write(hello); err == nil {
			_, err = io.ReadFull(conn, answer)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		b := append([]byte(nil), answer[1:1537]...)
		url := fmt.Sprintf("rtmp://127.0.0.1:%d/%s", port, app)
		b = rtmpmsg.Command{Name: "connect", Transaction: 1, Object: rtmpmsg.Object{
			{Key: "app", Value: app}, {Key: "tcUrl", Value: url},
			{Key: "capsEx", Value: 14.0}, {Key: "fourCcList", Value: []any{"*"}}, // what the probes declare, so that they stand in the crowd's lane
		}}.Append(b, 3, 0, 128)
		b = rtmpmsg.Command{Name: "createStream", Transaction: 2}.Append(b, 3, 0, 128)
		b = rtmpmsg.Command{Name: "play", Transaction: 3, Args: []any{stream, -2000.0}}.Append(b, 8, 1, 128)
		if _, err = conn.Write(b); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	}
}

// get reads an HTTP response for ever.
func get(url string) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("%s: %s", url, resp.Status), resp.Body.Close())
		}
		return resp.Body, nil
	}
}

func dial(port int) (net.Conn, error) {
	return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
