package lint

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The places where a tag may stand.
const (
	inBoth  = iota
	inMedia // in a media playlist, once
	inMulti
	ofSegment // before each segment
)

// The forms of a tag's value.
const (
	formNone = iota
	formInt
	formEnum
	formText // read by the tag itself
	formAttrs
)

// tagForm is how a tag is written. Attributes are "NAME form[!]": form is int, hex, dec, float (signed), str (quoted), res,
// any, or the words of an enumeration separated by |; ! means that the tag cannot be without it.
type tagForm struct {
	place, form int
	once        bool
	words       string
	attrs       []string
}

// tagForms are the tags of RFC 8216bis section 4.4.
var tagForms = map[string]tagForm{
	"EXT-X-VERSION":                {place: inBoth, form: formInt, once: true},
	"EXT-X-INDEPENDENT-SEGMENTS":   {place: inBoth, once: true},
	"EXT-X-START":                  {place: inBoth, form: formAttrs, once: true, attrs: []string{"TIME-OFFSET float!", "PRECISE YES|NO"}},
	"EXT-X-DEFINE":                 {place: inBoth, form: formAttrs, attrs: []string{"NAME str", "VALUE str", "IMPORT str", "QUERYPARAM str"}},
	"EXT-X-TARGETDURATION":         {place: inMedia, form: formInt, once: true},
	"EXT-X-MEDIA-SEQUENCE":         {place: inMedia, form: formInt, once: true},
	"EXT-X-DISCONTINUITY-SEQUENCE": {place: inMedia, form: formInt, once: true},
	"EXT-X-ENDLIST":                {place: inMedia, once: true},
	"EXT-X-PLAYLIST-TYPE":          {place: inMedia, form: formEnum, once: true, words: "EVENT|VOD"},
	"EXT-X-I-FRAMES-ONLY":          {place: inMedia, once: true},
	"EXT-X-ALLOW-CACHE":            {place: inMedia, form: formText, once: true},
	"EXT-X-IMAGES-ONLY":            {place: inMedia, once: true},
	"EXT-X-PART-INF":               {place: inMedia, form: formAttrs, once: true, attrs: []string{"PART-TARGET dec!"}},
	"EXT-X-SERVER-CONTROL": {place: inMedia, form: formAttrs, once: true, attrs: []string{"CAN-SKIP-UNTIL dec", "CAN-SKIP-DATERANGES YES",
		"HOLD-BACK dec", "PART-HOLD-BACK dec", "CAN-BLOCK-RELOAD YES"}},
	"EXTINF":                  {place: ofSegment, form: formText},
	"EXT-X-BYTERANGE":         {place: ofSegment, form: formText},
	"EXT-X-DISCONTINUITY":     {place: ofSegment},
	"EXT-X-KEY":               {place: ofSegment, form: formAttrs, attrs: []string{"METHOD NONE|AES-128|SAMPLE-AES|SAMPLE-AES-CTR|AES-256|AES-256-GCM!", "URI str", "IV hex", "KEYFORMAT str", "KEYFORMATVERSIONS str"}},
	"EXT-X-MAP":               {place: ofSegment, form: formAttrs, attrs: []string{"URI str!", "BYTERANGE str"}},
	"EXT-X-PROGRAM-DATE-TIME": {place: ofSegment, form: formText},
	"EXT-X-GAP":               {place: ofSegment},
	"EXT-X-BITRATE":           {place: ofSegment, form: formInt},
	"EXT-X-TILES":             {place: ofSegment, form: formText},
	"EXT-X-PART":              {place: ofSegment, form: formAttrs, attrs: []string{"URI str!", "DURATION dec!", "INDEPENDENT YES", "BYTERANGE str", "GAP YES"}},
	"EXT-X-DATERANGE": {place: inMedia, form: formAttrs, attrs: []string{"ID str!", "CLASS str", "START-DATE str", "CUE str", "END-DATE str", "DURATION dec",
		"PLANNED-DURATION dec", "SCTE35-CMD hex", "SCTE35-OUT hex", "SCTE35-IN hex", "END-ON-NEXT YES"}},
	"EXT-X-SKIP":             {place: inMedia, form: formAttrs, once: true, attrs: []string{"SKIPPED-SEGMENTS int!", "RECENTLY-REMOVED-DATERANGES str"}},
	"EXT-X-PRELOAD-HINT":     {place: inMedia, form: formAttrs, attrs: []string{"TYPE PART|MAP!", "URI str!", "BYTERANGE-START int", "BYTERANGE-LENGTH int"}},
	"EXT-X-RENDITION-REPORT": {place: inMedia, form: formAttrs, attrs: []string{"URI str!", "LAST-MSN int", "LAST-PART int"}},
	"EXT-X-MEDIA": {place: inMulti, form: formAttrs, attrs: []string{"TYPE AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS!", "URI str", "GROUP-ID str!", "LANGUAGE str",
		"ASSOC-LANGUAGE str", "NAME str!", "STABLE-RENDITION-ID token", "DEFAULT YES|NO", "AUTOSELECT YES|NO", "FORCED YES|NO", "INSTREAM-ID str",
		"CHARACTERISTICS str", "CHANNELS str", "BIT-DEPTH int", "SAMPLE-RATE int", "PATHWAY-ID token"}},
	"EXT-X-STREAM-INF": {place: inMulti, form: formAttrs, attrs: []string{"BANDWIDTH int!", "AVERAGE-BANDWIDTH int", "SCORE dec", "CODECS str", "SUPPLEMENTAL-CODECS str",
		"RESOLUTION res", "FRAME-RATE dec", "HDCP-LEVEL NONE|TYPE-0|TYPE-1", "ALLOWED-CPC str", "VIDEO-RANGE SDR|HLG|PQ", "REQ-VIDEO-LAYOUT str",
		"STABLE-VARIANT-ID token", "AUDIO str", "VIDEO str", "SUBTITLES str", "CLOSED-CAPTIONS any", "PATHWAY-ID token", "PROGRAM-ID int", "NAME str"}},
	"EXT-X-I-FRAME-STREAM-INF": {place: inMulti, form: formAttrs, attrs: []string{"BANDWIDTH int!", "AVERAGE-BANDWIDTH int", "SCORE dec", "CODECS str",
		"SUPPLEMENTAL-CODECS str", "RESOLUTION res", "HDCP-LEVEL NONE|TYPE-0|TYPE-1", "ALLOWED-CPC str", "VIDEO-RANGE SDR|HLG|PQ", "REQ-VIDEO-LAYOUT str",
		"STABLE-VARIANT-ID token", "VIDEO str", "PATHWAY-ID token", "URI str!", "PROGRAM-ID int"}},
	"EXT-X-SESSION-DATA":     {place: inMulti, form: formAttrs, attrs: []string{"DATA-ID str!", "VALUE str", "URI str", "FORMAT JSON|RAW", "LANGUAGE str"}},
	"EXT-X-SESSION-KEY":      {place: inMulti, form: formAttrs, attrs: []string{"METHOD AES-128|SAMPLE-AES|SAMPLE-AES-CTR|AES-256|AES-256-GCM!", "URI str!", "IV hex", "KEYFORMAT str", "KEYFORMATVERSIONS str"}},
	"EXT-X-CONTENT-STEERING": {place: inMulti, form: formAttrs, once: true, attrs: []string{"SERVER-URI str!", "PATHWAY-ID token"}},
	"EXT-X-IMAGE-STREAM-INF": {place: inMulti, form: formText},
}

