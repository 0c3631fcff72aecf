package file

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/testpattern"
)

// A clip is a file like any other: ranges of it are its bytes, and its tag says whether it is the same still.
func TestRanges(t *testing.T) {
	s := newStage(t, Config{})
	s.pattern(s.source(testpattern.Options{Audio: true, Bitrate: 2_000_000}), 0, 12*time.Second, nil)
	url := s.url(3*time.Second, 11*time.Second, "")
	whole := s.do(http.MethodGet, url)
	size := len(whole.body)
	if whole.status != http.StatusOK || whole.header.Get("Content-Length") != strconv.Itoa(size) || whole.header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%d %v", whole.status, whole.header)
	}
	etag := whole.header.Get("Etag")
	if head := s.do(http.MethodHead, url); head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("Content-Length") != strconv.Itoa(size) || head.header.Get("Etag") != etag {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	if head := s.do(http.MethodHead, url, "Range", "bytes=5-9"); head.status != http.StatusOK || head.header.Get("Content-Length") != strconv.Itoa(size) {
		t.Errorf("HEAD with a range, which is of GET alone: %d %v", head.status, head.header)
	}
	check := func(spec string, at, n int) {
		t.Helper()
		a := s.do(http.MethodGet, url, "Range", spec)
		if a.status != http.StatusPartialContent || a.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", at, at+n-1, size) || !bytes.Equal(a.body, whole.body[at:at+n]) {
			t.Errorf("%s: %d %s, %d bytes", spec, a.status, a.header.Get("Content-Range"), len(a.body))
		}
	}
	check("bytes=0-0", 0, 1)
	check("bytes=0-", 0, size)
	check("bytes=-1", size-1, 1)
	check("bytes=-99999999", 0, size)
	check(fmt.Sprintf("bytes=%d-", size-1), size-1, 1)
	check(fmt.Sprintf("bytes=100-%d", size*2), 100, size-100)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		at := rnd.IntN(size)
		n := 1 + rnd.IntN(min(size-at, 1<<(1+rnd.IntN(20))))
		check(fmt.Sprintf("bytes=%d-%d", at, at+n-1), at, n)
	}
	for spec, status := range map[string]int{
		"bytes=" + strconv.Itoa(size) + "-": 416, "bytes=-0": 416, "bytes=0-1,5-6": 200, "items=0-1": 200, "bytes=5-2": 200, "bytes=x-": 200, "bytes=99999999999999999999-": 200,
	} {
		if a := s.do(http.MethodGet, url, "Range", spec); a.status != status {
			t.Errorf("%s: %d", spec, a.status)
		}
	}
	for _, c := range []struct {
		header, value, ranged string
		status                int
	}{
		{"If-Range", etag, "bytes=5-9", 206}, {"If-Range", `"other"`, "bytes=5-9", 200}, {"If-Range", "Sun, 15 Jun 2025 15:06:40 GMT", "bytes=5-9", 200},
		{"If-None-Match", etag, "", 304}, {"If-None-Match", `"x", ` + etag, "", 304}, {"If-None-Match", `"x"`, "", 200}, {"If-Match", `"x"`, "", 412}, {"If-Match", etag, "", 200},
		{"If-Match", "W/" + etag, "", 412}, {"If-Match", `"x", ` + etag, "", 200}, {"If-Match", "*", "", 200}, {"If-Range", "W/" + etag, "bytes=5-9", 200},
	} {
		h := []string{c.header, c.value}
		if c.ranged != "" {
			h = append(h, "Range", c.ranged)
		}
		if a := s.do(http.MethodGet, url, h...); a.status != c.status {
			t.Errorf("%s: %s: %d", c.header, c.value, a.status)
		}
	}
	if st := s.srv.Stats(); st.Built != 1 || st.Plans != 1 || st.FileBytes == 0 {
		t.Errorf("%+v", st)
	}
}

