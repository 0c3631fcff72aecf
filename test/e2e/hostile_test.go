package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/testpattern"
)

// metric reads a figure of /metrics; series is the name with its labels as Prometheus prints them.
func (w *weir) metric(t *testing.T, series string) float64 {
	t.Helper()
	for line := range strings.Lines(string(mustGet(t, w.http("/metrics")))) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	return 0 // a counter that has not counted yet is not listed
}

// resident is the server's memory by the kernel's word.
func (w *weir) resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// noPanics: whatever came, no panic was caught either.
func (w *weir) noPanics(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(string(mustGet(t, w.http("/metrics")))) {
		if strings.HasPrefix(line, "weir_panics_total") && !strings.HasSuffix(strings.TrimSpace(line), " 0") {
			t.Error(strings.TrimSpace(line))
		}
	}
}

// TestShow_2_6_WrongKeysAndNames: each refusal has its code, a sentence, and is counted.
func TestShow_2_6_WrongKeysAndNames(t *testing.T) {
	w := start(t)
	key := w.key("live/show")
	other := w.key("live/other")
	refused := `weir_gateway_refused_total{gateway="rtmp"}`
	for i, c := range []struct{ app, stream, status, says string }{
		{"live", "show", "NetStream.Publish.Unauthorized", "key"},
		{"live", "show?key=wrong", "NetStream.Publish.Unauthorized", "key"},
		{"live", "show?key=" + other, "NetStream.Publish.Unauthorized", "key"},
		{"live", "../show?key=" + key, "NetStream.Publish.BadName", "name"},
		{"live", "..?key=" + key, "NetStream.Publish.BadName", "name"},
		{"api", "v1?key=" + key, "NetStream.Publish.BadName", "name"},
		{"live", "index.m3u8?key=" + key, "NetStream.Publish.BadName", "name"},
		{"live", "a/b/c/d/e?key=" + key, "NetStream.Publish.BadName", "name"},
		{"live", "sh\u202eow?key=" + key, "NetStream.Publish.BadName", "name"},
	} {
		code, text, err := w.dialRTMP(t).publish(c.app, c.stream)
		if err != nil || code != c.status || !strings.Contains(text, c.says) || len(strings.Fields(text)) < 6 {
			t.Errorf("%s/%q: %s %q %v; expected %s", c.app, c.stream, code, text, err, c.status)
		}
		eventually(t, 3*time.Second, "the refusal to be counted", func() error {
			if n := w.metric(t, refused); n != float64(i+1) {
				return fmt.Errorf("%s %g after %d refusals", refused, n, i+1)
			}
			return nil
		})
	}
	var list struct {
		Items []struct{ Code, Message string }
	}
	w.api(http.MethodGet, "/streams/"+url.PathEscape("live/show")+"/attempts", nil, &list)
	got := map[string]bool{}
	for _, a := range list.Items {
		got[a.Code] = len(a.Message) > 10
	}
	for _, code := range []string{"key_missing", "key_wrong", "key_wrong_stream"} {
		if !got[code] {
			t.Errorf("no attempt with the code %s: %+v", code, list.Items)
		}
	}
	for path, code := range map[string]string{
		"/live/..%2fx/stream.flv": "name_bad_char", "/api/show/stream.flv": "", "/live/none/stream.flv": "stream_unknown",
		"/live/none/index.m3u8": "stream_unknown", "/a/b/c/d/e": "name_too_deep", "/live/x/whip": "method_not_allowed",
	} {
		w.problem(t, http.MethodGet, path, nil, code)
	}
	w.problem(t, http.MethodPost, "/live/show/whip", strings.NewReader("v=0\r\n"), "key_missing")
	if _, err := viewWHEP(t.Context(), t, w.http("/live/show/whip"), false); err == nil || !strings.Contains(err.Error(), `"code":"key_missing"`) {
		t.Errorf("WHIP without a key: %v", err)
	}
	w.noPanics(t)
}

// problem asks and holds the answer against a code ("": any 4xx).
func (w *weir) problem(t *testing.T, method, path string, body io.Reader, code string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.http(path), body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/sdp")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	var p struct{ Code, Detail string }
	if resp.StatusCode < 400 || resp.StatusCode > 499 || code != "" && (json.Unmarshal(b, &p) != nil || p.Code != code || p.Detail == "") || err != nil {
		t.Errorf("%s %s: %s %.300s; expected %s", method, path, resp.Status, b, code)
	}
}

