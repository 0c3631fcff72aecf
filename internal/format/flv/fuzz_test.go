package flv

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"weir/internal/media"
)

var update = flag.Bool("update", false, "write the seed corpora")

func seeds(t *testing.T, target string, list ...[]byte) {
	t.Helper()
	dir := filepath.Join("testdata", "fuzz", target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, b := range list {
		text := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", b)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("seed%02d", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// bodies packs tags as FuzzBodies reads them: type, two bytes of time, two of length, body.
func bodies(tags ...tagIn) (out []byte) {
	for _, in := range tags {
		out = append(out, byte(in.kind), byte(in.ms>>8), byte(in.ms))
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(in.body))), in.body...)
	}
	return out
}

func TestSeeds(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	avc, hvc := unhex(t, avcHex), unhex(t, hevcHex)
	var files [][]byte
	for c := media.H264; c <= media.PCMU; c++ {
		k, ok := allTracks(t)[c]
		if !ok {
			continue
		}
		m := NewMuxer(Enhanced)
		bufs, _, err := m.Start([]media.Track{k})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			f := media.Frame{Track: k.ID, Key: true, DTS: int64(i) * 3600, PTS: int64(i)*3600 + 3600*int64(i), Data: sampleOf(t, c)}
			bufs = m.AppendTag(bufs, &f, uint32(i*40))
		}
		files = append(files, bytes.Join(bufs, nil))
	}
	files = append(files, []byte("GIF89a123"), []byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x00\x0c"))
	seeds(t, "FuzzReader", files...)
	a, v := TagAudio, TagVideo
	seeds(t, "FuzzBodies",
		bodies(tagIn{v, 0, join(0x17, 0, 0, 0, 0, avc)}, tagIn{v, 0, join(0x17, 1, 0, 0, 80, idr)}, tagIn{v, 40, join(0x27, 1, 0xFF, 0xFF, 0xFF, slice)}, tagIn{v, 40, join(0x17, 2, 0, 0, 0)}),
		bodies(tagIn{v, 0, join(0x17, 0, 0, 0, 0, hvc)}, tagIn{v, 0, join(0x17, 1, 0, 0, 40, hevcIDR)}, tagIn{v, 40, join(0x27, 1, 0, 0, 0, hevcTail)}),
		bodies(tagIn{v, 0, join(0x1C, 0, 0, 0, 0, hvc)}, tagIn{v, 0, join(0x97, 2, 7, 0xA1, 0x20, 0x03, "hvc1", hevcIDR)}, tagIn{v, 0, join(0x97, 0xFF, 0, 0)}),
		bodies(tagIn{v, 0, join(0x96, 0x00, "avc1", 1, avc)}, tagIn{v, 10, join(0x96, 0x21, "hvc1", 2, 0, 0, 12, 0, 0, 0, hevcIDR, "avc1", 3, 0, 0, 3, 0, 0, 0)}, tagIn{v, 0, join(0x96, 0x11, "avc1", 1, 0, 0, 9)}),
		bodies(tagIn{v, 0, join(0x17, 1, 0, 0, 0, 0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, idr[4:])}, tagIn{v, 0, join(0x12, 1)}, tagIn{v, 0, join(0x57, 0)}, tagIn{v, 0, join(0xD0, 0)}),
		bodies(tagIn{a, 0, join(0xAF, 0, 0x12, 0x10)}, tagIn{a, 0, join(0xAF, 1, 0x21, 0x10)}, tagIn{a, 23, join(0xAF, 1, 0x21, 0x10)}, tagIn{a, 800, join(0xAF, 1, 0x21, 0x10)}),
		bodies(tagIn{a, 0, join(0xAF, 1, 0xFF, 0xF1, 0x50, 0x80, 1, 0x3F, 0xFC, 0x21, 0x10)}, tagIn{a, 0, join(0xAF, 1, 0xFF, 0xF1, 0x50, 0x80, 1, 0x7F, 0xFC, 0x21)}),
		bodies(tagIn{a, 0, join(0xDF, 0, "OpusHead", 1, 2, 0x38, 1, 0x80, 0xBB, 0, 0, 0, 0, 0)}, tagIn{a, 0, join(0xDF, 1, 0xFC, 1, 2)}),
		bodies(tagIn{a, 0, join(0x95, 0x00, "mp4a", 1, 0x12, 0x10)}, tagIn{a, 0, join(0x95, 0x01, "mp4a", 1, 0x21)}, tagIn{a, 0, join(0x52, 1)}, tagIn{a, 0, join(0x94, "Opus", 0)}),
		bodies(tagIn{a, 0, join(0x72, make([]byte, 160))}, tagIn{a, 20, join(0x83, make([]byte, 160))}, tagIn{a, 0, join(0xE2, unhex(t, mp3Frame))}),
		bodies(tagIn{v, 0, join(0x90, "vp09", unhex(t, vp9Hex)[4:])}, tagIn{v, 0, join(0x91, "vp09", unhex(t, vp9Frame))}, tagIn{v, 0, join(0x93, "vp08", 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0)}),
		bodies(tagIn{a, 0, join(0x90, "fLaC", "fLaC", 0x80, 0, 0, 34, 0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x0A, 0xC4, 0x42, 0xF0, make([]byte, 20))}, tagIn{a, 0, join(0x91, "fLaC", 0xFF)}),
	)
}

