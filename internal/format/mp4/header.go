package mp4

import (
	"bytes"

	"weir/internal/fault"
	"weir/internal/format/box"
)

// lookSize is what tkhd holds behind the duration: layer, alternate group, volume, matrix, size (8.3.2).
const lookSize = 60

// Header is what a movie takes over from the header (ftyp and moov) of a fragmented one-track file. It is immutable.
type Header struct {
	Kind  string // the handler: "vide", "soun"
	Codec string // four characters of the sample entry
	Scale uint32 // ticks per second

	id               uint32
	entry            []byte // the first sample entry, a whole box
	look             []byte
	language         uint16
	elng, hdlr, kind []byte // whole boxes; kind is vmhd, smhd or what stands in their place
	dinf             []byte
	unsaid           box.Defaults // by fragments (trex, 8.8.3)
}

// ParseHeader reads the first track of a header. Boxes it does not know are passed over.
func ParseHeader(init []byte) (*Header, error) {
	h := &Header{}
	found := false
	err := each(init, func(kind string, body, _ []byte) error {
		if kind != "moov" || found {
			return nil
		}
		found = true
		return h.moov(bytes.Clone(body))
	})
	switch {
	case err != nil:
		return nil, err
	case h.entry == nil || h.hdlr == nil || h.kind == nil || h.dinf == nil || len(h.look) != lookSize:
		return nil, bad("its header lacks a box that a track needs")
	case h.Scale == 0:
		return nil, bad("a track has no time scale")
	}
	return h, nil
}

func (h *Header) moov(b []byte) error {
	first := true
	err := each(b, func(kind string, body, _ []byte) error {
		if kind != "trak" || !first {
			return nil
		}
		first = false
		return h.trak(body)
	})
	if err != nil {
		return err
	}
	return each(b, func(kind string, body, _ []byte) error {
		if kind != "mvex" {
			return nil
		}
		return each(body, func(kind string, body, _ []byte) error {
			if kind != "trex" {
				return nil
			}
			if id, unsaid, _ := box.TrackExtends(body); id == h.id {
				h.unsaid = unsaid
			}
			return nil
		})
	})
}

func (h *Header) trak(b []byte) error {
	return each(b, func(kind string, body, _ []byte) error {
		switch kind {
		case "tkhd":
			id, f := box.TrackHeader(body)
			h.id, h.look = id, f.Take(lookSize)
		case "mdia":
			return each(body, h.mdia)
		}
		return nil
	})
}

func (h *Header) mdia(kind string, body, whole []byte) error {
	switch kind {
	case "mdhd":
		scale, f := box.MediaHeader(body)
		h.Scale, h.language = scale, f.U16()
	case "elng":
		h.elng = whole
	case "hdlr":
		if len(body) < 12 {
			return bad("a handler is cut off")
		}
		h.hdlr, h.Kind = whole, string(body[8:12])
	case "minf":
		return each(body, func(kind string, body, whole []byte) error {
			switch kind {
			case "dinf":
				h.dinf = whole
			case "stbl":
				return each(body, h.stbl)
			default:
				h.kind = whole
			}
			return nil
		})
	}
	return nil
}

func (h *Header) stbl(kind string, body, _ []byte) error {
	if kind != "stsd" || len(body) < 8 || h.entry != nil {
		return nil
	}
	return each(body[8:], func(kind string, _, whole []byte) error {
		if h.entry == nil {
			h.entry, h.Codec = whole, kind
		}
		return nil
	})
}

// Sample is one sample of a fragment.
type Sample struct {
	DTS      int64 // ticks of the track
	CTS      int32 // presentation minus decode time
	Duration uint32
	Size     uint32
	Key      bool
}

// Fragment is where the samples of a moof lie: one stretch, in order.
type Fragment struct {
	Offset int64 // of the first sample, counted from the first byte of the moof
	Size   int64 // of all samples
}

const maxSamples = 1 << 16

var errScattered = fault.New(fault.Unsupported, "mp4_scattered", "The samples of a fragment do not lie one behind the other.", "")

// Samples reads a whole moof box and appends its samples of the track to dst.
func (h *Header) Samples(dst []Sample, moof []byte) ([]Sample, Fragment, error) {
	kind, head, size, ok := box.Head(moof)
	if !ok || kind != "moof" || size > int64(len(moof)) || size == 0 {
		return dst, Fragment{}, bad("a fragment has no moof")
	}
	r := moofReader{h: h, dst: dst, start: len(dst), part: Fragment{Offset: size + 8}}
	err := each(moof[head:size], func(kind string, body, _ []byte) error {
		if kind != "traf" {
			return nil
		}
		r.mine = false
		return each(body, r.traf)
	})
	return r.dst, r.part, err
}

type moofReader struct {
	h     *Header
	dst   []Sample
	start int
	part  Fragment

	mine   bool // the traf is of the track
	timed  bool
	time   int64
	unsaid box.Defaults
}

func (r *moofReader) traf(kind string, body, _ []byte) error {
	f := box.NewFields(body)
	version, flags := f.Full()
	switch {
	case kind == "tfhd":
		r.mine = f.U32() == r.h.id
		r.unsaid = r.h.unsaid
		r.unsaid.Override(&f, flags)
	case kind == "tfdt" && r.mine:
		r.time, r.timed = f.Time(version), true
	case kind == "trun" && r.mine:
		if !r.timed || r.time < -1<<60 || r.time > 1<<60 {
			return bad("a fragment has no usable decode time")
		}
		return r.trun(&f, flags)
	}
	if f.Short() {
		return bad("a fragment's head is cut off")
	}
	return nil
}

func (r *moofReader) trun(f *box.Fields, flags uint32) error {
	run := r.unsaid.Run(f, flags)
	if run.Placed {
		if len(r.dst) > r.start && run.Offset != r.part.Offset+r.part.Size {
			return errScattered
		}
		r.part.Offset = run.Offset - r.part.Size
	}
	if run.Count > maxSamples || len(r.dst)-r.start+int(run.Count) > maxSamples || r.part.Offset < 0 {
		return bad("a fragment claims what cannot be")
	}
	for range run.Count {
		s := run.Next(f)
		if f.Short() {
			return bad("a run of samples is cut off")
		}
		r.dst = append(r.dst, Sample{DTS: r.time, CTS: s.CTS, Duration: s.Duration, Size: s.Size, Key: r.h.Kind != "vide" || s.Flags&box.NonSync == 0})
		r.time += int64(s.Duration)
		r.part.Size += int64(s.Size)
	}
	return nil
}
