package hls

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/deliver"
	format "weir/internal/format/hls"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// began is a stream with the given number of finished segments and one open part.
func (s *site) began(n int) {
	s.Begin(1000, time.Second, 100*time.Millisecond, "v0", "a0")
	s.Segments(n, "v0", "a0")
	s.Add("v0", 100*time.Millisecond, 500, false)
	s.Add("a0", 100*time.Millisecond, 50, false)
}

func TestAnswersAtOnce(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	code, text, h := s.Get("index.m3u8")
	if code != 200 || !strings.Contains(text, "v0.m3u8?s=") || h.Get("Content-Type") != format.MIMEType || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Fatal(code, text, h)
	}
	if c := h.Get("Cache-Control"); c != "private, no-cache" {
		t.Error("a playlist with a viewer's token in it may be shared:", c)
	}
	code, text, h = s.Get("v0.m3u8")
	if code != 200 || strings.Contains(text, "?") || h.Get("Cache-Control") != "public, no-cache" {
		t.Error(code, text, h)
	}
	code, text, _ = s.Get("v0.m3u8?key=K")
	if code != 200 || !strings.Contains(text, `m4s?key=K&s=`) || !strings.Contains(text, `mp4?key=K&s=`) {
		t.Error("the key does not travel", code, text)
	}
	// Both parts that exist and segments that are long gone need no waiting.
	for _, q := range []string{"_HLS_msn=1003&_HLS_part=0", "_HLS_msn=1002", "_HLS_msn=1", "_HLS_msn=1002&_HLS_part=10", "_HLS_msn=1003&_HLS_part=0&_HLS_skip=YES"} {
		if code, _, h := s.Get("v0.m3u8?" + q); code != 200 || h.Get("Cache-Control") != "public, max-age=6" {
			t.Error(q, code, h.Get("Cache-Control"))
		}
	}
	if n := s.Server.Stats().Blocked; n != 2 { // the first ones, see TestFreshStart
		t.Errorf("%d requests waited", n)
	}
}

// TestFreshStart: a player's first request waits for the next part, but not where none will come.
func TestFreshStart(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	got := make(chan string, 1)
	go func() { _, text, _ := s.Get("v0.m3u8"); got <- text }()
	s.Waiting(1)
	s.Add("v0", 100*time.Millisecond, 10, false)
	if text := <-got; !strings.Contains(text, "-1003-1.m4s\"\n#EXT-X-PRELOAD") {
		t.Error("not with the next part:", text)
	}
	s.TL.EndRun()
	s.Get("v0.m3u8")
	if n := s.Server.Stats().Blocked; n != 1 {
		t.Errorf("%d requests waited", n)
	}
}

// TestYoungStream: Shaka would search a playlist that is too short for captions, and give up.
func TestYoungStream(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(2)
	if _, text, _ := s.Get("index.m3u8"); !strings.Contains(text, ",CLOSED-CAPTIONS=NONE\n") {
		t.Error("three segments, and captions may be searched for:", text)
	}
	s.Segments(1, "v0", "a0")
	s.Add("v0", 100*time.Millisecond, 10, false)
	s.Add("a0", 100*time.Millisecond, 10, false)
	if _, text, _ := s.Get("index.m3u8"); strings.Contains(text, "CLOSED-CAPTIONS") {
		t.Error("captions are denied for good:", text)
	}
}

