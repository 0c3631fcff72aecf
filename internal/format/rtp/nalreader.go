package rtp

import (
	"bytes"
	"encoding/binary"
)

// limits on the parameter sets that are remembered per track
const (
	maxSets    = 16
	maxSetSize = 4096
)

// setStore remembers parameter sets by kind and id, in the order of their kinds.
type setStore struct {
	entries []setEntry
	version int
	with    bool // the last key frame brought its parameter sets along
}

type setEntry struct {
	kind, id int
	data     []byte
}

// put remembers a parameter set; one of the same kind and id is replaced.
func (s *setStore) put(kind, id int, data []byte) {
	if len(data) > maxSetSize {
		return
	}
	at := 0
	for at < len(s.entries) && (s.entries[at].kind < kind || s.entries[at].kind == kind && s.entries[at].id < id) {
		at++
	}
	if at < len(s.entries) && s.entries[at].kind == kind && s.entries[at].id == id {
		if !bytes.Equal(s.entries[at].data, data) {
			s.entries[at].data = bytes.Clone(data)
			s.version++
		}
		return
	}
	if len(s.entries) >= maxSets {
		return
	}
	s.entries = append(s.entries, setEntry{})
	copy(s.entries[at+1:], s.entries[at:])
	s.entries[at] = setEntry{kind: kind, id: id, data: bytes.Clone(data)}
	s.version++
}

// lost reports whether the parameter sets of a key frame were lost, and may have changed: packets are missing, and it came
// without them where the one before had them.
func (s *setStore) lost(gapped, came bool) bool {
	lost := gapped && s.with && !came
	s.with = came
	return lost
}

func (s *setStore) list() [][]byte {
	list := make([][]byte, len(s.entries))
	for i := range s.entries {
		list[i] = s.entries[i].data
	}
	return list
}

// unitBuffer collects NAL units with 4-byte lengths.
type unitBuffer struct {
	data []byte
	last int // where the length of the unit being fragmented is
	part bool
}

func (b *unitBuffer) whole(unit []byte) {
	b.data = binary.BigEndian.AppendUint32(b.data, uint32(len(unit)))
	b.data = append(b.data, unit...)
}

// fragment adds a piece of a unit: header is written at its start. It is false out of order.
func (b *unitBuffer) fragment(start, end bool, header []byte, piece []byte) bool {
	if start == b.part {
		return false
	}
	if start {
		b.last = len(b.data)
		b.data = append(append(b.data, 0, 0, 0, 0), header...)
	}
	b.data = append(b.data, piece...)
	binary.BigEndian.PutUint32(b.data[b.last:], uint32(len(b.data)-b.last-4))
	b.part = !end
	return true
}

// aggregate adds the units of an aggregation packet.
func (b *unitBuffer) aggregate(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 2 {
			return false
		}
		n := int(binary.BigEndian.Uint16(p))
		if n > len(p)-2 {
			return false
		}
		if n > 0 {
			b.whole(p[2 : 2+n])
		}
		p = p[2+n:]
	}
	return true
}

// sift removes, in place, the units that keep refuses.
func (b *unitBuffer) sift(keep func(unit []byte) bool) []byte {
	kept := b.data[:0]
	for rest := b.data; len(rest) >= 4; {
		n := int(binary.BigEndian.Uint32(rest))
		unit := rest[:4+n]
		rest = rest[4+n:]
		if n > 0 && keep(unit[4:]) {
			kept = append(kept, unit...)
		}
	}
	return kept
}

func (b *unitBuffer) reset()    { *b = unitBuffer{} }
func (b *unitBuffer) size() int { return len(b.data) }

// avcReader reads H.264 payloads (RFC 6184), packetization modes 0 and 1.
type avcReader struct {
	unitBuffer
	sets setStore
}

