package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"time"

	"weir/internal/fault"
	boxes "weir/internal/format/box"
	"weir/internal/format/cmaf"
	"weir/internal/media"
)

// publishFile reads any file that FFmpeg reads, without transcoding, and publishes it in real time.
func publishFile(ctx context.Context, file, url string, loop bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := []string{"-nostdin", "-hide_banner", "-loglevel", "error"}
	if loop {
		args = append(args, "-stream_loop", "-1")
	}
	args = append(args, "-i", "file:"+file, "-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy",
		"-f", "mp4", "-movflags", "empty_moov+default_base_moof+frag_every_frame", "pipe:1")
	cmd := exec.CommandContext(ctx, "ffmpeg", args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fault.Wrap(err, fault.Unavailable, "ffmpeg_missing", "FFmpeg is needed to read files, and cannot be started.", "Install it: apt-get install ffmpeg.")
	}
	r := &boxReader{r: bufio.NewReaderSize(out, 1<<16)}
	tracks, err := r.header()
	if err == nil {
		err = publishPaced(ctx, url, tracks, r.run)
	}
	cancel()
	_ = cmd.Wait() // killed on purpose, or its complaint says why
	if text := strings.TrimSpace(complaint.String()); errors.Is(err, errNoMedia) {
		return fault.New(fault.Invalid, "file_unreadable", "FFmpeg cannot read "+file+".", text)
	}
	return err
}

var errNoMedia = errors.New("no media header")

// boxReader takes a fragmented MP4 apart as it comes.
type boxReader struct {
	r    *bufio.Reader
	head *cmaf.Header
}

const maxBox = 64 << 20

func (b *boxReader) header() ([]media.Track, error) {
	var init []byte
	for {
		x, err := boxes.Read(b.r, maxBox)
		if err != nil {
			return nil, errNoMedia
		}
		init = append(init, x.Whole...)
		if x.Kind == "moov" {
			break
		}
	}
	var err error
	if b.head, err = cmaf.ParseInit(init); err != nil {
		return nil, err
	}
	return b.head.Tracks, nil
}

// run hands out the frames when their time has come.
func (b *boxReader) run(ctx context.Context, write func(media.Frame) error) error {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	var moof []byte
	for {
		x, err := boxes.Read(b.r, maxBox)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, boxes.ErrSize) {
			return fault.New(fault.Invalid, "file_unreadable", "FFmpeg gave a box of an odd size.", "")
		}
		if err != nil {
			return err
		}
		switch x.Kind {
		case "moof":
			moof = x.Whole
			continue
		case "mdat":
		default:
			continue
		}
		frames, err := b.head.Frames(nil, append(moof, x.Whole...))
		if err != nil {
			return err
		}
		for _, f := range frames {
			due := media.Find(b.head.Tracks, f.Track).Duration(f.DTS)
			if wait := due - time.Since(start); wait > 0 {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			if err := write(f); err != nil {
				return err
			}
		}
	}
}
