package mp4

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// seeds are a whole file, its parts, and some that are broken.
func seeds(t testing.TB) [][]byte {
	b := sample(t)
	sound, err := os.ReadFile("testdata/audio.mp4")
	if err != nil {
		t.Fatal(err)
	}
	wide := []byte("\x00\x00\x00\x01moof\x00\x00\x00\x00\x00\x00\x00\x20\x00\x00\x00\x10mfhd\x00\x00\x00\x00\x00\x00\x00\x01")
	return [][]byte{b, sound, b[:2000], wide, append(bytes.Clone(b[:1500]), wide...), nil, []byte("\x00\x00\x00\x00mdat")}
}

// FuzzScan reads anything as a header with segments behind it and makes a head of what it finds. The head must be as long
// as was promised, and what is held must not outgrow what was read.
func FuzzScan(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		var s Scanner
		samples, err := s.Scan(bytes.NewReader(b), int64(len(b)), h)
		if err != nil {
			return
		}
		m := &Movie{}
		table := m.Track(h)
		for i := range samples {
			x := &samples[i]
			if x.At < 0 || x.At+int64(x.Size) > int64(len(b)) {
				t.Fatalf("sample %d lies outside: %+v", i, x)
			}
			if i == 0 {
				table.Begin(x.DTS, x.DTS)
			}
			if i%10 == 0 {
				table.Chunk(1)
			}
			if table.Add(x.DTS, x.DTS+int64(x.CTS), x.Size, x.Key) != nil {
				break
			}
		}
		table.End(1)
		m.Finish()
		var out bytes.Buffer
		if err := m.WriteHead(&out, 0, m.HeadSize()); err != nil || int64(out.Len()) != m.HeadSize() {
			t.Fatalf("%d bytes of %d, %v", out.Len(), m.HeadSize(), err)
		}
		if m.HeadSize() > 4 {
			var part bytes.Buffer
			if err := m.WriteHead(&part, 3, m.HeadSize()-4); err != nil || !bytes.Equal(part.Bytes(), out.Bytes()[3:out.Len()-1]) {
				t.Fatal("a stretch differs")
			}
		}
	})
}

// A segment is scanned by its moofs: of the payload next to nothing is read, and what is cut off is said.
func TestScan(t *testing.T) {
	b := sample(t)
	h := header(t)
	var s Scanner
	samples, err := s.Scan(bytes.NewReader(b), int64(len(b)), h)
	if err != nil || len(samples) == 0 || !samples[0].Key {
		t.Fatal(len(samples), err)
	}
	n, read := len(samples), s.Read
	if again, err := s.Scan(bytes.NewReader(b), int64(len(b)), h); err != nil || len(again) != n || s.Read != 2*read {
		t.Errorf("%d samples, %v", len(again), err)
	}
	if read > int64(len(b))/2 {
		t.Errorf("%d of %d bytes read", read, len(b))
	}
	for _, size := range []int64{int64(len(b)) + 1, int64(len(b)) - 1, 4} {
		if _, err := s.Scan(io.NewSectionReader(bytes.NewReader(b), 0, size), size, h); err == nil {
			t.Errorf("%d of %d bytes were taken for a whole segment", size, len(b))
		}
	}
}
