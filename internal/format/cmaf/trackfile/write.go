package trackfile

import (
	"encoding/binary"
	"encoding/json"
	"time"
)

// headJSON is the head as it is written: JSON, so that a person with a hex dump can read it
// and later versions may add to it.
type headJSON struct {
	Timeline         string   `json:"timeline"`
	Rendition        string   `json:"rendition"`
	Run              uint64   `json:"run"`
	RunStart         string   `json:"run_start"`
	SegmentDuration  int64    `json:"segment_ns"`
	PartDuration     int64    `json:"part_ns"`
	FirstN           int64    `json:"first_n"`
	MSNBase          int64    `json:"msn_base"`
	DiscontinuitySeq int      `json:"discontinuity_seq"`
	Seq              int      `json:"seq"`
	Renditions       []string `json:"renditions,omitempty"`
	Volume           string   `json:"volume"`
	Created          string   `json:"created"`
	Clock            string   `json:"clock,omitempty"`
}

func (h *Head) toJSON() *headJSON {
	return &headJSON{h.Timeline, h.Rendition, h.Run, h.RunStart.UTC().Format(time.RFC3339Nano),
		int64(h.SegmentDuration), int64(h.PartDuration), h.FirstN, h.MSNBase, h.DiscontinuitySeq, h.Seq,
		h.Renditions, h.Volume, h.Created.UTC().Format(time.RFC3339Nano), h.Clock}
}

func (j *headJSON) head() (Head, error) {
	start, err := time.Parse(time.RFC3339Nano, j.RunStart)
	if err != nil {
		return Head{}, err
	}
	created, err := time.Parse(time.RFC3339Nano, j.Created)
	return Head{j.Timeline, j.Rendition, j.Run, start, time.Duration(j.SegmentDuration), time.Duration(j.PartDuration),
		j.FirstN, j.MSNBase, j.DiscontinuitySeq, j.Seq, j.Renditions, j.Volume, created, j.Clock}, err
}

// open begins a uuid box (ISO/IEC 14496-12 11.1).
func open(dst []byte, kind string) []byte {
	dst = append(dst, 0, 0, 0, 0, 'u', 'u', 'i', 'd')
	return append(dst, kind...)
}

// AppendHead appends what a file begins with: the CMAF header, then the head. The
// checksum at its end covers both.
func AppendHead(dst []byte, h *Head, init []byte) []byte {
	at := len(dst)
	dst = append(dst, init...)
	box := len(dst)
	dst = binary.BigEndian.AppendUint32(open(dst, headKind), version)
	text, err := json.Marshal(h.toJSON())
	if err != nil {
		panic(err) // strings and numbers cannot fail
	}
	dst = append(dst, text...)
	binary.BigEndian.PutUint32(dst[box:], uint32(len(dst)+4-box))
	return binary.BigEndian.AppendUint32(dst, Sum(dst[at:]))
}

// AppendMark appends the mark that goes before a segment's first byte. Of a segment it
// says what is known at its beginning; of a gap, all.
func AppendMark(dst []byte, s *Segment) []byte {
	at := len(dst)
	dst = open(dst, markKind)
	binary.BigEndian.PutUint32(dst[at:], markSize)
	dst = binary.BigEndian.AppendUint32(dst, flagsOf(s))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.N))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Start))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.DTS))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Duration))
	return binary.BigEndian.AppendUint32(dst, Sum(dst[at:]))
}

func flagsOf(s *Segment) uint32 {
	flags := uint32(0)
	if s.Independent {
		flags |= flagIndependent
	}
	if s.Gap {
		flags |= flagGap
	}
	return flags
}

// parseMark reads a mark; ok is false if b does not begin with a whole one, of times that can be.
func parseMark(b []byte) (s Segment, ok bool) {
	if len(b) < markSize || binary.BigEndian.Uint32(b) != markSize || string(b[4:8]) != "uuid" || string(b[8:uuidSize]) != markKind {
		return s, false
	}
	if binary.BigEndian.Uint32(b[markSize-4:]) != Sum(b[:markSize-4]) {
		return s, false
	}
	flags := binary.BigEndian.Uint32(b[24:])
	s.Independent, s.Gap = flags&flagIndependent != 0, flags&flagGap != 0
	s.N = int64(binary.BigEndian.Uint64(b[28:]))
	s.Start = int64(binary.BigEndian.Uint64(b[36:]))
	s.DTS = int64(binary.BigEndian.Uint64(b[44:]))
	s.Duration = int64(binary.BigEndian.Uint64(b[52:]))
	for _, v := range [...]int64{s.N, s.Start, s.DTS, s.Duration} {
		ok = v > -farthest && v < farthest
		if !ok {
			return s, false
		}
	}
	return s, s.Duration >= 0
}

// AppendIndex appends the box that seals a file. at is where in the file it will lie, since
// the file's last 16 bytes lead back to it.
func AppendIndex(dst []byte, segs []Segment, at int64, end string) []byte {
	box := len(dst)
	dst = open(dst, indexKind)
	end = end[:min(len(end), maxEnd)]
	dst = append(dst, version, byte(len(end)))
	dst = append(dst, end...)
	dst = AppendGroups(dst, segs)
	binary.BigEndian.PutUint32(dst[box:], uint32(len(dst)+trailerSize-box))
	dst = binary.BigEndian.AppendUint64(dst, uint64(at))
	dst = binary.BigEndian.AppendUint32(dst, Sum(dst[box:]))
	return append(dst, magic...)
}
