package testpattern

// keyWeight is how many times larger a key frame is made than another frame when a bitrate is asked for, as encoders do.
const keyWeight = 5

// padding tells how many bytes to add to each frame so that every group of pictures has the bitrate asked for.
type padding struct {
	share float64 // bytes for each unit of weight; 0 = no padding
	debt  float64 // bytes that earlier frames took beyond their share
}

func newPadding(bitrate, fps int, gop int64) padding {
	if bitrate == 0 {
		return padding{}
	}
	bytes := float64(bitrate) / 8 * float64(gop) / float64(fps)
	return padding{share: bytes / float64(gop-1+keyWeight)}
}

// expect is about how long a frame will be.
func (p *padding) expect(key bool) int {
	const bare, bareKey = 2048, 16384
	if key {
		return bareKey + int(p.share*keyWeight)
	}
	return bare + int(p.share)
}

// next is how many bytes to add to a frame that is size bytes long without.
func (p *padding) next(size int, key bool) int {
	if p.share == 0 {
		return 0
	}
	budget := p.share
	if key {
		budget *= keyWeight
	}
	p.debt += float64(size) - budget
	fill := max(0, int(-p.debt))
	p.debt += float64(fill)
	return fill
}
