package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestCorpusOfTheFuzzer writes, with -update, seeds that reach deep into the readers: real media of ffmpeg, cut short.
func TestCorpusOfTheFuzzer(t *testing.T) {
	if !*update {
		t.Skip("go test -run Corpus -update writes the seeds anew")
	}
	s, ts := hlsFMP4(t), hlsTS(t)
	seg := slices.Clone(s["/v1.m4s"])
	dir := "testdata/fuzz/FuzzMedia"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2][]byte{"fmp4": {s["/init.mp4"], seg[:min(len(seg), 9000)]}, "ts": {s["/init.mp4"][:40], ts["/v1.ts"][:188*40]}} {
		text := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n[]byte(%q)\n", pair[0], pair[1])
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
