package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/oggwriter"

	"weir/internal/testpattern"
)

// mostOffset is how far apart sound and picture may be.
const mostOffset = 40 * time.Millisecond

// TestShow_2_2_SoundAndPictureAgreeInDASH has FFmpeg read the MPD and decode flashes and beeps.
func TestShow_2_2_SoundAndPictureAgreeInDASH(t *testing.T) {
	need(t, "ffmpeg")
	w := start(t)
	w.pattern("live/show", w.key("live/*"), "--size", "320x180")
	renditions(t, w, "live/show") // there are segments
	offset, pairs, err := offsetOf(t, t.TempDir(), w.http("/live/show/index.mpd"), watchFor("8", "60"))
	t.Logf("DASH: sound late by %v over %d seconds", offset, pairs)
	if err != nil || pairs < 3 || offset.Abs() > mostOffset {
		t.Errorf("DASH: sound late by %v, %d pairs, %v", offset, pairs, err)
	}
}

func watchFor(short, long string) string {
	if os.Getenv("WEIR_LONG") != "" {
		return long
	}
	return short
}

// TestShow_2_2_SoundAndPictureAgreeOverWHEP lays what pion receives on the sender's clock by its RTCP sender reports.
func TestShow_2_2_SoundAndPictureAgreeOverWHEP(t *testing.T) {
	need(t, "ffmpeg")
	w := start(t)
	w.pattern("live/show", w.key("live/*"), "--size", "320x180")
	v, err := viewWHEP(t.Context(), t, w.http("/live/show/whep"), true)
	if err != nil {
		t.Fatal(err)
	}
	clocks := followReports(t, v.pc)
	length, err := time.ParseDuration(watchFor("8s", "60s"))
	if err != nil {
		t.Fatal(err)
	}
	v.awaitPackets(t, 10, 10)
	first := time.Now()
	clocks.await(t)
	t.Logf("both tracks have sender reports %v after the first packets", time.Since(first).Round(time.Millisecond))
	pause(t, length)
	flashes := clocks.wall(t, "video", flashTimes(t, v.kept("video")))
	beeps := clocks.wall(t, "audio", beepTimes(t, v.kept("audio")))
	s, err := testpattern.JudgeSync(flashes, beeps)
	t.Logf("WHEP: sound late by %v over %d seconds, at worst %v", s.Offset, s.Pairs, s.Worst)
	if err != nil || s.Pairs < 5 || s.Worst.Abs() > mostOffset {
		t.Errorf("WHEP: %+v, %v", s, err)
	}
}

// clockOf is where a sender report puts an RTP time, and at which rate the clock goes.
type clockOf struct {
	ntp  uint64
	rtp  uint32
	rate float64
}

type senderClocks struct {
	mu     sync.Mutex
	clocks map[string]clockOf
}

func followReports(t *testing.T, pc *webrtc.PeerConnection) *senderClocks {
	s := &senderClocks{clocks: map[string]clockOf{}}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = pc.GracefulClose(); wg.Wait() })
	for _, r := range pc.GetReceivers() {
		kind, rate := r.Track().Kind().String(), 90000.0
		if kind == "audio" {
			rate = 48000
		}
		wg.Go(func() {
			for {
				packets, _, err := r.ReadRTCP()
				if err != nil {
					return
				}
				for _, p := range packets {
					if sr, ok := p.(*rtcp.SenderReport); ok {
						s.mu.Lock()
						s.clocks[kind] = clockOf{sr.NTPTime, sr.RTPTime, rate}
						s.mu.Unlock()
					}
				}
			}
		})
	}
	return s
}

func (s *senderClocks) await(t *testing.T) {
	t.Helper()
	eventually(t, 5*time.Second, "sender reports of both tracks", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.clocks) < 2 {
			return fmt.Errorf("%d tracks", len(s.clocks))
		}
		return nil
	})
}

// wall puts RTP times on the sender's clock, as time since an arbitrary moment that is the same for all tracks.
func (s *senderClocks) wall(t *testing.T, kind string, stamps []uint32) (times []time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clocks[kind]
	if !ok {
		t.Fatalf("no sender report for %s", kind)
	}
	at := time.Duration(c.ntp>>32)*time.Second + time.Duration(float64(c.ntp&0xffffffff)/(1<<32)*1e9)
	for _, stamp := range stamps {
		times = append(times, at+time.Duration(float64(int32(stamp-c.rtp))/c.rate*1e9))
	}
	return times
}

