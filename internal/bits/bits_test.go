package bits

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestReaderReadsWhatWriterWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type field struct {
			n uint
			v uint32
		}
		var fields []field
		var w Writer
		for range rapid.IntRange(0, 40).Draw(t, "fields") {
			f := field{uint(rapid.IntRange(0, 33).Draw(t, "bits")), rapid.Uint32Max(1<<32-2).Draw(t, "value")}
			if f.n == 33 {
				w.UE(f.v)
			} else {
				f.v &= uint32(uint64(1)<<f.n - 1)
				w.U(f.n, f.v)
			}
			fields = append(fields, f)
		}
		r := NewReader(w.Bytes())
		for i, f := range fields {
			got := uint32(0)
			if f.n == 33 {
				got = r.UE()
			} else {
				got = r.U(f.n)
			}
			if got != f.v || !r.OK() {
				t.Fatalf("field %d of %d bits: %d, want %d", i, f.n, got, f.v)
			}
		}
		if r.Left() > 7 {
			t.Fatalf("%d bits left", r.Left())
		}
	})
}

func TestReaderRemembersTheEnd(t *testing.T) {
	r := NewReader([]byte{0xA5, 0xFF})
	if r.U(4) != 10 || r.Offset() != 1 || r.Left() != 12 || !r.OK() {
		t.Error("begin")
	}
	r.Align()
	if r.Left() != 8 || r.U(9) != 0 || r.OK() || r.Left() != 0 {
		t.Error("a number over the end must be 0 and not OK")
	}
	for name, read := range map[string]func(*Reader){
		"UE of zeros": func(r *Reader) { r.UE() }, "Skip": func(r *Reader) { r.Skip(65) }, "Skip back": func(r *Reader) { r.Skip(-1) },
	} {
		r := NewReader(make([]byte, 8))
		if read(&r); r.OK() {
			t.Error(name, "should fail")
		}
	}
}

func TestExpGolomb(t *testing.T) {
	// ITU-T H.264 table 9-2 and 9-3: 1, 010, 011, 00100, 00101 mean 0, 1, 2, 3, 4 and signed 0, 1, -1, 2, -2.
	r := NewReader([]byte{0b1_010_011_0, 0b0100_0010, 0b1_0000000})
	for want := range uint32(5) {
		if got := r.UE(); got != want {
			t.Errorf("UE = %d, want %d", got, want)
		}
	}
	r = NewReader([]byte{0b1_010_011_0, 0b0100_0010, 0b1_0000000})
	for _, want := range []int32{0, 1, -1, 2, -2} {
		if got := r.SE(); got != want {
			t.Errorf("SE = %d, want %d", got, want)
		}
	}
}

func TestNALReaderSkipsEmulationPrevention(t *testing.T) {
	r := NewNALReader([]byte{0, 0, 3, 1, 0, 0, 0, 3, 0, 0, 3})
	if got := r.U64(64); got != 0x0000_01_00_00_00_00_00 || !r.OK() {
		t.Errorf("%016x %v", got, r.OK())
	}
}

func TestEscapeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOf(rapid.SampledFrom([]byte{0, 0, 0, 1, 2, 3, 4, 0xFF})).Draw(t, "payload")
		payload = append(payload, 0x80)
		escaped := AppendEscaped(nil, payload)
		if HasStartCode(escaped) || bytes.Contains(escaped, []byte{0, 0, 1}) || bytes.Contains(escaped, []byte{0, 0, 0}) {
			t.Fatalf("% x still looks like a start code", escaped)
		}
		if got := Unescape(escaped); !bytes.Equal(got, payload) {
			t.Fatalf("% x -> % x -> % x", payload, escaped, got)
		}
		r := NewNALReader(escaped)
		for i, b := range payload {
			if r.U(8) != uint32(b) {
				t.Fatalf("reader differs at %d", i)
			}
		}
	})
}

