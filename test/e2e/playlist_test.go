package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mediaList is a media playlist as these tests read it, by rules of their own (RFC 8216bis), not by the project's parser.
type mediaList struct {
	sequence, discontinuity int64
	segments                []mediaSegment
	hint                    string
	ended                   bool
}

type mediaSegment struct {
	uri      string // "" = still open
	duration string // as written
	time     string // EXT-X-PROGRAM-DATE-TIME as written
	init     string
	parts    []string
	breaks   bool // a discontinuity before it
	gap      bool // EXT-X-GAP
}

// attribute finds an attribute's value in a tag's line, quoted or not.
func attribute(line, name string) string {
	for _, lead := range []string{":", ","} {
		_, v, ok := strings.Cut(line, lead+name+"=")
		if !ok {
			continue
		}
		if q, ok := strings.CutPrefix(v, `"`); ok {
			v, _, _ = strings.Cut(q, `"`)
			return v
		}
		v, _, _ = strings.Cut(v, ",")
		return v
	}
	return ""
}

func parseMedia(t *testing.T, text []byte) mediaList {
	t.Helper()
	if !strings.HasPrefix(string(text), "#EXTM3U\n") {
		t.Fatalf("no playlist: %.200q", text)
	}
	var l mediaList
	var s mediaSegment
	init := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		tag, value, _ := strings.Cut(line, ":")
		switch tag {
		case "#EXT-X-MEDIA-SEQUENCE":
			l.sequence, _ = strconv.ParseInt(value, 10, 64)
		case "#EXT-X-DISCONTINUITY-SEQUENCE":
			l.discontinuity, _ = strconv.ParseInt(value, 10, 64)
		case "#EXT-X-DISCONTINUITY":
			s.breaks = true
		case "#EXT-X-GAP":
			s.gap = true
		case "#EXT-X-MAP":
			init = attribute(line, "URI")
		case "#EXTINF":
			s.duration, _, _ = strings.Cut(value, ",")
		case "#EXT-X-PROGRAM-DATE-TIME":
			s.time = value
		case "#EXT-X-PART":
			s.parts = append(s.parts, attribute(line, "URI"))
		case "#EXT-X-PRELOAD-HINT":
			l.hint = attribute(line, "URI")
		case "#EXT-X-ENDLIST":
			l.ended = true
		}
		if line != "" && line[0] != '#' {
			s.uri, s.init = line, init
			l.segments = append(l.segments, s)
			s = mediaSegment{}
		}
	}
	if len(s.parts) > 0 {
		s.init = init
		l.segments = append(l.segments, s)
	}
	return l
}

// next is the first part that the list does not have yet, as _HLS_msn and _HLS_part.
func (l mediaList) next() (msn int64, part int) {
	n := len(l.segments)
	if n == 0 {
		return l.sequence, 0
	}
	if last := l.segments[n-1]; last.uri == "" {
		return l.sequence + int64(n) - 1, len(last.parts)
	}
	return l.sequence + int64(n), 0
}

// renditions are the media playlists that a multivariant playlist names.
func renditions(t *testing.T, w *weir, name string) (video, audio string) {
	t.Helper()
	text := string(mustGet(t, w.http("/"+name+"/index.m3u8")))
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXT-X-MEDIA:"):
			audio = attribute(line, "URI")
		case line != "" && line[0] != '#' && video == "":
			video = line
		}
	}
	if video == "" {
		t.Fatalf("no variant in %s", text)
	}
	return video, audio
}

// beside is an address next to a stream's playlists.
func (w *weir) beside(name, uri string) string { return w.http("/" + name + "/" + uri) }

// ask appends a query to an address that may have one.
func ask(uri, query string, args ...any) string {
	join := "?"
	if strings.Contains(uri, "?") {
		join = "&"
	}
	return uri + join + fmt.Sprintf(query, args...)
}

func seconds(s string) time.Duration {
	f, _ := strconv.ParseFloat(s, 64)
	return time.Duration(f * float64(time.Second))
}
