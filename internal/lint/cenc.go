package lint

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// protection is what a sample entry says of its encryption (ISO/IEC 14496-12 clause 8.12 and ISO/IEC 23001-7).
type protection struct {
	kid    string // of tenc, in hex
	scheme string // of schm: cenc, cbc1, cens or cbcs
	iv     int    // bytes of each sample's own initialization vector
	fixed  int    // bytes of the one that all samples share
	absent string // a box that must be there and is not
}

// sinf reads the protection scheme information of an encrypted sample entry.
func (t *track) sinf(body []byte) {
	if f, ok := child(body, "frma"); ok && len(f) == 4 {
		t.entry = string(f)
	} else {
		t.absent = "frma"
	}
	if f, ok := child(body, "schm"); ok && len(f) >= 12 {
		t.scheme = string(f[4:8])
	} else {
		t.absent = "schm"
	}
	f, ok := path(body, "schi", "tenc")
	if !ok || len(f) < 24 {
		t.absent = "tenc"
		return
	}
	t.kid, t.iv = hex.EncodeToString(f[8:24]), int(f[7])
	if t.iv == 0 && len(f) > 24 {
		t.fixed = int(f[24])
	}
}

// protected holds what an init segment must tell of an encrypted track.
func (s *initSegment) protected(t *track) {
	if !t.encrypted {
		return
	}
	if t.absent != "" {
		s.complain("mp4.protection_incomplete", t.id, t.absent)
		return
	}
	switch size := max(t.iv, t.fixed); {
	case size != 8 && size != 16:
		s.complain("mp4.iv_size", t.id, size)
	case t.scheme == "cbcs" && size != 16 || t.scheme == "cbc1" && size != 16:
		s.complain("mp4.iv_size", t.id, size)
	}
}

// secrets is what a track fragment says of how its samples are encrypted.
type secrets struct {
	senc, saiz, saio []byte
	at               int64 // where the data of senc start, behind the count
	have             bool
	clear            bool // samples of this fragment are told to be in the clear
}

// note keeps a box of traf that is about encryption. from is where its body is in the segment.
func (x *secrets) note(b box, from int64) {
	switch b.kind {
	case "senc":
		x.senc, x.at, x.have = b.body, from+8, true
	case "saiz":
		x.saiz = b.body
	case "saio":
		x.saio = b.body
	case "sbgp":
		// a group of its own may say isProtected 0, as a clear lead does
		x.clear = x.clear || len(b.body) >= 8 && string(b.body[4:8]) == "seig"
	}
}

// auxiliary holds the sample auxiliary information against the samples (ISO/IEC 23001-7 clause 7).
func (f *fragments) auxiliary(t *track, x *secrets, base int64, sizes []uint32) {
	if !t.encrypted || x.clear || t.absent != "" || len(sizes) == 0 {
		return
	}
	if !x.have && (t.iv > 0 || t.nal > 0) { // sound with one vector for all samples needs none
		f.complain("mp4.senc_missing", t.id)
		return
	}
	if len(x.saiz) >= 9 {
		c := &cursor{b: x.saiz}
		if _, flags := c.full(); flags&1 != 0 {
			c.take(8)
		}
		c.u8()
		if n := int(c.u32()); !c.over && n != len(sizes) {
			f.complain("mp4.senc_wrong", t.id, fmt.Sprintf("saiz counts %d samples of %d", n, len(sizes)))
		}
	}
	if x.have {
		f.offset(t, x, base)
		if what := entries(t, x.senc, sizes); what != "" {
			f.complain("mp4.senc_wrong", t.id, what)
		}
	}
}

// offset holds that saio leads to the data of senc.
func (f *fragments) offset(t *track, x *secrets, base int64) {
	c := &cursor{b: x.saio}
	version, flags := c.full()
	if flags&1 != 0 {
		c.take(8)
	}
	n, at := c.u32(), int64(0)
	if version == 0 {
		at = int64(c.u32())
	} else {
		at = int64(c.u64() & (1<<40 - 1)) //nolint:gosec // masked
	}
	if !c.over && n == 1 && base+at != x.at {
		f.complain("mp4.saio_wrong", t.id, at, x.at-base)
	}
}

