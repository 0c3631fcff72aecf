package h264

import (
	"errors"

	"weir/internal/bits"
	"weir/internal/fault"
)

// MaxSize is the largest width or height accepted, in luma samples.
const MaxSize = 16384

// SPS is what a sequence parameter set says (ITU-T H.264 7.3.2.1.1).
type SPS struct {
	bits.VUI
	ID                            int
	Profile, Constraints, Level   uint8
	ChromaFormat                  int // 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4
	BitDepthLuma, BitDepthChroma  int
	Width, Height                 int // after cropping
	FrameMBsOnly                  bool
	POCType                       int
	RefFrames                     int
	FrameRate                     float64
	Reorder, MaxDecFrameBuffering int // -1 = not stated
}

func badSPS(why string) error {
	return fault.Wrap(errors.New(why), fault.Invalid, "h264_sps_bad",
		"The H.264 stream description (sequence parameter set) cannot be read.",
		"Restart the encoder; if it stays, choose another H.264 profile or another encoder.")
}

// ParseSPS reads a sequence parameter set NAL unit, header byte included. What is
// broken in its VUI is taken as not stated, since decoders play such streams too.
func ParseSPS(nal []byte) (*SPS, error) {
	if NALType(nal) != NALSPS || len(nal) < 4 {
		return nil, badSPS("not a sequence parameter set")
	}
	s := &SPS{Profile: nal[1], Constraints: nal[2], Level: nal[3], ChromaFormat: 1,
		BitDepthLuma: 8, BitDepthChroma: 8, VUI: bits.VUI{Colour: bits.Unspecified()}}
	r := bits.NewNALReader(nal[4:])
	id := r.UE()
	if id > 31 {
		return nil, badSPS("number over 31")
	}
	s.ID = int(id)
	separate := s.readChroma(&r)
	if s.ChromaFormat > 3 || s.BitDepthLuma > 14 || s.BitDepthChroma > 14 {
		return nil, badSPS("chroma format or bit depth out of range")
	}
	if why := s.readOrder(&r); why != "" {
		return nil, badSPS(why)
	}
	if why := s.readSize(&r, separate); why != "" {
		return nil, badSPS(why)
	}
	vui := r.Flag()
	if !r.OK() {
		return nil, badSPS("cut short")
	}
	s.Reorder, s.MaxDecFrameBuffering = s.impliedReorder(), -1
	if vui {
		s.readVUI(&r)
	}
	return s, nil
}

// hasChroma says which profiles carry chroma format, bit depth and scaling lists (7.3.2.1.1).
func hasChroma(profile uint8) bool {
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		return true
	}
	return false
}

func (s *SPS) readChroma(r *bits.Reader) (separate bool) {
	if !hasChroma(s.Profile) {
		return false
	}
	s.ChromaFormat = int(r.UE())
	if s.ChromaFormat == 3 {
		separate = r.Flag()
	}
	s.BitDepthLuma, s.BitDepthChroma = 8+int(r.UE()), 8+int(r.UE())
	r.Flag() // qpprime_y_zero_transform_bypass_flag
	if r.Flag() {
		lists := 8
		if s.ChromaFormat == 3 {
			lists = 12
		}
		for i := range lists {
			if r.Flag() {
				skipScalingList(r, i)
			}
		}
	}
	return separate
}

// skipScalingList passes over one scaling list (7.3.2.1.1.1).
func skipScalingList(r *bits.Reader, index int) {
	size := 16
	if index >= 6 {
		size = 64
	}
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			next = (last + r.SE() + 256) & 0xFF
		}
		if next != 0 {
			last = next
		}
	}
}

// readOrder reads what lies between the chroma format and the size.
func (s *SPS) readOrder(r *bits.Reader) (why string) {
	if r.UE() > 12 {
		return "log2_max_frame_num out of range"
	}
	switch s.POCType = int(r.UE()); s.POCType {
	case 0:
		if r.UE() > 12 {
			return "log2_max_pic_order_cnt_lsb out of range"
		}
	case 1:
		r.Flag()
		r.SE()
		r.SE()
		n := r.UE()
		if n > 255 {
			return "too many frames in the picture order cycle"
		}
		for range n {
			r.SE()
		}
	case 2:
	default:
		return "unknown picture order type"
	}
	refs := r.UE()
	if refs > 32 {
		return "too many reference frames"
	}
	s.RefFrames = int(refs)
	r.Flag() // gaps_in_frame_num_value_allowed_flag
	return ""
}

func (s *SPS) readSize(r *bits.Reader, separate bool) (why string) {
	wide, high := r.UE(), r.UE()
	if wide >= MaxSize/16 || high >= MaxSize/16 {
		return "picture larger than 16384"
	}
	s.FrameMBsOnly = r.Flag()
	fields := 1
	if !s.FrameMBsOnly {
		fields = 2
		r.Flag() // mb_adaptive_frame_field_flag
	}
	r.Flag() // direct_8x8_inference_flag
	s.Width, s.Height = int(wide+1)*16, int(high+1)*16*fields
	if s.Height > MaxSize {
		return "picture larger than 16384"
	}
	if !r.Flag() {
		return ""
	}
	unitX, unitY := 1, fields
	if s.ChromaFormat != 0 && !separate {
		if s.ChromaFormat != 3 {
			unitX = 2
		}
		if s.ChromaFormat == 1 {
			unitY = 2 * fields
		}
	}
	left, right, top, bottom := r.UE(), r.UE(), r.UE(), r.UE()
	if max(left, right, top, bottom) > MaxSize {
		return "cropping larger than the picture"
	}
	s.Width -= unitX * int(left+right)
	s.Height -= unitY * int(top+bottom)
	if s.Width <= 0 || s.Height <= 0 {
		return "cropping larger than the picture"
	}
	return ""
}

// impliedReorder is what the profile and the picture order type say about
// reordering where the VUI is silent: none without B slices (A.2.1, intra-only
// profiles E.2.1) and none when output order is decoding order (8.2.1.3).
func (s *SPS) impliedReorder() int {
	const set3 = 0x10
	switch s.Profile {
	case 66:
		return 0
	case 44, 86, 100, 110, 122, 244:
		if s.Constraints&set3 != 0 {
			return 0
		}
	}
	if s.POCType == 2 {
		return 0
	}
	return -1
}
