package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"weir/internal/testpattern"
)

// TestShow_2_2_SoundAndPictureAgree has FFmpeg decode flashes and beeps from every output; they may be 40 ms apart.
func TestShow_2_2_SoundAndPictureAgree(t *testing.T) {
	need(t, "ffmpeg")
	w := start(t)
	w.pattern("live/show", w.key("live/*"), "--size", "320x180")
	renditions(t, w, "live/show") // there are segments
	length := "6"
	if os.Getenv("WEIR_LONG") != "" {
		length = "60"
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, address := range []string{
		w.rtmp("live/show", ""), w.http("/live/show/stream.flv"), w.http("/live/show/stream.ts"), w.http("/live/show/stream.mp4"),
		w.http("/live/show/index.m3u8"),
	} {
		dir := t.TempDir()
		wg.Go(func() {
			offset, pairs, err := offsetOf(t, dir, address, length)
			t.Logf("%s: sound late by %v over %d seconds", address, offset, pairs)
			if err != nil || pairs < 3 || offset.Abs() > 40*time.Millisecond {
				t.Errorf("%s: sound late by %v, %d pairs, %v", address, offset, pairs, err)
			}
		})
	}
}

// offsetOf lays sound and picture on one clock from zero and compares flashes with beeps.
func offsetOf(t *testing.T, dir, address, length string) (offset time.Duration, pairs int, err error) {
	luma, pcm := filepath.Join(dir, "luma"), filepath.Join(dir, "pcm")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-loglevel", "error", "-t", length, "-i", address,
		"-map", "0:v:0", "-vf", "fps=30:start_time=0", "-f", "rawvideo", "-pix_fmt", "gray", luma,
		"-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-ar", "48000", "-ac", "2", "-f", "s16le", pcm).CombinedOutput()
	if err != nil {
		t.Logf("%s", out)
		return 0, 0, err
	}
	picture, err := os.Open(luma)
	if err != nil {
		return 0, 0, err
	}
	defer picture.Close()
	sound, err := os.Open(pcm)
	if err != nil {
		return 0, 0, err
	}
	defer sound.Close()
	flashes, err := testpattern.Flashes(bufio.NewReader(picture), 320, 180, 30)
	if err != nil {
		return 0, 0, err
	}
	beeps, err := testpattern.Beeps(bufio.NewReader(sound), 48000, 2)
	if err != nil {
		return 0, 0, err
	}
	s, err := testpattern.JudgeSync(flashes, beeps)
	return s.Offset, s.Pairs, err
}
