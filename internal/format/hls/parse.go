package hls

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"weir/internal/fault"
)

// The limits of what a stranger's playlist may hold.
const (
	MaxBytes    = 1 << 20
	MaxSegments = 10_000
	maxParts    = 10_000
)

func malformed(what string) error {
	return fault.New(fault.Invalid, "hls_malformed", "The HLS playlist cannot be read: "+what+".",
		"Check the playlist at its source with a player or a linter.")
}

func tooLarge(what string) error {
	return fault.New(fault.TooLarge, "hls_too_large", "The HLS playlist "+what+".",
		"Let its source list a shorter window.")
}

// Parse reads a playlist: exactly one of the two results is set when err is nil.
// URIs come back as written. Unknown tags and attributes are passed over
// (RFC 8216bis section 6.3.1). It refuses more than MaxBytes and MaxSegments.
func Parse(b []byte) (*Multivariant, *Media, error) {
	if len(b) > MaxBytes {
		return nil, nil, tooLarge("is larger than 1 MiB")
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	p := parser{rest: string(b)}
	if first, _ := p.line(); first != "#EXTM3U" {
		return nil, nil, malformed("it does not start with #EXTM3U")
	}
	for {
		line, more := p.line()
		if !more {
			break
		}
		if err := p.take(line); err != nil {
			return nil, nil, err
		}
	}
	return p.finish()
}

type parser struct {
	rest     string
	multi    Multivariant
	media    Media
	isMulti  bool
	isMedia  bool
	variant  *Variant
	segment  Segment
	extinf   bool
	nParts   int
	hasParts bool
}

// line gives the next line that is not empty; false at the end.
func (p *parser) line() (string, bool) {
	for p.rest != "" {
		line, rest, _ := strings.Cut(p.rest, "\n")
		p.rest = rest
		if line = strings.TrimRight(line, "\r \t"); line != "" {
			return line, true
		}
	}
	return "", false
}

func (p *parser) take(line string) error {
	if line[0] != '#' {
		return p.address(line)
	}
	if !strings.HasPrefix(line, "#EXT") {
		return nil
	}
	tag, value, _ := strings.Cut(line, ":")
	switch tag {
	case "#EXT-X-STREAM-INF", "#EXT-X-MEDIA", "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-CONTENT-STEERING":
		p.isMulti = true
		return p.multiTag(tag, value)
	case "#EXT-X-START":
		return p.start(value)
	case "#EXT-X-INDEPENDENT-SEGMENTS":
		p.multi.Independent, p.media.Independent = true, true
		return nil
	case "#EXT-X-VERSION":
		return p.count(&p.media.Version, value, tag)
	}
	if done, err := p.headTag(tag, value); done || err != nil {
		p.isMedia = true
		return err
	}
	return p.segmentTag(tag, value)
}

func (p *parser) count(dst *int, value, tag string) error {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 {
		return malformed(tag + " is not a number")
	}
	*dst = int(n)
	return nil
}

func (p *parser) address(uri string) error {
	if p.variant != nil {
		p.variant.URI = uri
		p.multi.Variants = append(p.multi.Variants, *p.variant)
		p.variant = nil
		if len(p.multi.Variants) > MaxSegments {
			return tooLarge("lists more than 10000 variants")
		}
		return nil
	}
	if !p.extinf {
		return malformed("an address stands without #EXTINF or #EXT-X-STREAM-INF")
	}
	p.segment.URI = uri
	return p.closeSegment()
}

func (p *parser) closeSegment() error {
	p.media.Segments = append(p.media.Segments, p.segment)
	p.segment, p.extinf, p.hasParts = Segment{}, false, false
	if len(p.media.Segments)+p.media.Skipped > MaxSegments {
		return tooLarge("lists more than 10000 segments")
	}
	return nil
}

func (p *parser) finish() (*Multivariant, *Media, error) {
	if p.isMulti && p.isMedia {
		return nil, nil, malformed("it mixes the tags of multivariant and media playlists")
	}
	if p.isMulti {
		if p.variant != nil {
			return nil, nil, malformed("the last #EXT-X-STREAM-INF has no address")
		}
		return &p.multi, nil, nil
	}
	if p.media.TargetDuration == 0 && !p.isMedia {
		return nil, nil, malformed("it has no #EXT-X-TARGETDURATION")
	}
	if p.extinf {
		return nil, nil, malformed("the last #EXTINF has no address")
	}
	if p.hasParts {
		if err := p.closeSegment(); err != nil {
			return nil, nil, err
		}
	}
	return nil, &p.media, nil
}

func (p *parser) multiTag(tag, value string) error {
	a, err := attributes(value)
	if err != nil {
		return err
	}
	switch tag {
	case "#EXT-X-CONTENT-STEERING":
		p.multi.Steering = &Steering{URI: a["SERVER-URI"], Pathway: a["PATHWAY-ID"]}
		return nil
	case "#EXT-X-MEDIA":
		p.multi.Renditions = append(p.multi.Renditions, Rendition{
			Type: a["TYPE"], Group: a["GROUP-ID"], Name: a["NAME"], Language: a["LANGUAGE"], URI: a["URI"],
			Channels: a["CHANNELS"], Default: a["DEFAULT"] == "YES",
		})
		if len(p.multi.Renditions) > MaxSegments {
			return tooLarge("lists more than 10000 renditions")
		}
		return nil
	}
	v := &Variant{Codecs: a["CODECS"], Audio: a["AUDIO"], NoCaptions: a["CLOSED-CAPTIONS"] == "NONE"}
	if err := p.picture(a, v); err != nil {
		return err
	}
	if tag == "#EXT-X-I-FRAME-STREAM-INF" {
		p.multi.IFrames = append(p.multi.IFrames, IFrame{URI: a["URI"], Bandwidth: v.Bandwidth,
			AverageBandwidth: v.AverageBandwidth, Codecs: v.Codecs, Width: v.Width, Height: v.Height})
		if len(p.multi.IFrames) > MaxSegments {
			return tooLarge("lists more than 10000 I-frame playlists")
		}
		return nil
	}
	p.variant = v
	return nil
}

// picture reads the attributes that variants and I-frame playlists share.
func (p *parser) picture(a map[string]string, v *Variant) (err error) {
	if err := p.count(&v.Bandwidth, a["BANDWIDTH"], "BANDWIDTH"); err != nil {
		return err
	}
	if s := a["AVERAGE-BANDWIDTH"]; s != "" {
		if err := p.count(&v.AverageBandwidth, s, "AVERAGE-BANDWIDTH"); err != nil {
			return err
		}
	}
	if s := a["RESOLUTION"]; s != "" {
		w, h, ok := strings.Cut(s, "x")
		if !ok || p.count(&v.Width, w, "") != nil || p.count(&v.Height, h, "") != nil {
			return malformed("RESOLUTION is not WIDTHxHEIGHT")
		}
	}
	if s := a["FRAME-RATE"]; s != "" {
		if v.FrameRate, err = strconv.ParseFloat(s, 64); err != nil || !(v.FrameRate >= 0) {
			return malformed("FRAME-RATE is not a number")
		}
	}
	return nil
}

// start reads EXT-X-START, which both kinds of playlist may have; that of a media playlist is passed over.
func (p *parser) start(value string) error {
	a, err := attributes(value)
	if err != nil {
		return err
	}
	text, negative := strings.CutPrefix(a["TIME-OFFSET"], "-")
	at, err := seconds(text)
	if err != nil {
		return err
	}
	if negative {
		at = -at
	}
	p.multi.Start = &Start{Offset: at, Precise: a["PRECISE"] == "YES"}
	return nil
}

// headTag reads the tags that describe the whole media playlist; done tells whether it was one.
func (p *parser) headTag(tag, value string) (done bool, err error) {
	m := &p.media
	switch tag {
	case "#EXT-X-TARGETDURATION":
		return true, p.count(&m.TargetDuration, value, tag)
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		return true, p.count(&m.DiscontinuitySequence, value, tag)
	case "#EXT-X-MEDIA-SEQUENCE":
		m.MediaSequence, err = strconv.ParseInt(value, 10, 64)
		if err != nil || m.MediaSequence < 0 {
			return true, malformed(tag + " is not a number")
		}
		return true, nil
	case "#EXT-X-ENDLIST":
		m.Ended = true
		return true, nil
	case "#EXT-X-PLAYLIST-TYPE":
		m.Type = value
		return true, nil
	case "#EXT-X-I-FRAMES-ONLY":
		m.IFramesOnly = true
		return true, nil
	case "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-SKIP", "#EXT-X-PRELOAD-HINT", "#EXT-X-RENDITION-REPORT":
		a, err := attributes(value)
		if err != nil {
			return true, err
		}
		return true, p.controlTag(tag, a)
	}
	return false, nil
}

func (p *parser) controlTag(tag string, a map[string]string) (err error) {
	m := &p.media
	switch tag {
	case "#EXT-X-SERVER-CONTROL":
		m.BlockReload = a["CAN-BLOCK-RELOAD"] == "YES"
		if m.PartHoldBack, err = optionalSeconds(a["PART-HOLD-BACK"]); err == nil {
			m.SkipUntil, err = optionalSeconds(a["CAN-SKIP-UNTIL"])
		}
		return err
	case "#EXT-X-PART-INF":
		m.PartTarget, err = seconds(a["PART-TARGET"])
		return err
	case "#EXT-X-SKIP":
		if err := p.count(&m.Skipped, a["SKIPPED-SEGMENTS"], tag); err != nil {
			return err
		}
		if m.Skipped > MaxSegments {
			return tooLarge("skips more than 10000 segments")
		}
		return nil
	case "#EXT-X-PRELOAD-HINT":
		if a["TYPE"] == "PART" {
			m.Hint = a["URI"]
		}
		return nil
	}
	r := Report{URI: a["URI"], LastPart: -1}
	if r.LastMSN, err = strconv.ParseInt(a["LAST-MSN"], 10, 64); err != nil {
		return malformed("LAST-MSN is not a number")
	}
	if s := a["LAST-PART"]; s != "" {
		if err := p.count(&r.LastPart, s, "LAST-PART"); err != nil {
			return err
		}
	}
	m.Reports = append(m.Reports, r)
	if len(m.Reports) > MaxSegments {
		return tooLarge("lists more than 10000 rendition reports")
	}
	return nil
}

// segmentTag reads the tags that describe the next segment.
func (p *parser) segmentTag(tag, value string) (err error) {
	s := &p.segment
	switch tag {
	case "#EXTINF":
		length, _, _ := strings.Cut(value, ",")
		if s.Duration, err = seconds(length); err != nil {
			return err
		}
		p.extinf = true
	case "#EXT-X-DISCONTINUITY":
		s.Discontinuity = true
	case "#EXT-X-GAP":
		s.Gap = true
	case "#EXT-X-BYTERANGE":
		length, _, _ := strings.Cut(value, "@")
		if s.Length, err = strconv.ParseInt(length, 10, 64); err != nil || s.Length < 0 {
			return malformed(tag + " is not a number")
		}
	case "#EXT-X-PROGRAM-DATE-TIME":
		if s.Time, err = parseTime(value); err != nil {
			return err
		}
	case "#EXT-X-MAP", "#EXT-X-PART":
		a, err := attributes(value)
		if err != nil {
			return err
		}
		if tag == "#EXT-X-MAP" {
			s.Map = a["URI"]
			break
		}
		return p.part(a)
	default:
		return nil
	}
	p.isMedia = true
	return nil
}

func (p *parser) part(a map[string]string) error {
	d, err := seconds(a["DURATION"])
	if err != nil {
		return err
	}
	p.isMedia, p.hasParts = true, true
	if p.nParts++; p.nParts > maxParts {
		return tooLarge("lists more than 10000 parts")
	}
	p.segment.Parts = append(p.segment.Parts, Part{
		URI: a["URI"], Duration: d, Independent: a["INDEPENDENT"] == "YES", Gap: a["GAP"] == "YES",
	})
	return nil
}

// parseTime accepts ISO 8601 with "Z", "+01:00" and, as some encoders write it, "+0100".
func parseTime(s string) (time.Time, error) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, malformed("EXT-X-PROGRAM-DATE-TIME is not a date")
}

func optionalSeconds(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return seconds(s)
}

func seconds(s string) (time.Duration, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(f >= 0 && f < 1e9) {
		return 0, malformed("a duration is not a number of seconds")
	}
	return time.Duration(f*1e6+0.5) * time.Microsecond, nil
}

// attributes reads an attribute list (RFC 8216bis section 4.2). Quotes are taken off.
func attributes(s string) (map[string]string, error) {
	const most = 64
	a := make(map[string]string, 8)
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " ") {
		name, rest, ok := strings.Cut(s, "=")
		if !ok || len(a) >= most {
			return nil, malformed("an attribute list is broken")
		}
		value := ""
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return nil, malformed("a quoted attribute does not end")
			}
			value, s = rest[1:1+end], strings.TrimPrefix(strings.TrimLeft(rest[end+2:], " "), ",")
		} else {
			value, s, _ = strings.Cut(rest, ",")
			value = strings.TrimSpace(value)
		}
		a[strings.TrimSpace(name)] = value
	}
	return a, nil
}