// writeBack writes frames in every dialect that takes them, and expects what was written to be readable.
func writeBack(t *testing.T, d *Demuxer, frames []media.Frame) {
	tracks := d.Tracks()
	if len(tracks) == 0 {
		return
	}
	for _, dialect := range []Dialect{Legacy, Enhanced, Multitrack} {
		m := NewMuxer(dialect)
		bufs, _, err := m.Start(tracks)
		if err != nil {
			continue
		}
		for i := range frames {
			bufs = m.AppendTag(bufs, &frames[i], uint32(i))
		}
		r := NewReader(bytes.NewReader(bytes.Join(bufs, nil)), 1<<24)
		var again Demuxer
		for {
			tag, err := r.Next()
			if err != nil {
				break
			}
			if _, err := again.Tag(tag.Type, tag.Timestamp, tag.Body); err != nil {
				t.Fatalf("dialect %d: %v", dialect, err)
			}
		}
	}
}

// checkFrames holds what a demuxer gives to what the hub relies on.
func checkFrames(t *testing.T, d *Demuxer, frames []media.Frame) {
	tracks := d.Tracks()
	if len(tracks) > maxTracks {
		t.Fatalf("%d tracks", len(tracks))
	}
	for _, f := range frames {
		k := media.Find(tracks, f.Track)
		if k == nil || k.TimeScale == 0 || len(f.Data) == 0 || f.Duration < 0 || k.Kind == media.Audio && !f.Key {
			t.Fatalf("frame %+v of %+v", f, k)
		}
	}
}

// FuzzBodies: tag bodies from a stranger.
func FuzzBodies(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Demuxer
		d.SetMetadata(ParseMetadata(func(key string) any { return float64(len(key)) }))
		var all []media.Frame
		for len(b) >= 5 {
			n := min(int(binary.BigEndian.Uint16(b[3:])), len(b)-5)
			frames, err := d.Tag(TagType(b[0]), uint32(b[1])<<8|uint32(b[2]), bytes.Clone(b[5:5+n]))
			if err == nil {
				checkFrames(t, &d, frames)
			}
			all = append(all, frames...)
			b = b[5+n:]
		}
		writeBack(t, &d, all)
	})
}

// FuzzReader: an FLV stream from a stranger.
func FuzzReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), 1<<20)
		var d Demuxer
		var all []media.Frame
		for {
			tag, err := r.Next()
			if err != nil {
				break
			}
			if len(tag.Body) > len(b) {
				t.Fatal("more than was there")
			}
			frames, err := d.Tag(tag.Type, tag.Timestamp, tag.Body)
			if err != nil {
				break
			}
			checkFrames(t, &d, frames)
			all = append(all, frames...)
		}
		writeBack(t, &d, all)
	})
}
