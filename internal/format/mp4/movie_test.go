package mp4

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	ff "github.com/Eyevinn/mp4ff/mp4"

	"weir/internal/format/box"
)

func sample(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/video.mp4")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func header(t testing.TB) *Header {
	t.Helper()
	h, err := ParseHeader(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func head(t testing.TB, m *Movie) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteHead(&b, 0, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != m.HeadSize() {
		t.Fatalf("the head has %d bytes, and %d were promised", b.Len(), m.HeadSize())
	}
	return b.Bytes()
}

// boxes decodes a head with another library.
func decode(t testing.TB, b []byte) *ff.MoovBox {
	t.Helper()
	for at := 0; at < len(b); {
		kind, _, size, ok := box.Head(b[at:])
		if !ok {
			t.Fatal("no box")
		}
		if kind == "moov" {
			box, err := ff.DecodeBox(uint64(at), bytes.NewReader(b[at:at+int(size)]))
			if err != nil {
				t.Fatal(err)
			}
			return box.(*ff.MoovBox)
		}
		at += int(size)
	}
	t.Fatal("no moov")
	return nil
}

// irregular adds n samples with changing durations, sizes and offsets, and says what they were.
func irregular(t testing.TB, table *Table, n int, seed uint64) (dts []int64, size []uint32) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	at := int64(1000)
	table.Begin(at, at)
	for i := range n {
		if i%7 == 0 {
			table.Chunk(1)
		}
		s := uint32(r.IntN(100_000))
		if err := table.Add(at, at+int64(r.IntN(5))*512, s, i%30 == 0); err != nil {
			t.Fatal(err)
		}
		dts, size = append(dts, at-1000), append(size, s)
		at += 500 + int64(r.IntN(3))
	}
	table.End(512)
	return dts, size
}

// What goes into a table is what another program reads out of it.
func TestTables(t *testing.T) {
	m := &Movie{}
	m.SetCreated(time.Unix(1_750_000_000, 0))
	table := m.Track(header(t))
	dts, size := irregular(t, table, 1000, 1)
	table.Edits = []Edit{{Duration: 900, Media: -1}, {Duration: 90000, Media: 5}}
	m.Finish()
	moov := decode(t, head(t, m))
	stbl := moov.Trak.Mdia.Minf.Stbl
	if stbl.Stsz.SampleNumber != 1000 || len(stbl.Stco.ChunkOffset) != 143 || stbl.Stss.EntryCount() != 34 {
		t.Fatalf("%d samples, %d chunks, %d keys", stbl.Stsz.SampleNumber, len(stbl.Stco.ChunkOffset), stbl.Stss.EntryCount())
	}
	offset := uint64(m.HeadSize())
	for i := range size {
		nr := uint32(i + 1)
		at, _ := stbl.Stts.GetDecodeTime(nr)
		if int64(at) != dts[i] || stbl.Stsz.GetSampleSize(int(nr)) != size[i] {
			t.Fatalf("sample %d: at %d with %d bytes, want %d with %d", nr, at, stbl.Stsz.GetSampleSize(int(nr)), dts[i], size[i])
		}
		if i%7 == 0 && uint64(stbl.Stco.ChunkOffset[i/7]) != offset {
			t.Fatalf("chunk %d begins at %d, want %d", i/7, stbl.Stco.ChunkOffset[i/7], offset)
		}
		offset += uint64(size[i])
		if stbl.Stss.IsSyncSample(nr) != (i%30 == 0) {
			t.Fatalf("sample %d: key", nr)
		}
	}
	if e := moov.Trak.Edts.Elst[0].Entries; len(e) != 2 || e[0].MediaTime != -1 || e[1].MediaTime != 5 || moov.Trak.Tkhd.Duration != 90900 {
		t.Errorf("%+v", e)
	}
	if got := m.Length(); got != 1010*time.Millisecond {
		t.Error(got)
	}
}

// Any stretch of a head is the same as of the whole.
func TestStretchesOfAHead(t *testing.T) {
	m := &Movie{}
	a, b := m.Track(header(t)), m.Track(header(t))
	irregular(t, a, 3000, 2)
	irregular(t, b, 50_000, 3)
	m.Finish()
	whole := head(t, m)
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		at := r.IntN(len(whole))
		n := r.IntN(len(whole) - at + 100)
		var got bytes.Buffer
		if err := m.WriteHead(&got, int64(at), int64(n)); err != nil {
			t.Fatal(err)
		}
		if want := whole[at:min(at+n, len(whole))]; !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%d bytes from %d differ", n, at)
		}
	}
	if err := m.WriteHead(broken{}, 0, 100); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// From 4 GiB on, offsets and the size of the mdat have 64 bits.