// flashTimes decodes the H.264 of the packets and returns the RTP times of the pictures with which the lamp goes on.
func flashTimes(t *testing.T, packets []*rtp.Packet) (stamps []uint32) {
	t.Helper()
	var h264 bytes.Buffer
	var depacketizer codecs.H264Packet
	var shown []uint32
	for _, p := range packets {
		b, err := depacketizer.Unmarshal(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		h264.Write(b)
		if len(b) > 0 && (len(shown) == 0 || shown[len(shown)-1] != p.Timestamp) {
			shown = append(shown, p.Timestamp)
		}
	}
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-loglevel", "error", "-flags", "low_delay", "-f", "h264", "-i", "pipe:0",
		"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1")
	cmd.Stdin = &h264
	luma, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(luma) / (320 * 180); n != len(shown) && n != len(shown)-1 { // the last may be cut off
		t.Fatalf("%d pictures of %d access units", n, len(shown))
	}
	lit, err := testpattern.Flashes(bytes.NewReader(luma), 320, 180, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range lit { // at one picture a second the time is the picture's index
		stamps = append(stamps, shown[int(at/time.Second)])
	}
	return stamps
}

// beepTimes decodes the Opus of the packets and returns the RTP times of the samples with which beeps begin.
func beepTimes(t *testing.T, packets []*rtp.Packet) (stamps []uint32) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sound.ogg")
	w, err := oggwriter.New(file, 48000, 2)
	if err != nil {
		t.Fatal(err)
	}
	packets = slices.DeleteFunc(packets, func(p *rtp.Packet) bool { return len(p.Payload) == 0 })
	for i, p := range packets {
		if i > 0 && p.Timestamp-packets[i-1].Timestamp != 960 {
			t.Fatalf("a step of %d in the sound", p.Timestamp-packets[i-1].Timestamp)
		}
		if err := w.WriteRTP(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// Without skip_manual FFmpeg drops the first samples, as the file's header says; a WebRTC receiver drops none.
	pcm, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-loglevel", "error", "-flags2", "+skip_manual", "-i", file,
		"-ac", "2", "-f", "s16le", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(pcm) / 4; n != 960*len(packets) {
		t.Fatalf("%d samples of %d packets", n, len(packets))
	}
	beeps, err := testpattern.Beeps(bytes.NewReader(pcm), 48000, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range beeps {
		stamps = append(stamps, packets[0].Timestamp+uint32(at.Seconds()*48000+0.5))
	}
	return stamps
}

// heard is what avsync.mjs saw and heard: seconds since the first picture, and ms that the sound is late.
type heard struct {
	Engine   string       `json:"engine"`
	Errors   []string     `json:"errors"`
	Pictures int          `json:"pictures"`
	Pairs    [][2]float64 `json:"pairs"` // by the page
	Own      [][2]float64 `json:"own"`   // by Chromium's own reckoning
}

func hear(t *testing.T, engine, address string, seconds int) heard {
	t.Helper()
	var h heard
	askJudge(t, "judge/avsync.mjs", map[string]any{"engine": engine, "url": address, "seconds": seconds, "low": true}, &h)
	return h
}

// settled is the median of what was seen two seconds after the first picture and later.
func settled(list [][2]float64) (middle time.Duration, n int) {
	var late []float64
	for _, p := range list {
		if p[0] >= 2 {
			late = append(late, p[1])
		}
	}
	if len(late) == 0 {
		return 0, 0
	}
	slices.Sort(late)
	return time.Duration(late[len(late)/2]) * time.Millisecond, len(late)
}

// TestShow_2_2_SoundAndPictureAgreeInChromium: two seconds after the first picture at the latest, sound and picture are together.
func TestShow_2_2_SoundAndPictureAgreeInChromium(t *testing.T) {
	need(t, "node", "chromium", "ffmpeg")
	// Sound reaches the page in blocks, over Web Audio: what it hears is later than what Chromium plays by this much.
	const webAudio = 40 * time.Millisecond
	w := start(t)
	w.pattern("live/show", w.key("live/*"))
	renditions(t, w, "live/show") // there are segments
	seconds := 10
	if os.Getenv("WEIR_LONG") != "" {
		seconds = 60
	}
	for _, c := range []struct{ engine, path string }{
		{"whep", "/live/show/whep"}, {"shaka", "/live/show/index.mpd"}, {"hls.js", "/live/show/index.m3u8"},
	} {
		// On a busy machine FFmpeg may get no time to convert sound for a moment. A browser then keeps more sound, and takes
		// a while to hold the picture as long.
		const attempts = 3
		for i := 1; ; i++ {
			h := hear(t, c.engine, w.http(c.path), seconds)
			page, n := settled(h.Pairs)
			own, m := settled(h.Own)
			t.Logf("%s: sound late by %v in the page, by %v in Chromium's reckoning; %v", c.engine, page, own, h.Pairs)
			if len(h.Errors) > 0 || n < 5 || c.engine == "whep" && m < 10 {
				t.Errorf("%s: %+v", c.engine, h)
			}
			if page >= -mostOffset && page <= mostOffset+webAudio && own.Abs() <= mostOffset {
				break
			}
			if i == attempts {
				t.Errorf("%s: sound late by %v in the page, by %v in Chromium's reckoning", c.engine, page, own)
				break
			}
		}
	}
}