// witness is a good stream with viewers, beside which an attack happens.
type witness struct {
	viewers []*flvViewer
}

func (w *weir) witness(t *testing.T) *witness {
	t.Helper()
	w.pattern("good/stream", w.key("good/*"), "--bitrate", "500000")
	g := &witness{}
	for range 10 {
		g.viewers = append(g.viewers, viewFLV(t, w.http("/good/stream/stream.flv")))
	}
	return g
}

// p99 of all viewers in a stretch of time.
func (g *witness) p99(from, to time.Time) time.Duration {
	var all []arrival
	for _, v := range g.viewers {
		all = append(all, v.pictures()...)
	}
	return latency(all, from, to, 0.99)
}

// TestShow_2_6_NoHarmToOthers is the short form: each attack for 2 s, on a machine that does other things too.
func TestShow_2_6_NoHarmToOthers(t *testing.T) {
	noHarm(t, 2*time.Second, 250*time.Millisecond)
}

// TestShow_2_6_NoHarmToOthersMinutes: each attack for 30 s; p99 stays under twice its value before.
func TestShow_2_6_NoHarmToOthersMinutes(t *testing.T) {
	long(t)
	noHarm(t, 30*time.Second, 0)
}

// noHarm runs the attacks beside a good stream: it loses no picture, its p99 latency stays under twice the value before (and
// what a busy machine adds), the server's memory stays bounded.
func noHarm(t *testing.T, each, slack time.Duration) {
	w := start(t)
	g := w.witness(t)
	begun := time.Now()
	pause(t, each)
	before, memory := g.p99(begun, time.Now()), w.resident(t)
	for _, a := range attacks {
		from := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), each)
		a.run(ctx, t, w)
		cancel()
		p99, used := g.p99(from, time.Now()), w.resident(t)-memory
		t.Logf("%s: p99 %v (before: %v), %d MiB more than before", a.name, p99, before, used>>20)
		if p99 > 2*before+slack {
			t.Errorf("%s: p99 %v, before %v", a.name, p99, before)
		}
		if used > 96<<20 {
			t.Errorf("%s: the server holds %d MiB more", a.name, used>>20)
		}
	}
	for i, v := range g.viewers {
		v.alive(t)
		complete(t, "viewer "+strconv.Itoa(i), v.pictures())
	}
	if w.metric(t, "weir_rtmp_broken_total") == 0 || w.metric(t, "weir_rtmp_evicted_total") == 0 {
		t.Error("broken and half-open connections were not counted")
	}
	w.noPanics(t)
}

// lies are ways in which a publisher's time stamps go wrong after three seconds.
var lies = []struct {
	name    string
	stamp   func(ms int64) uint32
	counted bool // as a repair or a discontinuity
}{
	{"back", func(ms int64) uint32 {
		if ms >= 3000 {
			ms -= 2500
		}
		return uint32(ms)
	}, true},
	{"ahead", func(ms int64) uint32 {
		if ms >= 3000 {
			ms += 3_600_000
		}
		return uint32(ms)
	}, true},
	{"wrap24", func(ms int64) uint32 { return uint32(1<<24 - 3000 + ms) }, false},
	{"to24", func(ms int64) uint32 { return uint32(1<<24-3000+ms) & 0xFFFFFF }, true},
	{"wrap32", func(ms int64) uint32 { return uint32(1<<32 - 3000 + ms) }, false},
	{"still", func(ms int64) uint32 { return uint32(min(ms, 3000)) }, true},
	{"random", func(ms int64) uint32 {
		if ms >= 3000 {
			return uint32(ms) * 2654435761
		}
		return uint32(ms)
	}, true},
}