func TestRefusals(t *testing.T) {
	s := newSite(t, deliver.Config{FirstWait: 50 * time.Millisecond})
	s.began(3)
	for file, want := range map[string]string{
		"v0.m3u8?_HLS_msn=1005":                   "400 hls_too_far_ahead", // the last finished one is 1002
		"v0.m3u8?_HLS_msn=x":                      "400 hls_bad_reload",
		"v0.m3u8?_HLS_msn=":                       "400 hls_bad_reload",
		"v0.m3u8?_HLS_msn=-1":                     "400 hls_bad_reload",
		"v0.m3u8?_HLS_msn=1&_HLS_msn=2":           "400 hls_bad_reload",
		"v0.m3u8?_HLS_part=1":                     "400 hls_bad_reload",
		"v0.m3u8?_HLS_msn=1&_HLS_part=9e9":        "400 hls_bad_reload",
		"v0.m3u8?_HLS_skip=no":                    "400 hls_bad_reload",
		"v0.m3u8?_HLS_msn=1111111111111111111111": "400 hls_bad_reload",
		"v7.m3u8": "404 rendition_unknown",
	} {
		code, text, h := s.Get(file)
		status, codeWant, _ := strings.Cut(want, " ")
		if fmt.Sprint(code) != status || !strings.Contains(text, `"`+codeWant+`"`) || h.Get("Cache-Control") != "no-store" {
			t.Error(file, code, text, h.Get("Cache-Control"))
		}
	}
	s.Store.Remove("live/show")
	if code, text, _ := s.Get("index.m3u8"); code != 404 || !strings.Contains(text, "stream_unknown") {
		t.Error(code, text)
	}
}

// TestFirstSegment: a playlist that is asked for before there is a segment waits for it instead of failing.
func TestFirstSegment(t *testing.T) {
	s := newSite(t, deliver.Config{FirstWait: 60 * time.Millisecond})
	s.Begin(1000, time.Second, 100*time.Millisecond, "v0")
	s.Add("v0", 100*time.Millisecond, 10, false)
	if code, text, _ := s.Get("index.m3u8"); code != 503 || !strings.Contains(text, "stream_not_ready") {
		t.Error(code, text)
	}
	if code, _, _ := s.Get("v0.m3u8"); code != 503 {
		t.Error(code)
	}
	late := newSite(t, deliver.Config{})
	late.Begin(1000, time.Second, 100*time.Millisecond, "v0")
	got := make(chan int, 2)
	for _, file := range []string{"index.m3u8", "v0.m3u8"} {
		go func() { code, _, _ := late.Get(file); got <- code }()
	}
	late.Waiting(2)
	late.Segments(1, "v0")
	for range 2 {
		if code := <-got; code != 200 {
			t.Error(code)
		}
	}
}

// TestBlockingReload: a request is answered when what it asks for is there, within 30 ms, and not before.
func TestBlockingReload(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	type reply struct {
		at   time.Time
		code int
		text string
	}
	held := int64(0)
	ask := func(query string) <-chan reply {
		c := make(chan reply, 1)
		go func() {
			code, text, _ := s.Get("v0.m3u8?" + query)
			c <- reply{time.Now(), code, text}
		}()
		held++
		s.Waiting(held)
		return c
	}
	check := func(c <-chan reply, what string) {
		t.Helper()
		made := time.Now()
		r := <-c
		if d := r.at.Sub(made); r.code != 200 || !strings.Contains(r.text, what) || d > 30*time.Millisecond {
			t.Errorf("%d after %v, without %s:\n%s", r.code, d, what, r.text)
		}
	}
	part, whole, next := ask("_HLS_msn=1003&_HLS_part=1"), ask("_HLS_msn=1003"), ask("_HLS_msn=1003&_HLS_part=2&_HLS_skip=YES")
	s.Add("a0", 100*time.Millisecond, 10, false) // another rendition's part wakes nobody
	s.Add("v0", 100*time.Millisecond, 10, false)
	check(part, "-1003-1.m4s")
	if len(whole)+len(next) != 0 {
		t.Error("answered too early")
	}
	s.Add("v0", 100*time.Millisecond, 10, true) // the segment ends with its third part
	check(next, "-1003-2.m4s")
	beyond := ask("_HLS_msn=1003&_HLS_part=3") // stands for 1004, part 0
	if len(whole) != 0 {
		t.Error("the whole segment is listed before the next has a part")
	}
	s.Add("v0", 100*time.Millisecond, 10, false)
	check(whole, "seg-"+fmt.Sprint(s.Run.ID)+"-v0-1003.m4s")
	check(beyond, "-1004-0.m4s")
}

