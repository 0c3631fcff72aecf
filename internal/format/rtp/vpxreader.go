package rtp

// vp8Reader reads VP8 payloads (RFC 7741 section 4.2).
type vp8Reader struct {
	data    []byte
	started bool
}

func (r *vp8Reader) add(p []byte) bool {
	first := p[0]
	n := 1
	if first&0x80 != 0 { // X: extension
		if len(p) < 2 {
			return false
		}
		ext := p[1]
		n = 2
		if ext&0x80 != 0 { // I: picture id of 7 or 15 bits
			if len(p) <= n {
				return false
			}
			n += 1 + int(p[n]>>7)
		}
		if ext&0x40 != 0 { // L: TL0PICIDX
			n++
		}
		if ext&0x30 != 0 { // T or K
			n++
		}
	}
	if len(p) <= n {
		return false
	}
	if first&0x17 == 0x10 { // S, partition 0: the frame's first packet
		if r.started {
			return false
		}
		r.started = true
	}
	if !r.started {
		return false
	}
	r.data = append(r.data, p[n:]...)
	return true
}

func (r *vp8Reader) finish(bool) ([]byte, bool, bool) {
	// RFC 6386 section 9.1: the lowest bit of the frame tag is 0 in key frames.
	return r.data, len(r.data) > 0 && r.data[0]&1 == 0, r.started
}

func (r *vp8Reader) reset()    { *r = vp8Reader{} }
func (r *vp8Reader) size() int { return len(r.data) }

// vp9Reader reads VP9 payloads (RFC 9628 section 4.2). Spatial layers of one picture become a superframe.
type vp9Reader struct {
	data   []byte
	ends   []int // where each layer frame ends
	inside bool
}

const vp9MaxLayers = 8

func (r *vp9Reader) add(p []byte) bool {
	first := p[0]
	n, ok := vp9Descriptor(p)
	if !ok || len(p) <= n {
		return false
	}
	if first&0x08 != 0 { // B
		if r.inside || len(r.ends) >= vp9MaxLayers {
			return false
		}
		r.inside = true
	}
	if !r.inside {
		return false
	}
	r.data = append(r.data, p[n:]...)
	if first&0x04 != 0 { // E
		r.ends, r.inside = append(r.ends, len(r.data)), false
	}
	return true
}

// vp9Descriptor gives the length of the payload descriptor.
func vp9Descriptor(p []byte) (n int, ok bool) {
	at := func(i int) byte {
		if i < len(p) {
			return p[i]
		}
		return 0
	}
	first := p[0]
	n = 1
	if first&0x80 != 0 { // I
		n += 1 + int(at(n)>>7)
	}
	if first&0x20 != 0 { // L
		n++
		if first&0x10 == 0 { // not flexible: TL0PICIDX
			n++
		}
	}
	if first&0x50 == 0x50 { // F and P: up to three reference differences
		more := byte(1)
		for i := 0; i < 3 && more != 0; i++ {
			more = at(n) & 1
			n++
		}
		if more != 0 {
			return 0, false
		}
	}
	if first&0x02 != 0 { // V: scalability structure
		n = vp9Structure(at, n)
	}
	return n, n <= len(p)
}

func vp9Structure(at func(int) byte, n int) int {
	head := at(n)
	n++
	if head&0x10 != 0 { // Y: sizes of the spatial layers
		n += 4 * (int(head>>5) + 1)
	}
	if head&0x08 != 0 { // G: picture group
		pictures := int(at(n))
		n++
		for range pictures {
			n += 1 + int(at(n)>>2&3)
		}
	}
	return n
}

func (r *vp9Reader) finish(bool) (data []byte, key, whole bool) {
	whole = !r.inside && len(r.ends) > 0
	if !whole {
		return r.data, false, false
	}
	key = vp9Key(r.data)
	data = r.data
	if len(r.ends) > 1 { // VP9 specification annex B: a superframe index with 4-byte sizes
		marker := byte(0xc0 | 3<<3 | (len(r.ends) - 1))
		data = append(data, marker)
		begin := 0
		for _, end := range r.ends {
			size := end - begin
			data = append(data, byte(size), byte(size>>8), byte(size>>16), byte(size>>24))
			begin = end
		}
		data = append(data, marker)
	}
	return data, key, true
}

// vp9Key reads the frame type of the uncompressed header (VP9 specification section 6.2).
func vp9Key(data []byte) bool {
	if len(data) == 0 || data[0]>>6 != 2 {
		return false
	}
	bits := data[0] << 2
	if bits&0xc0 == 0xc0 { // profile 3 has a reserved bit
		bits <<= 1
	}
	bits <<= 2
	return bits&0xc0 == 0 // show_existing_frame and frame_type
}

func (r *vp9Reader) reset()    { *r = vp9Reader{} }
func (r *vp9Reader) size() int { return len(r.data) }
