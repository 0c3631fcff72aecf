package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestShow_3_5_ShakaPackagerReadsUs: the delivered header and segments, one behind the other, go through Shaka Packager, and
// as many packets come out as went in.
func TestShow_3_5_ShakaPackagerReadsUs(t *testing.T) {
	need(t, "ffprobe")
	if _, err := os.Stat(packager); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("Shaka Packager is not installed: npm ci --prefix test/e2e/judge")
	}
	w := start(t)
	begun := time.Now()
	l := w.publishLedger(t, "live/pack", w.key("live/*"))
	pause(t, 7*time.Second)
	l.stop()
	query := "?from=" + stamp(begun.Add(-3*time.Second)) + "&to=" + stamp(time.Now().Add(3*time.Second))
	dir := t.TempDir()
	for rendition, kind := range map[string]string{"v0": "video", "a0": "audio"} {
		var b bytes.Buffer
		for i, s := range parseMedia(t, mustGet(t, w.beside("live/pack", rendition+".m3u8"+query))).segments {
			if i == 0 {
				b.Write(mustGet(t, w.beside("live/pack", s.init)))
			}
			b.Write(mustGet(t, w.beside("live/pack", s.uri)))
		}
		in, out := filepath.Join(dir, rendition+".mp4"), filepath.Join(dir, rendition+"-out.mp4")
		if err := os.WriteFile(in, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if said, err := exec.CommandContext(t.Context(), packager, "in="+in+",stream="+kind+",output="+out, "--mpd_output", filepath.Join(dir, rendition+".mpd")).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", kind, err, said)
		}
		if a, b := packetsOf(t, in), packetsOf(t, out); a < 100 || a != b {
			t.Errorf("%s: %d packets in, %d out", kind, a, b)
		}
	}
}

func packetsOf(t *testing.T, file string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
