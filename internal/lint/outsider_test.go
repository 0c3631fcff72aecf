package lint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What someone who knows the formats but not this linter would plant.

func multiOutsiders() []plant {
	const head = "VERSION:6\n"
	second := "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"b.m3u8\"\n"
	return []plant{
		{"hls.groups_differ", []string{head, head + second, `FRAME-RATE=25.000,AUDIO="a"`, `FRAME-RATE=25.000,AUDIO="b"`}, nil},
		{"hls.iframe_attribute", []string{`CODECS="avc1.64001F",RESOLUTION=640x360,URI`, `CODECS="avc1.64001F",URI`}, nil},
		{"hls.session_twice", []string{head, head + "#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"1\"\n#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"2\"\n"}, nil},
		{"hls.rendition_attribute", []string{`INSTREAM-ID="CC1"`, `INSTREAM-ID="CC9"`}, nil},
		{"hls.rendition_attribute", []string{`URI="s.m3u8"`, `BIT-DEPTH=16,URI="s.m3u8"`}, nil},
		{"hls.score_partly", []string{"BANDWIDTH=900000,", "BANDWIDTH=900000,SCORE=2.0,"}, nil},
		{"hls.pathway_unknown", []string{head, head + "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s.json\",PATHWAY-ID=\"east\"\n"}, nil},
		{"hls.attribute_value", []string{`NAME="Deutsch"`, `NAME=""`}, nil},
		{"hls.language_form", []string{`LANGUAGE="de"`, `LANGUAGE="de_DE"`}, nil},
		{"hls.version_high", []string{"VERSION:6", "VERSION:12"}, nil},
	}
}

func mediaOutsiders() []plant {
	const lastLine = "s13.m4s\n"
	date := func(attrs string) string {
		return lastLine + "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-02T03:04:00Z\"" + attrs + "\n"
	}
	vod := strings.ReplaceAll(goodMedia, "SEQUENCE:10", "SEQUENCE:0") + "#EXT-X-ENDLIST\n"
	return []plant{
		{"hls.daterange", []string{goodMedia, strings.ReplaceAll(goodMedia, "#EXT-X-PROGRAM-DATE-TIME", "# date") + date("")[len(lastLine):]}, []string{"hls.pdt_missing"}},
		{"hls.daterange", []string{lastLine, date(",DURATION=5") + "#EXT-X-DATERANGE:ID=\"a\",DURATION=6\n"}, nil},
		{"hls.daterange", []string{lastLine, date(",DURATION=5,END-DATE=\"2026-01-02T03:04:09Z\"")}, nil},
		{"hls.daterange", []string{lastLine, lastLine + "#EXT-X-DATERANGE:ID=\"a\",DURATION=5\n"}, nil},
		{"hls.daterange", []string{lastLine, date(",CUE=\"PRE,POST\"")}, nil},
		{"hls.key_iv", []string{"#EXTINF:3.0", "#EXT-X-KEY:METHOD=AES-256-GCM,URI=\"k\",IV=0x12345678123456781234567812345678\n#EXTINF:3.0"}, nil},
		{"hls.key_iv", []string{`#EXT-X-MAP:URI="init2.mp4"`, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-MAP:URI=\"init2.mp4\""}, nil},
		{"hls.target_high", []string{goodMedia, strings.Replace(vod, "TARGETDURATION:4", "TARGETDURATION:60", 1)}, nil},
		{"hls.version_high", []string{"VERSION:6", "VERSION:11"}, nil},
		{"hls.pdt_zone", []string{"03:04:20.000Z", "03:04:20.000"}, nil},
	}
}

