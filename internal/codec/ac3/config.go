package ac3

import (
	"bytes"

	"weir/internal/bits"
)

// Substream is one independent substream of a dec3 record.
type Substream struct {
	RateCode, BSID, BSMod, ACMod uint8
	LFE                          bool
	Dependent                    int    // dependent substreams that extend it
	Places                       uint16 // 9 bits: the channel pairs that these add, see places
}

// Config is what dac3 or dec3 says.
type Config struct {
	Enhanced   bool
	SampleRate int
	Channels   int
	Bitrate    int // bit/s, 0 = unknown
	Substreams []Substream
}

// places are the speakers of chan_loc (F.6.2), the lowest bit first, as bits of chanmap (E.1.3.1.8,
// whose bit 0 is the top one), with the number of channels in each.
var places = [...]struct{ chanmap, channels int }{
	{5, 2}, {6, 2}, {7, 1}, {8, 1}, {9, 2}, {10, 2}, {11, 2}, {12, 1}, {14, 1},
}

// Build describes a stream by its first sample: dac3 for AC-3, dec3 for E-AC-3.
func Build(sample []byte) ([]byte, error) {
	first, err := ParseHeader(sample)
	if err != nil {
		return nil, err
	}
	if first.Enhanced {
		return buildEnhanced(sample)
	}
	var w bits.Writer
	w.U(2, uint32(first.RateCode))
	w.U(5, uint32(first.BSID))
	w.U(3, uint32(first.BSMod))
	w.U(3, uint32(first.ACMod))
	w.Flag(first.LFE)
	w.U(5, uint32(first.BitRateCode))
	w.U(5, 0)
	return w.Bytes(), nil
}

// buildEnhanced gathers the substreams of one access unit (F.6).
func buildEnhanced(sample []byte) ([]byte, error) {
	var subs []Substream
	rate := 0
	for len(sample) > 0 {
		h, err := ParseHeader(sample)
		if err != nil || !h.Enhanced {
			break
		}
		switch {
		case h.StreamType != 1:
			if h.SubstreamID < len(subs) || len(subs) == 8 {
				sample = nil // the next access unit begins
				continue
			}
			subs = append(subs, Substream{RateCode: h.RateCode, BSID: h.BSID, ACMod: h.ACMod, LFE: h.LFE})
		case len(subs) > 0 && subs[len(subs)-1].Dependent < 15:
			s := &subs[len(subs)-1]
			s.Dependent++
			s.Places |= placesOf(h.ChannelMap)
		}
		rate += h.Bitrate
		sample = sample[min(h.Size, len(sample)):]
	}
	if len(subs) == 0 {
		return nil, bad("no independent substream")
	}
	var w bits.Writer
	w.U(13, uint32(min(rate/1000, 1<<13-1)))
	w.U(3, uint32(len(subs)-1))
	for _, s := range subs {
		s.write(&w)
	}
	return w.Bytes(), nil
}

func (s Substream) write(w *bits.Writer) {
	w.U(2, uint32(s.RateCode))
	w.U(5, uint32(s.BSID))
	w.U(2, 0) // reserved, asvc
	w.U(3, uint32(s.BSMod))
	w.U(3, uint32(s.ACMod))
	w.Flag(s.LFE)
	w.U(3, 0)
	w.U(4, uint32(s.Dependent))
	if s.Dependent > 0 {
		w.U(9, uint32(s.Places))
	} else {
		w.U(1, 0)
	}
}

func placesOf(chanmap uint16) (bits uint16) {
	for i, p := range places {
		if chanmap&(0x8000>>p.chanmap) != 0 {
			bits |= 1 << i
		}
	}
	return bits
}

// ParseConfig reads a dac3 record without its box header.
func ParseConfig(b []byte) (*Config, error) {
	r := bits.NewReader(b)
	s := Substream{RateCode: uint8(r.U(2)), BSID: uint8(r.U(5)), BSMod: uint8(r.U(3)), ACMod: uint8(r.U(3)), LFE: r.Flag()}
	code := int(r.U(5))
	if !r.OK() || s.RateCode == 3 || s.BSID > 10 || code >= len(bitrates) {
		return nil, bad("not a dac3 record")
	}
	half := uint(max(s.BSID, 8) - 8)
	c := &Config{SampleRate: sampleRates[s.RateCode] >> half, Bitrate: bitrates[code] * 1000 >> half, Substreams: []Substream{s}}
	c.Channels = s.channels()
	return c, nil
}

// ParseEnhancedConfig reads a dec3 record without its box header. Rates under 32 kHz are
// not told there: the first frame has them, and SampleRate stays 0.
func ParseEnhancedConfig(b []byte) (*Config, error) {
	r := bits.NewReader(b)
	c := &Config{Enhanced: true, Bitrate: int(r.U(13)) * 1000}
	for range r.U(3) + 1 {
		s := Substream{RateCode: uint8(r.U(2)), BSID: uint8(r.U(5))}
		r.U(2)
		s.BSMod, s.ACMod, s.LFE = uint8(r.U(3)), uint8(r.U(3)), r.Flag()
		r.U(3)
		if s.Dependent = int(r.U(4)); s.Dependent > 0 {
			s.Places = uint16(r.U(9))
		} else {
			r.U(1)
		}
		c.Substreams = append(c.Substreams, s)
	}
	if !r.OK() {
		return nil, bad("not a dec3 record")
	}
	c.Channels = c.Substreams[0].channels()
	if code := c.Substreams[0].RateCode; code < 3 {
		c.SampleRate = sampleRates[code]
	}
	return c, nil
}

func (s Substream) channels() int {
	n := channels[s.ACMod] + bit(s.LFE)
	for i, p := range places {
		if s.Places&(1<<i) != 0 {
			n += p.channels
		}
	}
	return n
}

// Samples is the length of a sample: all its syncframes of the first independent
// substream, 0 when it is broken.
func Samples(sample []byte) int {
	total := 0
	for len(sample) > 0 {
		h, err := ParseHeader(sample)
		if err != nil {
			return total
		}
		if h.StreamType != 1 && h.SubstreamID == 0 {
			total += h.Samples
		}
		sample = sample[min(h.Size, len(sample)):]
	}
	return total
}

// Update gives the record that a sample asks for, nil when the given one says the same or the
// sample cannot be read. The data rate of E-AC-3 may change from frame to frame and does not count.
func Update(config, sample []byte, enhanced bool) []byte {
	h, err := ParseHeader(sample)
	if err != nil || h.Enhanced != enhanced || h.StreamType == 1 {
		return nil
	}
	b, err := Build(sample)
	if err != nil {
		return nil
	}
	if enhanced && len(config) >= len(b) && config[1]&7 == b[1]&7 && bytes.Equal(config[2:len(b)], b[2:]) || bytes.Equal(config, b) {
		return nil
	}
	return b
}
