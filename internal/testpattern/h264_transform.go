package testpattern

// zigzag is the frame scan of a 4x4 block, as raster positions (6.4.8, Table 8-12).
var zigzag = [16]uint8{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}

// luma predicts, transforms and quantises the 16 cells of a macroblock, leaves in recon what a decoder will
// have, and returns the DC levels in scan order.
func (e *h264Encoder) luma(img *cells, mx, my int) (scan [16]int32) {
	pred := e.predictLuma(mx, my)
	var block [16]int32
	at := my*4*img.Width + mx*4
	for i := range block {
		block[i] = int32(img.Y[at+i/4*img.Width+i%4]) - pred
	}
	hadamard4(&block)
	var levels [16]int32
	for i, pos := range zigzag {
		levels[pos] = divide(block[pos]*2, 5)
		scan[i] = levels[pos]
	}
	hadamard4(&levels)
	for i, f := range levels {
		// At QP 12 the scaling of 8.5.10 is (160·f + 8) >> 4, and the inverse transform adds (dc + 32) >> 6 everywhere.
		e.recon.Y[at+i/4*img.Width+i%4] = clip(pred + (10*f+32)>>6)
	}
	return scan
}

// predictLuma is Intra_16x16_DC prediction (8.3.3.3) on flat cells.
func (e *h264Encoder) predictLuma(mx, my int) int32 {
	r := e.recon
	at := my*4*r.Width + mx*4
	var above, left int32
	for i := range 4 {
		if my > 0 {
			above += int32(r.Y[at-r.Width+i])
		}
		if mx > 0 {
			left += int32(r.Y[at-1+i*r.Width])
		}
	}
	switch {
	case my > 0 && mx > 0:
		return (above + left + 4) >> 3
	case my > 0 || mx > 0:
		return (above + left + 2) >> 2
	default:
		return 128
	}
}

// chroma does for the four cells of one chroma component what luma does, and says whether any level is not zero.
func (e *h264Encoder) chroma(img, recon []uint8, mx, my int) (levels [4]int32, coded bool) {
	stride := e.recon.Width / 2
	at := my*2*stride + mx*2
	pos := [4]int{at, at + 1, at + stride, at + stride + 1}
	pred := predictChroma(recon, stride, mx, my)
	var block [4]int32
	for i := range block {
		block[i] = int32(img[pos[i]]) - pred[i]
	}
	hadamard2(&block)
	for i := range block {
		levels[i] = divide(block[i]*4, 5)
		coded = coded || levels[i] != 0
	}
	block = levels
	hadamard2(&block)
	for i, f := range block {
		// At QP 12 the scaling of 8.5.11.2 is ((160·f) << 2) >> 5.
		recon[pos[i]] = clip(pred[i] + (20*f+32)>>6)
	}
	return levels, coded
}

// predictChroma is Intra_Chroma_DC prediction (8.3.4) on flat cells: each cell takes the mean of the cells above and to
// the left of it outside the macroblock, but those at the top right and bottom left prefer the nearer one.
func predictChroma(recon []uint8, stride, mx, my int) [4]int32 {
	at := my*2*stride + mx*2
	var above, left [2]int32
	for i := range 2 {
		if my > 0 {
			above[i] = int32(recon[at-stride+i])
		}
		if mx > 0 {
			left[i] = int32(recon[at-1+i*stride])
		}
	}
	switch {
	case my > 0 && mx > 0:
		return [4]int32{(above[0] + left[0] + 1) >> 1, above[1], left[1], (above[1] + left[1] + 1) >> 1}
	case my > 0:
		return [4]int32{above[0], above[1], above[0], above[1]}
	case mx > 0:
		return [4]int32{left[0], left[0], left[1], left[1]}
	default:
		return [4]int32{128, 128, 128, 128}
	}
}

// hadamard4 is the transform of the luma DC coefficients, its own inverse but for a factor of 16 (8.5.10).
func hadamard4(b *[16]int32) {
	for i := 0; i < 16; i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = butterfly(b[i], b[i+1], b[i+2], b[i+3])
	}
	for i := range 4 {
		b[i], b[i+4], b[i+8], b[i+12] = butterfly(b[i], b[i+4], b[i+8], b[i+12])
	}
}

func butterfly(a, b, c, d int32) (int32, int32, int32, int32) {
	return a + b + c + d, a + b - c - d, a - b - c + d, a - b + c - d
}

// hadamard2 is the transform of the chroma DC coefficients, its own inverse but for a factor of 4 (8.5.11.1).
func hadamard2(b *[4]int32) {
	b[0], b[1], b[2], b[3] = b[0]+b[1]+b[2]+b[3], b[0]-b[1]+b[2]-b[3], b[0]+b[1]-b[2]-b[3], b[0]-b[1]-b[2]+b[3]
}

// divide rounds to nearest, halves away from zero.
func divide(n, by int32) int32 {
	if n < 0 {
		return -((-n + by/2) / by)
	}
	return (n + by/2) / by
}

func clip(v int32) uint8 { return uint8(max(0, min(255, v))) }
