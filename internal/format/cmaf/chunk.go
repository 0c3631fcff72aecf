package cmaf

import (
	"time"

	"weir/internal/format/box"
	"weir/internal/media"
)

const (
	syncSample    = 0x02000000               // depends on no other (14496-12 8.8.3.1)
	nonSyncSample = 0x01000000 | box.NonSync // depends on others

	fixedChunk    = 8 + 16 + 8 + 16 + 28 + 20 + 24 + 8 // moof, mfhd, traf, tfhd, tfdt, trun, mdat at their longest
	stypSize      = 24
	prftSize      = 32
	ntpUnixOffset = 2208988800
)

// Chunk is what makes one CMAF chunk: the frames of one track that follow each other
// in decoding order, each with its Duration set.
type Chunk struct {
	TrackID  uint32 // as in the header; 0 means 1
	Sequence uint32
	Styp     bool // begin with a segment type box: the first chunk of a segment
	Producer bool // tell when the first frame was captured (prft, for low-latency DASH)
	Frames   []media.Frame
}

// shape is what the samples of a chunk have in common, so that it is written once.
type shape struct {
	tfhd, trun      uint32
	duration, size  uint32
	flags, first    uint32
	perSample, body int
}

func flagsOf(f *media.Frame) uint32 {
	if f.Key {
		return syncSample
	}
	return nonSyncSample
}

func (c *Chunk) shape() shape {
	first := &c.Frames[0]
	s := shape{tfhd: box.TfhdBaseMoof, trun: box.TrunOffset, duration: uint32(first.Duration), size: uint32(len(first.Data)),
		first: flagsOf(first), flags: flagsOf(first)}
	for i := range c.Frames {
		f := &c.Frames[i]
		s.body += len(f.Data)
		if uint32(f.Duration) != s.duration {
			s.trun |= box.TrunDuration
		}
		if uint32(len(f.Data)) != s.size {
			s.trun |= box.TrunSize
		}
		if f.PTS != f.DTS {
			s.trun |= box.TrunCTS
		}
		switch fl := flagsOf(f); {
		case i == 1:
			s.flags = fl
		case i > 1 && fl != s.flags:
			s.trun |= box.TrunFlags
		}
	}
	s.settle()
	return s
}

// settle chooses where each common value is written.
func (s *shape) settle() {
	if s.trun&box.TrunDuration == 0 {
		s.tfhd |= box.TfhdDuration
	} else {
		s.perSample += 4
	}
	if s.trun&box.TrunSize == 0 {
		s.tfhd |= box.TfhdSize
	} else {
		s.perSample += 4
	}
	if s.trun&box.TrunFlags == 0 {
		s.tfhd |= box.TfhdFlags
		if s.first != s.flags {
			s.trun |= box.TrunFirst
		}
	} else {
		s.perSample += 4
	}
	if s.trun&box.TrunCTS != 0 {
		s.perSample += 4
	}
}

// AppendChunk appends the chunk to dst; with no frames, nothing. If dst has no room it
// grows once, so AppendChunk(nil, c) is one allocation of about the right size.
func AppendChunk(dst []byte, c *Chunk) []byte {
	if len(c.Frames) == 0 {
		return dst
	}
	s := c.shape()
	if need := c.headSize(&s) + s.body; cap(dst)-len(dst) < need {
		dst = append(make([]byte, 0, len(dst)+need), dst...)
	}
	w := writer{b: dst}
	c.head(&w, &s)
	for i := range c.Frames {
		w.raw(c.Frames[i].Data)
	}
	return w.b
}

func (c *Chunk) headSize(s *shape) int {
	n := fixedChunk + s.perSample*len(c.Frames)
	if c.Styp {
		n += stypSize
	}
	if c.Producer {
		n += prftSize
	}
	return n
}

// head writes all but the frames' bytes.
func (c *Chunk) head(w *writer, s *shape) {
	id := max(c.TrackID, 1)
	first := &c.Frames[0]
	if c.Styp {
		at := w.open("styp")
		w.str("msdh")
		w.u32(0)
		w.str("msdhcmfs")
		w.close(at)
	}
	if c.Producer {
		w.prft(id, first)
	}
	moof := w.open("moof")
	at := w.openFull("mfhd", 0, 0)
	w.u32(c.Sequence)
	w.close(at)
	traf := w.open("traf")
	tfhd := w.openFull("tfhd", 0, s.tfhd)
	w.u32(id)
	if s.tfhd&box.TfhdDuration != 0 {
		w.u32(s.duration)
	}
	if s.tfhd&box.TfhdSize != 0 {
		w.u32(s.size)
	}
	if s.tfhd&box.TfhdFlags != 0 {
		w.u32(s.flags)
	}
	w.close(tfhd)
	tfdt := w.openFull("tfdt", 1, 0)
	w.u64(uint64(first.DTS))
	w.close(tfdt)
	offset := c.trun(w, s)
	w.close(traf)
	w.close(moof)
	w.put32(offset, uint32(len(w.b)-moof+8))
	w.u32(uint32(8 + s.body))
	w.str("mdat")
}

// trun writes the run of samples and returns where the data offset goes.
func (c *Chunk) trun(w *writer, s *shape) int {
	at := w.openFull("trun", 1, s.trun) // version 1: composition offsets are signed
	w.u32(uint32(len(c.Frames)))
	offset := len(w.b)
	w.u32(0)
	if s.trun&box.TrunFirst != 0 {
		w.u32(s.first)
	}
	for i := range c.Frames {
		f := &c.Frames[i]
		if s.trun&box.TrunDuration != 0 {
			w.u32(uint32(f.Duration))
		}
		if s.trun&box.TrunSize != 0 {
			w.u32(uint32(len(f.Data)))
		}
		if s.trun&box.TrunFlags != 0 {
			w.u32(flagsOf(f))
		}
		if s.trun&box.TrunCTS != 0 {
			w.u32(uint32(int32(f.PTS - f.DTS)))
		}
	}
	w.close(at)
	return offset
}

// prft is the producer reference time (14496-12 8.16.5): the capture time of the first
// frame of the chunk.
func (w *writer) prft(id uint32, f *media.Frame) {
	at := w.openFull("prft", 1, 24) // 24: consistently captured at the encoder's input
	w.u32(id)
	w.u64(ntp(f.Wall))
	w.u64(uint64(f.PTS))
	w.close(at)
}

// ntp converts Unix nanoseconds to a 64-bit NTP time stamp (RFC 5905 6).
func ntp(unix int64) uint64 {
	sec, frac := unix/int64(time.Second), unix%int64(time.Second)
	return uint64(sec+ntpUnixOffset)<<32 | uint64(frac)<<32/uint64(time.Second)
}
