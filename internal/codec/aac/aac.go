// Package aac reads and writes what describes an AAC stream: the
// AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) and the ADTS header (1.A.3.2).
// What belongs here: facts read from bytes. What does not: decoding audio, LATM.
package aac

import (
	"errors"
	"fmt"

	"weir/internal/bits"
	"weir/internal/fault"
)

// Audio object types (ISO/IEC 14496-3 table 1.17).
const (
	Main = 1
	LC   = 2
	SSR  = 3
	LTP  = 4
	SBR  = 5
	PS   = 29
)

// SamplesPerFrame is the usual length of a frame of the core coder.
const SamplesPerFrame = 1024

const escapeRate = 15 // sampling frequency index that announces an explicit rate

var sampleRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// channelCounts is table 1.19 with the additions of ISO/IEC 14496-3:2009/Amd 4; 0 = reserved.
var channelCounts = [...]int{0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0}

// Config is what an AudioSpecificConfig says.
type Config struct {
	ObjectType    int  // of the core: LC for HE-AAC too
	CoreRate      int  // sample rate of the core, Hz
	ChannelConfig int  // 0 = described by a program config element
	CoreChannels  int  // channels of the core
	SBR, PS       bool // spectral band replication (HE-AAC), parametric stereo (HE-AAC v2)
	Compatible    bool // SBR and PS are signalled behind the core's config, for decoders that do not know them
	SampleRate    int  // of the output, Hz
	Channels      int  // of the output
	FrameLength   int  // core samples per frame: 1024 or 960 (512 or 480 for low delay)
}

func bad(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "aac_config_bad",
		"The AAC configuration (AudioSpecificConfig) cannot be read.",
		"Restart the encoder; if it stays, choose plain AAC-LC there.")
}

// Parse reads an AudioSpecificConfig.
func Parse(b []byte) (*Config, error) {
	c := &Config{}
	if err := parse(c, b); err != nil {
		return nil, err
	}
	return c, nil
}

func parse(c *Config, b []byte) error {
	r := bits.NewReader(b)
	c.ObjectType = readObjectType(&r)
	c.CoreRate = readRate(&r)
	c.ChannelConfig = int(r.U(4))
	extRate := 0
	if c.ObjectType == SBR || c.ObjectType == PS {
		c.SBR, c.PS = true, c.ObjectType == PS
		extRate = readRate(&r)
		c.ObjectType = readObjectType(&r)
	}
	if !r.OK() {
		return bad("cut short")
	}
	if c.CoreRate <= 0 || extRate < 0 || c.SBR && extRate == 0 {
		return bad("a sample rate out of range")
	}
	if err := c.readSpecific(&r); err != nil {
		return err
	}
	if !c.SBR && r.Left() >= 16 {
		extRate = c.readSync(&r)
	}
	c.SampleRate, c.Channels = c.CoreRate, c.CoreChannels
	if c.SBR {
		c.SampleRate = extRate
	}
	if c.PS && c.CoreChannels == 1 {
		c.Channels = 2
	}
	return nil
}

func readObjectType(r *bits.Reader) int {
	t := int(r.U(5))
	if t == 31 {
		t = 32 + int(r.U(6))
	}
	return t
}

// readRate gives -1 for a reserved index or a rate beyond what AAC has.
func readRate(r *bits.Reader) int {
	i := int(r.U(4))
	if i == escapeRate {
		if rate := int(r.U(24)); rate >= 1000 && rate <= 192000 {
			return rate
		}
		return -1
	}
	if i >= len(sampleRates) {
		return -1
	}
	return sampleRates[i]
}

// readSpecific reads the GASpecificConfig (4.4.1), which tells the frame length and,
// in a program config element, the channels.
func (c *Config) readSpecific(r *bits.Reader) error {
	c.FrameLength = SamplesPerFrame
	c.CoreChannels = channelCounts[c.ChannelConfig]
	switch c.ObjectType {
	case Main, LC, SSR, LTP, 6, 7, 17, 19, 20, 21, 22, 23:
	case 39: // ER AAC ELD has its own config; its frames are 512 or 480 samples
		c.FrameLength = 512
		if r.Flag() {
			c.FrameLength = 480
		}
		return c.checkChannels()
	default:
		return bad(fmt.Sprintf("audio object type %d is not AAC", c.ObjectType))
	}
	if r.Flag() {
		c.FrameLength = 960
	}
	if c.ObjectType == 23 {
		c.FrameLength /= 2
	}
	if r.Flag() {
		r.U(14) // coreCoderDelay
	}
	extension := r.Flag()
	if c.ChannelConfig == 0 {
		c.CoreChannels = readProgram(r)
	}
	if c.ObjectType == 6 || c.ObjectType == 20 {
		r.U(3) // layerNr
	}
	if extension {
		c.skipExtension(r)
	}
	if !r.OK() {
		return bad("cut short")
	}
	return c.checkChannels()
}

func (c *Config) skipExtension(r *bits.Reader) {
	switch c.ObjectType {
	case 22:
		r.U(16) // numOfSubFrame, layer_length
	case 17, 19, 20, 23:
		r.U(3) // resilience flags
	}
	r.Flag() // extensionFlag3
}

func (c *Config) checkChannels() error {
	if c.CoreChannels == 0 {
		return bad("no or unknown channels")
	}
	return nil
}

// readProgram counts the channels of a program_config_element (4.4.1.1).
func readProgram(r *bits.Reader) (channels int) {
	r.U(10) // element_instance_tag, object_type, sampling_frequency_index
	front, side, back := r.U(4), r.U(4), r.U(4)
	lfe, data, coupling := r.U(2), r.U(3), r.U(4)
	for _, size := range [...]uint{4, 4, 3} { // mono mixdown, stereo mixdown, matrix mixdown
		if r.Flag() {
			r.U(size)
		}
	}
	for range front + side + back {
		channels++
		if r.Flag() {
			channels++
		}
		r.U(4)
	}
	channels += int(lfe)
	r.Skip(int(4*lfe + 4*data + 5*coupling))
	r.Align()
	r.Skip(8 * int(r.U(8))) // comment
	return channels
}

// readSync looks for the backward compatible extension (1.6.5.2): 0x2b7, SBR, and
// within it 0x548, PS. It gives the output rate.
func (c *Config) readSync(r *bits.Reader) (rate int) {
	if r.U(11) != 0x2B7 || readObjectType(r) != SBR || !r.Flag() {
		return 0
	}
	if rate = readRate(r); rate <= 0 || !r.OK() {
		return 0
	}
	c.SBR, c.Compatible = true, true
	if r.Left() >= 12 && r.U(11) == 0x548 {
		c.PS = r.Flag()
	}
	return rate
}

// Samples is the length of a frame at the output rate.
func (c *Config) Samples() int {
	return c.FrameLength * c.SampleRate / c.CoreRate
}

// Samples is the length of a frame at the output rate as a configuration says it, 0 when it cannot be read. It allocates nothing.
func Samples(config []byte) int {
	var c Config
	if parse(&c, config) != nil {
		return 0
	}
	return c.Samples()
}

// String gives the RFC 6381 CODECS parameter: mp4a.40.2 for AAC-LC, .5 for HE-AAC,
// .29 for HE-AAC v2.
func (c *Config) String() string {
	t := c.ObjectType
	switch {
	case c.PS:
		t = PS
	case c.SBR:
		t = SBR
	}
	return fmt.Sprintf("mp4a.40.%d", t)
}
