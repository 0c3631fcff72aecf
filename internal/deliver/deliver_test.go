package deliver

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/control/session"
	"weir/internal/problem"
)

func TestSegmentsAndParts(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	want := ""
	for i := range 10 {
		data := strings.Repeat(string(rune('a'+i)), 1000+i)
		want += data
		r.part("v0", 100, i, data, i == 9)
	}
	if err := r.tl.Flush(); err != nil {
		t.Fatal(err)
	}
	seg := r.address(Segment, "v0", 100, 0)
	a := r.get(seg)
	if a.status != 200 || a.body != want || a.header.Get("Content-Type") != "video/mp4" || a.header.Get("Accept-Ranges") != "bytes" {
		t.Fatal(a.status, len(a.body), a.header)
	}
	if c := a.header.Get("Cache-Control"); c != mediaCache {
		t.Error(c)
	}
	parts := ""
	for i := range 10 {
		parts += r.get(r.address(Part, "v0", 100, i)).body
	}
	if parts != want {
		t.Error("the parts are not the bytes of the segment")
	}
	if a := r.do(http.MethodHead, seg, "Range", "bytes=5-9"); a.status != 200 || a.header.Get("Content-Length") != "10045" {
		t.Errorf("HEAD with a range, which is of GET alone: %d %v", a.status, a.header)
	}
	if a := r.do(http.MethodHead, seg); a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "10045" {
		t.Error(a)
	}
	if b := r.get(seg, "If-None-Match", a.header.Get("ETag")); b.status != 304 || b.body != "" {
		t.Error(b)
	}
	if s := r.srv.Stats(); s.FileBytes < 2*10045 {
		t.Error("finished segments did not leave from the file", s)
	}
	if a := r.get(r.address(Init, "a0", 0, 0)); a.body != "init of audio" || a.header.Get("Content-Type") != "audio/mp4" {
		t.Error(a)
	}
}

func TestRanges(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	r.part("v0", 100, 0, "0123456789", false)
	r.part("v0", 100, 1, "abcdefghij", true)
	r.part("a0", 100, 0, "0123456789", false)
	r.part("v0", 101, 0, "the open segment's part, in memory", false)
	seg := r.address(Segment, "v0", 100, 0)
	for spec, want := range map[string]string{"bytes=0-4": "01234", "bytes=8-11": "89ab", "bytes=15-": "fghij", "bytes=-3": "hij", "bytes=5-999": "56789abcdefghij"} {
		a := r.get(seg, "Range", spec)
		if a.status != 206 || a.body != want || !strings.HasSuffix(a.header.Get("Content-Range"), "/20") {
			t.Error(spec, a)
		}
	}
	for _, spec := range []string{"bytes=0-1,4-5", "lines=1-2", "bytes=5-2", "bytes=x"} {
		if a := r.get(seg, "Range", spec); a.status != 200 || len(a.body) != 20 {
			t.Error(spec, a)
		}
	}
	if a := r.get(seg, "Range", "bytes=20-"); a.status != 416 || a.header.Get("Content-Range") != "bytes */20" {
		t.Error(a)
	}
	if a := r.get(seg, "Range", "bytes=0-4", "If-Range", `"other"`); a.status != 200 {
		t.Error("a range of other content", a.status)
	}
	if a := r.get(r.address(Part, "v0", 101, 0), "Range", "bytes=4-7"); a.status != 206 || a.body != "open" {
		t.Error(a)
	}
}

