package trackfile

import (
	"encoding/binary"

	"weir/internal/media"
)

// Flags of track fragments (ISO/IEC 14496-12 8.8.7) and runs (8.8.8).
const (
	tfhdBaseOffset  = 0x000001
	tfhdDescription = 0x000002
	tfhdDuration    = 0x000008
	tfhdSize        = 0x000010
	tfhdFlags       = 0x000020
	trunOffset      = 0x000001
	trunFirst       = 0x000004
	trunDuration    = 0x000100
	trunSize        = 0x000200
	trunFlags       = 0x000400
	trunCTS         = 0x000800
	nonSync         = 0x010000

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

	// What tfhd says of samples that trun is silent about.
	defDuration, defSize, defFlags uint32
}

// numbers reads big-endian numbers; past the end they are 0 and short is set.
type numbers struct {
	b     []byte
	short bool
}

func (n *numbers) u32() uint32 {
	if len(n.b) < 4 {
		n.b, n.short = nil, true
		return 0
	}
	v := binary.BigEndian.Uint32(n.b)
	n.b = n.b[4:]
	return v
}

func (n *numbers) u64() uint64 {
	high := n.u32()
	return uint64(high)<<32 | uint64(n.u32())
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
		n := numbers{b: body}
		switch kind {
		case "tfhd":
			seen = true
			return f.tfhd(&n, t)
		case "tfdt":
			f.timed = true
			if n.u32()>>24 == 1 {
				f.dts = int64(n.u64())
			} else {
				f.dts = int64(n.u32())
			}
			return !n.short && len(n.b) == 0
		case "trun":
			return seen && f.trun(&n)
		}
		return true // saiz, saio, sbgp and the like say nothing of places
	})
}

func (f *fragment) tfhd(n *numbers, t *media.Track) bool {
	flags := n.u32()
	if n.u32() != uint32(t.ID) || flags&tfhdBaseOffset != 0 {
		return false
	}
	if flags&tfhdDescription != 0 {
		n.u32()
	}
	if flags&tfhdDuration != 0 {
		f.defDuration = n.u32()
	}
	if flags&tfhdSize != 0 {
		f.defSize = n.u32()
	}
	if flags&tfhdFlags != 0 {
		f.defFlags = n.u32()
	}
	return !n.short && len(n.b) == 0
}

func (f *fragment) trun(n *numbers) bool {
	flags := n.u32() & 0xffffff
	count := n.u32()
	offset := int64(0)
	if flags&trunOffset != 0 {
		offset = int64(int32(n.u32()))
	}
	firstFlags := f.defFlags
	if flags&trunFirst != 0 {
		firstFlags = n.u32()
	}
	perSample := 0
	for _, flag := range [...]uint32{trunDuration, trunSize, trunFlags, trunCTS} {
		if flags&flag != 0 {
			perSample += 4
		}
	}
	if n.short || count == 0 || count > maxSamples || int64(len(n.b)) != int64(perSample)*int64(count) {
		return false
	}
	if perSample == 0 { // costs as little to read as it takes to claim
		f.sample(n, flags, firstFlags, offset, int64(count))
	} else {
		for range count {
			f.sample(n, flags, firstFlags, offset, 1)
			firstFlags = f.defFlags
		}
	}
	return f.duration <= maxDuration
}

// sample reads one entry of a run, which stands for times samples.
func (f *fragment) sample(n *numbers, runFlags, flags uint32, offset, times int64) {
	duration, size := f.defDuration, f.defSize
	if runFlags&trunDuration != 0 {
		duration = n.u32()
	}
	if runFlags&trunSize != 0 {
		size = n.u32()
	}
	if runFlags&trunFlags != 0 {
		flags = n.u32()
	}
	if runFlags&trunCTS != 0 {
		n.u32()
	}
	if f.samples == 0 {
		f.first, f.offset, f.key = int64(size), offset, flags&nonSync == 0
	}
	f.samples += times
	f.duration += int64(duration) * times
	f.bytes += int64(size) * times
}
