package aac

import "weir/internal/bits"

// New describes plain AAC of an object type (LC unless you know better) from its sample rate and channels.
func New(objectType, sampleRate, channels int) *Config {
	c := &Config{ObjectType: objectType, CoreRate: sampleRate, SampleRate: sampleRate,
		CoreChannels: channels, Channels: channels, FrameLength: SamplesPerFrame}
	for i := 1; i <= 7; i++ {
		if channelCounts[i] == channels {
			c.ChannelConfig = i
		}
	}
	return c
}

// Build writes an AudioSpecificConfig for the object types Main to LTP: explicit hierarchical signalling for HE-AAC
// unless Compatible is set. Channels that only a program config element could
// describe are an error.
func Build(c *Config) ([]byte, error) {
	if c.ObjectType < Main || c.ObjectType > LTP || c.CoreRate < 1000 || c.CoreRate > 192000 {
		return nil, bad("object type or sample rate out of range")
	}
	if c.ChannelConfig < 1 || c.ChannelConfig > 15 || channelCounts[c.ChannelConfig] == 0 {
		return nil, bad("this number of channels has no channel configuration")
	}
	if c.SBR && (c.SampleRate < 1000 || c.SampleRate > 192000) {
		return nil, bad("the output sample rate is out of range")
	}
	var w bits.Writer
	hierarchical := c.SBR && !c.Compatible
	if hierarchical {
		w.U(5, uint32(pick(c.PS, PS, SBR)))
	} else {
		w.U(5, uint32(c.ObjectType))
	}
	writeRate(&w, c.CoreRate)
	w.U(4, uint32(c.ChannelConfig))
	if hierarchical {
		writeRate(&w, c.SampleRate)
		w.U(5, uint32(c.ObjectType))
	}
	w.Flag(c.FrameLength == 960)
	w.U(2, 0) // no core coder, no extension
	if c.SBR && c.Compatible {
		w.U(11, 0x2B7)
		w.U(5, SBR)
		w.Flag(true)
		writeRate(&w, c.SampleRate)
		if c.PS {
			w.U(11, 0x548)
			w.Flag(true)
		}
	}
	return w.Bytes(), nil
}

func pick(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

func rateIndex(rate int) int {
	for i, r := range sampleRates {
		if r == rate {
			return i
		}
	}
	return escapeRate
}

func writeRate(w *bits.Writer, rate int) {
	i := rateIndex(rate)
	w.U(4, uint32(i))
	if i == escapeRate {
		w.U(24, uint32(rate))
	}
}
