package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/testpattern"
)

// configure writes weir.yaml and returns when the server has said what it thinks of it.
func (w *weir) configure(t *testing.T, text string) (said string) {
	t.Helper()
	before := len(w.logs.String())
	if err := os.WriteFile(filepath.Join(w.data, "weir.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "word of the new configuration", func() error {
		said = w.logs.String()[before:]
		for _, end := range []string{"the configuration has changed", "has a mistake"} {
			if i := strings.Index(said, end); i >= 0 && strings.Contains(said[i:], "\n") {
				return nil
			}
		}
		return errors.New(said)
	})
	return said
}

// segmentViewer polls the video playlist of a stream, as a player of plain HLS does, and fetches each segment once.
type segmentViewer struct {
	w        *weir
	name     string
	list     string // its address
	init     string
	fetched  int64 // media sequence number of the last segment
	counters []int64
}

func (w *weir) viewSegments(t *testing.T, name string) *segmentViewer {
	t.Helper()
	list, _ := renditions(t, w, name)
	return &segmentViewer{w: w, name: name, list: w.beside(name, list)}
}

// follow fetches for a while what comes, and fails the test where the list skips or takes back a number.
func (v *segmentViewer) follow(t *testing.T, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); pause(t, 500*time.Millisecond) {
		l := parseMedia(t, mustGet(t, v.list))
		if v.fetched > 0 && l.sequence > v.fetched+1 {
			t.Fatalf("the list begins with %d, and %d was the last", l.sequence, v.fetched)
		}
		for i, s := range l.segments {
			if n := l.sequence + int64(i); s.uri != "" && n > v.fetched {
				v.fetch(t, n, s)
			}
		}
	}
}