func lowOutsiders() []plant {
	older := "#EXT-X-PART:URI=\"s8.0\",DURATION=1.0,INDEPENDENT=YES\n#EXT-X-PART:URI=\"s8.1\",DURATION=1.0\n#EXTINF:2.0,\ns8.m4s\n#EXTINF:2.0,\ns9.m4s\n"
	return []plant{
		{"ll.tag_after_part", []string{"#EXTINF:2.0,\ns12.m4s", "#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\ns12.m4s"}, nil},
		{"ll.parts_old", []string{"MEDIA-SEQUENCE:10", "MEDIA-SEQUENCE:8", "03:04:00.000Z\n", "03:04:00.000Z\n" + older}, nil},
		{"ll.hint_known", []string{`TYPE=PART,URI="s13.1"`, `TYPE=PART,URI="s13.0"`}, nil},
	}
}

func outsiders(t *testing.T, good string, list []plant, check func(s scope, text string)) {
	t.Helper()
	for _, p := range list {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, found(t, func(s scope) { check(s, edit(t, good, p.edits...)) }), nil, p.rule, p.also...)
		})
	}
}

func TestOutsidersInPlaylists(t *testing.T) {
	media := func(s scope, text string) { checkMedia(s, mediaOf(text)) }
	outsiders(t, goodMulti, multiOutsiders(), func(s scope, text string) { checkMulti(s, parsePlaylist("http://t/m.m3u8", text, nil)) })
	outsiders(t, goodMedia, mediaOutsiders(), media)
	outsiders(t, goodLow, lowOutsiders(), media)
	// section 4.4.4.9: a part that is independent may be short
	short := edit(t, goodLow, `"s12.0",DURATION=1.0`, `"s12.0",DURATION=0.5`, `"s12.1",DURATION=1.0`, `"s12.1",DURATION=0.5`, "#EXTINF:2.0,\ns12", "#EXTINF:1.0,\ns12", "MEDIA-SEQUENCE:10", "MEDIA-SEQUENCE:0")
	if got := found(t, func(s scope) { media(s, short) }); len(got) > 0 {
		t.Errorf("a short independent part has %v", got)
	}
	// section 4.4.6.1: since version 13 other renditions may have an INSTREAM-ID, too
	stream := edit(t, goodMulti, "VERSION:6", "VERSION:13", `URI="d.m3u8"`, `INSTREAM-ID="d",URI="d.m3u8"`)
	if got := found(t, func(s scope) { checkMulti(s, parsePlaylist("http://t/m.m3u8", stream, nil)) }); len(got) > 0 {
		t.Errorf("an audio rendition with INSTREAM-ID has %v", got)
	}
	// segments leave a playlist with discontinuities that does not count them
	was := edit(t, goodMedia, "#EXT-X-DISCONTINUITY-SEQUENCE:2\n", "")
	now := edit(t, was, "#EXTINF:4.0,\ns10.m4s\n", "", "SEQUENCE:10", "SEQUENCE:11", "03:04:00", "03:04:04") + "#EXTINF:4.0,\ns14.m4s\n"
	t.Run("hls.discontinuity_sequence_missing", func(t *testing.T) {
		exactly(t, found(t, func(s scope) { checkReload(s, mediaOf(was), mediaOf(now)) }), nil, "hls.discontinuity_sequence_missing")
	})
}

