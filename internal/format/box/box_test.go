package box

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

func TestHead(t *testing.T) {
	for in, want := range map[string]struct {
		head int
		size int64
		ok   bool
	}{
		"":                                  {},
		"\x00\x00\x00\x08fre":               {},
		"\x00\x00\x00\x08free":              {8, 8, true},
		"\x00\x00\x00\x07free":              {8, 7, false},
		"\x00\x00\x00\x00free":              {8, 0, true}, // to the end
		"\xff\xff\xff\xfffree":              {8, 1<<32 - 1, true},
		"\x00\x00\x00\x01free":              {}, // its size is still to come
		"\x00\x00\x00\x01free" + u64(16):    {16, 16, true},
		"\x00\x00\x00\x01free" + u64(15):    {16, 15, false},
		"\x00\x00\x00\x01free" + u64(0):     {16, 0, false},
		"\x00\x00\x00\x01free" + u64(1<<63): {16, -1 << 63, false},
	} {
		kind, head, size, ok := Head([]byte(in))
		if head != want.head || size != want.size || ok != want.ok || (head > 0) != (kind == "free") {
			t.Errorf("%q: %q, %d of %d, %v; want %+v", in, kind, head, size, ok, want)
		}
	}
}

func u64(v uint64) string { return string(binary.BigEndian.AppendUint64(nil, v)) }

func TestEach(t *testing.T) {
	stop := errors.New("stop")
	for _, c := range []struct{ in, seen, err string }{
		{"", "", ""},
		{"\x00\x00\x00\x0afreeab\x00\x00\x00\x08skip", "free@0:ab skip@10:", ""},
		{"\x00\x00\x00\x01free" + u64(17) + "a\x00\x00\x00\x00skipto the end", "free@0:a skip@17:to the end", ""},
		{"\x00\x00\x00\x08free\x00\x00\x00\x09skip", "free@0:", "a box is cut off or longer than what holds it"},
		{"\x00\x00\x00\x08free\x00", "free@0:", "a box is cut off or longer than what holds it"},
		{strings.Repeat("\x00\x00\x00\x08free", 4), "free@0: free@8: free@16:", "too many boxes"},
		{"\x00\x00\x00\x08stop\x00\x00\x00\x08free", "stop@0:", "stop"},
	} {
		var seen []string
		err := Each([]byte(c.in), 3, func(why string) error { return errors.New(why) }, func(x Box) error {
			seen = append(seen, x.Kind+"@"+strconv.Itoa(x.At)+":"+string(x.Body))
			if !bytes.HasSuffix(x.Whole, x.Body) || string(x.Whole) != c.in[x.At:x.At+len(x.Whole)] {
				t.Errorf("%q lies not in %q", x.Body, x.Whole)
			}
			if x.Kind == "stop" {
				return stop
			}
			return nil
		})
		why := ""
		if err != nil {
			why = err.Error()
		}
		if got := strings.Join(seen, " "); got != c.seen || why != c.err {
			t.Errorf("%q: saw %q, %q; want %q, %q", c.in, got, why, c.seen, c.err)
		}
	}
}

func TestRead(t *testing.T) {
	for _, c := range []struct{ in, seen, err string }{
		{"", "", "EOF"},
		{"\x00\x00\x00\x0afreeab\x00\x00\x00\x08skip", "free:ab skip:", "EOF"},
		{"\x00\x00\x00\x10freewhole678\x00\x00\x00", "free:whole678", "EOF"},
		{"\x00\x00\x00\x10freecut off", "", "EOF"},
		{"\x00\x00\x00\x11freewhole6789", "", ErrSize.Error()},
		{"\x00\x00\x00\x00freewhole6789", "", ErrSize.Error()},
		{"\x00\x00\x00\x01free" + u64(16), "", ErrSize.Error()},
		{"\x00\x00\x00\x07free", "", ErrSize.Error()},
	} {
		var seen []string
		r := iotest.OneByteReader(strings.NewReader(c.in))
		x, err := Read(r, 16)
		for ; err == nil; x, err = Read(r, 16) {
			seen = append(seen, x.Kind+":"+string(x.Body))
		}
		if got := strings.Join(seen, " "); got != c.seen || err.Error() != c.err {
			t.Errorf("%q: saw %q, %v; want %q, %q", c.in, got, err, c.seen, c.err)
		}
	}
}

