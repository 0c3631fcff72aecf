package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// verdict is what weir lint says as JSON.
type lintVerdict struct {
	Kind     string
	Live     bool
	Findings []struct {
		Rule, Severity, Sentence, Clause string
		Where                            struct {
			URL  string
			Line int
		}
	}
	Read struct{ Segments int }
}

func lintOf(t *testing.T, address string, length time.Duration) lintVerdict {
	t.Helper()
	return startLint(t, address, length)()
}

// startLint begins to judge an address and gives what waits for the verdict.
func startLint(t *testing.T, address string, length time.Duration) func() lintVerdict {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "lint", address, "--for", length.String(), "--format", "json", "--lang", "en")
	cmd.Env = environment()
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (v lintVerdict) {
		t.Helper()
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			t.Fatalf("weir lint %s: %v", address, err)
		}
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			t.Fatalf("weir lint %s: %v\n%.500s", address, err, &out)
		}
		return v
	}
}

// clean holds that a stream breaks no requirement, and that it was really looked at.
func clean(t *testing.T, address string, v lintVerdict) {
	t.Helper()
	if v.Read.Segments < 6 {
		t.Errorf("%s: only %d segments were read", address, v.Read.Segments)
	}
	for _, f := range v.Findings {
		if f.Severity == "must" {
			t.Errorf("%s: %s: %s [%s] at %s:%d", address, f.Rule, f.Sentence, f.Clause, f.Where.URL, f.Where.Line)
		} else {
			t.Logf("%s: %s %s: %s", address, f.Severity, f.Rule, f.Sentence)
		}
	}
}

// TestShow_3_5_LintIsClean holds our streams, live, after a republish, and as a range of the past, against the linter, which
// shares nothing with what makes them.
func TestShow_3_5_LintIsClean(t *testing.T) {
	t.Parallel()
	w := start(t)
	key := w.key("live/*")
	first := w.pattern("live/show", key)
	index := func() error {
		res, err := http.Get(w.http("/live/show/index.m3u8"))
		if err != nil {
			return err
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %w", res.Status, err)
		}
		return nil
	}
	eventually(t, 20*time.Second, "the playlist", index)
	each := func(t *testing.T, length time.Duration, forms ...string) {
		var verdicts []func() lintVerdict // all at once
		for _, form := range forms {
			verdicts = append(verdicts, startLint(t, w.http("/live/show/"+form), length))
		}
		for i, form := range forms {
			clean(t, form, verdicts[i]())
		}
	}
	live := []string{"index.m3u8", "index.mpd", "index.m3u8?form=ts", "index.m3u8?dvr", "index.mpd?dvr"}
	t.Run("live", func(t *testing.T) { each(t, 14*time.Second, live...) })
	first.kill()
	w.pattern("live/show", key)
	t.Run("republished", func(t *testing.T) {
		each(t, 16*time.Second, append(live, "index.m3u8?from=-30s", "index.mpd?from=-30s", "index.m3u8?dvr&form=ts")...)
	})
	closed := "from=-34s&to=-5s"
	t.Run("past", func(t *testing.T) {
		each(t, 0, "index.m3u8?"+closed, "index.mpd?"+closed, "index.m3u8?form=ts&"+closed)
	})
}

// packager is where npm puts Shaka Packager.
const packager = "judge/node_modules/shaka-packager/bin/packager-linux-x64"

// TestShow_3_5_LintOfShakaPackager holds that streams of Shaka Packager show nothing but what docs/guide/lint.en.md lists.
func TestShow_3_5_LintOfShakaPackager(t *testing.T) {
	need(t, "ffmpeg")
	tool, err := filepath.Abs(packager)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tool); err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip("Shaka Packager is not installed: npm ci --prefix test/e2e/judge")
	}
	dir := t.TempDir()
	do := func(name, args string) {
		t.Helper()
		cmd := exec.Command(name, strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, args, err, out)
		}
	}
	do("ffmpeg", "-v error -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=sample_rate=48000 -t 12 -c:v libx264 -preset ultrafast -g 50 -b:v 300k -c:a aac -ac 2 in.mp4")
	do(tool, "in=in.mp4,stream=video,init_segment=v/i.mp4,segment_template=v/$Number$.m4s,playlist_name=v.m3u8,iframe_playlist_name=f.m3u8 "+
		"in=in.mp4,stream=audio,init_segment=a/i.mp4,segment_template=a/$Number$.m4s,playlist_name=a.m3u8,hls_group_id=a,hls_name=a "+
		"--segment_duration 2 --generate_static_live_mpd --hls_master_playlist_output m.m3u8 --mpd_output m.mpd")
	do(tool, "in=in.mp4,stream=video,output=ov.mp4,playlist_name=ov.m3u8,iframe_playlist_name=of.m3u8 in=in.mp4,stream=audio,output=oa.mp4,playlist_name=oa.m3u8,hls_group_id=a,hls_name=a "+
		"--segment_duration 2 --hls_master_playlist_output o.m3u8 --mpd_output o.mpd")
	allowed := []string{"hls.attribute_unknown", "hls.language_missing", "hls.version_high", "dash.lang_missing", "dash.sap_missing"}
	for _, name := range []string{"m.m3u8", "m.mpd", "o.m3u8", "o.mpd"} {
		for _, f := range lintOf(t, filepath.Join(dir, name), 0).Findings {
			if !slices.Contains(allowed, f.Rule) {
				t.Errorf("%s: %s %s: %s at %s:%d", name, f.Severity, f.Rule, f.Sentence, f.Where.URL, f.Where.Line)
			}
		}
	}
}
