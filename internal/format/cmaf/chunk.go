package cmaf

import (
	"time"

	"weir/internal/media"
)

// Flags of samples (14496-12 8.8.3.1), track fragments (8.8.7) and runs (8.8.8).
const (
	syncSample    = 0x02000000 // depends on no other
	nonSyncSample = 0x01010000 // depends on others, not a sync sample

	tfhdDuration  = 0x000008
	tfhdSize      = 0x000010
	tfhdFlags     = 0x000020
	tfhdBaseMoof  = 0x020000
	trunOffset    = 0x000001
	trunFirst     = 0x000004
	trunDuration  = 0x000100
	trunSize      = 0x000200
	trunFlags     = 0x000400
	trunCTS       = 0x000800
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
	s := shape{tfhd: tfhdBaseMoof, trun: trunOffset, duration: uint32(first.Duration), size: uint32(len(first.Data)),
		first: flagsOf(first), flags: flagsOf(first)}
	for i := range c.Frames {
		f := &c.Frames[i]
		s.body += len(f.Data)
		if uint32(f.Duration) != s.duration {
			s.trun |= trunDuration
		}
		if uint32(len(f.Data)) != s.size {
			s.trun |= trunSize
		}
		if f.PTS != f.DTS {
			s.trun |= trunCTS
		}
		switch fl := flagsOf(f); {
		case i == 1:
			s.flags = fl
		case i > 1 && fl != s.flags:
			s.trun |= trunFlags
		}
	}
	s.settle()
	return s
}

// settle chooses where each common value is written.
func (s *shape) settle() {
	if s.trun&trunDuration == 0 {
		s.tfhd |= tfhdDuration
	} else {
		s.perSample += 4
	}
	if s.trun&trunSize == 0 {
		s.tfhd |= tfhdSize
	} else {
		s.perSample += 4
	}
	if s.trun&trunFlags == 0 {
		s.tfhd |= tfhdFlags
		if s.first != s.flags {
			s.trun |= trunFirst
		}
	} else {
		s.perSample += 4
	}
	if s.trun&trunCTS != 0 {
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
	if s.tfhd&tfhdDuration != 0 {
		w.u32(s.duration)
	}
	if s.tfhd&tfhdSize != 0 {
		w.u32(s.size)
	}
	if s.tfhd&tfhdFlags != 0 {
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
	if s.trun&trunFirst != 0 {
		w.u32(s.first)
	}
	for i := range c.Frames {
		f := &c.Frames[i]
		if s.trun&trunDuration != 0 {
			w.u32(uint32(f.Duration))
		}
		if s.trun&trunSize != 0 {
			w.u32(uint32(len(f.Data)))
		}
		if s.trun&trunFlags != 0 {
			w.u32(flagsOf(f))
		}
		if s.trun&trunCTS != 0 {
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
