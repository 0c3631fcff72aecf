package lint

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOtherFormats(t *testing.T) {
	exactly(t, rules(parseSegment([]byte("WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"), nil).problems), nil, "hls.vtt_map")
	if got := rules(parseSegment([]byte("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n"), nil).problems); len(got) > 0 {
		t.Errorf("good subtitles have %v", got)
	}
	frame := append([]byte{0xff, 0xf1, 0x4c, 0x80, 0x02, 0x1f, 0xfc}, make([]byte, 9)...) // AAC-LC, 48 kHz, 2 channels, 16 bytes
	exactly(t, rules(parseSegment(frame, nil).problems), nil, "hls.id3_missing")
	owner := "PRIV\x00\x00\x00\x35\x00\x00com.apple.streaming.transportStreamTimestamp\x00"
	tagged := slices.Concat([]byte("ID3\x04\x00\x00\x00\x00\x00\x3f"), []byte(owner), []byte{0, 0, 0, 0, 0, 1, 0x5f, 0x90}, frame)
	m := parseSegment(tagged, nil)
	if got := rules(m.problems); len(got) > 0 {
		t.Errorf("good packed audio has %v", got)
	}
	if len(m.runs) != 1 || m.runs[0].first != 90000 || m.runs[0].track.codec != "mp4a.40.2" || m.runs[0].track.rate != 48000 {
		t.Errorf("packed audio is read as %+v", m)
	}
}

// Few bits a second: a PES packet holds many frames of sound, and the last one of a segment fewer than the others.
func TestSoundInLargePackets(t *testing.T) {
	s := ffmpeg(t, "packets", "-b:a 16k -ac 1 -f hls -hls_time 1 -hls_playlist_type vod -hls_flags independent_segments v.m3u8")
	for range 2 {
		if got := musts(judged(t, proxy(t, s, nil).URL+"/v.m3u8", 0)); len(got) > 0 {
			t.Errorf("a good stream has %v", got)
		}
		s = ffmpeg(t, "packets-ac3", "-c:a ac3 -b:a 64k -ac 1 -f hls -hls_time 1 -hls_playlist_type vod -hls_flags independent_segments v.m3u8")
	}
}

// An I-frame that is not there, and said not to be, is not asked for.
func TestGapsInIFramePlaylists(t *testing.T) {
	s := groups(t)
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	list := string(s["/i.m3u8"])
	at := strings.Index(list, "v-2.m4s")
	from := strings.LastIndex(list[:at], "#EXTINF")
	entry := list[from : strings.Index(list[from:], "\n")+from+1]
	s["/i.m3u8"] = []byte(list[:from] + "#EXT-X-GAP\n" + entry + "gone.m4s" + list[at+len("v-2.m4s"):])
	if got := musts(judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)); !slices.Equal(got, musts(base)) {
		t.Errorf("found %v", got)
	}
}

// WebM is allowed in DASH; nothing of it is read as boxes.
func TestWebM(t *testing.T) {
	s := ffmpeg(t, "webm", "-vn -c:a libopus -f dash -seg_duration 1 m.mpd")
	got := judged(t, proxy(t, s, nil).URL+"/m.mpd", 0)
	if list := musts(got); len(list) > 0 || !slices.ContainsFunc(got, func(f string) bool { return strings.Contains(f, "dash.webm") }) {
		t.Errorf("found %v", got)
	}
}

// lone makes renditions whose segments are given by hand.
func lone(url, text string, tr *track, at ...int64) *rendition {
	p := parsePlaylist(url, text, nil)
	r := &rendition{sc: scope{name: url, url: url}, url: url, role: "variant", first: p, list: p, got: map[int64]*loaded{}, info: map[int64]*segment{}}
	for i, a := range at {
		g := p.segments[i]
		x := &run{track: tr, first: a, end: a + int64(tr.timescale), minPTS: a, maxPTS: a + int64(tr.timescale), samples: 25}
		r.got[g.msn], r.info[g.msn] = &loaded{media: media{kind: "fmp4", size: 1000, runs: []*run{x}}}, g
	}
	return r
}

const four = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na\n#EXTINF:1,\nb\n#EXTINF:1,\nc\n#EXTINF:1,\nd\n#EXT-X-ENDLIST\n"

