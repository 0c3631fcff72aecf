package lint

// bitReader reads bits; past the end it gives zeros.
type bitReader struct {
	b   []byte
	pos int
}

func (r *bitReader) bit() uint32 {
	i := r.pos >> 3
	if i >= len(r.b) {
		r.pos++
		return 0
	}
	v := r.b[i] >> (7 - r.pos&7) & 1
	r.pos++
	return uint32(v)
}

func (r *bitReader) over() bool { return r.pos > 8*len(r.b) }

func (r *bitReader) bits(n int) uint32 {
	var v uint32
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

func (r *bitReader) ue() uint32 {
	zeros := 0
	for r.bit() == 0 {
		if zeros++; zeros > 31 || r.over() {
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2) + 1 //nolint:gosec // half of 32 bits
	}
	return -int32(v / 2) //nolint:gosec // half of 32 bits
}

// unescape takes the emulation prevention bytes out.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, v := range b {
		if zeros >= 2 && v == 3 {
			zeros = 0
			continue
		}
		if v == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, v)
	}
	return out
}

// picture is what a sequence parameter set says of the pictures.
type picture struct {
	width, height int
	fps           float64 // 0: not said
	transfer      int     // transfer characteristics of ISO/IEC 23091-2; 0: not read
}

// avcSPS reads a sequence parameter set of H.264 (clause 7.3.2.1.1).
func avcSPS(nal []byte) (p picture) {
	if len(nal) < 5 {
		return p
	}
	r := &bitReader{b: unescape(nal[1:])}
	profile := r.bits(8)
	r.bits(16)
	r.ue()
	chroma := uint32(1)
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		chroma = avcHigh(r)
	}
	r.ue()
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.bit()
		r.se()
		r.se()
		for range min(r.ue(), 255) {
			r.se()
		}
	}
	r.ue()
	r.bit()
	w, h := r.ue()+1, r.ue()+1
	frames := r.bit()
	if frames == 0 {
		r.bit()
	}
	r.bit()
	w, h = 16*w, 16*h*(2-frames)
	if r.bit() == 1 {
		x, y := uint32(1), 2-frames
		if chroma == 1 || chroma == 2 {
			x = 2
		}
		if chroma == 1 {
			y *= 2
		}
		w -= x * (r.ue() + r.ue())
		h -= y * (r.ue() + r.ue())
	}
	if r.over() || w > 1<<15 || h > 1<<15 {
		return picture{}
	}
	return picture{width: int(w), height: int(h), transfer: transferOf(r)}
}

// transferOf reads the usability information (annex E.1.1) as far as the transfer characteristics; 2 means that it tells none.
func transferOf(r *bitReader) int {
	if r.bit() == 0 {
		return 2
	}
	if r.bit() == 1 && r.bits(8) == 255 {
		r.bits(32)
	}
	if r.bit() == 1 {
		r.bit()
	}
	if r.bit() == 0 {
		return 2
	}
	r.bits(4)
	if r.bit() == 0 {
		return 2
	}
	r.bits(8)
	if v := int(r.bits(8)); !r.over() {
		return v
	}
	return 0
}

func avcHigh(r *bitReader) (chroma uint32) {
	chroma = r.ue()
	if chroma == 3 {
		r.bit()
	}
	r.ue()
	r.ue()
	r.bit()
	if r.bit() == 0 {
		return chroma
	}
	lists := 8
	if chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if r.bit() == 0 {
			continue
		}
		size := 16
		if i >= 6 {
			size = 64
		}
		last, next := int32(8), int32(8)
		for range size {
			if next != 0 {
				next = (last + r.se() + 256) % 256
			}
			if next != 0 {
				last = next
			}
		}
	}
	return chroma
}

// hevcSPS reads a sequence parameter set of HEVC (clause 7.3.2.2.1) as far as the size of the pictures.
func hevcSPS(nal []byte) (p picture) {
	if len(nal) < 16 {
		return p
	}
	r := &bitReader{b: unescape(nal[2:])}
	r.bits(4)
	layers := int(r.bits(3))
	r.bit()
	r.bits(32)
	r.bits(32)
	r.bits(32) // general profile, tier and level: 96 bits
	var profiles, levels [8]bool
	for i := range layers {
		profiles[i], levels[i] = r.bit() == 1, r.bit() == 1
	}
	if layers > 0 {
		r.bits(2 * (8 - layers))
	}
	for i := range layers {
		if profiles[i] {
			r.pos += 88
		}
		if levels[i] {
			r.pos += 8
		}
	}
	r.ue()
	chroma := r.ue()
	if chroma == 3 {
		r.bit()
	}
	w, h := r.ue(), r.ue()
	if r.bit() == 1 {
		x, y := uint32(1), uint32(1)
		if chroma == 1 || chroma == 2 {
			x = 2
		}
		if chroma == 1 {
			y = 2
		}
		w -= x * (r.ue() + r.ue())
		h -= y * (r.ue() + r.ue())
	}
	if r.over() || w > 1<<15 || h > 1<<15 {
		return p
	}
	return picture{width: int(w), height: int(h)}
}

// startsRandomAccess says whether an access unit of length-prefixed NAL units is one that decoding may start at; known is
// false when it has no slice.
func startsRandomAccess(data []byte, length int, hevc bool) (random, known, whole bool) {
	for len(data) > 0 {
		if len(data) < length {
			return random, known, false
		}
		n := 0
		for _, b := range data[:length] {
			n = n<<8 | int(b)
		}
		data = data[length:]
		if n > len(data) || n <= 0 { // each unit has at least its header
			return random, known, false
		}
		if !known {
			random, known = sliceKind(data[0], hevc)
		}
		data = data[n:]
	}
	return random, known, true
}

// sliceKind says whether a NAL unit header is of a slice, and whether that slice's picture is a random access point.
func sliceKind(header byte, hevc bool) (random, slice bool) {
	if hevc {
		kind := header >> 1 & 63
		return kind >= 16 && kind <= 23, kind <= 31
	}
	kind := header & 31
	return kind == 5, kind >= 1 && kind <= 5
}

// annexB calls f for each NAL unit of a byte stream until f is done.
func annexB(data []byte, f func(nal []byte) bool) {
	start := -1
	for i := 0; i+3 <= len(data); i++ {
		if data[i] != 0 || data[i+1] != 0 || data[i+2] != 1 {
			continue
		}
		if start >= 0 && f(data[start:i]) {
			return
		}
		start = i + 3
		i += 2
	}
	if start >= 0 && start < len(data) {
		f(data[start:])
	}
}
