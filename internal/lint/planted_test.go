package lint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shift adds to each decode time of one track of a segment.
func shift(t *testing.T, nth int, seconds float64, scale int) func([]byte) []byte {
	return func(b []byte) []byte {
		at := findBox(t, b, "tfdt", nth) + 12
		binary.BigEndian.PutUint64(b[at:], binary.BigEndian.Uint64(b[at:])+uint64(int64(seconds*float64(scale)))) //nolint:gosec // a test's arithmetic
		return b
	}
}

func both(fs ...spoil) spoil {
	return func(path string, n int, a *answer) {
		for _, f := range fs {
			f(path, n, a)
		}
	}
}

func drop(name string) spoil {
	return func(_ string, _ int, a *answer) { a.header.Del(name) }
}

type planted struct {
	rule string
	f    spoil
	also []string
}

func try(t *testing.T, s site, entry string, base []string, list []planted) {
	t.Helper()
	for _, p := range list {
		t.Run(p.rule, func(t *testing.T) {
			t.Parallel()
			exactly(t, judged(t, proxy(t, s, p.f).URL+entry, 0), base, p.rule, p.also...)
		})
	}
}

// timescale of the video track of ffmpeg's fMP4 samples.
func videoScale(t *testing.T, s site) int {
	t.Helper()
	return int(parseInit(s["/init.mp4"]).tracks[0].timescale)
}

func TestPlantedInFMP4(t *testing.T) {
	s := hlsFMP4(t)
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	if list := musts(base); len(list) > 0 {
		t.Fatalf("the good stream has %v", list)
	}
	scale := videoScale(t, s)
	const master, media = "/m.m3u8", "/v.m3u8"
	all := func(f func([]byte) []byte) spoil {
		return func(p string, _ int, a *answer) {
			if filepath.Ext(p) == ".m4s" {
				a.body = f(a.body)
			}
		}
	}
	notKey := raw("/v3.m4s", func(b []byte) []byte { breakKey(t, b); return b })
	try(t, s, master, base, []planted{
		{"hls.bandwidth_low", on(master, "BANDWIDTH=900000", "BANDWIDTH=100000"), nil},
		{"hls.bandwidth_high", on(master, "BANDWIDTH=900000", "BANDWIDTH=90000000"), nil},
		{"hls.average_low", on(master, "BANDWIDTH=900000", "BANDWIDTH=900000,AVERAGE-BANDWIDTH=1000"), nil},
		{"hls.codecs_wrong", on(master, "avc1.42", "avc1.64"), nil},
		{"hls.codecs_lacking", on(master, ",mp4a.40.2", ""), nil},
		{"hls.codecs_extra", on(master, ",mp4a.40.2", ",mp4a.40.2,ec-3"), nil},
		{"hls.resolution_wrong", on(master, "320x180", "640x360"), nil},
		{"hls.frame_rate_wrong", on(master, "RESOLUTION", "FRAME-RATE=50.000,RESOLUTION"), nil},
		{"hls.extinf_wrong", on(media, "#EXTINF:1.000000", "#EXTINF:0.600000"), nil},
		{"hls.map_missing", on(media, "#EXT-X-MAP:URI=\"init.mp4\"\n", ""), nil},
		{"hls.bitrate_wrong", on(media, "#EXTINF", "#EXT-X-BITRATE:9000\n#EXTINF"), nil},
		{"hls.segment_format", raw("/v2.m4s", func([]byte) []byte { return []byte("this is not media at all") }), nil},
		{"hls.discontinuity_missing", raw("/v3.m4s", shift(t, 0, 10, scale)), []string{"hls.av_apart"}},
		{"hls.discontinuity_missing", raw("/v3.m4s", func([]byte) []byte { return hlsTS(t)["/v3.ts"] }), []string{"serve.segment_type"}},
		{"seg.gap", raw("/v3.m4s", shift(t, 0, 0.2, scale)), []string{"seg.overlap", "hls.av_apart"}},
		{"seg.overlap", raw("/v3.m4s", shift(t, 0, -0.2, scale)), []string{"seg.gap", "hls.av_apart"}},
		{"hls.not_independent", notKey, []string{"mp4.sync_flag"}},
		{"hls.key_frame_late", both(notKey, on(media, "#EXT-X-INDEPENDENT-SEGMENTS\n", "")), []string{"mp4.sync_flag", "hls.not_independent"}},
		{"hls.av_apart", all(shift(t, 1, 0.3, 48000)), nil},
		{"hls.key_padding", on(media, "#EXT-X-MAP", "#EXT-X-KEY:METHOD=AES-128,URI=\"init.mp4\"\n#EXT-X-MAP"), []string{"hls.key_size", "hls.codecs_extra", "hls.key_iv", "hls.key_plain"}},
		{"hls.key_size", on(media, "#EXT-X-MAP", "#EXT-X-KEY:METHOD=AES-128,URI=\"init.mp4\"\n#EXT-X-MAP"), []string{"hls.key_padding", "hls.key_iv", "hls.key_plain"}},
		{"serve.missing", func(p string, _ int, a *answer) {
			if p == "/v4.m4s" {
				a.status = http.StatusNotFound
			}
		}, []string{"seg.gap"}},
		{"serve.missing", func(p string, _ int, a *answer) {
			if p == "/init.mp4" {
				a.status = http.StatusForbidden
			}
		}, nil},
		{"serve.missing", func(p string, _ int, a *answer) {
			if p == media {
				a.status = http.StatusInternalServerError
			}
		}, nil},
		{"serve.empty", raw("/v4.m4s", func([]byte) []byte { return nil }), nil},
		{"serve.cors", drop("Access-Control-Allow-Origin"), nil},
		{"serve.segment_cache", drop("Cache-Control"), nil},
		{"serve.ranges", func(p string, _ int, a *answer) { a.ranges = filepath.Ext(p) == ".m3u8" }, nil},
		{"serve.playlist_type", func(p string, _ int, a *answer) {
			if p == media {
				a.header.Set("Content-Type", "text/plain")
			}
		}, nil},
		{"serve.segment_type", func(p string, _ int, a *answer) {
			if filepath.Ext(p) == ".m4s" {
				a.header.Set("Content-Type", "text/plain")
			}
		}, nil},
		{"serve.gzip", both(on(media, "#EXTINF", strings.Repeat("# a comment\n", 300)+"#EXTINF"), func(_ string, _ int, a *answer) { a.zip = false }), nil},
		{"serve.playlist_size", on(media, "#EXTINF", strings.Repeat("# a comment\n", 100000)+"#EXTINF"), nil},
		{"mp4.mvex_missing", raw("/init.mp4", rename(t, "mvex", "free")), []string{"mp4.duration_zero", "mp4.sample_range", "hls.extinf_wrong", "mp4.mdat_unused", "mp4.nal_broken"}},
		{"mp4.sequence", raw("/v3.m4s", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "mfhd", 0)+12:], 1); return b }), nil},
	})
}

