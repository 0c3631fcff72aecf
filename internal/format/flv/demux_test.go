package flv

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"weir/internal/fault"
	"weir/internal/media"
)

// Configurations of 64×48 pictures as x264, x265, libaom and libvpx wrote them, and AAC-LC 44.1 kHz stereo.
const (
	avcHex  = "0142c00affe100156742c00ada11ec0440000003004000000c83c489a801000468ce0fc8"
	hevcHex = "0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e959409210001002942010101600000030090000003000003001ea0208316595952930bc05a02000003000200000300321022000100064401c073c089"
	av1Hex  = "81000c000a0a00000002aff79b5f2008"
	vp9Hex  = "01000000000a820202020000"
	aacHex  = "1210"
	// The first bytes of a key frame are enough to know a VP9 stream, an AV1 one needs its sequence header.
	vp9Frame = "824983420003f002f60438241c184a0003307cb17a3f4de3ef81c45c45c1b7d5e9"
	av1Frame = "0a0a00000002aff79b5f2008"
	mp3Frame = "fffb10c400000474135554908030a609af371a20020001ad394000015"
	ac3Frame = "0b77c2ea544043e106f575f0c0c218187fd7b8f9f3e7cf9f38ef6fdfbe7e"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s[:len(s)&^1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unit is a NAL unit behind its length.
func unit(nal ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(nal))), nal...)
}

var (
	idr      = unit(0x65, 0x88, 0x84, 0x21)
	slice    = unit(0x41, 0x9a, 0x02, 0x05)
	hevcIDR  = unit(0x26, 0x01, 0xaf, 0x08, 0x11)
	hevcTail = unit(0x02, 0x01, 0xd0, 0x09, 0x11)
)

