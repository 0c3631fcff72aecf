package hevc

import "weir/internal/bits"

// sampleAspect is table E.1: the sample aspect ratios that have a number.
var sampleAspect = [...][2]int{
	{0, 0}, {1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11},
	{80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1},
}

// readVUI reads the video usability information (E.2.1) up to the frame rate, each
// part only when it was read whole.
func (s *SPS) readVUI(r *bits.Reader) {
	if r.Flag() {
		s.readAspect(r)
	}
	if r.Flag() {
		r.Flag() // overscan_appropriate_flag
	}
	if r.Flag() {
		s.readSignal(r)
	}
	if r.Flag() {
		r.UE()
		r.UE()
	}
	r.U(3) // neutral chroma, field sequence, frame field info
	if r.Flag() {
		for range 4 {
			r.UE() // default display window: a hint that decoders leave alone
		}
	}
	if r.Flag() {
		units, scale := r.U(32), r.U(32)
		if rate := float64(scale) / float64(units); r.OK() && units > 0 && rate <= 1000 {
			s.FrameRate = rate
		}
	}
}

func (s *SPS) readAspect(r *bits.Reader) {
	idc := r.U(8)
	if idc == 255 {
		w, h := int(r.U(16)), int(r.U(16))
		if w > 0 && h > 0 {
			s.SARWidth, s.SARHeight = w, h
		}
	} else if int(idc) < len(sampleAspect) {
		s.SARWidth, s.SARHeight = sampleAspect[idc][0], sampleAspect[idc][1]
	}
}

func (s *SPS) readSignal(r *bits.Reader) {
	r.U(3) // video_format
	full := r.Flag()
	if r.OK() {
		s.Colour.FullRange = full
	}
	if r.Flag() {
		p, t, m := r.U(8), r.U(8), r.U(8)
		if r.OK() {
			s.Colour.Primaries, s.Colour.Transfer, s.Colour.Matrix = uint8(p), uint8(t), uint8(m)
		}
	}
}
