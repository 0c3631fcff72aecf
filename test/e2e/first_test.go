package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPublishAndRead is the shortest way through the house: the pattern goes in over RTMP, ffmpeg reads it from
// every output that it knows.
func TestPublishAndRead(t *testing.T) {
	need(t, "ffmpeg")
	w := start(t)
	w.pattern("live/show", w.key("live/show"))
	for _, address := range []string{
		w.rtmp("live/show", ""), w.http("/live/show/stream.flv"), w.http("/live/show.flv"), w.http("/live/show/stream.ts"),
		w.http("/live/show/stream.mp4"), w.http("/live/show/index.m3u8"), w.http("/live/show.m3u8"), w.http("/live/show/index.mpd"),
	} {
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-loglevel", "error", "-t", "1.5", "-i", address,
			"-map", "0:v:0", "-map", "0:a:0", "-f", "framemd5", "-").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", address, err, out)
			continue
		}
		if pictures, sound := strings.Count(string(out), "\n0,"), strings.Count(string(out), "\n1,"); pictures < 40 || sound < 60 {
			t.Errorf("%s: %d pictures and %d pieces of sound in 1.5 s\n%.500s", address, pictures, sound, out)
		}
	}
}