func TestFramings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sample, stream, narrow []byte
		for range rapid.IntRange(1, 6).Draw(t, "units") {
			nal := append([]byte{0x65}, rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 3, 9}), 0, 20).Draw(t, "payload")...)
			nal = append(AppendEscaped(nil, nal), 0x80)
			sample = AppendUnit(sample, nal)
			stream = append(stream, make([]byte, rapid.IntRange(0, 3).Draw(t, "zeros"))...)
			stream = append(append(stream, 0, 0, 1), nal...)
			narrow = append(append(narrow, 0, byte(len(nal))), nal...)
		}
		var back []byte
		for nal := range AnnexB(stream) {
			back = AppendUnit(back, nal)
		}
		if !bytes.Equal(back, sample) {
			t.Fatalf("stream % x\ngives % x\nwant % x", stream, back, sample)
		}
		if !Framed(sample, 4) || !Framed(narrow, 2) || !HasStartCode(stream) {
			t.Fatal("framing not recognised")
		}
		if got := AppendWidened(nil, narrow, 2); !bytes.Equal(got, sample) {
			t.Fatalf("widened % x", got)
		}
		var again []byte
		for nal := range AnnexB(AppendAnnexB(nil, sample)) {
			again = AppendUnit(again, nal)
		}
		if !bytes.Equal(again, sample) {
			t.Fatal("AppendAnnexB does not round trip")
		}
	})
}

func TestBrokenFramings(t *testing.T) {
	for _, b := range [][]byte{{0, 0, 0, 5, 1}, {0, 0, 0}, {0xFF, 0xFF, 0xFF, 0xFF, 1}} {
		for range Units(b) {
			t.Errorf("a unit in % x", b)
		}
		if Framed(b, 4) {
			t.Errorf("% x is framed", b)
		}
	}
	if Framed(nil, 5) || Framed(nil, 0) || !Framed(nil, 4) {
		t.Error("sizes")
	}
	if got := AppendWidened(nil, []byte{0, 9, 1}, 2); len(got) != 0 {
		t.Errorf("% x", got)
	}
	for _, b := range []string{"", "\x00\x00", "\x00\x01\x65", "\x00\x00\x02"} {
		if HasStartCode([]byte(b)) {
			t.Errorf("%q has a start code", b)
		}
	}
}

func TestUserData(t *testing.T) {
	uuid := [16]byte{1, 0, 0, 0, 5}
	for _, n := range []int{0, 3, 239, 600} {
		data := make([]byte, n)
		nal := BuildUserData([]byte{6}, uuid, data)
		found := 0
		for kind, payload := range SEI(Unescape(nal[1:])) {
			found++
			if kind != UserDataUnregistered || !bytes.Equal(payload[:16], uuid[:]) || !bytes.Equal(payload[16:], data) {
				t.Errorf("%d bytes: kind %d, % x", n, kind, payload)
			}
		}
		if found != 1 {
			t.Errorf("%d bytes: %d messages", n, found)
		}
	}
	for _, b := range [][]byte{{0xFF, 0xFF, 0xFF}, {5, 9, 1, 0x80}, {5, 0xFF, 0xFF}, {0x80}} {
		for kind := range SEI(b) {
			t.Errorf("message %d in % x", kind, b)
		}
	}
}

