package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestShow_3_1_OfflineStreamPlays holds that the past of a stream that nobody publishes plays whole, over HLS, in its MPEG-TS
// form, over DASH and as a clip, openly or with a key, while the live address says that nothing is on.
func TestShow_3_1_OfflineStreamPlays(t *testing.T) {
	need(t, "ffmpeg")
	for _, name := range []string{"live/show", "private/show"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &weir{t: t, data: t.TempDir(), logs: &tail{}, args: []string{"--play.by_key", "private/*"}}
			f := writePast(t, filepath.Join(w.data, "timeline"), name, 90*time.Second)
			w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
			t.Cleanup(w.stop)
			query, at := fmt.Sprintf("?from=%d&to=%d", f.from.Unix()-10, f.to.Unix()), "/"+name+"/"
			secret := ""
			if strings.HasPrefix(name, "private") {
				secret = "&key=" + w.run("key", "create", "--play", "private/*")
				for _, file := range []string{"index.m3u8", "index.mpd", "clip.mp4", "v0.m3u8"} {
					if code := statusOf(t, w.http(at+file+query)); code != http.StatusUnauthorized {
						t.Errorf("%s without a key: %d", file, code)
					}
				}
				query += secret
			} else if code := statusOf(t, w.http(at+"index.m3u8")); code != http.StatusNotFound {
				t.Errorf("the live address answers %d", code)
			}
			for _, file := range []string{"index.m3u8" + query, "index.m3u8" + query + "&form=ts", "clip.mp4" + query} {
				r := decodeMarks(t, w.http(at+file))
				if r.Missing+r.Duplicates+r.OutOfOrder+r.Unreadable > 0 || r.Frames != f.pictures || r.First != 0 {
					t.Errorf("%s: %+v, want %d pictures", file, r, f.pictures)
				}
			}
			offlineDASH(t, w, at, query)
			if l := string(mustGet(t, w.http(at+"index.m3u8?dvr"+secret))); !strings.Contains(l, "v0.m3u8") {
				t.Errorf("no DVR of a stream that is off:\n%s", l)
			}
		})
	}
}

func statusOf(t *testing.T, address string) int {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// offlineDASH fetches what a manifest names, with the query that it gives.
func offlineDASH(t *testing.T, w *weir, at, query string) {
	t.Helper()
	m := readMPD(t, w.http(at+"index.mpd"+query))
	if m.Type != "static" || len(m.Periods) != 2 {
		t.Errorf("a %s manifest of %d Periods", m.Type, len(m.Periods))
	}
	for _, p := range m.Periods {
		for _, set := range p.Sets {
			l := set.list()
			if len(l.segments) == 0 {
				t.Fatalf("nothing is listed of %+v", set)
			}
			for _, file := range []string{l.init, l.segments[0]} {
				if code := statusOf(t, w.http(at+file)); code != http.StatusOK {
					t.Errorf("%s: %d", file, code)
				}
			}
		}
	}
}
