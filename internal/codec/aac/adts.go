package aac

import (
	"errors"

	"weir/internal/fault"
)

// ADTS is the header of one frame in an MPEG-TS or a plain AAC file (ISO/IEC
// 14496-3 1.A.3.2).
type ADTS struct {
	ObjectType    int
	SampleRate    int
	ChannelConfig int
	HeaderSize    int // 7, or 9 with a checksum
	FrameSize     int // header included
	Blocks        int // raw data blocks in the frame, 1 to 4
}

func badADTS(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "aac_adts_bad",
		"An AAC frame has a broken ADTS header.", "Bytes were lost on the way: check the connection of the publisher.")
}

// Made once: who looks for a header asks at every byte, and in FLV at every frame.
var (
	errNoSync = badADTS("no sync word")
	errRate   = badADTS("reserved sample rate")
	errShort  = badADTS("frame shorter than its header")
	errNoADTS = badADTS("this audio cannot be carried in ADTS")
)

// ParseADTS reads the header at the start of b. The frame itself need not be whole.
func ParseADTS(b []byte) (ADTS, error) {
	if len(b) < 7 || b[0] != 0xFF || b[1]&0xF6 != 0xF0 {
		return ADTS{}, errNoSync
	}
	rate := int(b[2] >> 2 & 15)
	if rate >= len(sampleRates) {
		return ADTS{}, errRate
	}
	h := ADTS{
		ObjectType:    int(b[2]>>6) + 1,
		SampleRate:    sampleRates[rate],
		ChannelConfig: int(b[2]&1)<<2 | int(b[3]>>6),
		HeaderSize:    7,
		FrameSize:     int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5),
		Blocks:        int(b[6]&3) + 1,
	}
	if b[1]&1 == 0 {
		h.HeaderSize = 9
	}
	if h.FrameSize <= h.HeaderSize {
		return ADTS{}, errShort
	}
	return h, nil
}

// Config is the configuration that the header implies. With channel configuration 0 the
// channels stand in the first frame; they are taken for stereo then, as most decoders do.
func (h ADTS) Config() *Config {
	c := &Config{ObjectType: h.ObjectType, CoreRate: h.SampleRate, SampleRate: h.SampleRate,
		ChannelConfig: h.ChannelConfig, FrameLength: SamplesPerFrame}
	if c.ChannelConfig == 0 {
		c.ChannelConfig = 2
	}
	c.CoreChannels = channelCounts[c.ChannelConfig]
	c.Channels = c.CoreChannels
	return c
}

// AppendADTS appends the header for a raw frame of size bytes. ADTS knows the
// core only: HE-AAC is found by the decoder itself. A rate without an index or a frame over 8184 bytes cannot be written.
func AppendADTS(dst []byte, c *Config, size int) ([]byte, error) {
	rate := rateIndex(c.CoreRate)
	full := size + 7
	if rate == escapeRate || c.ObjectType < 1 || c.ObjectType > 4 || c.ChannelConfig > 7 || size <= 0 || full > 0x1FFF {
		return dst, errNoADTS
	}
	return append(dst,
		0xFF, 0xF1, // MPEG-4, no checksum
		byte(c.ObjectType-1)<<6|byte(rate)<<2|byte(c.ChannelConfig>>2),
		byte(c.ChannelConfig&3)<<6|byte(full>>11),
		byte(full>>3),
		byte(full&7)<<5|0x1F,
		0xFC), nil
}
