package lint

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDescriptorFaults(t *testing.T) {
	check := func(text string) []string {
		return found(t, func(s scope) { checkManifest(s, manifestOf(t, text)) })
	}
	descriptor := func(name, scheme, value string) []string {
		return []string{`<SegmentTemplate timescale="1000" media="b`, `<` + name + ` schemeIdUri="` + scheme + `" value="` + value + `"/><SegmentTemplate timescale="1000" media="b`}
	}
	shape := func(par, sar string) []string {
		return []string{`maxWidth="640"`, `maxWidth="640" par="` + par + `" sar="` + sar + `"`}
	}
	for _, good := range [][]string{descriptor("Role", roleScheme, "main"), descriptor("Role", "urn:other", "mainly"), shape("16:9", "1:1"), shape("4:3", "3:4"),
		descriptor("EssentialProperty", "urn:mpeg:dash:adaptation-set-switching:2016", "0")} {
		if got := check(edit(t, goodStatic, good...)); len(got) > 0 {
			t.Errorf("%v has %v", good, got)
		}
	}
	for _, p := range []plant{
		{"dash.role_unknown", descriptor("Role", roleScheme, "mainly"), nil},
		{"dash.essential_unknown", descriptor("EssentialProperty", "urn:example:unknown", "1"), nil},
		{"dash.par_wrong", shape("4:3", "1:1"), nil},
		{"dash.par_wrong", shape("16:9", "4:3"), nil},
		{"dash.attribute_value", []string{`startWithSAP="1"`, `startWithSAP="9"`}, nil},
		{"dash.over_set", []string{`maxWidth="640"`, `maxWidth="640" maxFrameRate="10"`}, nil},
		{"dash.buffer_zero", []string{`minBufferTime="PT2S"`, `minBufferTime="PT0S"`}, nil},
	} {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, goodStatic, p.edits...)), nil, p.rule, p.also...) })
	}
	for _, p := range []plant{
		{"dash.timeline_length", []string{`start="PT0S"`, `start="PT0S" duration="PT5S"`}, nil},
		{"dash.latency_outside", []string{`target="3000"`, `target="60000000"`}, nil},
		{"dash.reference_wrong", []string{`wallClockTime="2026-01-02T00:00:00Z"`, `wallClockTime="2026-01-02T01:00:00Z"`}, nil},
		{"dash.reference_wrong", []string{`wallClockTime="2026-01-02T00:00:00Z"`, `wallClockTime="2026-01-01T00:00:00Z"`}, nil},
	} {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, goodDynamic, p.edits...)), nil, p.rule, p.also...) })
	}
}

// What a time shift buffer promises counts from the start of the Period where that is younger.
func TestDepthOfYoungPeriod(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 1, 0, 0, time.UTC)
	text := edit(t, goodDynamic, `timeShiftBufferDepth="PT20S"`, `timeShiftBufferDepth="PT1H"`)
	check := func(text string) []string {
		return found(t, func(s scope) { checkDepth(s, manifestOf(t, text), at) })
	}
	exactly(t, check(text), nil, "dash.depth_uncovered")
	exactly(t, check(edit(t, goodDynamic, ` timeShiftBufferDepth="PT20S"`, "")), nil, "dash.depth_uncovered")
	if got := check(edit(t, text, `start="PT0S"`, `start="PT40S"`, `t="40000"`, `t="0"`)); len(got) > 0 {
		t.Errorf("a young Period that lists everything has %v", got)
	}
}

func TestPlantedByStrangers(t *testing.T) {
	dash := maps.Clone(ffmpeg(t, "dash", "-f dash -seg_duration 1 m.mpd"))
	base := judged(t, proxy(t, dash, nil).URL+"/m.mpd", 0)
	try(t, dash, "/m.mpd", base, []planted{
		{"dash.remote_broken", on("/m.mpd", "<Period ", `<Period xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="gone.xml" xlink:actuate="onLoad" `), nil},
	})
	if got := judged(t, proxy(t, dash, on("/m.mpd", "<Period ", `<Period xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="`+resolveToZero+`" `)).URL+"/m.mpd", 0); slices.Contains(got, "dash.remote_broken") {
		t.Error("what resolves to nothing was fetched")
	}
	try(t, dash, "/m.mpd", base, []planted{
		{"dash.mime_wrong", on("/m.mpd", `mimeType="audio/mp4"`, `mimeType="audio/mpeg"`), nil},
	})
	s := hlsFMP4(t)
	const media = "/v.m3u8"
	gapBase := judged(t, proxy(t, s, nil).URL+media, 0)
	try(t, s, media, gapBase, []planted{
		{"hls.gap_there", on(media, "v3.m4s", "#EXT-X-GAP\nv3.m4s"), nil},
	})
	ts := hlsTS(t)
	try(t, ts, media, judged(t, proxy(t, ts, nil).URL+media, 0), []planted{
		{"ts.marked", raw("/v2.ts", func(b []byte) []byte { b[188*9+3] |= 0x80; return b }), nil},
		{"ts.marked", raw("/v2.ts", func(b []byte) []byte { b[188*9+1] |= 0x80; return b }), nil},
		{"ts.pid_untold", raw("/v2.ts", func(b []byte) []byte { return unnamed(t, b) }), []string{"hls.discontinuity_missing"}},
		{"ts.delimiter_missing", raw("/v2.ts", func(b []byte) []byte {
			i := bytes.Index(b, []byte{0, 0, 0, 1, 9})
			copy(b[i:], make([]byte, 6))
			return b
		}), nil},
	})
}

