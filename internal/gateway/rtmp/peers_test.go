package rtmp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/flac"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"weir/internal/codec"
	"weir/internal/format/flv"
	"weir/internal/hub"
	"weir/internal/media"
)

// peerTrack makes gortmplib's form of a track.
func peerTrack(t *testing.T, k clip) *gortmplib.Track {
	t.Helper()
	sets := codec.ParameterSets(&k.track)
	switch k.track.Codec {
	case media.H264:
		return &gortmplib.Track{Codec: &codecs.H264{SPS: sets[0], PPS: sets[1]}}
	case media.HEVC:
		return &gortmplib.Track{Codec: &codecs.H265{VPS: sets[0], SPS: sets[1], PPS: sets[2]}}
	case media.AV1:
		return &gortmplib.Track{Codec: &codecs.AV1{}}
	case media.VP9:
		return &gortmplib.Track{Codec: &codecs.VP9{}}
	case media.AAC:
		c := &mpeg4audio.AudioSpecificConfig{}
		if err := c.Unmarshal(k.track.Config); err != nil {
			t.Fatal(err)
		}
		return &gortmplib.Track{Codec: &codecs.MPEG4Audio{Config: c}}
	case media.Opus:
		return &gortmplib.Track{Codec: &codecs.Opus{IDHeader: &opus.IDHeader{Version: 1, ChannelCount: 2, PreSkip: 312, InputSampleRate: 48000}}}
	case media.MP3:
		return &gortmplib.Track{Codec: &codecs.MPEG1Audio{}}
	case media.AC3:
		return &gortmplib.Track{Codec: &codecs.AC3{SampleRate: 48000, ChannelCount: 2}}
	case media.FLAC:
		c := &flac.StreamInfo{}
		if err := c.Unmarshal(k.track.Config); err != nil {
			t.Fatal(err)
		}
		return &gortmplib.Track{Codec: &codecs.FLAC{StreamInfo: c}}
	}
	t.Fatalf("no peer for %s", k.track.Codec)
	return nil
}

func units(sample []byte) (out [][]byte) {
	var a h264.AVCC
	if a.Unmarshal(sample) == nil {
		out = a
	}
	return out
}

func obus(sample []byte) [][]byte {
	var tu av1.Bitstream
	if tu.Unmarshal(sample) != nil {
		return nil
	}
	return tu
}

func peerWrite(w *gortmplib.Writer, pt *gortmplib.Track, k *media.Track, f media.Frame) error {
	pts, dts := k.Duration(f.PTS), k.Duration(f.DTS)
	switch k.Codec {
	case media.H264:
		return w.WriteH264(pt, pts, dts, units(f.Data))
	case media.HEVC:
		return w.WriteH265(pt, pts, dts, units(f.Data))
	case media.AV1:
		return w.WriteAV1(pt, pts, obus(f.Data))
	case media.VP9:
		return w.WriteVP9(pt, pts, f.Data)
	case media.AAC:
		return w.WriteMPEG4Audio(pt, pts, f.Data)
	case media.Opus:
		return w.WriteOpus(pt, pts, f.Data)
	case media.MP3:
		return w.WriteMPEG1Audio(pt, pts, f.Data)
	case media.AC3:
		return w.WriteAC3(pt, pts, f.Data)
	case media.FLAC:
		return w.WriteFLAC(pt, pts, f.Data)
	}
	return errors.New("no peer for " + k.Codec.String())
}

// got is what a peer read: the units of each frame joined, with its times.
type got struct {
	data     []byte
	pts, dts time.Duration
}

// collect sets the callback of a peer's track.
func collect(r *gortmplib.Reader, pt *gortmplib.Track, add func(got)) error {
	one := func(pts time.Duration, b []byte) { add(got{bytes.Clone(b), pts, pts}) }
	many := func(pts, dts time.Duration, list [][]byte) { add(got{bytes.Join(list, nil), pts, dts}) }
	switch pt.Codec.(type) {
	case *codecs.H264:
		r.OnDataH264(pt, many)
	case *codecs.H265:
		r.OnDataH265(pt, many)
	case *codecs.AV1:
		r.OnDataAV1(pt, func(pts time.Duration, tu [][]byte) { many(pts, pts, tu) })
	case *codecs.VP9:
		r.OnDataVP9(pt, one)
	case *codecs.MPEG4Audio:
		r.OnDataMPEG4Audio(pt, one)
	case *codecs.Opus:
		r.OnDataOpus(pt, one)
	case *codecs.MPEG1Audio:
		r.OnDataMPEG1Audio(pt, one)
	case *codecs.AC3:
		r.OnDataAC3(pt, one)
	case *codecs.FLAC:
		r.OnDataFLAC(pt, one)
	default:
		return fmt.Errorf("no peer for %T", pt.Codec)
	}
	return nil
}

