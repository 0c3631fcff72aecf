// Package opus reads and writes what describes an Opus stream: the dOps record
// (Encapsulation of Opus in ISO Base Media File Format 4.3.2), the OpusHead header
// (RFC 7845 5.1) and the table-of-contents byte of a packet (RFC 6716 3.1). What belongs here: facts
// read from bytes. What does not: decoding audio, and any container.
package opus

import (
	"encoding/binary"
	"errors"
	"slices"

	"weir/internal/fault"
)

// Rate is the rate of every Opus time stamp, Hz, whatever the input was.
const Rate = 48000

// CodecString is the CODECS parameter.
const CodecString = "opus"

// Config is what dOps and OpusHead say alike.
type Config struct {
	Channels  int
	PreSkip   int // samples at 48 kHz
	InputRate int // Hz of the original, for information
	Gain      int // output gain, 1/256 dB
	Family    int // channel mapping family
	Streams   int // family > 0
	Coupled   int // family > 0
	Mapping   []byte
}

func bad(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "opus_config_bad",
		"The Opus configuration cannot be read.", "Restart the encoder; if it stays, the encoder or the file is broken.")
}

// New describes plain Opus of one or two channels, as WebRTC has it.
func New(channels int) *Config {
	return &Config{Channels: channels, PreSkip: 312, InputRate: Rate}
}

const fixed = 11 // bytes of dOps up to the mapping family

// Parse reads a dOps record without its box header.
func Parse(b []byte) (*Config, error) {
	if len(b) < fixed || b[0] != 0 {
		return nil, bad("not a dOps record of version 0")
	}
	c := &Config{
		Channels:  int(b[1]),
		PreSkip:   int(binary.BigEndian.Uint16(b[2:])),
		InputRate: int(binary.BigEndian.Uint32(b[4:])),
		Gain:      int(int16(binary.BigEndian.Uint16(b[8:]))),
	}
	return c.readMapping(b[10:])
}

// ParseHead reads an OpusHead header, which is the same in little-endian order.
func ParseHead(b []byte) (*Config, error) {
	if len(b) < 8+fixed || string(b[:8]) != "OpusHead" || b[8]&0xF0 != 0 {
		return nil, bad("not an OpusHead header of version 1")
	}
	b = b[8:]
	c := &Config{
		Channels:  int(b[1]),
		PreSkip:   int(binary.LittleEndian.Uint16(b[2:])),
		InputRate: int(binary.LittleEndian.Uint32(b[4:])),
		Gain:      int(int16(binary.LittleEndian.Uint16(b[8:]))),
	}
	return c.readMapping(b[10:])
}

func (c *Config) readMapping(b []byte) (*Config, error) {
	c.Family = int(b[0])
	if c.Channels == 0 || c.Family == 0 && c.Channels > 2 {
		return nil, bad("number of channels out of range")
	}
	if c.Family == 0 {
		return c, nil
	}
	if len(b) < 3+c.Channels {
		return nil, bad("cut short")
	}
	c.Streams, c.Coupled, c.Mapping = int(b[1]), int(b[2]), slices.Clone(b[3:3+c.Channels])
	if c.Streams == 0 || c.Coupled > c.Streams || c.Streams+c.Coupled > 255 {
		return nil, bad("number of streams out of range")
	}
	return c, nil
}

// Build writes a dOps record.
func Build(c *Config) []byte {
	b := []byte{0, byte(c.Channels)}
	b = binary.BigEndian.AppendUint16(b, uint16(c.PreSkip))
	b = binary.BigEndian.AppendUint32(b, uint32(c.InputRate))
	b = binary.BigEndian.AppendUint16(b, uint16(c.Gain))
	return c.appendMapping(b)
}

// BuildHead writes an OpusHead header.
func BuildHead(c *Config) []byte {
	b := append([]byte("OpusHead"), 1, byte(c.Channels))
	b = binary.LittleEndian.AppendUint16(b, uint16(c.PreSkip))
	b = binary.LittleEndian.AppendUint32(b, uint32(c.InputRate))
	b = binary.LittleEndian.AppendUint16(b, uint16(c.Gain))
	return c.appendMapping(b)
}

func (c *Config) appendMapping(b []byte) []byte {
	b = append(b, byte(c.Family))
	if c.Family != 0 {
		b = append(b, byte(c.Streams), byte(c.Coupled))
		b = append(b, c.Mapping...)
	}
	return b
}

// Samples is the length of a packet at 48 kHz, 0 when it is broken (RFC 6716 3.1, 3.2; R5: at most 120 ms).
func Samples(packet []byte) int {
	if len(packet) == 0 {
		return 0
	}
	frames := 1
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0
		}
		frames = int(packet[1] & 0x3F)
	}
	n := frames * frameSize(packet[0]>>3)
	if n > Rate*120/1000 {
		return 0
	}
	return n
}

// frameSize is table 2 of RFC 6716: the samples of one frame by configuration number.
func frameSize(config byte) int {
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [...]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	default: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3)
	}
}

// Stereo reports whether a packet is coded in stereo.
func Stereo(packet []byte) bool { return len(packet) > 0 && packet[0]&4 != 0 }

// Silent reports digital silence: it knows the packets of DTX (RFC 6716 3.1: nothing but the TOC byte, or little more) and CELT's
// silence flag (4.3): it is the first symbol, so improbable that its frame begins with FFFE or FFFF.
func Silent(p []byte) bool {
	if len(p) <= 2 {
		return true
	}
	celt, oneFrame := p[0]&0x80 != 0, p[0]&3 == 0
	return celt && oneFrame && p[1] == 0xFF && p[2] >= 0xFE
}
