package lint

import (
	"testing"
	"time"
)

const goodStatic = `<?xml version="1.0" encoding="utf-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static" mediaPresentationDuration="PT12S" maxSegmentDuration="PT2S" minBufferTime="PT2S">
  <Period id="p0" start="PT0S" duration="PT4S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1" maxWidth="640">
      <SegmentTemplate timescale="1000" media="$RepresentationID$-$Number%05d$.m4s" initialization="$RepresentationID$.mp4" startNumber="1">
        <SegmentTimeline><S t="0" d="2000" r="1"/></SegmentTimeline>
      </SegmentTemplate>
      <Representation id="v0" bandwidth="400000" codecs="avc1.64001f" width="640" height="360" frameRate="25"/>
      <Representation id="v1" bandwidth="200000" codecs="avc1.64001f" width="320" height="180" frameRate="25"/>
    </AdaptationSet>
    <AdaptationSet id="1" lang="en" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1">
      <SegmentTemplate timescale="1000" media="a-$Time$.m4s" initialization="a.mp4" duration="2000"/>
      <Representation id="a0" bandwidth="64000" codecs="mp4a.40.2" audioSamplingRate="48000">
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
      </Representation>
    </AdaptationSet>
  </Period>
  <Period id="p1" start="PT4S" duration="PT8S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
      <SegmentTemplate timescale="1000" media="b-$Number$.m4s" initialization="b.mp4" duration="2000"/>
      <Representation id="v0" bandwidth="400000" codecs="avc1.64001f" width="640" height="360" frameRate="25"/>
    </AdaptationSet>
  </Period>
</MPD>
`