// wire is how a frame looks after a peer took it apart.
func wire(c media.Codec, f *media.Frame) []byte {
	switch c {
	case media.H264, media.HEVC:
		return bytes.Join(units(f.Data), nil)
	case media.AV1:
		return bytes.Join(obus(f.Data), nil)
	}
	return f.Data
}

// peerPublish sends clips with gortmplib at their own speed, over and over, until ctx ends.
func peerPublish(ctx context.Context, t *testing.T, address string, clips ...clip) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	c := &gortmplib.Client{URL: u, Publish: true}
	if err := c.Initialize(ctx); err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, c.Close)
	defer stop()
	return peerSend(ctx, t, c, clips...)
}

func peerSend(ctx context.Context, t *testing.T, conn gortmplib.Conn, clips ...clip) error {
	w := &gortmplib.Writer{Conn: conn}
	byID := map[media.TrackID]*gortmplib.Track{}
	for _, k := range clips {
		pt := peerTrack(t, k)
		byID[k.track.ID] = pt
		w.Tracks = append(w.Tracks, pt)
	}
	if err := w.Initialize(); err != nil {
		return err
	}
	tracks, frames := merge(clips...)
	next := paced(tracks, frames)
	for {
		f, err := next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := peerWrite(w, byID[f.Track], media.Find(tracks, f.Track), f); err != nil {
			return err
		}
	}
}

// peerPlay reads with gortmplib until the server ends it; the frames come by track.
func peerPlay(ctx context.Context, address string) (map[string][]got, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	c := &gortmplib.Client{URL: u}
	if err := c.Initialize(ctx); err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, c.Close)
	defer stop()
	r := &gortmplib.Reader{Conn: c}
	if err := r.Initialize(); err != nil {
		return nil, err
	}
	out := map[string][]got{}
	for _, pt := range r.Tracks() {
		name := fmt.Sprintf("%T", pt.Codec)
		for out[name] != nil {
			name += "+"
		}
		out[name] = []got{}
		if err := collect(r, pt, func(g got) { out[name] = append(out[name], g) }); err != nil {
			return nil, err
		}
	}
	for {
		if err := r.Read(); err != nil {
			return out, nil // the end
		}
	}
}

// subscribe collects the hub's frames of a stream until it ends.
func subscribe(t *testing.T, h *hub.Hub, name string) (frames func() ([]media.Track, []media.Frame)) {
	t.Helper()
	type all struct {
		tracks []media.Track
		frames []media.Frame
	}
	ch := make(chan all, 1)
	go func() {
		var a all
		defer func() { ch <- a }()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		sub, err := h.Subscribe(ctx, name, hub.Want{Wait: 20 * time.Second})
		if err != nil {
			t.Error(err)
			return
		}
		defer sub.Close()
		for {
			item, err := sub.Next(ctx)
			if err != nil {
				return
			}
			a.tracks = item.Tracks
			a.frames = append(a.frames, item.Frame)
		}
	}()
	return func() ([]media.Track, []media.Frame) { a := <-ch; return a.tracks, a.frames }
}

var matrix = []struct{ video, audio media.Codec }{
	{media.H264, media.AAC},
	{media.HEVC, media.Opus},
	{media.AV1, media.AC3},
	{media.VP9, media.FLAC},
	{media.H264, media.MP3},
}

