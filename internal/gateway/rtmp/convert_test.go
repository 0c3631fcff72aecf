package rtmp

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"weir/internal/control/hook"
	"weir/internal/control/session"
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

// TestRedirect: an address that a hook answers with is handed on, with the session's life as its own.
func TestRedirect(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "rtmp://other/live/copy")
		w.WriteHeader(http.StatusFound)
	}))
	defer receiver.Close()
	ended := make(chan string, 1)
	s := newStack(t, Config{Redirect: func(ctx context.Context, action session.Action, name, to string) {
		<-ctx.Done()
		ended <- string(action) + " " + name + " " + to
	}})
	hooks, err := hook.New(hook.Config{Apps: map[string]hook.App{"live": {OnPublish: receiver.URL}}}, (&net.Dialer{}).DialContext, s.server.log)
	if err != nil {
		t.Fatal(err)
	}
	s.door.SetConfig(session.Config{Hooks: hooks})
	c := dialRaw(t, s.addr).shake()
	c.connect("live")
	c.call("publish", 2, nil, "show", "live")
	if code, text := c.status(); code != "NetStream.Publish.Start" {
		t.Fatalf("%s: %s", code, text)
	}
	_ = c.conn.Close()
	if got := <-ended; got != "publish live/show rtmp://other/live/copy" {
		t.Error(got)
	}
	hooks.Close()
}
