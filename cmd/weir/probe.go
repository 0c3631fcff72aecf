package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/mpegts"
	"weir/internal/gateway/rtmp"
	"weir/internal/media"
)

// prober reads a stream for a while and says what is in it.
type prober struct {
	url, output string
	length      time.Duration
	insecure    bool
	http        *http.Client
}

const (
	probeAtMost    = 12 * time.Second // to see two key frames
	probeFirstWait = 15 * time.Second
)

func probeCommand() *cobra.Command {
	p := &prober{}
	c := &cobra.Command{
		Use: "probe URL", Short: "Read a stream for some seconds and say what is in it",
		Long: "Read a stream for some seconds and say what is in it: rtmp:// and rtmps://, HTTP-FLV and MPEG-TS over HTTP; HLS and DASH with ffprobe.",
		Example: `  weir probe rtmp://127.0.0.1/live/show
  weir probe http://127.0.0.1:8080/live/show/index.m3u8 -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p.url = args[0]
			return p.run(c)
		},
	}
	outputFlag(c, &p.output)
	c.Flags().DurationVar(&p.length, "duration", 3*time.Second, "how long to measure; longer if that shows no two key frames")
	c.Flags().BoolVar(&p.insecure, "insecure", false, "believe any TLS certificate, such as a self-signed one")
	return c
}

func (p *prober) run(c *cobra.Command) error {
	if err := checkOutput(p.output); err != nil {
		return err
	}
	u, err := url.Parse(p.url)
	if err != nil || u.Host == "" {
		return fault.Wrap(err, fault.Invalid, "usage", p.url+" is not an address.", "Write it like rtmp://host/live/show.")
	}
	p.http = &http.Client{Transport: &http.Transport{TLSClientConfig: p.tls(), Proxy: http.ProxyFromEnvironment}}
	report, err := p.measure(c.Context(), u)
	if err != nil {
		return err
	}
	return report.show(c, p.output)
}

func (p *prober) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: p.insecure} //nolint:gosec // asked for by --insecure
}

func (p *prober) measure(ctx context.Context, u *url.URL) (*probeReport, error) {
	read := p.reader(u)
	if read == nil {
		return p.ffprobe(ctx, u)
	}
	m := newProbeMeter(p.length)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(probeFirstWait, cancel)
	defer silent.Stop()
	err := read(ctx, func(tracks []media.Track, f media.Frame) error {
		silent.Reset(probeFirstWait)
		if m.take(tracks, f, time.Now()) {
			return io.EOF
		}
		return nil
	})
	switch {
	case m.frames() > 0:
		return m.report(p.url), nil // a stream that ended or broke off has been seen all the same
	case err == nil || errors.Is(err, context.Canceled):
		return nil, fault.New(fault.Unavailable, "probe_nothing", "Nothing came from "+p.url+".", "Check that somebody publishes it.")
	}
	return nil, err
}

type probeSink func([]media.Track, media.Frame) error

// reader returns how to read an address without help; nil if it takes ffprobe.
func (p *prober) reader(u *url.URL) func(context.Context, probeSink) error {
	switch {
	case u.Scheme == "rtmp" || u.Scheme == "rtmps":
		return func(ctx context.Context, take probeSink) error {
			return rtmp.Play(ctx, rtmp.ClientConfig{URL: p.url, TLS: p.tls()}, take)
		}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil
	case path.Ext(u.Path) == ".flv":
		return func(ctx context.Context, take probeSink) error { return p.get(ctx, take, readFLV) }
	case path.Ext(u.Path) == ".ts":
		return func(ctx context.Context, take probeSink) error { return p.get(ctx, take, readTS) }
	}
	return nil
}

func (p *prober) get(ctx context.Context, take probeSink, read func(io.Reader, probeSink) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	res, err := p.http.Do(req)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "remote_unreachable", "The server "+req.URL.Host+" cannot be reached.", "Check the address, and that it is up; --insecure believes a self-signed certificate.")
	}
	defer res.Body.Close() //nolint:errcheck // read only
	if res.StatusCode != http.StatusOK {
		return refused(res, true)
	}
	err = read(res.Body, take)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func readFLV(r io.Reader, take probeSink) error {
	var demux flv.Demuxer
	tags := flv.NewReader(r, flv.DefaultLimit)
	for {
		tag, err := tags.Next()
		if err != nil {
			return err
		}
		if tag.Type == flv.TagScript {
			continue
		}
		frames, err := demux.Tag(tag.Type, tag.Timestamp, tag.Body)
		if err != nil {
			return err
		}
		for i := range frames {
			if err := take(demux.Tracks(), frames[i]); err != nil {
				return err
			}
		}
	}
}

func readTS(r io.Reader, take probeSink) error {
	var tracks []media.Track
	demux := mpegts.NewDemuxer(mpegts.Handler{
		Tracks: func(t []media.Track) error { tracks = t; return nil },
		Frame:  func(f media.Frame) error { return take(tracks, f) },
	})
	_, err := io.Copy(demux, r)
	return err
}

func (r *probeReport) show(c *cobra.Command, output string) error {
	return show(c, output, r, func(row func(...any)) {
		row("TRACK", "CODEC", "CODECS", "FORMAT", "RATE", "BITRATE", "KEY FRAMES", "B-FRAMES")
		for _, t := range r.Tracks {
			if t.Kind == "video" {
				row(t.ID, t.Codec, dash(t.Codecs), fmt.Sprintf("%dx%d", t.Width, t.Height), fmt.Sprintf("%.4g fps", t.FPS), bitrate(t.BitrateBPS), keyFrames(&t), yes(t.BFrames))
			} else {
				row(t.ID, t.Codec, dash(t.Codecs), fmt.Sprintf("%d Hz, %d ch", t.SampleRate, t.Channels), fmt.Sprintf("%.4g/s", t.FPS), bitrate(t.BitrateBPS), "-", "-")
			}
		}
		if r.AVOffsetMS != nil {
			row()
			row(fmt.Sprintf("A/V offset %+.0f ms (audio's timestamps minus the picture's, of what arrives together)", *r.AVOffsetMS))
		}
	})
}

func keyFrames(t *probeTrack) string {
	if t.GOPSeconds == 0 {
		return fmt.Sprintf("over %.3g s", t.Seconds)
	}
	return fmt.Sprintf("every %.3g s", t.GOPSeconds)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
