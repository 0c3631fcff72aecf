package trackfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/internal/media"
)

// regular lists segments of two seconds as publishers make them.
func regular(track *media.Track, count int) []Segment {
	scale, frame, size := int64(track.TimeScale), int64(3003), int64(750_000)
	if track.Kind == media.Audio {
		frame, size = 1024, 32_000
	}
	segs := make([]Segment, 0, count)
	at, offset := int64(1_750_000_000)*scale/frame*frame, int64(1024)
	for i := range count {
		window := int64(875_000_000 + i)
		end := ((window+1)*2*scale + frame - 1) / frame * frame
		s := Segment{N: window, Start: at + 2*frame, DTS: at, Duration: end - at, Offset: offset + markSize, Size: size + int64(i%7)*size/50,
			CRC: uint32(i) * 0x9e3779b1, Independent: true}
		if track.Kind == media.Video {
			s.Key = s.Size / 8
		} else {
			s.Start = at
		}
		segs = append(segs, s)
		at, offset = end, s.Offset+s.Size
	}
	return segs
}

// What is written beside the delivered bytes stays small: it is paid by everything that is kept.
func TestOverhead(t *testing.T) {
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		s := build(t, kind, 100, 10, 1)
		segs := regular(&s.track, 30)
		groups := float64(len(AppendGroups(nil, segs))) / 30
		index := len(AppendIndex(nil, segs, 1<<25, "publisher_gone"))
		mark := len(AppendMark(nil, &segs[0]))
		head := len(s.bytes[:s.marks[0]]) - len(s.init)
		last := segs[29]
		share := 100 * float64(head+30*mark+index) / float64(last.Offset+last.Size)
		t.Logf("%v: head %d, mark %d, index %d bytes for 30 segments, list %.1f bytes for each; %.4f %% of the file", kind, head, mark, index, groups, share)
		if mark > 64 || index > 80+24*30 || head > 512 || groups > 14 {
			t.Error("that is too much")
		}
		// The first segment costs more, since nothing is expected of it.
		more := len(AppendGroups(nil, regular(&s.track, 90))) - len(AppendGroups(nil, segs))
		t.Logf("each further segment %.1f bytes", float64(more)/60)
	}
}

// An index and a head that do not fit the first read.
func TestManySegments(t *testing.T) {
	s := tiny(t, media.Audio)
	for i := range 300 {
		s.head.Renditions = append(s.head.Renditions, strings.Repeat("r", i%30))
	}
	s.bytes, s.segs = AppendHead(nil, &s.head, s.init), nil
	start := int64(1_750_000_000) * int64(s.track.TimeScale)
	for i := range 1500 {
		at := start + int64(i)*1024
		s.add(int64(i), []media.Frame{{Track: 1, Key: true, DTS: at, PTS: at, Duration: 1024, Data: []byte{1, 2, byte(i)}}}, 1)
	}
	b := s.sealed(strings.Repeat("x", 300))
	r, n := reader(b)
	f, err := Read(r, n)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.segs, f.Segments); d != "" || len(f.End) != maxEnd || len(f.Renditions) != 302 {
		t.Error(d)
	}
	if got := findings(t, b); len(got) > 0 {
		t.Error(got)
	}
}
