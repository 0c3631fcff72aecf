package testpattern

// NAL unit headers: nal_ref_idc and nal_unit_type (Table 7-1).
const (
	nalSlice = 2<<5 | 1
	nalIDR   = 3<<5 | 5
	nalSPS   = 3<<5 | 7
	nalPPS   = 3<<5 | 8
	nalSEI   = 6
)

const frameNumBits = 4

// h264Config is what the stream says of itself. Width and Height are in samples and even; FPS is at least 1.
type h264Config struct {
	Width, Height int
	FPS           int
	Bitrate       int // bit/s, which may raise the level; 0 = whatever it takes
}

// h264Levels is Table A-1 in part: level_idc, macroblocks per second, macroblocks per picture, kbit/s.
var h264Levels = [...]struct{ idc, rate, size, kbits int }{
	{21, 19800, 792, 4000},
	{22, 20250, 1620, 4000},
	{30, 40500, 1620, 10000},
	{31, 108000, 3600, 14000},
	{32, 216000, 5120, 20000},
	{40, 245760, 8192, 20000},
	{42, 522240, 8704, 50000},
	{50, 589824, 22080, 135000},
	{51, 983040, 36864, 240000},
}

// level is the lowest that allows the stream, or 5.2.
func (c h264Config) level() uint32 {
	size := ((c.Width + 15) / 16) * ((c.Height + 15) / 16)
	for _, l := range h264Levels {
		if size <= l.size && size*c.FPS <= l.rate && c.Bitrate <= l.kbits*1000 {
			return uint32(l.idc)
		}
	}
	return 52
}

// sps returns the sequence parameter set NAL unit (7.3.2.1.1).
func (c h264Config) sps() []byte {
	var w bitWriter
	w.u(8, 66)         // profile_idc: Baseline
	w.u(8, 0b11000000) // constraint_set0 and 1: Constrained Baseline (A.2.1.1)
	w.u(8, c.level())
	w.ue(0)                // seq_parameter_set_id
	w.ue(frameNumBits - 4) // log2_max_frame_num_minus4
	w.ue(2)                // pic_order_cnt_type: shown in the order of decoding
	w.ue(1)                // max_num_ref_frames
	w.flag(false)          // gaps_in_frame_num_value_allowed_flag
	wide, high := (c.Width+15)/16, (c.Height+15)/16
	w.ue(uint32(wide - 1))
	w.ue(uint32(high - 1))
	w.flag(true) // frame_mbs_only_flag
	w.flag(true) // direct_8x8_inference_flag
	right, bottom := (wide*16-c.Width)/2, (high*16-c.Height)/2
	w.flag(right > 0 || bottom > 0)
	if right > 0 || bottom > 0 {
		w.ue(0)
		w.ue(uint32(right))
		w.ue(0)
		w.ue(uint32(bottom))
	}
	w.flag(true) // vui_parameters_present_flag
	c.vui(&w)
	w.trailing()
	return appendNAL(nil, nalSPS, w.buf)
}

// vui writes the video usability information (E.1.1): square samples, BT.709 in limited range, a fixed
// frame rate, and that no picture is ever reordered.
func (c h264Config) vui(w *bitWriter) {
	w.flag(true)
	w.u(8, 1)     // aspect_ratio_idc: 1:1
	w.flag(false) // overscan_info_present_flag
	w.flag(true)  // video_signal_type_present_flag
	w.u(3, 5)     // video_format: unspecified
	w.flag(false) // video_full_range_flag
	w.flag(true)  // colour_description_present_flag
	w.u(8, 1)     // colour_primaries: BT.709
	w.u(8, 1)     // transfer_characteristics: BT.709
	w.u(8, 1)     // matrix_coefficients: BT.709
	w.flag(false) // chroma_loc_info_present_flag
	w.flag(true)  // timing_info_present_flag
	w.u(32, 1)
	w.u(32, uint32(2*c.FPS)) // time_scale counts fields
	w.flag(true)             // fixed_frame_rate_flag
	w.flag(false)            // nal_hrd_parameters_present_flag
	w.flag(false)            // vcl_hrd_parameters_present_flag
	w.flag(false)            // pic_struct_present_flag
	w.flag(true)             // bitstream_restriction_flag
	w.flag(true)             // motion_vectors_over_pic_boundaries_flag
	w.ue(0)                  // max_bytes_per_pic_denom: no limit
	w.ue(0)                  // max_bits_per_mb_denom: no limit
	w.ue(0)                  // log2_max_mv_length_horizontal
	w.ue(0)                  // log2_max_mv_length_vertical
	w.ue(0)                  // max_num_reorder_frames
	w.ue(1)                  // max_dec_frame_buffering
}

// pps returns the picture parameter set NAL unit (7.3.2.2).
func (c h264Config) pps() []byte {
	var w bitWriter
	w.ue(0)       // pic_parameter_set_id
	w.ue(0)       // seq_parameter_set_id
	w.flag(false) // entropy_coding_mode_flag: CAVLC
	w.flag(false) // bottom_field_pic_order_in_frame_present_flag
	w.ue(0)       // num_slice_groups_minus1
	w.ue(0)       // num_ref_idx_l0_default_active_minus1
	w.ue(0)       // num_ref_idx_l1_default_active_minus1
	w.flag(false) // weighted_pred_flag
	w.u(2, 0)     // weighted_bipred_idc
	w.se(qp - 26) // pic_init_qp_minus26
	w.se(0)       // pic_init_qs_minus26
	w.se(0)       // chroma_qp_index_offset
	w.flag(true)  // deblocking_filter_control_present_flag
	w.flag(false) // constrained_intra_pred_flag
	w.flag(false) // redundant_pic_cnt_present_flag
	w.trailing()
	return appendNAL(nil, nalPPS, w.buf)
}

// avcc returns the AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) with both parameter sets and 4-byte lengths.
func (c h264Config) avcc() []byte {
	sps, pps := c.sps(), c.pps()
	b := []byte{1, sps[1], sps[2], sps[3], 0xFF, 0xE1, byte(len(sps) >> 8), byte(len(sps))}
	b = append(b, sps...)
	b = append(b, 1, byte(len(pps)>>8), byte(len(pps)))
	return append(b, pps...)
}
