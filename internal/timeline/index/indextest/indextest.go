// Package indextest fills an index with the past of cameras that never were, for tests and measurements.
// What belongs here: plausible rows, the same for the same seed. What does not: files for them.
package indextest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"weir/internal/timeline/index"
)

// Plan says what to make. The zero value of a field means what its comment says.
type Plan struct {
	Seed       uint64
	Cameras    int           // 100
	Length     time.Duration // 30 days
	Start      time.Time     // 2026-01-01
	Renditions []string      // v0 and a0
	File       time.Duration // one minute
	Segment    time.Duration // two seconds
	RunLength  time.Duration // on average; three days
}

func (p Plan) filled() Plan {
	if p.Cameras == 0 {
		p.Cameras = 100
	}
	if p.Length == 0 {
		p.Length = 30 * 24 * time.Hour
	}
	if p.Start.IsZero() {
		p.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if p.Renditions == nil {
		p.Renditions = []string{"v0", "a0"}
	}
	if p.File == 0 {
		p.File = time.Minute
	}
	if p.Segment == 0 {
		p.Segment = 2 * time.Second
	}
	if p.RunLength == 0 {
		p.RunLength = 72 * time.Hour
	}
	return p
}

// Name is that of a camera's timeline.
func Name(camera int) string { return fmt.Sprintf("cameras/site-%02d/cam-%04d", camera%10, camera) }

// batch is how many files one transaction adds.
const batch = 20000

type camera struct {
	name  string
	at    time.Time
	run   index.Run
	seq   int
	until time.Time // the run's end
}

// Fill adds the rows in the order of time, as recording would, and returns how many files it made.
func Fill(ctx context.Context, db *index.DB, p Plan) (int, error) {
	p = p.filled()
	rng := rand.New(rand.NewPCG(p.Seed, 1))
	cameras := make([]camera, p.Cameras)
	for i := range cameras {
		// Files of different cameras end at different moments, so that no second has them all.
		cameras[i] = camera{name: Name(i), at: p.Start.Add(time.Duration(rng.Int64N(int64(p.File))))}
	}
	var b index.Batch
	made := 0
	for end := p.Start; end.Before(p.Start.Add(p.Length)); {
		end = end.Add(15 * time.Minute)
		for i := range cameras {
			for c := &cameras[i]; c.at.Before(end) && c.at.Before(p.Start.Add(p.Length)); {
				c.step(&b, p, rng)
			}
		}
		if len(b.Files) < batch && end.Before(p.Start.Add(p.Length)) {
			continue
		}
		made += len(b.Files)
		if err := db.Apply(ctx, b); err != nil {
			return made, err
		}
		b = index.Batch{Runs: b.Runs[:0], Files: b.Files[:0]}
	}
	for i := range cameras {
		b.Runs = append(b.Runs, cameras[i].run)
	}
	return made, db.Apply(ctx, b)
}

// step adds one file of each rendition, and a new run when the publisher dropped.
func (c *camera) step(b *index.Batch, p Plan, rng *rand.Rand) {
	if !c.at.Before(c.until) {
		c.begin(b, p, rng)
	}
	n := c.at.UnixNano() / int64(p.Segment)
	segments := int64(p.File / p.Segment)
	for i, rendition := range p.Renditions {
		rate := 60_000 + rng.IntN(5_000) // bytes a second: about half a Mbit
		if i > 0 {
			rate = 8_000
		}
		b.Files = append(b.Files, index.File{
			Timeline: c.name, Run: c.run.ID, Rendition: rendition, Seq: c.seq,
			Object: fmt.Sprintf("%s/%d/%s-%06d.mp4", c.name, c.run.ID, rendition, c.seq),
			Size:   int64(rate) * int64(p.File/time.Second), From: c.at, To: c.at.Add(p.File), FirstN: n, LastN: n + segments - 1,
			Groups: groups(segments, rng), End: "rotate",
		})
	}
	c.seq++
	c.at = c.at.Add(p.File)
}

func (c *camera) begin(b *index.Batch, p Plan, rng *rand.Rand) {
	last := c.run
	if last.ID != 0 {
		last.End, last.Reason = c.at, "publisher_gone"
		last.LastN = c.at.UnixNano() / int64(p.Segment)
		b.Runs = append(b.Runs, last)
		c.at = c.at.Add(time.Duration(2+rng.IntN(120)) * time.Second)
	}
	c.until = c.at.Add(p.RunLength/2 + time.Duration(rng.Int64N(int64(p.RunLength))))
	c.seq = 0
	c.run = index.Run{
		ID: uint64(c.at.UnixMilli()), Timeline: c.name, Start: c.at, FirstN: c.at.UnixNano() / int64(p.Segment), MSNBase: last.MSNBase + last.LastN - last.FirstN + 1,
		Seq: last.Seq + 1, SegmentDuration: p.Segment, PartDuration: time.Second, Clock: "arrival",
	}
	for _, rendition := range p.Renditions {
		header := make([]byte, 700)
		copy(header, rendition)
		c.run.Renditions = append(c.run.Renditions, index.Rendition{Name: rendition, Init: header})
	}
	b.Runs = append(b.Runs, c.run)
}

// groups has the size of a real one, eight bytes a segment, and its entropy.
func groups(segments int64, rng *rand.Rand) []byte {
	g := make([]byte, 0, 8*segments)
	for range segments {
		v := rng.Uint64()
		g = append(g, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), 0x80, byte(v>>32)&7, 1, 0)
	}
	return g
}