func manifestOf(t *testing.T, text string) *manifest {
	t.Helper()
	root, err := parseMPD([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return newManifest(root, "http://t/m.mpd", text)
}

func manifestFaults() []plant {
	return []plant{
		{"dash.namespace", []string{"urn:mpeg:dash:schema:mpd:2011", "urn:other"}, nil},
		{"dash.element_unknown", []string{"<SegmentTimeline>", "<Foo/><SegmentTimeline>"}, nil},
		{"dash.element_order", []string{`<Period id="p0"`, `<UTCTiming schemeIdUri="a"/><Period id="p0"`}, nil},
		{"dash.attribute_unknown", []string{`type="static"`, `type="static" foo="1"`}, nil},
		{"dash.attribute_missing", []string{` minBufferTime="PT2S"`, ""}, nil},
		{"dash.attribute_missing", []string{` profiles="urn:mpeg:dash:profile:isoff-live:2011"`, ""}, nil},
		{"dash.attribute_missing", []string{`id="v0" bandwidth="400000"`, `id="v0"`}, nil},
		{"dash.attribute_missing", []string{`<S t="0" d="2000" r="1"/>`, `<S t="0" r="1"/>`}, []string{"dash.timeline_length"}},
		{"dash.attribute_value", []string{`minBufferTime="PT2S"`, `minBufferTime="2"`}, nil},
		{"dash.attribute_value", []string{`id="v0" bandwidth="400000"`, `id="v0" bandwidth="0"`}, nil},
		{"dash.attribute_value", []string{`type="static"`, `type="live"`}, nil},
		{"dash.attribute_twice", []string{`type="static"`, `type="static" type="static"`}, nil},
		{"dash.profiles", []string{"urn:mpeg:dash:profile:isoff-live:2011", "live"}, nil},
		{"dash.lacks", []string{` mediaPresentationDuration="PT12S"`, "", `<Period id="p1" start="PT4S" duration="PT8S">`, `<Period id="p1" start="PT4S">`}, nil},
		{"dash.static_attribute", []string{`type="static"`, `type="static" minimumUpdatePeriod="PT2S"`}, nil},
		{"dash.periods_missing", []string{goodStatic, `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:a" mediaPresentationDuration="PT1S" minBufferTime="PT1S"/>`}, nil},
		{"dash.period_start", []string{` duration="PT4S"`, "", ` start="PT4S"`, ""}, []string{"dash.total_wrong", "dash.timeline_length"}},
		{"dash.period_first", []string{`start="PT0S" duration="PT4S"`, `start="PT1S" duration="PT3S"`}, nil},
		{"dash.period_order", []string{`start="PT0S"`, `start="PT5S"`}, []string{"dash.period_first", "dash.total_wrong", "dash.timeline_length"}},
		{"dash.period_overlap", []string{`duration="PT4S"`, `duration="PT5S"`}, nil},
		{"dash.period_gap", []string{`duration="PT4S"`, `duration="PT3S"`}, []string{"dash.total_wrong", "dash.timeline_length"}},
		{"dash.total_wrong", []string{"PT12S", "PT20S"}, nil},
		{"dash.timeline_length", []string{`d="2000" r="1"`, `d="2000" r="3"`}, nil},
		{"dash.sets_missing", []string{`</Period>
  <Period id="p1"`, `</Period><Period id="p2" start="PT4S"/><Period id="p1"`}, nil},
		{"dash.representations_missing", []string{`<Representation id="v0" bandwidth="400000" codecs="avc1.64001f" width="640" height="360" frameRate="25"/>
    </AdaptationSet>
  </Period>
</MPD>`, `</AdaptationSet></Period></MPD>`}, nil},
		{"dash.id_twice", []string{`id="v1"`, `id="v0"`}, []string{"dash.template_shared"}},
		{"dash.id_twice", []string{`<Period id="p1"`, `<Period id="p0"`}, nil},
		{"dash.id_twice", []string{`<AdaptationSet id="1"`, `<AdaptationSet id="0"`}, nil},
		{"dash.playback_rate", []string{`<Period id="p0"`, `<ServiceDescription><PlaybackRate min="1.1" max="1.2"/></ServiceDescription><Period id="p0"`}, nil},
		{"dash.latency_order", []string{`<Period id="p0"`, `<ServiceDescription><Latency min="500" target="300" max="900"/></ServiceDescription><Period id="p0"`}, nil},
		{"dash.early_missing", []string{`startNumber="1"`, `startNumber="1" availabilityTimeComplete="false"`}, nil},
		{"dash.early_long", []string{`startNumber="1"`, `startNumber="1" availabilityTimeOffset="2.5" availabilityTimeComplete="false"`}, nil},
		{"dash.alignment", []string{`segmentAlignment="true"`, `segmentAlignment="false"`}, nil},
		{"dash.sap_missing", []string{` startWithSAP="1"`, ""}, nil},
		{"dash.lang_missing", []string{` lang="en"`, ""}, nil},
		{"dash.over_set", []string{`maxWidth="640"`, `maxWidth="600"`}, nil},
		{"dash.mime_missing", []string{` mimeType="audio/mp4"`, ""}, nil},
		{"dash.content_type", []string{`mimeType="audio/mp4"`, `mimeType="video/mp4"`}, []string{"dash.picture_missing"}},
		{"dash.codecs_missing", []string{` codecs="mp4a.40.2"`, ""}, nil},
		{"dash.picture_missing", []string{` frameRate="25"`, ""}, nil},
		{"dash.sound_missing", []string{` audioSamplingRate="48000"`, ""}, nil},
		{"dash.addressing_missing", []string{`<SegmentTemplate timescale="1000" media="b-$Number$.m4s" initialization="b.mp4" duration="2000"/>`, ""}, nil},
		{"dash.addressing_twice", []string{`<SegmentTemplate timescale="1000" media="b`, `<SegmentBase/><SegmentTemplate timescale="1000" media="b`}, nil},
		{"dash.template_media", []string{`media="b-$Number$.m4s" `, ""}, nil},
		{"dash.template_identifier", []string{"b-$Number$", "b-$Num$"}, []string{"dash.template_constant"}},
		{"dash.template_constant", []string{"b-$Number$", "b"}, nil},
		{"dash.template_init", []string{`"b.mp4"`, `"b-$Number$.mp4"`}, nil},
		{"dash.template_both", []string{"b-$Number$", "b-$Number$-$Time$"}, nil},
		{"dash.template_shared", []string{"$RepresentationID$-", "x-"}, nil},
		{"dash.init_missing", []string{` initialization="b.mp4"`, ""}, nil},
		{"dash.duration_twice", []string{`startNumber="1"`, `startNumber="1" duration="2000"`}, nil},
		{"dash.duration_missing", []string{`initialization="b.mp4" duration="2000"`, `initialization="b.mp4"`}, nil},
		{"dash.timeline_empty", []string{`<S t="0" d="2000" r="1"/>`, ""}, nil},
		{"dash.timeline_zero", []string{`<S t="0" d="2000" r="1"/>`, `<S t="0" d="2000"/><S d="0"/>`}, []string{"dash.total_wrong", "dash.timeline_length"}},
		{"dash.timeline_back", []string{`<S t="0" d="2000" r="1"/>`, `<S t="0" d="2000"/><S t="1000" d="2000"/>`}, []string{"dash.total_wrong", "dash.timeline_length"}},
		{"dash.timeline_gap", []string{`<S t="0" d="2000" r="1"/>`, `<S t="0" d="2000"/><S t="2500" d="1500"/>`}, nil},
		{"dash.timeline_repeat", []string{`<S t="0" d="2000" r="1"/>`, `<S t="0" d="2000" r="-1"/><S d="1500"/>`}, nil},
		{"dash.max_segment", []string{`maxSegmentDuration="PT2S"`, `maxSegmentDuration="PT1S"`}, nil},
	}
}

func TestManifestFaults(t *testing.T) {
	check := func(text string) []string {
		return found(t, func(s scope) { checkManifest(s, manifestOf(t, text)) })
	}
	if got := check(goodStatic); len(got) > 0 {
		t.Fatalf("the good manifest has %v", got)
	}
	for _, p := range manifestFaults() {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, goodStatic, p.edits...)), nil, p.rule, p.also...) })
	}
}

