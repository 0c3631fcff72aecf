package lint

import (
	"strings"
	"testing"
)

const goodMedia = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-MAP:URI="init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:00.000Z
#EXTINF:4.0,
s10.m4s
#EXTINF:4.0,
s11.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:08.000Z
#EXTINF:4.0,
s12.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init2.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:20.000Z
#EXTINF:3.0,
s13.m4s
`

func mediaOf(text string) *playlist { return parsePlaylist("http://t/v.m3u8", text, nil) }

func edit(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%q is not in the sample", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

type plant struct {
	rule  string
	edits []string
	also  []string
}

func mediaFaults() []plant {
	const lastLine = "s13.m4s\n"
	return []plant{
		{"hls.first_line", []string{"#EXTM3U", "# hello"}, nil},
		{"hls.encoding", []string{"#EXTM3U", "\ufeff#EXTM3U"}, nil},
		{"hls.encoding", []string{"s10.m4s", "s10\x00.m4s"}, []string{"hls.uri_invalid"}},
		{"hls.mixed", []string{lastLine, lastLine + "#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n"}, nil},
		{"hls.tag_twice", []string{"#EXT-X-VERSION:6\n", "#EXT-X-VERSION:6\n#EXT-X-VERSION:6\n"}, nil},
		{"hls.tag_unknown", []string{"#EXT-X-VERSION:6\n", "#EXT-X-VERSION:6\n#EXT-X-FOO\n"}, nil},
		{"hls.tag_value", []string{"#EXT-X-TARGETDURATION:4", "#EXT-X-TARGETDURATION:4.5"}, []string{"hls.extinf_over_target", "hls.target_zero"}},
		{"hls.tag_value", []string{"EXTINF:3.0", "EXTINF:abc"}, []string{"hls.extinf_zero"}},
		{"hls.tag_late", []string{"#EXT-X-MEDIA-SEQUENCE:10\n", "", "s10.m4s\n", "s10.m4s\n#EXT-X-MEDIA-SEQUENCE:10\n"}, nil},
		{"hls.attribute_syntax", []string{`URI="init.mp4"`, `URI="init.mp4",,X-A=1`}, nil},
		{"hls.attribute_duplicate", []string{`URI="init.mp4"`, `URI="init.mp4",URI="b.mp4"`}, nil},
		{"hls.attribute_quoting", []string{`URI="init.mp4"`, `URI=init.mp4`}, nil},
		{"hls.attribute_value", []string{`URI="init.mp4"`, `URI="init.mp4",BYTERANGE="x"`}, nil},
		{"hls.attribute_missing", []string{`URI="init.mp4"`, `BYTERANGE="5@0"`}, nil},
		{"hls.attribute_unknown", []string{`URI="init.mp4"`, `URI="init.mp4",FOO=1`}, nil},
		{"hls.variable_undefined", []string{"s10.m4s", "{$a}.m4s", "VERSION:6", "VERSION:8"}, []string{"hls.version_high"}},
		{"hls.variable_twice", []string{"VERSION:6\n", "VERSION:8\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n"}, nil},
		{"hls.uri_missing", []string{lastLine, ""}, nil},
		{"hls.uri_space", []string{"s10.m4s", " s10.m4s"}, nil},
		{"hls.uri_invalid", []string{"s10.m4s", "%zz.m4s"}, nil},
		{"hls.uri_without_tag", []string{"#EXTINF:3.0,\n", ""}, nil},
		{"hls.byterange_offset", []string{"s10.m4s", "#EXT-X-BYTERANGE:100\ns10.m4s"}, nil},
		{"hls.extinf_comma", []string{"EXTINF:3.0,", "EXTINF:3.0"}, nil},
		{"hls.pdt_form", []string{"2026-01-02T03:04:20.000Z", "2026-01-02 03:04:20"}, nil},
		{"hls.key_none", []string{"s13.m4s", "#EXT-X-KEY:METHOD=NONE,URI=\"k\"\ns13.m4s"}, nil},
		{"hls.version_low", []string{"#EXT-X-VERSION:6", "#EXT-X-VERSION:3"}, nil},
		{"hls.version_low", []string{"#EXT-X-VERSION:6\n", ""}, nil},
		{"hls.target_missing", []string{"#EXT-X-TARGETDURATION:4\n", ""}, nil},
		{"hls.target_zero", []string{"TARGETDURATION:4", "TARGETDURATION:0"}, []string{"hls.extinf_over_target"}},
		{"hls.extinf_over_target", []string{"EXTINF:3.0", "EXTINF:4.6"}, nil},
		{"hls.extinf_zero", []string{"EXTINF:3.0", "EXTINF:0"}, nil},
		{"hls.segment_twice", []string{"s11.m4s", "s10.m4s"}, nil},
		{"hls.window_short", []string{"TARGETDURATION:4", "TARGETDURATION:9"}, nil},
		{"hls.empty", []string{goodMedia, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n"}, nil},
		{"hls.vod_open", []string{"VERSION:6\n", "VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n"}, nil},
		{"hls.event_start", []string{"VERSION:6\n", "VERSION:6\n#EXT-X-PLAYLIST-TYPE:EVENT\n"}, nil},
		{"hls.endlist_early", []string{"#EXTINF:3.0", "#EXT-X-ENDLIST\n#EXTINF:3.0"}, nil},
		{"hls.discontinuity_first", []string{"SEQUENCE:10", "SEQUENCE:0", "DISCONTINUITY-SEQUENCE:2\n", "DISCONTINUITY-SEQUENCE:0\n#EXT-X-DISCONTINUITY\n"}, nil},
		{"hls.daterange", []string{lastLine, lastLine + "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-02T00:00:00Z\",END-ON-NEXT=YES\n"}, nil},
		{"hls.daterange", []string{lastLine, lastLine + "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-02T00:00:00Z\",END-DATE=\"2026-01-01T00:00:00Z\"\n"}, nil},
		{"hls.pdt_back", []string{"03:04:20.000Z", "03:04:01.000Z"}, nil},
		{"hls.pdt_jump", []string{"03:04:08.000Z", "03:04:09.000Z"}, nil},
		{"hls.pdt_future", []string{"2026-01-02T03:04:20", "2999-01-02T03:04:20"}, nil},
		{"hls.gap_parts", []string{"#EXTINF:3.0,", "#EXT-X-PART:URI=\"p\",DURATION=3.0,GAP=YES\n#EXTINF:3.0,", "VERSION:6\n", "VERSION:6\n#EXT-X-PART-INF:PART-TARGET=3\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=9\n"}, []string{"ll.hint_missing"}},
		{"hls.start_outside", []string{"VERSION:6\n", "VERSION:6\n#EXT-X-START:TIME-OFFSET=99\n"}, nil},
		{"hls.start_near_end", []string{"VERSION:6\n", "VERSION:6\n#EXT-X-START:TIME-OFFSET=-2\n"}, nil},
		{"ll.skip_unasked", []string{"#EXT-X-MAP", "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-MAP", "VERSION:6", "VERSION:9"}, nil},
	}
}

func TestMediaPlaylistFaults(t *testing.T) {
	if got := found(t, func(s scope) { checkMedia(s, mediaOf(goodMedia)) }); len(got) > 0 {
		t.Fatalf("the good playlist has %v", got)
	}
	for _, p := range mediaFaults() {
		t.Run(p.rule, func(t *testing.T) {
			text := edit(t, goodMedia, p.edits...)
			exactly(t, found(t, func(s scope) { checkMedia(s, mediaOf(text)) }), nil, p.rule, p.also...)
		})
	}
}

// Dates that drift by 40 ms a segment are wrong after a while, though no step is.
func TestDatesDrift(t *testing.T) {
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:5\n")
	for i := range 10 {
		b.WriteString("#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:" + two(2*i) + "." + two(4*i) + "0Z\n#EXTINF:2.0,\ns" + two(i) + ".ts\n")
	}
	exactly(t, found(t, func(s scope) { checkMedia(s, mediaOf(b.String())) }), nil, "hls.pdt_drift")
	undated := strings.ReplaceAll(goodMedia, "#EXT-X-PROGRAM-DATE-TIME", "# date")
	exactly(t, found(t, func(s scope) { checkMedia(s, mediaOf(undated)) }), nil, "hls.pdt_missing")
}

func two(n int) string { return string([]byte{'0' + byte(n/10%10), '0' + byte(n%10)}) }

const goodLow = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0,HOLD-BACK=6,CAN-SKIP-UNTIL=12
#EXT-X-PART-INF:PART-TARGET=1.0
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-MAP:URI="init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:00.000Z
#EXTINF:2.0,
s10.m4s
#EXTINF:2.0,
s11.m4s
#EXT-X-PART:URI="s12.0",DURATION=1.0,INDEPENDENT=YES
#EXT-X-PART:URI="s12.1",DURATION=1.0
#EXTINF:2.0,
s12.m4s
#EXT-X-PART:URI="s13.0",DURATION=1.0,INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s13.1"
`

