package lint

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// pack writes a site as one text: a line with path and length before each file.
func pack(s site) []byte {
	var b bytes.Buffer
	for _, path := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s %d\n%s", path, len(s[path]), s[path])
	}
	return b.Bytes()
}

func unpack(b []byte) site {
	s := site{}
	for len(b) > 0 && len(s) < 64 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		var path string
		var n int
		if _, err := fmt.Sscanf(string(line), "%s %d", &path, &n); err != nil || n < 0 {
			return s
		}
		n = min(n, len(rest))
		s[path], b = rest[:n], rest[n:]
	}
	return s
}

// RoundTrip answers from the site, without a network.
func (s site) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if body, ok := s[r.URL.Path]; ok && strings.HasPrefix(r.URL.Path, "/") {
		good(r.URL.Path, body).send(w, r)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

// FuzzStream judges whole streams of strangers, playlists and media together.
func FuzzStream(f *testing.F) {
	f.Add("/m.m3u8", pack(site{"/m.m3u8": []byte(goodMulti), "/v.m3u8": []byte(goodMedia), "/w.m3u8": []byte(goodLow), "/a.m3u8": []byte(goodMedia), "/i.m3u8": []byte(goodMedia)}))
	f.Add("/m.mpd", pack(site{"/m.mpd": []byte(goodStatic)}))
	f.Fuzz(func(t *testing.T, entry string, archive []byte) {
		if !strings.HasPrefix(entry, "/") || len(entry) > 100 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s := unpack(archive)
		report, err := Run(ctx, "http://t"+entry, Options{For: 4 * time.Millisecond, MaxSegments: 6, MaxBytes: 4 << 20, Client: &http.Client{Transport: s}})
		if err != nil {
			return
		}
		for _, x := range report.Findings {
			if strings.Contains(x.Sentence, "%!") || x.Clause == "" {
				t.Errorf("%s: broken sentence %q", x.Rule, x.Sentence)
			}
		}
		if err := report.Text(io.Discard, "en"); err != nil {
			t.Error(err)
		}
	})
}