func TestFields(t *testing.T) {
	f := NewFields([]byte{1, 0, 0, 2, 3, 0, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 7, 8})
	version, flags := f.Full()
	if a, b, c, d := f.U8(), f.U16(), f.U32(), f.U64(); version != 1 || flags != 2 || a != 3 || b != 4 || c != 5 || d != 6 {
		t.Error(version, flags, a, b, c, d)
	}
	if b := f.Take(1); len(b) != 1 || b[0] != 7 || f.Short() || len(f.Rest()) != 1 {
		t.Error(b, f)
	}
	if v := f.U16(); v != 0 || !f.Short() || f.Rest() != nil {
		t.Error(v, f)
	}
	if v := f.U8(); v != 0 || !f.Short() {
		t.Error("something was read behind the end")
	}
	if f = NewFields([]byte{1}); f.Take(-1) != nil || !f.Short() {
		t.Error("less than nothing was read")
	}
}

// Of each sample the run's list, the run's first, the fragment and the track speak in this order (8.8.7, 8.8.8).
func TestRunSaysWhatFragmentsLeaveUnsaid(t *testing.T) {
	words := func(v ...uint32) *Fields {
		var b []byte
		for _, w := range v {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		f := NewFields(b)
		return &f
	}
	d := Defaults{1, 2, 3}
	for _, c := range []struct {
		tfhd, trun *Fields
		of, run    uint32
		want       []Sample
		placed     bool
	}{
		{words(), words(2), 0, 0, []Sample{{1, 2, 3, 0}, {1, 2, 3, 0}}, false},
		{words(9, 9, 9, 4, 5, 6), words(1), TfhdBaseOffset | TfhdDescription | TfhdDuration | TfhdSize | TfhdFlags, 0, []Sample{{4, 5, 6, 0}}, false},
		{words(5), words(2, 1<<32-8, 7), TfhdSize, TrunOffset | TrunFirst, []Sample{{1, 5, 7, 0}, {1, 5, 3, 0}}, true},
		{words(), words(2, 7, 10, 1<<32-1, 11, 2), 0, TrunFirst | TrunSize | TrunCTS, []Sample{{1, 10, 7, -1}, {1, 11, 3, 2}}, false},
		{words(), words(2, 20, 10, 30, 5, 21, 11, 31, 6), 0, TrunDuration | TrunSize | TrunFlags | TrunCTS, []Sample{{20, 10, 30, 5}, {21, 11, 31, 6}}, false},
	} {
		of := d
		of.Override(c.tfhd, c.of)
		r := of.Run(c.trun, c.run)
		if int(r.Count) != len(c.want) || r.Placed != c.placed || r.Placed && r.Offset != -8 || len(c.trun.Rest()) != len(c.want)*r.EntrySize() {
			t.Errorf("flags %x, %x: %+v, entries of %d bytes in %d", c.of, c.run, r, r.EntrySize(), len(c.trun.Rest()))
		}
		for i, want := range c.want {
			if got := r.Next(c.trun); got != want {
				t.Errorf("flags %x, %x: sample %d is %+v, want %+v", c.of, c.run, i, got, want)
			}
		}
		if c.tfhd.Short() || c.trun.Short() || len(c.tfhd.Rest())+len(c.trun.Rest()) != 0 {
			t.Errorf("flags %x, %x: not read to the end, or over it", c.of, c.run)
		}
	}
}

// FuzzBoxes walks what anybody could send: what is found lies in it, and reads the same again.
func FuzzBoxes(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		end := 0
		err := Each(b, 64, func(why string) error { return errors.New(why) }, func(x Box) error {
			if x.At != end || len(x.Whole)-len(x.Body) != 8 && len(x.Whole)-len(x.Body) != 16 || len(x.Kind) != 4 {
				t.Fatalf("%q at %d, %d of %d bytes, the one before ends at %d", x.Kind, x.At, len(x.Body), len(x.Whole), end)
			}
			end += len(x.Whole)
			n := NewFields(x.Body)
			version, flags := n.Full()
			var d Defaults
			switch x.Kind {
			case "tfhd":
				d.Override(&n, flags)
			case "tfdt":
				n.Time(version)
			case "trun":
				r := d.Run(&n, flags)
				left, samples := len(n.Rest()), 0
				for size := r.EntrySize(); size > 0 && samples < int(r.Count) && !n.Short(); samples++ {
					r.Next(&n)
				}
				if !n.Short() && len(n.Rest()) != left-samples*r.EntrySize() {
					t.Fatalf("%d samples of %d bytes took %d", samples, r.EntrySize(), left-len(n.Rest()))
				}
			}
			if n.Short() && n.Rest() != nil {
				t.Fatal("something is left behind the end")
			}
			return nil
		})
		// A stream of it gives the same boxes, but for those of the long form and without a size.
		for r, at := bytes.NewReader(b), 0; ; {
			x, err := Read(r, 1<<20)
			if err != nil {
				break
			}
			if want, ok := Next(b, at); !ok || want.Kind != x.Kind || !bytes.Equal(want.Whole, x.Whole) {
				t.Fatalf("a stream has %q at %d, the buffer has %q", x.Whole, at, want.Whole)
			}
			at += len(x.Whole)
		}
		if (err == nil) != (end == len(b)) {
			t.Fatalf("%v, and %d of %d bytes were walked", err, end, len(b))
		}
	})
}