// entries reads senc, which holds one entry for each sample, whose subsamples make up the sample.
func entries(t *track, senc []byte, sizes []uint32) string {
	c := &cursor{b: senc}
	_, flags := c.full()
	if n := int(c.u32()); n != len(sizes) {
		return fmt.Sprintf("senc has %d entries for %d samples", n, len(sizes))
	}
	for i, size := range sizes {
		c.take(t.iv)
		if flags&2 == 0 {
			continue
		}
		sum := uint64(0)
		count := c.u16()
		for range count {
			sum += uint64(c.u16())
			sum += uint64(c.u32())
		}
		if c.over {
			break
		}
		if count > 0 && sum != uint64(size) {
			return fmt.Sprintf("the subsamples of sample %d make %d bytes of %d", i+1, sum, size)
		}
	}
	if c.over || len(c.b) > 0 {
		return "senc does not end with its last entry"
	}
	return ""
}

// keyed holds EXT-X-KEY against the encryption that the media tells of itself.
func keyed(s scope, g *segment, d *loaded) {
	if d.init == nil || d.kind != "fmp4" || d.chunks == 0 {
		return
	}
	i := slices.IndexFunc(d.init.tracks, func(t *track) bool { return t.encrypted })
	switch {
	case i < 0:
		if g.method != "" && !d.clear {
			s.add("hls.key_plain", g.msn, g.method, "fragmented MP4")
		}
		return
	case g.method == "":
		if !d.clear {
			s.add("hls.key_missing", g.msn, orNone(d.init.tracks[i].scheme))
		}
		return
	}
	want := map[string]string{"SAMPLE-AES": "cbcs", "SAMPLE-AES-CTR": "cenc"}[g.method]
	if have := d.init.tracks[i].scheme; want != "" && have != "" && have != want {
		s.add("hls.key_scheme", g.method, have)
	}
}

const protectionScheme = "urn:mpeg:dash:mp4protection:2011"

// checkSchemes holds the ContentProtection elements of a set by themselves.
func checkSchemes(s scope, n *node) {
	list := n.kids("ContentProtection")
	generic := len(list) == 0
	for _, c := range list {
		generic = generic || strings.EqualFold(c.get("schemeIdUri"), protectionScheme) || c.has("ref")
		if kid, ok := keyID(c); ok && (len(kid) != 32 || strings.Trim(kid, "0123456789abcdef") != "") {
			s.addAt(c.line, n.label(), "dash.kid_form", clip(kid))
		}
		for _, k := range c.children {
			if k.name != "pssh" {
				continue
			}
			if what := psshFault(strings.Join(strings.Fields(k.text), ""), c.get("schemeIdUri")); what != "" {
				s.addAt(k.line, n.label(), "dash.pssh_wrong", what)
			}
		}
	}
	if !generic {
		s.addAt(list[0].line, n.label(), "dash.protection_generic")
	}
}

// psshFault says what is wrong with a pssh box in base64 (ISO/IEC 23001-7 clauses 8.1 and 11.2.1).
func psshFault(text, scheme string) string {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "it is not base64"
	}
	list, whole := boxes(data, 0)
	if !whole || len(list) != 1 || list[0].kind != "pssh" {
		return "it is not one pssh box"
	}
	return psshBody(list[0].body, scheme)
}

// psshBody holds the fields of a pssh box. scheme is the descriptor's that it stands in; "" if none.
func psshBody(b []byte, scheme string) string {
	if len(b) < 24 {
		return "the box is cut off"
	}
	system := hex.EncodeToString(b[4:20])
	if id, ok := strings.CutPrefix(strings.ToLower(scheme), "urn:uuid:"); ok && strings.ReplaceAll(id, "-", "") != system {
		return "it is of the system " + system + ", not of its descriptor's"
	}
	at := uint64(20)
	if b[0] > 0 {
		at += 4 + 16*uint64(binary.BigEndian.Uint32(b[20:]))
	}
	if at+4 > uint64(len(b)) || at+4+uint64(binary.BigEndian.Uint32(b[at:])) != uint64(len(b)) {
		return "its data do not fill the box"
	}
	return ""
}
