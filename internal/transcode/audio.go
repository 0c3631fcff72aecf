package transcode

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/hub"
	"weir/internal/media"
)

// A child that dies is started again after a pause that grows up to a second; after maxFailures in a row
// without a single frame made the conversion is given up.
const (
	firstPause  = 50 * time.Millisecond
	longPause   = time.Second
	maxFailures = 6
)

// errRestart asks for a fresh child: the source began a new run.
var errRestart = errors.New("transcode: the source changed")

// convert keeps one conversion going until ctx ends.
func (e *Engine) convert(ctx context.Context, path string, r hub.Request) error {
	sub := r.Stream.Subscribe(hub.Want{FromNow: true, Tracks: func(tracks []media.Track) []media.TrackID {
		if t := source(tracks, r.Codec); t != nil {
			return []media.TrackID{t.ID}
		}
		return nil
	}})
	defer sub.Close()
	j := &job{engine: e, path: path, sub: sub, to: r.Codec}
	defer j.close()
	pause, failures := firstPause, 0
	for {
		made, err := j.run(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return nil // the stream has ended
		case errors.Is(err, errRestart):
			pause, failures = firstPause, 0
			continue
		case made > 0:
			pause, failures = firstPause, 0
		}
		if failures++; failures >= maxFailures {
			e.count.failed.Add(1)
			return fault.Wrap(err, fault.Unavailable, "conversion_failed", "FFmpeg could not convert the audio to "+r.Codec.String()+".", "The log has its messages.")
		}
		e.count.restarts.Add(1)
		e.log.Warn("ffmpeg ended, starting it again", "stream", r.Stream.Name(), "codec", r.Codec.String(), "in", pause, "cause", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pause = min(2*pause, longPause)
	}
}

// job is one conversion, over all its children.
type job struct {
	engine  *Engine
	path    string
	sub     *hub.Subscription
	to      media.Codec
	pending *hub.Item // the first frame of the next child
	derived *hub.Derived
	last    int64 // DTS of the last frame made
}

func (j *job) close() {
	if j.derived != nil {
		j.derived.Close()
	}
}

// arguments of a child: every frame in and out at once, timestamps kept. One frame a fragment costs bytes on the
// pipe alone.
func arguments(to media.Codec) []string {
	encoder := []string{"-c:a", "libopus", "-application", "lowdelay", "-frame_duration", "20", "-vbr", "on", "-b:a", "128k"}
	if to == media.AAC {
		encoder = []string{"-c:a", "aac", "-b:a", "128k"}
	}
	args := []string{"-threads", "1", "-filter_threads", "1", "-fflags", "+nobuffer", "-probesize", "32", "-analyzeduration", "0", "-copyts", "-f", "mp4", "-i", "pipe:0", "-map", "0:a:0"}
	args = append(args, encoder...)
	return append(args, "-ar", "48000", "-ac", "2", "-avoid_negative_ts", "disabled", "-use_editlist", "0", "-flush_packets", "1",
		"-f", "mp4", "-movflags", "+frag_every_frame+empty_moov+default_base_moof+frag_discont", "pipe:1")
}

// run converts with one child and says how many frames it made.
func (j *job) run(ctx context.Context) (made int, err error) {
	if j.pending == nil { // no child before there is something to convert
		item, err := j.sub.Next(ctx)
		if err != nil {
			return 0, err
		}
		j.pending = &item
	}
	// Media time before the first frame is left for the encoder's priming, which comes out at earlier times.
	track := &j.pending.Tracks[0]
	origin := media.Rescale(j.pending.DTS, track.TimeScale, 1000) - 10_000

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := j.engine.start(ctx, j.path, 0, arguments(j.to)...)
	if err != nil {
		return 0, err
	}
	fed := make(chan error, 1)
	go func() {
		err := j.feed(ctx, c.stdin, origin)
		_ = c.stdin.Close() // the child drains and ends
		fed <- err
	}()
	made, err = j.collect(c.stdout, origin)
	cancel()
	feedErr := <-fed
	waitErr := c.wait()
	switch {
	case errors.Is(feedErr, errRestart), errors.Is(feedErr, io.EOF):
		return made, feedErr
	case err != nil && !errors.Is(err, io.EOF):
		return made, err
	default:
		return made, errors.Join(waitErr, feedErr)
	}
}

// feed writes the source's frames to the child until the run changes.
func (j *job) feed(ctx context.Context, w io.Writer, origin int64) error {
	m := cmaf.NewStreamMuxer(origin)
	tracks, run := j.pending.Tracks, j.pending.Run
	head, err := m.Header(tracks[:1])
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	var bufs [][]byte
	var buf []byte
	for {
		item := j.pending
		if item == nil {
			next, err := j.sub.Next(ctx)
			if err != nil {
				return err
			}
			item = &next
		}
		if item.Run != run || len(item.Tracks) == 0 || !item.Tracks[0].SameFormat(&tracks[0]) {
			j.pending = item
			return errRestart
		}
		j.pending = nil
		if item.Duration == 0 {
			item.Duration = media.Rescale(int64(codec.SampleDuration(&tracks[0], item.Data)), uint32(max(tracks[0].SampleRate, 1)), tracks[0].TimeScale)
		}
		bufs = m.AppendFragment(bufs[:0], &item.Frame)
		buf = buf[:0]
		for _, b := range bufs {
			buf = append(buf, b...)
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
}

// maxBox bounds what a child may make us hold.
const maxBox = 1 << 20

// collect reads what the child makes and writes it to the derived track.
func (j *job) collect(r io.Reader, origin int64) (made int, err error) {
	in := bufio.NewReaderSize(r, 16<<10)
	var head *cmaf.Header
	var pair []byte // moof and mdat
	for {
		kind, box, err := readBox(in)
		if err != nil {
			return made, err
		}
		switch kind {
		case "moov":
			if head, err = cmaf.ParseInit(box); err != nil {
				return made, err
			}
			if len(head.Tracks) != 1 {
				return made, fmt.Errorf("transcode: %d tracks came out", len(head.Tracks))
			}
		case "moof":
			pair = box
		case "mdat":
			if head == nil {
				return made, errors.New("transcode: media before its header")
			}
			frames, err := head.Frames(nil, append(pair, box...))
			if err != nil {
				return made, err
			}
			for i := range frames {
				if err := j.write(&head.Tracks[0], &frames[i], origin); err != nil {
					return made, err
				}
				made++
			}
		}
	}
}

// write hands a frame to the hub, at its epoch media time.
func (j *job) write(t *media.Track, f *media.Frame, origin int64) error {
	if j.derived != nil {
		have := j.derived.Track()
		have.ID = t.ID
		if !have.SameFormat(t) {
			j.derived.Close()
			j.derived = nil
		}
	}
	if j.derived == nil {
		d, err := j.sub.Stream().Derive(media.Track{
			Kind: media.Audio, Codec: j.to, TimeScale: t.TimeScale, Config: t.Config, SampleRate: t.SampleRate, Channels: t.Channels,
		})
		if err != nil {
			return err
		}
		j.derived = d
	}
	shift := media.Rescale(origin, 1000, t.TimeScale)
	at := f.DTS + shift
	if at <= j.last {
		return nil // a new child begins with what the old one had made already
	}
	j.last = at
	return j.derived.Write(media.Frame{Key: true, DTS: at, PTS: at, Duration: f.Duration, Data: f.Data})
}

// readBox reads one top-level box whole.
func readBox(r *bufio.Reader) (kind string, box []byte, err error) {
	head, err := r.Peek(8)
	if err != nil {
		return "", nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < 8 || size > maxBox {
		return "", nil, fmt.Errorf("transcode: a box of %d bytes came out", size)
	}
	kind = string(head[4:8])
	box = make([]byte, size)
	_, err = io.ReadFull(r, box)
	return kind, box, err
}
