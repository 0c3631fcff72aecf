package testpattern

import "weir/internal/testpattern/h264enc"

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
type canvas struct{ *h264enc.Cells }

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
