package health

import (
	"weir/internal/bits"
	"weir/internal/media"
)

// silent reports whether an audio frame holds digital silence, as far as that can be told without decoding it.
func silent(t *media.Track, frame []byte) bool {
	switch t.Codec {
	case media.AAC:
		return silentAAC(frame)
	case media.Opus:
		return silentOpus(frame)
	case media.MP3:
		return silentMP3(frame)
	case media.FLAC:
		return len(frame) <= 9+5*max(t.Channels, 1) // nothing but headers and constant subframes (RFC 9639 9.2.3)
	case media.PCMA:
		return all(frame, 0xD5, 0x55)
	case media.PCMU:
		return all(frame, 0xFF, 0x7F)
	}
	return false
}

func all(frame []byte, a, b byte) bool {
	for _, v := range frame {
		if v != a && v != b {
			return false
		}
	}
	return len(frame) > 0
}

// silentOpus knows the packets of DTX (RFC 6716 3.1: nothing but the TOC byte, or little more) and CELT's
// silence flag (4.3): it is the first symbol, so improbable that its frame begins with FFFE or FFFF.
func silentOpus(p []byte) bool {
	if len(p) <= 2 {
		return true
	}
	celt, oneFrame := p[0]&0x80 != 0, p[0]&3 == 0
	return celt && oneFrame && p[1] == 0xFF && p[2] >= 0xFE
}

// silentMP3 looks into the side information (ISO 11172-3 2.4.1.7): silence has no values in any granule.
func silentMP3(f []byte) bool {
	if len(f) < 36 || f[1]>>3&3 != 3 || f[1]>>1&3 != 1 { // MPEG-1 layer III
		return false
	}
	at, channels := 4, 2
	if f[1]&1 == 0 {
		at += 2 // CRC
	}
	if f[3]>>6 == 3 {
		channels = 1
	}
	r := bits.NewReader(f[at:])
	r.Skip(9 + 7 - 2*channels + 4*channels) // main_data_begin, private_bits (5 or 3), scfsi
	for range 2 * channels {
		r.Skip(12)
		if r.U(9) != 0 { // big_values
			return false
		}
		r.Skip(38)
	}
	return r.OK()
}

// Syntactic elements and limits of AAC (ISO/IEC 14496-3 4.5.2.1).
const (
	aacSingle     = 0
	aacPair       = 1
	aacFill       = 6
	aacEightShort = 2
)

// silentAAC reads a raw_data_block as far as it takes to see that its first element holds no spectrum at all
// (ISO/IEC 14496-3 4.4.2): no bands, or only sections of the zero codebook. Fill after it is
// not looked at: encoders with a constant rate pad silence.
func silentAAC(f []byte) bool {
	r := bits.NewReader(f)
	element := r.U(3)
	for ; element == aacFill && r.OK(); element = r.U(3) { // an encoder's name, say, before the sound
		count := int(r.U(4))
		if count == 15 {
			count += int(r.U(8)) - 1
		}
		r.Skip(8 * count)
	}
	r.Skip(4) // tag
	switch element {
	case aacSingle:
		r.Skip(8) // global_gain
		return zeroChannel(&r, readICS(&r)) && r.OK()
	case aacPair:
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

// aacWindow is what ics_info says.
type aacWindow struct {
	bands, groups int
	short         bool
	bad           bool
}

func readICS(r *bits.Reader) aacWindow {
	r.Skip(1)
	w := aacWindow{groups: 1, short: r.U(2) == aacEightShort}
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
func zeroChannel(r *bits.Reader, w aacWindow) bool {
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