// TestPeerPublishesAndPlays: gortmplib publishes, the hub and a second gortmplib
// get every frame byte for byte, with the right times.
func TestPeerPublishesAndPlays(t *testing.T) {
	t.Parallel()
	for _, m := range matrix {
		t.Run(m.video.String()+" and "+m.audio.String(), func(t *testing.T) {
			t.Parallel()
			s := newStack(t, Config{})
			v, a := makeClip(t, m.video, 0), makeClip(t, m.audio, 1)
			ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
			defer cancel()
			frames := subscribe(t, s.hub, "live/show")
			var played map[string][]got
			var wg sync.WaitGroup
			wg.Go(func() {
				var err error // the server waits for the stream to come
				if played, err = peerPlay(ctx, s.url("live/show")); err != nil {
					t.Error(err)
				}
			})
			if err := peerPublish(ctx, t, s.url("live/show"), v, a); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			tracks, all := frames()
			for _, k := range []clip{v, a} {
				checkHub(t, k, tracks, all)
			}
			if len(played) != 2 {
				t.Fatalf("the player saw %d tracks", len(played))
			}
			for name, list := range played {
				k := v
				if !isVideo(name) {
					k = a
				}
				checkPlayed(t, name, k, list)
			}
		})
	}
}

func isVideo(name string) bool {
	switch name {
	case "*codecs.H264", "*codecs.H265", "*codecs.AV1", "*codecs.VP9":
		return true
	}
	return false
}

// checkHub holds the hub's frames of a track to the clip's.
func checkHub(t *testing.T, k clip, tracks []media.Track, all []media.Frame) {
	t.Helper()
	var mine []media.Frame
	var track *media.Track
	for i := range tracks {
		if tracks[i].Codec == k.track.Codec {
			track = &tracks[i]
		}
	}
	if track == nil {
		t.Errorf("no %s in the hub", k.track.Codec)
		return
	}
	if track.Width != k.track.Width || track.Height != k.track.Height || track.SampleRate != k.track.SampleRate || track.Channels != k.track.Channels || track.TimeScale != k.track.TimeScale {
		t.Errorf("the hub's track is %+v, want %+v", track, k.track)
	}
	for _, f := range all {
		if f.Track == track.ID {
			mine = append(mine, f)
		}
	}
	if len(mine) != len(k.frames) {
		t.Errorf("%s: %d frames in the hub, %d sent", k.track.Codec, len(mine), len(k.frames))
		return
	}
	for i := range mine {
		if !bytes.Equal(wire(track.Codec, &mine[i]), wire(track.Codec, &k.frames[i])) {
			t.Errorf("%s: frame %d differs", k.track.Codec, i)
			return
		}
		if mine[i].Key != k.frames[i].Key {
			t.Errorf("%s: frame %d key %t, want %t", k.track.Codec, i, mine[i].Key, k.frames[i].Key)
		}
		drift := track.Duration((mine[i].PTS - mine[0].PTS) - (k.frames[i].PTS - k.frames[0].PTS))
		limit := 2 * time.Millisecond
		if k.track.Kind == media.Audio {
			limit = 100 * time.Microsecond // smoothed
		}
		if drift > limit || drift < -limit {
			t.Errorf("%s: frame %d is off by %s", k.track.Codec, i, drift)
			return
		}
	}
}

// checkPlayed holds what a player saw to the clip: a run of its frames up to the end.
func checkPlayed(t *testing.T, name string, k clip, list []got) {
	t.Helper()
	if len(list) < len(k.frames)*3/4 {
		t.Errorf("%s: %d of %d frames", name, len(list), len(k.frames))
		return
	}
	want := make([][]byte, len(k.frames))
	for i := range k.frames {
		want[i] = wire(k.track.Codec, &k.frames[i])
	}
	i, j := len(list)-1, len(want)-1
	for ; i >= 0 && j >= 0; i, j = i-1, j-1 {
		if !bytes.Equal(list[i].data, want[j]) {
			if i == 0 { // gortmplib hands parameter sets out as a first frame
				return
			}
			t.Errorf("%s: frame %d from the end differs", name, len(list)-i)
			return
		}
		if i+1 < len(list) && bytes.Equal(list[i+1].data, want[min(j+1, len(want)-1)]) {
			d := list[i+1].pts - list[i].pts - k.track.Duration(k.frames[j+1].PTS-k.frames[j].PTS)
			if d > 2*time.Millisecond || d < -2*time.Millisecond {
				t.Errorf("%s: a step is off by %s", name, d)
			}
		}
	}
}

// peerServer is gortmplib as a server for one connection.
func peerServer(t *testing.T, serve func(*gortmplib.ServerConn) error) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // a test's
		sc := &gortmplib.ServerConn{RW: conn}
		if err := sc.Initialize(); err != nil {
			t.Error(err)
			return
		}
		if err := sc.Accept(); err != nil {
			t.Error(err)
			return
		}
		if err := serve(sc); err != nil {
			t.Error(err)
		}
	})
	return "rtmp://" + ln.Addr().String() + "/remote/show"
}