func TestPlantedInTransportStreams(t *testing.T) {
	s := hlsTS(t)
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	if list := musts(base); len(list) > 0 {
		t.Fatalf("the good stream has %v", list)
	}
	try(t, s, "/m.m3u8", base, []planted{
		{"ts.continuity", raw("/v2.ts", func(b []byte) []byte { return append(slices.Clone(b[:188*12]), b[188*13:]...) }), []string{"ts.continuity_joint", "ts.pes"}},
		{"ts.continuity_joint", raw("/v2.ts", func(b []byte) []byte {
			packets(b, 257, func(p []byte) bool { p[3] = p[3]&0xf0 | (p[3]+5)&15; return true })
			return b
		}), nil},
		{"ts.pcr_joint", raw("/v2.ts", func(b []byte) []byte {
			packets(b, 256, func(p []byte) bool {
				if p[3]&0x20 != 0 && p[4] > 0 && p[5]&0x10 != 0 {
					add32(p, 6, -90000)
				}
				return true
			})
			return b
		}), nil},
		{"hls.discontinuity_missing", raw("/v3.ts", func([]byte) []byte { return slices.Clone(s["/v0.ts"]) }), []string{"ts.continuity_joint", "ts.pcr_joint"}},
		{"hls.codecs_wrong", on("/m.m3u8", "avc1.42", "avc1.4d"), nil},
		{"hls.resolution_wrong", on("/m.m3u8", "320x180", "322x180"), nil},
		{"serve.segment_type", func(p string, _ int, a *answer) {
			if filepath.Ext(p) == ".ts" {
				a.header.Set("Content-Type", "text/vnd.trolltech.linguist")
			}
		}, nil},
	})
}

