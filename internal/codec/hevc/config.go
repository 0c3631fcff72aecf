package hevc

import (
	"encoding/binary"
	"errors"
	"fmt"
	mathbits "math/bits"
	"strings"

	"weir/internal/fault"
)

// maxSets is how many parameter sets of a kind a record or a sample may hold here.
const maxSets = 64

const recordHeader = 23

// Config is an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1). The
// parameter sets share memory with the record they were read from.
type Config struct {
	Profile       Profile
	LengthSize    int
	VPS, SPS, PPS [][]byte
}

func badConfig(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "hevc_config_bad",
		"The HEVC configuration record (hvcC) cannot be read.",
		"Restart the encoder; if it stays, the encoder or the file is broken.")
}

// ParseConfig reads an hvcC record without its box header.
func ParseConfig(b []byte) (*Config, error) {
	if len(b) < recordHeader || b[0] > 1 {
		return nil, badConfig("not an hvcC record of version 1") // 0 was written by encoders of the draft
	}
	c := &Config{LengthSize: int(b[21]&3) + 1, Profile: Profile{
		Space: b[1] >> 6, High: b[1]&0x20 != 0, IDC: b[1] & 0x1F,
		Compatibility: binary.BigEndian.Uint32(b[2:]),
		Constraints:   binary.BigEndian.Uint64(b[4:]) & (1<<48 - 1),
		Level:         b[12],
	}}
	if c.LengthSize == 3 {
		return nil, badConfig("NAL unit lengths of 3 bytes")
	}
	rest := b[recordHeader:]
	for range int(b[22]) {
		var err error
		if rest, err = c.readArray(rest); err != nil {
			return nil, err
		}
	}
	if len(c.SPS) == 0 {
		return nil, badConfig("no sequence parameter set")
	}
	return c, nil
}

func (c *Config) readArray(b []byte) (rest []byte, err error) {
	if len(b) < 3 {
		return nil, badConfig("cut short")
	}
	list := c.list(int(b[0] & 0x3F))
	count := int(binary.BigEndian.Uint16(b[1:]))
	b = b[3:]
	for range count {
		if len(b) < 2 {
			return nil, badConfig("cut short")
		}
		n := int(binary.BigEndian.Uint16(b))
		if n == 0 || n > len(b)-2 {
			return nil, badConfig("a parameter set does not fit")
		}
		if list != nil {
			if len(*list) == maxSets {
				return nil, badConfig("too many parameter sets")
			}
			*list = append(*list, b[2:2+n])
		}
		b = b[2+n:]
	}
	return b, nil
}

// list gives the place for parameter sets of a NAL unit type, nil for other units (SEI).
func (c *Config) list(kind int) *[][]byte {
	switch kind {
	case NALVPS:
		return &c.VPS
	case NALSPS:
		return &c.SPS
	case NALPPS:
		return &c.PPS
	}
	return nil
}

// BuildConfig builds an hvcC record with 4-byte lengths from parameter set NAL units.
// Its arrays are marked complete, as the sample entry hvc1 demands.
func BuildConfig(vps, sps, pps [][]byte) ([]byte, error) {
	if len(sps) == 0 {
		return nil, badConfig("no sequence parameter set")
	}
	s, err := ParseSPS(sps[0])
	if err != nil {
		return nil, err
	}
	p := s.Profile
	b := make([]byte, recordHeader, 128)
	b[0] = 1
	b[1] = p.Space<<6 | p.IDC
	if p.High {
		b[1] |= 0x20
	}
	binary.BigEndian.PutUint32(b[2:], p.Compatibility)
	binary.BigEndian.PutUint64(b[4:], p.Constraints|uint64(p.Compatibility&0xFFFF)<<48)
	b[12] = p.Level
	b[13] = 0xF0 // no minimum of spatial segments stated
	b[15] = 0xFC // parallelism unknown
	b[16] = 0xFC | byte(s.ChromaFormat)
	b[17] = 0xF8 | byte(s.BitDepthLuma-8)
	b[18] = 0xF8 | byte(s.BitDepthChroma-8)
	b[21] = byte(s.SubLayers)<<3 | 3 // average rate and constancy unknown
	if s.Nested {
		b[21] |= 4
	}
	for kind, list := range [][][]byte{vps, sps, pps} {
		if len(list) == 0 {
			continue
		}
		if len(list) > maxSets {
			return nil, badConfig("too many parameter sets")
		}
		b[22]++
		b = append(b, 0x80|byte(NALVPS+kind), 0, byte(len(list)))
		for _, nal := range list {
			if len(nal) <= headerSize || len(nal) > 0xFFFF {
				return nil, badConfig("a parameter set of impossible length")
			}
			b = binary.BigEndian.AppendUint16(b, uint16(len(nal)))
			b = append(b, nal...)
		}
	}
	return b, nil
}

// Update merges the parameter sets found in a sample with a record: those of the
// sample win, kinds that it lacks are taken from the record. It returns nil when the
// sample's sets bring nothing new or make no record.
func Update(config, sample []byte) []byte {
	vps, sps, pps := InBand(sample)
	if len(vps)+len(sps)+len(pps) == 0 {
		return nil
	}
	if old, err := ParseConfig(config); err == nil {
		if containsAll(old.VPS, vps) && containsAll(old.SPS, sps) && containsAll(old.PPS, pps) {
			return nil
		}
		if len(vps) == 0 {
			vps = old.VPS
		}
		if len(sps) == 0 {
			sps = old.SPS
			pps = mergePPS(old.PPS, pps)
		}
		if len(pps) == 0 {
			pps = old.PPS
		}
	}
	if len(vps) == 0 || len(sps) == 0 || len(pps) == 0 {
		return nil
	}
	b, err := BuildConfig(vps, sps, pps)
	if err != nil {
		return nil
	}
	return b
}

func containsAll(have, want [][]byte) bool {
	for _, nal := range want {
		if !contains(have, nal) {
			return false
		}
	}
	return true
}

// mergePPS keeps the old sets whose number the new ones do not use.
func mergePPS(old, fresh [][]byte) [][]byte {
	merged := make([][]byte, 0, len(old)+len(fresh))
	for _, o := range old {
		p, ok := ParsePPS(o)
		for _, f := range fresh {
			if q, fok := ParsePPS(f); fok && q.ID == p.ID {
				ok = false
			}
		}
		if ok {
			merged = append(merged, o)
		}
	}
	return append(merged, fresh...)
}

// String gives the RFC 6381 CODECS parameter (ISO/IEC 14496-15 E.3): the
// compatibility flags in reverse bit order without leading zeros, then tier and level, then the constraint bytes
// without trailing zero bytes.
func (c *Config) String() string {
	var b strings.Builder
	b.WriteString("hvc1.")
	if c.Profile.Space > 0 {
		b.WriteByte('A' + c.Profile.Space - 1)
	}
	tier := 'L'
	if c.Profile.High {
		tier = 'H'
	}
	fmt.Fprintf(&b, "%d.%X.%c%d", c.Profile.IDC, mathbits.Reverse32(c.Profile.Compatibility), tier, c.Profile.Level)
	for rest := c.Profile.Constraints << 16; rest != 0; rest <<= 8 {
		fmt.Fprintf(&b, ".%X", rest>>56)
	}
	return b.String()
}
