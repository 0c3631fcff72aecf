package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/internal/faketime"
	"weir/internal/hub"
	"weir/internal/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// arrival maps a frame's place on the clip's clock to when it comes; nil: on time.
type arrival func(at time.Duration, bytes int) time.Duration

// scene is one stream under the monitor.
type scene struct {
	name  string
	make  func(t *testing.T) *clip
	come  func() arrival
	rtc   int  // WHEP viewers
	look  bool // pictures are looked at
	want  string
	also  []string // codes that may come with it
	grade string
}

func of(r recipe) func(*testing.T) *clip { return r.make }

const tone = "sine=frequency=300:sample_rate=48000"

// play publishes a clip into a hub on fake time, in the tempo of its arrivals, and returns what the monitor
// said at each second.
func play(t *testing.T, s scene) (said map[string][]time.Duration, last Report) {
	t.Helper()
	c := s.make(t)
	cfg := Config{WebRTCViewers: func(string) int { return s.rtc }}
	if s.look {
		cfg.Look = measure(t)
	}
	said = map[string][]time.Duration{}
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Config{}, quiet)
		p, err := h.Publish(hub.Offer{Name: "live/x", Tracks: c.tracks})
		if err != nil {
			t.Fatal(err)
		}
		m := New(cfg, h, quiet)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx, p.Stream()) }()
		begun, asked := time.Now(), time.Duration(0)
		come := arrival(func(at time.Duration, _ int) time.Duration { return at })
		if s.come != nil {
			come = s.come()
		}
		origin := c.at(&c.frames[0])
		for i := range c.frames {
			f := c.frames[i]
			due := come(time.Duration(c.at(&f)-origin), len(f.Data))
			for ; asked+time.Second <= due; asked += time.Second {
				faketime.Pass(time.Until(begun.Add(asked + time.Second)))
				r, _ := m.Report("live/x")
				for _, f := range r.Findings {
					said[f.Code] = append(said[f.Code], asked+time.Second)
				}
				last = r
			}
			faketime.Pass(time.Until(begun.Add(due)))
			if err := p.Write(f); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error("Run:", err)
		}
		h.Close()
	})
	return said, last
}

// lateBy lets what arrives fall behind by a part of the time.
func lateBy(part float64) func() arrival {
	return func() arrival {
		return func(at time.Duration, _ int) time.Duration { return at + time.Duration(part*float64(at)) }
	}
}

// link is a line of so many bit/s with a queue before it.
func link(bps float64) func() arrival {
	return func() arrival {
		var free time.Duration
		return func(at time.Duration, bytes int) time.Duration {
			free = max(free, at) + time.Duration(float64(8*bytes)/bps*float64(time.Second))
			return free
		}
	}
}

// wifi delivers in bursts: for 200 ms of each second nothing comes.
func wifi() arrival {
	return func(at time.Duration, _ int) time.Duration {
		if into := at % time.Second; into < 200*time.Millisecond {
			return at - into + 200*time.Millisecond
		}
		return at
	}
}

// cached delivers the first three seconds at once, as servers do that begin with the last group.
func cached() arrival {
	return func(at time.Duration, _ int) time.Duration { return max(at-3*time.Second, 0) }
}

const swinging = "testsrc2=s=640x360:r=30,noise=alls=60:allf=t:enable='lt(mod(t,8),4)'"

func gop(seconds int) string {
	return fmt.Sprintf("%s-b:v 600k -g %d -keyint_min %d -sc_threshold 0", x264, 30*seconds, 30*seconds)
}