// A gap whose address gives nothing is one.
func TestGapIsGap(t *testing.T) {
	s := maps.Clone(hlsFMP4(t))
	base := judged(t, proxy(t, s, nil).URL+"/v.m3u8", 0)
	delete(s, "/v3.m4s")
	got := judged(t, proxy(t, s, on("/v.m3u8", "v3.m4s", "#EXT-X-GAP\nv3.m4s")).URL+"/v.m3u8", 0)
	for _, id := range got {
		if !slices.Contains(base, id) {
			t.Errorf("a gap has %s", id)
		}
	}
}

// Media in gzip, to whom takes gzip, as a careless web server sends it.
func TestMediaInGzip(t *testing.T) {
	s := hlsTS(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := good(r.URL.Path, s[r.URL.Path])
		if !strings.HasSuffix(r.URL.Path, ".ts") || r.Header.Get("Range") != "" || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			a.send(w, r)
			return
		}
		maps.Copy(w.Header(), a.header)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(a.body) // the client may have gone
		_ = z.Close()
	}))
	t.Cleanup(srv.Close)
	exactly(t, judged(t, srv.URL+"/v.m3u8", 0), judged(t, proxy(t, s, nil).URL+"/v.m3u8", 0), "serve.segment_gzip")
}

func TestVideoRange(t *testing.T) {
	ranges := func(attr string, transfer int) []string {
		p := parsePlaylist("http://t/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9000,CODECS=\"avc1.64001F\""+attr+"\nv\n", nil)
		return found(t, func(s scope) { checkRange(s, 2, p.variants[0].tag, &track{kind: "video", transfer: transfer}) })
	}
	for attr, transfer := range map[string]int{"": 1, ",VIDEO-RANGE=SDR": 2, ",VIDEO-RANGE=PQ": 16, ",VIDEO-RANGE=HLG": 18} {
		if got := ranges(attr, transfer); len(got) > 0 {
			t.Errorf("%s of %d has %v", attr, transfer, got)
		}
	}
	if got := ranges(",VIDEO-RANGE=PQ", 0); len(got) > 0 {
		t.Errorf("what is not known has %v", got)
	}
	for attr, transfer := range map[string]int{"": 16, ",VIDEO-RANGE=SDR": 18, ",VIDEO-RANGE=PQ": 1, ",VIDEO-RANGE=HLG": 16} {
		exactly(t, ranges(attr, transfer), nil, "hls.range_wrong")
	}
	exactly(t, ranges(",VIDEO-RANGE=PQ", 2), nil, "hls.range_wrong")
}

// The transfer characteristics are read where encoders write them: in the parameter set and in colr.
func TestTransferIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		want int
	}{"range-none": {"", 2}, "range-709": {"-color_trc bt709 -colorspace bt709 -color_primaries bt709", 1}, "range-pq": {"-color_trc smpte2084 -color_primaries bt2020 -colorspace bt2020nc", 16}} {
		s := ffmpeg(t, name, "-map 0:v "+c.args+" -f hls -hls_time 1 -hls_segment_type fmp4 -hls_playlist_type vod v.m3u8")
		if have := parseInit(s["/init.mp4"]).tracks[0].transfer; have != c.want {
			t.Errorf("%s: read %d, want %d", name, have, c.want)
		}
	}
}

