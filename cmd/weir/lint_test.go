package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// code is what the process would exit with.
func code(err error) int { return finish(err, func(string) {}) }

func TestLintExitCodes(t *testing.T) {
	t.Setenv("LANG", "en_US.UTF-8")
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write("good.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\ns.vtt\n#EXT-X-ENDLIST\n")
	write("s.vtt", "WEBVTT\n\n")
	bad := write("bad.m3u8", "#EXTM3U\n#EXTINF:2,\ns.vtt\n#EXT-X-ENDLIST\n")
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{good}, 0, "should hls.vtt_map"},
		{[]string{good, "--severity", "must"}, 0, "0 must"},
		{[]string{bad, "--lang", "en"}, 1, "hls.target_missing"},
		{[]string{bad, "--lang", "zh-CN"}, 1, "缺少 EXT-X-TARGETDURATION"},
		{[]string{bad, "--format", "json", "--severity", "must"}, 1, `"rule": "hls.target_missing"`},
		{[]string{filepath.Join(dir, "none.m3u8")}, 2, ""},
		{[]string{"http://127.0.0.1:1/a.m3u8"}, 2, ""},
		{[]string{good, "--severity", "loud"}, 2, ""},
		{[]string{good, "--format", "xml"}, 2, ""},
	} {
		out, err := weir(t, append([]string{"lint"}, c.args...)...)
		if got := code(err); got != c.want {
			t.Errorf("weir lint %v: exit code %d instead of %d: %v", c.args, got, c.want, err)
		}
		if !strings.Contains(strings.Join(strings.Fields(strings.ToLower(out)), " "), strings.Join(strings.Fields(strings.ToLower(c.says)), " ")) {
			t.Errorf("weir lint %v does not say %q:\n%s", c.args, c.says, out)
		}
	}
	if got := code(errors.New("other")); got != 1 {
		t.Errorf("other errors exit with %d", got)
	}
}
