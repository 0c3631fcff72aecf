package file

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"weir/internal/testpattern"
)

// page plays the clip to its end, goes back into its middle, and tells which counters it presented.
const page = `<!doctype html><canvas></canvas><video muted></video><script type="module">
import { readMark } from "./reader.js";
const video = document.querySelector("video"), canvas = document.querySelector("canvas"), played = [];
const report = (more) => fetch("report", { method: "POST", body: JSON.stringify({ duration: video.duration, played, ...more }) });
let wanted = played.push.bind(played);
const look = (_, at) => { wanted(readMark(video, canvas)?.counter ?? -1, at.mediaTime); video.requestVideoFrameCallback(look); };
wanted = (counter) => played.push(counter);
video.requestVideoFrameCallback(look);
video.onerror = () => report({ error: video.error.message });
video.onended = () => {
  video.onended = null;
  wanted = (counter, at) => report({ sought: counter, at });
  video.currentTime = 2.01;
};
video.src = "clip.mp4" + location.search;
video.play();
</script>`

type seen struct {
	Duration float64
	Played   []int
	Sought   *int
	At       float64
	Error    string
}

// browse lets Chromium play a clip.
func (s *stage) browse(query string) seen {
	s.t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		s.t.Skip("chromium is not installed")
	}
	reports := make(chan seen, 8)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	mux.HandleFunc("GET /reader.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "../../testpattern/reader.js")
	})
	mux.HandleFunc("GET /clip.mp4", func(w http.ResponseWriter, r *http.Request) { s.srv.ServeClip(w, r, stream, time.Now()) })
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var x seen
		if err := json.NewDecoder(r.Body).Decode(&x); err != nil {
			s.t.Error(err)
		}
		reports <- x
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	cmd := exec.CommandContext(s.t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
		"--autoplay-policy=no-user-gesture-required", "--user-data-dir="+s.profile(), "--remote-debugging-port=0", server.URL+"/"+query)
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	select {
	case x := <-reports:
		return x
	case <-time.After(time.Minute):
		s.t.Fatal("the browser reported nothing in a minute")
	}
	return seen{}
}

// profile is a folder for a browser, whose children go on writing for a moment when it has been killed.
func (s *stage) profile() string {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "weir-browser-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		for range 100 {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
			<-time.After(50 * time.Millisecond)
		}
		s.t.Error(err)
	})
	return dir
}

// A browser plays a clip over a joint, from its first picture to its last, and seeks in it.
func TestBrowserPlaysAClip(t *testing.T) {
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{Audio: true})
	s.pattern(src, 0, 8*time.Second, nil)
	s.pattern(src, 20*time.Second, 6*time.Second, nil)
	for cut, c := range map[string]struct{ first, last, length float64 }{"": {165, 269, 3.5}, "&cut=key": {120, 269, 5}} {
		url := s.url(5500*time.Millisecond, 21*time.Second, cut)
		got := s.browse(url[len(s.http.URL+"/clip.mp4"):])
		if got.Error != "" || got.Sought == nil {
			t.Fatalf("%+v", got)
		}
		if math.Abs(got.Duration-c.length) > 0.03 {
			t.Errorf("cut %q: it lasts %v s", cut, got.Duration)
		}
		lowest, highest := math.Inf(1), 0.0
		for _, n := range got.Played {
			if n >= 0 {
				lowest, highest = min(lowest, float64(n)), max(highest, float64(n))
			}
		}
		// A busy machine does not present every picture, and the first one may be missed.
		if lowest < c.first || lowest > c.first+30 || highest > c.last || highest < c.last-10 {
			t.Errorf("cut %q: counters %v to %v", cut, lowest, highest)
		}
		if want := c.first + 2.01*30; math.Abs(float64(*got.Sought)-want) > 1 || math.Abs(got.At-2) > 0.02 {
			t.Errorf("cut %q: at 2.01 s it shows %d of %v", cut, *got.Sought, got.At)
		}
	}
}