const goodDynamic = `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" id="m" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="dynamic" availabilityStartTime="2026-01-02T00:00:00Z" publishTime="2026-01-02T00:01:00Z" minimumUpdatePeriod="PT2S" minBufferTime="PT2S" timeShiftBufferDepth="PT20S" suggestedPresentationDelay="PT4S">
  <ServiceDescription><Latency target="3000"/></ServiceDescription>
  <Period id="p0" start="PT0S">
    <AdaptationSet id="0" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
      <ProducerReferenceTime id="0" wallClockTime="2026-01-02T00:00:00Z" presentationTime="0"/>
      <SegmentTemplate timescale="1000" media="v-$Number$.m4s" initialization="v.mp4" startNumber="20" availabilityTimeOffset="1.5" availabilityTimeComplete="false">
        <SegmentTimeline><S t="40000" d="2000" r="8"/></SegmentTimeline>
      </SegmentTemplate>
      <Representation id="v0" bandwidth="400000" codecs="avc1.64001f" width="640" height="360" frameRate="25"/>
    </AdaptationSet>
  </Period>
  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/>
</MPD>
`

func dynamicFaults() []plant {
	return []plant{
		{"dash.lacks", []string{` availabilityStartTime="2026-01-02T00:00:00Z"`, ""}, nil},
		{"dash.lacks", []string{` publishTime="2026-01-02T00:01:00Z"`, ""}, nil},
		{"dash.lacks", []string{` minimumUpdatePeriod="PT2S"`, ""}, nil},
		{"dash.utc_missing", []string{`<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/>`, ""}, nil},
		{"dash.period_id", []string{`<Period id="p0" `, `<Period `}, nil},
		{"dash.period_start", []string{` start="PT0S"`, ""}, nil},
		{"dash.set_id", []string{`<AdaptationSet id="0"`, `<AdaptationSet`}, nil},
		{"dash.depth_short", []string{"PT20S", "PT1S", ` suggestedPresentationDelay="PT4S"`, ""}, []string{"dash.latency_outside"}},
		{"dash.delay_outside", []string{"PT4S", "PT40S"}, nil},
		{"dash.latency_missing", []string{`<ServiceDescription><Latency target="3000"/></ServiceDescription>`, ""}, nil},
		{"dash.reference_missing", []string{`<ProducerReferenceTime id="0" wallClockTime="2026-01-02T00:00:00Z" presentationTime="0"/>`, ""}, nil},
		{"dash.complete_missing", []string{` availabilityTimeComplete="false"`, ""}, nil},
	}
}