func TestWalkingAllocatesNothing(t *testing.T) {
	sample := AppendUnit(AppendUnit(nil, []byte{9, 0xF0}), []byte{0x65, 1, 2, 3})
	stream := AppendAnnexB(nil, sample)
	size := 0
	if n := testing.AllocsPerRun(100, func() {
		for nal := range Units(sample) {
			size += len(nal)
		}
		for nal := range AnnexB(stream) {
			size -= len(nal)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if size != 0 {
		t.Error("both framings should hold the same bytes")
	}
}

func BenchmarkUnits(b *testing.B) {
	var sample []byte
	for range 8 {
		sample = AppendUnit(sample, make([]byte, 1200))
	}
	b.SetBytes(int64(len(sample)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for nal := range Units(sample) {
			n += len(nal)
		}
		if n != 9600 {
			b.Fatal(n)
		}
	}
}

func BenchmarkAnnexB(b *testing.B) {
	noise := make([]byte, 1200)
	rand.NewChaCha8([32]byte{1}).Read(noise) // coded video looks like noise
	nal := append(AppendEscaped([]byte{0x65}, noise), 0x80)
	var sample []byte
	for range 8 {
		sample = AppendUnit(sample, nal)
	}
	stream := AppendAnnexB(nil, sample)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for unit := range AnnexB(stream) {
			n += len(unit)
		}
		if n != 8*len(nal) {
			b.Fatal(n)
		}
	}
}

func TestVUI(t *testing.T) {
	write := func(f func(w *Writer)) []byte {
		var w Writer
		f(&w)
		return w.Bytes()
	}
	signal := func(w *Writer) {
		w.Flag(true)
		w.U(3, 5)
		w.Flag(true) // full range
		w.Flag(true)
		w.U(24, 9<<16|16<<8|10)
	}
	for name, c := range map[string]struct {
		b    []byte
		want VUI
		ok   bool
	}{
		"nothing": {write(func(w *Writer) { w.U(4, 0) }), VUI{0, 0, Colour{2, 2, 2, false}}, true},
		"all": {write(func(w *Writer) {
			w.Flag(true)
			w.U(8, 14) // 4:3
			w.U(2, 3)  // overscan
			signal(w)
			w.Flag(true)
			w.UE(3)
			w.UE(5)
		}), VUI{4, 3, Colour{9, 16, 10, true}}, true},
		"an aspect ratio of its own": {write(func(w *Writer) { w.Flag(true); w.U(8, 255); w.U(32, 5<<16|4); w.U(3, 0) }), VUI{5, 4, Colour{2, 2, 2, false}}, true},
		"an aspect ratio of nothing": {write(func(w *Writer) { w.Flag(true); w.U(8, 255); w.U(32, 5<<16); w.U(3, 0) }), VUI{0, 0, Colour{2, 2, 2, false}}, true},
		"a reserved aspect ratio":    {write(func(w *Writer) { w.Flag(true); w.U(8, 17); w.U(3, 0) }), VUI{0, 0, Colour{2, 2, 2, false}}, true},
		"colours cut off":            {write(func(w *Writer) { w.U(2, 0); signal(w) })[:2], VUI{0, 0, Colour{2, 2, 2, true}}, false},
	} {
		r, got := NewReader(c.b), VUI{Colour: Unspecified()}
		if r.ReadVUI(&got); got != c.want || r.OK() != c.ok {
			t.Errorf("%s: %+v, %v; want %+v", name, got, r.OK(), c.want)
		}
	}
}

func FuzzBits(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		size := int(0)
		if len(b) > 0 {
			size = int(b[0]) % 6
		}
		units := 0
		for nal := range Units(b) {
			units += 4 + len(nal)
		}
		if Framed(b, 4) && units > len(b) {
			t.Fatal("units hold more than the sample")
		}
		if Framed(b, size) {
			if !Framed(AppendWidened(nil, b, size), 4) {
				t.Fatal("widened sample does not add up")
			}
		}
		var sample []byte
		for nal := range AnnexB(b) {
			sample = AppendUnit(sample, nal)
		}
		if !Framed(sample, 4) {
			t.Fatal("converted sample does not add up")
		}
		if HasStartCode(b) != HasStartCode(append(b[:len(b):len(b)], 1, 2)) && bytes.ContainsAny(b, "\x01\x02") {
			t.Fatal("a start code depends on what follows it")
		}
		AppendAnnexB(nil, sample)
		plain := Unescape(b)
		if got := Unescape(AppendEscaped(nil, append(plain[:len(plain):len(plain)], 0x80))); !bytes.Equal(got[:len(got)-1], plain) {
			t.Fatal("escaping does not round trip")
		}
		for _, payload := range SEI(plain) {
			if len(payload) > len(plain) {
				t.Fatal("message larger than its unit")
			}
			BuildUserData([]byte{6}, [16]byte{}, payload)
		}
		var v VUI
		usability := NewReader(b)
		if usability.ReadVUI(&v); v.SARWidth > 0 != (v.SARHeight > 0) {
			t.Fatalf("half an aspect ratio: %+v", v)
		}
		r, w := NewNALReader(b), Writer{}
		for r.OK() && r.Left() > 0 {
			n := uint(r.U(3))
			w.U(n, r.U(n))
			w.UE(r.UE() >> 1)
			w.Flag(r.SE() > 0)
			r.U64(n * 5)
			r.Skip(int(n))
			if n == 7 {
				r.Align()
				w.Align()
				w.Append(byte(r.Offset()))
			}
		}
	})
}
