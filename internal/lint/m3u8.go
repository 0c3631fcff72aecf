package lint

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// attr is one NAME=value of an attribute list.
type attr struct {
	name, value string
	quoted      bool
}

// tag is a line that starts with #EXT.
type tag struct {
	line  int
	name  string
	value string
	attrs []attr
}

func (t *tag) get(name string) string {
	for i := range t.attrs {
		if t.attrs[i].name == name {
			return t.attrs[i].value
		}
	}
	return ""
}

func (t *tag) has(name string) bool {
	for i := range t.attrs {
		if t.attrs[i].name == name {
			return true
		}
	}
	return false
}

// float is a decimal attribute; 0 when it is missing or no number, which the syntax rules report.
func (t *tag) float(name string) float64 {
	v, err := strconv.ParseFloat(t.get(name), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// initRef is what EXT-X-MAP names.
type initRef struct {
	line int
	url  string
	span span
	lock
}

// key names an init segment within a session.
func (m *initRef) key() string {
	if m == nil {
		return ""
	}
	return m.url + "#" + strconv.FormatInt(m.span.from, 10) + "+" + strconv.FormatInt(m.span.length, 10)
}

// part is a partial segment.
type part struct {
	line        int
	url         string
	dur         float64
	independent bool
	gap         bool
	span        span
}

// segment is a media segment of a playlist.
type segment struct {
	line      int
	url       string
	dur       float64
	durText   string
	msn, dseq int64
	disc, gap bool
	span      span
	init      *initRef
	lock
	pdt     time.Time // of its own tag
	parts   []part
	bitrate float64
	start   float64 // seconds since the playlist's first segment
}

// variant is an EXT-X-STREAM-INF with its URI.
type variant struct {
	tag *tag
	url string
}

// header is what holds for a whole media playlist.
type header struct {
	target      float64
	hasTarget   bool
	msn, dseq   int64
	kind        string // EVENT, VOD or ""
	end         bool
	iframes     bool
	independent bool
	partTarget  float64
	control     *tag
	skip        *tag
	skipped     int64
}

// playlist is a playlist as it was read.
type playlist struct {
	url      string
	size     int
	multi    bool
	media    bool
	version  int
	tags     []*tag
	head     header
	segments []*segment
	trailing []part // of the segment that is not finished
	hints    []*tag
	reports  []*tag
	variants []variant
	renders  []*tag // EXT-X-MEDIA
	iframes  []*tag // EXT-X-I-FRAME-STREAM-INF
	problems []problem
	defined  map[string]string
}

func (p *playlist) complain(line int, rule string, args ...any) {
	p.problems = append(p.problems, problem{rule: rule, line: line, args: args})
}

func (p *playlist) find(name string) *tag {
	for _, t := range p.tags {
		if t.name == name {
			return t
		}
	}
	return nil
}

// duration is the sum of the EXTINFs.
func (p *playlist) duration() float64 {
	if n := len(p.segments); n > 0 {
		return p.segments[n-1].start + p.segments[n-1].dur
	}
	return 0
}

// last is the media sequence number of the last finished segment.
func (p *playlist) last() int64 { return p.head.msn + p.head.skipped + int64(len(p.segments)) - 1 }

// pending is what a segment gathers before its URI line.
type pending struct {
	inf   *tag
	disc  bool
	gap   bool
	pdt   time.Time
	span  *span
	parts []part
	init  *initRef
	lock
	rate   float64
	dseq   int64
	stream *tag
	ends   map[string]int64 // where the last byte range of a URL ended
}

// parsePlaylist reads a playlist; what breaks a rule of writing is in problems. defined are the variables of the
// multivariant playlist that this one may import.
func parsePlaylist(url, text string, defined map[string]string) *playlist {
	p := &playlist{url: url, size: len(text), version: 1, defined: map[string]string{}}
	p.encoding(text)
	next := &pending{ends: map[string]int64{}}
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSuffix(line, "\r")
		if number == 1 && strings.TrimRight(strings.TrimPrefix(line, "\ufeff"), " \t") != "#EXTM3U" {
			p.complain(1, "hls.first_line", clip(line))
		}
		switch {
		case strings.TrimSpace(line) == "" || number == 1 && strings.Contains(line, "#EXTM3U"):
		case strings.HasPrefix(line, "#EXT"):
			p.tag(number, strings.TrimRight(line, " \t"), defined, next)
		case strings.HasPrefix(line, "#"):
		default:
			p.uri(number, line, next)
		}
	}
	p.trailing = next.parts
	if next.inf != nil || next.stream != nil {
		p.complain(number, "hls.uri_missing")
	}
	p.times()
	return p
}

func clip(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return strconv.QuoteToASCII(s)
}

func (p *playlist) encoding(text string) {
	switch {
	case strings.HasPrefix(text, "\ufeff"):
		p.complain(1, "hls.encoding", "it starts with a byte order mark")
	case !utf8.ValidString(text):
		p.complain(1, "hls.encoding", "it is not UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r >= 0x7f && r < 0xa0 }):
		p.complain(1, "hls.encoding", "it has control characters")
	}
}

// times gives the segments their numbers and starts.
func (p *playlist) times() {
	at := 0.0
	for i, s := range p.segments {
		s.msn = p.head.msn + p.head.skipped + int64(i)
		s.dseq += p.head.dseq
		s.start = at
		at += s.dur
	}
}

var variable = regexp.MustCompile(`\{\$([A-Za-z0-9_-]+)\}`)

func (p *playlist) substitute(line int, s string) string {
	if !strings.Contains(s, "{$") {
		return s
	}
	return variable.ReplaceAllStringFunc(s, func(ref string) string {
		v, ok := p.defined[ref[2:len(ref)-1]]
		if !ok {
			p.complain(line, "hls.variable_undefined", ref)
		}
		return v
	})
}

func (p *playlist) uri(line int, text string, next *pending) {
	if strings.TrimSpace(text) != text {
		p.complain(line, "hls.uri_space", clip(text))
	}
	url, err := resolve(p.url, p.substitute(line, strings.TrimSpace(text)))
	if err != nil {
		p.complain(line, "hls.uri_invalid", clip(text)) // and the segment counts all the same
	}
	if next.stream != nil {
		p.variants = append(p.variants, variant{next.stream, url})
		next.stream = nil
		return
	}
	if p.multi && !p.media {
		p.complain(line, "hls.uri_without_tag", clip(text), "EXT-X-STREAM-INF")
		return
	}
	s := &segment{line: line, url: url, disc: next.disc, gap: next.gap, pdt: next.pdt, parts: next.parts,
		init: next.init, lock: next.lock, bitrate: next.rate, dseq: next.dseq}
	if next.inf == nil {
		p.complain(line, "hls.uri_without_tag", clip(text), "EXTINF")
	} else {
		s.durText, _, _ = strings.Cut(next.inf.value, ",")
		s.dur, _ = strconv.ParseFloat(s.durText, 64) // what is no number has been reported with its tag
	}
	if next.span != nil {
		s.span = *next.span
		if s.span.from < 0 {
			s.span.from = next.ends[url]
			if _, ok := next.ends[url]; !ok {
				p.complain(line, "hls.byterange_offset")
			}
		}
		next.ends[url] = s.span.from + s.span.length
	}
	p.segments = append(p.segments, s)
	next.inf, next.disc, next.gap, next.pdt, next.span, next.parts = nil, false, false, time.Time{}, nil, nil
}

// parseSpan reads length[@offset]; without an offset it is -1.
func parseSpan(s string) (span, bool) {
	length, from, has := strings.Cut(s, "@")
	n, err := strconv.ParseInt(length, 10, 64)
	if err != nil || n <= 0 {
		return span{}, false
	}
	if !has {
		return span{-1, n}, true
	}
	o, err := strconv.ParseInt(from, 10, 64)
	return span{o, n}, err == nil && o >= 0
}
