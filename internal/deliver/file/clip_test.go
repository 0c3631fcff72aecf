package file

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"weir/internal/outside"
	"weir/internal/testpattern"
)

func seconds(t testing.TB, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A clip is exactly what was asked for: every counter once, its length and its sound to the frame.
func TestExactClip(t *testing.T) {
	s := newStage(t, Config{})
	s.pattern(s.source(testpattern.Options{Audio: true}), 0, 20*time.Second, nil)
	path := s.clip(5500*time.Millisecond, 13300*time.Millisecond, "")
	r := judge(t, path)
	// 30 pictures a second: 5.5 s is picture 165, and 13.3 s is where picture 399 would begin.
	if r.First != 165 || r.Last != 398 || r.Frames != 234 || r.Missing+r.Duplicates+r.OutOfOrder+r.Unreadable != 0 {
		t.Errorf("%+v", r)
	}
	if d := seconds(t, probe(t, path, "-show_entries", "format=duration")[0]); math.Abs(d-7.8) > 0.001 {
		t.Errorf("it lasts %v s", d)
	}
	sync := inSync(t, path)
	t.Logf("sound against picture: %+v", sync)
}

// inSync measures sound against picture over flashes and beeps.
func inSync(t testing.TB, path string) testpattern.Sync {
	t.Helper()
	flashes, err := testpattern.Flashes(bytes.NewReader(outside.Run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-r", "30", "-f", "rawvideo", "-pix_fmt", "gray", "-")), width, height, 30)
	if err != nil {
		t.Fatal(err)
	}
	beeps, err := testpattern.Beeps(bytes.NewReader(outside.Run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-af", "aresample=async=1:min_hard_comp=0.01:first_pts=0", "-f", "s16le", "-ar", "48000", "-ac", "2", "-")), 48000, 2)
	if err != nil {
		t.Fatal(err)
	}
	sync, err := testpattern.JudgeSync(flashes, beeps)
	if err != nil {
		t.Fatal(err)
	}
	return sync
}

// Cut at the key frame there is no edit list, and the clip begins within a group of what was asked for.
func TestKeyClip(t *testing.T) {
	s := newStage(t, Config{})
	s.pattern(s.source(testpattern.Options{Audio: true}), 0, 20*time.Second, nil)
	a := s.do(http.MethodGet, s.url(5500*time.Millisecond, 13300*time.Millisecond, "&cut=key"))
	if bytes.Contains(a.body[:4096], []byte("elst")) {
		t.Error("it has an edit list")
	}
	r := judge(t, s.save(a.body))
	if r.First != 120 || r.Last != 398 || r.Missing+r.Duplicates+r.OutOfOrder+r.Unreadable != 0 {
		t.Errorf("%+v", r)
	}
	_ = inSync(t, s.save(a.body))
}
