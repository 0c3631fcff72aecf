package flv

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"weir/internal/codec"
	"weir/internal/fault"
	"weir/internal/media"
)

// track describes one for the writers.
func track(t testing.TB, id media.TrackID, c media.Codec, config string) media.Track {
	t.Helper()
	k := media.Track{ID: id, Kind: c.Kind(), Codec: c, Config: unhex(t, config)}
	switch c {
	case media.PCMA, media.PCMU:
		k.SampleRate, k.Channels, k.TimeScale = 8000, 1, 8000
		return k
	case media.MP3:
		k.SampleRate, k.Channels, k.TimeScale = 44100, 1, 44100
		return k
	case media.AC3:
		k.Config = nil
		if err := codec.Describe(&k, unhex(t, ac3Frame)); err != nil {
			t.Fatal(err)
		}
		return k
	case media.VP9:
		if err := codec.Describe(&k, unhex(t, vp9Frame)); err != nil {
			t.Fatal(err)
		}
		return k
	}
	if err := codec.Describe(&k, nil); err != nil {
		t.Fatal(err)
	}
	return k
}

func allTracks(t testing.TB) map[media.Codec]media.Track {
	t.Helper()
	return map[media.Codec]media.Track{
		media.H264: track(t, 0, media.H264, avcHex), media.HEVC: track(t, 0, media.HEVC, hevcHex), media.AV1: track(t, 0, media.AV1, av1Hex), media.VP9: track(t, 0, media.VP9, vp9Hex),
		media.AAC: track(t, 1, media.AAC, aacHex), media.Opus: track(t, 1, media.Opus, "000201380000bb80000000"), media.MP3: track(t, 1, media.MP3, ""),
		media.AC3: track(t, 1, media.AC3, ""), media.PCMA: track(t, 1, media.PCMA, ""), media.PCMU: track(t, 1, media.PCMU, ""),
		media.FLAC: track(t, 1, media.FLAC, "10001000"+"000000000000"+"0ac442f0"+strings.Repeat("0", 40)),
	}
}

func sampleOf(t testing.TB, c media.Codec) []byte {
	t.Helper()
	switch c {
	case media.H264:
		return idr
	case media.HEVC:
		return hevcIDR
	case media.AV1:
		return join(unhex(t, av1Frame), 0x32, 4, 0x10, 0, 0x81, 0)
	case media.VP9:
		return unhex(t, vp9Frame)
	case media.MP3:
		return unhex(t, mp3Frame)
	case media.AC3:
		return unhex(t, ac3Frame)
	case media.Opus:
		return []byte{0xFC, 1, 2, 3}
	}
	return bytes.Repeat([]byte{0x21}, 80)
}

// TestMuxedIsReadBack: every codec in every dialect that has a form for it comes back as it went in, through the file.
func TestMuxedIsReadBack(t *testing.T) {
	for c, k := range allTracks(t) {
		for _, dialect := range []Dialect{Legacy, LegacyHEVC, Enhanced, Multitrack} {
			m := NewMuxer(dialect)
			header, inband, err := m.Start([]media.Track{k})
			if !dialect.Accepts(c) {
				if fault.Code(err) != "codec_needs_enhanced_rtmp" {
					t.Errorf("%s in dialect %d: %v", c, dialect, err)
				}
				continue
			}
			if err != nil || len(inband) != 1 {
				t.Fatal(err)
			}
			f := media.Frame{Track: k.ID, Key: true, DTS: int64(k.TimeScale) * 3600 * 10, Data: sampleOf(t, c)}
			f.PTS = f.DTS
			if k.Kind == media.Video && c != media.AV1 && c != media.VP9 {
				f.PTS += 3600 // 40 ms
			}
			bufs := m.AppendTag(header, &f, 0x01020304)
			bufs = m.AppendTag(bufs, &media.Frame{Track: 99}, 0)
			if &bufs[len(bufs)-2][0] != &f.Data[0] {
				t.Error("the frame was copied")
			}
			r := NewReader(bytes.NewReader(bytes.Join(bufs, nil)), DefaultLimit)
			var d Demuxer
			var frames []media.Frame
			scripts := 0
			for {
				tag, err := r.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s in dialect %d: %v", c, dialect, err)
				}
				if tag.Type == TagScript {
					scripts++
				}
				got, err := d.Tag(tag.Type, tag.Timestamp, tag.Body)
				if err != nil {
					t.Fatalf("%s in dialect %d: %v", c, dialect, err)
				}
				frames = append(frames, got...)
			}
			if scripts != 1 || len(frames) != 1 || !bytes.Equal(frames[0].Data, f.Data) || frames[0].CTS() != f.CTS() || frames[0].DTS != media.Rescale(0x01020304, 1000, k.TimeScale) {
				t.Errorf("%s in dialect %d: %d scripts, frames %+v", c, dialect, scripts, frames)
				continue
			}
			back := d.Tracks()[0]
			back.FrameRate, back.Width, back.Height = k.FrameRate, k.Width, k.Height
			if !back.SameFormat(&k) {
				t.Errorf("%s in dialect %d: %+v, want %+v", c, dialect, back, k)
			}
		}
	}
}

func TestSelection(t *testing.T) {
	all := allTracks(t)
	second := all[media.HEVC]
	second.ID, second.Rank = 2, 1
	tracks := []media.Track{second, all[media.H264], all[media.AAC], {ID: 9, Kind: media.Text}}
	for d, want := range map[Dialect]int{Enhanced: 2, Multitrack: 3} {
		b, err := NewBodies(d, tracks)
		if err != nil || len(b.Tracks()) != want {
			t.Errorf("dialect %d: %d tracks, %v", d, len(b.Tracks()), err)
		}
	}
	// In the legacy dialect the second track does not matter, and is not refused.
	if b, err := NewBodies(Legacy, tracks); err != nil || len(b.Tracks()) != 2 {
		t.Error(err)
	}
	if NewMuxer(Legacy).AppendTag(nil, &media.Frame{}, 0) != nil {
		t.Error("a tag before the start")
	}
}