func TestDynamicFaults(t *testing.T) {
	check := func(text string) []string {
		return found(t, func(s scope) { checkManifest(s, manifestOf(t, text)) })
	}
	if got := check(goodDynamic); len(got) > 0 {
		t.Fatalf("the good manifest has %v", got)
	}
	for _, p := range dynamicFaults() {
		t.Run(p.rule, func(t *testing.T) { exactly(t, check(edit(t, goodDynamic, p.edits...)), nil, p.rule, p.also...) })
	}
}

func updateFaults(t testing.TB) []change {
	later := []string{`publishTime="2026-01-02T00:01:00Z"`, `publishTime="2026-01-02T00:01:02Z"`}
	grown := append([]string{`startNumber="20"`, `startNumber="21"`, `<S t="40000" d="2000" r="8"/>`, `<S t="42000" d="2000" r="8"/>`}, later...)
	two := edit(t, goodDynamic, `<Period id="p0" start="PT0S">`, `<Period id="q" start="PT0S" duration="PT55S"><AdaptationSet id="0" mimeType="video/mp4" startWithSAP="1"><SegmentTemplate duration="2" media="q$Number$" initialization="q"/><Representation id="v" bandwidth="1" codecs="avc1.64001f"/></AdaptationSet></Period><Period id="p0" start="PT55S">`)
	gone := goodDynamic
	return []change{
		{"dash.start_changed", goodDynamic, append([]string{"2026-01-02T00:00:00Z", "2026-01-02T00:00:01Z"}, later...), nil},
		{"dash.mpd_id_changed", goodDynamic, append([]string{`id="m"`, `id="n"`}, later...), nil},
		{"dash.publish_back", goodDynamic, []string{"00:01:00Z", "00:00:59Z"}, nil},
		{"dash.publish_same", goodDynamic, []string{`target="3000"`, `target="3100"`}, nil},
		{"dash.publish_future", goodDynamic, []string{"00:01:00Z", "00:09:59Z"}, nil},
		{"dash.period_gone", two, append([]string{two, gone}, later...), []string{"dash.period_moved", "dash.timeline_shrunk"}},
		{"dash.period_moved", goodDynamic, append([]string{`start="PT0S"`, `start="PT1S"`}, later...), nil},
		{"dash.period_changed", goodDynamic, append([]string{`id="v0"`, `id="v9"`}, later...), nil},
		{"dash.representation_changed", goodDynamic, append([]string{"64001f", "640020"}, later...), nil},
		{"dash.bandwidth_changed", goodDynamic, append([]string{`bandwidth="400000"`, `bandwidth="500000"`}, later...), nil},
		{"dash.addressing_changed", goodDynamic, append([]string{"v-$Number$", "w-$Number$"}, later...), nil},
		{"dash.segment_changed", goodDynamic, append([]string{`startNumber="20"`, `startNumber="22"`}, grown[2:]...), nil},
		{"dash.segment_changed", goodDynamic, append([]string{`<S t="40000" d="2000" r="8"/>`, `<S t="40000" d="1900"/><S t="42000" d="2000" r="7"/>`}, later...), nil},
		{"dash.timeline_shrunk", goodDynamic, append([]string{`r="8"`, `r="5"`}, later...), nil},
		{"dash.timeline_jump", goodDynamic, append([]string{`t="40000"`, `t="80000"`, `startNumber="20"`, `startNumber="40"`}, later...), nil},
	}
}

func TestUpdateFaults(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 1, 2, 0, time.UTC)
	check := func(was, is string) []string {
		return found(t, func(s scope) { checkUpdate(s, manifestOf(t, was), manifestOf(t, is), now) })
	}
	later := []string{`publishTime="2026-01-02T00:01:00Z"`, `publishTime="2026-01-02T00:01:02Z"`}
	grown := append([]string{`startNumber="20"`, `startNumber="21"`, `<S t="40000" d="2000" r="8"/>`, `<S t="42000" d="2000" r="8"/>`}, later...)
	for _, is := range []string{goodDynamic, edit(t, goodDynamic, grown...)} {
		if got := check(goodDynamic, is); len(got) > 0 {
			t.Fatalf("a good update has %v", got)
		}
	}
	for _, c := range updateFaults(t) {
		t.Run(c.rule, func(t *testing.T) {
			exactly(t, check(c.was, edit(t, c.was, c.edits...)), nil, c.rule, c.also...)
		})
	}
}