func TestOutsidersInFMP4(t *testing.T) {
	s := hlsFMP4(t)
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	padded := func(b []byte) []byte { // clear media of whole blocks
		fill := 16 - len(b)%16
		if fill < 8 {
			fill += 16
		}
		return append(b, append([]byte{0, 0, 0, byte(fill), 'f', 'r', 'e', 'e'}, make([]byte, fill-8)...)...)
	}
	all := func(f func([]byte) []byte) spoil {
		return func(p string, _ int, a *answer) {
			if filepath.Ext(p) == ".m4s" {
				a.body = f(a.body)
			}
		}
	}
	brand := func(b []byte) []byte {
		for _, old := range []string{"iso5", "iso6", "iso7", "iso8", "iso9", "cmfc", "dash", "mp41", "mp42"} {
			copy(b[:64], bytes.ReplaceAll(b[:32], []byte(old), []byte("isom")))
		}
		return b
	}
	try(t, s, "/m.m3u8", base, []planted{
		{"hls.independent_missing", on("/v.m3u8", "#EXT-X-INDEPENDENT-SEGMENTS\n", ""), nil},
		{"hls.key_plain", both(all(padded), on("/v.m3u8", "#EXTINF:1.000000,\nv0", "#EXT-X-KEY:METHOD=AES-128,URI=\"key.bin\",IV=0x00000000000000000000000000000001\n#EXTINF:1.000000,\nv0")), []string{"serve.missing", "hls.codecs_extra", "hls.codecs_lacking"}},
		{"mp4.brand", raw("/init.mp4", brand), nil},
		{"mp4.duration_set", raw("/init.mp4", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "mvhd", 0)+24:], 6000); return b }), nil},
		{"mp4.description_index", raw("/v3.m4s", func(b []byte) []byte { // the base data offset's room is not there, so a new field is made
			return withDescription(t, b, 2)
		}), nil},
		{"mp4.track_empty", raw("/v3.m4s", func(b []byte) []byte { // its traf is no more to be seen
			copy(b[findBox(t, b, "traf", 1)+4:], "free")
			return b
		}), []string{"mp4.mdat_unused"}},
		{"hls.discontinuity_needless", func(p string, _ int, a *answer) {
			if p == "/v.m3u8" {
				a.body = bytes.Replace(a.body, []byte("#EXTINF:1.000000,\nv3"), []byte("#EXT-X-DISCONTINUITY\n#EXTINF:1.000000,\nv3"), 1)
			}
		}, nil},
	})
}

// withDescription writes a sample description index into the first tfhd of a segment.
func withDescription(t *testing.T, b []byte, index uint32) []byte {
	t.Helper()
	at := findBox(t, b, "tfhd", 0)
	b = slices.Insert(slices.Clone(b), at+16, binary.BigEndian.AppendUint32(nil, index)...)
	b[at+11] |= 2
	for _, kind := range []string{"tfhd", "traf", "moof"} {
		add32(b, findBox(t, b, kind, 0), 4)
	}
	for i := range 2 { // both tracks' data lie four bytes farther
		add32(b, findBox(t, b, "trun", i)+16, 4)
	}
	return b
}

func TestOutsidersRedirect(t *testing.T) {
	s := hlsFMP4(t)
	inner := proxy(t, s, nil)
	base := judged(t, inner.URL+"/m.m3u8", 0)
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if filepath.Ext(r.URL.Path) == ".m4s" {
			http.Redirect(w, r, inner.URL+r.URL.Path, http.StatusFound)
			return
		}
		a := good(r.URL.Path, s[r.URL.Path])
		a.send(w, r)
	}))
	t.Cleanup(outer.Close)
	exactly(t, judged(t, outer.URL+"/m.m3u8", 0), base, "serve.redirect")
}

func TestOutsidersInGroups(t *testing.T) {
	s := groups(t)
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	const control, date = "#EXT-X-SERVER-CONTROL:HOLD-BACK=6\n#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2020-01-01T00:00:00Z\"\n#EXT-X-MEDIA-SEQUENCE"
	try(t, s, "/m.m3u8", base, []planted{
		{"hls.renditions_control", on("/a.m3u8", "#EXT-X-MEDIA-SEQUENCE", control), nil},
		{"hls.renditions_dateranges", both(on("/a.m3u8", "#EXT-X-MEDIA-SEQUENCE", date), on("/v.m3u8", "#EXT-X-MEDIA-SEQUENCE", strings.Replace(date, `"a"`, `"b"`, 1))), nil},
		{"hls.iframe_duration", on("/i.m3u8", "#EXTINF:1.0", "#EXTINF:0.5"), []string{"hls.bandwidth_low"}},
		{"hls.bandwidth_low", on("/m.m3u8", "I-FRAME-STREAM-INF:BANDWIDTH=900000", "I-FRAME-STREAM-INF:BANDWIDTH=9000"), nil},
	})
}

