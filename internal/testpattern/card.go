package testpattern

import (
	"fmt"
	"math"
	"time"
)

// The card is laid out on 80 x 45 units, each a whole number of cells and as large as fits.
const (
	unitsWide = 80
	unitsHigh = 45

	margin     = 4 // units, to the left and right
	headTop    = 6
	clockTop   = 16
	counterTop = 25
	barsTop    = 33
	rampTop    = 38
	waterTop   = 42 // the mean level of the water
	textEnd    = 51 // right edge of clock and counter

	lampLeft   = 54
	lampTop    = 6
	lampWide   = 22
	lampHigh   = 23
	lampCentre = lampLeft + lampWide/2
)

// palette is the colours of the card; they are those of the console's dark theme.
type palette struct {
	ground, surface, edge, text, muted, water, accent, warm, flash, ink colour
}

func newPalette() palette {
	return palette{
		ground: rgb(0x0E161B), surface: rgb(0x162127), edge: rgb(0x2C3B43),
		text: rgb(0xE8EEF1), muted: rgb(0xA3B3BC),
		water: rgb(0x0B6B80), accent: rgb(0x4CC3D9), warm: rgb(0xF0A15E),
		flash: colour{white, 128, 128}, ink: colour{black, 128, 128},
	}
}

// layout places the units of the card in a picture.
type layout struct {
	unit int // cells
	x, y int // cells left of and above the card
}

func newLayout(width, height int) layout {
	w, h := width/4, height/4
	u := max(1, min(w/unitsWide, h/unitsHigh))
	return layout{unit: u, x: (w - unitsWide*u) / 2 &^ 1, y: (h - unitsHigh*u) / 2 &^ 1}
}

func (l layout) col(units int) int { return l.x + units*l.unit }
func (l layout) row(units int) int { return l.y + units*l.unit }

// lamp is the area that flashes, in cells.
func (l layout) lamp() (x, y, w, h int) {
	return l.col(lampLeft), l.row(lampTop), lampWide * l.unit, lampHigh * l.unit
}

// card draws the pictures of one source.
type card struct {
	layout
	palette
	fps   int
	still canvas // what never changes
	shown canvas // the picture at work
}

func newCard(width, height, fps int) *card {
	c := &card{
		layout: newLayout(width, height), palette: newPalette(), fps: fps,
		still: canvas{newCells(width, height)}, shown: canvas{newCells(width, height)},
	}
	c.still.fill(0, 0, c.still.Width, c.still.Height, c.ground)
	c.still.fill(0, 0, markWidth/4, markHeight/4, c.ink)
	c.drawHead(width, height)
	c.drawBars()
	c.drawLamp()
	return c
}

// drawHead draws the logo, the name, and where there is room, what the stream is.
func (c *card) drawHead(width, height int) {
	size := glyphHeight * c.unit
	c.drawLogo(c.col(margin), c.row(headTop), size)
	name := []rune("WEIR")
	left := c.col(margin) + size + 2*c.unit
	c.still.text(left, c.row(headTop), c.unit, c.text, name)
	left += textWidth(len(name))*c.unit + 3*c.unit
	small := max(1, c.unit/4)
	for i, s := range []string{fmt.Sprintf("%d×%d", width, height), fmt.Sprintf("%d FPS", c.fps)} {
		line := []rune(s)
		if left+textWidth(len(line))*small <= c.col(lampLeft)-c.unit {
			c.still.text(left, c.row(headTop)+size-(2-i)*(glyphHeight+2)*small+2*small, small, c.muted, line)
		}
	}
}

// drawLogo draws the dam in a square: a wave upstream, the crest, and what falls from it.
func (c *card) drawLogo(x, y, size int) {
	light := c.water
	light.y = c.text.y // the hue of the water stays, so that thin strokes need no chroma of their own
	for row := range size {
		for col := range size {
			fx, fy := (float64(col)+0.5)/float64(size), (float64(row)+0.5)/float64(size)
			switch {
			case corner(fx, fy):
			case stroke(fx, fy):
				c.still.cell(x+col, y+row, light)
			default:
				c.still.cell(x+col, y+row, c.water)
			}
		}
	}
}

// corner says whether a point of the unit square lies outside its rounded corners.
func corner(x, y float64) bool {
	const radius = 0.16
	dx, dy := max(radius-x, x-(1-radius), 0), max(radius-y, y-(1-radius), 0)
	return dx*dx+dy*dy > radius*radius
}

// stroke says whether a point of the unit square lies on a stroke of the logo.
func stroke(x, y float64) bool {
	if x < 0.14 || x > 0.86 {
		return false
	}
	wave := 0.27 + 0.08*math.Sin((x-0.14)/0.72*2*math.Pi)
	if math.Abs(y-wave) < 0.055 || y > 0.43 && y < 0.54 {
		return true
	}
	for i, end := range [...]float64{0.86, 0.72, 0.8} {
		left := 0.14 + 0.305*float64(i)
		if x >= left && x <= left+0.11 && y >= 0.54 && y < end {
			return true
		}
	}
	return false
}

