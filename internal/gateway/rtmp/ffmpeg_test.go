package rtmp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/control/session"
	"weir/internal/fan"
	"weir/internal/hub"
	"weir/internal/outside"
)

// stack is a hub with a server in front of it, on loopback.
type stack struct {
	hub    *hub.Hub
	fan    *fan.Fan
	door   *session.Door
	server *Server
	addr   string
}

func newStack(t *testing.T, cfg Config) *stack {
	t.Helper()
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := &stack{hub: hub.New(hub.Config{Grace: 500 * time.Millisecond}, log), fan: fan.New(fan.Config{}, log), door: session.New(session.Config{}, log)}
	s.server = New(cfg, s.hub, s.fan, s.door, log)
	s.addr = s.listen(t, nil)
	t.Cleanup(func() {
		if n := s.server.Stats().Panics; n != 0 {
			t.Errorf("%d sessions panicked", n)
		}
	})
	return s
}

// listen serves one more listener until the test ends.
func (s *stack) listen(t *testing.T, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if wrap != nil {
		ln = wrap(ln)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		s.fan.Close()
		s.hub.Close()
	})
	return addr
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (s *stack) url(path string) string { return "rtmp://" + s.addr + "/" + path }

// published has a publisher send live/show, which is on.
func (s *stack) published(t *testing.T) *raw {
	t.Helper()
	c := dialRaw(t, s.addr).shake()
	c.connect("live")
	c.call("publish", 2, nil, "show", "live")
	c.status()
	c.publishH264(0)
	waitFor(t, "the stream", func() bool { return s.hub.Stream("live/show") != nil })
	return c
}

// ffmpeg starts ffmpeg; stop ends it and returns what it wrote.
func ffmpeg(t *testing.T, args ...string) (stop func() string) {
	t.Helper()
	outside.Need(t, "ffmpeg")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-hide_banner", "-loglevel", "warning", "-nostdin"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	stop = func() string {
		cancel()
		<-done
		return out.String()
	}
	t.Cleanup(func() {
		if s := stop(); t.Failed() && s != "" {
			t.Log("ffmpeg: " + s)
		}
	})
	return stop
}

// picture and tone are the publisher's inputs.
func source(rate, seconds int) []string {
	return []string{
		"-re", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=320x180:rate=%d", rate),
		"-re", "-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=44100",
		"-t", strconv.Itoa(seconds),
	}
}

type probed struct {
	Streams []struct {
		CodecName    string `json:"codec_name"`
		CodecType    string `json:"codec_type"`
		Width        int    `json:"width"`
		SampleRate   string `json:"sample_rate"`
		Channels     int    `json:"channels"`
		HasBFrames   int    `json:"has_b_frames"`
		AvgFrameRate string `json:"avg_frame_rate"`
	} `json:"streams"`
	Packets []struct {
		CodecType string `json:"codec_type"`
		PTS       string `json:"pts_time"`
		DTS       string `json:"dts_time"`
		Flags     string `json:"flags"`
		Size      string `json:"size"`
	} `json:"packets"`
}

// ffprobe reads n packets of an address with an outside program.
func ffprobe(t *testing.T, url string, seconds int) probed {
	t.Helper()
	outside.Need(t, "ffprobe")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_packets",
		"-read_intervals", "%+"+strconv.Itoa(seconds), "-i", url)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, errs.String())
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// waitFor waits for a condition that another goroutine brings about.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal("waited in vain for " + what)
		case <-tick.C:
		}
	}
}

func TestFFmpegPublishesAndPlays(t *testing.T) {
	t.Parallel()
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-b:v", "300k"}
	cases := []struct {
		name, video, audio string
		args               []string
	}{
		{"H.264 without B-frames and AAC", "h264", "aac", append(x264, "-bf", "0", "-c:a", "aac")},
		{"H.264 with B-frames and AAC", "h264", "aac", append(x264, "-bf", "2", "-c:a", "aac")},
		{"H.264 and MP3", "h264", "mp3", append(x264, "-c:a", "libmp3lame")},
		{"video only", "h264", "", append(x264, "-an")},
		{"audio only", "", "aac", []string{"-vn", "-c:a", "aac"}},
		{"times over 2^24 ms", "h264", "aac", append(x264, "-bf", "0", "-c:a", "aac", "-output_ts_offset", "20000")},
		{"G.711", "h264", "pcm_alaw", append(x264, "-c:a", "pcm_alaw", "-ar", "8000")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, Config{})
			args := append(source(25, 20), c.args...)
			ffmpeg(t, append(args, "-f", "flv", s.url("live/show?key=secret"))...)
			p := ffprobe(t, s.url("live/show"), 3)
			var video, audio string
			for _, st := range p.Streams {
				switch st.CodecType {
				case "video":
					video = st.CodecName
				case "audio":
					audio = st.CodecName
				default:
					t.Errorf("an extra stream of type %s", st.CodecType)
				}
			}
			if video != c.video || audio != c.audio {
				t.Fatalf("ffprobe reads %q and %q, want %q and %q", video, audio, c.video, c.audio)
			}
			checkPackets(t, p, c.video != "")
		})
	}
}

// checkPackets holds the packets to what a player needs: a key frame first, times that grow.
func checkPackets(t *testing.T, p probed, video bool) {
	t.Helper()
	last := map[string]float64{}
	count := map[string]int{}
	for _, k := range p.Packets {
		if count[k.CodecType] == 0 && k.CodecType == "video" && !strings.Contains(k.Flags, "K") {
			t.Error("the first picture is no key frame")
		}
		dts, err := strconv.ParseFloat(k.DTS, 64)
		if err != nil {
			t.Fatalf("dts %q", k.DTS)
		}
		if prev, ok := last[k.CodecType]; ok && (dts <= prev || dts > prev+0.2) {
			t.Errorf("%s goes from %.3f to %.3f", k.CodecType, prev, dts)
		}
		last[k.CodecType] = dts
		count[k.CodecType]++
	}
	if video && count["video"] < 60 {
		t.Errorf("%d pictures in 3 s", count["video"])
	}
	if !video && count["audio"] < 100 {
		t.Errorf("%d audio frames in 3 s", count["audio"])
	}
}
