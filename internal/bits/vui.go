package bits

// Colour is how the numbers of a picture stand for colours, in those of ISO/IEC 23091-2; 2 = unspecified.
type Colour struct {
	Primaries, Transfer, Matrix uint8
	FullRange                   bool
}

// Unspecified is the colour of which nothing is said.
func Unspecified() Colour { return Colour{Primaries: 2, Transfer: 2, Matrix: 2} }

// VUI is what the video usability information of H.264 (ITU-T H.264 E.1.1) and of HEVC (ITU-T H.265 E.2.1) begins with.
type VUI struct {
	SARWidth, SARHeight int // 0 = not stated
	Colour              Colour
}

// sampleAspect are the sample aspect ratios that have a number (H.264 table E-1, H.265 table E.1).
var sampleAspect = [...][2]int{
	{0, 0}, {1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11},
	{80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1},
}

// ReadVUI reads up to the place of the chroma samples, each part only when it is there whole.
func (r *Reader) ReadVUI(v *VUI) {
	if r.Flag() {
		r.readAspect(v)
	}
	if r.Flag() {
		r.Flag() // overscan_appropriate_flag
	}
	if r.Flag() {
		r.readSignal(&v.Colour)
	}
	if r.Flag() { // chroma_loc_info_present_flag
		r.UE()
		r.UE()
	}
}

func (r *Reader) readAspect(v *VUI) {
	idc := r.U(8)
	if idc == 255 {
		w, h := int(r.U(16)), int(r.U(16))
		if w > 0 && h > 0 {
			v.SARWidth, v.SARHeight = w, h
		}
	} else if int(idc) < len(sampleAspect) {
		v.SARWidth, v.SARHeight = sampleAspect[idc][0], sampleAspect[idc][1]
	}
}

func (r *Reader) readSignal(c *Colour) {
	r.U(3) // video_format
	full := r.Flag()
	if r.OK() {
		c.FullRange = full
	}
	if r.Flag() {
		p, t, m := r.U(8), r.U(8), r.U(8)
		if r.OK() {
			c.Primaries, c.Transfer, c.Matrix = uint8(p), uint8(t), uint8(m)
		}
	}
}