// drawBars draws the colour bars and below them a ramp of greys from black to white.
func (c *card) drawBars() {
	bars := [...]uint32{0xE8EEF1, 0xE9B44C, 0x7CCB8B, 0x4CC3D9, 0x86B4F5, 0xB79CF5, 0xF08BBE, 0xFF5A5F}
	const barWide, greys, greyWide = 9, 18, 4
	for i, hex := range bars {
		c.still.fill(c.col(margin+i*barWide), c.row(barsTop), barWide*c.unit, (rampTop-barsTop)*c.unit, rgb(hex))
	}
	for i := range greys {
		level := colour{uint8(black + (white-black)*i/(greys-1)), 128, 128}
		c.still.fill(c.col(margin+i*greyWide), c.row(rampTop), greyWide*c.unit, c.unit, level)
	}
}

// drawLamp draws the dark lamp with the ring on which the second goes round.
func (c *card) drawLamp() {
	x, y, w, h := c.lamp()
	c.still.fill(x, y, w, h, c.surface)
	cx, cy, radius := c.ring()
	c.still.disc(cx, cy, radius+0.25*float64(c.unit), c.edge)
	c.still.disc(cx, cy, radius-0.25*float64(c.unit), c.surface)
	for i := range 12 {
		dx, dy := hand(float64(i) / 12)
		c.still.disc(cx+dx*radius, cy+dy*radius, 0.6*float64(c.unit), c.edge)
	}
}

// ring is the circle inside the lamp, in cells.
func (c *card) ring() (cx, cy, radius float64) {
	x, y, w, h := c.lamp()
	return float64(x) + float64(w)/2, float64(y) + float64(h)/2, 0.38 * float64(w)
}

// hand is the direction of a clock's hand after a part of a turn.
func hand(turn float64) (dx, dy float64) {
	s, c := math.Sincos(2 * math.Pi * turn)
	return s, -c
}

// draw returns the picture of frame n, which is valid until the next call.
func (c *card) draw(n int64, m Mark, now time.Time) *cells {
	c.shown.copyFrom(c.still.cells)
	m.draw(c.shown.cells)
	c.drawClock(m.Counter, now)
	c.drawSecond(int(n % int64(c.fps)))
	c.drawWater(float64(n) / float64(c.fps))
	return c.shown.cells
}

// flashes says whether the lamp is lit in a frame that comes so many frames after the full second: for about as long as the beep.
func flashes(frame, fps int) bool { return frame*10 < fps }

// drawSecond lights the lamp at the beginning of each second of media time, and else shows how far the second has gone.
func (c *card) drawSecond(frame int) {
	if flashes(frame, c.fps) {
		x, y, w, h := c.lamp()
		c.shown.fill(x, y, w, h, c.flash)
		return
	}
	cx, cy, radius := c.ring()
	dx, dy := hand(float64(frame) / float64(c.fps))
	c.shown.disc(cx+dx*radius, cy+dy*radius, 1.5*float64(c.unit), c.warm)
}

// drawClock writes the wall clock, the counter and the milliseconds.
func (c *card) drawClock(counter uint32, now time.Time) {
	c.shown.text(c.col(margin), c.row(clockTop), c.unit, c.text, []rune(now.Format("15:04:05")))
	size := max(1, c.unit/2)
	digits := []rune(fmt.Sprintf("%08d", counter%100_000_000))
	c.shown.text(c.col(margin), c.row(counterTop), size, c.accent, digits)
	ms := []rune(fmt.Sprintf("%03d MS", now.Nanosecond()/int(time.Millisecond)))
	left := c.col(textEnd) - textWidth(len(ms))*size
	if left > c.col(margin)+textWidth(len(digits))*size {
		c.shown.text(left, c.row(counterTop), size, c.muted, ms)
	}
}

// drawWater draws two slow waves over the whole width and down to the bottom.
func (c *card) drawWater(seconds float64) {
	u := float64(c.unit)
	deep := colour{c.water.y / 2, 128 + (c.water.cb-128)/2, c.water.cr/2 + 64}
	for x := 0; x < c.shown.Width; x += 2 {
		along := float64(x) / u
		back := c.surfaceOf(along/31+seconds/7, 0.8, -0.9)
		front := c.surfaceOf(along/43-seconds/5, 0.7, 0.6)
		c.shown.fill(x, back, 2, front-back, deep)
		c.shown.fill(x, max(front, back), 2, c.shown.Height-front, c.water)
		c.shown.Y[front*c.shown.Width+x], c.shown.Y[front*c.shown.Width+x+1] = c.accent.y, c.accent.y
	}
}

// surfaceOf is the row of cells where a wave is at a phase; height and offset are in units.
func (c *card) surfaceOf(phase, height, offset float64) int {
	level := waterTop + offset + height*math.Sin(2*math.Pi*phase)
	return min(c.y+int(math.Round(level*float64(c.unit))), c.shown.Height-1)
}