func TestShortIV(t *testing.T) {
	text := edit(t, goodMedia, "#EXTINF:3.0", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x0011223344556677\n#EXTINF:3.0")
	got := found(t, func(s scope) { checkMedia(s, parsePlaylist("http://t/v.m3u8", text, nil)) })
	if !slices.Contains(got, "hls.iv_short") {
		t.Errorf("found %v", got)
	}
}

// unnamed takes the second stream out of the PMT.
func unnamed(t *testing.T, b []byte) []byte {
	t.Helper()
	for at := 0; at+packetSize <= len(b); at += packetSize {
		p := b[at : at+packetSize]
		if int(p[1]&31)<<8|int(p[2]) != 4096 {
			continue
		}
		s := p[5:]
		first := 12 + int(s[10]&15)<<8 + int(s[11])
		end := first + 5 + int(s[first+3]&15)<<8 + int(s[first+4])
		s[1], s[2] = s[1]&0xf0, byte(end+4-3)
		binary.BigEndian.PutUint32(s[end:], crcOf(s[:end]))
		for i := end + 4; i < len(s); i++ {
			s[i] = 0xff
		}
	}
	return b
}

// crcOf is the CRC of annex A.
func crcOf(section []byte) uint32 {
	c := uint32(0xffffffff)
	for _, v := range section {
		c ^= uint32(v) << 24
		for range 8 {
			c = c<<1 ^ 0x04c11db7*(c>>31)
		}
	}
	return c
}

func TestEventFaults(t *testing.T) {
	message := func(version byte, rest string) []byte {
		body := string([]byte{version, 0, 0, 0}) + rest
		return append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), "emsg"+body...) //nolint:gosec // short
	}
	const zero, one = "urn:x\x001\x00" + "\x00\x00\x03\xe8\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01hi", "\x00\x00\x03\xe8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01urn:x\x001\x00hi"
	for version, text := range []string{zero, one} {
		m := parseFragments(message(byte(version), text), nil)
		if len(m.events) != 1 || m.events[0] != [2]string{"urn:x", "1"} || slices.Contains(rules(m.problems), "mp4.box_broken") {
			t.Errorf("version %d is read as %v with %v", version, m.events, rules(m.problems))
		}
		r := manifestOf(t, goodStatic).reps[0]
		check := func(s scope) { checkEvents(s, r, &loaded{media: *m}) }
		exactly(t, found(t, check), nil, "dash.event_untold")
		r = manifestOf(t, edit(t, goodStatic, `<SegmentTemplate timescale="1000" media="$Rep`, `<InbandEventStream schemeIdUri="urn:x" value="1"/><SegmentTemplate timescale="1000" media="$Rep`)).reps[0]
		if got := found(t, check); len(got) > 0 {
			t.Errorf("what is announced has %v", got)
		}
		if cut := parseFragments(message(byte(version), text[:8]), nil); !slices.Contains(rules(cut.problems), "mp4.box_broken") {
			t.Errorf("a message cut off has %v", rules(cut.problems))
		}
	}
}

func TestAttributesOfStrangers(t *testing.T) {
	check := func(text string) []string {
		return found(t, func(s scope) { checkMulti(s, parsePlaylist("http://t/m.m3u8", text, nil)) })
	}
	exactly(t, check(edit(t, goodMulti, `CHANNELS="2"`, `CHANNELS="stereo"`)), nil, "hls.attribute_value")
	if got := check("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=90000,AVERAGE-BANDWIDTH=90000,CODECS=\"mp4a.40.2\"\na\n"); len(got) > 0 {
		t.Errorf("sound alone has %v", got)
	}
	for _, c := range []struct {
		rate int
		want bool
	}{{48000, false}, {24000, true}} {
		if tr := (&track{codec: "mp4a.40.2", rate: c.rate}); tr.is("mp4a.40.5") != c.want || !tr.is("mp4a.40.2") {
			t.Errorf("HE-AAC of a core at %d is judged wrongly", c.rate)
		}
	}
}

// A rendition without URI is in the variant's segments, or nowhere.
func TestAbsentRendition(t *testing.T) {
	judge := func(kind, uri string) []string {
		p := parsePlaylist("http://t/m.m3u8", "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\""+uri+"\n#EXT-X-STREAM-INF:BANDWIDTH=9000,AUDIO=\"a\"\nv\n", nil)
		r := lone("http://t/v", four, &track{id: 1, kind: kind, timescale: 1000}, 0)
		return found(t, func(s scope) { checkMuxed(s, p.variants[0], r, p.renders) })
	}
	exactly(t, judge("video", ""), nil, "hls.rendition_absent")
	if got := append(judge("audio", ""), judge("video", `,URI="a.m3u8"`)...); len(got) > 0 {
		t.Errorf("good renditions have %v", got)
	}
}

// Each EXTINF is off by less than is judged of one, and all of them by much.
func TestDurationsDrift(t *testing.T) {
	tr := &track{id: 1, kind: "video", timescale: 1000}
	judge := func(each string) []string {
		text := "#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + strings.Repeat("#EXTINF:"+each+",\na\n", 12) + "#EXT-X-ENDLIST\n"
		r := lone("http://t/v", text, tr, 0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000, 11000)
		return found(t, func(s scope) { r.sc = s; r.drift() })
	}
	exactly(t, judge("0.950"), nil, "hls.extinf_drift")
	for _, good := range []string{"1.001", "0.999", "1"} {
		if got := judge(good); len(got) > 0 {
			t.Errorf("durations of %s have %v", good, got)
		}
	}
}
