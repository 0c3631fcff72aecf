package trackfile

import (
	"encoding/binary"
)

// What of a segment is written out because it is not what the one before lets expect.
const (
	groupIndependent = 1 << iota
	groupGap
	groupN
	groupStart
	groupDuration
	groupDTS
	groupOffset
	groupKey
)

// Times are at most farthest (epoch times in nanoseconds fit), and what is written of them, their
// differences, at most limit, so that no sum overflows.
const (
	farthest = 1 << 60
	limit    = 1 << 61
)

// expected is what s is when it simply follows prev, as segments mostly do.
func expected(prev *Segment, first bool) Segment {
	if first {
		return Segment{}
	}
	start := prev.Start + prev.Duration
	return Segment{N: prev.N + 1, Start: start, DTS: start + prev.DTS - prev.Start, Duration: prev.Duration,
		Offset: prev.Offset + prev.Size + markSize}
}

// AppendGroups appends segments in the compact form that the index row and the index box
// hold: one byte of flags, what is unexpected as zigzag varints, size, key and checksum.
func AppendGroups(dst []byte, segs []Segment) []byte {
	at := len(dst)
	dst = binary.AppendUvarint(append(dst, version), uint64(len(segs)))
	var prev Segment
	for i := range segs {
		dst = appendGroup(dst, &segs[i], expected(&prev, i == 0))
		prev = segs[i]
	}
	return binary.BigEndian.AppendUint32(dst, Sum(dst[at:]))
}

func appendGroup(dst []byte, s *Segment, want Segment) []byte {
	flags, at := byte(flagsOf(s)), len(dst)
	dst = append(dst, 0)
	put := func(flag byte, by int64) {
		if by != 0 {
			flags |= flag
			dst = binary.AppendVarint(dst, by)
		}
	}
	put(groupN, s.N-want.N)
	put(groupStart, s.Start-want.Start)
	put(groupDuration, s.Duration-want.Duration)
	put(groupDTS, (s.DTS-s.Start)-(want.DTS-want.Start))
	put(groupOffset, s.Offset-want.Offset)
	put(groupKey, s.Key)
	if !s.Gap {
		dst = binary.AppendUvarint(dst, uint64(s.Size))
		dst = binary.BigEndian.AppendUint32(dst, s.CRC)
	}
	dst[at] = flags
	return dst
}

// ParseGroups reads what AppendGroups wrote.
func ParseGroups(b []byte) ([]Segment, error) {
	if len(b) < 6 || binary.BigEndian.Uint32(b[len(b)-4:]) != Sum(b[:len(b)-4]) {
		return nil, damaged("the checksum of its list of segments is wrong")
	}
	if b[0] != version {
		return nil, damaged("its list of segments is of an unknown version")
	}
	g := groupReader{b: b[1 : len(b)-4]}
	n := g.uvarint()
	if g.bad || n > uint64(len(g.b)) { // a gap takes one byte
		return nil, damaged("its list of segments claims too many")
	}
	segs := make([]Segment, 0, n)
	var prev Segment
	for i := range int(n) {
		prev = g.segment(expected(&prev, i == 0))
		if g.bad {
			return nil, damaged("its list of segments is not well formed")
		}
		segs = append(segs, prev)
	}
	if len(g.b) != 0 {
		return nil, damaged("its list of segments is too long")
	}
	return segs, nil
}

type groupReader struct {
	b   []byte
	bad bool
}

func (g *groupReader) uvarint() uint64 {
	v, n := binary.Uvarint(g.b)
	if n <= 0 || v > limit {
		g.bad = true
		return 0
	}
	g.b = g.b[n:]
	return v
}

func (g *groupReader) varint() int64 {
	v, n := binary.Varint(g.b)
	if n <= 0 || v > limit || v < -limit {
		g.bad = true
		return 0
	}
	g.b = g.b[n:]
	return v
}

func (g *groupReader) segment(s Segment) Segment {
	if len(g.b) == 0 {
		g.bad = true
		return s
	}
	flags := g.b[0]
	g.b = g.b[1:]
	s.Independent, s.Gap = flags&groupIndependent != 0, flags&groupGap != 0
	lead := s.DTS - s.Start
	if flags&groupN != 0 {
		s.N += g.varint()
	}
	if flags&groupStart != 0 {
		s.Start += g.varint()
	}
	if flags&groupDuration != 0 {
		s.Duration += g.varint()
	}
	if flags&groupDTS != 0 {
		lead += g.varint()
	}
	if flags&groupOffset != 0 {
		s.Offset += g.varint()
	}
	if flags&groupKey != 0 {
		s.Key = g.varint()
	}
	s.DTS = s.Start + lead
	if !s.Gap {
		s.Size = int64(g.uvarint())
		if len(g.b) < 4 {
			g.bad = true
			return s
		}
		s.CRC = binary.BigEndian.Uint32(g.b)
		g.b = g.b[4:]
	}
	for _, v := range [...]int64{s.N, s.Start, s.DTS, s.Duration, s.Offset, s.Key} {
		if v > limit || v < -limit {
			g.bad = true
		}
	}
	if s.Duration < 0 || s.Offset < 0 || s.Key < 0 || s.Key > s.Size {
		g.bad = true
	}
	return s
}