func (p *playlist) tag(line int, text string, imports map[string]string, next *pending) {
	name, value, _ := strings.Cut(text[1:], ":")
	t := &tag{line: line, name: name, value: value}
	if name == "EXTM3U" {
		p.complain(line, "hls.tag_twice", name)
		return
	}
	form, known := tagForms[name]
	if !known {
		p.complain(line, "hls.tag_unknown", clip(name))
		return
	}
	if form.once && p.find(name) != nil {
		p.complain(line, "hls.tag_twice", name)
		return
	}
	p.tags = append(p.tags, t)
	p.multi = p.multi || form.place == inMulti
	p.media = p.media || form.place == inMedia || form.place == ofSegment
	p.value(t, form)
	switch form.place {
	case inBoth:
		p.bothTag(t, imports)
	case inMulti:
		p.multiTag(t, next)
	case inMedia:
		p.mediaTag(t, next)
	case ofSegment:
		p.segmentTag(t, next)
	}
}

func (p *playlist) value(t *tag, form tagForm) {
	switch form.form {
	case formNone:
		if t.value != "" {
			p.complain(t.line, "hls.tag_value", t.name, clip(t.value))
		}
	case formInt:
		if _, err := strconv.ParseUint(t.value, 10, 63); err != nil {
			p.complain(t.line, "hls.tag_value", t.name, clip(t.value))
		}
	case formEnum:
		if !oneOf(t.value, form.words) {
			p.complain(t.line, "hls.tag_value", t.name, clip(t.value))
		}
	case formAttrs:
		p.attributes(t, form.attrs)
	}
}