func badScenes() []scene {
	return []scene{
		{name: "key frames every 8 s", make: of(recipe{video: moving, audio: tone, seconds: "26", vcodec: gop(8)}), want: "key_frames_far_apart"},
		{name: "key frames every 10 s", make: of(recipe{video: moving, audio: tone, seconds: "22", vcodec: gop(10)}), want: "key_frames_far_apart", grade: BadGrade},
		{name: "12 fps", make: of(recipe{video: moving, audio: tone, fps: "12", vcodec: x264 + "-b:v 600k -g 24 -sc_threshold 0"}), want: "frame_rate_low"},
		{name: "bitrate swinging tenfold", make: of(recipe{video: swinging, audio: tone, seconds: "26", vcodec: x264 + "-crf 30 -g 60 -sc_threshold 0"}), want: "bitrate_unsteady"},
		{name: "B-frames with WHEP viewers", make: of(recipe{video: moving, audio: tone, vcodec: x264 + "-b:v 600k -bf 2 -g 60 -sc_threshold 0"}), rtc: 1, want: "b_frames_for_webrtc"},
		{name: "no audio", make: of(recipe{video: moving}), want: "audio_missing"},
		{name: "silent AAC", make: of(recipe{video: moving, audio: "anullsrc=r=48000:cl=stereo"}), want: "audio_silent"},
		{name: "silent Opus", make: of(recipe{video: moving, audio: "anullsrc=r=48000:cl=stereo", acodec: "-c:a libopus -b:a 96k"}), want: "audio_silent"},
		{name: "silent Opus of constant rate", make: of(recipe{video: moving, audio: "anullsrc=r=48000:cl=mono", acodec: "-c:a libopus -vbr off -b:a 64k"}), want: "audio_silent"},
		{name: "silent MP3", make: of(recipe{video: moving, audio: "anullsrc=r=48000:cl=stereo", acodec: "-c:a libmp3lame -b:a 128k"}), want: "audio_silent"},
		{name: "black picture", make: of(recipe{video: "color=black:s=320x180:r=%FPS%", audio: tone}), look: true, want: "picture_black"},
		{name: "audio drifts, its frames come with the video", make: func(t *testing.T) *clip {
			c := recipe{video: moving, audio: tone, seconds: "24"}.make(t)
			return c.shift(media.Audio, func(s float64) float64 { return s * 0.01 })
		}, want: "av_drift"},
		{name: "audio stamped at the wrong pace, interleaved by its stamps", make: func(t *testing.T) *clip {
			c := recipe{video: moving, audio: tone, seconds: "24"}.make(t).shift(media.Audio, func(s float64) float64 { return -s * 0.01 })
			slices.SortStableFunc(c.frames, func(a, b media.Frame) int { return int(c.at(&a) - c.at(&b)) })
			return c
		}, want: "av_drift"},
		{name: "timestamps go back 20 s", make: func(t *testing.T) *clip {
			return recipe{video: moving, audio: tone}.make(t).wind(7, -20)
		}, want: "timestamps_backwards"},
		{name: "timestamps go back a little, again and again", make: func(t *testing.T) *clip {
			c := recipe{video: moving, audio: tone}.make(t)
			return c.shift(media.Video, func(s float64) float64 { return -0.1 * float64(int(10*s)%10/9) })
		}, want: "timestamps_backwards"},
		{name: "uplink 10 % too slow", make: of(recipe{video: moving, audio: tone, seconds: "20"}), come: lateBy(0.1), want: "uplink_too_slow"},
		{name: "a line of 500 kbit/s for 700", make: of(recipe{video: moving, audio: tone, seconds: "20"}), come: link(500e3), want: "uplink_too_slow"},
		{name: "HEVC", make: of(recipe{video: moving, audio: tone, vcodec: "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -b:v 600k -g 60 -x265-params log-level=none:scenecut=0"}), want: "codec_not_everywhere"},
		{name: "44.1 kHz", make: of(recipe{video: moving, audio: "sine=frequency=300:sample_rate=44100"}), want: "sample_rate_unusual", grade: Good},
		{name: "variable GOP", make: of(recipe{video: moving, audio: tone, seconds: "20", vcodec: x264 + "-b:v 600k -g 999 -sc_threshold 0 -force_key_frames 0,1,4,5.5,9,9.7,13,14,17,18"}), want: "key_frames_irregular"},
		{name: "IDR without SPS", make: func(t *testing.T) *clip {
			c := recipe{video: moving, audio: tone}.make(t)
			c.first(media.Video).Config = nil
			return c
		}, want: "idr_without_sps", grade: BadGrade},
	}
}

// wind moves all timestamps from a point on by so many seconds, arrival goes on.
func (c *clip) wind(from, by float64) *clip {
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		c.shift(kind, func(s float64) float64 {
			if s < from {
				return 0
			}
			return by
		})
	}
	return c
}

func TestBadInputIsFound(t *testing.T) {
	for _, s := range badScenes() {
		t.Run(s.name, func(t *testing.T) {
			if strings.HasPrefix(s.name, "timestamps") {
				s.come = steady(s.make(t))
			}
			said, last := play(t, s)
			if len(said[s.want]) == 0 {
				t.Fatalf("not found; said %v, report %+v", said, last)
			}
			for code, at := range said {
				if code != s.want && !slices.Contains(s.also, code) {
					t.Errorf("%s too, at %v", code, at)
				}
			}
			grade := s.grade
			if grade == "" {
				grade = last.Grade
				if grade == Good || grade == None {
					t.Errorf("grade %s", grade)
				}
			}
			i := slices.IndexFunc(last.Findings, func(f Finding) bool { return f.Code == s.want })
			if i < 0 {
				t.Fatalf("gone again at the end; said at %v", said[s.want])
			}
			f := last.Findings[i]
			if last.Grade != grade || f.Message == "" || f.Remedy == "" {
				t.Errorf("grade %s, %+v", last.Grade, f)
			}
			gaps := 0
			for i := 1; i < len(said[s.want]); i++ {
				if said[s.want][i]-said[s.want][i-1] > time.Second {
					gaps++
				}
			}
			if gaps > 0 {
				t.Errorf("it flickers: %v", said[s.want])
			}
			t.Logf("after %v: %s %s: %s %s", said[s.want][0], f.Severity, f.Code, f.Message, f.Remedy)
		})
	}
}