// TestOpenSegmentFlows: what there is of an open segment arrives before the rest exists, and the whole is the segment.
func TestOpenSegmentFlows(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	r.part("v0", 100, 0, "first ", false)
	res, err := r.http.Client().Get(r.address(Segment, "v0", 100, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := bufio.NewReader(res.Body)
	if s, err := body.ReadString(' '); s != "first " || err != nil {
		t.Fatal(s, err)
	}
	if res.ContentLength >= 0 {
		t.Error("the length of an open segment is not known")
	}
	r.part("v0", 100, 1, "second ", false)
	if s, err := body.ReadString(' '); s != "second " || err != nil {
		t.Fatal(s, err)
	}
	r.part("v0", 100, 2, "last", true)
	if rest, err := io.ReadAll(body); string(rest) != "last" || err != nil {
		t.Fatal(string(rest), err)
	}
}

// TestAnnounced: the next part, and the segment about to begin, are waited for, and answered as soon as they are there.
func TestAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStill(t, Config{})
		r.begin(100)
		r.part("v0", 100, 0, "one", false)
		ask := func(n int64, index int) *httptest.ResponseRecorder {
			before, w := r.srv.blocked.Load(), httptest.NewRecorder()
			go r.serve(w, httptest.NewRequest(http.MethodGet, r.address(Part, "v0", n, index), nil))
			synctest.Wait()
			if r.srv.blocked.Load() == before {
				t.Errorf("part %d of %d was not waited for", index, n)
			}
			return w
		}
		asked := time.Now()
		next := ask(100, 1)
		r.part("v0", 100, 1, "two", true)
		synctest.Wait()
		if next.Code != 200 || next.Body.String() != "two" {
			t.Error(next)
		}
		next = ask(101, 0)
		r.part("v0", 101, 0, "three", false)
		synctest.Wait()
		if next.Body.String() != "three" {
			t.Error(next)
		}
		next = ask(101, 1)
		r.tl.EndRun()
		synctest.Wait()
		if next.Code != 404 || next.Header().Get("Cache-Control") != "no-store" {
			t.Error("the part that a dying publisher left out", next)
		}
		if d := time.Since(asked); d != 0 {
			t.Errorf("the answers took %v", d)
		}
	})
}

func TestMissing(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	r.part("v0", 100, 0, "one", false)
	other := r.run
	for _, url := range []string{
		r.address(Segment, "v0", 99, 0), r.address(Segment, "v0", 105, 0), r.address(Segment, "v1", 100, 0),
		r.address(Part, "v0", 100, 2), r.address(Part, "v0", 101, 0), r.address(Init, "v9", 0, 0),
		r.http.URL + "/live/show/seg-1-v0-100.m4s", r.http.URL + "/live/show/what.txt", r.http.URL + "/live/other/" + Address{Kind: Init, Run: other.ID, Rendition: "v0"}.String(),
	} {
		a := r.get(url)
		var p problem.Document
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != 404 || p.Code == "" || p.Detail == "" {
			t.Error(url, a.status, a.body, err)
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Error(url, a.header)
		}
	}
}

func TestMethods(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	a := r.do(http.MethodOptions, r.address(Init, "v0", 0, 0))
	if a.status != 204 || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Range") || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error(a)
	}
	if a = r.do(http.MethodPost, r.address(Init, "v0", 0, 0)); a.status != 405 || a.header.Get("Allow") == "" {
		t.Error(a)
	}
}

// TestDocuments: one rendering and one compression serve everybody until the version changes.
func TestDocuments(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	r.part("v0", 100, 0, "one", false)
	url := r.http.URL + "/live/show/v0.m3u8"
	first := r.get(url, "Accept-Encoding", "identity")
	zipped := r.get(url, "Accept-Encoding", "gzip;q=0.5, br")
	if zipped.header.Get("Content-Encoding") != "gzip" || zipped.header.Get("Vary") != "Accept-Encoding" {
		t.Fatal(zipped.header)
	}
	z, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); string(b) != first.body || err != nil {
		t.Error("the compressed form is another document", err)
	}
	if a := r.get(url, "Accept-Encoding", "gzip;q=0"); a.header.Get("Content-Encoding") != "" {
		t.Error("compressed although refused")
	}
	for _, tag := range []string{first.header.Get("ETag"), zipped.header.Get("ETag"), "W/" + first.header.Get("ETag"), "*"} {
		if a := r.get(url, "If-None-Match", `"x", `+tag); a.status != 304 {
			t.Error(tag, a.status)
		}
	}
	if n := r.srv.Stats().Renders; n != 1 {
		t.Errorf("rendered %d times", n)
	}
	r.part("v0", 100, 1, "two", false)
	if a := r.get(url, "If-None-Match", first.header.Get("ETag")); a.status != 200 {
		t.Error("a new version was taken for the old one")
	}
	if n := r.srv.Stats().Renders; n != 2 {
		t.Errorf("rendered %d times", n)
	}
}

func (r *rig) sessions() []session.Info { return r.door.Sessions(nil) }

