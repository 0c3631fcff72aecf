package trackfile

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"weir/internal/media"
)

// drawSegments draws segments as a file could have them, mostly regular.
func drawSegments(rt *rapid.T) []Segment {
	small, any64 := rapid.Int64Range(0, 1000), rapid.Int64Range(0, 1<<59)
	odd := func(name string, usual, span int64) int64 {
		if rapid.IntRange(0, 5).Draw(rt, name+" is odd") == 0 {
			return max(usual+rapid.Int64Range(-span, span).Draw(rt, name), 0)
		}
		return usual
	}
	var segs []Segment
	s := Segment{N: any64.Draw(rt, "n"), Start: any64.Draw(rt, "start"), Duration: 180000, Offset: small.Draw(rt, "offset")}
	lead := rapid.Int64Range(-9000, 9000).Draw(rt, "lead")
	for range rapid.IntRange(0, 40).Draw(rt, "segments") {
		s.N, s.Start, s.Duration = odd("n", s.N+1, 1000), odd("start", s.Start+s.Duration, 1<<40), odd("duration", s.Duration, 9000)
		s.Offset = odd("offset", s.Offset+s.Size+markSize, 1<<30)
		lead = odd("lead", lead, 9000)
		s.DTS = s.Start - lead
		s.Gap, s.Independent = rapid.IntRange(0, 7).Draw(rt, "gap") == 0, rapid.Bool().Draw(rt, "independent")
		s.Size, s.Key, s.CRC = 0, 0, 0
		if !s.Gap {
			s.Size, s.CRC = rapid.Int64Range(0, 1<<40).Draw(rt, "size"), rapid.Uint32().Draw(rt, "crc")
			s.Key = rapid.Int64Range(0, s.Size).Draw(rt, "key")
		}
		segs = append(segs, s)
	}
	return segs
}

func TestGroupsRoundTripWhateverTheyHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		segs := drawSegments(rt)
		before := rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(rt, "before")
		b := AppendGroups(bytes.Clone(before), segs)
		got, err := ParseGroups(b[len(before):])
		if err != nil {
			rt.Fatal(err)
		}
		if len(got) != len(segs) || len(segs) > 0 && !cmp.Equal(got, segs) {
			rt.Fatal(cmp.Diff(segs, got))
		}
		if again := AppendGroups(bytes.Clone(before), got); !bytes.Equal(again, b) {
			rt.Fatal("written again they differ")
		}
	})
}

func TestMarksRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.Int64Range(-farthest+1, farthest-1)
		s := Segment{N: v.Draw(rt, "n"), Start: v.Draw(rt, "start"), DTS: v.Draw(rt, "dts"), Duration: max(v.Draw(rt, "duration"), 0),
			Independent: rapid.Bool().Draw(rt, "independent"), Gap: rapid.Bool().Draw(rt, "gap")}
		b := AppendMark([]byte("before"), &s)[6:]
		got, ok := parseMark(append(b, "behind"...))
		if !ok || got != s || len(b) != MarkSize {
			rt.Fatalf("%+v, want %+v", got, s)
		}
	})
}

func TestHeadsRoundTrip(t *testing.T) {
	init := build(t, media.Audio, 100, 10, 1).init
	rapid.Check(t, func(rt *rapid.T) {
		text, number := rapid.String(), rapid.Int64()
		moment := func(name string) time.Time {
			return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(rt, name), rapid.Int64Range(0, 999999999).Draw(rt, name+" ns")).UTC()
		}
		h := Head{Timeline: text.Draw(rt, "timeline"), Rendition: text.Draw(rt, "rendition"), Run: rapid.Uint64().Draw(rt, "run"),
			RunStart: moment("start"), SegmentDuration: time.Duration(number.Draw(rt, "segment")), PartDuration: time.Duration(number.Draw(rt, "part")),
			FirstN: number.Draw(rt, "first"), MSNBase: number.Draw(rt, "msn"), DiscontinuitySeq: rapid.Int().Draw(rt, "discontinuity"),
			Seq: rapid.Int().Draw(rt, "seq"), Volume: text.Draw(rt, "volume"), Created: moment("created"), Clock: text.Draw(rt, "clock")}
		for range rapid.IntRange(0, 4).Draw(rt, "renditions") {
			h.Renditions = append(h.Renditions, text.Draw(rt, "name"))
		}
		b := AppendHead([]byte("before"), &h, init)[6:]
		if !bytes.HasPrefix(b, init) {
			rt.Fatal("the file does not begin with its CMAF header")
		}
		r, n := reader(b)
		f, err := Scan(r, n)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(h, f.Head); d != "" || f.HeadSize != n || !bytes.Equal(f.Init, init) {
			rt.Fatal(d)
		}
	})
}

