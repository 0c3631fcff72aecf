package lint

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

func TestBoxesThatMustBeThere(t *testing.T) {
	init := hlsFMP4(t)["/init.mp4"]
	for _, kind := range []string{"mvhd", "vmhd", "smhd", "dref", "stsz", "stco", "stsc", "stts", "hdlr"} {
		got := rules(parseInit(rename(t, kind, "free")(slices.Clone(init))).problems)
		if !slices.Contains(got, "mp4.box_missing") {
			t.Errorf("without %s: %v", kind, got)
		}
	}
	for _, p := range []patch{
		{"mp4.box_missing", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "stsd", 0)+12:], 0); return b }, nil},
		{"mp4.description_default", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "trex", 0)+16:], 3); return b }, nil},
	} {
		t.Run(p.rule, func(t *testing.T) {
			exactly(t, rules(parseInit(p.do(slices.Clone(init))).problems), nil, p.rule, p.also...)
		})
	}
}

func TestFramesThatAreNotRaw(t *testing.T) {
	s := hlsGroups(t)
	name := "/init_1.mp4"
	if s[name] == nil {
		for k := range s {
			if strings.HasSuffix(k, ".mp4") && len(parseInit(s[k]).tracks) == 1 && parseInit(s[k]).tracks[0].kind == "audio" {
				name = k
			}
		}
	}
	seg := slices.Clone(s["/a-1.m4s"])
	copy(seg[findBox(t, seg, "mdat", 0)+8:], []byte{0xff, 0xf1, 0x4c, 0x80})
	exactly(t, rules(parseFragments(seg, parseInit(s[name])).problems), nil, "mp4.adts")
}

func TestFramesOfTransportStreams(t *testing.T) {
	seg := hlsTS(t)["/v1.ts"]
	broken := slices.Clone(seg)
	nthPES(broken, 257, 1, func(p []byte) { p[9+p[8]+4] ^= 0x10 })
	exactly(t, rules(parseTS(broken).problems), nil, "ts.adts")
	short := slices.Clone(seg)
	nthPES(short, 257, 1, func(p []byte) { p[5]++ })
	exactly(t, rules(parseTS(short).problems), nil, "ts.pes")
}

func TestPlantedKinds(t *testing.T) {
	s := generous(hlsGroups(t), "/m.m3u8")
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	rate := strings.Contains(string(s["/m.m3u8"]), "FRAME-RATE")
	if rate {
		t.Fatal("the sample tells its frame rate")
	}
	try(t, s, "/m.m3u8", base, []planted{
		{"hls.rendition_kind", on("/m.m3u8", `URI="a.m3u8"`, `URI="v.m3u8"`), []string{"hls.codecs_lacking", "hls.codecs_extra", "hls.group_unused", "hls.channels_wrong"}},
		{"hls.frame_rate_wrong", on("/m.m3u8", "RESOLUTION", "FRAME-RATE=24.975,RESOLUTION"), nil},
		{"serve.cors_one", func(_ string, _ int, a *answer) { a.header.Set("Access-Control-Allow-Origin", "https://other.example") }, nil},
	})
	_, url := newStation(t, func(p string, _ int, a *answer) {
		if strings.HasPrefix(p, "/v.m3u8") {
			a.header.Set("Age", "300")
		}
	})
	if got := judged(t, url+"/v.m3u8", 0); !slices.Contains(got, "serve.playlist_old") {
		t.Errorf("an old answer has %v", got)
	}
}

