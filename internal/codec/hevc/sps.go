package hevc

import (
	"errors"

	"weir/internal/bits"
	"weir/internal/fault"
)

// MaxSize is the largest width or height accepted, in luma samples.
const MaxSize = 16384

// Profile is the general part of profile_tier_level (ITU-T H.265 7.3.3).
type Profile struct {
	Space         uint8
	High          bool // tier
	IDC           uint8
	Compatibility uint32 // flag of profile 0 on top
	Constraints   uint64 // 48 bits
	Level         uint8  // 30 times the level's number
}

// SPS is what a sequence parameter set says (7.3.2.2.1).
type SPS struct {
	bits.VUI
	VPS, ID                      int
	SubLayers                    int // temporal sub-layers, 1 to 7
	Nested                       bool
	Profile                      Profile
	ChromaFormat                 int // 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4
	BitDepthLuma, BitDepthChroma int
	Width, Height                int // after the conformance window
	Reorder, MaxDecPicBuffering  int
	FrameRate                    float64
}

func badSPS(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "hevc_sps_bad",
		"The HEVC stream description (sequence parameter set) cannot be read.",
		"Restart the encoder; if it stays, choose the Main profile or another encoder.")
}

// ParseSPS reads a sequence parameter set NAL unit, header included. What is
// broken behind the picture order fields (reference sets, VUI) is taken as not stated.
func ParseSPS(nal []byte) (*SPS, error) {
	if NALType(nal) != NALSPS {
		return nil, badSPS("not a sequence parameter set")
	}
	r := bits.NewNALReader(nal[headerSize:])
	s := &SPS{VUI: bits.VUI{Colour: bits.Unspecified()}}
	s.VPS = int(r.U(4))
	s.SubLayers = int(r.U(3)) + 1
	s.Nested = r.Flag()
	if s.SubLayers > 7 {
		return nil, badSPS("too many temporal layers")
	}
	s.Profile = readProfile(&r, s.SubLayers)
	id := r.UE()
	if id > 15 {
		return nil, badSPS("number over 15")
	}
	s.ID = int(id)
	if why := s.readSize(&r); why != "" {
		return nil, badSPS(why)
	}
	luma, chroma, pocBits := r.UE(), r.UE(), r.UE()+4
	if luma > 8 || chroma > 8 || pocBits > 16 {
		return nil, badSPS("bit depth or picture order bits out of range")
	}
	s.BitDepthLuma, s.BitDepthChroma = 8+int(luma), 8+int(chroma)
	if why := s.readOrder(&r); why != "" {
		return nil, badSPS(why)
	}
	if !r.OK() {
		return nil, badSPS("cut short")
	}
	if skipTools(&r) && skipReferences(&r, uint(pocBits)) {
		r.U(2) // temporal motion vectors, strong intra smoothing
		if r.Flag() {
			s.readVUI(&r)
		}
	}
	return s, nil
}

// readProfile reads profile_tier_level and passes over what it says of sub-layers.
func readProfile(r *bits.Reader, subLayers int) Profile {
	p := Profile{Space: uint8(r.U(2)), High: r.Flag(), IDC: uint8(r.U(5)),
		Compatibility: r.U(32), Constraints: r.U64(48), Level: uint8(r.U(8))}
	if subLayers == 1 {
		return p
	}
	skip := 0
	for i := range 8 {
		flags := r.U(2)
		if i >= subLayers-1 {
			continue // reserved
		}
		if flags&2 != 0 {
			skip += 88
		}
		if flags&1 != 0 {
			skip += 8
		}
	}
	r.Skip(skip)
	return p
}

func (s *SPS) readSize(r *bits.Reader) (why string) {
	chroma := r.UE()
	if chroma > 3 {
		return "chroma format out of range"
	}
	s.ChromaFormat = int(chroma)
	separate := chroma == 3 && r.Flag()
	wide, high := r.UE(), r.UE()
	if wide == 0 || high == 0 || wide > MaxSize || high > MaxSize {
		return "picture empty or larger than 16384"
	}
	s.Width, s.Height = int(wide), int(high)
	if !r.Flag() {
		return ""
	}
	unitX, unitY := 1, 1
	if !separate && (chroma == 1 || chroma == 2) {
		unitX = 2
	}
	if !separate && chroma == 1 {
		unitY = 2
	}
	left, right, top, bottom := r.UE(), r.UE(), r.UE(), r.UE()
	if max(left, right, top, bottom) > MaxSize {
		return "window outside the picture"
	}
	s.Width -= unitX * int(left+right)
	s.Height -= unitY * int(top+bottom)
	if s.Width <= 0 || s.Height <= 0 {
		return "window outside the picture"
	}
	return ""
}

// readOrder keeps the numbers of the highest sub-layer, which a reader of the whole stream needs.
func (s *SPS) readOrder(r *bits.Reader) (why string) {
	count := 1
	if r.Flag() {
		count = s.SubLayers
	}
	for range count {
		buffering, reorder := r.UE(), r.UE()
		r.UE() // sps_max_latency_increase_plus1
		if buffering > 15 || reorder > buffering {
			return "picture buffer out of range"
		}
		s.MaxDecPicBuffering, s.Reorder = int(buffering)+1, int(reorder)
	}
	return ""
}