func join(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			out = append(out, byte(p))
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

type tagIn struct {
	kind TagType
	ms   uint32
	body []byte
}

// run feeds tags and returns all frames.
func run(t *testing.T, d *Demuxer, tags ...tagIn) (frames []media.Frame) {
	t.Helper()
	for i, in := range tags {
		got, err := d.Tag(in.kind, in.ms, in.body)
		if err != nil {
			t.Fatalf("tag %d: %v", i, err)
		}
		frames = append(frames, slices.Clone(got)...)
	}
	return frames
}

func TestDialectsOfVideo(t *testing.T) {
	avc, hvc := unhex(t, avcHex), unhex(t, hevcHex)
	const v = TagVideo
	cases := []struct {
		name  string
		tags  []tagIn
		codec media.Codec
		key   []bool
		cts   []int64 // ms
	}{
		{"AVC", []tagIn{{v, 0, join(0x17, 0, 0, 0, 0, avc)}, {v, 0, join(0x17, 1, 0, 0, 80, idr)}, {v, 40, join(0x27, 1, 0xFF, 0xFF, 0xFF, slice)}},
			media.H264, []bool{true, false}, []int64{80, -1}},
		{"the key flag is wrong", []tagIn{{v, 0, join(0x17, 0, 0, 0, 0, avc)}, {v, 0, join(0x27, 1, 0, 0, 0, idr)}, {v, 40, join(0x17, 1, 0, 0, 0, slice)}},
			media.H264, []bool{true, false}, []int64{0, 0}},
		{"HEVC as codec id 12", []tagIn{{v, 0, join(0x1C, 0, 0, 0, 0, hvc)}, {v, 0, join(0x1C, 1, 0, 0, 40, hevcIDR)}, {v, 40, join(0x2C, 1, 0, 0, 0, hevcTail)}},
			media.HEVC, []bool{true, false}, []int64{40, 0}},
		{"HEVC as codec id 7", []tagIn{{v, 0, join(0x17, 0, 0, 0, 0, hvc)}, {v, 0, join(0x17, 1, 0, 0, 40, hevcIDR)}, {v, 40, join(0x27, 1, 0, 0, 0, hevcTail)}},
			media.HEVC, []bool{true, false}, []int64{40, 0}},
		{"HEVC, Enhanced", []tagIn{{v, 0, join(0x90, "hvc1", hvc)}, {v, 0, join(0x91, "hvc1", 0, 0, 40, hevcIDR)}, {v, 40, join(0xA3, "hvc1", hevcTail)}},
			media.HEVC, []bool{true, false}, []int64{40, 0}},
		{"AVC, Enhanced, without frame type", []tagIn{{v, 0, join(0x80, "avc1", avc)}, {v, 0, join(0x81, "avc1", 0, 0, 40, idr)}, {v, 40, join(0x83, "avc1", slice)}},
			media.H264, []bool{true, false}, []int64{40, 0}},
		{"AV1", []tagIn{{v, 0, join(0x90, "av01", unhex(t, av1Hex))}, {v, 0, join(0x91, "av01", unhex(t, av1Frame), 0x32, 4, 0x10, 0, 0x81, 0)}},
			media.AV1, []bool{true}, []int64{0}},
		{"AV1 as codec id 13", []tagIn{{v, 0, join(0x1D, 0, 0, 0, 0, unhex(t, av1Hex))}, {v, 0, join(0x1D, 1, 0, 0, 0, unhex(t, av1Frame), 0x32, 4, 0x10, 0, 0x81, 0)}},
			media.AV1, []bool{true}, []int64{0}},
		{"VP9 with FFmpeg's configuration", []tagIn{{v, 0, join(0x90, "vp09", unhex(t, vp9Hex)[4:])}, {v, 0, join(0x91, "vp09", unhex(t, vp9Frame))}},
			media.VP9, []bool{true}, []int64{0}},
		{"VP9 without configuration", []tagIn{{v, 0, join(0x93, "vp09", unhex(t, vp9Frame))}},
			media.VP9, []bool{true}, []int64{0}},
		{"Annex B", []tagIn{{v, 0, join(0x17, 0, 0, 0, 0, avc)}, {v, 0, join(0x17, 1, 0, 0, 0, 0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, idr[4:])}, {v, 40, join(0x27, 1, 0, 0, 0, 0, 0, 1, slice[4:])}},
			media.H264, []bool{true, false}, []int64{0, 0}},
		{"AVC whose parameter sets stand in the frame", []tagIn{{v, 0, join(0x17, 1, 0, 0, 0, unit(avc[8:29]...), unit(avc[32:36]...), idr)}},
			media.H264, []bool{true}, []int64{0}},
		{"access unit delimiters go", []tagIn{{v, 0, join(0x17, 0, 0, 0, 0, avc)}, {v, 0, join(0x17, 1, 0, 0, 0, unit(9, 0xF0), idr)}},
			media.H264, []bool{true}, []int64{0}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var d Demuxer
			frames := run(t, &d, c.tags...)
			tracks := d.Tracks()
			if len(tracks) != 1 || tracks[0].Codec != c.codec || tracks[0].Width != 64 || tracks[0].Height != 48 || tracks[0].TimeScale != 90000 || len(tracks[0].Config) == 0 {
				t.Fatalf("tracks %+v", tracks)
			}
			var key []bool
			var cts []int64
			for _, f := range frames {
				key, cts = append(key, f.Key), append(cts, f.CTS()/90)
			}
			if !slices.Equal(key, c.key) || !slices.Equal(cts, c.cts) {
				t.Errorf("keys %v, composition offsets %v; want %v, %v", key, cts, c.key, c.cts)
			}
			if c.codec == media.H264 && len(frames) > 0 && !bytes.HasSuffix(frames[0].Data, idr) {
				t.Errorf("the first frame is %x", frames[0].Data)
			}
			if d.Revision() != 1 {
				t.Errorf("%d revisions", d.Revision())
			}
		})
	}
}