func TestPushToPeer(t *testing.T) {
	t.Parallel()
	for _, m := range matrix {
		t.Run(m.video.String()+" and "+m.audio.String(), func(t *testing.T) {
			t.Parallel()
			s := newStack(t, Config{})
			v, a := makeClip(t, m.video, 0), makeClip(t, m.audio, 1)
			counts := make(chan int, 1)
			address := peerServer(t, func(sc *gortmplib.ServerConn) error {
				n := 0
				defer func() { counts <- n }()
				r := &gortmplib.Reader{Conn: sc}
				if err := r.Initialize(); err != nil {
					return err
				}
				if len(r.Tracks()) != 2 {
					return fmt.Errorf("%d tracks", len(r.Tracks()))
				}
				for _, pt := range r.Tracks() {
					if err := collect(r, pt, func(got) { n++ }); err != nil {
						return err
					}
				}
				for {
					if err := r.Read(); err != nil {
						return nil
					}
				}
			})
			ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
			defer cancel()
			pushed := make(chan error, 1)
			go func() {
				pushed <- Push(ctx, PushConfig{ClientConfig: ClientConfig{URL: address}, Fan: s.fan, Wait: 20 * time.Second}, s.hub, "live/show")
			}()
			tracks, frames := merge(v, a)
			if err := Publish(ctx, ClientConfig{URL: s.url("live/show")}, tracks, paced(tracks, frames)); err != nil {
				t.Fatal(err)
			}
			if err := <-pushed; err != nil {
				t.Fatal(err)
			}
			if n := <-counts; n < len(frames)*3/4 {
				t.Errorf("the other server got %d of %d frames", n, len(frames))
			}
		})
	}
}

func TestPullFromPeer(t *testing.T) {
	t.Parallel()
	for _, m := range matrix {
		t.Run(m.video.String()+" and "+m.audio.String(), func(t *testing.T) {
			t.Parallel()
			s := newStack(t, Config{})
			v, a := makeClip(t, m.video, 0), makeClip(t, m.audio, 1)
			ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
			defer cancel()
			address := peerServer(t, func(sc *gortmplib.ServerConn) error {
				return peerSend(ctx, t, sc, v, a)
			})
			frames := subscribe(t, s.hub, "live/pulled")
			err := Pull(ctx, PullConfig{ClientConfig: ClientConfig{URL: address}}, s.hub, "live/pulled")
			if err == nil {
				t.Error("the other server just closed, and Pull says that the stream ended")
			}
			tracks, all := frames()
			checkHub(t, v, tracks, all)
			checkHub(t, a, tracks, all)
		})
	}
}

// TestPublishAndPlay sends all codecs at once through this project's own client, as multitrack.
func TestPublishAndPlay(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	clips := []clip{
		makeClip(t, media.H264, 0), makeClip(t, media.HEVC, 2), makeClip(t, media.AV1, 4), makeClip(t, media.VP9, 6),
		makeClip(t, media.AAC, 1), makeClip(t, media.Opus, 3), makeClip(t, media.EAC3, 5), makeClip(t, media.MP3, 7),
	}
	tracks, frames := merge(clips...)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	seen := map[media.TrackID]int{}
	played := make(chan error, 1)
	go func() {
		played <- Play(ctx, ClientConfig{URL: s.url("live/show")}, func(_ []media.Track, f media.Frame) error {
			seen[f.Track]++
			return nil
		})
	}()
	all := subscribe(t, s.hub, "live/show")
	if err := Publish(ctx, ClientConfig{URL: s.url("live/show")}, tracks, paced(tracks, frames)); err != nil {
		t.Fatal(err)
	}
	hubTracks, hubFrames := all()
	for _, k := range clips {
		checkHub(t, k, hubTracks, hubFrames)
	}
	if err := <-played; err != nil {
		t.Fatal(err)
	}
	for _, k := range clips {
		if n := seen[k.track.ID]; n < len(k.frames)*3/4 {
			t.Errorf("%s: %d of %d frames played", k.track.Codec, n, len(k.frames))
		}
	}
	if flv.FourCC(media.PCMA) != "" {
		t.Error("G.711 has no fourcc")
	}
}