// TestReloadAcrossARun: who waits for a segment of a publisher that went away is answered by the absence and the next run's first
// part as soon as all renditions have one, and at once who asks then. Who knows no parts waits for the whole segment.
func TestReloadAcrossARun(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	ask := func(query string) <-chan string {
		got := make(chan string, 1)
		go func() { _, text, _ := s.Get("v0.m3u8?" + query); got <- text }()
		return got
	}
	waits := ask("_HLS_msn=1003&_HLS_part=1")
	s.Waiting(1)
	s.TL.EndRun()
	s.Begin(1020, time.Second, 100*time.Millisecond, "v0", "a0")
	s.Add("v0", 100*time.Millisecond, 10, false)
	if len(waits) != 0 {
		t.Error("answered before there is sound behind the absence")
	}
	s.Add("a0", 100*time.Millisecond, 10, false)
	for _, got := range []<-chan string{waits, ask("_HLS_msn=1004&_HLS_part=0"), ask("_HLS_msn=1021&_HLS_part=0")} {
		text := <-got
		if s.absent(text); strings.Contains(text, "-v0-1003-0.m4s\"") {
			t.Error("a part before the absence is listed, from which hls.js goes on without trying the gaps")
		}
	}
	whole := ask("_HLS_msn=1012")
	s.Waiting(2)
	s.Segments(1, "v0", "a0")
	if len(whole) != 0 {
		t.Error("answered before the segment behind the absence is listed whole")
	}
	s.Add("v0", 100*time.Millisecond, 10, false)
	if len(whole) != 0 {
		t.Error("answered before that of the sound is")
	}
	s.Add("a0", 100*time.Millisecond, 10, false)
	text := <-whole
	if s.absent(text); !strings.Contains(text, "\nseg-"+fmt.Sprint(s.Run.ID)+"-v0-1020.m4s\n") {
		t.Error(text)
	}
}

// TestFirstPart: a publisher that leaves in the first part of a segment leaves one that has its address from the beginning, which
// one of several parts has only when another one follows.
func TestFirstPart(t *testing.T) {
	for parts := 1; parts < 3; parts++ {
		s := newSite(t, deliver.Config{})
		s.began(3)
		for range parts - 1 {
			s.Add("v0", 100*time.Millisecond, 10, false)
		}
		s.TL.EndRun()
		if _, text, _ := s.Get("v0.m3u8"); strings.Contains(text, s.address(1003)) != (parts == 1) || !strings.Contains(text, "-v0-1003-0.m4s\"") {
			t.Errorf("%d parts\n%s", parts, text)
		}
	}
}

// TestToldOfTheReturn: a player that has all there is and asks again while the publisher is away is answered when it is back. Who
// has not asked for parts is not told before there is a whole segment.
func TestToldOfTheReturn(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	p := s.player()
	n := s.Server.Stats().Blocked
	next := p.ask(1003, 1)
	s.Waiting(n + 1)
	s.parts(1)
	<-next
	s.TL.EndRun()
	again := make(chan string, 1)
	go func() { _, text, _ := p.Get("v0.m3u8?" + p.token); again <- text }()
	s.Waiting(n + 2)
	s.Begin(1020, time.Second, 100*time.Millisecond, "v0", "a0")
	s.Add("v0", 100*time.Millisecond, 10, false)
	s.Add("a0", 100*time.Millisecond, 10, false)
	if text := <-again; !strings.Contains(text, "#EXT-X-GAP\n") || !strings.Contains(text, "-v0-1020-0.m4s\"") {
		t.Error(text)
	}
	if _, text, _ := s.Get("v0.m3u8"); strings.Contains(text, "#EXT-X-GAP\n") {
		t.Error("a player that may know no parts was told of a gap that nothing whole follows\n", text)
	}
}