func TestAudioCodecs(t *testing.T) {
	opusHead := join("OpusHead", 1, 2, 0x38, 1, 0x80, 0xBB, 0, 0, 0, 0, 0)
	dops := []byte{0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0}
	streamInfo := append([]byte{0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x0A, 0xC4, 0x42, 0xF0}, make([]byte, 20)...)
	opusPacket := []byte{0xFC, 1, 2, 3} // 20 ms
	const a = TagAudio
	cases := []struct {
		name     string
		tags     []tagIn
		codec    media.Codec
		rate, ch int
		duration int64
	}{
		{"AAC", []tagIn{{a, 0, join(0xAF, 0, 0x12, 0x10)}, {a, 0, join(0xAF, 1, 0x21, 0x10)}}, media.AAC, 44100, 2, 1024},
		{"AAC, Enhanced", []tagIn{{a, 0, join(0x90, "mp4a", 0x12, 0x10)}, {a, 0, join(0x91, "mp4a", 0x21, 0x10)}}, media.AAC, 44100, 2, 1024},
		{"AAC in ADTS", []tagIn{{a, 0, join(0xAF, 1, 0xFF, 0xF1, 0x50, 0x80, 1, 0x3F, 0xFC, 0x21, 0x10)}}, media.AAC, 44100, 2, 1024},
		{"Opus", []tagIn{{a, 0, join(0x90, "Opus", opusHead)}, {a, 0, join(0x91, "Opus", opusPacket)}}, media.Opus, 48000, 2, 960},
		{"Opus as sound format 13", []tagIn{{a, 0, join(0xDF, 0, opusHead)}, {a, 0, join(0xDF, 1, opusPacket)}}, media.Opus, 48000, 2, 960},
		{"Opus with a dOps record", []tagIn{{a, 0, join(0x90, "Opus", dops)}, {a, 0, join(0x91, "Opus", opusPacket)}}, media.Opus, 48000, 2, 960},
		{"FLAC, bare STREAMINFO", []tagIn{{a, 0, join(0x90, "fLaC", streamInfo)}, {a, 0, join(0x91, "fLaC", 0xFF)}}, media.FLAC, 44100, 2, 0},
		{"FLAC with its marker", []tagIn{{a, 0, join(0x90, "fLaC", "fLaC", 0x80, 0, 0, 34, streamInfo)}, {a, 0, join(0x91, "fLaC", 0xFF)}}, media.FLAC, 44100, 2, 0},
		{"AC-3", []tagIn{{a, 0, join(0x90, "ac-3")}, {a, 0, join(0x91, "ac-3", unhex(t, ac3Frame))}}, media.AC3, 44100, 2, 1536},
		{"MP3", []tagIn{{a, 0, join(0x2F, unhex(t, mp3Frame))}}, media.MP3, 44100, 1, 1152},
		{"MP3, Enhanced", []tagIn{{a, 0, join(0x91, ".mp3", unhex(t, mp3Frame))}}, media.MP3, 44100, 1, 1152},
		{"G.711 A-law", []tagIn{{a, 0, join(0x72, make([]byte, 160))}}, media.PCMA, 8000, 1, 160},
		{"G.711 µ-law, stereo", []tagIn{{a, 0, join(0x83, make([]byte, 320))}}, media.PCMU, 8000, 2, 160},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var d Demuxer
			frames := run(t, &d, c.tags...)
			tracks := d.Tracks()
			if len(tracks) != 1 || tracks[0].Codec != c.codec || tracks[0].SampleRate != c.rate || tracks[0].Channels != c.ch || int(tracks[0].TimeScale) != c.rate || tracks[0].ID != 1 {
				t.Fatalf("tracks %+v", tracks)
			}
			if len(frames) != 1 || frames[0].Duration != c.duration || !frames[0].Key {
				t.Errorf("frames %+v", frames)
			}
		})
	}
}

