// Package vp9 reads what a server must know of a VP9 stream (VP9 Bitstream &
// Decoding Process Specification 0.6): the frame header and the vpcC record. What belongs here: facts read
// from bytes. What does not: decoding pictures, and any container but the vpcC
// record (VP Codec ISO Media File Format Binding 1.0).
package vp9

import (
	"errors"
	"fmt"

	"weir/internal/bits"
	"weir/internal/fault"
)

// MaxSize is the largest width or height accepted.
const MaxSize = 16384

// Header is what the uncompressed header of a frame says (6.2). Only a key frame
// (or, in part, an intra-only frame) has size and colour.
type Header struct {
	Profile       int
	Existing      bool // shows an earlier frame, has nothing of its own
	Key           bool
	Show          bool
	BitDepth      int
	ColourSpace   int // color_space (7.2.2)
	FullRange     bool
	SubX, SubY    bool
	Width, Height int
}

func bad(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "vp9_frame_bad",
		"A VP9 frame header cannot be read.", "Check the connection between encoder and server; restart the encoder if it stays.")
}

// ParseHeader reads the header of a frame, or of the first frame of a superframe.
func ParseHeader(frame []byte) (*Header, error) {
	h, err := parse(frame)
	return &h, err
}

func parse(frame []byte) (h Header, err error) {
	r := bits.NewReader(frame)
	if r.U(2) != 2 {
		return h, bad("no frame marker")
	}
	low, high := r.U(1), r.U(1)
	h.Profile = int(high<<1 | low)
	if h.Profile == 3 && r.Flag() {
		return h, bad("reserved profile")
	}
	if h.Existing = r.Flag(); h.Existing {
		h.Show = true
		return h, nil
	}
	h.Key = !r.Flag()
	h.Show = r.Flag()
	r.Flag() // error_resilient_mode
	if h.Key {
		if r.U(24) != 0x498342 {
			return h, bad("no sync code")
		}
		if !h.readColour(&r) {
			return h, bad("reserved colour format")
		}
		h.Width, h.Height = int(r.U(16))+1, int(r.U(16))+1
		if h.Width > MaxSize || h.Height > MaxSize {
			return h, bad("picture larger than 16384")
		}
	}
	if !r.OK() {
		return h, bad("cut short")
	}
	return h, nil
}

// readColour reads color_config (6.2.2).
func (h *Header) readColour(r *bits.Reader) bool {
	h.BitDepth = 8
	if h.Profile >= 2 {
		h.BitDepth = 10
		if r.Flag() {
			h.BitDepth = 12
		}
	}
	const sRGB = 7
	h.ColourSpace = int(r.U(3))
	odd := h.Profile == 1 || h.Profile == 3
	if h.ColourSpace == sRGB {
		h.FullRange = true
		return odd && !r.Flag()
	}
	h.FullRange = r.Flag()
	h.SubX, h.SubY = true, true
	if odd {
		h.SubX, h.SubY = r.Flag(), r.Flag()
		return !r.Flag()
	}
	return true
}

// IsKey reports whether a sample begins with a key frame.
func IsKey(sample []byte) bool {
	h, err := parse(sample)
	return err == nil && h.Key && !h.Existing
}

// Config is a VPCodecConfigurationRecord.
type Config struct {
	Profile, Level              uint8
	BitDepth                    int
	Chroma                      uint8 // 0 4:2:0 vertical, 1 4:2:0 colocated, 2 4:2:2, 3 4:4:4
	FullRange                   bool
	Primaries, Transfer, Matrix uint8
}

const recordSize = 12

// ParseConfig reads a vpcC record from its version byte on.
func ParseConfig(b []byte) (*Config, error) {
	if len(b) < recordSize || b[0] != 1 {
		return nil, fault.New(fault.Invalid, "vp9_config_bad", "The VP9 configuration record (vpcC) cannot be read.",
			"Restart the encoder; if it stays, the encoder or the file is broken.")
	}
	return &Config{Profile: b[4], Level: b[5], BitDepth: int(b[6] >> 4), Chroma: b[6] >> 1 & 7, FullRange: b[6]&1 != 0,
		Primaries: b[7], Transfer: b[8], Matrix: b[9]}, nil
}