func TestOutsidersInLiveStreams(t *testing.T) {
	_, plain := newStation(t, nil)
	base := map[string][]string{}
	for _, entry := range []string{"/v.m3u8", "/m.m3u8"} {
		base[entry] = judged(t, plain+entry, 3*time.Second)
	}
	old := func(_ string, _ int, a *answer) {
		now := time.Now().UTC()
		a.body = bytes.ReplaceAll(a.body, []byte(now.Format("TIME:2006-01-02")), []byte(now.AddDate(0, 0, -1).Format("TIME:2006-01-02")))
	}
	// section 3.2 asks for the same samples, not for the same bytes around them
	_, roomy := newStation(t, func(p string, _ int, a *answer) {
		if strings.HasSuffix(p, ".3.m4s") {
			a.body = append(a.body, 0, 0, 0, 8, 'f', 'r', 'e', 'e')
		}
	})
	if got := judged(t, roomy+"/v.m3u8", 3*time.Second); len(got) > 0 {
		t.Errorf("parts with a box more have %v", got)
	}
	for _, p := range []liveFault{
		{"hls.pdt_old", "/v.m3u8", from("/v.m3u8", 1, old), nil},
		{"ll.report_part", "/m.m3u8", from("/v.m3u8", 1, swap("LAST-PART=", "LAST-PART=4")), nil},
	} {
		t.Run(p.rule, func(t *testing.T) {
			t.Parallel()
			_, url := newStation(t, p.f)
			exactly(t, judged(t, url+p.entry, 3*time.Second), base[p.entry], p.rule, p.also...)
		})
	}
}

func manifestOutsiders() []plant {
	const one = `<S t="0" d="2000" r="1"/>`
	const empty = `<Period id="e" start="PT4S" duration="PT0S"/><Period id="p1"`
	return []plant{
		{"dash.timeline_open", []string{one, `<S t="0" d="2000" r="-1"/><S t="2000" d="2000"/>`}, nil},
		{"dash.timeline_number", []string{one, `<S t="0" d="2000"/><S n="5" d="2000"/>`}, nil},
		{"dash.kid_missing", []string{`startWithSAP="1" maxWidth="640">`, `startWithSAP="1" maxWidth="640"><ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc"/>`}, nil},
		{"dash.duration_units", []string{`minBufferTime="PT2S"`, `minBufferTime="P0M0DT2S"`}, nil},
		{"dash.period_empty", []string{`<Period id="p1"`, empty}, nil},
		{"dash.attribute_value", []string{`id="a0"`, `id="a 0"`}, nil},
		{"dash.lang_form", []string{`lang="en"`, `lang="en_US"`}, nil},
		{"dash.attribute_value", []string{`mediaPresentationDuration="PT12S"`, `mediaPresentationDuration="-PT12S"`}, []string{"dash.total_wrong"}},
	}
}

func dynamicOutsiders() []plant {
	return []plant{
		{"dash.utc_scheme", []string{"urn:mpeg:dash:utc:http-xsdate:2014", "urn:mpeg:dash:utc:xsdate:2014"}, nil},
		{"dash.profile_wrong", []string{"profile:isoff-live:2011", "profile:isoff-on-demand:2011"}, nil},
		{"dash.update_rare", []string{`minimumUpdatePeriod="PT2S"`, `minimumUpdatePeriod="PT1H"`}, nil},
		{"dash.ended", []string{`minBufferTime="PT2S"`, `availabilityEndTime="2026-01-02T00:00:30Z" minBufferTime="PT2S"`}, nil},
	}
}

