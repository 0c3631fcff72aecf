package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/fault"
	"weir/internal/gateway/rtmp"
	"weir/internal/media"
	"weir/internal/testpattern"
)

func publishCommand() *cobra.Command {
	var p publisher
	c := &cobra.Command{
		Use:   "publish FILE URL | --pattern URL",
		Short: "Publish a file or the test pattern over RTMP, in real time",
		Example: `  weir publish --pattern "rtmp://127.0.0.1/live/test?key=K"
  weir publish film.mp4 "rtmp://127.0.0.1/live/film?key=K" --loop`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error { return p.run(c.Context(), args) },
	}
	f := c.Flags()
	f.BoolVar(&p.pattern, "pattern", false, "publish the test pattern instead of a file")
	f.BoolVar(&p.loop, "loop", false, "begin the file again when it ends")
	f.StringVar(&p.size, "size", "1280x720", "size of the test pattern")
	f.IntVar(&p.fps, "fps", 30, "frames per second of the test pattern")
	f.DurationVar(&p.gop, "gop", 2*time.Second, "key frame distance of the test pattern")
	f.IntVar(&p.bitrate, "bitrate", 0, "bit/s of the test pattern's video; 0 = as little as it takes")
	f.BoolVar(&p.silent, "no-audio", false, "the test pattern without sound")
	f.DurationVar(&p.length, "duration", 0, "stop after this long; 0 = never")
	return c
}

type publisher struct {
	pattern, loop, silent bool
	size                  string
	fps, bitrate          int
	gop, length           time.Duration
}

func (p *publisher) run(ctx context.Context, args []string) error {
	if p.pattern != (len(args) == 1) {
		return fault.New(fault.Invalid, "usage", "A file and an address are needed, or --pattern and an address.", "See weir publish --help.")
	}
	if p.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.length)
		defer cancel()
	}
	err := p.send(ctx, args)
	if ctx.Err() != nil && (p.length > 0 || errors.Is(err, context.Canceled)) {
		return nil // it was told to stop
	}
	return err
}

func (p *publisher) send(ctx context.Context, args []string) error {
	url := args[len(args)-1]
	if !p.pattern {
		return publishFile(ctx, args[0], url, p.loop)
	}
	o := testpattern.Options{FPS: p.fps, GOP: p.gop, Bitrate: p.bitrate, Audio: !p.silent}
	if _, err := fmt.Sscanf(p.size, "%dx%d", &o.Width, &o.Height); err != nil {
		return fault.Wrap(err, fault.Invalid, "usage", p.size+" is not a size.", "Write it as 1280x720.")
	}
	src, err := testpattern.New(o)
	if err != nil {
		return err
	}
	return publishPaced(ctx, url, src.Tracks(), func(ctx context.Context, write func(media.Frame) error) error {
		return src.Run(ctx, write)
	})
}

// publishPaced sends what run writes at its own pace.
func publishPaced(ctx context.Context, url string, tracks []media.Track, run func(context.Context, func(media.Frame) error) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	frames := make(chan media.Frame, 64)
	done := make(chan error, 1)
	go func() {
		defer close(frames)
		done <- run(ctx, func(f media.Frame) error {
			select {
			case frames <- f:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	err := rtmp.Publish(ctx, rtmp.ClientConfig{URL: url, FlashVer: "Weir/" + version}, tracks, func(ctx context.Context) (media.Frame, error) {
		select {
		case f, ok := <-frames:
			if !ok {
				return media.Frame{}, io.EOF
			}
			return f, nil
		case <-ctx.Done():
			return media.Frame{}, context.Cause(ctx)
		}
	})
	cancel(err)
	if sent := <-done; err == nil && !errors.Is(sent, context.Canceled) {
		err = sent
	}
	return err
}