func lowFaults() []plant {
	return []plant{
		{"ll.part_inf_missing", []string{"#EXT-X-PART-INF:PART-TARGET=1.0\n", ""}, nil},
		{"ll.part_hold_back_missing", []string{"PART-HOLD-BACK=3.0,", ""}, nil},
		{"ll.part_hold_back_low", []string{"PART-HOLD-BACK=3.0", "PART-HOLD-BACK=1.9"}, nil},
		{"ll.part_hold_back_short", []string{"PART-HOLD-BACK=3.0", "PART-HOLD-BACK=2.0"}, nil},
		{"ll.hold_back_low", []string{",HOLD-BACK=6", ",HOLD-BACK=5"}, nil},
		{"ll.skip_until_low", []string{"UNTIL=12", "UNTIL=11"}, nil},
		{"ll.skip_dateranges", []string{"CAN-SKIP-UNTIL=12", "CAN-SKIP-DATERANGES=YES"}, nil},
		{"ll.blocking_missing", []string{"CAN-BLOCK-RELOAD=YES,", ""}, nil},
		{"ll.part_long", []string{`"s12.1",DURATION=1.0`, `"s12.1",DURATION=1.1`}, []string{"ll.part_sum"}},
		{"ll.part_short", []string{`"s12.0",DURATION=1.0,INDEPENDENT=YES`, `"s12.0",DURATION=0.8`}, []string{"ll.part_sum"}},
		{"ll.part_sum", []string{`"s12.1",DURATION=1.0`, `"s12.1",DURATION=0.5`}, nil},
		{"ll.parts_missing", []string{"#EXT-X-PART:URI=\"s12.0\",DURATION=1.0,INDEPENDENT=YES\n#EXT-X-PART:URI=\"s12.1\",DURATION=1.0\n", ""}, nil},
		{"ll.hint_missing", []string{"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"s13.1\"\n", ""}, nil},
		{"ll.hint_twice", []string{`URI="s13.1"`, "URI=\"s13.1\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"s13.2\""}, nil},
		{"ll.hint_after_end", []string{`URI="s13.1"`, "URI=\"s13.1\"\n#EXT-X-ENDLIST"}, nil},
	}
}

