package lint

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// box is an ISO BMFF box (ISO/IEC 14496-12 clause 4.2).
type box struct {
	kind string
	from int    // of the header, in the file
	size int    // with the header, as claimed
	head int    // bytes of the header
	body []byte // as far as it is there
}

// boxes splits data; the rest that is no whole box is told by ok.
func boxes(data []byte, at int) (list []box, ok bool) {
	for len(data) > 0 {
		if len(data) < 8 {
			return list, false
		}
		size, head := uint64(binary.BigEndian.Uint32(data)), 8
		switch size {
		case 0:
			size = uint64(len(data))
		case 1:
			if len(data) < 16 {
				return list, false
			}
			size, head = binary.BigEndian.Uint64(data[8:]), 16
		}
		kind := string(data[4:8])
		if size < uint64(head) || strings.ContainsFunc(kind, func(r rune) bool { return r < ' ' || r > '~' && r != 0xa9 && r != 0xfffd }) {
			return list, false
		}
		if size > uint64(len(data)) {
			return append(list, box{kind, at, int(min(size, 1<<40)), head, data[head:]}), false //nolint:gosec // bounded
		}
		list = append(list, box{kind, at, int(size), head, data[head:size]}) //nolint:gosec // not more than len(data)
		data, at = data[size:], at+int(size)                                 //nolint:gosec // as above
	}
	return list, true
}

// child is the first box of a kind within a body.
func child(body []byte, kind string) ([]byte, bool) {
	list, _ := boxes(body, 0)
	for _, b := range list {
		if b.kind == kind {
			return b.body, true
		}
	}
	return nil, false
}

// path goes down several kinds.
func path(body []byte, kinds ...string) ([]byte, bool) {
	ok := true
	for _, k := range kinds {
		if body, ok = child(body, k); !ok {
			return nil, false
		}
	}
	return body, true
}

// cursor reads big-endian numbers; past the end it gives zeros and says so.
type cursor struct {
	b    []byte
	over bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.over, c.b = true, nil
		return make([]byte, min(max(n, 0), 16))
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() byte    { return c.take(1)[0] }
func (c *cursor) u16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }

// full reads the version and flags of a full box.
func (c *cursor) full() (version byte, flags uint32) {
	v := c.u32()
	return byte(v >> 24), v & 0xffffff
}

// track is a track of an init segment.
type track struct {
	id            uint32
	kind          string // video, audio, text or other
	timescale     uint32
	entry         string // sample entry, such as avc1
	codec         string // for CODECS; "" if unknown
	width, height int
	channels      int
	rate          int
	nal           int // length of the NAL unit lengths; 0: no NAL units
	encrypted     bool
	protection
	entries  int   // of stsd
	edit     int64 // media time where the edit list starts
	defaults struct{ dur, size, flags uint32 }
	config   string // the decoder configuration, to see changes
	fps      float64
	transfer int                                               // transfer characteristics; 0: unknown
	said     struct{ width, height, rate, shownW, shownH int } // by the sample entry's own fields, and by tkhd
	lacks    string                                            // parameter sets that must be in the sample entry and are not
}

func (t *track) video() bool { return t.kind == "video" }

// initSegment is what a CMAF header or an EXT-X-MAP holds.
type initSegment struct {
	tracks   []*track
	problems []problem
	size     int
	brands   []string
	lasts    string // a duration that is not 0, and whose it is
}

func (s *initSegment) track(id uint32) *track {
	for _, t := range s.tracks {
		if t.id == id {
			return t
		}
	}
	return nil
}

func (s *initSegment) complain(rule string, args ...any) {
	s.problems = append(s.problems, problem{rule: rule, args: args})
}

// parseInit reads an init segment.
func parseInit(data []byte) *initSegment {
	s := &initSegment{size: len(data)}
	list, whole := boxes(data, 0)
	if !whole {
		s.complain("mp4.box_broken", "the init segment")
	}
	var moov []byte
	for i, b := range list {
		switch b.kind {
		case "ftyp":
			if i != 0 {
				s.complain("mp4.init_order", "ftyp is not the first box")
			}
			for at := 0; at+4 <= len(b.body); at += 4 {
				if at != 4 { // the minor version
					s.brands = append(s.brands, string(b.body[at:at+4]))
				}
			}
		case "moov":
			if moov != nil {
				s.complain("mp4.init_order", "moov is there twice")
			}
			moov = b.body
		case "moof", "mdat":
			s.complain("mp4.init_order", "it holds "+b.kind)
		}
	}
	if len(list) == 0 || list[0].kind != "ftyp" {
		s.complain("mp4.init_order", "it does not start with ftyp")
	}
	if moov == nil {
		s.complain("mp4.moov_missing")
		return s
	}
	s.moov(moov)
	return s
}

