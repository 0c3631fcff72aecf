package trackfile

import (
	"testing"

	"weir/internal/media"
)

// minute is a sealed file of about a minute: 30 segments of 2 s, parts of 1 s, 3 Mbit/s.
func minute(b *testing.B) (*sample, []byte) {
	b.Helper()
	s := build(b, media.Video, 60, 30, 60)
	return s, s.sealed("rotate")
}

func BenchmarkScan(b *testing.B) {
	s, _ := minute(b)
	r, n := reader(s.bytes)
	b.SetBytes(n)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(r, n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	_, sealed := minute(b)
	r, n := reader(sealed)
	b.SetBytes(n)
	for b.Loop() {
		if err := Verify(r, n, func(_ int64, what string) { b.Fatal(what) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	_, sealed := minute(b)
	r, n := reader(sealed)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(r, n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendGroups(b *testing.B) {
	s, _ := minute(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendGroups(buf[:0], s.segs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(s.segs)), "ns/segment")
	b.ReportMetric(float64(len(buf))/float64(len(s.segs)), "B/segment")
}

func BenchmarkParseGroups(b *testing.B) {
	s, _ := minute(b)
	buf := AppendGroups(nil, s.segs)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseGroups(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(s.segs)), "ns/segment")
}

func BenchmarkAppendMark(b *testing.B) {
	seg := Segment{N: 1, Start: 2, DTS: 3}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendMark(buf[:0], &seg)
	}
}

// BenchmarkSum checks a segment of 2 s of 4 Mbit/s, as each first reading of the past does.
func BenchmarkSum(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Sum(data)
	}
}