func TestSetsThatDoNotFit(t *testing.T) {
	check := func(text string) []string {
		return found(t, func(s scope) { checkManifest(s, manifestOf(t, text)) })
	}
	const set = `<AdaptationSet id="1" lang="en"`
	for _, p := range []plant{
		{"dash.link_unresolved", []string{"    </AdaptationSet>\n  </Period>\n  <Period id=\"p1\"", "    </AdaptationSet>\n  <Subset contains=\"0 9\"/></Period>\n  <Period id=\"p1\""}, nil},
		{"dash.link_unresolved", []string{`<SegmentTemplate timescale="1000" media="a-`, `<SupplementalProperty schemeIdUri="` + switchingScheme + `" value="0,9"/><SegmentTemplate timescale="1000" media="a-`}, nil},
		{"dash.list_short", []string{`<SegmentTemplate timescale="1000" media="b-$Number$.m4s" initialization="b.mp4" duration="2000"/>`,
			`<SegmentList timescale="1000" duration="2000"><Initialization sourceURL="b.mp4"/><SegmentURL media="b-1.m4s"/><SegmentURL media="b-2.m4s"/></SegmentList>`}, []string{"dash.profile_wrong"}},
	} {
		if !strings.Contains(goodStatic, set) {
			t.Fatal("the sample has changed")
		}
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, goodStatic, p.edits...)), nil, p.rule, p.also...) })
	}
	video := goodDynamic[strings.Index(goodDynamic, "    <AdaptationSet"):strings.Index(goodDynamic, "  </Period>")]
	sound := edit(t, video, `id="0" mimeType="video/mp4"`, `id="1" lang="en" mimeType="audio/mp4"`, ` width="640" height="360" frameRate="25"`, ` audioSamplingRate="48000"`, `"avc1.64001f"`, `"mp4a.40.2"`, `"v0"`, `"a0"`,
		"v-$Number$", "a-$Number$")
	with := func(sound string) string { return edit(t, goodDynamic, "  </Period>", sound+"  </Period>") }
	if got := check(with(sound)); slices.Contains(got, "dash.offsets_apart") {
		t.Fatalf("the good manifest has %v", got)
	}
	exactly(t, check(with(edit(t, sound, `timescale="1000"`, `timescale="1000" presentationTimeOffset="1000"`))), nil, "dash.offsets_apart", "dash.sound_missing")
}

func TestInitSegmentsOfSwitching(t *testing.T) {
	m := manifestOf(t, edit(t, goodStatic, `maxWidth="640"`, `maxWidth="640" bitstreamSwitching="true"`))
	of := func(i int, config string) *watched {
		return &watched{r: m.reps[i], got: map[int64]*loaded{1: {init: &initSegment{tracks: []*track{{kind: "video", config: config}}}}}}
	}
	check := func(a, b string) []string {
		return found(t, func(s scope) {
			x, y := of(0, a), of(1, b)
			x.sc, y.sc = s, s
			checkSwitching(x, y)
		})
	}
	if got := check("a", "a"); len(got) > 0 {
		t.Errorf("one init segment for both has %v", got)
	}
	exactly(t, check("a", "b"), nil, "dash.switching_wrong")
}

func TestScaleOfTheIndex(t *testing.T) {
	s, index, _ := singleFile(t)
	try(t, s, "/b.mpd", nil, []planted{{"dash.index_scale", on("/b.mpd", `indexRange="`+index, `timescale="7" indexRange="`+index), nil}})
}

// A value of another namespace is no default_KID, and the form of channel configurations is a number.
func TestForeignValues(t *testing.T) {
	text := edit(t, goodStatic, `<MPD xmlns`, `<MPD xmlns:cenc="urn:mpeg:cenc:2012" xmlns`, `startWithSAP="1" maxWidth="640">`,
		`startWithSAP="1" maxWidth="640"><ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="01010101-0101-0101-0101-010101010101"/>`)
	exactly(t, found(t, func(s scope) { checkManifest(s, manifestOf(t, text)) }), nil, "dash.kid_missing")
	m := manifestOf(t, edit(t, goodStatic, `value="2"`, `value="stereo"`))
	sound := &initSegment{tracks: []*track{{id: 1, kind: "audio", timescale: 1000, entry: "mp4a", codec: "mp4a.40.2", rate: 48000, channels: 2}}}
	exactly(t, found(t, func(s scope) { checkInit(s, m.reps[2], sound) }), nil, "dash.attribute_value")
}