func TestSequenceHeaders(t *testing.T) {
	avc := unhex(t, avcHex)
	other := bytes.Clone(avc)
	other[11] = 0x0B // another level in the SPS
	var d Demuxer
	steps := []struct {
		name string
		tag  tagIn
		want int // revision
	}{
		{"the first", tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, avc)}, 1},
		{"again", tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, avc)}, 1},
		{"empty", tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0)}, 1},
		{"rubbish", tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, "rubbishrubbish")}, 1},
		{"the same with frames between", tagIn{TagVideo, 0, join(0x17, 1, 0, 0, 0, idr)}, 1},
		{"the same, Enhanced", tagIn{TagVideo, 0, join(0x90, "avc1", avc)}, 1},
		{"a changed one", tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, other)}, 2},
		{"and back", tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, avc)}, 3},
		{"audio comes late", tagIn{TagAudio, 0, join(0xAF, 0, 0x12, 0x10)}, 4},
		{"audio changes", tagIn{TagAudio, 0, join(0xAF, 0, 0x11, 0x90)}, 5},
		{"another codec", tagIn{TagVideo, 0, join(0x90, "hvc1", unhex(t, hevcHex))}, 6},
		{"end of sequence", tagIn{TagVideo, 0, join(0x17, 2, 0, 0, 0)}, 7}, // AVC again, not described yet
	}
	for _, s := range steps {
		run(t, &d, s.tag)
		if s.name == "end of sequence" {
			continue
		}
		if d.Revision() != s.want {
			t.Errorf("%s: revision %d, want %d", s.name, d.Revision(), s.want)
		}
	}
}

func TestShortLengths(t *testing.T) {
	avc := unhex(t, avcHex)
	avc[4] = avc[4]&^3 | 1 // 2-byte lengths
	var d Demuxer
	frames := run(t, &d, tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, avc)}, tagIn{TagVideo, 0, join(0x17, 1, 0, 0, 0, 0, 4, idr[4:])})
	if len(frames) != 1 || !bytes.Equal(frames[0].Data, idr) || d.Tracks()[0].Config[4]&3 != 3 {
		t.Errorf("%+v", frames)
	}
}

func TestMultitrack(t *testing.T) {
	avc, hvc := unhex(t, avcHex), unhex(t, hevcHex)
	size := func(b []byte) []byte { return []byte{byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))} }
	frame := join(0, 0, 40, idr)
	hframe := join(0, 0, 0, hevcIDR)
	var d Demuxer
	frames := run(t, &d,
		tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, avc)},                                                       // track 0 in the old form
		tagIn{TagVideo, 0, join(0x96, 0x00, "avc1", 1, avc)},                                                  // one track
		tagIn{TagVideo, 0, join(0x96, 0x20, "hvc1", 2, size(hvc), hvc, "avc1", 3, size(avc), avc)},            // many tracks, many codecs
		tagIn{TagVideo, 10, join(0x17, 1, 0, 0, 40, idr)},                                                     // track 0
		tagIn{TagVideo, 10, join(0x96, 0x11, "avc1", 1, size(frame), frame, 3, size(frame), frame)},           // many tracks
		tagIn{TagVideo, 10, join(0x96, 0x21, "hvc1", 2, size(hframe), hframe, "avc1", 3, size(frame), frame)}, // and codecs
		tagIn{TagAudio, 10, join(0x95, 0x00, "mp4a", 1, 0x12, 0x10)}, tagIn{TagAudio, 10, join(0x95, 0x01, "mp4a", 1, 0x21)},
		tagIn{TagVideo, 10, join(0x96, 0x03, "hvc1", 2, hevcTail)}, // without composition time
	)
	tracks := d.Tracks()
	var ids []media.TrackID
	for i, k := range tracks {
		ids = append(ids, k.ID)
		if k.Kind == media.Video && (k.Alternate != videoGroup || k.Rank != i) {
			t.Errorf("track %d: group %d rank %d", k.ID, k.Alternate, k.Rank)
		}
	}
	if !slices.Equal(ids, []media.TrackID{0, 2, 4, 6, 3}) {
		t.Errorf("tracks %v", ids)
	}
	var from []media.TrackID
	for _, f := range frames {
		from = append(from, f.Track)
	}
	if !slices.Equal(from, []media.TrackID{0, 2, 6, 4, 6, 3, 4}) {
		t.Errorf("frames of %v", from)
	}
	for n := range 40 {
		_, err := d.Tag(TagVideo, 0, join(0x96, 0x00, "avc1", 10+n, avc))
		if over := len(d.tracks) >= maxTracks; err != nil && !over || len(d.tracks) > maxTracks {
			t.Fatalf("%d tracks, %v", len(d.tracks), err)
		}
	}
}

