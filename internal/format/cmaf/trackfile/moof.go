package trackfile

import (
	"weir/internal/format/box"
	"weir/internal/media"
)

const (
	maxSamples  = 1 << 16 // of a run
	maxDuration = 1 << 50 // of a fragment or a segment, ticks
)

// fragment is what a moof says of the mdat behind it.
type fragment struct {
	dts, duration int64
	bytes         int64 // of all samples
	first         int64 // of the first sample
	offset        int64 // of the first sample, from the moof's first byte
	samples       int64
	key           bool
	timed         bool

	silent box.Defaults // what tfhd says of samples that trun is silent about
}

// boxes calls visit for each box of b, which they have to fill.
func boxes(b []byte, visit func(kind string, body []byte) bool) bool {
	for len(b) > 0 {
		h, ok := parseHeader(b)
		if !ok || h.size > int64(len(b)) || !visit(h.kind, b[h.head:h.size]) {
			return false
		}
		b = b[h.size:]
	}
	return true
}

// parseMoof reads a whole moof box of the one track that a file has. ok is false if it is
// not one that fits this track.
func parseMoof(b []byte, t *media.Track) (f fragment, ok bool) {
	headers, tracks := 0, 0
	ok = boxes(b[8:], func(kind string, body []byte) bool {
		switch kind {
		case "mfhd":
			headers++
			return len(body) == 8
		case "traf":
			tracks++
			return tracks == 1 && f.traf(body, t)
		}
		return false
	})
	return f, ok && headers == 1 && tracks == 1 && f.timed && f.samples > 0
}

func (f *fragment) traf(b []byte, t *media.Track) bool {
	seen := false
	return boxes(b, func(kind string, body []byte) bool {
		n := box.NewFields(body)
		switch kind {
		case "tfhd":
			seen = true
			return f.tfhd(&n, t)
		case "tfdt":
			f.timed = true
			version, _ := n.Full()
			f.dts = n.Time(version)
			return !n.Short() && len(n.Rest()) == 0
		case "trun":
			return seen && f.trun(&n)
		}
		return true // saiz, saio, sbgp and the like say nothing of places
	})
}

func (f *fragment) tfhd(n *box.Fields, t *media.Track) bool {
	_, flags := n.Full()
	if n.U32() != uint32(t.ID) || flags&box.TfhdBaseOffset != 0 {
		return false
	}
	f.silent.Override(n, flags)
	return !n.Short() && len(n.Rest()) == 0
}

func (f *fragment) trun(n *box.Fields) bool {
	_, flags := n.Full()
	r := f.silent.Run(n, flags)
	if n.Short() || r.Count == 0 || r.Count > maxSamples || int64(len(n.Rest())) != int64(r.EntrySize())*int64(r.Count) {
		return false
	}
	if r.EntrySize() == 0 { // costs as little to read as it takes to claim
		f.sample(r.Next(n), r.Offset, int64(r.Count))
	} else {
		for range r.Count {
			f.sample(r.Next(n), r.Offset, 1)
		}
	}
	return f.duration <= maxDuration
}

// sample takes one entry of a run, which stands for times samples.
func (f *fragment) sample(s box.Sample, offset, times int64) {
	if f.samples == 0 {
		f.first, f.offset, f.key = int64(s.Size), offset, s.Flags&box.NonSync == 0
	}
	f.samples += times
	f.duration += int64(s.Duration) * times
	f.bytes += int64(s.Size) * times
}