// TestShortAbsence: hls.js goes on from part to part over an absence that is shorter than the last segment before it, and whoever
// has not done so when the first segment behind it is over has to try the gap.
func TestShortAbsence(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	for range 5 {
		s.Add("v0", 100*time.Millisecond, 10, false)
		s.Add("a0", 100*time.Millisecond, 10, false)
	}
	s.TL.EndRun() // 0.4 s before the next edge
	s.Begin(1004, time.Second, 100*time.Millisecond, "v0", "a0")
	s.Add("v0", 100*time.Millisecond, 10, false)
	s.Add("a0", 100*time.Millisecond, 10, false)
	listed := func(want bool) {
		t.Helper()
		_, text, _ := s.Get("v0.m3u8?_HLS_msn=1005&_HLS_part=0")
		if strings.Contains(text, "-v0-1003-1.m4s\"") != want || strings.Count(text, "#EXT-X-GAP") != 1 || strings.Count(text, "#EXT-X-DISCONTINUITY\n") != 1 {
			t.Error(text)
		}
	}
	listed(true)
	s.Segments(1, "v0", "a0")
	s.Add("v0", 100*time.Millisecond, 10, false)
	s.Add("a0", 100*time.Millisecond, 10, false)
	listed(false)
}

// TestOverAbsence: the first segment behind an absence has its address as soon as it ends, unless hls.js goes on from part to part.
func TestOverAbsence(t *testing.T) {
	for away, want := range map[int]bool{16: true, 0: false} { // in segments beyond the 0.3 s that 1003 is short of
		s := newSite(t, deliver.Config{})
		s.began(3)
		before := s.player()
		before.first()
		s.parts(5)
		s.TL.EndRun()
		s.Begin(int64(1004+away), time.Second, 100*time.Millisecond, "v0", "a0")
		s.Add("a0", 100*time.Millisecond, 10, false)
		s.parts(10)
		if text := <-before.ask(1004+away, 9); strings.Contains(text, s.address(1004+away)) != want || !strings.Contains(text, "-9.m4s\"") {
			t.Errorf("%d segments away\n%s", away, text)
		}
	}
}

// absent holds a list against an absence from 1003.1 s to 1020 s, which is 17 segments, 1004 to 1020, and a discontinuity behind them.
func (s *site) absent(text string) {
	s.t.Helper()
	_, m, err := format.Parse([]byte(text))
	if err != nil || len(m.Segments) < 21 {
		s.t.Fatal(err, text)
	}
	for i, seg := range m.Segments {
		if n := m.MediaSequence + int64(i); seg.Gap != (n >= 1004 && n < 1021) || seg.Discontinuity != (n == 1021) {
			s.t.Errorf("segment %d: %+v", n, seg)
		}
	}
}

// TestPatience: a stream that stands still is an error after three target durations, one whose publisher is away is not.
func TestPatience(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.Begin(1000, 60*time.Millisecond, 6*time.Millisecond, "v0")
	s.Segments(2, "v0")
	started := time.Now()
	code, text, _ := s.Get("v0.m3u8?_HLS_msn=1002&_HLS_part=0")
	if d := time.Since(started); code != 503 || !strings.Contains(text, "hls_reload_timeout") || d < 170*time.Millisecond {
		t.Error(code, text, d)
	}
	s.TL.EndRun()
	code, text, h := s.Get("v0.m3u8?_HLS_msn=1002&_HLS_part=0")
	if code != 200 || strings.Contains(text, "PRELOAD-HINT") || h.Get("Cache-Control") != "public, no-cache" {
		t.Error(code, text, h)
	}
	s.TL.End()
	if code, text, _ = s.Get("v0.m3u8?_HLS_msn=1002&_HLS_part=0"); code != 200 || !strings.HasSuffix(text, "#EXT-X-ENDLIST\n") {
		t.Error(code, text)
	}
}

// TestRenderedOnce: a thousand viewers of one version cost one rendering.
func TestRenderedOnce(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	s.Get("v0.m3u8")
	n := s.Server.Stats().Renders
	for range 20 {
		s.Get("v0.m3u8")
	}
	if m := s.Server.Stats().Renders; m != n {
		t.Errorf("%d renderings for one version", m-n+1)
	}
}

