package av1

import (
	"bytes"
	"errors"
	"fmt"

	"weir/internal/bits"
	"weir/internal/fault"
)

func badConfig(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "av1_config_bad",
		"The AV1 configuration record (av1C) cannot be read.",
		"Restart the encoder; if it stays, the encoder or the file is broken.")
}

// Config is an AV1CodecConfigurationRecord (AV1 ISOBMFF binding 2.3.3).
type Config struct {
	Profile    uint8
	Level      uint8 // seq_level_idx_0
	HighTier   bool
	BitDepth   int
	Monochrome bool
	SubX, SubY bool
	Place      uint8
	OBUs       []byte          // configOBUs, sharing memory with the record
	Header     *SequenceHeader // nil when the record holds none
}

// ParseConfig reads an av1C record without its box header.
func ParseConfig(b []byte) (*Config, error) {
	if len(b) < 4 || b[0] != 0x81 {
		return nil, badConfig("not an av1C record of version 1")
	}
	c := &Config{Profile: b[1] >> 5, Level: b[1] & 0x1F, HighTier: b[2]&0x80 != 0,
		BitDepth: 8, Monochrome: b[2]&0x10 != 0, SubX: b[2]&8 != 0, SubY: b[2]&4 != 0, Place: b[2] & 3, OBUs: b[4:]}
	if b[2]&0x40 != 0 {
		c.BitDepth = 10
		if b[2]&0x20 != 0 {
			c.BitDepth = 12
		}
	}
	if o, ok := InBand(c.OBUs); ok {
		s, err := ParseSequenceHeader(o.Payload)
		if err != nil {
			return nil, err
		}
		c.Header = s
	}
	return c, nil
}

// BuildConfig builds an av1C record around a sequence header OBU.
func BuildConfig(header OBU) ([]byte, error) {
	if header.Type != OBUSequenceHeader {
		return nil, badConfig("no sequence header")
	}
	s, err := ParseSequenceHeader(header.Payload)
	if err != nil {
		return nil, err
	}
	flags := s.ChromaPlace & 3
	for bit, set := range [...]bool{s.SubY, s.SubX, s.Monochrome, s.BitDepth == 12, s.BitDepth > 8, s.HighTier} {
		if set {
			flags |= 4 << bit
		}
	}
	return AppendSized([]byte{0x81, s.Profile<<5 | s.Level, flags, 0}, header), nil
}

// Update gives the record that a sample's sequence header asks for, nil when the
// record holds that header already or the sample has none that can be read.
func Update(config, sample []byte) []byte {
	o, ok := InBand(sample)
	if !ok {
		return nil
	}
	if len(config) >= 4 {
		if have, ok := InBand(config[4:]); ok && bytes.Equal(have.Payload, o.Payload) {
			return nil
		}
	}
	b, err := BuildConfig(o)
	if err != nil {
		return nil
	}
	return b
}

// String gives the CODECS parameter (AV1 ISOBMFF binding 5). The colour fields are
// written, all or none, when one of them differs from its default.
func (c *Config) String() string {
	tier := 'M'
	if c.HighTier {
		tier = 'H'
	}
	s := fmt.Sprintf("av01.%d.%02d%c.%02d", c.Profile, c.Level, tier, c.BitDepth)
	colour := bits.Colour{Primaries: 1, Transfer: 1, Matrix: 1}
	if c.Header != nil {
		colour = c.Header.Colour
		if colour == bits.Unspecified() {
			colour = bits.Colour{Primaries: 1, Transfer: 1, Matrix: 1} // unspecified: players take the default
		}
	}
	place := c.Place
	if !c.SubX || !c.SubY {
		place = 0
	}
	usual := !c.Monochrome && c.SubX && c.SubY && place == 0 && colour == bits.Colour{Primaries: 1, Transfer: 1, Matrix: 1}
	if usual {
		return s
	}
	return fmt.Sprintf("%s.%d.%d%d%d.%02d.%02d.%02d.%d", s, bit(c.Monochrome), bit(c.SubX), bit(c.SubY), place,
		colour.Primaries, colour.Transfer, colour.Matrix, bit(colour.FullRange))
}

func bit(v bool) int {
	if v {
		return 1
	}
	return 0
}
