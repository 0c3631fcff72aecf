package thumb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"weir/internal/fault"
	"weir/internal/format/mp4"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// spot is a segment that a picture may be taken of.
type spot struct {
	key       bool // it begins with a key frame; one in its midst will do too
	run       uint64
	rendition *timeline.Rendition
	n         int64
	at        time.Time
}

// spots lists them in the order of the snapshot, from the smallest video of each run, and gives each to visit.
func spots(snap *timeline.Snapshot, visit func(spot)) {
	for i := range snap.Runs {
		run := &snap.Runs[i]
		best := -1
		for k := range run.Run.Renditions {
			t := &run.Run.Renditions[k].Track
			if t.Kind == media.Video && (best < 0 || t.Rank > run.Run.Renditions[best].Track.Rank) {
				best = k
			}
		}
		if best < 0 {
			continue
		}
		rd := &run.Run.Renditions[best]
		for _, s := range run.Renditions[best].Segments {
			if s.Complete && !s.Gap {
				visit(spot{key: s.Independent, run: run.ID, rendition: rd, n: s.N, at: presentation.At(s.Start, rd.Track.TimeScale)})
			}
		}
	}
}

// places gives a segment of each ten seconds of a window that begins at from, if possible one that begins with a key frame;
// rendition nil where there is none.
func places(snap *timeline.Snapshot, from time.Time) (out [columns * rows]spot, count int) {
	spots(snap, func(x spot) {
		at := x.at.Sub(from)
		if at < 0 || at >= window {
			return
		}
		p := &out[at/every]
		if p.rendition == nil {
			count++
		}
		if p.rendition == nil || x.key && !p.key || x.key == p.key && x.at.Before(p.at) {
			*p = x
		}
	})
	return out, count
}

// mask has a bit for each place that has footage.
func mask(found []spot) (m uint32) {
	for i := range found {
		if found[i].rendition != nil {
			m |= 1 << i
		}
	}
	return m
}

// A sprite says in a comment right behind its beginning (JPEG, ITU-T T.81 B.2.4.5) which of its places have footage.
const (
	commentHead = "\xff\xd8\xff\xfe\x00\x12weir "
	commentSize = len(commentHead) + 11
)

// sign puts the comment into a JPEG.
func sign(jpeg []byte, m uint32) []byte {
	out := append([]byte(commentHead), fmt.Sprintf("%011x", m)...)
	return append(out, jpeg[2:]...)
}

// signed reads the comment: all places where there is none.
func signed(jpeg []byte) uint32 {
	if len(jpeg) < commentSize || string(jpeg[:len(commentHead)]) != commentHead {
		return 1<<32 - 1
	}
	m, err := strconv.ParseUint(string(jpeg[len(commentHead):commentSize]), 16, 32)
	if err != nil {
		return 1<<32 - 1
	}
	return uint32(m)
}

// before gives the segments that begin not after an instant, the latest first, a few of them.
func before(snap *timeline.Snapshot, at time.Time) []spot {
	const enough = 16
	var all []spot
	spots(snap, func(x spot) {
		if !x.at.After(at) {
			all = append(all, x)
		}
	})
	slices.SortStableFunc(all, func(a, b spot) int { return b.at.Compare(a.at) })
	return all[:min(len(all), enough)]
}

var (
	errSegment = fault.New(fault.Internal, "footage_damaged", "The segment of this time cannot be read.", "Run weir check.")
	errNoKey   = fault.New(fault.NotFound, "no_key_frame", "What was recorded at this time has no key frame.", "Let the encoder send one every two seconds.")
)

// frame reads the last key frame of a segment that is shown not after an instant, or else its first.
func (s *Server) frame(ctx context.Context, name string, x *spot, at time.Time) (media.Frame, error) {
	h, err := mp4.ParseHeader(x.rendition.Init)
	if err != nil {
		return media.Frame{}, err
	}
	rd, err := s.footage.OpenSegment(ctx, name, x.run, x.rendition.Name, x.n)
	if err != nil {
		return media.Frame{}, err
	}
	defer rd.Close()
	r, size, err := content(ctx, rd)
	if err != nil {
		return media.Frame{}, err
	}
	var scan mp4.Scanner
	samples, err := scan.Scan(r, size, h)
	if err != nil {
		return media.Frame{}, err
	}
	var best *mp4.Located
	for i := range samples {
		k := &samples[i]
		if k.Key && (best == nil || !presentation.At(k.DTS+int64(k.CTS), h.Scale).After(at)) {
			best = k
		}
	}
	if best == nil {
		return media.Frame{}, errNoKey
	}
	if best.Size > mostFrame {
		return media.Frame{}, errSegment
	}
	f := media.Frame{Key: true, DTS: best.DTS, PTS: best.DTS + int64(best.CTS), Data: make([]byte, best.Size)}
	_, err = r.ReadAt(f.Data, best.At)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return f, err
}

// content gives a segment's bytes at random, from its file or, where it is in none, from memory.
func content(ctx context.Context, rd *timeline.Reader) (io.ReaderAt, int64, error) {
	if f := rd.File(); f != nil {
		return io.NewSectionReader(f, rd.Offset(), rd.Size()), rd.Size(), nil
	}
	var all []byte
	for {
		b, err := rd.Next(ctx)
		if errors.Is(err, io.EOF) {
			return bytes.NewReader(all), int64(len(all)), nil
		}
		if err != nil {
			return nil, 0, err
		}
		if len(all)+len(b) > 4*mostFrame {
			return nil, 0, errSegment
		}
		all = append(all, b...)
	}
}