func (r *avcReader) add(p []byte) bool {
	switch kind := p[0] & 0x1f; {
	case kind >= 1 && kind <= 23:
		if r.part {
			return false
		}
		r.whole(p)
		return true
	case kind == avcSTAPA:
		return !r.part && r.aggregate(p[1:])
	case kind == avcFUA && len(p) > 2:
		header := [1]byte{p[0]&0xe0 | p[1]&0x1f}
		return r.fragment(p[1]&0x80 != 0, p[1]&0x40 != 0, header[:], p[2:])
	default:
		return false
	}
}

func (r *avcReader) finish(gapped bool) (data []byte, key, whole bool) {
	whole = !r.part
	first, sets := true, false
	data = r.sift(func(u []byte) bool {
		switch kind := u[0] & 0x1f; kind {
		case avcSPS:
			if len(u) >= 5 {
				r.sets.put(avcSPS, exponential(u[4:]), u)
				sets = true
			}
			return false
		case avcPPS:
			r.sets.put(avcPPS, exponential(u[1:]), u)
			return false
		case avcAUD, avcFiller:
			return false
		default:
			if kind >= 1 && kind <= avcIDR {
				key = key || kind == avcIDR
				if first && (len(u) < 2 || u[1]&0x80 == 0) {
					whole = false // first_mb_in_slice is not 0: the picture's beginning is missing
				}
				first = false
			}
			return true
		}
	})
	if key && r.sets.lost(gapped, sets) {
		whole = false
	}
	return data, key, whole
}

// exponential reads an unsigned Exp-Golomb number of up to 16 bits; -1 when there is none.
func exponential(data []byte) int {
	bit := func(i int) int {
		if i/8 >= len(data) {
			return -1
		}
		return int(data[i/8]>>(7-i%8)) & 1
	}
	zeros := 0
	for bit(zeros) == 0 {
		zeros++
	}
	if zeros > 8 || bit(zeros) < 0 {
		return -1
	}
	value := 1
	for i := range zeros {
		b := bit(zeros + 1 + i)
		if b < 0 {
			return -1
		}
		value = value<<1 | b
	}
	return value - 1
}

// hevcReader reads HEVC payloads (RFC 7798) without decoding order numbers.
type hevcReader struct {
	unitBuffer
	sets setStore
}

func (r *hevcReader) add(p []byte) bool {
	if len(p) < 3 {
		return false
	}
	switch kind := p[0] >> 1 & 0x3f; {
	case kind < hevcAP:
		if r.part {
			return false
		}
		r.whole(p)
		return true
	case kind == hevcAP:
		return !r.part && r.aggregate(p[2:])
	case kind == hevcFU && len(p) > 3:
		header := [2]byte{p[0]&0x81 | p[2]&0x3f<<1, p[1]}
		return r.fragment(p[2]&0x80 != 0, p[2]&0x40 != 0, header[:], p[3:])
	default:
		return false
	}
}

func (r *hevcReader) finish(gapped bool) (data []byte, key, whole bool) {
	whole = !r.part
	first, sets := true, false
	data = r.sift(func(u []byte) bool {
		if len(u) < 3 {
			return false
		}
		switch kind := u[0] >> 1 & 0x3f; kind {
		case hevcVPS:
			r.sets.put(hevcVPS, int(u[2]>>4), u)
			return false
		case hevcSPS:
			r.sets.put(hevcSPS, 0, u) // its id lies behind the profile; browsers and cameras use one
			sets = true
			return false
		case hevcPPS:
			r.sets.put(hevcPPS, exponential(u[2:]), u)
			return false
		case hevcAUD, hevcFiller:
			return false
		default:
			if kind < hevcVPS {
				key = key || kind >= hevcFirstIRAP && kind <= hevcLastIRAP
				if first && u[2]&0x80 == 0 {
					whole = false // first_slice_segment_in_pic_flag
				}
				first = false
			}
			return true
		}
	})
	if key && r.sets.lost(gapped, sets) {
		whole = false
	}
	return data, key, whole
}
