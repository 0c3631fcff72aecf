package trackfile

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"weir/internal/fault"
	"weir/internal/media"
)

// spans are the parts of a sealed file by what they hold.
func (s *sample) spans(sealed []byte) map[string][][2]int64 {
	out := map[string][][2]int64{
		"head":  {{0, s.marks[0]}},
		"index": {{int64(len(s.bytes)), int64(len(sealed))}},
	}
	for _, m := range s.marks {
		out["mark"] = append(out["mark"], [2]int64{m, m + markSize})
	}
	for _, seg := range s.segs {
		for at := seg.Offset; at < seg.Offset+seg.Size; {
			h, _ := parseHeader(sealed[at:])
			what, end := "boxes", at+h.size
			if h.kind == "mdat" {
				out["boxes"] = append(out["boxes"], [2]int64{at, at + 8})
				what, at = "payload", at+8
			}
			out[what] = append(out[what], [2]int64{at, end})
			at = end
		}
	}
	return out
}

// Every single bit of a sealed file but a frame's, and some of these, is turned: Verify has to
// tell of each, Read of those in the head and the index, and the checksums of the segments of the rest.
func TestEveryFlippedBitIsFound(t *testing.T) {
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		s := build(t, kind, 10, 5, 1)
		last := s.segs[len(s.segs)-1]
		s.gap(last.N+1, last.Start+last.Duration, 45000)
		b := s.sealed("rotate")
		count := map[string]int{}
		for what, spans := range s.spans(b) {
			step := int64(1)
			if what == "payload" {
				step = 997
			}
			for _, span := range spans {
				for bit := span[0] * 8; bit < span[1]*8; bit += step {
					b[bit/8] ^= 1 << (bit % 8)
					s.flipped(t, b, what, bit)
					b[bit/8] ^= 1 << (bit % 8)
					count[what]++
				}
			}
		}
		t.Logf("%v, %d bytes: bits turned: %v", kind, len(b), count)
	}
}

func (s *sample) flipped(t *testing.T, b []byte, what string, bit int64) {
	t.Helper()
	r, n := reader(b)
	found := false
	if err := Verify(r, n, func(int64, string) { found = true }); err != nil || !found {
		t.Fatalf("%s: bit %d: Verify tells nothing (%v)", what, bit, err)
	}
	f, err := Read(r, n)
	switch what {
	case "head", "index":
		if code := fault.Code(err); code != "footage_damaged" && code != "footage_unsealed" {
			t.Fatalf("%s: bit %d: Read: %v", what, bit, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: bit %d: Read: %v", what, bit, err)
	}
	wrong := 0
	for _, seg := range f.Segments {
		if !seg.Gap && Sum(b[seg.Offset:][:seg.Size]) != seg.CRC {
			wrong++
		}
	}
	if want := map[string]int{"mark": 0, "boxes": 1, "payload": 1}[what]; wrong != want {
		t.Fatalf("%s: bit %d: %d segments have a wrong checksum", what, bit, wrong)
	}
}

// An index that contradicts the file, though whole in itself.
func TestIndexThatLies(t *testing.T) {
	s := build(t, media.Video, 10, 5, 1)
	change := func(do func(segs []Segment)) []byte {
		segs := append([]Segment(nil), s.segs...)
		do(segs)
		return AppendIndex(bytes.Clone(s.bytes), segs, int64(len(s.bytes)), "rotate")
	}
	for name, b := range map[string][]byte{
		"number":      change(func(l []Segment) { l[1].N = 7 }),
		"start":       change(func(l []Segment) { l[1].Start++ }),
		"duration":    change(func(l []Segment) { l[1].Duration++ }),
		"key":         change(func(l []Segment) { l[1].Key = l[1].Size }),
		"independent": change(func(l []Segment) { l[0].Independent = false }),
		"offset":      change(func(l []Segment) { l[1].Offset++ }),
		"size":        change(func(l []Segment) { l[1].Size-- }),
		"beyond":      change(func(l []Segment) { l[2].Size = 1 << 40 }),
		"gap":         change(func(l []Segment) { l[1] = Segment{N: l[1].N, Offset: l[1].Offset, Gap: true} }),
		"fewer":       AppendIndex(bytes.Clone(s.bytes), s.segs[:1], int64(len(s.bytes)), ""),
		"elsewhere":   AppendIndex(bytes.Clone(s.bytes), s.segs, int64(len(s.bytes))-8, ""),
		"nowhere":     AppendIndex(bytes.Clone(s.bytes), s.segs, 1<<50, ""),
		"negative":    AppendIndex(bytes.Clone(s.bytes), s.segs, -1, ""),
		"stuffed":     AppendIndex(append(bytes.Clone(s.bytes), make([]byte, 100)...), s.segs, int64(len(s.bytes))+100, ""),
	} {
		if got := findings(t, b); len(got) == 0 {
			t.Errorf("%s: nothing found", name)
		} else if testing.Verbose() {
			t.Log(name, got)
		}
	}
}

// A sealed file whose index is damaged is read by its boxes, and can be sealed again.
func TestLostIndexIsMadeAnew(t *testing.T) {
	s := build(t, media.Video, 10, 5, 2)
	b := s.sealed("rotate")
	b[len(b)-30] ^= 1
	r, n := reader(b)
	f, err := Scan(r, n)
	if err != nil {
		t.Fatal(err)
	}
	if f.Sealed || f.Size != int64(len(s.bytes)) {
		t.Fatalf("sealed %v, %d bytes are whole, want %d", f.Sealed, f.Size, len(s.bytes))
	}
	again := AppendIndex(b[:f.Size:f.Size], f.Segments, f.Size, "rotate")
	if !bytes.Equal(again, s.sealed("rotate")) {
		t.Error("the index is not what it was")
	}
}

var errDisk = errors.New("input/output error")

// failing is a disk that cannot read some place.
type failing struct {
	io.ReaderAt
	from, to int64
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off < f.to && off+int64(len(b)) > f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(b, off)
}

// A disk that does not read is not damage: nothing is cut off because of it.
func TestDiskThatDoesNotRead(t *testing.T) {
	s := build(t, media.Video, 10, 5, 1)
	b := s.sealed("rotate")
	for at := int64(0); at < int64(len(b)); at += 512 {
		r := failing{bytes.NewReader(b), at, at + 512}
		if _, err := Scan(r, int64(len(b))); !errors.Is(err, errDisk) {
			t.Fatalf("at %d: Scan: %v", at, err)
		}
		if err := Verify(r, int64(len(b)), func(int64, string) {}); !errors.Is(err, errDisk) {
			t.Fatalf("at %d: Verify: %v", at, err)
		}
	}
	r := failing{bytes.NewReader(b), int64(len(b)) - 1, int64(len(b))}
	if _, err := Read(r, int64(len(b))); !errors.Is(err, errDisk) {
		t.Errorf("Read: %v", err)
	}
	// A file that has become shorter than was said.
	short := bytes.NewReader(b[:s.chunks[1]+10])
	f, err := Scan(short, int64(len(b)))
	if err != nil || f.Size != s.chunks[1] {
		t.Errorf("%+v %v", f, err)
	}
}
