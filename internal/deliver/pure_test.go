package deliver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/problem"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func TestAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Address{Kind: Kind(rapid.IntRange(int(Master), int(Picture)).Draw(t, "kind"))}
		if a.Kind >= Playlist && a.Kind <= IFrames || a.Kind == Picture {
			a.Rendition = rapid.StringMatching(`[a-zA-Z0-9_-]{1,12}`).Draw(t, "rendition")
		}
		if a.Kind == Playlist && (a.Rendition == "index" || a.Rendition == "ts") {
			return
		}
		if a.Kind >= Init && a.Kind <= Part || a.Kind >= TSSegment {
			a.Run = uint64(rapid.Int64Range(0, 1<<61).Draw(t, "run"))
		}
		if a.Kind == Segment || a.Kind == Part || a.Kind >= TSSegment {
			a.N = rapid.Int64Range(0, 1<<61).Draw(t, "n")
		}
		if a.Kind == Part {
			a.Index = rapid.IntRange(0, 1<<20).Draw(t, "index")
		}
		if got := ParseAddress(a.String()); got != a {
			t.Fatalf("%s: %+v, want %+v", a, got, a)
		}
	})
	for _, s := range []string{"", "x", "index.html", ".m3u8", "seg-1-v0-01.m4s", "seg-+1-v0-1.m4s", "seg-1--1.m4s", "part-1-v0-1.m4s",
		"part-1-v0-1-9999999.m4s", "init-1-v0.m4s", "init--v0.mp4", "seg-1-v/0-1.m4s", "seg-99999999999999999999-v0-1.m4s", "..m3u8"} {
		if a := ParseAddress(s); a.Kind != Nothing {
			t.Errorf("%q: %+v", s, a)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{"index.m3u8", "v0.m3u8", "init-1-v0.mp4", "seg-1-v0-2.m4s", "part-1-a-en-2-3.m4s"} {
		f.Add(s, "bytes=0-4", `"x", W/"y"`, "gzip;q=0.3, *", int64(10))
	}
	f.Add("seg--1-v0--2.m4s", "bytes=-5", "*", "identity", int64(0))
	f.Fuzz(func(t *testing.T, file, ranges, tags, encodings string, size int64) {
		if a := ParseAddress(file); a.Kind != Nothing && a.String() != file {
			t.Errorf("%q has two spellings: %q", file, a)
		}
		size = max(size, 0)
		if at, n, kind := parseRange(ranges, size); kind == rangeOne && (at < 0 || n <= 0 || n > size-at) {
			t.Errorf("%q of %d: %d bytes from %d", ranges, size, n, at)
		}
		matches(tags, `"x"`)
		acceptsGzip(encodings)
	})
}

func TestStatus(t *testing.T) {
	for kind, want := range map[fault.Kind]int{fault.Internal: 500, fault.Invalid: 400, fault.Unauthorized: 401, fault.Forbidden: 403, fault.NotFound: 404,
		fault.Conflict: 409, fault.TooLarge: 413, fault.TooMany: 429, fault.Unsupported: 415, fault.Unavailable: 503} {
		if got := problem.Status(fault.New(kind, "x", "", "")); got != want {
			t.Errorf("%v: %d", kind, got)
		}
	}
	w := newRecorder()
	WriteFault(w, httptest.NewRequest("HEAD", "/live/show/index.m3u8?key=secret", nil), fault.New(fault.TooMany, "rate_limited", "Too many.", ""))
	if w.Code != 429 || w.Body.Len() != 0 || w.Header().Get("Retry-After") != "1" {
		t.Error(w)
	}
}

// TestViewersAreBounded: a client that keeps no token gets sessions of its own only up to a limit, and a token that
// nobody uses is forgotten.
func TestViewersAreBounded(t *testing.T) {
	v := newViewers(nil)
	now := time.Unix(1e9, 0)
	req := session.Request{Name: "live/show", Remote: netip.MustParseAddrPort("192.0.2.1:1"), Protocol: "hls"}
	for i := range 3000 { // never sends a token back
		req.UserAgent = strconv.Itoa(i % 3)
		if _, _, err := v.find(&req, "", true, now); err != nil {
			t.Fatal(err)
		}
	}
	if n := v.count(); n != 3 {
		t.Errorf("%d viewers of three kinds of software", n)
	}
	for i := range 3000 { // sends it back once and asks for another, or says every time that it is another software
		req.UserAgent = strconv.Itoa(i % 1500)
		vw, _, err := v.find(&req, "", true, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, fresh, err := v.find(&req, vw.token, true, now); fresh || err != nil {
			t.Fatal(fresh, err)
		}
	}
	if n := v.count(); n > newPerWindow+1 {
		t.Errorf("%d viewers from one address", n)
	}
	now = now.Add(window + forgetIdle)
	if _, _, err := v.find(&req, "", true, now); err != nil {
		t.Fatal(err)
	}
	if n := v.count(); n != 1 || len(v.byID) != 1 {
		t.Errorf("%d viewers after the others were forgotten, %d identities", n, len(v.byID))
	}
}

// TestViewerMoves: a phone that changes its network stays one viewer, also for the segments, which carry no token.
func TestViewerMoves(t *testing.T) {
	v := newViewers(nil)
	now := time.Unix(1e9, 0)
	home := session.Request{Name: "live/show", Remote: netip.MustParseAddrPort("192.0.2.1:1"), Protocol: "hls", UserAgent: "phone"}
	first, _, err := v.find(&home, "", true, now)
	if err != nil {
		t.Fatal(err)
	}
	street := home
	street.Remote = netip.MustParseAddrPort("[2001:db8::7]:9")
	if vw, _, _ := v.find(&street, first.token, false, now); vw != first {
		t.Error("the token is another viewer's")
	}
	street.Protocol = ""
	if vw, _, _ := v.find(&street, "", false, now); vw != first {
		t.Error("a segment from the new network is another viewer's")
	}
	if v.count() != 1 || len(v.byID) != 1 {
		t.Error(v.count(), len(v.byID))
	}
}

func TestCookiePath(t *testing.T) {
	w := newRecorder()
	setCookie(w, httptest.NewRequest("GET", "/", nil), "直播/show", "T")
	c := (&http.Response{Header: w.Header()}).Cookies()
	if len(c) != 1 || c[0].Path != "/%E7%9B%B4%E6%92%AD/show" {
		t.Errorf("%+v", c)
	}
}

type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type taker struct {
	http.ResponseWriter
	io.ReaderFrom
}

func TestBare(t *testing.T) {
	rec := newRecorder()
	file := &taker{ResponseWriter: rec}
	if FileWriter(wrapper{wrapper{file}}) != io.Writer(file) {
		t.Error("the writer that takes files was not found")
	}
	if w := (wrapper{rec}); FileWriter(w) != io.Writer(w) {
		t.Error("a wrapper was passed by for nothing")
	}
}
