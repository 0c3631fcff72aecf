package rtp

// av1Reader reads AV1 payloads (AV1 RTP section 4.3) into a low-overhead bitstream.
type av1Reader struct {
	data   []byte
	part   []byte // the element that goes on in the next packet
	inPart bool
	seen   bool // an element of this unit was read
	key    bool
	header bool // a sequence header came in this unit
	framed bool // a frame came in this unit
	sets   setStore
}

func (r *av1Reader) add(p []byte) bool {
	head, rest := p[0], p[1:]
	continues, goesOn, count := head&0x80 != 0, head&0x40 != 0, int(head>>4&3)
	if continues != r.inPart {
		return false
	}
	for i := 1; len(rest) > 0; i++ {
		n := len(rest)
		if count == 0 || i < count {
			length, used := leb128(rest)
			if used == 0 || length > uint64(len(rest)-used) {
				return false
			}
			n, rest = int(length), rest[used:]
		}
		element := rest[:n]
		rest = rest[n:]
		if !r.element(element, len(rest) == 0 && goesOn) {
			return false
		}
		if i == count && len(rest) > 0 {
			return false
		}
	}
	return true
}

// element takes one element of a packet; more says that it goes on in the next packet.
func (r *av1Reader) element(e []byte, more bool) bool {
	if r.inPart || more {
		r.part = append(r.part, e...)
		r.inPart = more
		if more {
			return true
		}
		e = r.part
		r.part = nil
	}
	if len(e) == 0 {
		return true
	}
	return r.unit(e)
}

// unit adds a whole OBU with a size field.
func (r *av1Reader) unit(e []byte) bool {
	if e[0]&0x80 != 0 { // the forbidden bit
		return false
	}
	split := obus(nil, e)
	if len(split) != 1 {
		return false
	}
	o := split[0]
	r.seen = true
	switch kind := o.kind(); kind {
	case obuTemporalDelimiter, obuTileList, obuPadding:
		return true
	case obuSequenceHeader:
		r.header = true
		r.sets.put(obuSequenceHeader, 0, o.bare(nil))
	case 3, 6: // frame header, frame
		if !r.framed && len(o.payload) > 0 {
			// show_existing_frame is 0 and frame_type is KEY_FRAME (AV1 specification section 5.9.2).
			r.key = o.payload[0]>>5 == 0
			r.framed = true
		}
	}
	r.data = append(append(r.data, o.header[0]|0x02), o.header[1:]...)
	r.data = append(appendLEB128(r.data, len(o.payload)), o.payload...)
	return true
}

func (r *av1Reader) finish(bool) ([]byte, bool, bool) {
	return r.data, r.key && r.header, !r.inPart
}

func (r *av1Reader) reset() {
	*r = av1Reader{sets: r.sets}
}

func (r *av1Reader) size() int { return len(r.data) + len(r.part) }
