package lint

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/outside"
)

// sampleDir holds what ffmpeg made, once for all tests.
var sampleDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weir-lint-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sampleDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // a temporary folder
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// site is a folder of files as a web server has them.
type site map[string][]byte

var (
	made   = map[string]site{}
	making sync.Mutex
)

const source = "-f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 6 " +
	"-c:v libx264 -preset ultrafast -profile:v baseline -g 25 -keyint_min 25 -sc_threshold 0 -b:v 300k -maxrate 300k -bufsize 300k -c:a aac -ac 2 -b:a 64k "

// sampleOf runs ffmpeg (or another program) once per name and reads the folder it wrote.
func sampleOf(t *testing.T, name, program, args string) site {
	t.Helper()
	outside.Need(t, program)
	making.Lock()
	defer making.Unlock()
	if s, ok := made[name]; ok {
		return s
	}
	dir := filepath.Join(sampleDir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	list := strings.Fields(args)
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "|", " ")
	}
	cmd := exec.Command(program, list...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, args, err, out)
	}
	s := site{}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s["/"+filepath.Base(f)] = b
	}
	made[name] = s
	return s
}

func ffmpeg(t *testing.T, name, args string) site {
	return sampleOf(t, name, "ffmpeg", "-v error -y "+source+args)
}

var bandwidth = regexp.MustCompile(`BANDWIDTH=\d+`)

// generous gives a multivariant playlist of ffmpeg's a BANDWIDTH that holds.
func generous(s site, name string) site {
	s = maps.Clone(s)
	s[name] = bandwidth.ReplaceAll(s[name], []byte("BANDWIDTH=900000"))
	return s
}

func hlsFMP4(t *testing.T) site {
	return generous(ffmpeg(t, "fmp4", "-f hls -hls_time 1 -hls_playlist_type vod -hls_segment_type fmp4 -hls_flags independent_segments -master_pl_name m.m3u8 v.m3u8"), "/m.m3u8")
}

func hlsTS(t *testing.T) site {
	return generous(ffmpeg(t, "ts", "-f hls -hls_time 1 -hls_playlist_type vod -hls_flags independent_segments -master_pl_name m.m3u8 v.m3u8"), "/m.m3u8")
}

// hlsRanges has all segments in one file.
func hlsRanges(t *testing.T) site {
	return ffmpeg(t, "ranges", "-f hls -hls_time 1 -hls_playlist_type vod -hls_segment_type fmp4 -hls_flags single_file+independent_segments v.m3u8")
}

// hlsGroups has picture and sound apart, and dates.
func hlsGroups(t *testing.T) site {
	s := ffmpeg(t, "groups", "-map 0:v -map 1:a -f hls -hls_time 1 -hls_playlist_type vod -hls_segment_type fmp4 -hls_flags independent_segments+program_date_time "+
		"-var_stream_map v:0,agroup:g,name:v|a:0,agroup:g,name:a -master_pl_name m.m3u8 -hls_segment_filename %v-%d.m4s -hls_fmp4_init_filename init.mp4 %v.m3u8")
	return s
}

func dashSample(t *testing.T) site {
	s := maps.Clone(ffmpeg(t, "dash", "-f dash -seg_duration 1 m.mpd"))
	s["/m.mpd"] = bytes.Replace(s["/m.mpd"], []byte(`maxSegmentDuration="PT1.0S"`), []byte(`maxSegmentDuration="PT1.1S"`), 1)
	return s
}

// answer is what is about to be sent.
type answer struct {
	status int
	header http.Header
	body   []byte
	ranges bool
	zip    bool
}

// spoil alters an answer. n counts the requests for the path.
type spoil func(path string, n int, a *answer)

var types = map[string]string{".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml", ".m4s": "video/mp4", ".mp4": "video/mp4", ".ts": "video/mp2t", ".vtt": "text/vtt"}

// good is how a file is served well.
func good(name string, body []byte) *answer {
	h := http.Header{}
	h.Set("Content-Type", types[filepath.Ext(name)])
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "max-age=1")
	return &answer{http.StatusOK, h, slices.Clone(body), true, strings.Contains("m3u8 mpd", strings.TrimPrefix(filepath.Ext(name), "."))}
}

func (a *answer) send(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), a.header)
	switch {
	case a.status != http.StatusOK:
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body) // the client has gone
	case a.zip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(a.body) // the client has gone
		_ = z.Close()          // as above
	case a.ranges:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
	default:
		_, _ = w.Write(a.body) // the client has gone
	}
}

// proxy serves a site through a spoil.
func proxy(t *testing.T, s site, f spoil) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := s[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		mu.Lock()
		seen[r.URL.Path]++
		n := seen[r.URL.Path]
		mu.Unlock()
		a := good(r.URL.Path, body)
		if f != nil {
			f(r.URL.Path, n, a)
		}
		a.send(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// judged runs the linter and returns the ids that it finds.
func judged(t *testing.T, url string, length time.Duration) []string {
	t.Helper()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	report, err := Run(context.Background(), url, Options{For: length, Client: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range report.Findings {
		if strings.Contains(f.Sentence, "%!") || f.Clause == "" {
			t.Errorf("%s: broken sentence %q", f.Rule, f.Sentence)
		}
		t.Logf("%s %s: %s", f.Severity, f.Rule, f.Sentence)
		ids = append(ids, f.Rule)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// musts are the ids of a report that are requirements.
func musts(ids []string) (list []string) {
	for _, r := range Rules("en") {
		if r.Severity == Must && slices.Contains(ids, r.ID) {
			list = append(list, r.ID)
		}
	}
	return list
}

// on spoils the text of one path.
func on(path string, pairs ...string) spoil {
	return func(p string, _ int, a *answer) {
		if p != path {
			return
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if !bytes.Contains(a.body, []byte(pairs[i])) {
				panic(fmt.Sprintf("%q is not in %s:\n%s", pairs[i], path, a.body))
			}
			a.body = bytes.Replace(a.body, []byte(pairs[i]), []byte(pairs[i+1]), 1)
		}
	}
}

// raw spoils the bytes of one path.
func raw(path string, f func(b []byte) []byte) spoil {
	return func(p string, _ int, a *answer) {
		if p == path {
			a.body = f(a.body)
		}
	}
}