func TestVariantsTogether(t *testing.T) {
	v90 := &track{id: 1, kind: "video", entry: "avc1", codec: "avc1.64001F", timescale: 90000, width: 320, height: 180}
	v12 := &track{id: 1, kind: "video", entry: "avc1", codec: "avc1.64001F", timescale: 12800, width: 320, height: 180}
	pair := func(b *rendition) []string {
		return found(t, func(s scope) {
			b.sc = s
			checkVariants(lone("http://t/a", four, v90, 0, 90000), b)
		})
	}
	if got := pair(lone("http://t/b", four, v90, 0, 90000)); len(got) > 0 {
		t.Fatalf("like variants have %v", got)
	}
	exactly(t, pair(lone("http://t/b", four, v90, 9000, 99000)), nil, "hls.variants_unaligned")
	exactly(t, pair(lone("http://t/b", four, v12, 0, 12800)), nil, "mp4.timescales")
	for rule, tr := range map[string]*track{
		"hls.parameter_sets": {id: 1, kind: "video", entry: "hev1", codec: "hev1.1.6.L93.B0", timescale: 90000},
		"hls.hevc_in_ts":     {id: 1, kind: "video", codec: "hvc1", timescale: 90000},
	} {
		p := parsePlaylist("http://t/m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9000,CODECS=\""+map[bool]string{true: tr.codec, false: "hvc1.1.6.L93"}[tr.entry != ""]+"\"\nv\n", nil)
		exactly(t, found(t, func(s scope) { measure(s, p.variants[0], []*rendition{lone("http://t/v", four, tr, 0)}) }), nil, rule)
	}
}

// singleFile is a file with an index, as DASH's on-demand profile has it, and its ranges.
func singleFile(t *testing.T) (s site, index, init string) {
	t.Helper()
	s = maps.Clone(ffmpeg(t, "single", "-map 0:v -f dash -seg_duration 1 -single_file 1 -global_sidx 1 m.mpd"))
	file := s["/m-stream0.mp4"]
	list, _ := boxes(file, 0)
	i := slices.IndexFunc(list, func(b box) bool { return b.kind == "sidx" })
	j := slices.IndexFunc(list, func(b box) bool { return b.kind == "moof" || b.kind == "styp" || b.kind == "sidx" })
	if i < 0 || j < 0 {
		t.Fatal("the file has no index")
	}
	codec := parseInit(file[:list[j].from]).tracks[0].codec
	span := func(from, to int) string { return decimalOf(from) + "-" + decimalOf(to) }
	index, init = span(list[i].from, list[i].from+list[i].size-1), span(0, list[j].from-1)
	s["/b.mpd"] = []byte(`<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static" mediaPresentationDuration="PT6S" minBufferTime="PT2S"><Period><AdaptationSet mimeType="video/mp4" startWithSAP="1" segmentAlignment="true"><Representation id="v" bandwidth="900000" codecs="` + codec + `" width="320" height="180" frameRate="25"><BaseURL>m-stream0.mp4</BaseURL><SegmentBase indexRange="` + index + `"><Initialization range="` + init + `"/></SegmentBase></Representation></AdaptationSet></Period></MPD>`)
	if list := judged(t, proxy(t, s, nil).URL+"/b.mpd", 0); len(musts(list)) > 0 {
		t.Fatalf("the good single file has %v", list)
	}
	return s, index, init
}

func TestPlantedInSingleFiles(t *testing.T) {
	s, index, init := singleFile(t)
	try(t, s, "/b.mpd", nil, []planted{
		{"dash.length_wrong", on("/b.mpd", "PT6S", "PT16S"), nil},
		{"dash.index_range", on("/b.mpd", index, "1-20"), nil},
		{"dash.init_range", on("/b.mpd", `range="`+init, `range="0-10`), nil},
		{"dash.init_range", on("/b.mpd", `range="`+init, `range="0-9999`), nil},
		{"dash.index_wrong", raw("/m-stream0.mp4", func(b []byte) []byte {
			at := findBox(t, b, "sidx", 0)
			skip := 8 + 4 + 8 + 8 + 4
			if b[at+8] == 1 {
				skip += 8
			}
			add32(b, at+skip, 4)
			return b
		}), nil},
	})
}

func decimalOf(n int) string {
	return strings.TrimSuffix(strings.TrimSuffix(seconds(float64(n)), " s"), ".")
}

// A server that never answers a question about the far future is told from one that refuses it.
func TestFutureHeld(t *testing.T) {
	held := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.RawQuery, "_HLS_msn=10") {
				<-r.Context().Done()
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	_, url := newStation(t, nil, held)
	if got := judged(t, url+"/v.m3u8", 3*time.Second); !slices.Contains(got, "ll.future_held") {
		t.Errorf("ll.future_held is not found, but %v", got)
	}
}
