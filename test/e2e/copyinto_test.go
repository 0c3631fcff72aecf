package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// colour is a state of the strip on the Copy-into-OBS page, and when it came.
type colour struct {
	State, Text string
	At          int64 `json:"at_ms"`
}

// copied is what the page's buttons put on the clipboard, and what stands beside them.
type copied struct {
	Server, Key struct{ Text, Shown string }
	Revealed    string
	Secure      bool
}

// TestShow_2_4_CopyIntoPublisher is line 2.4 with ffmpeg in OBS's place: what is copied publishes, and the page says how it stands.
func TestShow_2_4_CopyIntoPublisher(t *testing.T) {
	need(t, "ffmpeg")
	quiet := 6 * time.Second
	if os.Getenv("WEIR_LONG") != "" {
		quiet = 30 * time.Second
	}
	copyInto(t, quiet, "Lavf", func(t *testing.T, server, key string) *process {
		return spawn(t, "ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30",
			"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "800k", "-g", "60",
			"-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv", server+"/"+key)
	})
}

// TestShow_2_4_OBS is line 2.4 as it stands: OBS under Xvfb with the copied server and key in its profile.
func TestShow_2_4_OBS(t *testing.T) {
	for _, p := range []string{"obs", "xvfb-run"} {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("WEIR_PEERS") != "" {
				t.Fatalf("%s is not installed: make test-peers installs it", p)
			}
			t.Skipf("%s is not installed; make test-peers installs it", p)
		}
	}
	if os.Getenv("WEIR_PEERS") == "" && os.Getenv("WEIR_LONG") == "" {
		t.Skip("OBS is started by make test-peers and make show L=2.4")
	}
	copyInto(t, 30*time.Second, "obs", startOBS)
}

// copyInto copies server and key from the page, waits a while without an encoder, starts one, stops it, tries a wrong key, and holds
// the colours of the page against what the API saw.
func copyInto(t *testing.T, quiet time.Duration, software string, encoder func(t *testing.T, server, key string) *process) {
	t.Helper()
	const name = "live/show"
	w := start(t)
	needUI(t, w)
	// The page offers the machine's own addresses; the copied server must reach this one.
	s := newScene(t, "obs", map[string]any{"link": w.http(w.login), "lang": "en", "name": name})
	var c copied
	s.await("copied", 60*time.Second, &c)
	c.check(t, w)
	idle := time.NewTimer(quiet)
	<-idle.C
	s.expect("look", "grey")

	server := fmt.Sprintf("rtmp://127.0.0.1:%d/live", w.ports["rtmp"])
	p := encoder(t, server, c.Key.Text)
	first := w.firstFrame(name)
	green := s.expect("until green 5000", "green")
	if late := green.At - first.UnixMilli(); late > 1000 {
		t.Errorf("green %d ms after the first frame", late)
	} else {
		t.Logf("grey for %v, green %d ms after the first frame: %q", quiet, late, green.Text)
	}
	var live struct {
		Publisher struct{ Software, Remote string }
	}
	w.api("GET", "/streams/"+url.PathEscape(name), nil, &live)
	if !strings.Contains(live.Publisher.Software, software) {
		t.Errorf("published by %q, want %s", live.Publisher.Software, software)
	}
	if !strings.Contains(green.Text, "H.264") || !strings.Contains(green.Text, "640×360") {
		t.Errorf("the green strip says %q", green.Text)
	}
	p.kill()
	stopped := time.Now()
	grey := s.expect("until grey 5000", "grey")
	if late := grey.At - stopped.UnixMilli(); late > 3000 {
		t.Errorf("grey %d ms after the end", late)
	} else {
		t.Logf("grey again %d ms after the end: %q", late, grey.Text)
	}
	s.refused(w, server, name)
	s.say("end")
}

// check holds what was copied against what the encoder's two fields want, and the page's secrecy against the key.
func (c copied) check(t *testing.T, w *weir) {
	t.Helper()
	u, err := url.Parse(c.Server.Text)
	if err != nil || u.Scheme != "rtmp" || u.Path != "/live" || u.Port() != fmt.Sprint(w.ports["rtmp"]) || c.Server.Shown != c.Server.Text {
		t.Errorf("server: %+v", c.Server)
	}
	if !strings.HasPrefix(c.Key.Text, "show?key=wk_") || strings.Contains(c.Key.Text, "•") {
		t.Errorf("the copied stream key is %q", c.Key.Text)
	}
	if !strings.Contains(c.Key.Shown, "•") || c.Revealed != c.Key.Text {
		t.Errorf("the stream key is shown as %q, revealed as %q", c.Key.Shown, c.Revealed)
	}
}

