package h264

import "weir/internal/bits"

// readVUI reads the video usability information (E.1.1) into s, each part only
// when it was read whole.
func (s *SPS) readVUI(r *bits.Reader) {
	r.ReadVUI(&s.VUI)
	if r.Flag() {
		units, scale := r.U(32), r.U(32)
		r.Flag() // fixed_frame_rate_flag
		if rate := float64(scale) / float64(2*uint64(units)); r.OK() && units > 0 && rate <= 1000 {
			s.FrameRate = rate
		}
	}
	nal := r.Flag()
	if nal {
		skipHRD(r)
	}
	vcl := r.Flag()
	if vcl {
		skipHRD(r)
	}
	if nal || vcl {
		r.Flag() // low_delay_hrd_flag
	}
	r.Flag() // pic_struct_present_flag
	if !r.Flag() {
		return
	}
	r.Flag() // motion_vectors_over_pic_boundaries_flag
	for range 4 {
		r.UE()
	}
	reorder, buffering := r.UE(), r.UE()
	if r.OK() && reorder <= 16 && buffering <= 16 {
		s.Reorder, s.MaxDecFrameBuffering = int(reorder), int(buffering)
	}
}

// skipHRD passes over hypothetical reference decoder parameters (E.1.2).
func skipHRD(r *bits.Reader) {
	count := r.UE()
	if count > 31 {
		r.Skip(-1)
		return
	}
	r.U(8)
	for range count + 1 {
		r.UE()
		r.UE()
		r.Flag()
	}
	r.U(20)
}
