package rtp

import "weir/internal/media"

// OBU types (AV1 specification section 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuTileList          = 8
	obuPadding           = 15
)

// av1Sets takes the configuration OBUs out of an AV1CodecConfigurationRecord: the sequence header.
func av1Sets(config []byte) (sets [][]byte) {
	if len(config) <= 4 {
		return nil
	}
	for _, o := range obus(nil, config[4:]) {
		if o.kind() == obuSequenceHeader {
			sets = append(sets, o.bare(nil))
		}
	}
	return sets
}

// obu is one open bitstream unit: its header (1 or 2 bytes, the size flag as found) and its payload.
type obu struct{ header, payload []byte }

func (o obu) kind() byte { return o.header[0] >> 3 & 0xf }

// bare appends the unit without a size field, as the RTP payload format wants it (AV1 RTP section 5).
func (o obu) bare(dst []byte) []byte {
	dst = append(dst, o.header[0]&^0x02)
	return append(append(dst, o.header[1:]...), o.payload...)
}

func (o obu) size() int { return len(o.header) + len(o.payload) }

// obus splits a low-overhead bitstream. A unit without a size field reaches to the end.
func obus(dst []obu, data []byte) []obu {
	for len(data) > 0 {
		header := 1
		if data[0]&0x04 != 0 {
			header = 2
		}
		if len(data) < header {
			return dst
		}
		n, used := uint64(len(data)-header), 0
		if data[0]&0x02 != 0 {
			if n, used = leb128(data[header:]); used == 0 || n > uint64(len(data)-header-used) {
				return dst
			}
		}
		from := header + used
		dst = append(dst, obu{header: data[:header], payload: data[from : from+int(n)]})
		data = data[from+int(n):]
	}
	return dst
}

func leb128(data []byte) (value uint64, used int) {
	for i := 0; i < 8 && i < len(data); i++ {
		value |= uint64(data[i]&0x7f) << (7 * i)
		if data[i]&0x80 == 0 {
			return value, i + 1
		}
	}
	return 0, 0
}

func appendLEB128(dst []byte, v int) []byte {
	for v >= 0x80 {
		dst, v = append(dst, byte(v)|0x80), v>>7
	}
	return append(dst, byte(v))
}

// splitAV1 puts the OBUs of a temporal unit into packets (AV1 RTP section 4.3). Every element but the
// last of a packet carries its length; W is left 0 and all carry it, which spares counting ahead.
func (p *Packetizer) splitAV1(b *builder, f *media.Frame) {
	units := obus(nil, f.Data)
	hasHeader := false
	for _, o := range units {
		hasHeader = hasHeader || o.kind() == obuSequenceHeader
	}
	w := av1Writer{b: b}
	if f.Key {
		w.first = 0x08 // N: a coded video sequence starts here
		if !hasHeader {
			for _, s := range p.sets {
				w.element(s[:1], s[1:])
			}
		}
	}
	for _, o := range units {
		switch o.kind() {
		case obuTemporalDelimiter, obuTileList, obuPadding:
			continue
		}
		header := [2]byte{o.header[0] &^ 0x02}
		copy(header[1:], o.header[1:])
		w.element(header[:len(o.header)], o.payload)
	}
	w.end()
}

// av1Writer fills packets with OBU elements.
type av1Writer struct {
	b     *builder
	open  bool
	first byte // aggregation header bits of the first packet
}

// element adds an OBU given in two pieces, over as many packets as it takes.
func (w *av1Writer) element(header, payload []byte) {
	continued := false
	for len(header)+len(payload) > 0 {
		if w.open && w.b.room() < 8 { // not worth a fragment
			w.end()
		}
		if !w.open {
			w.b.open()
			aggregation := w.first
			if continued {
				aggregation |= 0x80 // Z
			}
			w.b.buf, w.open, w.first = append(w.b.buf, aggregation), true, 0
		}
		total := len(header) + len(payload)
		n := min(total, w.b.room()-2) // at most two bytes of length below 16384
		w.b.buf = appendLEB128(w.b.buf, n)
		h := min(n, len(header))
		w.b.buf = append(w.b.buf, header[:h]...)
		w.b.buf = append(w.b.buf, payload[:n-h]...)
		header, payload = header[h:], payload[n-h:]
		if n < total {
			w.b.buf[w.b.start+HeaderSize] |= 0x40 // Y: the last element goes on in the next packet
			w.end()
			continued = true
		}
	}
}

func (w *av1Writer) end() {
	if w.open {
		w.b.close()
		w.open = false
	}
}