// firstFrame returns when the API first counted frames of the stream; it is asked every 20 ms.
func (w *weir) firstFrame(name string) time.Time {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); <-tick.C {
		var s struct {
			Counters struct {
				Frames int64 `json:"frames_in"`
			}
		}
		if w.tryAPI("GET", "/streams/"+url.PathEscape(name), nil, &s) == nil && s.Counters.Frames > 0 {
			return time.Now()
		}
	}
	w.t.Fatal("no frame came in 40 s")
	return time.Time{}
}

// expect asks the page for its strip and returns the newest colour, which must be this one.
func (s *scene) expect(ask, state string) colour {
	s.t.Helper()
	s.say(ask)
	var strip struct{ Seen []colour }
	s.await("strip", 20*time.Second, &strip)
	last := strip.Seen[len(strip.Seen)-1]
	if last.State != state {
		s.t.Errorf("the strip is %s, want %s: %+v", last.State, state, strip.Seen)
	}
	if ask == "look" && len(strip.Seen) != 1 {
		s.t.Errorf("the strip changed while nothing came: %+v", strip.Seen)
	}
	return last
}

// refused tries a wrong key and wants the page to name the attempt and its cause.
func (s *scene) refused(w *weir, server, name string) {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30",
		"-t", "5", "-c:v", "libx264", "-preset", "ultrafast", "-f", "flv", server+"/show?key=wk_wrong").CombinedOutput()
	if err == nil {
		s.t.Errorf("a wrong key was let in: %s", out)
	}
	red := s.expect("until red 5000", "red")
	if !strings.Contains(red.Text, "127.0.0.1") || !strings.Contains(red.Text, "key") {
		s.t.Errorf("the red strip says %q", red.Text)
	}
	var attempts struct {
		Items []struct{ Code, Remote string }
	}
	w.api("GET", "/streams/"+url.PathEscape(name)+"/attempts", nil, &attempts)
	if len(attempts.Items) == 0 || attempts.Items[0].Code != "key_wrong" {
		s.t.Errorf("attempts by the API: %+v", attempts.Items)
	}
	s.t.Logf("refused: %q", red.Text)
}

// startOBS writes a profile with server and key as a person types them into Settings → Stream, and starts OBS on a screen of its own.
func startOBS(t *testing.T, server, key string) *process {
	t.Helper()
	home := t.TempDir()
	conf := filepath.Join(home, "config", "obs-studio")
	files := map[string]string{
		"global.ini": "[General]\nFirstRun=true\nLastVersion=486539266\nLicenseAccepted=true\nEnableAutoUpdates=false\n" +
			"[Basic]\nProfile=T\nProfileDir=T\nSceneCollection=T\nSceneCollectionFile=T\n",
		"basic/profiles/T/basic.ini": "[General]\nName=T\n[Output]\nMode=Simple\n[SimpleOutput]\nVBitrate=800\nStreamEncoder=x264\nPreset=ultrafast\n" +
			"[Video]\nBaseCX=640\nBaseCY=360\nOutputCX=640\nOutputCY=360\nFPSType=0\nFPSCommon=30\n[Audio]\nSampleRate=48000\nChannelSetup=Stereo\n",
		"basic/profiles/T/service.json": fmt.Sprintf(`{"type":"rtmp_custom","settings":{"server":%q,"key":%q,"use_auth":false}}`, server, key),
		"basic/scenes/T.json": `{"name":"T","current_scene":"S","current_program_scene":"S","scene_order":[{"name":"S"}],"sources":[` +
			`{"id":"color_source","versioned_id":"color_source_v3","name":"C","settings":{"color":4288230400,"width":640,"height":360}},` +
			`{"id":"scene","name":"S","settings":{"items":[{"name":"C","id":1,"visible":true,"pos":{"x":0,"y":0},"scale":{"x":1,"y":1}}]}}]}`,
	}
	for name, text := range files {
		file := filepath.Join(conf, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return spawn(t, "env", "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_RUNTIME_DIR="+home, "LIBGL_ALWAYS_SOFTWARE=1", "QT_QPA_PLATFORM=xcb",
		"timeout", "180", "xvfb-run", "-a", "-s", "-screen 0 1280x720x24", "obs", "--multi", "--startstreaming", "--minimize-to-tray", "--profile", "T", "--collection", "T")
}
