package lint

import "encoding/binary"

// needed are the boxes of a track that each init segment has, by the path to them (ISO/IEC 14496-12 clause 6.2.3, table 1).
var needed = [][]string{{"tkhd"}, {"mdia", "mdhd"}, {"mdia", "hdlr"}, {"mdia", "minf", "dinf", "dref"},
	{"mdia", "minf", "stbl", "stsd"}, {"mdia", "minf", "stbl", "stts"}, {"mdia", "minf", "stbl", "stsc"}}

// either are those of which one of several must be there.
var either = []struct {
	above []string
	one   []string
	kind  string // of the track; "" for all
}{
	{[]string{"mdia", "minf"}, []string{"vmhd"}, "video"},
	{[]string{"mdia", "minf"}, []string{"smhd"}, "audio"},
	{[]string{"mdia", "minf", "stbl"}, []string{"stsz", "stz2"}, ""},
	{[]string{"mdia", "minf", "stbl"}, []string{"stco", "co64"}, ""},
}

// complete holds that a track has the boxes that it must.
func (s *initSegment) complete(trak []byte, t *track) {
	for _, p := range needed {
		if _, ok := path(trak, p...); !ok {
			s.complain("mp4.box_missing", trackName(t), p[len(p)-1])
			return // what is beneath it is missing with it
		}
	}
	if b, _ := path(trak, "mdia", "minf", "stbl", "stsd"); len(b) < 8 || binary.BigEndian.Uint32(b[4:]) == 0 || t.entries == 0 {
		s.complain("mp4.box_missing", trackName(t), "sample entry in stsd")
	}
	for _, e := range either {
		if e.kind != "" && e.kind != t.kind {
			continue
		}
		above, _ := path(trak, e.above...)
		found := false
		for _, k := range e.one {
			_, ok := child(above, k)
			found = found || ok
		}
		if !found {
			s.complain("mp4.box_missing", trackName(t), e.one[0])
		}
	}
}

func trackName(t *track) string { return t.kind + " track" }
