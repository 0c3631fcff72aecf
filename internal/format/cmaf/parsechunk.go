package cmaf

import (
	"weir/internal/media"
)

const (
	maxRunSamples   = 1 << 16
	maxChunkSamples = 1 << 18
	tfhdBaseOffset  = 0x000001
	tfhdDescription = 0x000002
)

// Frames reads all fragments of b, which holds whole boxes (a chunk, a segment, or the
// fragments of a file), and appends their frames to dst. Their Data shares memory with b.
// Tracks that are not in the header are left out.
func (h *Header) Frames(dst []media.Frame, b []byte) ([]media.Frame, error) {
	// A sample without a byte is legal, but then not many are: what is made of b must
	// not outgrow b.
	limit := len(dst) + min(maxChunkSamples, len(b)/2)
	err := each(b, func(x box) error {
		if x.kind != "moof" {
			return nil
		}
		return each(x.body, func(y box) error {
			if y.kind != "traf" {
				return nil
			}
			r := fragment{h: h, b: b, moof: x.at, data: x.at + 8 + len(x.body) + 8, dst: dst, limit: limit}
			err := r.read(y.body)
			dst = r.dst
			return err
		})
	})
	return dst, err
}

// fragment reads one traf.
type fragment struct {
	h     *Header
	b     []byte
	moof  int // where the moof begins
	data  int // where the next sample begins
	track int
	extra defaults
	time  int64
	timed bool
	dst   []media.Frame
	limit int
}

func (r *fragment) read(b []byte) error {
	r.track = -1
	err := each(b, func(x box) error {
		switch x.kind {
		case "tfhd":
			return r.tfhd(x.body)
		case "tfdt":
			f := fields{b: x.body}
			if version, _ := f.full(); version == 1 {
				r.time = int64(f.u64()) // writers put the negative times of B-frames here
			} else {
				r.time = int64(f.u32())
			}
			if f.short || r.time < -1<<60 || r.time > 1<<60 {
				return bad("a decode time is out of range")
			}
			r.timed = true
		case "trun":
			if r.track >= 0 {
				return r.trun(x.body)
			}
		}
		return nil
	})
	if r.track >= 0 {
		r.h.extra[r.track].next = r.time
	}
	return err
}

func (r *fragment) tfhd(b []byte) error {
	f := fields{b: b}
	_, flags := f.full()
	id := f.u32()
	if id > 0xFFFF {
		return nil
	}
	r.track = r.h.find(media.TrackID(id))
	if r.track < 0 {
		return nil
	}
	r.extra = r.h.extra[r.track]
	if !r.timed {
		r.time = r.extra.next
	}
	if flags&tfhdBaseOffset != 0 {
		// Writers that use it give the position of the moof in the file, which is what
		// the offsets are counted from without it.
		f.u64()
	}
	if flags&tfhdDescription != 0 {
		f.u32()
	}
	if flags&tfhdDuration != 0 {
		r.extra.duration = f.u32()
	}
	if flags&tfhdSize != 0 {
		r.extra.size = f.u32()
	}
	if flags&tfhdFlags != 0 {
		r.extra.flags = f.u32()
	}
	if f.short {
		return bad("a track fragment header is cut off")
	}
	return nil
}

func (r *fragment) trun(b []byte) error {
	f := fields{b: b}
	_, flags := f.full()
	n := f.u32()
	if flags&trunOffset != 0 {
		r.data = r.moof + int(int32(f.u32()))
	}
	firstFlags := r.extra.flags
	if flags&trunFirst != 0 {
		firstFlags = f.u32()
	}
	if n > maxRunSamples || len(r.dst)+int(n) > r.limit {
		return bad("a fragment claims too many samples")
	}
	t := &r.h.Tracks[r.track]
	for i := range n {
		duration, size, sampleFlags, cts := r.extra.duration, r.extra.size, r.extra.flags, int32(0)
		if i == 0 {
			sampleFlags = firstFlags
		}
		if flags&trunDuration != 0 {
			duration = f.u32()
		}
		if flags&trunSize != 0 {
			size = f.u32()
		}
		if flags&trunFlags != 0 {
			sampleFlags = f.u32()
		}
		if flags&trunCTS != 0 {
			// Version 0 says unsigned, yet writers put negative offsets there too, and
			// none needs the upper half.
			cts = int32(f.u32())
		}
		if f.short || r.data < 0 || int64(r.data)+int64(size) > int64(len(r.b)) {
			return bad("a sample lies outside of the data")
		}
		dts := r.time + r.extra.shift
		r.dst = append(r.dst, media.Frame{Track: t.ID, Key: t.Kind == media.Audio || sampleFlags&0x10000 == 0,
			DTS: dts, PTS: dts + int64(cts), Duration: int64(duration), Data: r.b[r.data : r.data+int(size) : r.data+int(size)]})
		r.data += int(size)
		r.time += int64(duration)
	}
	return nil
}