// TestOneViewerOneSession: by address, by cookie, by neither.
func TestOneViewerOneSession(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	r.part("v0", 100, 0, "12345", true)
	index := r.http.URL + "/live/show/index.m3u8"
	first := r.get(index, "User-Agent", "A")
	query := first.header.Get("X-Query")
	if !strings.HasPrefix(query, "s=") || !strings.Contains(first.header.Get("Set-Cookie"), "HttpOnly") {
		t.Fatal(first.header)
	}
	for range 5 {
		r.get(r.http.URL+"/live/show/v0.m3u8?"+query, "User-Agent", "A")
		r.get(r.address(Segment, "v0", 100, 0), "User-Agent", "A")
		r.get(index+"?"+query, "User-Agent", "A")
		r.get(index, "User-Agent", "A", "Cookie", cookieName+"="+strings.TrimPrefix(query, "s="))
	}
	list := r.sessions()
	if len(list) != 1 || list[0].Protocol != "hls" || list[0].Name != "live/show" {
		t.Fatalf("%+v", list)
	}
	if list[0].BytesOut < 25 {
		t.Error("the segments were not counted", list[0].BytesOut)
	}
	r.get(index, "User-Agent", "B") // another device behind the same router
	r.get(r.http.URL+"/live/show/index.mpd", "User-Agent", "A")
	if n := len(r.sessions()); n != 3 {
		t.Errorf("%d sessions, want one more for the other device and one for DASH", n)
	}
	for i := range 50 { // made-up tokens
		r.get(r.address(Segment, "v0", 100, 0)+"?s=x"+string(rune('a'+i%26)), "User-Agent", "C")
		r.get(r.http.URL+"/live/show/v0.m3u8?s=y"+string(rune('a'+i%26)), "User-Agent", "C")
	}
	if n := len(r.sessions()); n != 4 {
		t.Errorf("%d sessions after made-up tokens, want 4", n)
	}
}

// TestKeyTravels: a playback key goes into every child address, and does not let a neighbour in.
func TestKeyTravels(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	r.part("v0", 100, 0, "12345", true)
	a := r.get(r.http.URL + "/live/show/index.m3u8?key=a%26b")
	if q := a.header.Get("X-Query"); !strings.HasPrefix(q, "key=a%26b&s=") {
		t.Error(q)
	}
	b := r.get(r.http.URL + "/live/show/v0.m3u8?" + a.header.Get("X-Query"))
	if b.header.Get("X-Query") != a.header.Get("X-Query") {
		t.Error(b.header.Get("X-Query"))
	}
	if c := r.get(r.address(Segment, "v0", 100, 0) + "?" + b.header.Get("X-Query")); c.header.Get("Cache-Control") != privateCache {
		t.Error("a shared cache may keep what a key was asked for", c.header)
	}
	if n := len(r.sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
	r.get(r.address(Segment, "v0", 100, 0)) // same address, same software, no key
	if n := len(r.sessions()); n != 2 {
		t.Errorf("%d sessions: a request without the key rode on the one with it", n)
	}
}

func TestKickedViewerStaysOut(t *testing.T) {
	r := newRig(t, Config{})
	r.begin(100)
	r.part("v0", 100, 0, "12345", true)
	q := r.get(r.http.URL + "/live/show/index.m3u8").header.Get("X-Query")
	if !r.door.Kick(r.sessions()[0].ID, nil) {
		t.Fatal("nobody to kick")
	}
	for _, url := range []string{r.http.URL + "/live/show/v0.m3u8?" + q, r.address(Segment, "v0", 100, 0) + "?" + q} {
		if a := r.get(url); a.status != 403 || !strings.Contains(a.body, `"code":"kicked"`) {
			t.Error(a.status, a.body)
		}
	}
}

func TestSharedCache(t *testing.T) {
	r := newRig(t, Config{SharedCache: true})
	r.begin(100)
	for range 3 {
		a := r.get(r.http.URL + "/live/show/index.m3u8?key=k")
		if a.header.Get("Set-Cookie") != "" || a.header.Get("X-Query") != "key=k" {
			t.Fatal(a.header)
		}
	}
	if n := len(r.sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestForgets: what is kept of streams that are gone does not grow.
func TestForgets(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 200 {
		name := "live/s" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		tl, err := r.store.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.srv.Stream(t.Context(), name); err != nil || tl == nil {
			t.Fatal(err)
		}
		r.store.Remove(name)
	}
	if n := r.srv.Stats().Streams; n > 64 {
		t.Errorf("%d streams are kept", n)
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 5e6, time.FixedZone("", 3600))
	w := newRecorder()
	ServeClock(w, &http.Request{Method: "GET"}, now)
	if got := w.Body.String(); got != "2026-11-22T08:00:00.005Z" || w.Header().Get("Cache-Control") != "no-store" {
		t.Error(got)
	}
}
