package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestShow_3_1_TrickPlay holds that Shaka plays the I-frame playlist eight times as fast, by the pictures and by what it
// fetches, and goes back to ordinary playback.
func TestShow_3_1_TrickPlay(t *testing.T) {
	w, f := startWithPast(t, "live/show", 10*time.Minute)
	const length = 8
	address := w.http(fmt.Sprintf("/live/show/index.m3u8?from=%d&to=%d", f.from.Unix(), f.to.Unix()))
	seen := playPast(t, "shaka", address, pastStep{Do: "play", Seconds: 1}, pastStep{Do: "trick", By: 8, Seconds: length}, pastStep{Do: "normal", Seconds: 3})
	for _, s := range seen {
		if len(s.Errors) > 0 {
			t.Fatalf("%s: %v", s.Do, s.Errors)
		}
	}
	trick, normal := seen[1], seen[2]
	advanced := (trick.NewestMS - trick.OldestMS) / 1000
	t.Logf("eight times: %.1f s of pictures in %v s, %d pictures, %d key pictures fetched; moved %.1f s", advanced, length, trick.Pictures, trick.Keys, trick.Moved)
	if advanced < 6*length || advanced > 11*length || trick.Keys < 8 || trick.Pictures < 15 {
		t.Errorf("eight times is not: %+v", trick)
	}
	if normal.Moved < 2 || normal.Moved > 5 || normal.Pictures < 20 {
		t.Errorf("ordinary playback afterwards: %+v", normal)
	}
}
