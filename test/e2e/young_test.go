package e2e

import (
	"slices"
	"strings"
	"testing"
)

// TestYoungStream has hls.js join streams that have just begun. Without lowLatencyMode it has no more than a segment in hand
// then, so it must hear of the next one as soon as it is finished: an answer without the segment, after which it waits for
// half a segment, is a stall.
func TestYoungStream(t *testing.T) {
	w := start(t)
	key := w.key("live/*")
	for _, name := range []string{"live/a", "live/b", "live/c"} {
		publisher := w.pattern(name, key, "--bitrate", "800000")
		s := play(t, "hls.js", w.http("/"+name+"/index.m3u8"), 8, false)
		publisher.kill()
		s.judge(t, 8)
		for _, e := range s.Events {
			if what, _ := e[0].(string); strings.HasSuffix(what, "LoadTimeOut") {
				t.Errorf("%s; events %v", what, s.Events)
			}
		}
		after := afterItsEnd(t, s)
		t.Logf("segments were loaded %.0f ms after their end", after)
		if soonest := slices.Min(after); soonest > 700 {
			t.Errorf("no segment was loaded sooner than %.0f ms after its end", soonest)
		}
	}
}

// afterItsEnd tells how many ms after its end each segment was loaded that ended while the player played.
func afterItsEnd(t *testing.T, s seen) []float64 {
	t.Helper()
	var out []float64
	for _, l := range s.Loaded {
		if loaded, end := l[0], l[1]; end > s.Loaded[0][0] {
			out = append(out, loaded-end)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no segment ended while the player played: %v", s.Loaded)
	}
	return out
}
