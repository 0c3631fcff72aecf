package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/fault"
	"weir/internal/media"
	"weir/internal/outside"
)

// A certificate that nobody vouches for is refused by ffprobe's way of reading, too.
func TestProbeMistrustsCertificates(t *testing.T) {
	outside.Need(t, "ffprobe")
	web := httptest.NewTLSServer(http.NotFoundHandler())
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer web.Close()
	if _, err := weir(t, "probe", web.URL+"/index.m3u8"); fault.Code(err) != "remote_unreachable" {
		t.Errorf("%v", err)
	}
	if _, err := weir(t, "probe", "--insecure", web.URL+"/index.m3u8"); fault.Code(err) == "remote_unreachable" {
		t.Errorf("%v", err)
	}
}

// The figures of the test pattern are known; each way of reading it must find them.
func TestProbeReadsWhatWasPublished(t *testing.T) {
	t.Chdir(t.TempDir())
	ports := running(t)
	key := strings.TrimSpace(mustWeir(t, "key", "create", "live/*"))
	published := make(chan error, 1)
	c := root()
	c.SetArgs([]string{"publish", "--pattern", "--size", "320x180", "--fps", "25", "--gop", "1s", fmt.Sprintf("rtmp://127.0.0.1:%d/live/show?key=%s", ports["rtmp"], key)})
	go func() { published <- c.ExecuteContext(t.Context()) }()
	t.Cleanup(func() { <-published })

	web, live := fmt.Sprintf("http://127.0.0.1:%d/live/", ports["http"]), fmt.Sprintf("rtmp://127.0.0.1:%d/live/", ports["rtmp"])
	addresses := []string{live + "show", web + "show/stream.flv", web + "show.ts"}
	if _, err := exec.LookPath("ffprobe"); err == nil {
		addresses = append(addresses, web+"show/index.m3u8", web+"show/index.mpd")
	} else if _, err := weir(t, "probe", web+"show/index.m3u8"); fault.Code(err) != "ffprobe_missing" {
		t.Error(err)
	}
	for _, address := range addresses {
		var r probeReport
		if err := json.Unmarshal([]byte(mustWeir(t, "probe", "--duration", "1500ms", address, "-o", "json")), &r); err != nil || len(r.Tracks) != 2 {
			t.Fatalf("%s: %+v %v", address, r, err)
		}
		for _, k := range r.Tracks {
			k.ID, k.Seconds = 0, 0
			switch k.Kind {
			case "video":
				if k.Codec != "H.264" || !strings.HasPrefix(k.Codecs, "avc1.") || k.Width != 320 || k.Height != 180 || math.Abs(k.FPS-25) > 0.5 || math.Abs(k.GOPSeconds-1) > 0.05 || k.BFrames || k.BitrateBPS <= 0 {
					t.Errorf("%s: %+v", address, k)
				}
			case "audio":
				if k.Codec != "AAC" || k.Codecs != "mp4a.40.2" || k.SampleRate != 48000 || math.Abs(k.FPS-48000.0/1024) > 1 {
					t.Errorf("%s: %+v", address, k)
				}
			}
		}
		if segments := strings.Contains(address, "index"); segments != (r.AVOffsetMS == nil) || !segments && math.Abs(*r.AVOffsetMS) > 40 {
			t.Errorf("%s: offset %v", address, r.AVOffsetMS)
		}
	}
	expect(t, `(?s)^TRACK .*25 fps .*every 1 s +no\n.*A/V offset`, mustWeir(t, "probe", "--duration", "1s", live+"show"))
	for address, code := range map[string]string{web + "none.flv": "stream_unknown|no_source", "show": "usage", "rtmp://127.0.0.1:1/live/show": "remote_unreachable", "http://127.0.0.1:1/a.ts": "remote_unreachable"} {
		if _, err := weir(t, "probe", address); !slices.Contains(strings.Split(code, "|"), fault.Code(err)) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestProbeMeter(t *testing.T) {
	tracks := []media.Track{{ID: 0, Kind: media.Video, Codec: media.HEVC, TimeScale: 90000}, {ID: 1, Kind: media.Audio, Codec: media.Opus, TimeScale: 48000}}
	m := newProbeMeter(3 * time.Second)
	now, done := time.Unix(0, 0), time.Duration(0)
	for i := range int64(25 * 20) {
		at := now.Add(time.Duration(i) * 40 * time.Millisecond)
		enough := m.take(tracks, media.Frame{Track: 0, Key: i%100 == 0, DTS: i * 3600, PTS: i*3600 + i%2*7200, Data: make([]byte, 1000)}, at)
		enough = m.take(tracks, media.Frame{Track: 1, Key: true, DTS: i*1920 + 4800, PTS: i*1920 + 4800, Data: make([]byte, 100)}, at) || enough
		if enough {
			done = at.Sub(now)
			break
		}
	}
	if done != 4*time.Second {
		t.Errorf("it saw enough after %v; the second key frame comes at 4 s", done)
	}
	r := m.report("x")
	v, a := r.Tracks[0], r.Tracks[1]
	if math.Abs(v.FPS-25) > 0.1 || math.Abs(float64(v.BitrateBPS)-200e3) > 2e3 || v.GOPSeconds != 4 || !v.BFrames {
		t.Errorf("%+v", v)
	}
	if math.Abs(a.FPS-25) > 0.1 || math.Abs(float64(a.BitrateBPS)-20e3) > 200 || a.GOPSeconds != 0 || a.BFrames {
		t.Errorf("%+v", a)
	}
	if r.AVOffsetMS == nil || math.Abs(*r.AVOffsetMS-100) > 25 {
		t.Errorf("offset %v", *r.AVOffsetMS)
	}
}

// TestPublishFile sends what FFmpeg cannot put into MP4 without being told how, and fails where it sends nothing.
func TestPublishFile(t *testing.T) {
	ffmpeg := outside.Need(t, "ffmpeg")
	outside.Need(t, "ffprobe")
	dir := t.TempDir()
	t.Chdir(dir)
	ports := running(t)
	key := strings.TrimSpace(mustWeir(t, "key", "create", "live/*"))
	for name, c := range map[string]struct{ video, audio, want string }{
		"transport.ts": {"libx264", "aac", "AAC"}, "dolby.mkv": {"libx264", "ac3", "AC-3"}, "lossless.mkv": {"libx264", "flac", "FLAC"}, "old.ts": {"mpeg2video", "mp2", ""},
	} {
		outside.Run(t, ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25", "-f", "lavfi", "-i", "sine=r=48000", "-t", "2",
			"-c:v", c.video, "-g", "25", "-pix_fmt", "yuv420p", "-c:a", c.audio, "-strict", "-2", name)
		address := fmt.Sprintf("rtmp://127.0.0.1:%d/live/%s?key=%s", ports["rtmp"], strings.ReplaceAll(name, ".", "_"), key)
		if c.want == "" {
			if _, err := weir(t, "publish", name, address); fault.Code(err) != "codec_unsupported" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		seen := make(chan string, 1)
		go func() {
			out, err := weir(t, "probe", "--duration", "1s", address, "-o", "json")
			seen <- fmt.Sprint(out, err)
		}()
		mustWeir(t, "publish", name, address)
		if out := <-seen; !strings.Contains(out, `"H.264"`) || !strings.Contains(out, `"`+c.want+`"`) {
			t.Errorf("%s: %s", name, out)
		}
	}
	if err := os.WriteFile("cut.ts", bytes.Repeat([]byte{0x47}, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := weir(t, "publish", "cut.ts", fmt.Sprintf("rtmp://127.0.0.1:%d/live/cut?key=%s", ports["rtmp"], key)); fault.Code(err) != "file_unreadable" {
		t.Errorf("%v", err)
	}
}