func TestMetadataIsValidAMF(t *testing.T) {
	all := allTracks(t)
	b := AppendMetadata(nil, Enhanced, []media.Track{all[media.HEVC], all[media.Opus]})
	for _, want := range []string{"onMetaData", "width", "videocodecid", "audiosamplerate", "stereo", "Weir"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s is missing", want)
		}
	}
	if b[13] != 8 || !bytes.HasSuffix(b, []byte{0, 0, 9}) {
		t.Errorf("%x", b)
	}
	if n := b[17]; n != 9 { // what is unknown (the bitrates) is left out
		t.Errorf("%d members announced", n)
	}
	for c, want := range map[media.Codec]float64{media.H264: 7, media.HEVC: 12, media.AV1: float64(fourAV1)} {
		if got := Legacy.videoID(c); got != want {
			t.Errorf("%s: %v", c, got)
		}
	}
	for c, want := range map[media.Codec]float64{media.AAC: 10, media.MP3: 2, media.PCMA: 7, media.PCMU: 8, media.Opus: float64(fourOpus)} {
		if got := Enhanced.audioID(c); got != want {
			t.Errorf("%s: %v", c, got)
		}
	}
}

// TestRealFile: sample.flv holds 30 pictures and 45 sounds, says ffprobe.
func TestRealFile(t *testing.T) {
	file, err := os.Open("testdata/sample.flv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // read only
	r := NewReader(file, DefaultLimit)
	var d Demuxer
	count := map[media.TrackID]int{}
	var last [2]int64
	for {
		tag, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		frames, err := d.Tag(tag.Type, tag.Timestamp, tag.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			if f.Track == 1 && count[1] > 0 && f.DTS-last[1] != 1024 {
				t.Errorf("a step of %d samples", f.DTS-last[1])
			}
			last[f.Track] = f.DTS
			count[f.Track]++
		}
	}
	k := d.Tracks()
	if count[0] != 30 || count[1] != 45 || len(k) != 2 || k[0].Width != 1080 || k[0].Height != 720 || k[1].SampleRate != 44100 || k[1].Channels != 1 || d.Dropped() != 0 {
		t.Errorf("%v %+v, %d dropped", count, k, d.Dropped())
	}
}

func TestReaderRefusals(t *testing.T) {
	head := "FLV\x01\x05\x00\x00\x00\x09"
	cases := []struct {
		name, in string
		want     error
	}{
		{"not FLV", "GIF89a......", ErrNotFLV},
		{"a header that ends before it begins", "FLV\x01\x05\x00\x00\x00\x01....", ErrNotFLV},
		{"a huge header", "FLV\x01\x05\xFF\x00\x00\x09....", ErrNotFLV},
		{"nothing", "", io.EOF},
		{"half a header", "FLV", io.ErrUnexpectedEOF},
		{"only a header", head, io.EOF},
		{"a clean end", head + "\x00\x00\x00\x00", io.EOF},
		{"the end in a tag's header", head + "\x00\x00\x00\x00\x09\x00", io.ErrUnexpectedEOF},
		{"the end in a body", head + "\x00\x00\x00\x00\x09\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00abc", io.ErrUnexpectedEOF},
		{"too large", head + "\x00\x00\x00\x00\x09\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00", ErrTagTooLarge},
		{"encrypted and unknown tags are skipped", head + "\x00\x00\x00\x00\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x00\x0c\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x00\x0c", io.EOF},
	}
	for _, c := range cases {
		if _, err := NewReader(strings.NewReader(c.in), 1<<19).Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// A body longer than the first allocation.
	body := bytes.Repeat([]byte{1}, 300_000)
	in := appendTag([]byte(head+"\x00\x00\x00\x00"), TagVideo, 0x12345678, body)
	tag, err := NewReader(bytes.NewReader(in), DefaultLimit).Next()
	if err != nil || !bytes.Equal(tag.Body, body) || tag.Timestamp != 0x12345678 {
		t.Errorf("%v, %d bytes at %#x", err, len(tag.Body), tag.Timestamp)
	}
}

func TestFourCC(t *testing.T) {
	for c := media.H264; c <= media.PCMU; c++ {
		f := fourOf(c)
		if f.codec() != c && f != 0 {
			t.Errorf("%s: %s", c, f)
		}
		if (FourCC(c) == "") != (c == media.PCMA || c == media.PCMU) {
			t.Errorf("%s: %q", c, FourCC(c))
		}
	}
}

func BenchmarkAppendTag(b *testing.B) {
	m := NewMuxer(Enhanced)
	k := track(b, 0, media.H264, avcHex)
	if _, _, err := m.Start([]media.Track{k}); err != nil {
		b.Fatal(err)
	}
	f := media.Frame{DTS: 90000, PTS: 93600, Key: true, Data: make([]byte, 12_000)}
	dst := make([][]byte, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		dst = m.AppendTag(dst[:0], &f, 1000)
	}
}

func BenchmarkDemux(b *testing.B) {
	var d Demuxer
	if _, err := d.Tag(TagVideo, 0, join(0x17, 0, 0, 0, 0, unhex(b, avcHex))); err != nil {
		b.Fatal(err)
	}
	body := join(0x27, 1, 0, 0, 0, unit(append([]byte{0x41}, make([]byte, 12_000)...)...))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	ms := uint32(0)
	for b.Loop() {
		ms += 40
		if _, err := d.Tag(TagVideo, ms, body); err != nil {
			b.Fatal(err)
		}
	}
}
