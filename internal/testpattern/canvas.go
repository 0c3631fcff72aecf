package testpattern

// cells is a picture in 4:2:0 of which every 4x4 luma and every 4x4 chroma block is flat: Y holds one value
// for each 4x4 samples, Cb and Cr one for each 8x8 samples of the picture.
type cells struct {
	Width, Height int // in luma cells; multiples of 4
	Y, Cb, Cr     []uint8
}

// newCells returns a picture that covers width x height samples, rounded up to whole macroblocks.
func newCells(width, height int) *cells {
	w, h := (width+15)/16*4, (height+15)/16*4
	return &cells{
		Width: w, Height: h,
		Y: make([]uint8, w*h), Cb: make([]uint8, w*h/4), Cr: make([]uint8, w*h/4),
	}
}

// copyFrom makes c the same picture as from, which has the same size.
func (c *cells) copyFrom(from *cells) {
	copy(c.Y, from.Y)
	copy(c.Cb, from.Cb)
	copy(c.Cr, from.Cr)
}

// colour is a colour of limited-range BT.709.
type colour struct{ y, cb, cr uint8 }

// rgb converts a colour written as 0xRRGGBB.
func rgb(hex uint32) colour {
	r, g, b := float64(hex>>16&0xFF)/255, float64(hex>>8&0xFF)/255, float64(hex&0xFF)/255
	y := 0.2126*r + 0.7152*g + 0.0722*b
	return colour{
		y:  uint8(16 + 219*y + 0.5),
		cb: uint8(128 + 224*(b-y)/1.8556 + 0.5),
		cr: uint8(128 + 224*(r-y)/1.5748 + 0.5),
	}
}

// canvas draws on cells. Luma is as fine as a cell of 4x4 samples, chroma half as fine: what is drawn in a new
// hue should lie on even cells, or its hue spills over by one cell.
type canvas struct{ *cells }

// cell colours one cell; outside the picture it does nothing.
func (c canvas) cell(x, y int, v colour) {
	if x < 0 || y < 0 || x >= c.Width || y >= c.Height {
		return
	}
	c.Y[y*c.Width+x] = v.y
	at := y/2*(c.Width/2) + x/2
	c.Cb[at], c.Cr[at] = v.cb, v.cr
}

// fill colours a rectangle of cells.
func (c canvas) fill(x, y, w, h int, v colour) {
	for row := y; row < y+h; row++ {
		for col := x; col < x+w; col++ {
			c.cell(col, row, v)
		}
	}
}

// disc colours the cells whose centre is nearer than radius to a point.
func (c canvas) disc(cx, cy, radius float64, v colour) {
	for y := int(cy - radius); y <= int(cy+radius); y++ {
		for x := int(cx - radius); x <= int(cx+radius); x++ {
			dx, dy := float64(x)+0.5-cx, float64(y)+0.5-cy
			if dx*dx+dy*dy < radius*radius {
				c.cell(x, y, v)
			}
		}
	}
}

// text writes in font pixels of size x size cells, its top left corner at x, y.
func (c canvas) text(x, y, size int, v colour, text []rune) {
	for i, r := range text {
		for row, line := range glyphs[r] {
			for col := range len(line) {
				if line[col] == '#' {
					c.fill(x+(i*glyphPitch+col)*size, y+row*size, size, size, v)
				}
			}
		}
	}
}