func TestLowLatencyFaults(t *testing.T) {
	if got := found(t, func(s scope) { checkMedia(s, mediaOf(goodLow)) }); len(got) > 0 {
		t.Fatalf("the good playlist has %v", got)
	}
	for _, p := range lowFaults() {
		t.Run(p.rule, func(t *testing.T) {
			text := edit(t, goodLow, p.edits...)
			exactly(t, found(t, func(s scope) { checkMedia(s, mediaOf(text)) }), nil, p.rule, p.also...)
		})
	}
}

// grownLow is goodLow a little later.
var grownLow = []string{"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"s13.1\"\n", "#EXT-X-PART:URI=\"s13.1\",DURATION=1.0\n#EXTINF:2.0,\ns13.m4s\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"s14.0\"\n",
	"#EXTINF:2.0,\ns10.m4s\n", "", "MEDIA-SEQUENCE:10", "MEDIA-SEQUENCE:11", "03:04:00", "03:04:02"}

// moved is goodMedia without its first segment.
var moved = []string{"#EXTINF:4.0,\ns10.m4s\n", "", "SEQUENCE:10", "SEQUENCE:11", "03:04:00", "03:04:04"}

// change is a fault that shows when a document is read again.
type change struct {
	rule, was string
	edits     []string
	also      []string
}