func TestModEx(t *testing.T) {
	hvc := unhex(t, hevcHex)
	long := make([]byte, 300)
	for _, c := range []struct {
		name string
		body []byte
		want int64 // ticks of the frame at 10 ms
	}{
		{"nanoseconds", join(0x97, 2, 0x07, 0xA1, 0x20, 0x03, "hvc1", hevcIDR), 900 + 45}, // 500 000 ns
		{"a modifier of no meaning", join(0x97, 0, 9, 0x13, "hvc1", hevcIDR), 900},
		{"a long one", join(0x97, 0xFF, 1, 43, long, 0x13, "hvc1", hevcIDR), 900},
		{"two", join(0x97, 0, 9, 0x17, 2, 0x07, 0xA1, 0x20, 0x03, "hvc1", hevcIDR), 945},
	} {
		var d Demuxer
		frames := run(t, &d, tagIn{TagVideo, 0, join(0x90, "hvc1", hvc)}, tagIn{TagVideo, 10, c.body})
		if len(frames) != 1 || frames[0].DTS != c.want {
			t.Errorf("%s: %+v", c.name, frames)
		}
	}
}

func TestWhatIsNoMedia(t *testing.T) {
	var d Demuxer
	for _, in := range []tagIn{
		{TagVideo, 0, nil}, {TagAudio, 0, nil}, {TagVideo, 0, []byte{0x17}}, {TagAudio, 0, []byte{0xAF}}, {TagAudio, 0, []byte{0xAF, 1}},
		{TagVideo, 0, []byte{0x57, 0}}, {TagVideo, 0, join(0xD0, 0)}, {TagVideo, 0, join(0x94, "hvc1", 2, 0, 0)}, {TagVideo, 0, join(0x95, "hvc1")},
		{TagVideo, 0, join(0x17, 9, 0, 0, 0, 1)}, {TagAudio, 0, join(0x94, "Opus", 0, 2, 3)}, {TagVideo, 0, join(0x92, "hvc1")}, {TagScript, 0, []byte{2}},
		{TagVideo, 0, join(0x91, "hvc1", 0, 0, 0)}, {TagAudio, 0, join(0xAF, 7, 1)},
	} {
		if frames, err := d.Tag(in.kind, in.ms, in.body); err != nil || len(frames) != 0 {
			t.Errorf("%x: %v, %d frames", in.body, err, len(frames))
		}
	}
	for _, body := range [][]byte{join(0x91, "hvc1", 0), join(0x91, "hv"), {0x96}, join(0x96, 0x06, "hvc1"), join(0x96, 0x31, "hvc1"), join(0x96, 0x01, "hvc1"), join(0x96, 0x11, "hvc1", 1, 0, 0), join(0x96, 0x11, "hvc1", 1, 0, 0, 9, 1), {0x97}, {0x97, 5, 1}, join(0x96, 0x21, "hv")} {
		before := d.Dropped()
		if _, err := d.Tag(TagVideo, 0, body); err != nil || d.Dropped() == before && !bytes.Equal(body, join(0x96, 0x01, "hvc1")) {
			t.Errorf("%x: %v, dropped %d", body, err, d.Dropped()-before)
		}
	}
}

