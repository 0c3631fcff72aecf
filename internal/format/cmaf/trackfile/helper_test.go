package trackfile

import (
	"bytes"
	"os"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
)

// sample is a file built from a clip, with where its things lie.
type sample struct {
	bytes  []byte // head and segments, no index
	head   Head
	init   []byte
	track  media.Track
	frames int
	segs   []Segment
	chunks []int64 // where each chunk ends
	marks  []int64
}

func (s *sample) sealed(end string) []byte {
	return AppendIndex(bytes.Clone(s.bytes), s.segs, int64(len(s.bytes)), end)
}

func testHead(track *media.Track) Head {
	name := "v0"
	if track.Kind == media.Audio {
		name = "a0"
	}
	return Head{Timeline: "live/show", Rendition: name, Run: 1_750_000_000_123, RunStart: time.Unix(1_750_000_000, 123e6).UTC(),
		SegmentDuration: 500 * time.Millisecond, PartDuration: 200 * time.Millisecond, FirstN: 3_500_000_000, MSNBase: 7, DiscontinuitySeq: 2, Seq: 1,
		Renditions: []string{"v0", "a0"}, Volume: "0d7c5f0e-8f6f-4a55-9d0c-1b8a1f6f0a11", Created: time.Unix(1_750_000_060, 0).UTC(), Clock: "arrival"}
}

// build makes a file of the first track of a kind in the clip, cut into segments of perSegment frames
// and chunks of perChunk.
func build(t testing.TB, kind media.Kind, perSegment, perChunk, repeat int) *sample {
	t.Helper()
	src, err := os.ReadFile("testdata/sample_fragmented.mp4")
	if err != nil {
		t.Fatal(err)
	}
	h, err := cmaf.ParseInit(src)
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.Frames(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	s := &sample{track: *media.First(h.Tracks, kind)}
	var frames []media.Frame
	for _, f := range all {
		if f.Track == s.track.ID {
			frames = append(frames, f)
		}
	}
	length := frames[len(frames)-1].DTS + frames[len(frames)-1].Duration - frames[0].DTS
	epoch := int64(1_750_000_000) * int64(s.track.TimeScale)
	var long []media.Frame
	for i := range repeat {
		for _, f := range frames {
			f.DTS, f.PTS = f.DTS+epoch+int64(i)*length, f.PTS+epoch+int64(i)*length
			long = append(long, f)
		}
	}
	s.head = testHead(&s.track)
	if s.init, err = cmaf.Init(s.track); err != nil {
		t.Fatal(err)
	}
	s.bytes = AppendHead(nil, &s.head, s.init)
	s.frames = len(long)
	for i := 0; len(long) > 0; i++ {
		n := min(perSegment, len(long))
		s.add(int64(3_500_000_000+i), long[:n], perChunk)
		long = long[n:]
	}
	return s
}

func (s *sample) add(n int64, frames []media.Frame, perChunk int) {
	seg := Segment{N: n, Start: frames[0].PTS, DTS: frames[0].DTS, Independent: frames[0].Key}
	s.marks = append(s.marks, int64(len(s.bytes)))
	s.bytes = AppendMark(s.bytes, &seg)
	seg.Offset = int64(len(s.bytes))
	for i := 0; i < len(frames); i += perChunk {
		c := cmaf.Chunk{Sequence: uint32(n), Styp: i == 0, Producer: i == 0, Frames: frames[i:min(i+perChunk, len(frames))]}
		at := len(s.bytes)
		s.bytes = cmaf.AppendChunk(s.bytes, &c)
		if first := c.Frames[0]; i == 0 && s.track.Kind == media.Video && first.Key {
			body := 0
			for _, f := range c.Frames {
				body += len(f.Data)
			}
			seg.Key = int64(len(s.bytes) - at - body + len(first.Data))
		}
		for _, f := range c.Frames {
			seg.Duration += f.Duration
		}
		s.chunks = append(s.chunks, int64(len(s.bytes)))
	}
	seg.Size = int64(len(s.bytes)) - seg.Offset
	seg.CRC = Sum(s.bytes[seg.Offset:])
	s.segs = append(s.segs, seg)
}

// gap adds a segment that is not there.
func (s *sample) gap(n, start, duration int64) {
	seg := Segment{N: n, Start: start, DTS: start, Duration: duration, Gap: true}
	s.marks = append(s.marks, int64(len(s.bytes)))
	s.bytes = AppendMark(s.bytes, &seg)
	seg.Offset = int64(len(s.bytes))
	s.segs = append(s.segs, seg)
}

func reader(b []byte) (*bytes.Reader, int64) { return bytes.NewReader(b), int64(len(b)) }

// findings lists what Verify tells.
func findings(t testing.TB, b []byte) []string {
	t.Helper()
	var out []string
	r, n := reader(b)
	if err := Verify(r, n, func(_ int64, what string) { out = append(out, what) }); err != nil {
		t.Fatal(err)
	}
	return out
}