// duration notes a duration that is set: at is its place in version 0, late in version 1.
func (s *initSegment) duration(of string, body []byte, at, late int) {
	if len(body) == 0 {
		return
	}
	d := uint64(0)
	if body[0] == 1 && len(body) >= late+8 {
		d = binary.BigEndian.Uint64(body[late:])
	} else if body[0] == 0 && len(body) >= at+4 {
		d = uint64(binary.BigEndian.Uint32(body[at:]))
	}
	if d != 0 && s.lasts == "" {
		s.lasts = fmt.Sprintf("%s has %d", of, d)
	}
}

func (s *initSegment) moov(moov []byte) {
	list, _ := boxes(moov, 0)
	if mvhd, ok := child(moov, "mvhd"); ok {
		s.duration("mvhd", mvhd, 16, 24)
	} else {
		s.complain("mp4.box_missing", "moov", "mvhd")
	}
	for _, b := range list {
		if b.kind == "pssh" {
			if what := psshBody(b.body, ""); what != "" {
				s.complain("mp4.pssh_wrong", what)
			}
		}
		if b.kind != "trak" || len(s.tracks) >= 64 {
			continue
		}
		t := parseTrack(b.body)
		if tkhd, ok := child(b.body, "tkhd"); ok {
			s.duration(fmt.Sprintf("tkhd of track %d", t.id), tkhd, 20, 28)
		}
		if s.track(t.id) != nil || t.id == 0 {
			s.complain("mp4.track_id", t.id)
		}
		if t.timescale == 0 {
			s.complain("mp4.timescale_zero", t.id)
			t.timescale = 1
		}
		if stts, ok := path(b.body, "mdia", "minf", "stbl", "stts"); ok && len(stts) >= 8 && binary.BigEndian.Uint32(stts[4:]) != 0 {
			s.complain("mp4.init_samples", t.id)
		}
		s.complete(b.body, t)
		s.entry(t)
		s.protected(t)
		s.tracks = append(s.tracks, t)
	}
	if len(s.tracks) == 0 {
		s.complain("mp4.tracks_missing")
	}
	s.mvex(moov)
}

func (s *initSegment) mvex(moov []byte) {
	mvex, ok := child(moov, "mvex")
	if !ok {
		s.complain("mp4.mvex_missing")
		return
	}
	list, _ := boxes(mvex, 0)
	seen := map[uint32]bool{}
	for _, b := range list {
		if b.kind != "trex" {
			continue
		}
		c := &cursor{b: b.body}
		c.full()
		id := c.u32()
		seen[id] = true
		index := int(min(c.u32(), 1<<16))
		if t := s.track(id); t != nil {
			if t.entries > 0 && (index == 0 || index > t.entries) {
				s.complain("mp4.description_default", id, index, t.entries)
			}
			t.defaults.dur, t.defaults.size, t.defaults.flags = c.u32(), c.u32(), c.u32()
		}
	}
	for _, t := range s.tracks {
		if !seen[t.id] {
			s.complain("mp4.trex_missing", t.id)
		}
	}
}

// configurations are the boxes that sample entries must have, as their codecs' bindings say.
var configurations = map[string]string{"avc1": "avcC", "avc3": "avcC", "hvc1": "hvcC", "hev1": "hvcC", "av01": "av1C", "vp09": "vpcC", "vp08": "vpcC",
	"mp4a": "esds", "Opus": "dOps", "fLaC": "dfLa", "ac-3": "dac3", "ec-3": "dec3"}

// handlers are the kinds of track that sample entries belong to.
var handlers = map[string]string{"avc1": "video", "avc3": "video", "hvc1": "video", "hev1": "video", "av01": "video", "vp09": "video", "vp08": "video",
	"mp4a": "audio", "Opus": "audio", "fLaC": "audio", "ac-3": "audio", "ec-3": "audio"}

func abs(n int) int { return max(n, -n) }

