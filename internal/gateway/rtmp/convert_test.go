package rtmp

import (
	"context"
	"testing"
	"time"

	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/media"
)

// supplier gives a stream AAC of another clip, as the transcoder does with the stream's own sound.
type supplier struct {
	t    *testing.T
	clip clip
}

func (s supplier) Supply(ctx context.Context, r hub.Request) error {
	if r.Codec != media.AAC {
		return fault.New(fault.Unsupported, "not_supplied", "No.", "")
	}
	d, err := r.Stream.Derive(s.clip.track)
	if err != nil {
		return err
	}
	defer d.Close()
	start := media.FromDuration(time.Duration(time.Now().UnixNano()), s.clip.track.TimeScale)
	next := paced([]media.Track{s.clip.track}, s.clip.frames)
	for {
		f, err := next(ctx)
		if err != nil {
			return err
		}
		f.DTS, f.PTS = f.DTS+start, f.PTS+start
		if err := d.Write(f); err != nil {
			return err
		}
	}
}

// TestOpusForOldPlayers: a player that reads no Opus gets AAC where it can be made, else a sentence.
func TestOpusForOldPlayers(t *testing.T) {
	t.Parallel()
	for _, can := range []bool{true, false} {
		s := newStack(t, Config{})
		if can {
			s.hub.SetSupplier(supplier{t, makeClip(t, media.AAC, 1)})
		}
		v, a := makeClip(t, media.H264, 0), makeClip(t, media.Opus, 1)
		tracks, frames := merge(v, a)
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		published := make(chan error, 1)
		go func() {
			published <- Publish(ctx, ClientConfig{URL: s.url("live/show")}, tracks, paced(tracks, frames))
		}()
		if can {
			p := ffprobe(t, s.url("live/show"), 2) // FFmpeg 5.1 declares nothing
			if len(p.Streams) != 2 || p.Streams[0].CodecName != "h264" && p.Streams[1].CodecName != "h264" {
				t.Errorf("ffprobe sees %+v", p.Streams)
			}
		} else {
			c := dialRaw(t, s.addr).shake()
			c.connect("live")
			c.call("play", 2, nil, "show")
			if code, text := c.status(); code != "NetStream.Play.Failed" || len(text) < 20 {
				t.Errorf("%s: %q", code, text)
			}
		}
		cancel()
		<-published
	}
}
