package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// dress is how pages are looked at; Main leaves out the lesser pages.
type dress struct {
	Lang  string `json:"lang"`
	Dark  bool   `json:"dark"`
	Width int    `json:"width"`
	Main  bool   `json:"main"`
}

// shot is one picture and what was measured of its page.
type shot struct {
	Name, Dress, File, Lang string
	Mark                    *int64
	Scroll, Inner, Rules    int // Rules: how many of axe-core's rules found something to look at
	Wide                    []string
	Tofu                    bool
	Serious                 []struct {
		ID, Impact, Help string
		Nodes            []string
	}
}

// TestShow_2_10_Looks takes pictures of every page from the running binary: no sideways scroll, nothing serious for axe-core, Chinese
// drawn in a font that has it, and the counter in the picture where a picture plays.
func TestShow_2_10_Looks(t *testing.T) {
	need(t, "ffmpeg")
	dresses, want, scale := []dress{{"en", false, 1280, true}, {"zh-CN", true, 360, false}}, 8+21, 1
	if os.Getenv("WEIR_LONG") != "" {
		dresses, want, scale = nil, 8*21, 2 // as phones draw
		for _, lang := range []string{"en", "zh-CN"} {
			for _, dark := range []bool{false, true} {
				dresses = append(dresses, dress{lang, dark, 1280, false}, dress{lang, dark, 360, false})
			}
		}
	}
	shots, err := filepath.Abs("../results/looks")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, "--streams.grace", "30m", "--outgoing.allow", "127.0.0.0/8")
	needUI(t, w)
	s := newScene(t, "looks", map[string]any{"link": w.http(w.login), "base": w.http(""), "shots": shots, "dresses": dresses, "phone_scale": scale, "failure_shot": filepath.Join(shots, "failed.png")})
	n := s.look(t, "empty done")
	w.furnish()
	s.say("furnished")
	n += s.look(t, "all done")
	if n != want {
		t.Errorf("%d pictures, want %d", n, want)
	}
	t.Logf("%d pictures in %s", n, shots)
}

// look judges pictures until the given step, and counts them.
func (s *scene) look(t *testing.T, until string) int {
	t.Helper()
	for n := 0; ; n++ {
		var l struct {
			Step string
			shot
		}
		s.next(90*time.Second, &l)
		switch l.Step {
		case until:
			return n
		case "shot":
			l.judge(t)
		default:
			t.Fatalf("step %q", l.Step)
		}
	}
}

func (s shot) judge(t *testing.T) {
	t.Helper()
	what := s.Name + " " + s.Dress
	if s.Scroll > s.Inner {
		t.Errorf("%s scrolls sideways: %d in %d; %v", what, s.Scroll, s.Inner, s.Wide)
	}
	for _, v := range s.Serious {
		t.Errorf("%s: %s (%s): %s\n%s", what, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
	}
	if s.Rules < 8 {
		t.Errorf("%s: axe-core found next to nothing to look at: %d rules", what, s.Rules)
	}
	if s.Tofu {
		t.Errorf("%s: no font on this machine has 堰 and 推", what)
	}
	if !strings.HasPrefix(s.Dress, s.Lang+" ") {
		t.Errorf("%s is in %q", what, s.Lang)
	}
	if slices.Contains([]string{"stream", "timeline", "watch-live", "watch-past"}, s.Name) && s.Mark == nil {
		t.Errorf("%s: the counter is not in the picture", what)
	}
}

// furnish fills the server with what the pages are there to show: a good stream, one in trouble, one of sound alone, one whose publisher is away, keys,
// a refused attempt, a push that runs, a pull that waits, and recordings.
func (w *weir) furnish() {
	w.t.Helper()
	w.pattern("live/studio", w.key("live/studio")).kill()
	var made struct{ Secret string }
	w.api("POST", "/keys", map[string]any{"name": "studio", "pattern": "live/*", "actions": []string{"publish"}}, &made)
	w.pattern("live/show", made.Secret, "--bitrate", "1500000", "--size", "1280x720")
	spawn(w.t, "ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=12", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "120", "-b:v", "600k", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv", w.rtmp("live/lobby", w.key("live/lobby")))
	spawn(w.t, "ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-c:a", "aac", "-f", "flv", w.rtmp("live/sound", w.key("live/sound")))
	w.waitLive("live/lobby")
	far := start(w.t)
	w.api("POST", "/pushes", map[string]any{"stream": "live/show", "url": far.rtmp("relay/show", far.key("relay/*"))}, nil)
	w.api("POST", "/pulls", map[string]any{"stream": "live/far", "url": "rtmp://127.0.0.1:9/live/far"}, nil)
	far.waitLive("relay/show")
	w.api("POST", "/recordings", map[string]any{"stream": "live/show", "title": "Evening show 晚间直播", "pre_roll_s": 5}, nil)
	w.api("POST", "/recordings", map[string]any{"stream": "live/lobby"}, nil)
}
