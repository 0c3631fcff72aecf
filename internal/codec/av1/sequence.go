package av1

import (
	"errors"

	"weir/internal/bits"
	"weir/internal/fault"
)

// MaxSize is the largest width or height accepted, in luma samples.
const MaxSize = 16384

// SequenceHeader is what a sequence header OBU says (AV1 5.5), of its first operating point.
type SequenceHeader struct {
	Profile       uint8
	Level         uint8 // seq_level_idx
	HighTier      bool
	Still         bool
	ReducedStill  bool
	Width, Height int // the largest a frame may have
	FrameRate     float64
	BitDepth      int
	Monochrome    bool
	SubX, SubY    bool // chroma subsampling
	ChromaPlace   uint8
	Colour        bits.Colour // color_config (5.5.2)
}

func badHeader(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "av1_sequence_bad",
		"The AV1 stream description (sequence header) cannot be read.",
		"Restart the encoder; if it stays, choose another encoder.")
}

// ParseSequenceHeader reads the payload of a sequence header OBU.
func ParseSequenceHeader(payload []byte) (*SequenceHeader, error) {
	r := bits.NewReader(payload)
	s := &SequenceHeader{Profile: uint8(r.U(3)), Still: r.Flag(), ReducedStill: r.Flag(),
		Colour: bits.Unspecified()}
	if s.Profile > 2 {
		return nil, badHeader("reserved profile")
	}
	if s.ReducedStill {
		s.Level = uint8(r.U(5))
	} else {
		s.readOperatingPoints(&r)
	}
	wideBits, highBits := uint(r.U(4))+1, uint(r.U(4))+1
	s.Width, s.Height = int(r.U(wideBits))+1, int(r.U(highBits))+1
	if s.Width > MaxSize || s.Height > MaxSize {
		return nil, badHeader("picture larger than 16384")
	}
	if !s.ReducedStill && r.Flag() {
		r.U(7) // frame id lengths
	}
	r.U(3) // superblock size, filter intra, intra edge filter
	if !s.ReducedStill {
		skipInterTools(&r)
	}
	r.U(3) // super resolution, cdef, restoration
	s.readColour(&r)
	r.Flag() // film_grain_params_present
	if !r.OK() {
		return nil, badHeader("cut short")
	}
	return s, nil
}

func (s *SequenceHeader) readOperatingPoints(r *bits.Reader) {
	decoderModel, delayBits := false, uint(0)
	if r.Flag() {
		s.readTiming(r)
		if decoderModel = r.Flag(); decoderModel {
			delayBits = uint(r.U(5)) + 1
			r.U(32)
			r.U(10)
		}
	}
	initialDelay := r.Flag()
	for i := range r.U(5) + 1 {
		r.U(12) // operating_point_idc
		level, high := r.U(5), false
		if level > 7 {
			high = r.Flag()
		}
		if i == 0 {
			s.Level, s.HighTier = uint8(level), high
		}
		if decoderModel && r.Flag() {
			r.U(delayBits)
			r.U(delayBits)
			r.Flag()
		}
		if initialDelay && r.Flag() {
			r.U(4)
		}
	}
}

// readTiming reads timing_info (5.5.3); only equal picture intervals make a frame rate.
func (s *SequenceHeader) readTiming(r *bits.Reader) {
	units, scale := r.U(32), r.U(32)
	if !r.Flag() {
		return
	}
	ticks := uint64(readUVLC(r)) + 1
	if units == 0 || !r.OK() {
		return
	}
	if rate := float64(scale) / (float64(units) * float64(ticks)); rate <= 1000 {
		s.FrameRate = rate
	}
}

// skipInterTools passes over the tools between the intra ones and super resolution (5.5.1).
func skipInterTools(r *bits.Reader) {
	r.U(4) // interintra, masked, warped, dual filter
	orderHint := r.Flag()
	if orderHint {
		r.U(2)
	}
	forceScreen := uint32(2) // SELECT_SCREEN_CONTENT_TOOLS
	if !r.Flag() {
		forceScreen = r.U(1)
	}
	if forceScreen > 0 && !r.Flag() {
		r.U(1)
	}
	if orderHint {
		r.U(3)
	}
}

// readColour reads color_config (5.5.2).
func (s *SequenceHeader) readColour(r *bits.Reader) {
	s.BitDepth = 8
	if r.Flag() {
		s.BitDepth = 10
		if s.Profile == 2 && r.Flag() {
			s.BitDepth = 12
		}
	}
	s.Monochrome = s.Profile != 1 && r.Flag()
	if r.Flag() {
		s.Colour.Primaries, s.Colour.Transfer, s.Colour.Matrix = uint8(r.U(8)), uint8(r.U(8)), uint8(r.U(8))
	}
	switch {
	case s.Monochrome:
		s.Colour.FullRange = r.Flag()
		s.SubX, s.SubY = true, true
		return
	case s.Colour.Primaries == 1 && s.Colour.Transfer == 13 && s.Colour.Matrix == 0: // sRGB
		s.Colour.FullRange = true
	default:
		s.Colour.FullRange = r.Flag()
		s.readSubsampling(r)
		if s.SubX && s.SubY {
			s.ChromaPlace = uint8(r.U(2))
		}
	}
	r.Flag() // separate_uv_delta_q
}

func (s *SequenceHeader) readSubsampling(r *bits.Reader) {
	switch {
	case s.Profile == 0:
		s.SubX, s.SubY = true, true
	case s.Profile == 1:
	case s.BitDepth == 12:
		if s.SubX = r.Flag(); s.SubX {
			s.SubY = r.Flag()
		}
	default:
		s.SubX = true
	}
}
