package aac

import "weir/internal/bits"

// Syntactic elements, and the window sequence of eight short windows (ISO/IEC 14496-3 4.5.2.1, 4.6.11).
const (
	elementSingle = 0
	elementPair   = 1
	elementFill   = 6
	eightShort    = 2
)

// Silent reads a raw_data_block as far as it takes to see that its first element holds no spectrum at all
// (ISO/IEC 14496-3 4.4.2), which is digital silence: no bands, or only sections of the zero codebook. Fill after it is
// not looked at: encoders with a constant rate pad silence.
func Silent(f []byte) bool {
	r := bits.NewReader(f)
	element := r.U(3)
	for ; element == elementFill && r.OK(); element = r.U(3) { // an encoder's name, say, before the sound
		count := int(r.U(4))
		if count == 15 {
			count += int(r.U(8)) - 1
		}
		r.Skip(8 * count)
	}
	r.Skip(4) // tag
	switch element {
	case elementSingle:
		r.Skip(8) // global_gain
		return zeroChannel(&r, readICS(&r)) && r.OK()
	case elementPair:
		if !r.Flag() { // each channel has its own window
			for range 2 {
				r.Skip(8)
				if !zeroChannel(&r, readICS(&r)) {
					return false
				}
			}
			return r.OK()
		}
		w := readICS(&r)
		if r.U(2) == 1 { // ms_mask_present
			r.Skip(w.groups * w.bands)
		}
		for range 2 {
			r.Skip(8)
			if !zeroChannel(&r, w) {
				return false
			}
		}
		return r.OK()
	}
	return false
}

// window is what ics_info says.
type window struct {
	bands, groups int
	short         bool
	bad           bool
}

func readICS(r *bits.Reader) window {
	r.Skip(1)
	w := window{groups: 1, short: r.U(2) == eightShort}
	r.Skip(1)
	if w.short {
		w.bands = int(r.U(4))
		for grouping := r.U(7); grouping != 1<<7-1; grouping |= grouping + 1 { // each 0 begins a group
			w.groups++
		}
		return w
	}
	w.bands = int(r.U(6))
	w.bad = r.Flag() // prediction: not in AAC LC
	return w
}

// zeroChannel reads an individual_channel_stream after its global_gain and ics_info, and is false as soon as there is
// something to hear.
func zeroChannel(r *bits.Reader, w window) bool {
	if w.bad {
		return false
	}
	size := uint(5)
	if w.short {
		size = 3
	}
	escape := uint32(1)<<size - 1
	for range w.groups {
		for band := 0; band < w.bands; {
			if r.U(4) != 0 || !r.OK() {
				return false
			}
			length := r.U(size)
			for band += int(length); length == escape && r.OK(); band += int(length) {
				length = r.U(size)
			}
			if length == 0 && band == 0 {
				return false
			}
		}
	}
	return r.U(3) == 0 && r.OK() // no pulse data, noise shaping or gain control, so no more data
}
