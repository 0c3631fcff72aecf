package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// pastStep is one thing that past.mjs does, and then what it saw.
type pastStep struct {
	Do      string  `json:"do"`
	By      float64 `json:"by,omitempty"`
	Seconds float64 `json:"seconds"`

	Moved    float64  `json:"moved,omitempty"`
	Waiting  int      `json:"waiting,omitempty"`
	AfterMS  float64  `json:"after_ms,omitempty"`
	WindowS  float64  `json:"window_s,omitempty"`
	BehindS  float64  `json:"behind_s,omitempty"`
	Share    float64  `json:"share,omitempty"`
	GapMS    float64  `json:"longest_gap_ms,omitempty"`
	Pictures int      `json:"pictures,omitempty"`
	Keys     int      `json:"keys,omitempty"`      // key pictures that were fetched
	OldestMS float64  `json:"oldest_ms,omitempty"` // when the oldest picture was sent, Unix ms
	NewestMS float64  `json:"newest_ms,omitempty"`
	Errors   []string `json:"errors,omitempty"`
	Events   [][]any  `json:"events,omitempty"`
}

func playPast(t *testing.T, engine, url string, steps ...pastStep) []pastStep {
	t.Helper()
	need(t, "node", "chromium")
	var seen struct {
		Steps  []pastStep `json:"steps"`
		Tracks []string   `json:"tracks"`
	}
	askJudge(t, "judge/past.mjs", map[string]any{"engine": engine, "url": url, "low": false, "steps": steps}, &seen)
	t.Logf("%s %s: tracks %v", engine, url, seen.Tracks)
	for _, s := range seen.Steps {
		t.Logf("  %-6s moved %8.1f s, %d pictures %.1f s old, share %.3f, waiting %d, first after %.0f ms, window %.0f s",
			s.Do, s.Moved, s.Pictures, s.BehindS, s.Share, s.Waiting, s.AfterMS, s.WindowS)
	}
	return seen.Steps
}

// rewinders are the players that rewind, and what they rewind.
var rewinders = [][2]string{
	{"hls.js", "index.m3u8?dvr"}, {"shaka", "index.mpd?dvr"}, {"dash.js", "index.mpd?dvr"}, {"shaka", "index.m3u8?dvr"},
	{"hls.js", "index.m3u8?dvr&form=ts"},
}

// TestShow_3_1_PlayersRewind is the short form of the first half of line 3.1: on an hour written in compressed time, with the
// stream running, three players jump back 40 minutes, pause, return to live, and go over the joint of two runs. By the pictures.
func TestShow_3_1_PlayersRewind(t *testing.T) {
	rewind(t, 2, rewinders[:3])
}

// TestShow_3_1_PlayersRewindLong plays 10 minutes first, in all players.
func TestShow_3_1_PlayersRewindLong(t *testing.T) {
	long(t)
	rewind(t, 600, rewinders)
}

func rewind(t *testing.T, first float64, players [][2]string) {
	need(t, "node", "chromium")
	w, f := startWithPast(t, "live/show", 62*time.Minute)
	w.pattern("live/show", w.key("live/*"), "--size", "320x180", "--fps", strconv.Itoa(footageFPS))
	eventually(t, 30*time.Second, "some segments of the running stream", func() error {
		// Players begin three segments behind; by then that is all of the new run.
		if l := parseMedia(t, mustGet(t, w.http(fmt.Sprintf("/live/show/v0.m3u8?from=%d", f.to.Unix()+4)))); len(l.segments) < 7 {
			return fmt.Errorf("%d segments", len(l.segments))
		}
		return nil
	})
	for _, p := range players {
		t.Run(p[0]+" "+p[1], func(t *testing.T) {
			t.Parallel()
			// HLS counts from the oldest segment and knows no outages, DASH from the epoch.
			joint := f.joint.Sub(f.from).Seconds() - footageAway.Seconds()
			over := 6.0
			if strings.HasPrefix(p[1], "index.mpd") {
				joint, over = float64(f.joint.Unix())-footageAway.Seconds(), over+footageAway.Seconds()
			}
			seen := playPast(t, p[0], w.http("/live/show/"+p[1]), pastStep{Do: "play", Seconds: first}, pastStep{Do: "back", By: 2400, Seconds: 2},
				pastStep{Do: "pause", Seconds: 0.6}, pastStep{Do: "resume", Seconds: 1}, pastStep{Do: "live", Seconds: 2},
				pastStep{Do: "to", By: joint - 3, Seconds: over}, pastStep{Do: "start", Seconds: 2})
			judgeRewind(t, p, seen)
			if s := seen[jointStep]; s.OldestMS > float64(f.joint.UnixMilli()) || s.NewestMS < float64(f.joint.UnixMilli()+500) {
				t.Errorf("the pictures at the joint were sent from %.0f to %.0f, the joint is at %d", s.OldestMS, s.NewestMS, f.joint.UnixMilli())
			}
		})
	}
}

// jointStep is the step that goes over the joint.
const jointStep = 5