func reloadFaults(t testing.TB) []change {
	event := edit(t, goodMedia, "VERSION:6\n", "VERSION:6\n#EXT-X-PLAYLIST-TYPE:EVENT\n")
	ended := goodMedia + "#EXT-X-ENDLIST\n"
	return []change{
		{"hls.target_changed", goodMedia, []string{"TARGETDURATION:4", "TARGETDURATION:5"}, nil},
		{"hls.type_changed", event, []string{"EVENT", "VOD"}, nil},
		{"hls.version_back", goodMedia, []string{"VERSION:6", "VERSION:5"}, nil},
		{"hls.endlist_gone", ended, []string{"#EXT-X-ENDLIST\n", ""}, nil},
		{"hls.media_sequence_back", goodMedia, []string{"SEQUENCE:10", "SEQUENCE:9"}, nil},
		{"hls.media_sequence_wrong", goodMedia, []string{"SEQUENCE:10", "SEQUENCE:11"}, []string{"hls.segment_changed"}},
		{"hls.media_sequence_wrong", goodMedia, []string{"#EXTINF:4.0,\ns10.m4s\n", "", "s13.m4s\n", "s13.m4s\n#EXTINF:4.0,\ns14.m4s\n"}, []string{"hls.segment_changed"}},
		{"hls.segments_lost", goodMedia, []string{"#EXTINF:3.0,\ns13.m4s\n", ""}, nil},
		{"hls.segment_changed", goodMedia, []string{"s11.m4s", "x11.m4s"}, nil},
		{"hls.segment_changed", goodMedia, []string{"EXTINF:3.0", "EXTINF:3.5"}, nil},
		{"hls.segment_changed", goodMedia, []string{"#EXT-X-DISCONTINUITY\n", ""}, []string{"hls.discontinuity_sequence"}},
		{"hls.segment_changed", goodMedia, []string{"init2.mp4", "init.mp4"}, nil},
		{"hls.segment_changed", goodMedia, []string{"03:04:20.000Z", "03:04:21.000Z"}, nil},
		{"hls.segment_changed", goodMedia, []string{"s11.m4s", "#EXT-X-GAP\ns11.m4s"}, nil},
		{"hls.added_after_end", ended, []string{"#EXT-X-ENDLIST", "#EXTINF:4.0,\ns14.m4s\n#EXT-X-ENDLIST"}, []string{"hls.changed_after_end"}},
		{"hls.changed_after_end", ended, []string{"#EXT-X-ENDLIST", "#EXTINF:4.0,\ns14.m4s\n#EXT-X-ENDLIST"}, []string{"hls.added_after_end"}},
		{"hls.type_removes", event, moved, nil},
		{"hls.removed_too_soon", goodMedia, append([]string{"#EXTINF:4.0,\ns11.m4s\n", ""}, edited(moved, "SEQUENCE:11", "SEQUENCE:12")...), nil},
		{"hls.discontinuity_sequence", goodMedia, []string{"DISCONTINUITY-SEQUENCE:2", "DISCONTINUITY-SEQUENCE:3"}, nil},
		{"hls.discontinuity_sequence", goodMedia, []string{"DISCONTINUITY-SEQUENCE:2", "DISCONTINUITY-SEQUENCE:1"}, nil},
		{"ll.part_target_changed", goodLow, []string{"PART-TARGET=1.0", "PART-TARGET=0.9"}, nil},
		{"ll.part_changed", goodLow, append([]string{`URI="s13.0"`, `URI="t13.0"`}, grownLow...), nil},
		{"ll.part_lost", goodLow, []string{"#EXT-X-PART:URI=\"s13.0\",DURATION=1.0,INDEPENDENT=YES\n", ""}, nil},
	}
}

func TestReloadFaults(t *testing.T) {
	later := edit(t, goodLow, grownLow...)
	ended := goodMedia + "#EXT-X-ENDLIST\n"
	check := func(a, b string) []string {
		return found(t, func(s scope) { checkReload(s, mediaOf(a), mediaOf(b)) })
	}
	for _, pair := range [][2]string{{goodLow, later}, {goodMedia, goodMedia}, {goodMedia, ended}, {goodMedia, edit(t, goodMedia, moved...) + "#EXTINF:4.0,\ns14.m4s\n"}} {
		if got := check(pair[0], pair[1]); len(got) > 0 {
			t.Fatalf("a good change has %v", got)
		}
	}
	for _, c := range reloadFaults(t) {
		t.Run(c.rule, func(t *testing.T) {
			exactly(t, check(c.was, edit(t, c.was, c.edits...)), nil, c.rule, c.also...)
		})
	}
}

func edited(list []string, old, new string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ReplaceAll(s, old, new)
	}
	return out
}

func TestDeltaFaults(t *testing.T) {
	var full strings.Builder
	full.WriteString("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12\n#EXT-X-MEDIA-SEQUENCE:10\n")
	head := full.String()
	for i := range 12 {
		full.WriteString("#EXTINF:2.0,\ns" + two(i) + ".m4s\n")
	}
	rest := strings.SplitAfterN(full.String(), "s05.m4s\n", 2)[1]
	good := head + "#EXT-X-SKIP:SKIPPED-SEGMENTS=6\n" + rest
	check := func(delta string) []string {
		return found(t, func(s scope) { checkDelta(s, mediaOf(delta), mediaOf(full.String())) })
	}
	if got := check(good); len(got) > 0 {
		t.Fatalf("the good delta has %v", got)
	}
	exactly(t, check(edit(t, good, "SEGMENTS=6", "SEGMENTS=5")), nil, "ll.skip_count")
	exactly(t, check(edit(t, good, "SEGMENTS=6", "SEGMENTS=7", "#EXTINF:2.0,\ns06.m4s\n", "")), nil, "ll.skip_too_much")
	exactly(t, check(edit(t, good, "VERSION:9", "VERSION:8")), nil, "hls.version_low")
	exactly(t, check(full.String()), nil, "ll.skip_missing")
}