// TestShow_2_6_TimestampsThatLie: viewers get every picture with time stamps that only grow, the repairs are counted, and HLS goes on.
func TestShow_2_6_TimestampsThatLie(t *testing.T) {
	w := start(t)
	key := w.key("lies/*")
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, l := range lies {
		f := w.feed(t, "lies/"+l.name, key, testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: time.Second})
		ready := make(chan struct{})
		wg.Go(func() {
			f.run(t, 200*time.Millisecond, l.stamp)
			close(ready)
			f.run(t, 8*time.Second, l.stamp)
		})
		<-ready
		v := viewFLV(t, w.http("/lies/"+l.name+"/stream.flv"))
		wg.Go(func() {
			eventually(t, 15*time.Second, "all of "+l.name, func() error {
				p := v.pictures()
				if len(p) == 0 || p[len(p)-1].counter < 199 {
					return fmt.Errorf("%d pictures", len(p))
				}
				return nil
			})
			v.alive(t)
			monotonic(t, l.name, v.all())
			once(t, l.name, v.pictures())
			w.judgeLie(t, l.name, l.counted)
		})
	}
	wg.Wait()
	w.noPanics(t)
}

// once: every counter came once and in order. Time stamps in milliseconds cannot all differ when the publisher's stand still.
func once(t *testing.T, who string, pictures []arrival) {
	t.Helper()
	for i := 1; i < len(pictures); i++ {
		if pictures[i].counter != pictures[i-1].counter+1 {
			t.Errorf("%s: counter %d follows %d", who, pictures[i].counter, pictures[i-1].counter)
			return
		}
	}
}

func (w *weir) judgeLie(t *testing.T, name string, counted bool) {
	var s struct {
		Counters struct {
			Repairs         int `json:"timestamp_repairs"`
			Discontinuities int `json:"discontinuities"`
		}
	}
	if err := w.tryAPI(http.MethodGet, "/streams/"+url.PathEscape("lies/"+name), nil, &s); err != nil {
		t.Error(err)
		return
	}
	t.Logf("%s: %+v", name, s.Counters)
	if found := s.Counters.Repairs+s.Counters.Discontinuities > 0; found != counted {
		t.Errorf("%s: %+v, counted expected: %t", name, s.Counters, counted)
	}
	l := parseMedia(t, mustGet(t, w.beside("lies/"+name, "v0.m3u8")))
	if len(l.segments) < 2 { // a clock that stands still is waited for for 5 s
		t.Errorf("%s: %d segments in the playlist", name, len(l.segments))
	}
}

var period0 = regexp.MustCompile(`<Period `)

// TestShow_2_6_CodecChange: the publisher changes size in the middle; FLV viewers stay on their connection and get the new
// configuration, HLS gets a discontinuity with a new init segment, DASH a new Period.
func TestShow_2_6_CodecChange(t *testing.T) {
	w := start(t)
	o := testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: time.Second, Audio: true}
	f := w.feed(t, "live/change", w.key("live/*"), o)
	f.run(t, 300*time.Millisecond, func(ms int64) uint32 { return uint32(ms) })
	v := viewFLV(t, w.http("/live/change/stream.flv"))
	f.run(t, 4*time.Second, func(ms int64) uint32 { return uint32(ms) })
	first := f.sent
	o.Width, o.Height = 640, 360
	f.begin(t, o)
	f.run(t, 4*time.Second, func(ms int64) uint32 { return uint32(4000 + ms) })
	eventually(t, 5*time.Second, "the pictures of both sizes", func() error {
		if n := len(v.pictures()); n < f.sent-2 {
			return fmt.Errorf("%d of %d", n, f.sent)
		}
		return nil
	})
	v.alive(t)
	monotonic(t, "HTTP-FLV", v.all())
	configs := 0
	for _, a := range v.all() {
		if a.config && !a.audio {
			configs++
		}
	}
	if configs < 2 {
		t.Errorf("%d video configurations", configs)
	}
	p := v.pictures()
	complete(t, "before the change", p[:first-int(p[0].counter)])
	complete(t, "after the change", p[first-int(p[0].counter):])
	l := parseMedia(t, mustGet(t, w.beside("live/change", "v0.m3u8")))
	inits, breaks := map[string]bool{}, 0
	for _, s := range l.segments {
		inits[s.init] = true
		if s.breaks {
			breaks++
		}
	}
	if breaks != 1 || len(inits) != 2 {
		t.Errorf("%d discontinuities, init segments %v", breaks, inits)
	}
	if n := len(period0.FindAll(mustGet(t, w.beside("live/change", "index.mpd")), -1)); n != 2 {
		t.Errorf("%d Periods", n)
	}
}
