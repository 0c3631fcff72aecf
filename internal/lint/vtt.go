package lint

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// captions are what a WebVTT segment holds.
type captions struct {
	cues   [][2]float64 // start and end, as written
	offset float64      // from X-TIMESTAMP-MAP, what must be added to come to media time
}

var (
	cueForm = regexp.MustCompile(`^((?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3})[ \t]+-->[ \t]+((?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3})(?:[ \t].*)?$`)
	mapForm = regexp.MustCompile(`^X-TIMESTAMP-MAP=(.*)$`)
)

const cuesAtMost = 10000

// parseVTT reads a WebVTT file (WebVTT section 4.1; RFC 8216bis section 3.1.4).
func parseVTT(data []byte) *media {
	m := &media{kind: "vtt", size: len(data), captions: &captions{}}
	if !utf8.Valid(data) {
		m.complain("vtt.encoding")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), "\n")
	if first := lines[0]; first != "WEBVTT" && !strings.HasPrefix(first, "WEBVTT ") && !strings.HasPrefix(first, "WEBVTT\t") {
		m.complain("vtt.cue", 1, clip(first)+" is not WEBVTT")
	}
	mapped, header := false, true
	for i, line := range lines {
		header = header && line != ""
		if f := mapForm.FindStringSubmatch(line); f != nil && header {
			mapped = true
			m.mapping(i+1, f[1])
		}
		if strings.Contains(line, "-->") {
			m.cue(i+1, line)
		}
	}
	if !mapped {
		m.complain("hls.vtt_map")
	}
	return m
}

func (m *media) mapping(line int, value string) {
	clock, at, okClock, okAt := 0.0, 0.0, false, false
	for part := range strings.SplitSeq(value, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), ":")
		switch name {
		case "MPEGTS":
			n, err := strconv.ParseUint(v, 10, 34)
			clock, okClock = float64(n)/90000, err == nil && n < 1<<33
		case "LOCAL":
			at, okAt = cueTime(v)
		}
	}
	if !okClock || !okAt {
		m.complain("vtt.map_form", line, clip(value))
		return
	}
	m.captions.offset = clock - at
}

func (m *media) cue(line int, text string) {
	f := cueForm.FindStringSubmatch(text)
	if f == nil {
		m.complain("vtt.cue", line, clip(text)+" is no cue timing")
		return
	}
	from, _ := cueTime(f[1])
	to, _ := cueTime(f[2])
	if to <= from {
		m.complain("vtt.cue", line, "the cue ends at "+f[2]+", not after its start "+f[1])
	}
	if n := len(m.captions.cues); n > 0 && from < m.captions.cues[n-1][0] {
		m.complain("vtt.order", line)
	}
	if len(m.captions.cues) < cuesAtMost {
		m.captions.cues = append(m.captions.cues, [2]float64{from, to})
	}
}

// cueTime reads 00:00:01.500 or 00:01.500.
func cueTime(s string) (v float64, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	for _, p := range parts {
		n, err := strconv.ParseFloat(p, 64)
		if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return 0, false
		}
		v = v*60 + n
	}
	return v, true
}

// stray is the first cue that is not of the time from start on, for dur seconds. Cues may go on from the segment before.
func (c *captions) stray(start, dur, slack float64) (at float64, found bool) {
	for _, q := range c.cues {
		if q[0]+c.offset > start+dur+slack || q[1]+c.offset < start-slack {
			return q[0] + c.offset, true
		}
	}
	return 0, false
}

// checkCaptions holds the cues of a playlist of subtitles that is whole against the time line of the playlist a.
func checkCaptions(a, b *rendition) {
	places := a.places()
	if b.role != "SUBTITLES" || !a.first.head.end || !b.first.head.end || len(places) == 0 || places[0].msn != a.first.head.msn {
		return
	}
	if slices.ContainsFunc(a.first.segments, func(g *segment) bool { return g.disc }) {
		return // time stamps may start anew
	}
	start := places[0].media
	for _, g := range b.first.segments {
		if d := b.got[g.msn]; d != nil && d.captions != nil {
			if at, ok := d.captions.stray(start, g.dur, max(b.first.head.target, 2)); ok {
				b.sc.at(g.url).add("vtt.outside", g.msn, seconds(start), seconds(start+g.dur), seconds(at))
				return
			}
		}
		start += g.dur
	}
	if whole, have := a.first.duration(), b.first.duration(); have < whole-max(a.first.head.target, 1) {
		b.sc.add("hls.subtitles_short", seconds(have), seconds(whole))
	}
}