// judgeRewind holds what was seen against what was asked. A seek is one waiting event. Over a joint there is another one in
// DASH, where the outage is a hole in time: dash.js waits as long as the hole is before it jumps.
func judgeRewind(t *testing.T, p [2]string, seen []pastStep) {
	t.Helper()
	for i, s := range seen {
		if len(s.Errors) > 0 {
			t.Fatalf("%s: %v; %v", s.Do, s.Errors, s.Events)
		}
		if s.Do == "pause" {
			if s.Moved > 0.5 {
				t.Errorf("moved %.1f s while it paused", s.Moved)
			}
			continue
		}
		waits, shows := 1, s.Seconds
		switch {
		case s.Do == "play":
			waits = 0
		case i == jointStep && strings.HasPrefix(p[1], "index.mpd"):
			waits++
			if p[0] == "dash.js" {
				waits++
				shows -= footageAway.Seconds()
			}
		}
		if s.Waiting > waits || s.Share < 0.7 || s.Pictures < int(shows*footageFPS*6/10) {
			t.Errorf("%s (%d): %d times waiting, %d pictures, %.2f of the counters; %v", s.Do, i, s.Waiting, s.Pictures, s.Share, s.Events)
		}
		if s.AfterMS < 0 || s.AfterMS > 5000 {
			t.Errorf("%s: the first picture came after %.0f ms", s.Do, s.AfterMS)
		}
	}
	if s := seen[0]; s.BehindS > 15 {
		t.Errorf("live is %.1f s behind", s.BehindS)
	}
	if s := seen[1]; s.BehindS < 2380 || s.BehindS > 2460 {
		t.Errorf("40 minutes back shows pictures %.1f s old", s.BehindS)
	}
	if s := seen[4]; s.BehindS > 15 {
		t.Errorf("back at live, %.1f s behind", s.BehindS)
	}
	if s := seen[6]; s.BehindS < 3600 || s.WindowS < 3600 {
		t.Errorf("the oldest picture is %.1f s old in a window of %.0f s", s.BehindS, s.WindowS)
	}
}

// TestShow_3_1_EveryCounterOnce is the other half: each counter of the footage is there exactly once in HLS (by ffmpeg's
// decoder, and in the MPEG-TS form), in the MP4 and in DASH.
func TestShow_3_1_EveryCounterOnce(t *testing.T) {
	length := 6 * time.Minute
	if testing.Short() {
		length = 3 * time.Minute
	}
	everyCounterOnce(t, length)
}

// TestShow_3_1_EveryCounterOfTheHour is the line itself.
func TestShow_3_1_EveryCounterOfTheHour(t *testing.T) {
	long(t)
	everyCounterOnce(t, 62*time.Minute)
}

func everyCounterOnce(t *testing.T, length time.Duration) {
	need(t, "ffmpeg")
	w, f := startWithPast(t, "live/show", length)
	query := fmt.Sprintf("?from=%d&to=%d", f.from.Unix()-10, f.to.Unix())
	for _, file := range []string{"index.m3u8" + query, "index.m3u8" + query + "&form=ts", "clip.mp4" + query} {
		r := decodeMarks(t, w.http("/live/show/"+file))
		if r.Missing+r.Duplicates+r.OutOfOrder+r.Unreadable > 0 || r.Frames != f.pictures || r.First != 0 {
			t.Errorf("%s: %+v, want %d pictures", file, r, f.pictures)
		}
		t.Logf("%s: %d pictures", file, r.Frames)
	}
	pictures, sound := dashCounters(t, w, "/live/show/index.mpd"+query)
	t.Logf("DASH: %d pictures, %d frames of sound", pictures.Frames, sound)
	if pictures.Missing+pictures.Duplicates+pictures.OutOfOrder > 0 || pictures.Frames != f.pictures || sound != f.frames {
		t.Errorf("DASH: %+v and %d frames of sound, want %d and %d", pictures, sound, f.pictures, f.frames)
	}
}

// decodeMarks has ffmpeg decode an address to its end and reads the pictures.
func decodeMarks(t *testing.T, url string) testpattern.Report {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", url, "-map", "0:v:0", "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r, err := testpattern.JudgeVideo(out, footageWidth, 180, time.Now)
	if err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || complaint.Len() > 0 {
		t.Errorf("ffmpeg: %v\n%.2000s", err, &complaint)
	}
	return r
}

// dashCounters fetches all segments of a manifest and reads the counters out of the frames.
func dashCounters(t *testing.T, w *weir, path string) (testpattern.Report, int) {
	t.Helper()
	m := readMPD(t, w.http(path))
	if m.Type != "static" || len(m.Periods) != 2 {
		t.Errorf("a %s manifest of %d Periods", m.Type, len(m.Periods))
	}
	var tally testpattern.Tally
	sound := 0
	for _, p := range m.Periods {
		for _, set := range p.Sets {
			h, err := cmaf.ParseInit(mustGet(t, w.beside("live/show", set.Template.Init)))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range set.list().segments {
				frames, err := h.Frames(nil, mustGet(t, w.beside("live/show", name)))
				if err != nil {
					t.Fatal(name, err)
				}
				for i := range frames {
					mark, ok := testpattern.ReadSEI(frames[i].Data, media.H264)
					switch {
					case set.Kind == "audio":
						sound++
					case ok:
						tally.Add(mark, time.Now())
					default:
						tally.AddUnreadable()
					}
				}
			}
		}
	}
	return tally.Report(), sound
}
