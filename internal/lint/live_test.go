package lint

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// station is a live origin: real media of ffmpeg in parts of a quarter second, published by the clock.
type station struct {
	t      *testing.T
	init   []byte
	parts  [][]byte
	began  time.Time // when part 24 becomes whole
	mu     sync.Mutex
	seen   map[string]int
	f      spoil
	frozen int // with this many parts, if not 0
}

const partsPerSegment, stationPart = 4, 250 * time.Millisecond

func newStation(t *testing.T, f spoil, around ...func(http.Handler) http.Handler) (*station, string) {
	t.Helper()
	s := sampleOf(t, "parts", "ffmpeg", "-v error -y -f lavfi -i testsrc2=size=320x180:rate=20 -t 30 -c:v libx264 -preset ultrafast -profile:v baseline -g 20 -keyint_min 20 "+
		"-sc_threshold 0 -b:v 300k -maxrate 300k -bufsize 300k -f mp4 -movflags empty_moov+default_base_moof -frag_duration 250000 p.mp4")
	st := &station{t: t, began: time.Now(), seen: map[string]int{}, f: f}
	list, whole := boxes(s["/p.mp4"], 0)
	if !whole {
		t.Fatal("the sample is broken")
	}
	for i, b := range list {
		switch {
		case b.kind == "moof" && i+1 < len(list):
			st.parts = append(st.parts, s["/p.mp4"][b.from:list[i+1].from+list[i+1].size])
		case len(st.parts) == 0 && b.kind != "mdat":
			st.init = append(st.init, s["/p.mp4"][b.from:b.from+b.size]...)
		}
	}
	var h http.Handler = st
	for _, wrap := range around {
		h = wrap(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return st, srv.URL
}

// ready is how many parts are whole.
func (s *station) ready() int {
	n := 24 + int(time.Since(s.began)/stationPart)
	if s.frozen > 0 {
		n = min(n, s.frozen)
	}
	return min(n, len(s.parts)-partsPerSegment)
}

// until waits for a part, as a blocking reload does.
func (s *station) until(r *http.Request, n int) {
	timer := time.NewTimer(time.Until(s.began.Add(time.Duration(n-23) * stationPart)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

func (s *station) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, status := s.answer(r)
	s.mu.Lock()
	s.seen[r.URL.Path]++
	n := s.seen[r.URL.Path]
	s.mu.Unlock()
	a := good(r.URL.Path, body)
	a.status = status
	if s.f != nil {
		s.f(r.URL.RequestURI(), n, a)
	}
	a.send(w, r)
}

func (s *station) answer(r *http.Request) ([]byte, int) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	var n, m int
	switch {
	case name == "m.m3u8":
		const line = "#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS=\"%s\",RESOLUTION=320x180,FRAME-RATE=20.000\n%s.m3u8\n"
		codec := parseInit(s.init).tracks[0].codec
		return []byte("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n" + fmt.Sprintf(line, codec, "v") + fmt.Sprintf(line, codec, "w")), 200
	case name == "v.m3u8" || name == "w.m3u8":
		return s.playlist(r, name)
	case name == "m.mpd":
		return s.manifest(), 200
	case name == "time":
		return []byte(time.Now().UTC().Format(time.RFC3339Nano)), 200
	case name == "init.mp4":
		return s.init, 200
	case scan(name, "s%d.m4s", &n) && (n+1)*partsPerSegment <= s.ready():
		return bytes.Join(s.parts[n*partsPerSegment:(n+1)*partsPerSegment], nil), 200
	case scan(name, "p%d.%d.m4s", &n, &m):
		s.until(r, n*partsPerSegment+m)
		if n*partsPerSegment+m < s.ready() {
			return s.parts[n*partsPerSegment+m], 200
		}
	}
	return nil, 404
}

func scan(s, form string, to ...any) bool {
	n, err := fmt.Sscanf(s, form, to...)
	return err == nil && n == len(to)
}

func (s *station) playlist(r *http.Request, name string) ([]byte, int) {
	q := r.URL.Query()
	msn, err := strconv.Atoi(q.Get("_HLS_msn"))
	part, err2 := strconv.Atoi(q.Get("_HLS_part"))
	switch {
	case err != nil && err2 == nil, err == nil && msn > s.ready()/partsPerSegment+2:
		return nil, 400
	case err == nil && err2 == nil:
		s.until(r, msn*partsPerSegment+part)
	case err == nil: // the whole segment
		s.until(r, (msn+1)*partsPerSegment-1)
	}
	ready := s.ready()
	open := ready / partsPerSegment
	first := open - 15
	first = max(first, 0)
	skip := 0
	if q.Get("_HLS_skip") == "YES" && open-first > 12 {
		skip = open - first - 12
	}
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:1\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.75,CAN-SKIP-UNTIL=6\n#EXT-X-PART-INF:PART-TARGET=0.25\n")
	fmt.Fprintf(&b, "#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-MAP:URI=\"init.mp4\"\n", first)
	if skip > 0 {
		fmt.Fprintf(&b, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%d\n", skip)
	}
	for n := first + skip; n <= open; n++ {
		have := min(ready-n*partsPerSegment, partsPerSegment)
		if have > 0 {
			fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", s.date(n).Format("2006-01-02T15:04:05.000Z"))
		}
		for i := 0; i < have && n > open-4; i++ {
			fmt.Fprintf(&b, "#EXT-X-PART:DURATION=0.25,URI=\"p%d.%d.m4s\"%s\n", n, i, map[bool]string{true: ",INDEPENDENT=YES"}[i == 0])
		}
		if n < open {
			fmt.Fprintf(&b, "#EXTINF:1.000,\ns%d.m4s\n", n)
		} else {
			fmt.Fprintf(&b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p%d.%d.m4s\"\n", n, have)
		}
	}
	other := map[string]string{"v.m3u8": "w.m3u8", "w.m3u8": "v.m3u8"}[name]
	last, at := (ready-1)/partsPerSegment, (ready-1)%partsPerSegment
	fmt.Fprintf(&b, "#EXT-X-RENDITION-REPORT:URI=\"%s\",LAST-MSN=%d,LAST-PART=%d\n", other, last, at)
	return []byte(b.String()), 200
}

func (s *station) date(segment int) time.Time {
	return s.began.UTC().Truncate(time.Millisecond).Add(time.Duration(segment*partsPerSegment-24) * stationPart)
}

func (s *station) manifest() []byte {
	open := s.ready() / partsPerSegment
	first := max(open-15, 0)
	track := parseInit(s.init).tracks[0]
	return fmt.Appendf(nil, `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" id="m" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="dynamic" availabilityStartTime="%s" publishTime="%s" minimumUpdatePeriod="PT0.5S" minBufferTime="PT1S" timeShiftBufferDepth="PT15S" suggestedPresentationDelay="PT3S">
<Period id="p0" start="PT0S"><AdaptationSet id="0" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1"><SegmentTemplate timescale="%d" media="s$Number$.m4s" initialization="init.mp4" startNumber="%d"><SegmentTimeline><S t="%d" d="%d" r="%d"/></SegmentTimeline></SegmentTemplate><Representation id="v" bandwidth="900000" codecs="%s" width="320" height="180" frameRate="20"/></AdaptationSet></Period>
<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/></MPD>`, s.date(0).Format(time.RFC3339Nano), time.Now().UTC().Format(time.RFC3339Nano), track.timescale, first, first*int(track.timescale), track.timescale, open-first-1, track.codec)
}

// from spoils a path from its nth answer on.
func from(path string, n int, f spoil) spoil {
	return func(p string, i int, a *answer) {
		name, _, _ := strings.Cut(p, "?")
		if name == path && i >= n && a.status == 200 {
			f(path, i, a)
		}
	}
}

func swap(old, new string) spoil {
	return func(_ string, _ int, a *answer) { a.body = bytes.ReplaceAll(a.body, []byte(old), []byte(new)) }
}

type liveFault struct {
	rule, entry string
	f           spoil
	also        []string
}

func TestPlantedInLiveStreams(t *testing.T) {
	base := map[string][]string{}
	for _, entry := range []string{"/v.m3u8", "/m.m3u8", "/m.mpd"} {
		_, url := newStation(t, nil)
		base[entry] = judged(t, url+entry, 3*time.Second)
		if list := musts(base[entry]); len(list) > 0 {
			t.Fatalf("the good %s has %v", entry, list)
		}
	}
	for _, p := range slices.Concat(liveHLSFaults(), liveDASHFaults()) {
		t.Run(p.rule, func(t *testing.T) {
			t.Parallel()
			_, url := newStation(t, p.f)
			length := 3500 * time.Millisecond
			if p.rule == "dash.stale" {
				length = 7 * time.Second
			}
			exactly(t, judged(t, url+p.entry, length), base[p.entry], p.rule, p.also...)
		})
	}
}

func liveHLSFaults() []liveFault {
	const v, m = "/v.m3u8", "/m.m3u8"
	query := func(part string, f spoil) spoil {
		return func(p string, i int, a *answer) {
			if strings.HasPrefix(p, v) && strings.Contains(p, part) {
				f(p, i, a)
			}
		}
	}
	status := func(n int) spoil { return func(_ string, _ int, a *answer) { a.status = n } }
	stale := func() spoil { // the first answer again and again
		var mu sync.Mutex
		var kept []byte
		return func(_ string, _ int, a *answer) {
			mu.Lock()
			defer mu.Unlock()
			if kept == nil {
				kept = slices.Clone(a.body)
			}
			a.body = slices.Clone(kept)
		}
	}
	still, whole := stale(), stale()
	parts := regexp.MustCompile(`(?m)^#EXT-X-PAR.*\n|^#EXT-X-PRE.*\n|,PART-HOLD-BACK=[0-9.]+`)
	return []liveFault{
		{"hls.stale", v, from(v, 1, func(p string, i int, a *answer) {
			still(p, i, a)
			a.body = bytes.ReplaceAll(a.body, []byte("CAN-BLOCK-RELOAD=YES,"), nil)
		}), []string{"ll.blocking_missing", "ll.hint_wrong", "serve.missing"}},
		{"hls.media_sequence_back", v, from(v, 1, func(_ string, i int, a *answer) {
			a.body = bytes.ReplaceAll(a.body, []byte("CAN-BLOCK-RELOAD=YES,"), nil)
			if i < 5 {
				a.body = bytes.ReplaceAll(a.body, []byte("MEDIA-SEQUENCE:"), []byte("MEDIA-SEQUENCE:1"))
			}
		}), []string{"ll.blocking_missing"}},
		{"hls.target_changed", v, from(v, 9, swap("TARGETDURATION:1", "TARGETDURATION:2")), []string{"ll.skip_until_low"}},
		{"hls.segment_changed", v, from(v, 9, swap("#EXTINF:1.000,\ns3.m4s", "#EXTINF:0.980,\ns3.m4s")), []string{"ll.part_sum"}},
		{"ll.blocking_short", v, query("_HLS_part", func(_ string, _ int, a *answer) {
			i := bytes.LastIndex(a.body, []byte("#EXT-X-PART:"))
			if i > 0 {
				a.body = a.body[:i]
			}
		}), []string{"ll.hint_missing", "ll.part_lost", "ll.part_sum", "ll.parts_missing", "hls.uri_missing"}},
		{"ll.blocking_short", v, from(v, 0, func(p string, i int, a *answer) { // whole segments, and it does not wait for them
			whole(p, i, a)
			a.body = parts.ReplaceAll(a.body, nil)
		}), []string{"hls.stale"}},
		{"ll.blocking_failed", v, query("_HLS_part", func(p string, _ int, a *answer) {
			if strings.Contains(p, "_HLS_msn") {
				a.status = 500
			}
		}), nil},
		{"ll.future_answered", v, query("_HLS_msn=10", status(200)), nil},
		{"ll.part_without_msn", v, query("?_HLS_part", status(200)), nil},
		{"ll.skip_failed", v, query("_HLS_skip", status(404)), nil},
		{"ll.hint_unresolved", v, func(p string, _ int, a *answer) {
			if strings.HasSuffix(p, ".2.m4s") || strings.HasSuffix(p, ".1.m4s") {
				a.status = 404
			}
		}, []string{"serve.missing"}},
		{"ll.hint_unresolved", v, from(v, 1, swap("#EXT-X-PRELOAD-HINT:TYPE=PART", "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"gone.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART")), []string{"serve.missing"}},
		{"ll.hint_wrong", v, from(v, 1, func(_ string, _ int, a *answer) {
			i := bytes.LastIndex(a.body, []byte(`URI="p`))
			a.body = append(slices.Clone(a.body[:i+5]), append([]byte("p0.0.m4s\"\n"), a.body[bytes.LastIndex(a.body, []byte("#EXT-X-REND")):]...)...)
		}), nil},
		{"ll.parts_differ", v, func(p string, _ int, a *answer) {
			if strings.HasSuffix(p, ".3.m4s") {
				add32(a.body, bytes.LastIndex(a.body, []byte("trun"))+8, -1)
			}
		}, []string{"mp4.mdat_unused", "ll.part_duration"}},
		{"ll.not_independent", v, from(v, 1, swap(".1.m4s\"\n#EXT-X-PART", ".1.m4s\",INDEPENDENT=YES\n#EXT-X-PART")), []string{"ll.part_changed"}},
		{"ll.independent_untold", v, from(v, 1, swap(",INDEPENDENT=YES", "")), nil},
		{"ll.part_duration", v, func(p string, _ int, a *answer) {
			if strings.HasSuffix(p, ".3.m4s") || strings.HasPrefix(p, "/s") {
				at := bytes.LastIndex(a.body, []byte("tfhd"))
				add32(a.body, at+12, 500)
			}
		}, []string{"hls.extinf_wrong", "seg.overlap", "ll.parts_differ"}},
		{"ll.report_missing", m, from(v, 1, swap("#EXT-X-RENDITION-REPORT", "# no")), nil},
		{"ll.report_unknown", m, from(v, 1, swap("REPORT:URI=\"w", "REPORT:URI=\"x")), []string{"ll.report_missing"}},
		{"ll.report_wrong", m, from(v, 1, swap("LAST-MSN=", "LAST-MSN=9")), nil},
		{"ll.renditions_part_target", m, from("/w.m3u8", 1, swap("PART-TARGET=0.25", "PART-TARGET=0.26")), []string{"ll.part_hold_back_short"}},
		{"serve.playlist_cached", v, func(_ string, _ int, a *answer) { a.header.Set("Cache-Control", "max-age=60") }, nil},
		{"serve.playlist_cache", v, func(_ string, _ int, a *answer) { a.header.Del("Cache-Control") }, []string{"serve.segment_cache"}},
		{"serve.date", v, func(_ string, _ int, a *answer) { a.header.Set("Date", "Mon, 02 Jan 2006 15:04:05 GMT") }, nil},
		{"hls.bandwidth_low_live", m, from(m, 1, swap("BANDWIDTH=900000", "BANDWIDTH=90000")), []string{"hls.average_over_peak"}},
		{"hls.renditions_sequence", m, from("/w.m3u8", 1, func(_ string, _ int, a *answer) {
			at := bytes.Index(a.body, []byte("MEDIA-SEQUENCE:")) + 15
			a.body = slices.Insert(a.body, at, '1', '0')
		}), []string{"hls.variants_unaligned", "ll.report_wrong", "ll.blocking_failed", "ll.future_answered", "hls.renditions_discontinuity", "hls.media_sequence_wrong", "hls.segment_changed", "hls.stale"}},
		{"mp4.tfdt_32", v, func(p string, _ int, a *answer) {
			if strings.HasPrefix(p, "/s") {
				for i := range 4 {
					at := nthIndex(a.body, "tfdt", i)
					a.body[at+4] = 0
					copy(a.body[at+8:at+12], a.body[at+12:at+16])
				}
			}
		}, []string{"ll.parts_differ"}},
	}
}

func nthIndex(b []byte, s string, n int) int {
	at := 0
	for range n {
		at += bytes.Index(b[at:], []byte(s)) + 4
	}
	return at + bytes.Index(b[at:], []byte(s))
}

func liveDASHFaults() []liveFault {
	const mpd = "/m.mpd"
	var mu sync.Mutex
	var kept []byte
	return []liveFault{
		{"dash.utc_broken", mpd, from("/time", 1, func(_ string, _ int, a *answer) { a.body = []byte("hello") }), nil},
		{"dash.utc_skew", mpd, from("/time", 1, func(_ string, _ int, a *answer) {
			a.body = []byte(time.Now().Add(-9 * time.Second).UTC().Format(time.RFC3339))
		}), []string{"dash.publish_future", "dash.edge_wrong"}},
		{"dash.edge_wrong", mpd, from(mpd, 1, func(_ string, _ int, a *answer) {
			a.body = bytes.ReplaceAll(a.body, []byte(`availabilityStartTime="20`), []byte(`availabilityStartTime="19`))
		}), nil},
		{"dash.stale", mpd, from(mpd, 1, func(_ string, _ int, a *answer) {
			mu.Lock()
			defer mu.Unlock()
			if kept == nil {
				kept = slices.Clone(a.body)
			}
			a.body = slices.Clone(kept)
		}), nil},
		{"dash.start_changed", mpd, from(mpd, 4, func(_ string, _ int, a *answer) {
			a.body = bytes.ReplaceAll(a.body, []byte(`availabilityStartTime="20`), []byte(`availabilityStartTime="21`))
		}), []string{"dash.edge_wrong"}},
		{"dash.segment_changed", mpd, from(mpd, 4, swap(`startNumber="`, `startNumber="1`)), []string{"serve.missing", "dash.addressing_changed"}},
		{"dash.unaligned", mpd, func(p string, _ int, a *answer) {
			switch {
			case p == mpd:
				rep := a.body[bytes.Index(a.body, []byte("<Representation")):bytes.Index(a.body, []byte("</AdaptationSet"))]
				other := bytes.Replace(bytes.Replace(rep, []byte(`id="v"`), []byte(`id="u"`), 1), []byte("/>"), []byte(`><SegmentTemplate media="s$Number$.m4s?u"/></Representation>`), 1)
				a.body = bytes.Replace(a.body, rep, append(slices.Clone(rep), other...), 1)
			case strings.HasSuffix(p, "?u") && a.status == 200:
				for i := range partsPerSegment {
					add32(a.body, nthIndex(a.body, "tfdt", i)+12, 900)
				}
			}
		}, nil},
		{"dash.bandwidth_low_live", mpd, from(mpd, 1, swap(`bandwidth="900000"`, `bandwidth="9000"`)), nil},
	}
}
