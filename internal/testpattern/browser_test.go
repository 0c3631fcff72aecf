package testpattern

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"weir/internal/outside"
)

// page plays the file muted and sends the marks that reader.js found in the pictures it presented.
const page = `<!doctype html><canvas></canvas><video muted src="v.mp4"></video><script type="module">
import { readMark } from "./reader.js";
const alone = new Function("return " + readMark.toString())(); // as page.evaluate would take it along
const video = document.querySelector("video"), canvas = document.querySelector("canvas"), marks = [];
const report = () => fetch("report", { method: "POST", body: JSON.stringify(marks) });
const look = () => { marks.push(alone(video, canvas)); video.requestVideoFrameCallback(look); };
video.requestVideoFrameCallback(look);
video.onended = report;
video.onerror = report;
video.play();
</script>`

func TestBrowserReadsTheMark(t *testing.T) {
	chromium := outside.Need(t, "chromium")
	video, _ := streams(t, newSource(t, Options{Width: 640, Height: 360}), 3*time.Second)
	file := t.TempDir() + "/v.mp4"
	ffmpeg(t, video, "-f", "h264", "-r", "30", "-i", "-", "-c", "copy", "-movflags", "+faststart", file)
	reports := make(chan []byte, 2) // one for the end, one for an error
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	mux.HandleFunc("GET /v.mp4", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("GET /reader.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "reader.js") })
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		reports <- body
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	cmd := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
		"--autoplay-policy=no-user-gesture-required", "--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", server.URL)
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	select {
	case body := <-reports:
		checkMarks(t, body)
	case <-time.After(60 * time.Second):
		t.Fatalf("the browser reported nothing in a minute: %s", log.String())
	}
}

// checkMarks holds the marks that the browser read against what the source wrote.
func checkMarks(t *testing.T, body []byte) {
	t.Helper()
	var marks []*struct {
		Counter uint32 `json:"counter"`
		SentMS  int64  `json:"sentMs"`
	}
	if err := json.Unmarshal(body, &marks); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for i, m := range marks {
		if m == nil {
			t.Fatalf("picture %d of %d has no mark", i, len(marks))
		}
		// Frame n was sent when it was due, n/30 s after the epoch.
		if want := epoch.Add(time.Duration(m.Counter) * time.Second / 30).UnixMilli(); m.Counter >= 90 || m.SentMS < want-1 || m.SentMS > want+1 {
			t.Errorf("picture %d: %+v, want it sent at %d", i, *m, want)
		}
	}
	if len(marks) < 30 { // a busy machine presents fewer than the 90 that there are
		t.Errorf("%d pictures presented", len(marks))
	}
	t.Logf("%d of 90 pictures presented and read", len(marks))
}