func (v *segmentViewer) fetch(t *testing.T, n int64, s mediaSegment) {
	t.Helper()
	if s.gap {
		t.Errorf("segment %d is a gap", n)
	}
	header, err := cmaf.ParseInit(mustGet(t, v.w.beside(v.name, s.init)))
	if err != nil {
		t.Fatal(err)
	}
	frames, err := header.Frames(nil, mustGet(t, v.w.beside(v.name, s.uri)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if m, ok := testpattern.ReadSEI(f.Data, media.H264); ok {
			v.counters = append(v.counters, int64(m.Counter))
		}
	}
	v.fetched = n
}

// whole fails the test unless every counter came once and in order.
func (v *segmentViewer) whole(t *testing.T) {
	t.Helper()
	for i := 1; i < len(v.counters); i++ {
		if v.counters[i] != v.counters[i-1]+1 {
			t.Errorf("HLS: counter %d follows %d", v.counters[i], v.counters[i-1])
			return
		}
	}
	t.Logf("HLS: %d counters, none missing", len(v.counters))
}

// targets are the target durations that a stream's playlist declares.
func (w *weir) targets(t *testing.T, name string) (segment, part string) {
	t.Helper()
	list, _ := renditions(t, w, name)
	for line := range strings.Lines(string(mustGet(t, w.beside(name, list)))) {
		if v, ok := strings.CutPrefix(line, "#EXT-X-TARGETDURATION:"); ok {
			segment = strings.TrimSpace(v)
		}
		if strings.HasPrefix(line, "#EXT-X-PART-INF") {
			part = attribute(strings.TrimSpace(line), "PART-TARGET")
		}
	}
	return segment, part
}

// TestReloadCutsNobody changes the configuration of a server that publishes to viewers of HTTP-FLV, RTMP and HLS: they lose
// nothing, and what was changed holds.
func TestReloadCutsNobody(t *testing.T) {
	w := start(t)
	key := w.key("live/*")
	one := w.pattern("live/one", key, "--bitrate", "600000")
	flv, rtmp := viewFLV(t, w.http("/live/one/stream.flv")), viewRTMP(t, w.rtmp("live/one", ""))
	var hls *segmentViewer
	eventually(t, 10*time.Second, "a playlist", func() error {
		_, status, err := get(w.http("/live/one/index.m3u8"))
		if err == nil && status != http.StatusOK {
			err = errors.New(http.StatusText(status))
		}
		return err
	})
	hls = w.viewSegments(t, "live/one")
	hls.follow(t, 4*time.Second)
	hook := listen(t, "127.0.0.1:0")
	w.api(http.MethodPost, "/webhooks", map[string]any{"url": hook.URL, "types": []string{"stream.*"}}, nil)

	said := w.configure(t, "log: {level: debug, format: json}\nstreams: {grace: 3s, take_over: false, max: 2, window: 3s, profile: realtime}\n"+
		"segments: {duration: 4s, part: 400ms, playlist: 16s}\noutgoing: {allow: [127.0.0.0/8]}\nrecording: {sync: 2s, total: 5000000000}\n")
	for _, want := range []string{
		`"settings":"log.level, log.format, streams.grace, streams.take_over, streams.profile, streams.window, streams.max, segments.duration, segments.part, segments.playlist, recording.sync, recording.total, outgoing.allow"`,
		`"msg":"these changes take effect at the next start","settings":"recording.sync"`,
		`"msg":"these changes hold when a publisher comes next","settings":"segments.duration, segments.part"`,
	} {
		eventually(t, 5*time.Second, want, func() error {
			if said = w.logs.String(); !strings.Contains(said, want) {
				return errors.New(said)
			}
			return nil
		})
	}
	hls.follow(t, 5*time.Second)
	w.refused(t, "live/one", key, "live/one already has a publisher")
	w.pattern("live/two", key)
	eventually(t, 10*time.Second, "the webhook that may be told now", func() error {
		if len(hook.all()) == 0 {
			return errors.New("nothing came")
		}
		return nil
	})
	w.refused(t, "live/three", key, "its limit of streams")
	eventually(t, 15*time.Second, "the new lengths", func() error {
		if segment, part := w.targets(t, "live/two"); segment != "4" || !strings.HasPrefix(part, "0.4") {
			return fmt.Errorf("target %s, parts %s", segment, part)
		}
		return nil
	})
	if segment, _ := w.targets(t, "live/one"); segment != "2" {
		t.Errorf("the running stream has a target of %s s now", segment)
	}
	w.mistakes(t)
	hls.follow(t, 5*time.Second)
	flv.alive(t)
	rtmp.alive(t)
	complete(t, "HTTP-FLV", flv.pictures())
	monotonic(t, "RTMP", rtmp.all())
	hls.whole(t)
	one.kill()
	select { // with the grace of before it would be half a minute
	case <-flv.done:
	case <-time.After(10 * time.Second):
		t.Error("the stream outlived its grace time")
	}
}

// refused wants a publisher to be turned away with a reason.
func (w *weir) refused(t *testing.T, name, key, why string) {
	t.Helper()
	before := len(w.logs.String())
	p := spawn(t, binary, "publish", "--pattern", w.rtmp(name, key), "--size", "640x360")
	eventually(t, 10*time.Second, "the refusal of "+name, func() error {
		if said := w.logs.String()[before:] + p.out.String(); !strings.Contains(said, why) {
			return errors.New(said)
		}
		return nil
	})
	p.kill()
}

// mistakes changes nothing by files that are wrong.
func (w *weir) mistakes(t *testing.T) {
	t.Helper()
	for text, want := range map[string]string{
		"log:\n  level: info\nstreams:\n  grace: -1s\n": "streams.grace is negative (weir.yaml, line 4)",
		"streams:\n  grase: 1s\n":                       "streams.grase in weir.yaml, line 2",
		"\nrules: [deny nobody]\n":                      "line 2",
		"streams: {grace: [}\n":                         "weir.yaml is not valid YAML in line 1, column",
		"\n\nstreams: {max: many}\n":                    `streams.max cannot be \"many\" (weir.yaml, line 3)`,
		"streams:\n  stall: 5 minutes\n":                `streams.stall cannot be \"5 minutes\" (weir.yaml, line 2)`,
		"outgoing: {allow:\n [10.0.0.0/8, here]}\n":     "line 2",
	} {
		if said := w.configure(t, text); !strings.Contains(said, want) || !strings.Contains(said, `"level":"ERROR"`) {
			t.Errorf("of %q it says %s", text, said)
		}
	}
}

// TestReloadOfSegments has HLS switched off and on while streams run.
func TestReloadOfSegments(t *testing.T) {
	w := start(t)
	key := w.key("live/*")
	w.pattern("live/one", key)
	eventually(t, 10*time.Second, "HLS of the first stream", w.has("/live/one/index.m3u8", http.StatusOK))
	hls := w.viewSegments(t, "live/one")
	hls.follow(t, 2*time.Second)
	w.configure(t, "segments: {enabled: false}\n")
	flv := viewFLV(t, w.http("/live/one/stream.flv"))
	two := w.pattern("live/two", key)
	hls.follow(t, 5*time.Second)
	if body, status, err := get(w.http("/live/two/index.m3u8")); err != nil || status == http.StatusOK || !strings.Contains(string(body), "segments_off") {
		t.Errorf("the second stream: %d %s %v", status, body, err)
	}
	w.configure(t, "segments: {enabled: true}\n")
	eventually(t, 15*time.Second, "HLS of the second stream", w.has("/live/two/index.m3u8", http.StatusOK))
	hls.follow(t, 3*time.Second)
	hls.whole(t)
	flv.alive(t)
	if n := len(flv.pictures()); n < 200 {
		t.Errorf("%d pictures", n)
	}
	complete(t, "HTTP-FLV", flv.pictures())
	w.configure(t, "segments: {duration: 4s}\n")
	two.kill()
	w.pattern("live/two", key) // within the grace time: it is the same stream
	eventually(t, 15*time.Second, "longer segments", func() error {
		if segment, _ := w.targets(t, "live/two"); segment != "4" {
			return errors.New("target " + segment)
		}
		return nil
	})
	if segment, _ := w.targets(t, "live/one"); segment != "2" {
		t.Errorf("the stream whose publisher stayed has a target of %s s", segment)
	}
}

// TestReloadAHundredTimes changes everything that can change, by chance, every half second, and nobody loses anything.
func TestReloadAHundredTimes(t *testing.T) {
	long(t)
	w := start(t)
	key := w.key("live/*")
	w.pattern("live/one", key, "--bitrate", "600000")
	flv, rtmp := viewFLV(t, w.http("/live/one/stream.flv")), viewRTMP(t, w.rtmp("live/one", ""))
	eventually(t, 10*time.Second, "a playlist", w.has("/live/one/index.m3u8", http.StatusOK))
	hls := w.viewSegments(t, "live/one")
	hls.follow(t, 3*time.Second)
	before := w.goroutines(t)
	pick := func(s ...string) string { return s[rand.IntN(len(s))] }
	n := 0
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); n++ {
		text := fmt.Sprintf("log: {level: %s, format: %s}\nstreams: {grace: %s, profile: %s, window: %s, stall: %s, take_over: %s}\nsegments: {enabled: %s, duration: %s, part: %s, window: %s, playlist: %s}\noutgoing: {allow: [%s]}\nrecording: {total: %s, dvr: %s}\nhooks: {other: {on_done: 'http://127.0.0.1:9/%d'}}\n",
			pick("debug", "info"), pick("text", "json"), pick("5s", "40s"), pick("live", "realtime", "relaxed"), pick("2s", "9s"), pick("5s", "20s"), pick("true", "false"),
			pick("true", "false"), pick("2s", "4s", "6s"), pick("200ms", "500ms"), pick("30s", "120s"), pick("10s", "60s"), pick("10.0.0.0/8", "127.0.0.0/8"), pick("0", "5000000000"), pick("0s", "1h"), n)
		if err := os.WriteFile(filepath.Join(w.data, "weir.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		hls.follow(t, 400*time.Millisecond)
	}
	if changes := strings.Count(w.logs.String(), "the configuration has changed"); changes < n*9/10 {
		t.Errorf("%d files and %d changes:\n%s", n, changes, w.logs)
	}
	hls.follow(t, 3*time.Second)
	if after := w.goroutines(t); after > before+30 { // hooks have their workers now
		t.Errorf("%d goroutines, and %d before", after, before)
	}
	flv.alive(t)
	rtmp.alive(t)
	complete(t, "FLV", flv.pictures())
	monotonic(t, "RTMP", rtmp.all())
	hls.whole(t)
	t.Logf("%d changes, %d pictures over HTTP-FLV", n, len(flv.pictures()))
}

func (w *weir) goroutines(t *testing.T) (n int) {
	t.Helper()
	for line := range strings.Lines(string(mustGet(t, w.http("/metrics")))) {
		if _, err := fmt.Sscanf(line, "go_goroutines %d", &n); err == nil {
			return n
		}
	}
	t.Fatal("go_goroutines is not among the metrics")
	return 0
}

// has wants an address to be answered with a status.
func (w *weir) has(path string, want int) func() error {
	return func() error {
		_, status, err := get(w.http(path))
		if err == nil && status != want {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
}