func TestPlantedInRanges(t *testing.T) {
	s := hlsRanges(t)
	base := judged(t, proxy(t, s, nil).URL+"/v.m3u8", 0)
	if list := musts(base); len(list) > 0 {
		t.Fatalf("the good stream has %v", list)
	}
	try(t, s, "/v.m3u8", base, []planted{
		{"serve.range_ignored", func(p string, _ int, a *answer) { a.ranges = filepath.Ext(p) == ".m3u8" }, []string{"serve.ranges"}},
		{"serve.range_short", func(p string, _ int, a *answer) {
			if filepath.Ext(p) == ".m4s" || filepath.Ext(p) == ".mp4" {
				a.body = a.body[:len(a.body)-900]
			}
		}, []string{"mp4.box_broken", "mp4.sample_range", "mp4.nal_broken", "hls.extinf_wrong", "mp4.data_offset"}},
		{"serve.content_range", func(p string, n int, a *answer) {
			if n == 5 && filepath.Ext(p) == ".m4s" || n == 5 && filepath.Ext(p) == ".mp4" {
				a.ranges, a.status = false, http.StatusPartialContent
				a.header.Set("Content-Range", "bytes 0-9/100")
			}
		}, []string{"hls.discontinuity_missing", "hls.extinf_wrong", "mp4.order", "mp4.sequence"}},
	})
}

// withFrames adds an I-frame playlist to a site, made of the first fragment of each segment.
func withFrames(t *testing.T, s site, init string) site {
	t.Helper()
	s = maps.Clone(s)
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"" + init + "\"\n")
	for i := range 6 {
		name := fmt.Sprintf("v-%d.m4s", i)
		body := s["/"+name]
		list, _ := boxes(body, 0)
		end := 0
		for _, x := range list {
			if x.kind == "mdat" {
				at := findBox(t, body, "trun", 0)
				skip := 20 + 4*fieldsBefore(body, at)
				if body[at+11]&4 != 0 { // first_sample_flags
					skip += 4
				}
				size := binary.BigEndian.Uint32(body[at+skip:])
				end = x.from + x.head + int(size)
				break
			}
		}
		fmt.Fprintf(&b, "#EXTINF:1.0,\n#EXT-X-BYTERANGE:%d@0\n%s\n", end, name)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	s["/i.m3u8"] = []byte(b.String())
	s["/m.m3u8"] = append(slices.Clone(s["/m.m3u8"]), "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=900000,CODECS=\"avc1.42c00d\",RESOLUTION=320x180,URI=\"i.m3u8\"\n"...)
	return s
}

// groups is a presentation of picture, sound and I-frames in playlists of their own.
func groups(t *testing.T) site {
	s := generous(hlsGroups(t), "/m.m3u8")
	init := ""
	for _, line := range strings.Split(string(s["/v.m3u8"]), "\n") {
		if rest, ok := strings.CutPrefix(line, `#EXT-X-MAP:URI="`); ok {
			init = strings.TrimSuffix(rest, `"`)
		}
	}
	s = withFrames(t, s, init)
	for _, p := range []string{"/v.m3u8", "/a.m3u8"} {
		s[p] = append(bytes.TrimSuffix(slices.Clone(s[p]), []byte("#EXT-X-ENDLIST\n")), "#EXT-X-ENDLIST\n"...)
	}
	track := parseInit(s["/"+init]).tracks[0]
	s["/m.m3u8"] = bytes.Replace(s["/m.m3u8"], []byte("avc1.42c00d\",RES"), []byte(track.codec+"\",RES"), 1)
	s["/m.m3u8"] = bytes.Replace(s["/m.m3u8"], []byte(`DEFAULT=YES,`), []byte(`DEFAULT=YES,CHANNELS="2",`), 1)
	return s
}

