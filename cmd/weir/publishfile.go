package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
	args = append(args, "-i", "file:"+file, "-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy")
	args = append(append(args, copying(ctx, file)...), "-strict", "-2", "-f", "mp4", "pipe:1") // -2: FLAC in MP4
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
	for i := range tracks {
		if tracks[i].Codec == media.UnknownCodec {
			err = fault.New(fault.Unsupported, "codec_unsupported", "The file "+file+" has a codec that Weir does not read.", "Convert it first, for example with ffmpeg -c:v libx264 -c:a aac.")
		}
	}
	if err == nil {
		err = publishPaced(ctx, url, tracks, r.run)
	}
	stopped := err != nil || ctx.Err() != nil
	if stopped {
		cancel()
	}
	failed := cmd.Wait() // killed on purpose, or its complaint says why
	if errors.Is(err, errNoMedia) || failed != nil && !stopped {
		return fault.New(fault.Invalid, "file_unreadable", "FFmpeg cannot read "+file+".", strings.TrimSpace(complaint.String()))
	}
	return err
}

// copying is what copying a file into fragmented MP4 takes, by the codec of its audio. Where the header has to wait for a
// frame, FFmpeg would tell in an edit list when each track begins, and set the picture one frame late with a fragment a frame.
func copying(ctx context.Context, file string) []string {
	late := []string{"-movflags", "delay_moov+default_base_moof", "-use_editlist", "0", "-frag_duration", "1000"}
	out, _ := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=codec_name,extradata_size", "-of", "json", "file:"+file).Output()
	var seen struct {
		Streams []struct {
			Name   string `json:"codec_name"`
			Config int    `json:"extradata_size"`
		}
	}
	if err := json.Unmarshal(out, &seen); err == nil && len(seen.Streams) > 0 {
		switch audio := seen.Streams[0]; {
		case audio.Name == "aac" && audio.Config == 0: // ADTS, as in transport streams: each frame says what the header must say
			return append(late, "-bsf:a", "aac_adtstoasc")
		case audio.Name == "ac3" || audio.Name == "eac3":
			return late
		}
	}
	return []string{"-movflags", "empty_moov+default_base_moof+frag_every_frame"}
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