// A write that was torn does not cost what was written behind it: the walk goes on at the next mark.
func TestTornWriteInTheMiddle(t *testing.T) {
	s := build(t, media.Video, 5, 2, 2)
	chunkAfter := func(at int64) int64 {
		for _, end := range s.chunks {
			if end > at {
				return end
			}
		}
		return int64(len(s.bytes))
	}
	for i := 1; i+2 < len(s.segs); i++ {
		for _, lost := range []int64{1, 7, 8, 24, 25, 63, 64, 65, 80, 100, 300, 1000, 5000} {
			// Segment i loses bytes at its end, and the file goes on right there.
			from, to := s.segs[i].Offset+s.segs[i].Size-lost, s.marks[i+1]
			if from < s.marks[i] {
				continue
			}
			b := append(s.bytes[:from:from], s.bytes[to:]...)
			r, n := reader(b)
			f, err := Scan(r, n)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []int64
			for _, seg := range f.Segments {
				got = append(got, seg.N)
				if Sum(b[seg.Offset:][:seg.Size]) != seg.CRC {
					t.Fatalf("segment %d: wrong checksum", seg.N)
				}
			}
			for k, seg := range s.segs {
				if k != i || chunkAfter(seg.Offset) <= from {
					want = append(want, seg.N)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("segment %d lost %d bytes:\n%s", i, lost, d)
			}
			if f.Size != n {
				t.Errorf("%d bytes are whole, want %d", f.Size, n)
			}
			if len(findings(t, b)) == 0 {
				t.Errorf("segment %d lost %d bytes, and nothing was found", i, lost)
			}
		}
	}
}

// Marks are found wherever they lie to the window through which a file is read.
func TestMarksAtTheEdgesOfTheWindow(t *testing.T) {
	big := func(n int64, size int) *sample {
		s := tiny(t, media.Video)
		s.bytes, s.segs, s.chunks, s.marks = s.bytes[:s.marks[0]], nil, nil, nil
		s.add(n, []media.Frame{{Track: 1, Key: true, Duration: 3600, Data: bytes.Repeat([]byte("WEIRtr"), size/6)}}, 1)
		return s
	}
	for _, edge := range []int{windowSize / 2, windowSize, 2 * windowSize} {
		for shift := -70; shift < 70; shift += 3 {
			// A segment that goes over several windows.
			s := big(1, edge+shift)
			r, n := reader(s.bytes)
			f, err := Scan(r, n)
			if err != nil || len(f.Segments) != 1 || f.Segments[0] != s.segs[0] {
				t.Fatalf("a segment of %d bytes: %+v %v", edge+shift, f.Segments, err)
			}
			if got := findings(t, s.sealed("")); len(got) > 0 {
				t.Fatalf("a segment of %d bytes: %v", edge+shift, got)
			}
			// One that is torn there, and another behind it.
			next := big(2, 100)
			head := s.segs[0].Offset + 200
			b := append(s.bytes[:int(head)+edge+shift-400:int(head)+edge+shift-400], next.bytes[next.marks[0]:]...)
			r, n = reader(b)
			if f, err = Scan(r, n); err != nil || len(f.Segments) != 1 || f.Segments[0].N != 2 || f.Segments[0].CRC != next.segs[0].CRC {
				t.Fatalf("torn at %d: %+v %v", edge+shift, f.Segments, err)
			}
		}
	}
}

// A mark that has its duration already does not count it twice.
func TestMarkWithADuration(t *testing.T) {
	s := tiny(t, media.Audio)
	seg := s.segs[0]
	b := append(AppendMark(s.bytes[:s.marks[0]:s.marks[0]], &seg), s.bytes[seg.Offset:]...)
	r, n := reader(b)
	f, err := Scan(r, n)
	if err != nil || f.Segments[0] != seg {
		t.Errorf("%+v, want %+v (%v)", f.Segments[0], seg, err)
	}
}
