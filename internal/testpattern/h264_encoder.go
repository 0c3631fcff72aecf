package testpattern

// The quantiser of the encoder is fixed. At QP 12 one step of a transform coefficient is 5/32 of a luma level, which keeps every
// cell within one level of what was drawn and every level inside the escape code of a Baseline decoder.
const qp = 12

// h264Encoder turns pictures made of flat cells into slices of Constrained Baseline H.264 (ITU-T H.264, the source of every clause
// cited in the files named h264), so cheaply that a server can make its own test stream: every macroblock is either skipped
// or Intra_16x16 without AC coefficients. It is not safe for concurrent use.
type h264Encoder struct {
	config   h264Config
	source   *cells // the previous picture as it was given: what did not change in it is skipped
	recon    *cells // the previous picture as a decoder has it, overwritten by the present one
	bits     bitWriter
	frameNum uint32
	idrID    uint32
	skipped  uint32 // macroblocks skipped since the last coded one
	inter    bool   // the slice at work is a P slice
}

// newH264Encoder returns an encoder whose first picture must be a key picture.
func newH264Encoder(config h264Config) *h264Encoder {
	return &h264Encoder{
		config: config,
		source: newCells(config.Width, config.Height),
		recon:  newCells(config.Width, config.Height),
	}
}

// appendSlice encodes img as one slice NAL unit, without framing, and appends it to dst. A key picture is an
// IDR picture; any other is predicted from the picture before it.
func (e *h264Encoder) appendSlice(dst []byte, img *cells, key bool) []byte {
	e.bits.reset()
	e.inter = !key
	if key {
		e.frameNum = 0
	}
	e.sliceHeader(key)
	for my := range img.Height / 4 {
		for mx := range img.Width / 4 {
			if e.inter && e.unchanged(img, mx, my) {
				e.skipped++
				continue
			}
			e.macroblock(img, mx, my)
		}
	}
	if e.skipped > 0 {
		e.bits.ue(e.skipped)
		e.skipped = 0
	}
	e.bits.trailing()
	e.source.copyFrom(img)
	e.frameNum = (e.frameNum + 1) % (1 << frameNumBits)
	if key {
		e.idrID ^= 1 // two IDR pictures in a row must differ in it (7.4.3)
		return appendNAL(dst, nalIDR, e.bits.buf)
	}
	return appendNAL(dst, nalSlice, e.bits.buf)
}

// sliceHeader writes 7.3.3 as the parameter sets of this encoder shape it.
func (e *h264Encoder) sliceHeader(key bool) {
	w := &e.bits
	w.ue(0) // first_mb_in_slice
	if key {
		w.ue(7) // slice_type: I, and so are all of the picture
	} else {
		w.ue(5) // slice_type: P, and so are all of the picture
	}
	w.ue(0) // pic_parameter_set_id
	w.u(frameNumBits, e.frameNum)
	if key {
		w.ue(e.idrID)
		w.flag(false) // no_output_of_prior_pics_flag
		w.flag(false) // long_term_reference_flag
	} else {
		w.flag(false) // num_ref_idx_active_override_flag
		w.flag(false) // ref_pic_list_modification_flag_l0
		w.flag(false) // adaptive_ref_pic_marking_mode_flag
	}
	w.se(0) // slice_qp_delta
	w.ue(1) // disable_deblocking_filter_idc: a filter would smear the cells
}

// unchanged reports whether a macroblock is the same as in the picture before.
func (e *h264Encoder) unchanged(img *cells, mx, my int) bool {
	for y := range 4 {
		i := (my*4+y)*img.Width + mx*4
		if [4]uint8(img.Y[i:i+4]) != [4]uint8(e.source.Y[i:i+4]) {
			return false
		}
	}
	for y := range 2 {
		i := (my*2+y)*img.Width/2 + mx*2
		if [2]uint8(img.Cb[i:i+2]) != [2]uint8(e.source.Cb[i:i+2]) ||
			[2]uint8(img.Cr[i:i+2]) != [2]uint8(e.source.Cr[i:i+2]) {
			return false
		}
	}
	return true
}

// macroblock writes one macroblock as Intra_16x16 with DC prediction and no AC coefficients (7.3.5).
func (e *h264Encoder) macroblock(img *cells, mx, my int) {
	w := &e.bits
	luma := e.luma(img, mx, my)
	cb, anyCb := e.chroma(img.Cb, e.recon.Cb, mx, my)
	cr, anyCr := e.chroma(img.Cr, e.recon.Cr, mx, my)
	mbType := uint32(3) // I_16x16_2_0_0: DC prediction, nothing coded but luma DC (Table 7-11)
	if anyCb || anyCr {
		mbType += 4 // I_16x16_2_1_0: chroma DC as well
	}
	if e.inter {
		w.ue(e.skipped)
		e.skipped = 0
		mbType += 5 // the intra types follow the five inter types (Table 7-13)
	}
	w.ue(mbType)
	w.ue(0) // intra_chroma_pred_mode: DC
	w.se(0) // mb_qp_delta
	writeBlock(w, luma[:])
	if anyCb || anyCr {
		writeBlock(w, cb[:])
		writeBlock(w, cr[:])
	}
}
