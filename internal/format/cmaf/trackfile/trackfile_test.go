package trackfile

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/internal/fault"
	"weir/internal/media"
)

func TestReadAndScanAgree(t *testing.T) {
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		t.Run(kind.String(), func(t *testing.T) {
			s := build(t, kind, 10, 4, 3)
			end := s.segs[len(s.segs)-1]
			s.gap(end.N+1, end.Start+end.Duration, 45000)
			for name, b := range map[string][]byte{"open": s.bytes, "sealed": s.sealed("rotate")} {
				r, n := reader(b)
				f, err := Scan(r, n)
				if err != nil {
					t.Fatal(name, err)
				}
				want := &File{Head: s.head, Init: s.init, Track: f.Track, Segments: s.segs, Size: n, HeadSize: s.marks[0]}
				if name == "sealed" {
					want.Sealed, want.End = true, "rotate"
				}
				if d := cmp.Diff(want, f); d != "" {
					t.Errorf("%s, scanned:\n%s", name, d)
				}
				if f.Track.Codec != s.track.Codec || f.Track.TimeScale != s.track.TimeScale {
					t.Errorf("track %+v", f.Track)
				}
				if got := findings(t, b); len(got) > 0 {
					t.Errorf("%s: %v", name, got)
				}
				f, err = Read(r, n)
				if name == "open" {
					if fault.Code(err) != "footage_unsealed" {
						t.Errorf("read of an open file: %v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, f); d != "" {
					t.Errorf("read:\n%s", d)
				}
			}
		})
	}
}

// A file cut anywhere reads as the chunks that are whole.
func TestTornTail(t *testing.T) {
	s := build(t, media.Video, 10, 4, 1)
	for size := int(s.marks[0]); size < len(s.bytes); size += 97 {
		for _, zeros := range []int{0, 1000} {
			want := s.marks[0]
			for _, end := range s.chunks {
				if end <= int64(size) || zeros > 0 && end-int64(size) < zeroTail {
					want = end
				}
			}
			b := append(s.bytes[:size:size], make([]byte, zeros)...)
			r, n := reader(b)
			f, err := Scan(r, n)
			if err != nil {
				t.Fatal(err)
			}
			if f.Size != want {
				t.Fatalf("cut at %d with %d zeros: %d bytes are whole, want %d", size, zeros, f.Size, want)
			}
			var frames int64
			for i := range f.Segments {
				frames += f.Segments[i].Size
			}
			if whole := f.Size - s.marks[0]; frames > whole {
				t.Fatalf("%d bytes of segments in %d", frames, whole)
			}
			// What the server does then: cut, and seal.
			again := AppendIndex(b[:f.Size:f.Size], f.Segments, f.Size, "crash")
			if got := findings(t, again); len(got) > 0 {
				t.Fatalf("cut at %d: %v", size, got)
			}
		}
	}
	for size := range int(s.marks[0]) {
		r, n := reader(s.bytes[:size])
		if _, err := Scan(r, n); fault.Code(err) != "footage_damaged" {
			t.Fatalf("a head cut at %d: %v", size, err)
		}
	}
}

func TestGroupsRoundTrip(t *testing.T) {
	s := build(t, media.Video, 10, 4, 20)
	b := AppendGroups(nil, s.segs)
	got, err := ParseGroups(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.segs, got); d != "" {
		t.Error(d)
	}
	if per := float64(len(b)) / float64(len(s.segs)); per > 12 {
		t.Errorf("%.1f bytes for each segment", per)
	}
}

// Heads that nobody should write: whole, and of no use.
func TestHeadsThatDoNotRead(t *testing.T) {
	s := tiny(t, media.Video)
	noTrack := AppendHead(nil, &s.head, []byte("\x00\x00\x00\x08moov"))
	future := bytes.Replace(s.bytes, []byte("\x00\x00\x00\x01{"), []byte("\x00\x00\x00\x02{"), 1)
	noTime := bytes.Replace(s.bytes, []byte("2025-06-15T15:06:40"), []byte("2025-99-15T15:06:40"), 1)
	noJSON := bytes.Replace(s.bytes, []byte(`{"timeline"`), []byte(`("timeline"`), 1)
	for name, b := range map[string][]byte{"no track": noTrack, "future": repaired(future), "no time": repaired(noTime), "no JSON": repaired(noJSON), "empty": nil} {
		r, n := reader(b)
		if _, err := Scan(r, n); fault.Code(err) != "footage_damaged" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