// steady lets frames come evenly whatever their timestamps say: in their order, at the pace of the clip.
func steady(c *clip) func() arrival {
	return func() arrival {
		n := 0
		step := 14 * time.Second / time.Duration(len(c.frames))
		return func(time.Duration, int) time.Duration { n++; return time.Duration(n) * step }
	}
}

func goodScenes() []scene {
	cbr := func(fps, g string) string {
		return x264 + "-b:v 600k -minrate 600k -maxrate 600k -bufsize 600k -sc_threshold 0 -g " + g
	}
	return []scene{
		{name: "25 fps, GOP 2 s, CBR", make: of(recipe{video: moving, audio: tone, fps: "25", seconds: "20", vcodec: cbr("25", "50")})},
		{name: "24 fps, GOP 1 s, B-frames, nobody on WebRTC", make: of(recipe{video: moving, audio: tone, fps: "24", vcodec: x264 + "-b:v 600k -bf 3 -g 24 -sc_threshold 0"})},
		{name: "30 fps, GOP 4 s, VBR", make: of(recipe{video: moving, audio: tone, seconds: "26", vcodec: x264 + "-crf 25 -g 120 -sc_threshold 0"})},
		{name: "60 fps, GOP 2 s, B-frames", make: of(recipe{video: moving, audio: tone, fps: "60", vcodec: x264 + "-b:v 900k -bf 2 -g 120 -sc_threshold 0"})},
		{name: "15 fps", make: of(recipe{video: moving, audio: tone, fps: "15", vcodec: x264 + "-b:v 600k -g 30 -sc_threshold 0"})},
		{name: "no B-frames with WHEP viewers", make: of(recipe{video: moving, audio: tone}), rtc: 3},
		{name: "Opus beside H.264", make: of(recipe{video: moving, audio: tone, acodec: "-c:a libopus -b:a 96k"})},
		{name: "still scenes in VBR", make: of(recipe{video: "smptebars=s=640x360:r=%FPS%", audio: tone, seconds: "26", vcodec: x264 + "-crf 23 -g 60"}), look: true},
		{name: "slides that change every 7 s", make: of(recipe{
			video: "testsrc2=s=640x360:r=30,select='not(mod(n,210))',fps=30", audio: tone, seconds: "35", vcodec: x264 + "-crf 23 -g 60",
		})},
		{name: "one still scene, then one of much movement", make: of(recipe{
			video: "testsrc2=s=640x360:r=30,noise=alls=60:allf=t:enable='gt(t,14)'", audio: tone, seconds: "30", vcodec: x264 + "-crf 30 -g 60 -sc_threshold 0",
		})},
		{name: "key frames at cuts too", make: of(recipe{
			video: moving, audio: tone, seconds: "20", vcodec: x264 + "-b:v 600k -g 60 -force_key_frames 0.7,2.7,4.7,5.2,7.2,9.2,9.5,11.5,13,15,16",
		})},
		{name: "a line that jitters", make: of(recipe{video: moving, audio: tone, seconds: "20"}), come: func() arrival { return wifi() }},
		{name: "three seconds at once, then in time", make: of(recipe{video: moving, audio: tone, seconds: "20"}), come: func() arrival { return cached() }},
		{name: "a music that is quiet now and then", make: of(recipe{video: moving, audio: "aevalsrc='0.2*sin(2000*t)*lt(mod(t,4),1)':s=48000", seconds: "20"})},
		{name: "radio", make: of(recipe{audio: tone})},
		{name: "a dark picture", make: of(recipe{video: "color=0x202020:s=320x180:r=%FPS%", audio: tone}), look: true},
	}
}

func TestGoodInputHasNoFindings(t *testing.T) {
	for _, s := range goodScenes() {
		t.Run(s.name, func(t *testing.T) {
			said, last := play(t, s)
			if len(said) > 0 || last.Grade != Good {
				t.Errorf("%s: said %v", last.Grade, slices.Collect(maps.Keys(said)))
				for _, f := range last.Findings {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
