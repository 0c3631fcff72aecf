package h264

import (
	"encoding/binary"
	"errors"
	"fmt"

	"weir/internal/fault"
)

// maxSets is how many parameter sets of a kind a record or a sample may hold here;
// the format's own limit is 31 SPS and 255 PPS.
const maxSets = 64

// Config is an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1). The
// parameter sets share memory with the record they were read from.
type Config struct {
	Profile, Compatibility, Level uint8
	LengthSize                    int
	SPS, PPS                      [][]byte
}

func badConfig(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "h264_config_bad",
		"The H.264 configuration record (avcC) cannot be read.",
		"Restart the encoder; if it stays, the encoder or the file is broken.")
}

// ParseConfig reads an avcC record without its box header. What follows the
// parameter sets (High profile fields) repeats the SPS and is not looked at.
func ParseConfig(b []byte) (*Config, error) {
	if len(b) < 7 || b[0] != 1 {
		return nil, badConfig("not an avcC record of version 1")
	}
	c := &Config{Profile: b[1], Compatibility: b[2], Level: b[3], LengthSize: int(b[4]&3) + 1}
	if c.LengthSize == 3 {
		return nil, badConfig("NAL unit lengths of 3 bytes")
	}
	var err error
	rest := b[6:]
	if c.SPS, rest, err = readSets(rest, int(b[5]&0x1F), NALSPS); err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return nil, badConfig("cut short")
	}
	if c.PPS, _, err = readSets(rest[1:], int(rest[0]), NALPPS); err != nil {
		return nil, err
	}
	if len(c.SPS) == 0 {
		return nil, badConfig("no sequence parameter set")
	}
	return c, nil
}

func readSets(b []byte, count, kind int) (sets [][]byte, rest []byte, err error) {
	if count > maxSets {
		return nil, nil, badConfig("too many parameter sets")
	}
	for range count {
		if len(b) < 2 {
			return nil, nil, badConfig("cut short")
		}
		n := int(binary.BigEndian.Uint16(b))
		if n == 0 || n > len(b)-2 {
			return nil, nil, badConfig("a parameter set does not fit")
		}
		if NALType(b[2:]) != kind {
			return nil, nil, badConfig("a parameter set of the wrong type")
		}
		sets = append(sets, b[2:2+n])
		b = b[2+n:]
	}
	return sets, b, nil
}

// BuildConfig builds an avcC record with 4-byte lengths from parameter set NAL units.
func BuildConfig(sps, pps [][]byte) ([]byte, error) {
	if len(sps) == 0 || len(sps) > 31 || len(pps) > maxSets {
		return nil, badConfig("no or too many parameter sets")
	}
	for _, list := range [][][]byte{sps, pps} {
		for _, nal := range list {
			if len(nal) < 2 || len(nal) > 0xFFFF {
				return nil, badConfig("a parameter set of impossible length")
			}
		}
	}
	first, err := ParseSPS(sps[0])
	if err != nil {
		return nil, err
	}
	b := []byte{1, first.Profile, first.Constraints, first.Level, 0xFC | 3, 0xE0 | byte(len(sps))}
	for _, nal := range sps {
		b = appendSet(b, nal)
	}
	b = append(b, byte(len(pps)))
	for _, nal := range pps {
		b = appendSet(b, nal)
	}
	switch first.Profile {
	case 66, 77, 88:
	default:
		b = append(b, 0xFC|byte(first.ChromaFormat), 0xF8|byte(first.BitDepthLuma-8), 0xF8|byte(first.BitDepthChroma-8), 0)
	}
	return b, nil
}

// Update merges the parameter sets found in a sample with a record: those of the
// sample win, what it lacks is taken from the record. It returns nil when the
// sample's sets bring nothing new or make no record.
func Update(config, sample []byte) []byte {
	sps, pps := InBand(sample)
	if len(sps) == 0 && len(pps) == 0 {
		return nil
	}
	if old, err := ParseConfig(config); err == nil {
		if containsAll(old.SPS, sps) && containsAll(old.PPS, pps) {
			return nil
		}
		if len(sps) == 0 {
			sps = old.SPS
			pps = mergePPS(old.PPS, pps)
		}
		if len(pps) == 0 {
			pps = old.PPS
		}
	}
	if len(sps) == 0 || len(pps) == 0 {
		return nil
	}
	b, err := BuildConfig(sps, pps)
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
		id, _, ok := PPSID(o)
		replaced := !ok
		for _, f := range fresh {
			if fid, _, fok := PPSID(f); fok && fid == id {
				replaced = true
			}
		}
		if !replaced {
			merged = append(merged, o)
		}
	}
	return append(merged, fresh...)
}

// String gives the RFC 6381 CODECS parameter (ISO/IEC 14496-15 annex E.3).
func (c *Config) String() string {
	return fmt.Sprintf("avc1.%02x%02x%02x", c.Profile, c.Compatibility, c.Level)
}