func TestLargeMovies(t *testing.T) {
	for _, c := range []struct {
		samples int
		wide    bool
	}{{4095, false}, {4096, true}, {10000, true}} {
		m := &Movie{}
		table := m.Track(header(t))
		table.Begin(0, 0)
		for i := range c.samples {
			table.Chunk(1)
			if err := table.Add(int64(i)*512, int64(i)*512, 1<<20, true); err != nil {
				t.Fatal(err)
			}
		}
		table.End(512)
		m.Finish()
		b := head(t, m)
		stbl := decode(t, b).Trak.Mdia.Minf.Stbl
		last := uint64(m.HeadSize()) + uint64(c.samples-1)<<20
		if c.wide && (stbl.Co64 == nil || stbl.Co64.ChunkOffset[c.samples-1] != last) || !c.wide && (stbl.Stco == nil || uint64(stbl.Stco.ChunkOffset[c.samples-1]) != last) {
			t.Errorf("%d samples: the last chunk is not at %d", c.samples, last)
		}
		at := len(b) - 8
		if c.wide {
			at -= 8
		}
		if kind, _, size, ok := box.Head(b[at:]); !ok || kind != "mdat" || int64(at)+size != m.Size() {
			t.Errorf("%d samples: %q of %d bytes", c.samples, kind, size)
		}
		if stbl.Stss != nil || stbl.Ctts != nil || stbl.Stsz.SampleUniformSize != 1<<20 {
			t.Error("tables that say nothing")
		}
	}
}

func TestTimesThatDoNotFit(t *testing.T) {
	m := &Movie{}
	table := m.Track(header(t))
	table.Begin(100, 100)
	table.Chunk(1)
	for _, at := range []int64{100, 612, 612, 500} { // the same and an earlier time are moved on
		if err := table.Add(at, at, 10, true); err != nil {
			t.Fatal(err)
		}
	}
	if table.Last() != 614 || table.Samples() != 4 {
		t.Errorf("%d", table.Last())
	}
	if err := table.Add(1<<40, 1<<40, 10, true); !errors.Is(err, errHole) {
		t.Error(err)
	}
	if err := table.Add(700, 1<<40, 10, true); !errors.Is(err, errHole) {
		t.Error(err)
	}
	table.End(0)
	empty := m.Track(header(t))
	empty.End(5)
	m.Finish()
	moov := decode(t, head(t, m))
	if len(moov.Traks) != 1 {
		t.Error("an empty track was written")
	}
	if v := moov.Trak.Mdia.Minf.Stbl.Ctts; v == nil || v.Version != 1 {
		t.Error("offsets below 0 need version 1")
	}
}

// A track with a second sample entry is as large as the larger picture.
func TestSecondEntry(t *testing.T) {
	m := &Movie{}
	h := header(t)
	table := m.Track(h)
	other := *h
	other.entry = bytes.Clone(h.entry)
	other.entry[len(other.entry)-1] ^= 1
	other.look = bytes.Clone(h.look)
	other.look[lookSize-8]++ // 256 wider
	if table.Entry(h) != 1 || table.Entry(&other) != 2 || table.Entry(&other) != 2 {
		t.Fatal("entries are not told apart")
	}
	table.Begin(0, 0)
	for i := range 4 {
		table.Chunk(uint32(i/2 + 1))
		if err := table.Add(int64(i)*10, int64(i)*10, 5, true); err != nil {
			t.Fatal(err)
		}
	}
	table.End(10)
	m.Finish()
	moov := decode(t, head(t, m))
	stbl := moov.Trak.Mdia.Minf.Stbl
	if len(stbl.Stsd.Children) != 2 || stbl.Stsc.GetSampleDescriptionID(2) != 2 || moov.Trak.Tkhd.Width>>16 < 256 {
		t.Errorf("%+v %+v", stbl.Stsc, moov.Trak.Tkhd)
	}
	if m.Memory() <= 0 || m.Payload() != 20 || m.Size() != m.HeadSize()+20 {
		t.Error("sizes")
	}
}

// tenHours is the moov of ten hours of 30 pictures a second with B-frames in three orders, and of their sound.
func tenHours(b testing.TB) *Movie {
	h := header(b)
	m := &Movie{}
	video, sound := m.Track(h), m.Track(h)
	video.Begin(0, 0)
	sound.Begin(0, 0)
	r := rand.New(rand.NewPCG(1, 2))
	shift := [...]int64{3000, 9000, 3000, 0, 0}
	for seg := range int64(18_000) {
		video.Chunk(1)
		for i := range int64(60) {
			dts := (seg*60 + i) * 3000
			if err := video.Add(dts, dts+shift[i%5], uint32(2000+r.IntN(30_000)), i == 0); err != nil {
				b.Fatal(err)
			}
		}
		sound.Chunk(1)
		for i := range int64(94) {
			at := (seg*94 + i) * 1024
			if err := sound.Add(at, at, uint32(300+r.IntN(100)), true); err != nil {
				b.Fatal(err)
			}
		}
	}
	video.End(3000)
	sound.End(1024)
	m.Finish()
	return m
}

func BenchmarkBuildTenHours(b *testing.B) {
	for b.Loop() {
		m := tenHours(b)
		b.ReportMetric(float64(m.Memory())/1e6, "MB-held")
		b.ReportMetric(float64(m.HeadSize())/1e6, "MB-moov")
	}
}

func BenchmarkWriteTenHours(b *testing.B) {
	m := tenHours(b)
	b.SetBytes(m.HeadSize())
	b.ReportAllocs()
	for b.Loop() {
		if err := m.WriteHead(io.Discard, 0, m.HeadSize()); err != nil {
			b.Fatal(err)
		}
	}
}
