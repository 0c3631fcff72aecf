package hls

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"weir/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var epoch = time.Date(2026, 11, 22, 9, 0, 0, 547e6, time.UTC)

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func multivariant() Multivariant {
	return Multivariant{
		Independent: true,
		Renditions: []Rendition{
			{Type: "AUDIO", Group: "audio0", Name: `Stage "left"`, Language: "en", URI: "a0.m3u8", Channels: "2", Default: true},
			{Type: "AUDIO", Group: "audio0", Name: "解説", Language: "ja", URI: "a1.m3u8", Channels: "1"},
		},
		Variants: []Variant{
			{URI: "v0.m3u8", Bandwidth: 2_600_000, AverageBandwidth: 2_100_000, Codecs: "avc1.64001f,mp4a.40.2", Width: 1280, Height: 720,
				FrameRate: 30000.0 / 1001, Audio: "audio0"},
			{URI: "v1.m3u8", Bandwidth: 800_000},
		},
		IFrames:  []IFrame{{URI: "v0.iframes.m3u8", Bandwidth: 210_000, AverageBandwidth: 190_000, Codecs: "avc1.64001f", Width: 1280, Height: 720}},
		Start:    &Start{Offset: -12500 * time.Millisecond, Precise: true},
		Steering: &Steering{URI: "https://host/steering", Pathway: "A"},
		Query:    "key=a%26b&s=TOKEN",
	}
}

func lowLatency() Media {
	return Media{
		TargetDuration: 2, MediaSequence: 897669342, DiscontinuitySequence: 3, Independent: true,
		PartTarget: 200 * time.Millisecond, PartHoldBack: 600 * time.Millisecond, SkipUntil: 12 * time.Second, BlockReload: true,
		Segments: []Segment{
			{URI: "seg-1-v0-10.m4s", Duration: 2 * time.Second, Time: epoch, Map: "init-1-v0.mp4"},
			{URI: "seg-1-v0-11.m4s", Duration: 2 * time.Second, Time: epoch.Add(2 * time.Second), Gap: true},
			{URI: "seg-2-v0-15.m4s", Duration: 1966667 * time.Microsecond, Time: epoch.Add(9 * time.Second), Map: "init-2-v0.mp4", Discontinuity: true,
				Parts: []Part{{URI: "part-2-v0-15-0.m4s", Duration: 200 * time.Millisecond, Independent: true}, {URI: "part-2-v0-15-1.m4s", Duration: 66667 * time.Microsecond, Gap: true}}},
			{Time: epoch.Add(11 * time.Second), Parts: []Part{{URI: "part-2-v0-16-0.m4s", Duration: 200 * time.Millisecond, Independent: true}}},
		},
		Hint:    "part-2-v0-16-1.m4s",
		Reports: []Report{{URI: "a0.m3u8", LastMSN: 897669345, LastPart: 0}, {URI: "a1.m3u8", LastMSN: 897669345, LastPart: -1}},
	}
}

func TestGolden(t *testing.T) {
	mv := multivariant()
	golden(t, "multivariant.m3u8", mv.Append(nil))
	ll := lowLatency()
	golden(t, "lowlatency.m3u8", ll.Append(nil))
	ll.Query = "s=TOKEN"
	golden(t, "query.m3u8", ll.Append(nil))
	delta := lowLatency()
	delta.Skipped, delta.Segments = 2, delta.Segments[2:]
	golden(t, "delta.m3u8", delta.Append(nil))
	plain := Media{TargetDuration: 4, MediaSequence: 7, Ended: true, Hint: "never", Segments: []Segment{{URI: "a.m4s", Duration: 3999600 * time.Microsecond, Map: "i.mp4"}}}
	golden(t, "plain.m3u8", plain.Append(nil))
	iframes := Media{TargetDuration: 2, MediaSequence: 7, Ended: true, Type: TypeVOD, IFramesOnly: true, Segments: []Segment{
		{URI: "a.m4s", Duration: 2 * time.Second, Map: "i.mp4", Time: epoch, Length: 30211}, {URI: "b.m4s", Duration: 2 * time.Second, Gap: true},
	}}
	golden(t, "iframes.m3u8", iframes.Append(nil))
}

// TestAddressWithQuery: an address that has a query of its own gets the common one after "&".
func TestAddressWithQuery(t *testing.T) {
	if got := string(appendAddress(nil, "a.m4s?x=1", "s=2")); got != "a.m4s?x=1&s=2" {
		t.Error(got)
	}
}

func TestAppendSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0", 2 * time.Second: "2.0", 33333333: "0.033333", 999999600: "1.0", 1500 * time.Millisecond: "1.5", -5: "0.0", 100 * time.Hour: "360000.0",
	} {
		if got := string(appendSeconds(nil, d)); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestParseMultivariant(t *testing.T) {
	in := multivariant()
	in.Query = ""
	out, media, err := Parse(in.Append(nil))
	if err != nil || media != nil {
		t.Fatal(media, err)
	}
	in.Renditions[0].Name = "Stage left"
	in.Variants[0].FrameRate = 29.97
	if diff := cmp.Diff(&in, out); diff != "" {
		t.Error(diff)
	}
}

// randomMedia draws a playlist as a server would write it.
func randomMedia(t *rapid.T) Media {
	us := func(name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(1, most).Draw(t, name)) * time.Microsecond
	}
	m := Media{
		Version: rapid.IntRange(6, 10).Draw(t, "version"), TargetDuration: rapid.IntRange(1, 20).Draw(t, "target"),
		MediaSequence: rapid.Int64Range(0, 1<<40).Draw(t, "msn"), DiscontinuitySequence: rapid.IntRange(0, 1000).Draw(t, "seq"),
		Independent: rapid.Bool().Draw(t, "independent"), Ended: rapid.Bool().Draw(t, "ended"),
		Type: rapid.SampledFrom([]string{"", TypeVOD, TypeEvent}).Draw(t, "type"), IFramesOnly: rapid.Bool().Draw(t, "iframes"),
	}
	low := rapid.Bool().Draw(t, "low")
	if low {
		m.PartTarget, m.PartHoldBack, m.BlockReload = us("pt", 1e6), us("ph", 3e6), rapid.Bool().Draw(t, "block")
		m.SkipUntil = us("skip", 20e6)
		m.Skipped = rapid.IntRange(0, 5).Draw(t, "skipped")
		if !m.Ended {
			m.Hint = "next.m4s"
		}
		m.Reports = []Report{{URI: "a0.m3u8", LastMSN: rapid.Int64Range(0, 1<<40).Draw(t, "last"), LastPart: rapid.IntRange(-1, 9).Draw(t, "lp")}}
	}
	for range rapid.IntRange(0, 12).Draw(t, "segments") {
		s := Segment{URI: "s.m4s", Duration: us("d", 20e6), Gap: rapid.Bool().Draw(t, "gap"), Discontinuity: rapid.Bool().Draw(t, "disc"),
			Length: rapid.Int64Range(0, 1<<40).Draw(t, "length")}
		if rapid.Bool().Draw(t, "map") {
			s.Map = "i.mp4"
		}
		if rapid.Bool().Draw(t, "pdt") {
			s.Time = epoch.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "at")) * time.Millisecond)
		}
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			s.Parts = append(s.Parts, Part{URI: "p.m4s", Duration: us("pd", 1e6), Independent: rapid.Bool().Draw(t, "pi"), Gap: rapid.Bool().Draw(t, "pg")})
		}
		m.Segments = append(m.Segments, s)
	}
	return m
}

