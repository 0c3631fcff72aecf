package lint

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
)

// configuration reads a decoder configuration record and names the codec as CODECS must (RFC 6381 and the codecs' own bindings).
func (t *track) configuration(b box) {
	switch b.kind {
	case "avcC":
		t.avc(b.body)
	case "hvcC":
		t.hevc(b.body)
	case "av1C":
		t.av1(b.body)
	case "vpcC":
		t.vp9(b.body)
	case "esds":
		t.esds(b.body)
	case "dOps":
		t.codec, t.rate = "opus", 48000 // the rate at which Opus is decoded
		if len(b.body) > 1 {
			t.channels = int(b.body[1])
		}
	case "colr":
		if c := (&cursor{b: b.body}); string(c.take(4)) == "nclx" {
			c.u16()
			if v := int(c.u16()); !c.over && (v == 16 || v == 18 || t.transfer == 0) {
				t.transfer = v
			}
		}
		return
	case "dfLa", "dac3", "dec3":
	default:
		return
	}
	t.config += b.kind + hex.EncodeToString(b.body)
}

func (t *track) avc(b []byte) {
	if len(b) < 6 {
		return
	}
	t.codec = fmt.Sprintf("%s.%02X%02X%02X", t.entry, b[1], b[2], b[3])
	t.nal = int(b[4]&3) + 1
	c := &cursor{b: b[6:]}
	sequences := int(b[5] & 31)
	for i := range sequences {
		if sps := c.take(int(c.u16())); i == 0 && !c.over {
			t.picture(avcSPS(sps))
		}
	}
	switch {
	case sequences == 0:
		t.lacks = "SPS"
	case !c.over && c.u8() == 0:
		t.lacks = "PPS"
	}
}

func (t *track) picture(p picture) {
	if p.width > 0 {
		t.width, t.height, t.fps = p.width, p.height, p.fps
		if t.transfer == 0 || t.transfer == 2 {
			t.transfer = p.transfer
		}
	}
}

func (t *track) hevc(b []byte) {
	if len(b) < 23 {
		return
	}
	t.codec = t.entry + "." + hevcProfile(b[1], b[2:6], b[6:12], b[12])
	t.nal = int(b[21]&3) + 1
	c := &cursor{b: b[23:]}
	seen := map[byte]bool{}
	for range b[22] {
		kind := c.u8() & 63
		for range c.u16() {
			nal := c.take(int(c.u16()))
			if c.over {
				return
			}
			if seen[kind] = true; kind == 33 {
				t.picture(hevcSPS(nal))
			}
		}
	}
	for i, name := range []string{"VPS", "SPS", "PPS"} {
		if !seen[byte(32+i)] && t.lacks == "" { //nolint:gosec // three of them
			t.lacks = name
		}
	}
}

// hevcProfile is the string of ISO/IEC 14496-15 annex E.3.
func hevcProfile(profile byte, compat, constraints []byte, level byte) string {
	space := []string{"", "A", "B", "C"}[profile>>6]
	tier := "L"
	if profile&0x20 != 0 {
		tier = "H"
	}
	flags := bits.Reverse32(uint32(compat[0])<<24 | uint32(compat[1])<<16 | uint32(compat[2])<<8 | uint32(compat[3]))
	s := fmt.Sprintf("%s%d.%X.%s%d", space, profile&31, flags, tier, level)
	last := len(constraints)
	for last > 0 && constraints[last-1] == 0 {
		last--
	}
	for _, c := range constraints[:last] {
		s += fmt.Sprintf(".%X", c)
	}
	return s
}

func (t *track) av1(b []byte) {
	if len(b) < 4 {
		return
	}
	tier, depth := "M", 8
	if b[2]&0x80 != 0 {
		tier = "H"
	}
	if b[2]&0x40 != 0 {
		depth = 10
		if b[2]&0x20 != 0 {
			depth = 12
		}
	}
	t.codec = fmt.Sprintf("av01.%d.%02d%s.%02d", b[1]>>5, b[1]&31, tier, depth)
}

func (t *track) vp9(b []byte) {
	if len(b) < 7 {
		return
	}
	t.codec = fmt.Sprintf("%s.%02d.%02d.%02d", t.entry, b[4], b[5], b[6]>>4)
}

// esds reads the object type indication and, of MPEG-4 audio, the audio object type (ISO/IEC 14496-1 clause 7.2.6).
func (t *track) esds(b []byte) {
	c := &cursor{b: b}
	c.full()
	for !c.over && len(c.b) > 0 {
		kind, length := c.u8(), 0
		for range 4 {
			v := c.u8()
			length = length<<7 | int(v&127)
			if v < 128 {
				break
			}
		}
		switch kind {
		case 3:
			c.u16()
			flags := c.u8()
			if flags&0x80 != 0 {
				c.u16()
			}
			if flags&0x40 != 0 {
				c.take(int(c.u8()))
			}
			if flags&0x20 != 0 {
				c.u16()
			}
		case 4:
			oti := c.u8()
			c.take(12)
			t.codec = fmt.Sprintf("%s.%x", t.entry, oti)
			if oti != 0x40 {
				return
			}
		case 5:
			t.audioConfig(c.take(length))
			return
		default:
			c.take(length)
		}
	}
}

// audioConfig reads an AudioSpecificConfig (ISO/IEC 14496-3 clause 1.6.2.1).
func (t *track) audioConfig(b []byte) {
	r := &bitReader{b: b}
	kind := r.bits(5)
	if kind == 31 {
		kind = 32 + r.bits(6)
	}
	t.codec = fmt.Sprintf("%s.40.%d", t.entry, kind)
	rates := []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	rate := 0
	if i := int(r.bits(4)); i < len(rates) {
		rate = rates[i]
	} else if i == 15 {
		rate = int(r.bits(24))
	}
	if rate > 0 {
		t.rate = rate
	}
	if n := int(r.bits(4)); n > 0 && n < 8 {
		t.channels = n
		if n == 7 {
			t.channels = 8
		}
	}
}

// sameCodec compares a declared codec with a measured one: the case of hexadecimal digits is free, and AV1 and VP9 may be
// given in full.
func sameCodec(declared, measured string) bool {
	d, m := strings.ToLower(declared), strings.ToLower(measured)
	if d == m {
		return true
	}
	if strings.HasPrefix(m, "av01.") || strings.HasPrefix(m, "vp09.") || strings.HasPrefix(m, "vp08.") {
		return strings.HasPrefix(d, m+".")
	}
	if strings.HasPrefix(m, "hvc1.") || strings.HasPrefix(m, "hev1.") {
		return strings.TrimRight(d, ".0") == strings.TrimRight(m, ".0")
	}
	// HE-AAC may be signalled implicitly: the record then says AAC-LC.
	if m == "mp4a.40.2" && (d == "mp4a.40.5" || d == "mp4a.40.29") {
		return true
	}
	return !strings.Contains(m, ".") && strings.HasPrefix(d, m+".")
}

// is says whether a track is what CODECS declares. HE-AAC doubles the rate of its core, which therefore is a low one.
func (t *track) is(declared string) bool {
	if oneOf(strings.ToLower(declared), "mp4a.40.5|mp4a.40.29") && strings.EqualFold(t.codec, "mp4a.40.2") && t.rate > 32000 {
		return false
	}
	return sameCodec(declared, t.codec)
}

// family is a codec without its profile.
func family(codec string) string {
	f, _, _ := strings.Cut(strings.ToLower(codec), ".")
	return f
}
