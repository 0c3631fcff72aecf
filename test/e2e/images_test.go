package e2e

import (
	"os"
	"testing"
	"time"
)

// TestImagesOfTheREADMEs takes the pictures of the READMEs into the folder WEIR_IMAGES; `make screenshots` calls it.
func TestImagesOfTheREADMEs(t *testing.T) {
	dir := os.Getenv("WEIR_IMAGES")
	if dir == "" {
		t.Skip("make screenshots takes them")
	}
	need(t, "ffmpeg")
	w, far := start(t, "--outgoing.allow", "127.0.0.0/8"), start(t)
	needUI(t, w)
	var made struct{ Secret string }
	w.api("POST", "/keys", map[string]any{"name": "studio", "pattern": "live/*", "actions": []string{"publish"}}, &made)
	w.pattern("live/show", made.Secret, "--bitrate", "2500000", "--size", "1280x720")
	w.api("POST", "/pushes", map[string]any{"stream": "live/show", "url": far.rtmp("live/show", far.key("live/*"))}, nil)
	for _, address := range []string{"/live/show/stream.flv", "/live/show/stream.flv", "/live/show/index.m3u8"} {
		spawn(t, "ffmpeg", "-loglevel", "error", "-i", w.http(address), "-c", "copy", "-f", "null", "-")
	}
	graphs := time.NewTimer(50 * time.Second) // so long the graphs must run to look like graphs
	<-graphs.C
	images := []map[string]any{{"file": "console-en.png", "lang": "en", "dark": false}, {"file": "console-zh.png", "lang": "zh-CN", "dark": true}}
	s := newScene(t, "images", map[string]any{"link": w.http(w.login), "base": w.http(""), "name": "live/show", "dir": dir, "images": images})
	for range images {
		var i struct {
			File        string
			Mark, Bytes int64
		}
		s.await("image", 60*time.Second, &i)
		t.Logf("%s: %d bytes, counter %d", i.File, i.Bytes, i.Mark)
		if i.Bytes > 200_000 {
			t.Errorf("%s has %d bytes, at most 200 kB", i.File, i.Bytes)
		}
	}
}
