package testpattern

// Mark is what every frame of the test pattern says of itself.
type Mark struct {
	Counter uint32 // frames since the source began
	SentMS  int64  // when the frame was made, Unix milliseconds; 42 bits in the picture (until the year 2109)
}

// The mark is 80 blocks of 8x8 samples in two rows of 40 at the top left, black for 0 and white for 1, most
// significant bit first: 32 bits counter, 42 bits time, 6 bits checksum of the 74 before. It is the same for every
// size of picture, and so a picture is at least 320 wide. There is no sync word: a reader finds the mark by place, and
// takes it only if each of its blocks is clearly black or clearly white and the checksum fits.
const (
	blockSize   = 8
	blockRows   = 2
	blocksInRow = 40
	markBlocks  = blockRows * blocksInRow
	markWidth   = blocksInRow * blockSize
	markHeight  = blockRows * blockSize

	timeBits  = 42
	checkBits = 6

	black, white = 16, 235 // luma of limited range
)

// blocks spells the mark as bits.
func (m Mark) blocks() (bits [markBlocks]bool) {
	for i := range 32 {
		bits[i] = m.Counter>>(31-i)&1 == 1
	}
	for i := range timeBits {
		bits[32+i] = m.SentMS>>(timeBits-1-i)&1 == 1
	}
	check := checksum(bits[:markBlocks-checkBits])
	for i := range checkBits {
		bits[markBlocks-checkBits+i] = check>>(checkBits-1-i)&1 == 1
	}
	return bits
}

// parseBlocks is the way back; ok is false when the checksum does not fit.
func parseBlocks(bits *[markBlocks]bool) (m Mark, ok bool) {
	for i, bit := range bits[:32+timeBits] {
		var v uint32
		if bit {
			v = 1
		}
		if i < 32 {
			m.Counter = m.Counter<<1 | v
		} else {
			m.SentMS = m.SentMS<<1 | int64(v)
		}
	}
	if m.blocks() != *bits {
		return Mark{}, false
	}
	return m, true
}

// checksum is a CRC-6 with the polynomial x^6 + x + 1, begun with all ones so that an even picture does not fit.
func checksum(bits []bool) uint8 {
	crc := uint8(0x3F)
	for _, bit := range bits {
		top := crc>>5&1 == 1
		crc = crc << 1 & 0x3F
		if top != bit {
			crc ^= 0x03
		}
	}
	return crc
}

// draw puts the mark into the picture, whose chroma there is neutral.
func (m Mark) draw(p *cells) {
	for i, bit := range m.blocks() {
		v := uint8(black)
		if bit {
			v = white
		}
		at := i/blocksInRow*2*p.Width + i%blocksInRow*2
		p.Y[at], p.Y[at+1] = v, v
		p.Y[at+p.Width], p.Y[at+p.Width+1] = v, v
	}
}

// ReadLuma reads the mark from the luma plane of a decoded picture. A picture that is scaled, or not
// of the test pattern, or too damaged gives ok = false.
func ReadLuma(y []byte, stride, width, height int) (m Mark, ok bool) {
	if width < markWidth || height < markHeight || stride < width || len(y) < stride*(markHeight-1)+markWidth {
		return Mark{}, false
	}
	var sums [markBlocks]int
	low, high := 1<<30, 0
	for i := range sums {
		sums[i] = blockSum(y, stride, i%blocksInRow*blockSize, i/blocksInRow*blockSize)
		low, high = min(low, sums[i]), max(high, sums[i])
	}
	if high-low < leastContrast*blockSamples {
		return Mark{}, false
	}
	var bits [markBlocks]bool
	for i, sum := range sums {
		bits[i] = sum > (low+high)/2
		// A block in the middle between black and white is a leftover of another picture.
		if 10*(sum-low) > 3*(high-low) && 10*(sum-low) < 7*(high-low) {
			return Mark{}, false
		}
	}
	return parseBlocks(&bits)
}

const (
	leastContrast = 60    // luma levels between the darkest and the brightest block
	blockSamples  = 36    // samples looked at in each block
	blockMargin   = 1     // samples at its edge that are not, because a codec smears them
	blockEnd      = 8 - 1 // one past the last sample looked at
)

// blockSum adds up the inner samples of the block at x, top.
func blockSum(y []byte, stride, x, top int) int {
	sum := 0
	for row := top + blockMargin; row < top+blockEnd; row++ {
		for _, v := range y[row*stride+x+blockMargin : row*stride+x+blockEnd] {
			sum += int(v)
		}
	}
	return sum
}