func BenchmarkNext(b *testing.B) {
	d := Defaults{}
	list := make([]byte, 8+12*1000)
	binary.BigEndian.PutUint32(list, 1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(list)))
	for b.Loop() {
		f := NewFields(list)
		r := d.Run(&f, TrunOffset|TrunDuration|TrunSize|TrunCTS)
		for range r.Count {
			r.Next(&f)
		}
		if f.Short() {
			b.Fatal("cut off")
		}
	}
}

func TestHeadersOfATrack(t *testing.T) {
	word := func(v ...uint32) (b []byte) {
		for _, w := range v {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		return b
	}
	const long = 1 << 24
	for name, b := range map[string][]byte{"short": word(7, 1, 2, 42, 0, 3, 99), "long": word(long|7, 0, 1, 0, 2, 42, 0, 0, 3, 99)} {
		if id, rest := TrackHeader(b); id != 42 || !bytes.Equal(rest.Rest(), word(99)) || rest.Short() {
			t.Errorf("%s: track %d, then %x", name, id, rest.Rest())
		}
		if _, rest := TrackHeader(b[:len(b)-5]); !rest.Short() {
			t.Errorf("%s: it is not noticed that it is cut off", name)
		}
	}
	for name, b := range map[string][]byte{"short": word(0, 1, 2, 48000, 3, 99), "long": word(long, 0, 1, 0, 2, 48000, 0, 3, 99)} {
		if scale, rest := MediaHeader(b); scale != 48000 || !bytes.Equal(rest.Rest(), word(99)) || rest.Short() {
			t.Errorf("%s: scale %d, then %x", name, scale, rest.Rest())
		}
	}
	b := word(0, 42, 1, 2, 3, 4)
	if id, d, ok := TrackExtends(b); id != 42 || d != (Defaults{2, 3, 4}) || !ok {
		t.Error(id, d, ok)
	}
	if _, _, ok := TrackExtends(b[:23]); ok {
		t.Error("it is not noticed that a trex is cut off")
	}
}
