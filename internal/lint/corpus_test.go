package lint

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tiny is a source of which a whole stream fits in a seed.
const tiny = "-v error -y -f lavfi -i testsrc2=size=64x48:rate=5 -f lavfi -i sine=frequency=440:sample_rate=16000 -t 3 -g 5 -keyint_min 5 -sc_threshold 0 -ac 1 -b:a 16k "

const tinyHLS = "-c:v libx264 -preset ultrafast -crf 40 -c:a aac -f hls -hls_time 1 -hls_playlist_type vod -hls_flags independent_segments+program_date_time "

// TestCorpusOfTheFuzzer writes, with -update, seeds that reach deep into the readers: small streams of ffmpeg, good and spoilt.
func TestCorpusOfTheFuzzer(t *testing.T) {
	if !*update {
		t.Skip("go test -run Corpus -update writes the seeds anew")
	}
	groups := sampleOf(t, "tinygroups", "ffmpeg", tiny+"-map 0:v -map 0:v -map 1:a "+tinyHLS+"-hls_segment_type fmp4 "+
		"-var_stream_map v:0,agroup:g,name:v|v:1,agroup:g,name:w|a:0,agroup:g,name:a -master_pl_name m.m3u8 -hls_segment_filename %v-%d.m4s -hls_fmp4_init_filename init.mp4 %v.m3u8")
	init, _, _ := strings.Cut(string(groups["/v.m3u8"])[strings.Index(string(groups["/v.m3u8"]), "#EXT-X-MAP"):], "\n")
	groups["/f.m3u8"] = []byte("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-I-FRAMES-ONLY\n" + init + "\n#EXTINF:1,\n#EXT-X-BYTERANGE:900@0\nv-0.m4s\n#EXTINF:1,\nv-1.m4s\n#EXT-X-ENDLIST\n")
	groups["/m.m3u8"] = append(groups["/m.m3u8"], "\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,CODECS=\"avc1.42c00a\",RESOLUTION=64x48,URI=\"f.m3u8\"\n"...)
	stream(t, "groups", "/m.m3u8", groups)
	stream(t, "ts", "/m.m3u8", sampleOf(t, "tinyts", "ffmpeg", tiny+tinyHLS+"-master_pl_name m.m3u8 v.m3u8"))
	stream(t, "ranges", "/v.m3u8", sampleOf(t, "tinyranges", "ffmpeg", tiny+strings.ReplaceAll(tinyHLS, "ultrafast", "veryfast")+"-hls_segment_type fmp4 -hls_flags single_file v.m3u8"))
	dash := sampleOf(t, "tinydash", "ffmpeg", tiny+"-c:v libx264 -preset ultrafast -crf 40 -c:a aac -f dash -seg_duration 1 m.mpd")
	stream(t, "dash", "/m.mpd", dash)
	stream(t, "dashfile", "/m.mpd", sampleOf(t, "tinyfile", "ffmpeg", tiny+"-c:v libx264 -preset ultrafast -crf 40 -c:a aac -f dash -seg_duration 1 -single_file 1 m.mpd"))
	one := site{"/v.mp4": sampleOf(t, "tinysidx", "ffmpeg", tiny+"-an -c:v libx264 -preset ultrafast -crf 40 -movflags dash+global_sidx v.mp4")["/v.mp4"]}
	one["/m.mpd"] = []byte(`<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static" mediaPresentationDuration="PT3S" minBufferTime="PT1S"><Period id="p"><AdaptationSet id="0" mimeType="video/mp4"><Representation id="v" bandwidth="300000" codecs="avc1.42c00a"><BaseURL>v.mp4</BaseURL><SegmentBase indexRange="0-99"><Initialization range="0-9999"/></SegmentBase></Representation></AdaptationSet></Period></MPD>`)
	stream(t, "indexed", "/m.mpd", one)
	stream(t, "low", "/m.m3u8", lowOf(groups))
	stream(t, "dynamic", "/m.mpd", dynamicOf(dash))
	for name, codec := range map[string]string{"hevc": "libx265 -x265-params log-level=none", "av1": "libaom-av1 -cpu-used 8 -strict -2", "vp9": "libvpx-vp9"} {
		s := sampleOf(t, "tiny"+name, "ffmpeg", "-v error -y -f lavfi -i testsrc2=size=64x48:rate=5 -t 1 -c:v "+codec+" -f hls -hls_time 1 -hls_segment_type fmp4 v.m3u8")
		seed(t, "FuzzMedia", name, s["/init.mp4"], s["/v0.m4s"])
	}
	adts, err := hex.DecodeString("fff14c80021ffc" + strings.Repeat("00", 9))
	if err != nil {
		t.Fatal(err)
	}
	stream(t, "packed", "/v.m3u8", site{"/v.m3u8": []byte(strings.ReplaceAll(four, "a\n", "a.aac\n")), "/a.aac": adts, "/b": []byte("WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n")})
	seed(t, "FuzzMedia", "fmp4", groups["/init_0.mp4"], groups["/v-0.m4s"])
}

func stream(t *testing.T, name, entry string, s site) {
	t.Helper()
	if s[entry] == nil {
		t.Fatalf("%s has no %s", name, entry)
	}
	seed(t, "FuzzStream", name, entry, pack(s))
}

func seed(t *testing.T, target, name string, args ...any) {
	t.Helper()
	text := "go test fuzz v1\n"
	for _, a := range args {
		text += fmt.Sprintf("%T(%q)\n", a, a)
	}
	dir := filepath.Join("testdata", "fuzz", target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "[]uint8(", "[]byte(")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lowOf makes a live low-latency stream of the segments, each of which is one part.
func lowOf(s site) site {
	s = maps.Clone(s)
	for _, name := range []string{"v", "w", "a"} {
		text := string(s["/"+name+".m3u8"])
		init := text[strings.Index(text, "#EXT-X-MAP"):]
		init = init[:strings.IndexByte(init, '\n')+1]
		var b bytes.Buffer
		fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3,CAN-SKIP-UNTIL=6\n#EXT-X-PART-INF:PART-TARGET=1\n%s", init)
		for n := range 2 {
			fmt.Fprintf(&b, "#EXT-X-PART:DURATION=1,URI=\"%[1]s-%[2]d.m4s\",INDEPENDENT=YES\n#EXTINF:1,\n%[1]s-%[2]d.m4s\n", name, n)
		}
		fmt.Fprintf(&b, "#EXT-X-PART:DURATION=1,URI=\"%s-2.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%s-0.m4s\"\n#EXT-X-RENDITION-REPORT:URI=\"w.m3u8\",LAST-MSN=2,LAST-PART=0\n", name, name)
		s["/"+name+".m3u8"] = b.Bytes()
	}
	return s
}

// dynamicOf says of a finished stream that it is live.
func dynamicOf(s site) site {
	s = maps.Clone(s)
	text := strings.Replace(string(s["/m.mpd"]), `type="static"`, `type="dynamic" availabilityStartTime="2026-01-02T00:00:00Z" publishTime="2026-01-02T00:01:00Z" minimumUpdatePeriod="PT0.01S" timeShiftBufferDepth="PT99999999S"`, 1)
	s["/m.mpd"] = []byte(strings.Replace(text, "</MPD>", `<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/></MPD>`, 1))
	s["/time"] = []byte("2026-01-02T00:01:00Z")
	return s
}