// Build writes a vpcC record from its version byte on.
func Build(c *Config) []byte {
	full := byte(0)
	if c.FullRange {
		full = 1
	}
	return []byte{1, 0, 0, 0, c.Profile, c.Level, byte(c.BitDepth)<<4 | c.Chroma<<1 | full,
		c.Primaries, c.Transfer, c.Matrix, 0, 0}
}

// FromHeader describes a stream by its key frame; frameRate may be 0. The stream does
// not state its level, so it is the smallest that its size and rate fit.
func FromHeader(h *Header, frameRate float64) (*Config, error) {
	if !h.Key || h.Width == 0 {
		return nil, bad("not a key frame")
	}
	c := &Config{Profile: uint8(h.Profile), Level: level(h.Width, h.Height, frameRate), BitDepth: h.BitDepth,
		FullRange: h.FullRange, Primaries: 2, Transfer: 2, Matrix: 2}
	switch {
	case h.SubX && h.SubY:
		c.Chroma = 1
	case h.SubX:
		c.Chroma = 2
	default:
		c.Chroma = 3
	}
	if h.ColourSpace < len(colours) {
		v := colours[h.ColourSpace]
		c.Primaries, c.Transfer, c.Matrix = v[0], v[1], v[2]
	}
	return c, nil
}

// Update gives the record that a sample's key frame asks for, nil when the given record
// says the same, level aside, or the sample holds no key frame.
func Update(config, sample []byte, frameRate float64) []byte {
	h, err := parse(sample)
	if err != nil || !h.Key {
		return nil
	}
	c, err := FromHeader(&h, frameRate)
	if err != nil {
		return nil
	}
	if old, err := ParseConfig(config); err == nil && old.Profile == c.Profile && old.BitDepth == c.BitDepth &&
		old.FullRange == c.FullRange && (old.Chroma == c.Chroma || old.Chroma+c.Chroma == 1) {
		return nil // a muxer knows colour and level better than the frame header
	}
	return Build(c)
}

// colours gives primaries, transfer and matrix (ISO/IEC 23091-2) for color_space (7.2.2).
var colours = [...][3]uint8{
	{2, 2, 2}, // unknown
	{6, 6, 6}, // BT.601
	{1, 1, 1}, // BT.709
	{6, 6, 6}, // SMPTE 170
	{7, 7, 7}, // SMPTE 240
	{9, 2, 9}, // BT.2020: the transfer is not told
	{2, 2, 2}, // reserved
	{1, 13, 0},
}

// levels is the table of VP9 levels (annex A): number, luma samples per second, luma picture size.
var levels = [...]struct {
	number   uint8
	rate     float64
	size     int
	longSide int
}{
	{10, 829440, 36864, 512}, {11, 2764800, 73728, 768}, {20, 4608000, 122880, 960}, {21, 9216000, 245760, 1344},
	{30, 20736000, 552960, 2048}, {31, 36864000, 983040, 2752}, {40, 83558400, 2228224, 4160}, {41, 160432128, 2228224, 4160},
	{50, 311951360, 8912896, 8384}, {51, 588251136, 8912896, 8384}, {52, 1176502272, 8912896, 8384},
	{60, 1176502272, 35651584, 16832}, {61, 2353004544, 35651584, 16832}, {62, 4706009088, 35651584, 16832},
}

func level(w, h int, rate float64) uint8 {
	for _, l := range levels {
		if w*h <= l.size && max(w, h) <= l.longSide && rate*float64(w*h) <= l.rate {
			return l.number
		}
	}
	return levels[len(levels)-1].number
}

// String gives the CODECS parameter (VP Codec binding, "Codecs Parameter String"). The colour
// fields are written, all or none, when one of them differs from its default.
func (c *Config) String() string {
	s := fmt.Sprintf("vp09.%02d.%02d.%02d", c.Profile, c.Level, c.BitDepth)
	unknown := c.Primaries == 2 && c.Transfer == 2 && c.Matrix == 2
	known := c.Primaries == 1 && c.Transfer == 1 && c.Matrix == 1
	if (unknown || known) && c.Chroma <= 1 && !c.FullRange {
		return s
	}
	p, t, m := c.Primaries, c.Transfer, c.Matrix
	if unknown {
		p, t, m = 1, 1, 1
	}
	full := 0
	if c.FullRange {
		full = 1
	}
	return fmt.Sprintf("%s.%02d.%02d.%02d.%02d.%02d", s, c.Chroma, p, t, m, full)
}
