// Package ac3 reads what describes an AC-3 or E-AC-3 stream (ETSI TS 102 366): the
// syncframe header, and the records dac3 and dec3 (annex F). What belongs here:
// facts read from bytes. What does not: decoding audio, and any other container box.
package ac3

import (
	"errors"

	"weir/internal/bits"
	"weir/internal/fault"
)

// CODECS parameters (RFC 6381; the sample entry codes).
const (
	CodecString         = "ac-3"
	EnhancedCodecString = "ec-3"
)

const (
	syncWord        = 0x0B77
	samplesPerBlock = 256 // samples in one audio block
)

// Header is what a syncframe says of itself.
type Header struct {
	Enhanced    bool // E-AC-3
	StreamType  int  // E-AC-3: 0 independent, 1 dependent, 2 AC-3 converted
	SubstreamID int  // E-AC-3
	SampleRate  int
	RateCode    uint8 // fscod
	BSID, BSMod uint8
	ACMod       uint8 // speaker layout
	LFE         bool
	BitRateCode uint8  // AC-3: frmsizecod / 2
	Bitrate     int    // bit/s; E-AC-3: of this substream
	Size        int    // bytes
	Samples     int    // per channel
	ChannelMap  uint16 // E-AC-3 dependent substream: chanmap, Left on top; 0 = none
}

// channels is the number of full-range channels by acmod (table 4.3).
var channels = [...]int{2, 1, 2, 3, 3, 4, 4, 5}

// bitrates is table 4.13 in kbit/s, by frmsizecod / 2.
var bitrates = [...]int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640}

var sampleRates = [...]int{48000, 44100, 32000}

func bad(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "ac3_bad",
		"An AC-3 frame or its configuration cannot be read.", "Check the connection between encoder and server; restart the encoder if it stays.")
}

// Made once: who looks for a header asks at every byte.
var (
	errNoSync     = bad("no sync word")
	errVersion    = bad("unknown bit stream version")
	errRate       = bad("reserved rate")
	errStreamType = bad("reserved stream type")
	errShort      = bad("cut short")
)

// Channels counts the channels, LFE included.
func (h *Header) Channels() int {
	n := channels[h.ACMod&7]
	if h.LFE {
		n++
	}
	return n
}

// ParseHeader reads the syncframe at the start of b. The frame itself need not be whole.
func ParseHeader(b []byte) (Header, error) {
	r := bits.NewReader(b)
	if len(b) < 6 || r.U(16) != syncWord {
		return Header{}, errNoSync
	}
	h := Header{BSID: b[5] >> 3}
	var err error
	switch {
	case h.BSID <= 10:
		err = h.readAC3(&r)
	case h.BSID <= 16:
		err = h.readEnhanced(&r)
	default:
		err = errVersion
	}
	if err == nil && !r.OK() {
		err = errShort
	}
	if err != nil {
		return Header{}, err
	}
	return h, nil
}

// readAC3 reads syncinfo and the start of bsi (4.3).
func (h *Header) readAC3(r *bits.Reader) error {
	r.U(16) // crc1
	h.RateCode = uint8(r.U(2))
	size := int(r.U(6))
	if h.RateCode == 3 || size/2 >= len(bitrates) {
		return errRate
	}
	r.U(5)
	h.BSMod, h.ACMod = uint8(r.U(3)), uint8(r.U(3))
	if h.ACMod&1 != 0 && h.ACMod != 1 {
		r.U(2) // cmixlev
	}
	if h.ACMod&4 != 0 {
		r.U(2) // surmixlev
	}
	if h.ACMod == 2 {
		r.U(2) // dsurmod
	}
	h.LFE = r.Flag()
	h.BitRateCode = uint8(size / 2)
	rate := bitrates[size/2]
	switch h.RateCode {
	case 0:
		h.Size = rate * 4
	case 1:
		h.Size = 2 * (320*rate/147 + size&1)
	default:
		h.Size = rate * 6
	}
	half := uint(max(h.BSID, 8) - 8) // versions 9 and 10 halve and quarter the rate
	h.SampleRate = sampleRates[h.RateCode] >> half
	h.Bitrate = rate * 1000 >> half
	h.Samples = 6 * samplesPerBlock
	return nil
}

// readEnhanced reads the start of the E-AC-3 bsi (E.1.2.2).
func (h *Header) readEnhanced(r *bits.Reader) error {
	h.Enhanced = true
	h.StreamType, h.SubstreamID = int(r.U(2)), int(r.U(3))
	h.Size = 2 * (int(r.U(11)) + 1)
	if h.StreamType == 3 {
		return errStreamType
	}
	blocks := 6
	if h.RateCode = uint8(r.U(2)); h.RateCode == 3 {
		half := r.U(2)
		if half == 3 {
			return errRate
		}
		h.SampleRate = sampleRates[half] / 2
	} else {
		h.SampleRate = sampleRates[h.RateCode]
		blocks = [...]int{1, 2, 3, 6}[r.U(2)]
	}
	h.ACMod, h.LFE = uint8(r.U(3)), r.Flag()
	h.Samples = blocks * samplesPerBlock
	h.Bitrate = 8 * h.Size * h.SampleRate / h.Samples
	r.U(5) // bsid
	for range 1 + bit(h.ACMod == 0) {
		r.U(5) // dialnorm
		if r.Flag() {
			r.U(8) // compr
		}
	}
	if h.StreamType == 1 && r.Flag() {
		h.ChannelMap = uint16(r.U(16))
	}
	return nil
}

func bit(v bool) int {
	if v {
		return 1
	}
	return 0
}