const goodMulti = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="d.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="s.m3u8"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="c",NAME="CC",INSTREAM-ID="CC1"
#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO="a",SUBTITLES="s",CLOSED-CAPTIONS="c"
v.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,AVERAGE-BANDWIDTH=300000,CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=25.000,AUDIO="a",SUBTITLES="s",CLOSED-CAPTIONS="c"
w.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.64001F",RESOLUTION=640x360,URI="i.m3u8"
`

func multiFaults() []plant {
	return []plant{
		{"hls.mixed", []string{"VERSION:6\n", "VERSION:6\n#EXT-X-TARGETDURATION:4\n"}, nil},
		{"hls.variants_missing", []string{"#EXT-X-STREAM-INF:BANDWIDTH=9", "# ", "v.m3u8\n", "", "#EXT-X-STREAM-INF", "# ", "w.m3u8\n", ""}, []string{"hls.group_unused"}},
		{"hls.iframes_missing", []string{"#EXT-X-I-FRAME", "#"}, nil},
		{"hls.group_unresolved", []string{`AUDIO="a"`, `AUDIO="b"`}, nil},
		{"hls.group_unused", []string{`GROUP-ID="s"`, `GROUP-ID="t"`}, []string{"hls.group_unresolved"}},
		{"hls.rendition_name", []string{"Deutsch", "English"}, nil},
		{"hls.rendition_defaults", []string{"DEFAULT=NO", "DEFAULT=YES"}, nil},
		{"hls.rendition_autoselect", []string{"AUTOSELECT=YES", "AUTOSELECT=NO"}, nil},
		{"hls.rendition_attribute", []string{`INSTREAM-ID="CC1"`, `INSTREAM-ID="CC1",URI="c.m3u8"`}, nil},
		{"hls.rendition_attribute", []string{`,INSTREAM-ID="CC1"`, ""}, nil},
		{"hls.rendition_attribute", []string{`,URI="s.m3u8"`, ""}, nil},
		{"hls.channels_missing", []string{`CHANNELS="2",`, ""}, nil},
		{"hls.language_missing", []string{`LANGUAGE="de",`, ""}, nil},
		{"hls.captions_none", []string{`CLOSED-CAPTIONS="c"`, "CLOSED-CAPTIONS=NONE"}, nil},
		{"hls.session_data", []string{"VERSION:6\n", "VERSION:6\n#EXT-X-SESSION-DATA:DATA-ID=\"a\"\n"}, nil},
		{"hls.codecs_missing", []string{`CODECS="avc1.64001F,mp4a.40.2",`, ""}, nil},
		{"hls.resolution_missing", []string{"RESOLUTION=640x360,FRAME", "FRAME"}, nil},
		{"hls.frame_rate_missing", []string{"FRAME-RATE=25.000,", ""}, nil},
		{"hls.average_missing", []string{"AVERAGE-BANDWIDTH=800000,", ""}, nil},
		{"hls.average_over_peak", []string{"AVERAGE-BANDWIDTH=800000", "AVERAGE-BANDWIDTH=990000"}, nil},
		{"hls.attribute_missing", []string{"BANDWIDTH=900000,", ""}, []string{"hls.average_over_peak"}},
		{"hls.attribute_quoting", []string{"RESOLUTION=640x360", `RESOLUTION="640x360"`}, nil},
		{"hls.version_low", []string{"CC1", "SERVICE1"}, nil},
		{"hls.uri_missing", []string{"v.m3u8\n", ""}, nil},
		{"hls.uri_without_tag", []string{"v.m3u8\n", "v.m3u8\nx.m3u8\n"}, nil},
	}
}

func TestMultivariantFaults(t *testing.T) {
	check := func(text string) []string {
		return found(t, func(s scope) { checkMulti(s, parsePlaylist("http://t/m.m3u8", text, nil)) })
	}
	if got := check(goodMulti); len(got) > 0 {
		t.Fatalf("the good playlist has %v", got)
	}
	for _, p := range multiFaults() {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, goodMulti, p.edits...)), nil, p.rule, p.also...) })
	}
}