func TestPlantedInGroups(t *testing.T) {
	s := groups(t)
	base := judged(t, proxy(t, s, nil).URL+"/m.m3u8", 0)
	if list := musts(base); len(list) > 0 {
		t.Fatalf("the good stream has %v\n%s\n%s", list, s["/m.m3u8"], s["/a.m3u8"])
	}
	dates := func(p string, _ int, a *answer) {
		if p == "/a.m3u8" {
			a.body = bytes.ReplaceAll(a.body, []byte("#EXT-X-PROGRAM-DATE-TIME:20"), []byte("#EXT-X-PROGRAM-DATE-TIME:30"))
		}
	}
	undated := func(p string, _ int, a *answer) {
		if p == "/a.m3u8" {
			a.body = bytes.ReplaceAll(a.body, []byte("#EXT-X-PROGRAM-DATE-TIME:"), []byte("# "))
		}
	}
	try(t, s, "/m.m3u8", base, []planted{
		{"hls.renditions_target", on("/a.m3u8", "TARGETDURATION:1", "TARGETDURATION:2"), nil},
		{"hls.renditions_type", on("/a.m3u8", "#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE:VOD\n", ""), []string{"hls.endlist_early"}},
		{"hls.renditions_undated", undated, nil},
		{"hls.renditions_dates", dates, nil},
		{"hls.renditions_length", raw("/a.m3u8", func(b []byte) []byte {
			head, _, _ := bytes.Cut(b, []byte("a-3.m4s"))
			return append(head, "a-3.m4s\n#EXT-X-ENDLIST\n"...)
		}), nil},
		{"hls.renditions_end", on("/a.m3u8", "#EXT-X-ENDLIST\n", ""), []string{"hls.vod_open", "serve.playlist_cached"}},
		{"hls.renditions_start", func(p string, _ int, a *answer) {
			if strings.HasPrefix(p, "/a-") && filepath.Ext(p) == ".m4s" {
				a.body = shift(t, 0, 5, 48000)(a.body)
			}
		}, []string{"hls.renditions_dates"}},
		{"hls.renditions_discontinuity", on("/a.m3u8", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXT-X-MEDIA-SEQUENCE"), nil},
		{"hls.channels_wrong", on("/m.m3u8", `CHANNELS="2"`, `CHANNELS="6"`), nil},
		{"hls.iframes_only_missing", on("/i.m3u8", "#EXT-X-I-FRAMES-ONLY\n", ""), nil},
		{"hls.iframes_only_wrong", on("/v.m3u8", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-I-FRAMES-ONLY\n#EXT-X-MEDIA-SEQUENCE"), nil},
		{"hls.iframe_broken", func(p string, _ int, a *answer) {
			if p == "/i.m3u8" {
				a.body = bytes.Replace(a.body, []byte("@0\nv-2.m4s"), []byte("@500\nv-2.m4s"), 1)
			}
		}, nil},
		{"hls.iframe_more", raw("/i.m3u8", func(b []byte) []byte {
			return slices.Concat(b[:bytes.Index(b, []byte("#EXT-X-BYTERANGE"))], b[bytes.Index(b, []byte("v-0.m4s")):])
		}), nil},
		{"hls.iframe_not_key", raw("/v-2.m4s", func(b []byte) []byte { breakKey(t, b); return b }), []string{"mp4.sync_flag", "hls.not_independent"}},
		{"hls.group_unresolved", on("/m.m3u8", `AUDIO="group_g"`, `AUDIO="other"`), []string{"hls.group_unused", "hls.codecs_extra"}},
	})
}

func TestPlantedInDASH(t *testing.T) {
	s := dashSample(t)
	base := judged(t, proxy(t, s, nil).URL+"/m.mpd", 0)
	if list := musts(base); len(list) > 0 {
		t.Fatalf("the good stream has %v\n%s", list, s["/m.mpd"])
	}
	const mpd = "/m.mpd"
	scale := int(parseInit(s["/init-stream0.m4s"]).tracks[0].timescale)
	try(t, s, mpd, base, []planted{
		{"dash.xml", on(mpd, "</Period>", ""), nil},
		{"dash.codecs_wrong", on(mpd, `codecs="avc1.42`, `codecs="avc1.64`), nil},
		{"dash.mime_wrong", on(mpd, `mimeType="video/mp4"`, `mimeType="audio/mp4"`), []string{"dash.content_type", "dash.sound_missing"}},
		{"dash.size_wrong", on(mpd, `width="320"`, `width="640"`), []string{"dash.over_set", "dash.par_wrong"}},
		{"dash.frame_rate_wrong", on(mpd, `frameRate="25/1"`, `frameRate="50/1"`), nil},
		{"dash.rate_wrong", on(mpd, `audioSamplingRate="48000"`, `audioSamplingRate="44100"`), nil},
		{"dash.channels_wrong", on(mpd, `audio_channel_configuration:2011" value="2"`, `audio_channel_configuration:2011" value="6"`), nil},
		{"dash.bandwidth_low", on(mpd, `bandwidth="300000"`, `bandwidth="30000"`), nil},
		{"dash.bandwidth_high", on(mpd, `bandwidth="300000"`, `bandwidth="30000000"`), nil},
		{"dash.timescale", on(mpd, `timescale="12800"`, `timescale="25600"`, `<S t="0" d="12800"`, `<S t="0" d="25600"`), nil},
		{"dash.time_wrong", raw("/chunk-stream0-00003.m4s", shift(t, 0, 0.5, scale)), []string{"seg.gap", "seg.overlap"}},
		{"dash.time_jump", raw("/chunk-stream0-00003.m4s", shift(t, 0, 50, scale)), []string{"dash.time_wrong"}},
		{"dash.duration_wrong", on(mpd, `<S t="0" d="12800" r="5"`, `<S t="0" d="12800" r="4" /><S d="9000"`), []string{"dash.timeline_length"}},
		{"dash.offset_wrong", on(mpd, `<SegmentTemplate timescale="12800"`, `<SegmentTemplate presentationTimeOffset="128000" timescale="12800"`), []string{"dash.av_apart", "dash.timeline_length"}},
		{"dash.av_apart", on(mpd, `<SegmentTemplate timescale="12800"`, `<SegmentTemplate presentationTimeOffset="6400" timescale="12800"`), nil},
		{"dash.sap_wrong", raw("/chunk-stream0-00003.m4s", func(b []byte) []byte { breakKey(t, b); return b }), []string{"mp4.sync_flag"}},
		{"dash.sap_late", both(raw("/chunk-stream0-00003.m4s", func(b []byte) []byte { breakKey(t, b); return b }), on(mpd, ` startWithSAP="1"`, "")), []string{"mp4.sync_flag", "dash.sap_missing"}},
		{"dash.protection_missing", raw("/init-stream0.m4s", rename(t, "avc1", "encv")), []string{"dash.codecs_wrong", "mp4.protection_incomplete"}},
		{"dash.tracks", raw("/init-stream0.m4s", func([]byte) []byte { return slices.Clone(hlsFMP4(t)["/init.mp4"]) }), nil},
		{"dash.attribute_missing", on(mpd, `minBufferTime="PT`, `x="PT`), []string{"dash.attribute_unknown", "dash.bandwidth_low"}},
		{"serve.missing", func(p string, _ int, a *answer) {
			if p == "/chunk-stream1-00002.m4s" {
				a.status = http.StatusNotFound
			}
		}, nil},
		{"serve.playlist_type", func(p string, _ int, a *answer) {
			if p == mpd {
				a.header.Set("Content-Type", "text/html")
			}
		}, nil},
	})
}

func TestFilesAndRefusals(t *testing.T) {
	hlsFMP4(t)
	if got := musts(judged(t, filepath.Join(sampleDir, "fmp4", "v.m3u8"), 0)); len(got) > 0 {
		t.Errorf("a file has %v", got)
	}
	srv := proxy(t, site{"/a.m3u8": []byte("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"), "/b": []byte("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nx.ts\n#EXT-X-ENDLIST\n"), "/c": []byte("hello")}, nil)
	exactly(t, judged(t, srv.URL+"/a.m3u8", 0), nil, "serve.missing")
	exactly(t, judged(t, srv.URL+"/b", 0), nil, "hls.playlist_name", "serve.missing", "serve.playlist_type")
	for _, target := range []string{srv.URL + "/none.m3u8", srv.URL + "/c", "http://127.0.0.1:1/x.m3u8", filepath.Join(t.TempDir(), "none.mpd")} {
		if _, err := Run(t.Context(), target, Options{For: time.Second}); err == nil {
			t.Errorf("%s is read", target)
		}
	}
}