func oneOf(s, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if w == s {
			return true
		}
	}
	return false
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0 // reported with its tag
	}
	return n
}

func (p *playlist) bothTag(t *tag, imports map[string]string) {
	switch t.name {
	case "EXT-X-VERSION":
		p.version = int(number(t.value))
	case "EXT-X-INDEPENDENT-SEGMENTS":
		p.head.independent = true
	case "EXT-X-DEFINE":
		p.define(t, imports)
	}
}

func (p *playlist) define(t *tag, imports map[string]string) {
	name, value := t.get("NAME"), t.get("VALUE")
	switch {
	case t.has("IMPORT"):
		var ok bool
		name = t.get("IMPORT")
		if value, ok = imports[name]; !ok {
			p.complain(t.line, "hls.variable_undefined", name)
		}
	case t.has("QUERYPARAM"):
		name = t.get("QUERYPARAM")
		if u, err := url.Parse(p.url); err != nil || !u.Query().Has(name) {
			p.complain(t.line, "hls.variable_undefined", name)
		} else {
			value = u.Query().Get(name)
		}
	case !t.has("NAME") || !t.has("VALUE"):
		p.complain(t.line, "hls.attribute_missing", t.name, "NAME and VALUE, IMPORT or QUERYPARAM")
	}
	if _, twice := p.defined[name]; twice {
		p.complain(t.line, "hls.variable_twice", name)
	}
	p.defined[name] = value
}

func (p *playlist) multiTag(t *tag, next *pending) {
	switch t.name {
	case "EXT-X-MEDIA":
		p.renders = append(p.renders, t)
	case "EXT-X-STREAM-INF":
		if next.stream != nil {
			p.complain(t.line, "hls.uri_missing")
		}
		next.stream = t
	case "EXT-X-I-FRAME-STREAM-INF":
		p.iframes = append(p.iframes, t)
	}
}

func (p *playlist) mediaTag(t *tag, next *pending) {
	h := &p.head
	switch t.name {
	case "EXT-X-TARGETDURATION":
		h.target, h.hasTarget = float64(number(t.value)), true
	case "EXT-X-MEDIA-SEQUENCE":
		h.msn = number(t.value)
		if len(p.segments) > 0 {
			p.complain(t.line, "hls.tag_late", t.name)
		}
	case "EXT-X-DISCONTINUITY-SEQUENCE":
		h.dseq = number(t.value)
		if len(p.segments) > 0 || next.disc {
			p.complain(t.line, "hls.tag_late", t.name)
		}
	case "EXT-X-ENDLIST":
		h.end = true
	case "EXT-X-PLAYLIST-TYPE":
		h.kind = t.value
	case "EXT-X-I-FRAMES-ONLY":
		h.iframes = true
	case "EXT-X-PART-INF":
		h.partTarget = t.float("PART-TARGET")
	case "EXT-X-SERVER-CONTROL":
		h.control = t
	case "EXT-X-SKIP":
		h.skip, h.skipped = t, number(t.get("SKIPPED-SEGMENTS"))
		if len(p.segments) > 0 {
			p.complain(t.line, "hls.tag_late", t.name)
		}
	case "EXT-X-PRELOAD-HINT":
		p.hints = append(p.hints, t)
	case "EXT-X-RENDITION-REPORT":
		p.reports = append(p.reports, t)
	}
}