func TestUnsupportedCodecs(t *testing.T) {
	for want, in := range map[string]tagIn{
		"codec id 2": {TagVideo, 0, join(0x12, 1, 2, 3, 4, 5)}, "codec id 4": {TagVideo, 0, join(0x24, 1)},
		"Speex": {TagAudio, 0, join(0xB2, 1)}, "Nellymoser": {TagAudio, 0, join(0x52, 1)}, "PCM": {TagAudio, 0, join(0x32, 1)}, "ADPCM": {TagAudio, 0, join(0x12, 1)}, "format 15": {TagAudio, 0, join(0xF2, 1)},
		`"vvc1"`: {TagVideo, 0, join(0x90, "vvc1", 1)}, `video "Opus"`: {TagVideo, 0, join(0x90, "Opus", 1)},
	} {
		var d Demuxer
		_, err := d.Tag(in.kind, in.ms, in.body)
		if fault.Code(err) != "codec_unsupported" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestDamagedFramesAreCounted(t *testing.T) {
	var d Demuxer
	frames := run(t, &d,
		tagIn{TagVideo, 0, join(0x17, 1, 0, 0, 0, idr)}, // before its configuration
		tagIn{TagAudio, 0, join(0xAF, 1, 0x21)},
		tagIn{TagVideo, 0, join(0x17, 0, 0, 0, 0, unhex(t, avcHex))},
		tagIn{TagVideo, 0, join(0x17, 1, 0, 0, 0, 0, 0, 9, 9, 0x65)}, // a length that does not add up
		tagIn{TagVideo, 0, join(0x17, 1, 0, 0, 0, unit(9, 0xF0))},    // nothing but a delimiter
		tagIn{TagVideo, 40, join(0x17, 1, 0, 0, 0, idr)},
	)
	if len(frames) != 1 || d.Dropped() != 4 {
		t.Errorf("%d frames, %d dropped", len(frames), d.Dropped())
	}
}

func TestUnwrap(t *testing.T) {
	cases := []struct {
		name string
		ms   []uint32
		want []int64
	}{
		{"2^24", []uint32{0xFFFFFE, 0x1000001}, []int64{0xFFFFFE, 0x1000001}},
		{"2^32", []uint32{0xFFFFFFF0, 10, 50}, []int64{0xFFFFFFF0, 1<<32 + 10, 1<<32 + 50}},
		{"2^31, a writer that stays positive", []uint32{0x7FFFFFF0, 10, 50, 5}, []int64{0x7FFFFFF0, 1<<31 + 10, 1<<31 + 50, 1<<31 + 5}},
		{"2^31, a writer that goes on", []uint32{0x7FFFFFF0, 0x80000010}, []int64{0x7FFFFFF0, 0x80000010}},
		{"a step back", []uint32{1000, 900, 1100}, []int64{1000, 900, 1100}},
		{"a step back to zero", []uint32{10_000_000, 0, 40}, []int64{10_000_000, 0, 40}},
	}
	for _, c := range cases {
		var u unwrapper
		var got []int64
		for _, ms := range c.ms {
			got = append(got, u.at(ms))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAudioIsSmoothed(t *testing.T) {
	var s smoother
	const scale, frame = 44100, 1024
	ms := func(n int) int64 { return int64(n) * frame * 1000 / scale }
	for n := range 1000 {
		if got := s.stamp(media.Rescale(ms(n), 1000, scale), frame, scale); n > 0 && got != int64(n)*frame {
			t.Fatalf("frame %d stands at %d, want %d", n, got, n*frame)
		}
	}
	// One late tag is jitter, a second one that stays is a jump, a large one is a jump at once.
	at := int64(1000 * frame)
	if got := s.stamp(at+scale/20, frame, scale); got != at {
		t.Errorf("jitter: %d, want %d", got, at)
	}
	s.stamp(at+frame, frame, scale)
	at += 2 * frame
	for n := range 6 {
		got := s.stamp(at+frame, frame, scale)
		if want := at; n < jumpPatience-1 && got != want || n >= jumpPatience-1 && got != want+frame {
			t.Errorf("lost frame, %d later: %d, want %d", n, got, want)
		}
		at += frame
	}
	if got := s.stamp(at+scale, frame, scale); got != at+scale {
		t.Errorf("jump: %d, want %d", got, at+scale)
	}
	if got := s.stamp(5, 0, scale); got != 5 {
		t.Errorf("a frame of unknown length stands at %d", got)
	}
}

func TestMetadataHints(t *testing.T) {
	values := map[string]any{"framerate": 29.97, "videodatarate": 2500.0, "audiodatarate": 128.0, "videocodecid": 7.0, "audiocodecid": "mp4a", "encoder": "obs-output module"}
	m := ParseMetadata(func(k string) any { return values[k] })
	if !m.HasVideo || !m.HasAudio || m.FrameRate != 29.97 || m.VideoBitrate != 2_500_000 || m.AudioBitrate != 128_000 || m.Encoder != "obs-output module" {
		t.Errorf("%+v", m)
	}
	var d Demuxer
	d.SetMetadata(m)
	run(t, &d, tagIn{TagVideo, 0, join(0x90, "hvc1", unhex(t, hevcHex))}, tagIn{TagAudio, 0, join(0xAF, 0, 0x12, 0x10)})
	k := d.Tracks()
	if k[0].FrameRate == 0 || k[0].Bitrate != 2_500_000 || k[1].Bitrate != 128_000 || d.Metadata() != m {
		t.Errorf("%+v", k)
	}
	for _, bad := range []map[string]any{{"framerate": -5.0}, {"framerate": 1e300}, {"fps": 5000.0}, {"framerate": "x"}, {"videocodecid": 0.0}} {
		if m := ParseMetadata(func(k string) any { return bad[k] }); m != (Metadata{}) {
			t.Errorf("%v gives %+v", bad, m)
		}
	}
	four := map[string]any{"videocodecid": float64(fourHEVC)}
	if m := ParseMetadata(func(k string) any { return four[k] }); !m.HasVideo {
		t.Error("a fourcc as a number is not seen")
	}
}

func TestIncomplete(t *testing.T) {
	var d Demuxer
	run(t, &d, tagIn{TagAudio, 0, join(0x90, "ac-3")})
	if !d.Incomplete() || len(d.Tracks()) != 0 {
		t.Error("an announced track counts as known")
	}
	run(t, &d, tagIn{TagAudio, 0, join(0x91, "ac-3", unhex(t, ac3Frame))})
	if d.Incomplete() {
		t.Error("still incomplete")
	}
	if _, err := d.Tag(TagVideo, 0, join(0x91, "zzzz", 1)); !errors.As(err, new(*fault.Error)) {
		t.Error(err)
	}
}

// Publishers with open groups mark where decoding can begin with a recovery point, and may never send an IDR picture.
func TestRecoveryPointsAreEntries(t *testing.T) {
	k := allTracks(t)[media.H264]
	slice := unit(0x41, 0x9A, 0x00)
	for name, c := range map[string]struct {
		data []byte
		key  bool
	}{
		"recovery point": {join(unit(0x06, 6, 1, 0xC4, 0x80), slice), true},
		"other SEI":      {join(unit(0x06, 5, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x80), slice), false},
		"plain":          {slice, false},
	} {
		m := NewMuxer(Enhanced)
		bufs, _, err := m.Start([]media.Track{k})
		if err != nil {
			t.Fatal(err)
		}
		bufs = m.AppendTag(bufs, &media.Frame{Track: k.ID, Data: c.data}, 0)
		r := NewReader(bytes.NewReader(bytes.Join(bufs, nil)), DefaultLimit)
		var d Demuxer
		var frames []media.Frame
		for tag, err := r.Next(); err == nil; tag, err = r.Next() {
			got, err := d.Tag(tag.Type, tag.Timestamp, tag.Body)
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, got...)
		}
		if len(frames) != 1 || frames[0].Key != c.key {
			t.Errorf("%s: %+v", name, frames)
		}
	}
}
