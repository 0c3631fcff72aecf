package webrtc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/codec"
	"weir/internal/hub"
	"weir/internal/media"
	"weir/internal/testpattern"
	"weir/internal/transcode"
)

// browse opens a page of testdata beside the gateway in headless Chromium and gives what it reports.
func (w *world) browse(page string, seconds int) (reports chan []byte) {
	w.t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		w.t.Skip("chromium is not installed: apt install chromium")
	}
	html, err := os.ReadFile("testdata/" + page)
	if err != nil {
		w.t.Fatal(err)
	}
	reports = make(chan []byte, 4)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, strings.ReplaceAll(string(html), "SECONDS", strconv.Itoa(seconds)))
	})
	mux.HandleFunc("GET /reader.js", func(rw http.ResponseWriter, r *http.Request) {
		http.ServeFile(rw, r, "../../testpattern/reader.js")
	})
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		reports <- body
	})
	mux.Handle("/live/", w.http.Config.Handler)
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--autoplay-policy=no-user-gesture-required",
		"--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--user-data-dir="+w.t.TempDir(), "--remote-debugging-port=0", server.URL)
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return reports
}

// The test pattern with AAC is watched in Chromium: the latency is read from the picture, and the sound, made into
// Opus, arrives beside it.
func TestChromiumWatches(t *testing.T) {
	t.Run("test pattern", func(t *testing.T) {
		chromiumWatches(t, (*world).patternOnAir, true)
	})
	// What OBS and FFmpeg send by default has a profile that browsers do not name.
	looped := func(c media.Codec, args ...string) func(*testing.T) {
		return func(t *testing.T) {
			track, frames := media.Track{}, []media.Frame(nil)
			if c == media.H264 {
				track, frames = x264(t, args...)
			} else {
				track, frames = ivf(t, c, args...)
			}
			chromiumWatches(t, func(w *world, ctx context.Context, done chan struct{}) *hub.Publication {
				return w.looped(ctx, done, track, frames)
			}, false)
		}
	}
	t.Run("high profile", looped(media.H264, "-profile:v", "high", "-bf", "0"))
	t.Run("VP8", looped(media.VP8, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"))
	t.Run("VP9", looped(media.VP9, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"))
	t.Run("AV1", looped(media.AV1, "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"))
}

func chromiumWatches(t *testing.T, publish func(*world, context.Context, chan struct{}) *hub.Publication, whole bool) {
	if testing.Short() {
		t.Skip("short")
	}
	w := newWorld(t, Config{})
	w.hub.SetSupplier(transcode.New(transcode.Config{}, w.log))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	pub := publish(w, ctx, done)
	defer func() { cancel(); <-done; pub.End(nil) }()

	seconds := 4
	if whole {
		seconds = 8
	}
	reports := w.browse("player.html", seconds)
	var got struct {
		Error string
		First float64
		Marks []*struct {
			Counter uint32
			Late    float64
		}
		Stats struct {
			Video struct {
				FramesDecoded, FramesDropped, FreezeCount, PacketsLost, NackCount, PliCount int
				EstimatedPlayoutTimestamp                                                   float64
			}
			Audio struct {
				PacketsReceived, PacketsLost, ConcealedSamples, TotalSamplesReceived int
				EstimatedPlayoutTimestamp                                            float64
			}
			Peak      float64
			Transport struct{ SrtpCipher, DtlsCipher string }
		}
	}
	select {
	case body := <-reports:
		if err := json.Unmarshal(body, &got); err != nil || got.Error != "" {
			t.Fatalf("%v %s", err, body)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("the browser reported nothing")
	}
	if !whole {
		if got.Stats.Video.FramesDecoded < seconds*15 || got.Stats.Video.PacketsLost != 0 {
			t.Errorf("%+v", got.Stats)
		}
		return
	}
	var late []float64
	missing, unread := 0, 0
	last := uint32(0)
	for _, m := range got.Marks {
		if m == nil {
			unread++
			continue
		}
		if last != 0 && m.Counter > last+1 {
			missing += int(m.Counter - last - 1)
		}
		last = m.Counter
		late = append(late, m.Late)
	}
	if len(late) < seconds*15 {
		t.Fatalf("only %d pictures (%d unread), %+v", len(late), unread, got.Stats)
	}
	slices.Sort(late)
	// Both are on the capture clock that our sender reports tell, so their difference is what the viewer hears too early.
	t.Logf("sound is %.0f ms ahead of the picture", got.Stats.Audio.EstimatedPlayoutTimestamp-got.Stats.Video.EstimatedPlayoutTimestamp)
	t.Logf("first picture after %.0f ms; %d pictures, %d not presented, %d unread; latency p50 %.0f ms, p95 %.0f ms; %+v",
		got.First, len(late), missing, unread, late[len(late)/2], late[len(late)*95/100], got.Stats)
	if got.Stats.Video.PacketsLost != 0 || got.Stats.Audio.PacketsLost != 0 || got.Stats.Peak < 0.01 || got.Stats.Transport.SrtpCipher != "SRTP_AEAD_AES_128_GCM" {
		t.Errorf("%+v", got.Stats)
	}
	if p50 := late[len(late)/2]; p50 > 400 { // a loaded machine; the bar proper is measured alone
		t.Errorf("latency %.0f ms", p50)
	}
}

// patternOnAir publishes the test pattern with AAC until ctx ends.
func (w *world) patternOnAir(ctx context.Context, done chan struct{}) *hub.Publication {
	w.t.Helper()
	source, err := testpattern.New(testpattern.Options{Width: 640, Height: 360, Audio: true, Bitrate: 2_000_000})
	if err != nil {
		w.t.Fatal(err)
	}
	pub, err := w.hub.Publish(hub.Offer{Name: "live/show", Tracks: source.Tracks()})
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { defer close(done); _ = source.Run(ctx, pub.Write) }()
	return pub
}

// looped publishes the frames over and over until ctx ends.
func (w *world) looped(ctx context.Context, done chan struct{}, track media.Track, frames []media.Frame) *hub.Publication {
	w.t.Helper()
	pub, err := w.hub.Publish(hub.Offer{Name: "live/show", Tracks: []media.Track{track}})
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			f := frames[i%len(frames)]
			f.DTS = int64(i) * int64(track.TimeScale) / 25
			f.PTS = f.DTS
			if pub.Write(f) != nil {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return pub
}

// Chromium publishes its fake camera and microphone.
func TestChromiumPublishes(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	w := newWorld(t, Config{})
	reports := w.browse("publisher.html", 0)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	sub, err := w.hub.Subscribe(ctx, "live/show", hub.Want{Wait: 30 * time.Second})
	if err != nil {
		select {
		case body := <-reports:
			t.Fatalf("%v %s", err, body)
		default:
			t.Fatal(err)
		}
	}
	defer sub.Close()
	var video, audio, keys int
	var begun, last int64
	for last-begun < int64(6*time.Second) {
		item, err := sub.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if begun == 0 {
			begun = item.Wall
			for i := range item.Tracks {
				t.Logf("%s %dx%d", codec.String(&item.Tracks[i]), item.Tracks[i].Width, item.Tracks[i].Height)
			}
		}
		last = item.Wall
		switch track := media.Find(item.Tracks, item.Track); {
		case track.Kind == media.Audio:
			audio++
		case item.Key:
			keys++
			fallthrough
		default:
			video++
		}
	}
	s := w.gw.Stats()
	t.Logf("%d pictures, %d key frames, %d sounds, %+v", video, keys, audio, s)
	// A browser sends key frames only when asked: every two seconds here.
	if video < 60 || audio < 250 || keys < 3 || s.LostIn > 0 {
		t.Errorf("too few, or lost")
	}
}