func (p *playlist) segmentTag(t *tag, next *pending) {
	if len(next.parts) > 0 && oneOf(t.name, "EXT-X-DISCONTINUITY|EXT-X-KEY|EXT-X-MAP|EXT-X-PROGRAM-DATE-TIME") {
		p.complain(t.line, "ll.tag_after_part", t.name)
	}
	switch t.name {
	case "EXTINF":
		if next.inf != nil {
			p.complain(t.line, "hls.uri_missing")
		}
		next.inf = t
		text, _, comma := strings.Cut(t.value, ",")
		if v, err := strconv.ParseFloat(text, 64); err != nil || v < 0 || v > 1e6 {
			p.complain(t.line, "hls.tag_value", t.name, clip(t.value))
		} else if !comma {
			p.complain(t.line, "hls.extinf_comma", clip(t.value))
		}
	case "EXT-X-BYTERANGE":
		if s, ok := parseSpan(t.value); ok {
			next.span = &s
		} else {
			p.complain(t.line, "hls.tag_value", t.name, clip(t.value))
		}
	case "EXT-X-DISCONTINUITY":
		next.disc = true
		next.dseq++
	case "EXT-X-GAP":
		next.gap = true
	case "EXT-X-BITRATE":
		next.rate = float64(number(t.value)) * 1000
	case "EXT-X-KEY":
		next.lock = lock{method: t.get("METHOD")}
		p.key(t, next)
	case "EXT-X-MAP":
		if next.init = p.initOf(t); next.init != nil {
			next.init.lock = next.lock
		}
		if next.method == "AES-128" && next.iv == "" {
			p.complain(t.line, "hls.key_iv", "EXT-X-MAP", "is encrypted with AES-128, so its EXT-X-KEY needs an IV")
		}
	case "EXT-X-PART":
		p.part(t, next)
	case "EXT-X-PROGRAM-DATE-TIME":
		next.pdt = p.date(t)
	}
}

func (p *playlist) date(t *tag) time.Time {
	for _, form := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(form, t.value); err == nil {
			if !strings.Contains(form, "Z") {
				p.complain(t.line, "hls.pdt_zone", clip(t.value))
			}
			return at
		}
	}
	p.complain(t.line, "hls.pdt_form", clip(t.value))
	return time.Time{}
}

func (p *playlist) key(t *tag, next *pending) {
	if next.method == "NONE" {
		next.method = ""
		if len(t.attrs) > 1 {
			p.complain(t.line, "hls.key_none")
		}
		return
	}
	next.iv = t.get("IV")
	if next.iv != "" && (next.method == "SAMPLE-AES-CTR" || next.method == "AES-256-GCM") {
		p.complain(t.line, "hls.key_iv", "EXT-X-KEY", "must not have an IV with METHOD="+next.method)
	}
	if !t.has("URI") {
		p.complain(t.line, "hls.attribute_missing", t.name, "URI")
		return
	}
	if u, err := resolve(p.url, p.substitute(t.line, t.get("URI"))); err == nil && (t.get("KEYFORMAT") == "" || t.get("KEYFORMAT") == "identity") {
		next.keyURL = u
	}
}

func (p *playlist) initOf(t *tag) *initRef {
	m := &initRef{line: t.line}
	u, err := resolve(p.url, p.substitute(t.line, t.get("URI")))
	if err != nil {
		p.complain(t.line, "hls.uri_invalid", clip(t.get("URI")))
		return nil
	}
	m.url = u
	if t.has("BYTERANGE") {
		s, ok := parseSpan(t.get("BYTERANGE"))
		if !ok || s.from < 0 {
			p.complain(t.line, "hls.attribute_value", t.name, "BYTERANGE", clip(t.get("BYTERANGE")))
			s.from = max(s.from, 0)
		}
		m.span = s
	}
	return m
}

func (p *playlist) part(t *tag, next *pending) {
	a := part{line: t.line, dur: t.float("DURATION"), independent: t.get("INDEPENDENT") == "YES", gap: t.get("GAP") == "YES"}
	u, err := resolve(p.url, p.substitute(t.line, t.get("URI")))
	if err != nil {
		p.complain(t.line, "hls.uri_invalid", clip(t.get("URI")))
		return
	}
	a.url = u
	if t.has("BYTERANGE") {
		s, ok := parseSpan(t.get("BYTERANGE"))
		if !ok {
			p.complain(t.line, "hls.attribute_value", t.name, "BYTERANGE", clip(t.get("BYTERANGE")))
			return
		}
		if s.from < 0 {
			s.from = next.ends["part "+u]
		}
		next.ends["part "+u] = s.from + s.length
		a.span = s
	}
	next.parts = append(next.parts, a)
}