// TestRoundTrip: what is written is read back the same.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomMedia(t)
		_, out, err := Parse(in.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&in, out); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	head := "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
	many := head + strings.Repeat("#EXTINF:1,\na\n", MaxSegments+1)
	parts := head + strings.Repeat("#EXT-X-PART:DURATION=1,URI=\"a\"\n", maxParts+1)
	for name, c := range map[string]struct{ in, code string }{
		"empty":           {"", "hls_malformed"},
		"not a playlist":  {"<html>", "hls_malformed"},
		"header only":     {"#EXTM3U\n", "hls_malformed"},
		"mixed":           {head + "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n", "hls_malformed"},
		"bare address":    {head + "a\n", "hls_malformed"},
		"open EXTINF":     {head + "#EXTINF:1,\n", "hls_malformed"},
		"open STREAM-INF": {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "hls_malformed"},
		"no bandwidth":    {"#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"x\"\na\n", "hls_malformed"},
		"resolution":      {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=7\na\n", "hls_malformed"},
		"frame rate":      {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FRAME-RATE=-1\na\n", "hls_malformed"},
		"duration":        {head + "#EXTINF:NaN,\na\n", "hls_malformed"},
		"negative":        {head + "#EXTINF:-1,\na\n", "hls_malformed"},
		"target":          {"#EXTM3U\n#EXT-X-TARGETDURATION:x\n", "hls_malformed"},
		"sequence":        {head + "#EXT-X-MEDIA-SEQUENCE:-1\n", "hls_malformed"},
		"byte range":      {head + "#EXT-X-BYTERANGE:x@0\n", "hls_malformed"},
		"start":           {"#EXTM3U\n#EXT-X-START:TIME-OFFSET=soon\n", "hls_malformed"},
		"date":            {head + "#EXT-X-PROGRAM-DATE-TIME:yesterday\n", "hls_malformed"},
		"open quote":      {head + "#EXT-X-MAP:URI=\"a\n", "hls_malformed"},
		"no value":        {head + "#EXT-X-MAP:URI\n", "hls_malformed"},
		"report":          {head + "#EXT-X-RENDITION-REPORT:URI=\"a\"\n", "hls_malformed"},
		"skip":            {head + "#EXT-X-SKIP:SKIPPED-SEGMENTS=99999\n", "hls_too_large"},
		"many segments":   {many, "hls_too_large"},
		"many parts":      {parts, "hls_too_large"},
		"many bytes":      {head + strings.Repeat("#\n", MaxBytes/2), "hls_too_large"},
	} {
		if _, _, err := Parse([]byte(c.in)); fault.Code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// TestParseOthers: spellings that other writers use.
func TestParseOthers(t *testing.T) {
	in := "\xef\xbb\xbf#EXTM3U\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-SOMETHING-NEW:1\r\n# a comment\r\n\r\n" +
		"#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.5+0100\r\n#EXTINF:5.005, a title, with commas\r\nhttp://host/a.ts\r\n#EXTINF:6\r\nb.ts \r\n"
	_, m, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := []Segment{
		{URI: "http://host/a.ts", Duration: 5005 * time.Millisecond, Time: time.Date(2026, 11, 22, 9, 0, 0, 5e8, time.UTC)},
		{URI: "b.ts", Duration: 6 * time.Second},
	}
	if diff := cmp.Diff(want, m.Segments); diff != "" {
		t.Error(diff)
	}
}

// FuzzParse: nothing crashes, and what was read can be written and read again the same.
func FuzzParse(f *testing.F) {
	mv, ll := multivariant(), lowLatency()
	f.Add(mv.Append(nil))
	f.Add(ll.Append(nil))
	f.Add([]byte("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:5.005,x\na.ts\n#EXT-X-ENDLIST\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, m, err := Parse(b)
		if err != nil || m == nil {
			return
		}
		if len(m.Segments)+m.Skipped > MaxSegments {
			t.Fatal("over the limit")
		}
		text := m.Append(nil)
		if bytes.ContainsAny(text, "\x00\r") || strings.Contains(m.Hint, `"`) {
			return
		}
		if _, _, err := Parse(text); err != nil && len(text) <= MaxBytes && clean(m) {
			t.Fatalf("own text refused: %v\n%s", err, text)
		}
	})
}

// clean tells that every part of the playlist can be written: addresses that are no tags and end no quotes.
func clean(m *Media) bool {
	quoted := []string{m.Hint, m.Type}
	for _, s := range m.Segments {
		if s.URI == "" || s.URI[0] == '#' || strings.TrimSpace(s.URI) != s.URI || s.Time.Year() > 9999 || s.Time.Year() < 0 {
			return false
		}
		quoted = append(quoted, s.Map)
		for _, p := range s.Parts {
			quoted = append(quoted, p.URI)
		}
	}
	for _, r := range m.Reports {
		quoted = append(quoted, r.URI)
	}
	return !strings.Contains(strings.Join(quoted, ""), `"`)
}

func BenchmarkAppendMedia(b *testing.B) {
	m := lowLatency()
	for len(m.Segments) < 15 {
		m.Segments = append([]Segment{m.Segments[0]}, m.Segments...)
	}
	for range 30 {
		m.Segments[14].Parts = append(m.Segments[14].Parts, m.Segments[14].Parts[0])
	}
	buf := m.Append(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}

func BenchmarkParseMedia(b *testing.B) {
	m := lowLatency()
	text := m.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
