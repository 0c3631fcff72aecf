package transcode

import (
	"context"
	"errors"
	"io"
	"time"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/format/mpegts"
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

// repeats is how many seconds of what was made a new child can make again.
const repeats = 2

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
	next    int64 // where the last frame made ends
}

func (j *job) close() {
	if j.derived != nil {
		j.derived.Close()
	}
}

// arguments of a child: every frame in and out at once, timestamps kept. Fragmented MP4 goes in because it carries
// every codec; a transport stream comes out because FFmpeg's other writers hold each frame back until the next.
func arguments(to media.Codec) []string {
	encoder := []string{"-c:a", "libopus", "-application", "lowdelay", "-frame_duration", "20", "-vbr", "on", "-b:a", "128k"}
	if to == media.AAC {
		encoder = []string{"-c:a", "aac", "-b:a", "128k"}
	}
	args := []string{"-threads", "1", "-filter_threads", "1", "-fflags", "+nobuffer", "-probesize", "32", "-analyzeduration", "0", "-copyts", "-f", "mp4", "-i", "pipe:0", "-map", "0:a:0"}
	args = append(args, encoder...)
	return append(args, "-ar", "48000", "-ac", "2", "-avoid_negative_ts", "disabled", "-flush_packets", "1",
		"-f", "mpegts", "-pes_payload_size", "0", "-muxdelay", "0", "-muxpreload", "0", "pipe:1")
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

// collect reads what the child makes and writes it to the derived track.
func (j *job) collect(r io.Reader, origin int64) (made int, err error) {
	var track *media.Track
	d := mpegts.NewDemuxer(mpegts.Handler{
		Tracks: func(tracks []media.Track) error {
			track = media.First(tracks, media.Audio)
			return nil
		},
		Frame: func(f media.Frame) error {
			if track == nil || f.Track != track.ID {
				return nil
			}
			made++
			return j.write(track, &f, origin)
		},
	})
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := d.Write(buf[:n]); err != nil {
				return made, err
			}
		}
		if err != nil {
			return made, err
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
	// The transport stream counts in 1/90000 s: frames that follow each other are put exactly end to end.
	if off := at - j.next; off >= -int64(t.TimeScale/1000) && off <= int64(t.TimeScale/1000) {
		at = j.next
	}
	if again := j.next - at; again > 0 && again <= repeats*int64(t.TimeScale) {
		return nil // a new child begins with what the old one had made already; farther back, the clock was set
	}
	duration := int64(codec.SampleDuration(t, f.Data))
	j.next = at + duration
	return j.derived.Write(media.Frame{Key: true, DTS: at, PTS: at, Duration: duration, Data: f.Data})
}