// entry holds the fields of a sample entry against the decoder configuration inside it.
func (s *initSegment) entry(t *track) {
	if t.lacks != "" && !oneOf(t.entry, "avc3|avc4|hev1") {
		s.complain("mp4.parameter_sets", t.entry, t.id, t.lacks)
	}
	if kind := handlers[t.entry]; kind != "" && kind != t.kind {
		s.complain("mp4.handler", t.id, t.kind, t.entry)
	} else if want, ok := configurations[t.entry]; ok && t.config == "" {
		s.complain("mp4.config_missing", t.entry, t.id, want)
	}
	// width and height of tkhd are of the picture as it is shown: pixels that are not square change one of them
	if w, h := t.said.shownW, t.said.shownH; w > 0 && h > 0 && t.width > 0 && abs(w-t.width) > 2 && abs(h-t.height) > 2 {
		s.complain("mp4.track_size", t.id, w, h, t.width, t.height)
	}
	if w, h := t.said.width, t.said.height; w != t.width || h != t.height {
		s.complain("mp4.entry_wrong", t.id, fmt.Sprintf("%dx%d", w, h), fmt.Sprintf("%dx%d", t.width, t.height))
	}
	// the field has 16 bits, and of HE-AAC either rate stands there
	if r := t.said.rate; r > 0 && t.rate < 1<<16 && r != t.rate && r != 2*t.rate && 2*r != t.rate {
		s.complain("mp4.entry_wrong", t.id, fmt.Sprintf("%d Hz", r), fmt.Sprintf("%d Hz", t.rate))
	}
}

func parseTrack(trak []byte) *track {
	t := &track{kind: "other"}
	if b, ok := child(trak, "tkhd"); ok {
		c := &cursor{b: b}
		if v, _ := c.full(); v == 1 {
			c.take(16)
		} else {
			c.take(8)
		}
		t.id = c.u32()
		if n := len(b); n >= 84 { // 16.16 numbers at the end
			t.said.shownW, t.said.shownH = int(binary.BigEndian.Uint16(b[n-8:])), int(binary.BigEndian.Uint16(b[n-4:]))
		}
	}
	if b, ok := path(trak, "mdia", "mdhd"); ok {
		c := &cursor{b: b}
		if v, _ := c.full(); v == 1 {
			c.take(16)
		} else {
			c.take(8)
		}
		t.timescale = c.u32()
	}
	if b, ok := path(trak, "mdia", "hdlr"); ok {
		c := &cursor{b: b}
		c.take(8)
		switch string(c.take(4)) {
		case "vide":
			t.kind = "video"
		case "soun":
			t.kind = "audio"
		case "text", "subt", "sbtl":
			t.kind = "text"
		}
	}
	if b, ok := path(trak, "edts", "elst"); ok {
		t.edits(b)
	}
	if b, ok := path(trak, "mdia", "minf", "stbl", "stsd"); ok && len(b) > 8 {
		if list, _ := boxes(b[8:], 0); len(list) > 0 {
			t.entries = len(list)
			t.sampleEntry(list[0].kind, list[0].body)
		}
	}
	return t
}

func (t *track) edits(elst []byte) {
	c := &cursor{b: elst}
	v, _ := c.full()
	for range min(c.u32(), 16) {
		var at int64
		if v == 1 {
			c.u64()
			at = int64(c.u64()) //nolint:gosec // two's complement by definition
		} else {
			c.u32()
			at = int64(int32(c.u32())) //nolint:gosec // two's complement by definition
		}
		c.u32()
		if at >= 0 {
			t.edit = at
			return
		}
	}
}

func (t *track) sampleEntry(kind string, body []byte) {
	t.entry = kind
	head := 8 // text and others
	switch t.kind {
	case "video":
		if len(body) < 78 {
			return
		}
		t.width, t.height = int(binary.BigEndian.Uint16(body[24:])), int(binary.BigEndian.Uint16(body[26:]))
		t.said.width, t.said.height = t.width, t.height
		head = 78
	case "audio":
		if len(body) < 28 {
			return
		}
		t.channels, t.rate = int(binary.BigEndian.Uint16(body[16:])), int(binary.BigEndian.Uint16(body[24:]))
		t.said.rate = t.rate
		head = 28
	}
	if len(body) < head {
		return
	}
	inner, _ := boxes(body[head:], 0)
	if kind == "encv" || kind == "enca" {
		t.encrypted, t.absent = true, "sinf"
		for _, b := range inner {
			if b.kind == "sinf" {
				t.absent = ""
				t.sinf(b.body)
			}
		}
	}
	for _, b := range inner {
		t.configuration(b)
	}
	switch t.entry {
	case "fLaC":
		t.codec = "flac"
	case "stpp":
		t.codec = "stpp"
	case "ac-3", "ec-3", "ac-4", "wvtt", "mp4a", "alac":
		if t.codec == "" {
			t.codec = t.entry
		}
	}
}
