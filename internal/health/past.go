package health

import "time"

const (
	pastSeconds = 300
	pastEvents  = 64
)

// past keeps what a stream's graphs show, in little memory.
type past struct {
	points [pastSeconds]point
	next   int // where the next point goes
	full   bool
	events []Event
}

// point is a Point in 32 bytes.
type point struct {
	at            int64 // Unix seconds
	bps           uint32
	viewers       uint32
	fps, gop, off float32
}

func (p *past) add(v point) {
	p.points[p.next] = v
	if p.next++; p.next == pastSeconds {
		p.next, p.full = 0, true
	}
}

// list returns the points, the oldest first.
func (p *past) list() []Point {
	var out []Point
	if p.full {
		out = appendPoints(make([]Point, 0, pastSeconds), p.points[p.next:])
	}
	return appendPoints(out, p.points[:p.next])
}

func appendPoints(out []Point, list []point) []Point {
	for _, v := range list {
		out = append(out, Point{
			At: time.Unix(v.at, 0).UTC(), InBPS: int64(v.bps), FPS: float64(v.fps), GOPSeconds: float64(v.gop),
			AVOffsetMS: float64(v.off), Viewers: int(v.viewers),
		})
	}
	return out
}

func (p *past) event(e Event) {
	if len(p.events) == pastEvents {
		p.events = append(p.events[:0], p.events[1:]...)
	}
	p.events = append(p.events, e)
}
