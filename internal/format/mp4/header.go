package mp4

import (
	"bytes"

	"weir/internal/fault"
)

// lookSize is what tkhd holds behind the duration: layer, alternate group, volume, matrix, size (8.3.2).
const lookSize = 60

// Header is what a movie takes over from the header (ftyp and moov) of a fragmented one-track file. It is immutable.
type Header struct {
	Kind  string // the handler: "vide", "soun"
	Codec string // four characters of the sample entry
	Scale uint32 // ticks per second

	id                    uint32
	entry                 []byte // the first sample entry, a whole box
	look                  []byte
	language              uint16
	elng, hdlr, kind      []byte // whole boxes; kind is vmhd, smhd or what stands in their place
	dinf                  []byte
	duration, size, flags uint32 // what fragments leave unsaid (trex, 8.8.3)
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
			f := fields{b: body}
			f.full()
			if kind == "trex" && f.u32() == h.id {
				f.u32()
				h.duration, h.size, h.flags = f.u32(), f.u32(), f.u32()
			}
			return nil
		})
	})
}

func (h *Header) trak(b []byte) error {
	return each(b, func(kind string, body, _ []byte) error {
		switch kind {
		case "tkhd":
			f := fields{b: body}
			version, _ := f.full()
			f.take(8 + 8*int(version&1))
			h.id = f.u32()
			f.take(8 + 4*int(version&1))
			h.look = f.take(lookSize)
		case "mdia":
			return each(body, h.mdia)
		}
		return nil
	})
}

func (h *Header) mdia(kind string, body, whole []byte) error {
	switch kind {
	case "mdhd":
		f := fields{b: body}
		version, _ := f.full()
		f.take(8 + 8*int(version&1))
		h.Scale = f.u32()
		f.take(4 + 4*int(version&1))
		h.language = f.u16()
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

const (
	maxSamples = 1 << 16

	tfhdBaseOffset  = 0x000001 // flags of tfhd (8.8.7)
	tfhdDescription = 0x000002
	tfhdDuration    = 0x000008
	tfhdSize        = 0x000010
	tfhdFlags       = 0x000020
	trunOffset      = 0x000001 // and of trun (8.8.8)
	trunFirst       = 0x000004
	trunDuration    = 0x000100
	trunSize        = 0x000200
	trunFlags       = 0x000400
	trunCTS         = 0x000800

	notSync = 0x10000 // sample_is_non_sync_sample (8.8.3)
)

var errScattered = fault.New(fault.Unsupported, "mp4_scattered", "The samples of a fragment do not lie one behind the other.", "")

// Samples reads a whole moof box and appends its samples of the track to dst.
func (h *Header) Samples(dst []Sample, moof []byte) ([]Sample, Fragment, error) {
	kind, head, size, ok := BoxHead(moof)
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

	mine                  bool // the traf is of the track
	timed                 bool
	time                  int64
	duration, size, flags uint32
}

func (r *moofReader) traf(kind string, body, _ []byte) error {
	f := fields{b: body}
	version, flags := f.full()
	switch {
	case kind == "tfhd":
		r.mine = f.u32() == r.h.id
		r.duration, r.size, r.flags = r.h.duration, r.h.size, r.h.flags
		r.tfhd(&f, flags)
	case kind == "tfdt" && version == 1 && r.mine:
		r.time, r.timed = int64(f.u64()), true
	case kind == "tfdt" && r.mine:
		r.time, r.timed = int64(f.u32()), true
	case kind == "trun" && r.mine:
		if !r.timed || r.time < -1<<60 || r.time > 1<<60 {
			return bad("a fragment has no usable decode time")
		}
		return r.trun(&f, flags)
	}
	if f.short {
		return bad("a fragment's head is cut off")
	}
	return nil
}

func (r *moofReader) tfhd(f *fields, flags uint32) {
	if flags&tfhdBaseOffset != 0 {
		f.u64()
	}
	if flags&tfhdDescription != 0 {
		f.u32()
	}
	if flags&tfhdDuration != 0 {
		r.duration = f.u32()
	}
	if flags&tfhdSize != 0 {
		r.size = f.u32()
	}
	if flags&tfhdFlags != 0 {
		r.flags = f.u32()
	}
}

func (r *moofReader) trun(f *fields, flags uint32) error {
	n := f.u32()
	if flags&trunOffset != 0 {
		at := int64(int32(f.u32()))
		if len(r.dst) > r.start && at != r.part.Offset+r.part.Size {
			return errScattered
		}
		r.part.Offset = at - r.part.Size
	}
	first := r.flags
	if flags&trunFirst != 0 {
		first = f.u32()
	}
	if n > maxSamples || len(r.dst)-r.start+int(n) > maxSamples || r.part.Offset < 0 {
		return bad("a fragment claims what cannot be")
	}
	for i := range n {
		s := Sample{DTS: r.time, Duration: r.duration, Size: r.size}
		own := r.flags
		if i == 0 {
			own = first
		}
		if flags&trunDuration != 0 {
			s.Duration = f.u32()
		}
		if flags&trunSize != 0 {
			s.Size = f.u32()
		}
		if flags&trunFlags != 0 {
			own = f.u32()
		}
		if flags&trunCTS != 0 {
			s.CTS = int32(f.u32()) // version 0 says unsigned, yet writers put negative offsets there too
		}
		if f.short {
			return bad("a run of samples is cut off")
		}
		s.Key = r.h.Kind != "vide" || own&notSync == 0
		r.dst = append(r.dst, s)
		r.time += int64(s.Duration)
		r.part.Size += int64(s.Size)
	}
	return nil
}
