package lint

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const dashSpace = "urn:mpeg:dash:schema:mpd:2011"

// node is an XML element.
type node struct {
	name, space string
	attrs       []xml.Attr
	children    []*node
	parent      *node
	text        string
	line        int
}

func (n *node) get(name string) string {
	for i := range n.attrs {
		if n.attrs[i].Name.Local == name && n.attrs[i].Name.Space == "" {
			return n.attrs[i].Value
		}
	}
	return ""
}

func (n *node) has(name string) bool {
	for i := range n.attrs {
		if n.attrs[i].Name.Local == name && n.attrs[i].Name.Space == "" {
			return true
		}
	}
	return false
}

func (n *node) kids(name string) (list []*node) {
	for _, c := range n.children {
		if c.name == name && c.space == dashSpace {
			list = append(list, c)
		}
	}
	return list
}

func (n *node) kid(name string) *node {
	if list := n.kids(name); len(list) > 0 {
		return list[0]
	}
	return nil
}

// inherit looks for an attribute here and above, as Representation does in its AdaptationSet.
func (n *node) inherit(name string) string {
	for at := n; at != nil && at.name != "Period"; at = at.parent {
		if at.has(name) {
			return at.get(name)
		}
	}
	return ""
}

func (n *node) uint(name string, otherwise int64) int64 {
	v, err := strconv.ParseInt(n.get(name), 10, 64)
	if err != nil || v < 0 {
		return otherwise
	}
	return v
}

// label names an element for people.
func (n *node) label() string {
	if id := n.get("id"); id != "" {
		return n.name + " " + id
	}
	return n.name
}

const nodesAtMost = 500000

var errManifest = errors.New("the manifest has too many elements")

// parseMPD reads the XML. The root is nil when it cannot be read.
func parseMPD(data []byte) (root *node, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var at *node
	count, depth := 0, 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if root == nil {
				return nil, io.ErrUnexpectedEOF
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if count++; count > nodesAtMost || depth > 60 {
				return nil, errManifest
			}
			depth++
			line, _ := d.InputPos()
			n := &node{name: t.Name.Local, space: t.Name.Space, attrs: t.Attr, parent: at, line: line}
			if at == nil {
				root = n
			} else {
				at.children = append(at.children, n)
			}
			at = n
		case xml.EndElement:
			at, depth = at.parent, depth-1
		case xml.CharData:
			if at != nil && len(at.text) < 1<<16 {
				at.text += string(t)
			}
		}
	}
}

var durationForm = regexp.MustCompile(`^(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d*)?)S)?)?$`)

// xsDuration reads an xs:duration into seconds.
func xsDuration(s string) (float64, bool) {
	m := durationForm.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		return 0, false
	}
	total := 0.0
	for i, unit := range []float64{365 * 86400, 30 * 86400, 86400, 3600, 60, 1} {
		if m[i+2] != "" {
			v, err := strconv.ParseFloat(m[i+2], 64)
			if err != nil {
				return 0, false
			}
			total += v * unit
		}
	}
	if m[1] != "" {
		total = -total
	}
	return total, true
}

func (n *node) duration(name string) float64 {
	v, _ := xsDuration(n.get(name))
	return v
}

func xsDate(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(form, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// frameRate reads 25 or 30000/1001.
func frameRate(s string) float64 {
	a, b, cut := strings.Cut(s, "/")
	x, err := strconv.ParseFloat(a, 64)
	y := 1.0
	if cut && err == nil {
		y, err = strconv.ParseFloat(b, 64)
	}
	if err != nil || y == 0 {
		return 0
	}
	return x / y
}

// addressing is how a representation's segments are found, with what it inherits.
type addressing struct {
	kind      string // template, list, base or ""
	node      *node
	timescale int64
	offset    int64 // presentationTimeOffset
	start     int64 // startNumber
	duration  int64
	media     string
	init      string
	timeline  *node
	early     float64 // availabilityTimeOffset
	complete  bool
	levels    []*node // from the outermost
}

func (a *addressing) get(name string) string {
	for i := len(a.levels) - 1; i >= 0; i-- {
		if a.levels[i].has(name) {
			return a.levels[i].get(name)
		}
	}
	return ""
}

func (a *addressing) kid(name string) *node {
	for i := len(a.levels) - 1; i >= 0; i-- {
		if k := a.levels[i].kid(name); k != nil {
			return k
		}
	}
	return nil
}

func (a *addressing) number(name string, otherwise int64) int64 {
	v, err := strconv.ParseInt(a.get(name), 10, 64)
	if err != nil || v < 0 {
		return otherwise
	}
	return v
}

// addressingOf gathers SegmentTemplate, SegmentList or SegmentBase of a representation and of what it stands in.
func addressingOf(rep *node) *addressing {
	a := &addressing{complete: true}
	for _, kind := range []string{"SegmentTemplate", "SegmentList", "SegmentBase"} {
		var levels []*node
		for at := rep; at != nil && at.name != "MPD"; at = at.parent {
			if k := at.kid(kind); k != nil {
				levels = append([]*node{k}, levels...)
			}
		}
		if len(levels) > 0 {
			a.kind, a.levels, a.node = strings.ToLower(strings.TrimPrefix(kind, "Segment")), levels, levels[len(levels)-1]
			break
		}
	}
	a.timescale = max(a.number("timescale", 1), 1)
	a.offset, a.start, a.duration = a.number("presentationTimeOffset", 0), a.number("startNumber", 1), a.number("duration", 0)
	a.media, a.init = a.get("media"), a.get("initialization")
	a.timeline = a.kid("SegmentTimeline")
	a.complete = a.get("availabilityTimeComplete") != "false"
	if v, err := strconv.ParseFloat(a.get("availabilityTimeOffset"), 64); err == nil && !math.IsNaN(v) {
		a.early = v
	}
	return a
}

var identifier = regexp.MustCompile(`\$([A-Za-z]*)(?:%0(\d+)d)?\$`)

// expand fills a template in (ISO/IEC 23009-1 clause 5.3.9.4.4); ok is false when an identifier is unknown.
func expand(template string, rep *node, number, at int64) (url string, ok bool) {
	ok = true
	url = identifier.ReplaceAllStringFunc(template, func(s string) string {
		m := identifier.FindStringSubmatch(s)
		width, _ := strconv.Atoi(m[2]) // empty: none
		var v int64
		switch m[1] {
		case "":
			return "$"
		case "RepresentationID":
			return rep.get("id")
		case "Number":
			v = number
		case "Time":
			v = at
		case "Bandwidth":
			v = rep.uint("bandwidth", 0)
		default:
			ok = false
			return s
		}
		text := strconv.FormatInt(v, 10)
		return strings.Repeat("0", max(min(width, 32)-len(text), 0)) + text
	})
	return url, ok && !strings.Contains(identifier.ReplaceAllString(template, ""), "$")
}

// baseOf resolves the BaseURLs from the manifest's address down.
func baseOf(n *node, manifest string) string {
	var chain []*node
	for at := n; at != nil; at = at.parent {
		chain = append([]*node{at}, chain...)
	}
	base := manifest
	for _, at := range chain {
		if b := at.kid("BaseURL"); b != nil {
			if u, err := resolve(base, strings.TrimSpace(b.text)); err == nil {
				base = u
			}
		}
	}
	return base
}
