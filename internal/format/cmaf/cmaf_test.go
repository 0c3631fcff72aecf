package cmaf

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/fault"
	"weir/internal/media"
)

var update = flag.Bool("update", false, "write the fuzz seeds anew")

func TestChunkRoundTrip(t *testing.T) {
	track := media.Track{Kind: media.Video, Codec: media.VP8, TimeScale: 90000, Width: 16, Height: 16}
	header, err := Init(track)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		h, err := ParseInit(header)
		if err != nil {
			rt.Fatal(err)
		}
		dts := rapid.Int64Range(0, 1<<50).Draw(rt, "dts")
		same := rapid.Bool().Draw(rt, "same")
		var frames []media.Frame
		for range rapid.IntRange(1, 20).Draw(rt, "frames") {
			f := media.Frame{Track: 1, DTS: dts, Duration: 3000, PTS: dts, Data: []byte("12345")}
			f.Key = rapid.IntRange(0, 3).Draw(rt, "key") == 0
			if !same {
				f.Duration = rapid.Int64Range(0, 1<<31).Draw(rt, "duration")
				f.PTS += rapid.Int64Range(-1<<31, 1<<31-1).Draw(rt, "cts")
				f.Data = rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(rt, "data")
			}
			dts += f.Duration
			frames = append(frames, f)
		}
		c := Chunk{Sequence: 7, Styp: rapid.Bool().Draw(rt, "styp"), Producer: rapid.Bool().Draw(rt, "prft"), Frames: frames}
		b := AppendChunk(nil, &c)
		got, err := h.Frames(nil, b)
		if err != nil || len(got) != len(frames) {
			rt.Fatalf("%d frames (%v), want %d", len(got), err, len(frames))
		}
		for i, f := range frames {
			g := got[i]
			if g.DTS != f.DTS || g.PTS != f.PTS || g.Key != f.Key || g.Duration != f.Duration || !bytes.Equal(g.Data, f.Data) {
				rt.Fatalf("frame %d: %+v, want %+v", i, g, f)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		tracks []media.Track
		code   string
	}{
		{nil, "cmaf_tracks"},
		{make([]media.Track, 33), "cmaf_tracks"},
		{[]media.Track{{Codec: media.UnknownCodec}}, "cmaf_codec_unsupported"},
		{[]media.Track{{Kind: media.Video, Codec: media.H264, TimeScale: 90000}}, "codec_config_missing"},
		{[]media.Track{{Kind: media.Audio, Codec: media.PCMA}}, "codec_config_missing"},
	} {
		if _, err := Init(c.tracks...); fault.Code(err) != c.code {
			t.Errorf("%d tracks: %v, want %s", len(c.tracks), err, c.code)
		}
	}
	for _, c := range []struct{ in, code string }{
		{"", "mp4_damaged"},
		{"\x00\x00\x00\x08moov", "mp4_no_tracks"},
		{"\x00\x00\x00\x09moov", "mp4_damaged"},
		{"\x00\x00\x00\x07moov", "mp4_damaged"},
		{"\x00\x00\x00\x01moov\xff\xff\xff\xff\xff\xff\xff\xff", "mp4_damaged"},
		{strings.Repeat("\x00\x00\x00\x08free", maxBoxes+1), "mp4_damaged"},
	} {
		if _, err := ParseInit([]byte(c.in)); fault.Code(err) != c.code {
			t.Errorf("%.20q: %v, want %s", c.in, err, c.code)
		}
	}
}

// A run that claims many samples of no bytes must not make more than its bytes deserve.
func TestSampleBomb(t *testing.T) {
	header, _ := Init(media.Track{Kind: media.Audio, Codec: media.PCMU, TimeScale: 8000})
	h, err := ParseInit(header)
	if err != nil {
		t.Fatal(err)
	}
	b := AppendChunk(nil, &Chunk{Frames: []media.Frame{{Key: true}}})
	at := bytes.Index(b, []byte("trun"))
	binary.BigEndian.PutUint32(b[at+8:], 60000)
	if got, err := h.Frames(nil, b); err == nil || len(got) > len(b) {
		t.Errorf("%d frames out of %d bytes: %v", len(got), len(b), err)
	}
}

func TestLanguages(t *testing.T) {
	for tag, want := range map[string]string{"": "und", "en": "eng", "zh-Hans": "zho", "deu": "deu", "x": "und", "ENG": "und", "sr": "und"} {
		v := packLanguage(tag)
		got := string([]byte{byte(v>>10&31) + 0x60, byte(v>>5&31) + 0x60, byte(v&31) + 0x60})
		if got != want {
			t.Errorf("%q: %s, want %s", tag, got, want)
		}
	}
}

func TestEditListMovesTimes(t *testing.T) {
	var w writer
	w.u32(0)
	w.u32(2)
	w.u32(500) // empty edit of half a second of the movie's time
	w.u32(0xFFFFFFFF)
	w.u32(0x10000)
	w.u32(1000)
	w.u32(3000)
	w.u32(0x10000)
	if got := editShift(w.b, 90000, 1000); got != 45000-3000 {
		t.Errorf("shift %d", got)
	}
	if got := editShift(w.b[:20], 90000, 1000); got != 0 {
		t.Errorf("shift of a list that is cut off: %d", got)
	}
}

// TestFuzzSeeds writes the committed seeds with -update: every kind of track, with
// samples cut to a few bytes.
func TestFuzzSeeds(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzParse")
	if !*update {
		if list, err := os.ReadDir(dir); err != nil || len(list) < len(clips) {
			t.Fatalf("seeds are missing (%v): run go test -run TestFuzzSeeds -update", err)
		}
		return
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		writeFile(t, filepath.Join(dir, name), fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", b))
	}
	for _, c := range clips {
		src := fragmented(t, c.args...)
		h, frames := parseAll(t, src)
		frames = frames[:min(len(frames), 7)]
		for i := range frames {
			frames[i].Data = frames[i].Data[:min(len(frames[i].Data), 12+i)]
		}
		write(c.name, rebuild(t, h.Tracks[0], frames))
	}
	src, err := os.ReadFile("testdata/sample_fragmented.mp4")
	if err != nil {
		t.Fatal(err)
	}
	write("foreign", src[:4096])
	var w writer
	w.u32(1)
	w.str("free")
	w.u64(16)
	w.u32(0)
	w.str("mdat")
	write("odd-sizes", w.b)
}

func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseInit(b)
		if err != nil {
			if fault.Code(err) == "internal" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		frames, _ := h.Frames(nil, b)
		if len(frames) > len(b) {
			t.Fatalf("%d frames out of %d bytes", len(frames), len(b))
		}
		// What was read can be written, and reads the same.
		for i := range h.Tracks {
			track := h.Tracks[i]
			again, err := Init(track)
			if err != nil {
				continue
			}
			if _, err := ParseInit(again); err != nil {
				t.Fatalf("own header does not read: %v", err)
			}
		}
		if len(frames) > 0 {
			AppendChunk(nil, &Chunk{Frames: frames[:min(len(frames), 10)]})
		}
	})
}

func benchFrames(n, size int) []media.Frame {
	frames := make([]media.Frame, n)
	for i := range frames {
		at := int64(i) * 3600
		frames[i] = media.Frame{Key: i == 0, DTS: at, PTS: at + 7200, Duration: 3600, Data: make([]byte, size+i)}
	}
	return frames
}

// BenchmarkChunk builds a part of 200 ms of 2.5 Mbit/s.
func BenchmarkChunk(b *testing.B) {
	c := Chunk{Sequence: 1, Frames: benchFrames(6, 10_000)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendChunk(buf[:0], &c)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkStreamFragment(b *testing.B) {
	m := NewStreamMuxer(0)
	if _, err := m.Header([]media.Track{{ID: 1, Kind: media.Video, Codec: media.VP8, TimeScale: 90000}}); err != nil {
		b.Fatal(err)
	}
	f := media.Frame{Track: 1, Data: make([]byte, 10_000)}
	var dst [][]byte
	b.ReportAllocs()
	for b.Loop() {
		f.DTS += 3600
		f.PTS = f.DTS
		dst = m.AppendFragment(dst[:0], &f)
	}
}