func FuzzReload(f *testing.F) {
	for _, s := range []string{"_HLS_msn=1&_HLS_part=2&_HLS_skip=YES", "_HLS_msn=999999999999999999", "_HLS_skip=v2", "_HLS_msn=&_HLS_part"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		ask, err := parseReload(q)
		if err == nil && (ask.msn < -1 || ask.part < -1 || ask.part >= 0 && ask.msn < 0) {
			t.Errorf("%+v", ask)
		}
	})
}

// TestPicturesReload: the I-frame playlist of a low-latency stream offers what the others do (RFC 8216bis section 6.2.4), and
// keeps the promise: it waits for a segment, and leaves out what lies too far back.
func TestPicturesReload(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(20)
	line := func(text, tag string) string {
		_, after, _ := strings.Cut(text, tag)
		before, _, _ := strings.Cut(after, "\n")
		return before
	}
	_, media, _ := s.Get("v0.m3u8")
	code, text, h := s.Get("v0.iframes.m3u8")
	if code != 200 || h.Get("Cache-Control") != "public, max-age=0, s-maxage=1" {
		t.Fatal(code, h)
	}
	const control = "#EXT-X-SERVER-CONTROL:"
	if line(text, control) == "" || line(text, control) != line(media, control) || strings.Contains(text, "#EXT-X-PART") {
		t.Errorf("%q and %q", line(media, control), line(text, control))
	}
	for _, q := range []string{"_HLS_part=1", "_HLS_msn=1030", "_HLS_skip=no"} {
		if code, _, _ := s.Get("v0.iframes.m3u8?" + q); code != 400 {
			t.Error(q, code)
		}
	}
	_, delta, _ := s.Get("v0.iframes.m3u8?_HLS_skip=YES")
	if got, want := strings.Count(delta, "#EXTINF")+int(number(t, line(delta, "#EXT-X-SKIP:SKIPPED-SEGMENTS="))), strings.Count(text, "#EXTINF"); got != want ||
		strings.Count(delta, "#EXTINF") < 6 || line(delta, "#EXT-X-MAP:") != line(text, "#EXT-X-MAP:") || !strings.HasSuffix(text, delta[strings.Index(delta, "#EXTINF"):]) {
		t.Errorf("%d of %d segments:\n%s", got, want, delta)
	}
	before := s.Server.Stats().Blocked
	got := make(chan string, 1)
	go func() {
		_, text, h := s.Get("v0.iframes.m3u8?_HLS_msn=1020")
		got <- h.Get("Cache-Control") + "\n" + text
	}()
	s.Waiting(before + 1)
	s.Add("v0", 100*time.Millisecond, 10, true)
	s.Add("v0", 100*time.Millisecond, 10, false)
	if text := <-got; !strings.Contains(text, "-v0-1020") || !strings.HasPrefix(text, "public, max-age=6\n") {
		t.Error(text)
	}
}

// TestPicturesReloadBehindAnAbsence: the I-frame playlist lists no absences, so its numbers are lower than those of the others.
func TestPicturesReloadBehindAnAbsence(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.began(3)
	s.TL.EndRun()
	s.Begin(1020, time.Second, 100*time.Millisecond, "v0", "a0")
	s.Segments(2, "v0", "a0")
	_, text, _ := s.Get("v0.iframes.m3u8")
	if !strings.Contains(text, "#EXT-X-MEDIA-SEQUENCE:1000\n") || strings.Count(text, "#EXTINF") != 6 {
		t.Fatal(text)
	}
	before := s.Server.Stats().Blocked
	got := make(chan string, 1)
	go func() { _, text, _ := s.Get("v0.iframes.m3u8?_HLS_msn=1006"); got <- text }()
	s.Waiting(before + 1)
	s.Segments(1, "v0", "a0")
	if text := <-got; strings.Count(text, "#EXTINF") != 7 || !strings.Contains(text, "-v0-1022.m4s") {
		t.Error(text)
	}
	if code, _, _ := s.Get("v0.iframes.m3u8?_HLS_msn=1020"); code != 400 {
		t.Error("too far ahead, and answered with", code)
	}
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