// Other footage and another cut are other files.
func TestTags(t *testing.T) {
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{Audio: true})
	s.pattern(src, 0, 8*time.Second, nil)
	tag := func(url string) string {
		a := s.do(http.MethodHead, url)
		if a.status != http.StatusOK {
			t.Fatal(a.status, url)
		}
		return a.header.Get("Etag")
	}
	url := s.url(time.Second, 20*time.Second, "")
	first := tag(url)
	if again := tag(url + "&download=1"); again != first {
		t.Error("saving it makes it another file")
	}
	if other := tag(url + "&cut=key"); other == first {
		t.Error("another cut has the same tag")
	}
	s.pattern(src, 10*time.Second, 4*time.Second, nil)
	if other := tag(url); other == first {
		t.Error("more footage has the same tag")
	}
}

func TestNamesOfFiles(t *testing.T) {
	s := newStage(t, Config{})
	s.pattern(s.source(testpattern.Options{}), 0, 4*time.Second, nil)
	a := s.do(http.MethodHead, s.url(time.Second, 3*time.Second, "&download=1"))
	want := `attachment; filename="live-___2025-06-15_15-06-41Z.mp4"; filename*=UTF-8''live-%E5%B1%95%E7%A4%BA_2025-06-15_15-06-41Z.mp4`
	if got := a.header.Get("Content-Disposition"); got != want {
		t.Errorf("%s", got)
	}
	a = s.do(http.MethodHead, s.url(time.Second, 3*time.Second, ""))
	if got := a.header.Get("Content-Disposition"); !strings.HasPrefix(got, "inline; ") || a.header.Get("Content-Type") != "video/mp4" {
		t.Errorf("%s", got)
	}
	if got := disposition("a\"b\\c\r\n%.mp4", false); got != `inline; filename="a_b_c___.mp4"; filename*=UTF-8''a%22b%5Cc%0D%0A%25.mp4` {
		t.Error(got)
	}
}

func TestFaults(t *testing.T) {
	s := newStage(t, Config{Longest: time.Hour})
	s.pattern(s.source(testpattern.Options{}), 0, 4*time.Second, nil)
	for query, want := range map[string]string{
		"":                              "range_missing",
		"from=1750000000&to=1750000000": "range_empty",
		"from=1750000000&to=1750003601": "clip_too_long",
		"from=1750000000":               "clip_too_long",
		"to=1750000004":                 "range_missing",
		"dvr":                           "range_missing",
		"from=1750000000&to=1750000002&cut=there": "cut_unknown",
		"from=1749999000&to=1749999100":           "no_footage",
		"from=soon&to=1750000002":                 "range_wrong",
	} {
		if a := s.do(http.MethodGet, s.http.URL+"/clip.mp4?"+query); !bytes.Contains(a.body, []byte(`"`+want+`"`)) || a.status < 400 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := s.do(http.MethodPost, s.url(0, time.Second, "")); a.status != http.StatusBadRequest && a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotImplemented {
		t.Errorf("POST: %d", a.status)
	}
}

// A range counted from now is another one with each request: who asks for bytes of it is sent to its fixed address.
func TestRelativeRange(t *testing.T) {
	s := newStage(t, Config{})
	back := time.Since(epoch) - 2*time.Second
	s.pattern(s.source(testpattern.Options{}), 0, 8*time.Second, nil)
	url := fmt.Sprintf("%s/clip.mp4?from=-%ds&to=-%ds&key=k", s.http.URL, int(back.Seconds()), int(back.Seconds())-4)
	a := s.do(http.MethodGet, url)
	if at := a.header.Get("Content-Location"); a.status != http.StatusOK || !strings.HasPrefix(at, "clip.mp4?from=17500000") || !strings.Contains(at, "key=k") {
		t.Errorf("%d %v", a.status, a.header)
	}
	client := *s.http.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	q, _ := http.NewRequest(http.MethodGet, url, nil)
	q.Header.Set("Range", "bytes=0-")
	res, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusFound || strings.Contains(res.Header.Get("Location"), "from=-") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if b := s.do(http.MethodGet, url, "Range", "bytes=0-99"); b.status != http.StatusPartialContent || len(b.body) != 100 {
		t.Errorf("%d", b.status)
	}
}