func TestOutsidersInManifests(t *testing.T) {
	check := func(s scope, text string) { checkManifest(s, manifestOf(t, text)) }
	outsiders(t, goodStatic, manifestOutsiders(), check)
	outsiders(t, goodDynamic, dynamicOutsiders(), check)
	encrypted := func(kid byte) *initSegment {
		return &initSegment{tracks: []*track{{id: 1, kind: "video", timescale: 1000, entry: "avc1", codec: "avc1.64001f", width: 640, height: 360, encrypted: kid != 0, protection: protection{kid: strings.Repeat(fmt.Sprintf("%02x", kid), 16)}}}}
	}
	protected := func(kid string) string {
		return edit(t, goodStatic, `<MPD xmlns`, `<MPD xmlns:cenc="urn:mpeg:cenc:2013" xmlns`, `startWithSAP="1" maxWidth="640">`, `startWithSAP="1" maxWidth="640"><ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="`+kid+`"/>`)
	}
	const kid = "01010101-0101-0101-0101-010101010101"
	for rule, init := range map[string]*initSegment{"dash.kid_wrong": encrypted(2), "dash.protection_needless": encrypted(0), "": encrypted(1)} {
		m := manifestOf(t, protected(kid))
		got := found(t, func(s scope) { checkInit(s, m.reps[0], init) })
		if rule == "" && len(got) > 0 {
			t.Errorf("a good protection has %v", got)
		} else if rule != "" {
			exactly(t, got, nil, rule)
		}
	}
}

// More is promised than the manifest holds: time shift of an hour over segments of eighteen seconds.
func TestOutsidersInTimeShift(t *testing.T) {
	text := edit(t, goodDynamic, `timeShiftBufferDepth="PT20S"`, `timeShiftBufferDepth="PT50S"`)
	now := time.Date(2026, 1, 2, 0, 1, 0, 0, time.UTC)
	check := func(text string) []string {
		return found(t, func(s scope) { checkDepth(s, manifestOf(t, text), now) })
	}
	if got := check(goodDynamic); len(got) > 0 {
		t.Fatalf("the good manifest has %v", got)
	}
	exactly(t, check(text), nil, "dash.depth_uncovered")
}

// The offset of sound alone is wrong, which no segment can show once the Period's first ones have gone.
func TestOutsidersAtTheEnds(t *testing.T) {
	set := goodDynamic[strings.Index(goodDynamic, "    <AdaptationSet"):strings.Index(goodDynamic, "  </Period>")]
	sound := edit(t, set, `id="0" mimeType="video/mp4"`, `id="1" mimeType="audio/mp4"`, ` width="640" height="360" frameRate="25"`, ` audioSamplingRate="48000"`, `"avc1.64001f"`, `"mp4a.40.2"`, `"v0"`, `"a0"`)
	now := time.Date(2026, 1, 2, 0, 1, 0, 0, time.UTC)
	check := func(sound string) []string {
		return found(t, func(s scope) {
			checkEnds(s, manifestOf(t, edit(t, goodDynamic, "  </Period>", sound+"  </Period>")), now)
		})
	}
	// live, one track may be a segment ahead
	for _, good := range []string{sound, edit(t, sound, `r="8"`, `r="7"`)} {
		if got := check(good); len(got) > 0 {
			t.Fatalf("the good manifest has %v", got)
		}
	}
	exactly(t, check(edit(t, sound, `timescale="1000"`, `timescale="1000" presentationTimeOffset="5000"`)), nil, "dash.ends_apart")
}

func TestOutsidersInSingleFiles(t *testing.T) {
	s, _, _ := singleFile(t)
	try(t, s, "/b.mpd", nil, []planted{
		{"dash.index_time", raw("/m-stream0.mp4", func(b []byte) []byte { // the first reference's duration
			at := findBox(t, b, "sidx", 0)
			skip := 8 + 4 + 8 + 8 + 4 + 4
			if b[at+8] == 1 {
				skip += 8
			}
			add32(b, at+skip, 5000)
			return b
		}), nil},
	})
}
