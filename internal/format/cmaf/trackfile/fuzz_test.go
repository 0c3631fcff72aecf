package trackfile

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"weir/internal/fault"
	"weir/internal/media"
)

var update = flag.Bool("update", false, "write the fuzz seeds and the hex dump of the documents anew")

// tiny is a sample of few bytes.
func tiny(t testing.TB, kind media.Kind) *sample {
	t.Helper()
	s := build(t, kind, 2, 1, 1)
	frames := []media.Frame{}
	for i := range 5 {
		at := s.segs[0].DTS + int64(i)*3600
		frames = append(frames, media.Frame{Track: s.track.ID, Key: i%2 == 0 || kind == media.Audio, DTS: at, PTS: at + 3600, Duration: 3600, Data: bytes.Repeat([]byte{byte(i + 1)}, 10+i)})
	}
	out := &sample{head: s.head, init: s.init, track: s.track, frames: 5}
	out.bytes = AppendHead(nil, &out.head, out.init)
	out.add(1, frames[:2], 1)
	out.add(2, frames[2:4], 2)
	out.gap(3, frames[4].PTS, 3600)
	out.add(5, frames[4:], 1)
	return out
}

// seeds are the beginnings of fuzzing, by target.
func seeds(t testing.TB) map[string]map[string][]byte {
	files := map[string][]byte{}
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		s := tiny(t, kind)
		files[kind.String()+"-open"], files[kind.String()+"-sealed"] = s.bytes, s.sealed("rotate")
		files[kind.String()+"-torn"] = s.bytes[:s.chunks[1]-3]
		files[kind.String()+"-zeros"] = append(bytes.Clone(s.bytes[:s.chunks[1]-5]), make([]byte, 100)...)
		lost := s.segs[1].Offset + s.segs[1].Size - 20
		files[kind.String()+"-hole"] = append(s.bytes[:lost:lost], s.bytes[s.marks[2]:]...)
		bad := s.sealed("crash")
		bad[len(bad)-20] ^= 1
		files[kind.String()+"-index"] = bad
	}
	s := tiny(t, media.Video)
	lie := append([]Segment(nil), s.segs...)
	lie[1].Size, lie[3].Duration = lie[1].Size-1, 7
	files["lie"] = AppendIndex(bytes.Clone(s.bytes), lie, int64(len(s.bytes)), "stop")
	files["head-only"] = s.bytes[:s.marks[0]]
	files["head-torn"] = s.bytes[:s.marks[0]-9]
	return map[string]map[string][]byte{
		"FuzzFile":   files,
		"FuzzGroups": {"empty": AppendGroups(nil, nil)[:2], "video": AppendGroups(nil, s.segs), "gap": AppendGroups(nil, s.segs[2:3]), "short": {1, 9}},
	}
}

// TestFuzzSeeds writes the committed seeds with -update.
func TestFuzzSeeds(t *testing.T) {
	for target, files := range seeds(t) {
		dir := filepath.Join("testdata", "fuzz", target)
		if !*update {
			if list, err := os.ReadDir(dir); err != nil || len(list) < len(files) {
				t.Errorf("seeds of %s are missing (%v): run go test -run TestFuzzSeeds -update", target, err)
			}
			continue
		}
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// repaired puts right the checksums of head and index, which nothing would get past otherwise.
func repaired(b []byte) []byte {
	b = bytes.Clone(b)
	fix := func(end int, from int) {
		if from >= 0 && from <= end-4 && end <= len(b) {
			sum := Sum(b[from : end-4])
			b[end-4], b[end-3], b[end-2], b[end-1] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
		}
	}
	for at := 0; at < len(b); {
		i := bytes.Index(b[at:], []byte(family))
		if i < 0 || at+i < 8 || at+i+16 > len(b) {
			break
		}
		at += i
		h, _ := parseHeader(b[at-8:])
		end := at - 8 + int(min(max(h.size, 0), int64(len(b))))
		switch b[at+15] {
		case headKind[15]:
			fix(end, 0)
		case markKind[15]:
			fix(at-8+markSize, at-8)
		case indexKind[15]:
			if groups := bytes.IndexByte(b[at+16:], version); groups >= 0 && at+18 < len(b) {
				fix(end-trailerSize, at+18+int(b[at+17]))
			}
			fix(end-4, at-8)
		}
		at++
	}
	return b
}

func FuzzFile(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, repaired(b)} {
			checkFile(t, b)
		}
	})
}

// checkFile holds what is read of any bytes to what is promised of it.
func checkFile(t *testing.T, b []byte) {
	r, n := reader(b)
	sealed, err := Read(r, n)
	if err != nil && fault.Code(err) == "internal" {
		t.Fatalf("an error without a code: %v", err)
	}
	read := err == nil
	if read {
		for _, s := range sealed.Segments {
			if s.Offset < 0 || s.Size < 0 || s.Offset+s.Size > n && !s.Gap {
				t.Fatalf("segment outside of the file: %+v", s)
			}
		}
	}
	found := 0
	if err := Verify(r, n, func(at int64, what string) {
		if found++; at < 0 || at > n || what == "" {
			t.Fatalf("found %q at %d", what, at)
		}
	}); err != nil {
		t.Fatal(err)
	}
	scanned, err := Scan(r, n)
	if err != nil {
		if found == 0 {
			t.Fatalf("Scan says %v, Verify nothing", err)
		}
		return
	}
	at := scanned.HeadSize
	for _, s := range scanned.Segments {
		if s.Offset < at+markSize || s.Offset+s.Size > scanned.Size || Sum(b[s.Offset:][:s.Size]) != s.CRC || s.Key < 0 || s.Key > s.Size {
			t.Fatalf("%+v at %d of %d", s, at, scanned.Size)
		}
		at = s.Offset + s.Size
	}
	if scanned.Sealed {
		return
	}
	// What is whole can be sealed, and is read again.
	again := AppendIndex(b[:scanned.Size:scanned.Size], scanned.Segments, scanned.Size, "crash")
	r, n = reader(again)
	f, err := Read(r, n)
	if err != nil || len(f.Segments) != len(scanned.Segments) {
		t.Fatalf("sealed again: %v", err)
	}
}

func FuzzGroups(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := Sum(b)
		for _, b := range [][]byte{b, append(b[:len(b):len(b)], byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))} {
			segs, err := ParseGroups(b)
			if err != nil {
				continue
			}
			if len(segs) > len(b) {
				t.Fatalf("%d segments out of %d bytes", len(segs), len(b))
			}
			again, err := ParseGroups(AppendGroups(nil, segs))
			if err != nil || len(again) != len(segs) {
				t.Fatal(err)
			}
			for i := range segs {
				if again[i] != segs[i] {
					t.Fatalf("%+v, want %+v", again[i], segs[i])
				}
			}
		}
	})
}
