package hevc

import "weir/internal/bits"

// readVUI reads the video usability information (E.2.1) up to the frame rate, each
// part only when it was read whole.
func (s *SPS) readVUI(r *bits.Reader) {
	r.ReadVUI(&s.VUI)
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
