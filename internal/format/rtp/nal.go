package rtp

import (
	"encoding/binary"

	"weir/internal/media"
)

// NAL unit types that matter to the payload formats.
const (
	avcIDR    = 5
	avcSPS    = 7
	avcPPS    = 8
	avcAUD    = 9
	avcFiller = 12
	avcSTAPA  = 24
	avcFUA    = 28

	hevcFirstIRAP = 16
	hevcLastIRAP  = 23
	hevcVPS       = 32
	hevcSPS       = 33
	hevcPPS       = 34
	hevcAUD       = 35
	hevcFiller    = 38
	hevcAP        = 48
	hevcFU        = 49
)

// avcSets takes the parameter sets out of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1).
func avcSets(config []byte) (sets [][]byte) {
	if len(config) < 6 {
		return nil
	}
	count, rest := int(config[5]&0x1f), config[6:]
	for range 2 {
		sets, rest = takeSets(sets, rest, count)
		if len(rest) == 0 {
			break
		}
		count, rest = int(rest[0]), rest[1:]
	}
	return sets
}

// hevcSets takes the parameter sets out of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 8.3.3.1).
func hevcSets(config []byte) (sets [][]byte) {
	if len(config) < 23 {
		return nil
	}
	arrays, rest := int(config[22]), config[23:]
	for range arrays {
		if len(rest) < 3 {
			break
		}
		kind, count := rest[0]&0x3f, int(binary.BigEndian.Uint16(rest[1:]))
		before := len(sets)
		sets, rest = takeSets(sets, rest[3:], count)
		if kind != hevcVPS && kind != hevcSPS && kind != hevcPPS {
			sets = sets[:before]
		}
	}
	return sets
}

func takeSets(sets [][]byte, data []byte, count int) ([][]byte, []byte) {
	for range count {
		if len(data) < 2 {
			return sets, nil
		}
		n := int(binary.BigEndian.Uint16(data))
		if n == 0 || len(data) < 2+n {
			return sets, nil
		}
		sets, data = append(sets, data[2:2+n]), data[2+n:]
	}
	return sets, data
}

// nals splits a sample of 4-byte length-prefixed NAL units. It stops at the first bad length.
func nals(dst [][]byte, data []byte) [][]byte {
	for len(data) >= 4 {
		n := int(binary.BigEndian.Uint32(data))
		if n < 0 || n > len(data)-4 {
			break
		}
		if n > 0 {
			dst = append(dst, data[4:4+n])
		}
		data = data[4+n:]
	}
	return dst
}

// nalFormat is what differs between H.264 and HEVC when NAL units are put into packets.
type nalFormat struct {
	header int // bytes of NAL unit header
	isSet  func(byte) bool
	skip   func(byte) bool
	// aggregate is the payload header of an aggregation packet; its rank and layer bits are taken
	// from the first unit.
	aggregate func(dst []byte, first []byte) []byte
	// fragment is the payload and fragment header of one fragment of a unit.
	fragment func(dst []byte, unit []byte, start, end bool) []byte
}

func (p *Packetizer) splitH264(b *builder, f *media.Frame) { p.splitNAL(b, f, &avcFormat) }
func (p *Packetizer) splitHEVC(b *builder, f *media.Frame) { p.splitNAL(b, f, &hevcFormat) }

// splitNAL puts the units of an access unit into packets: small neighbours share one, large ones are
// fragmented at the payload limit so that all fragments but the last are of equal size.
func (p *Packetizer) splitNAL(b *builder, f *media.Frame, format *nalFormat) {
	p.nalUnits = p.nalUnits[:0]
	if f.Key {
		p.nalUnits = append(p.nalUnits, p.sets...)
	}
	own := len(p.nalUnits)
	p.nalUnits = nals(p.nalUnits, f.Data)
	units := p.nalUnits
	for _, u := range units[own:] {
		if format.isSet(u[0]) {
			units = units[own:] // the frame brings its own parameter sets
			break
		}
	}
	pending, size := 0, format.header // units[i-pending:i] wait to share a packet
	for i, u := range units {
		if format.skip(u[0]) || len(u) <= format.header {
			format.flush(b, units[i-pending:i])
			pending, size = 0, format.header
			continue
		}
		if pending > 0 && size+2+len(u) > MaxPayload {
			format.flush(b, units[i-pending:i])
			pending, size = 0, format.header
		}
		if len(u) > MaxPayload {
			format.fragments(b, u)
			continue
		}
		pending, size = pending+1, size+2+len(u)
	}
	format.flush(b, units[len(units)-pending:])
}

// flush sends waiting units: one as it is (RFC 6184 section 5.6), several in an aggregation packet (section 5.7.1).
func (format *nalFormat) flush(b *builder, units [][]byte) {
	if len(units) == 0 {
		return
	}
	b.open()
	if len(units) == 1 {
		b.buf = append(b.buf, units[0]...)
	} else {
		at := len(b.buf)
		b.buf = format.aggregate(b.buf, units[0])
		for _, u := range units {
			b.buf[at] |= u[0] & 0x80
			if format == &avcFormat && u[0]&0x60 > b.buf[at]&0x60 {
				b.buf[at] = b.buf[at]&^0x60 | u[0]&0x60
			}
			b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(len(u)))
			b.buf = append(b.buf, u...)
		}
	}
	b.close()
}

// fragments cuts one unit (RFC 6184 section 5.8, RFC 7798 section 4.4.3).
func (format *nalFormat) fragments(b *builder, unit []byte) {
	rest, start := unit[format.header:], true
	for len(rest) > 0 {
		n := min(len(rest), MaxPayload-format.header-1)
		b.open()
		b.buf = format.fragment(b.buf, unit, start, n == len(rest))
		b.buf = append(b.buf, rest[:n]...)
		b.close()
		rest, start = rest[n:], false
	}
}

func flags(start, end bool) (f byte) {
	if start {
		f |= 0x80
	}
	if end {
		f |= 0x40
	}
	return f
}

var avcFormat = nalFormat{
	header: 1,
	isSet:  func(h byte) bool { return h&0x1f == avcSPS },
	skip:   func(h byte) bool { return h&0x1f == avcAUD || h&0x1f == avcFiller },
	aggregate: func(dst, first []byte) []byte {
		return append(dst, first[0]&0x60|avcSTAPA)
	},
	fragment: func(dst, unit []byte, start, end bool) []byte {
		// RFC 6184 figure 14: F and NRI of the unit with type 28, then S, E, R and the unit's type.
		return append(dst, unit[0]&0xe0|avcFUA, flags(start, end)|unit[0]&0x1f)
	},
}

var hevcFormat = nalFormat{
	header: 2,
	isSet:  func(h byte) bool { return h>>1&0x3f == hevcSPS },
	skip:   func(h byte) bool { return h>>1&0x3f == hevcAUD || h>>1&0x3f == hevcFiller },
	aggregate: func(dst, first []byte) []byte {
		return append(dst, first[0]&0x81|hevcAP<<1, first[1])
	},
	fragment: func(dst, unit []byte, start, end bool) []byte {
		return append(dst, unit[0]&0x81|hevcFU<<1, unit[1], flags(start, end)|unit[0]>>1&0x3f)
	},
}
