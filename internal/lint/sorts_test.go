package lint

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// blind is a fault of which only the fact is known: some rule has to find it.
type blind struct {
	what string
	f    spoil
}

func blindly(t *testing.T, s site, entry string, length time.Duration, list []blind) {
	t.Helper()
	base := judged(t, proxy(t, s, nil).URL+entry, 0)
	for _, b := range list {
		t.Run(b.what, func(t *testing.T) {
			got := judged(t, proxy(t, s, b.f).URL+entry, length)
			if got = slices.DeleteFunc(got, func(id string) bool { return slices.Contains(base, id) }); len(got) == 0 {
				t.Errorf("%s is not found", b.what)
			} else {
				t.Logf("FOUND %s: %v", b.what, got)
			}
		})
	}
}

func swapNames(b []byte, x, y string) []byte {
	b = bytes.ReplaceAll(b, []byte(x), []byte("\x01"))
	b = bytes.ReplaceAll(b, []byte(y), []byte(x))
	return bytes.ReplaceAll(b, []byte("\x01"), []byte(y))
}

func status(path string, code int) spoil {
	return func(p string, _ int, a *answer) {
		if p == path {
			a.status = code
		}
	}
}

// What goes wrong in packagers, servers and scripts, without a thought of the rules there are.
func TestFaultsOfAllSorts(t *testing.T) {
	g := groups(t)
	var inits []string
	for name := range g {
		if strings.Contains(name, "init") {
			inits = append(inits, strings.TrimPrefix(name, "/"))
		}
	}
	slices.Sort(inits)
	blindly(t, g, "/m.m3u8", 0, []blind{
		{"the init segment of the other track", on("/a.m3u8", inits[len(inits)-1], inits[0])},
		{"two segments swapped", raw("/v.m3u8", func(b []byte) []byte { return swapNames(b, "v-2.m4s", "v-3.m4s") })},
		{"half a frame in an I-frame entry", raw("/i.m3u8", func(b []byte) []byte {
			i := bytes.Index(b, []byte("BYTERANGE:")) + 10
			return append(slices.Clone(b[:i]), append([]byte("700@0\n"), b[i+bytes.IndexByte(b[i:], '\n')+1:]...)...)
		})},
		{"the playlist of sound is not there", status("/a.m3u8", 404)},
		{"dates drift by 60 ms a segment", raw("/v.m3u8", func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("#EXTINF:1.000000"), []byte("#EXTINF:1.060000"))
		})},
	})
	f := hlsFMP4(t)
	blindly(t, f, "/m.m3u8", 0, []blind{
		{"ten bytes are missing at the end", raw("/v2.m4s", func(b []byte) []byte { return b[:len(b)-10] })},
		{"the data offset of sound is four bytes off", raw("/v2.m4s", func(b []byte) []byte { add32(b, findBox(t, b, "trun", 1)+16, 4); return b })},
		{"sound alone is half a second late", raw("/v2.m4s", shift(t, 1, 0.5, 48000))},
		{"an error page with 200", raw("/v2.m4s", func([]byte) []byte { return []byte("<html><body>502 Bad Gateway</body></html>") })},
		{"zipped without saying so", func(p string, _ int, a *answer) {
			if p == "/v.m3u8" {
				a.header.Set("Content-Encoding", "")
				a.zip = false
				a.body = []byte("\x1f\x8b\x08\x00junk")
			}
		}},
		{"the level in CODECS", raw("/m.m3u8", func(b []byte) []byte {
			return regexp.MustCompile(`(avc1\.[0-9A-Fa-f]{4})[0-9A-Fa-f]{2}`).ReplaceAll(b, []byte("${1}33"))
		})},
		{"a segment without sound", raw("/v3.m4s", func([]byte) []byte { return slices.Clone(g["/v-3.m4s"]) })},
		{"the time scale in mdhd", raw("/init.mp4", func(b []byte) []byte { binary.BigEndian.PutUint32(b[findBox(t, b, "mdhd", 0)+20:], 90000); return b })},
		{"a variant without BANDWIDTH", on("/m.m3u8", "BANDWIDTH=900000,", "")},
	})
	blindly(t, f, "/v.m3u8", 4*time.Second, []blind{{"VOD without an end", on("/v.m3u8", "#EXT-X-ENDLIST", "# ", "#EXT-X-PLAYLIST-TYPE:VOD\n", "")}})
	ts := hlsTS(t)
	blindly(t, ts, "/m.m3u8", 0, []blind{
		{"another stream type in the PMT", raw("/v2.ts", func(b []byte) []byte {
			packets(b, 4096, func(p []byte) bool { i := bytes.IndexByte(p[17:], 0x1b); p[17+i] = 0x02; return true })
			return b
		})},
		{"no sound in a segment", raw("/v2.ts", func(b []byte) (out []byte) {
			for ; len(b) >= 188; b = b[188:] {
				if int(b[1]&31)<<8|int(b[2]) != 257 {
					out = append(out, b[:188]...)
				}
			}
			return out
		})},
		{"a segment twice", raw("/v3.ts", func([]byte) []byte { return slices.Clone(ts["/v2.ts"]) })},
	})
	d := dashSample(t)
	blindly(t, d, "/m.mpd", 0, []blind{
		{"durations a tenth too long", on("/m.mpd", `<S t="0" d="12800" r="5"`, `<S t="0" d="14080" r="5"`)},
		{"startNumber one off", on("/m.mpd", `startNumber="1"`, `startNumber="2"`)},
		{"no init segment", status("/init-stream0.m4s", http.StatusNotFound)},
		{"no timescale", on("/m.mpd", ` timescale="12800"`, "")},
		{"a segment is the one before", raw("/chunk-stream0-00004.m4s", func([]byte) []byte { return slices.Clone(d["/chunk-stream0-00003.m4s"]) })},
		{"the init segment of sound", raw("/init-stream0.m4s", func([]byte) []byte { return slices.Clone(d["/init-stream1.m4s"]) })},
		{"mediaPresentationDuration", on("/m.mpd", `mediaPresentationDuration="PT6.0S"`, `mediaPresentationDuration="PT10.0S"`)},
		{"mp4 as octets", func(p string, _ int, a *answer) {
			if filepath.Ext(p) == ".m4s" {
				a.header.Set("Content-Type", "application/octet-stream")
			}
		}},
		{"a BaseURL to nowhere", on("/m.mpd", "<Period ", "<BaseURL>nowhere/</BaseURL><Period ")},
		{"a picture of another size", on("/m.mpd", `height="180"`, `height="176"`)},
	})
}
