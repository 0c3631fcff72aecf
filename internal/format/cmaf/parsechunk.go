package cmaf

import (
	"weir/internal/format/box"
	"weir/internal/media"
)

const (
	maxRunSamples   = 1 << 16
	maxChunkSamples = 1 << 18
)

// Frames reads all fragments of b, which holds whole boxes (a chunk, a segment, or the
// fragments of a file), and appends their frames to dst. Their Data shares memory with b.
// Tracks that are not in the header are left out.
func (h *Header) Frames(dst []media.Frame, b []byte) ([]media.Frame, error) {
	// A sample without a byte is legal, but then not many are: what is made of b must
	// not outgrow b.
	limit := len(dst) + min(maxChunkSamples, len(b)/2)
	err := each(b, func(x box.Box) error {
		if x.Kind != "moof" {
			return nil
		}
		return each(x.Body, func(y box.Box) error {
			if y.Kind != "traf" {
				return nil
			}
			r := fragment{h: h, b: b, moof: x.At, data: x.At + 8 + len(x.Body) + 8, dst: dst, limit: limit}
			err := r.read(y.Body)
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
	err := each(b, func(x box.Box) error {
		switch x.Kind {
		case "tfhd":
			return r.tfhd(x.Body)
		case "tfdt":
			f := box.NewFields(x.Body)
			version, _ := f.Full()
			r.time = f.Time(version)
			if f.Short() || r.time < -1<<60 || r.time > 1<<60 {
				return bad("a decode time is out of range")
			}
			r.timed = true
		case "trun":
			if r.track >= 0 {
				return r.trun(x.Body)
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
	f := box.NewFields(b)
	_, flags := f.Full()
	id := f.U32()
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
	r.extra.Override(&f, flags)
	if f.Short() {
		return bad("a track fragment header is cut off")
	}
	return nil
}

func (r *fragment) trun(b []byte) error {
	f := box.NewFields(b)
	_, flags := f.Full()
	run := r.extra.Run(&f, flags)
	if run.Placed {
		r.data = r.moof + int(run.Offset)
	}
	if run.Count > maxRunSamples || len(r.dst)+int(run.Count) > r.limit {
		return bad("a fragment claims too many samples")
	}
	t := &r.h.Tracks[r.track]
	for range run.Count {
		s := run.Next(&f)
		if f.Short() || r.data < 0 || int64(r.data)+int64(s.Size) > int64(len(r.b)) {
			return bad("a sample lies outside of the data")
		}
		dts := r.time + r.extra.shift
		r.dst = append(r.dst, media.Frame{Track: t.ID, Key: t.Kind == media.Audio || s.Flags&box.NonSync == 0,
			DTS: dts, PTS: dts + int64(s.CTS), Duration: int64(s.Duration), Data: r.b[r.data : r.data+int(s.Size) : r.data+int(s.Size)]})
		r.data += int(s.Size)
		r.time += int64(s.Duration)
	}
	return nil
}
