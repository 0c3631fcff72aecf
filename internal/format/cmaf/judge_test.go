package cmaf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"weir/internal/media"
	"weir/internal/outside"
)

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return string(outside.Run(t, name, args...))
}

// fragmented remuxes or encodes ffmpeg input arguments into a fragmented MP4.
func fragmented(t testing.TB, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "in.mp4")
	all := append([]string{"-v", "error"}, args...)
	run(t, "ffmpeg", append(all, "-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof", "-y", out)...)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packets lists what an outside demuxer reads: one line per packet with time, size and hash.
func packets(t testing.TB, file, stream string) []string {
	t.Helper()
	out := run(t, "ffmpeg", "-v", "error", "-i", file, "-map", stream, "-c", "copy", "-copyts", "-f", "framemd5", "-")
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") {
			f := strings.Split(line, ",")
			// Stream, dts, pts, duration, size, hash; the duration of a last packet is a guess.
			lines = append(lines, strings.Join([]string{strings.TrimSpace(f[1]), strings.TrimSpace(f[2]), strings.TrimSpace(f[4]), strings.TrimSpace(f[5])}, " "))
		}
	}
	return lines
}

var clips = []struct {
	name  string
	codec media.Codec
	entry string
	args  []string
}{
	{"h264", media.H264, "avc1", []string{"-i", "testdata/sample.mp4", "-map", "0:v", "-c", "copy"}},
	{"hevc", media.HEVC, "hvc1", []string{"-i", "testdata/h265_bframes.mp4", "-map", "0:v", "-c", "copy", "-tag:v", "hvc1"}},
	{"av1", media.AV1, "av01", []string{"-i", "testdata/sample_av1.mp4", "-map", "0:v", "-c", "copy"}},
	{"vp9", media.VP9, "vp09", []string{"-i", "testdata/bear-vp9.webm", "-map", "0:v", "-c", "copy"}},
	{"aac", media.AAC, "mp4a", []string{"-i", "testdata/sample.mp4", "-map", "0:a", "-c", "copy"}},
	{"opus", media.Opus, "Opus", []string{"-i", "testdata/sample_opus.mp4", "-map", "0:a", "-c", "copy"}},
	{"ac3", media.AC3, "ac-3", []string{"-i", "testdata/sample_ac3.mp4", "-map", "0:a", "-c", "copy"}},
	{"eac3", media.EAC3, "ec-3", []string{"-f", "lavfi", "-i", "sine=d=1:r=48000", "-c:a", "eac3"}},
	{"mp3", media.MP3, "mp4a", []string{"-f", "lavfi", "-i", "sine=d=1:r=44100", "-c:a", "libmp3lame"}},
	{"flac", media.FLAC, "fLaC", []string{"-f", "lavfi", "-i", "sine=d=1:r=44100", "-c:a", "flac", "-strict", "-2"}},
}

// Frames that ffmpeg wrote are read here, written again as a CMAF header and chunks, and
// read by ffmpeg: every packet has to come out with its time and its bytes, and decode.
func TestChunksReadAsTheSource(t *testing.T) {
	for _, c := range clips {
		t.Run(c.name, func(t *testing.T) {
			src := fragmented(t, c.args...)
			h, frames := parseAll(t, src)
			track := h.Tracks[0]
			if track.Codec != c.codec {
				t.Fatalf("read as %v", track.Codec)
			}
			out := rebuild(t, track, frames)
			dir := t.TempDir()
			a, b := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "b.mp4")
			writeFile(t, a, src)
			writeFile(t, b, out)
			want, got := packets(t, a, "0:0"), packets(t, b, "0:0")
			if len(want) < 9 {
				t.Fatalf("only %d packets", len(want))
			}
			compare(t, want, got)
			if c.codec != media.AC3 { // that clip does not decode without errors itself
				run(t, "ffmpeg", "-v", "error", "-i", b, "-f", "null", "-")
			}
			tag := strings.Trim(run(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_tag_string", "-of", "csv=p=0", b), ",\n")
			if tag != c.entry {
				t.Errorf("sample entry %q, want %q", tag, c.entry)
			}
			checkWithMP4FF(t, out, len(frames))
		})
	}
}

func compare(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("packet %d: %s, want %s", i, got[i], want[i])
		}
	}
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func parseAll(t testing.TB, src []byte) (*Header, []media.Frame) {
	t.Helper()
	h, err := ParseInit(src)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := h.Frames(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	if len(frames) == 0 {
		t.Fatal("no frames")
	}
	return h, frames
}

// rebuild writes frames as a header and chunks of 5 frames.
func rebuild(t testing.TB, track media.Track, frames []media.Frame) []byte {
	t.Helper()
	track.Language, track.Bitrate = "zh", 100_000
	out, err := Init(track)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(frames); i += 5 {
		out = AppendChunk(out, &Chunk{Sequence: uint32(i), Styp: i%10 == 0, Producer: i%20 == 0, Frames: frames[i:min(i+5, len(frames))]})
	}
	return out
}

func checkWithMP4FF(t *testing.T, b []byte, samples int) {
	t.Helper()
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("mp4ff: %v", err)
	}
	n := 0
	for _, s := range f.Segments {
		for _, fr := range s.Fragments {
			full, err := fr.GetFullSamples(f.Init.Moov.Mvex.Trex)
			if err != nil {
				t.Fatalf("mp4ff: %v", err)
			}
			n += len(full)
		}
	}
	if n != samples {
		t.Errorf("mp4ff reads %d samples, want %d", n, samples)
	}
}

// VP8 and G.711 have no sample entry that ffmpeg writes in MP4, so they come from elsewhere.
func TestVP8AndG711(t *testing.T) {
	dir := t.TempDir()
	ivf := filepath.Join(dir, "in.ivf")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=64x64:r=25", "-c:v", "libvpx", "-y", ivf)
	raw, err := os.ReadFile(ivf)
	if err != nil {
		t.Fatal(err)
	}
	var frames []media.Frame
	for b := raw[32:]; len(b) > 12; {
		n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		at := int64(len(frames)) * 3600
		frames = append(frames, media.Frame{Key: b[12]&1 == 0, DTS: at, PTS: at, Duration: 3600, Data: b[12 : 12+n]})
		b = b[12+n:]
	}
	out := rebuild(t, media.Track{Kind: media.Video, Codec: media.VP8, TimeScale: 90000, Width: 64, Height: 64}, frames)
	file := filepath.Join(dir, "out.mp4")
	writeFile(t, file, out)
	if n := len(packets(t, file, "0:0")); n != len(frames) {
		t.Errorf("VP8: %d packets, want %d", n, len(frames))
	}
	run(t, "ffmpeg", "-v", "error", "-i", file, "-f", "null", "-")
	for _, c := range []media.Codec{media.PCMA, media.PCMU} {
		var f []media.Frame
		for i := range int64(10) {
			f = append(f, media.Frame{Key: true, DTS: i * 160, PTS: i * 160, Duration: 160, Data: bytes.Repeat([]byte{0xD5}, 160)})
		}
		track := media.Track{Kind: media.Audio, Codec: c, TimeScale: 8000, SampleRate: 8000, Channels: 1}
		out := rebuild(t, track, f)
		h, got := parseAll(t, out)
		if h.Tracks[0].Codec != c || len(got) != len(f) {
			t.Errorf("%v: read as %v, %d frames", c, h.Tracks[0].Codec, len(got))
		}
		writeFile(t, file, out)
		info := run(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file)
		if want := map[media.Codec]string{media.PCMA: "pcm_alaw", media.PCMU: "pcm_mulaw"}[c]; strings.TrimSpace(info) != want {
			t.Errorf("%v: ffprobe reads %q", c, info)
		}
	}
}

// The muxed stream is read by ffmpeg: both tracks, all packets, in time with each other.
func TestStreamReadsAsTheSource(t *testing.T) {
	src := fragmented(t, "-i", "testdata/sample.mp4", "-map", "0", "-c", "copy")
	h, frames := parseAll(t, src)
	const origin, lead = 1_700_000_000_123, 2000 // ms; the clip's first DTS is negative
	m := NewStreamMuxer(origin)
	head, err := m.Header(h.Tracks)
	if err != nil {
		t.Fatal(err)
	}
	chunks := [][]byte{head}
	for i := range frames {
		f := frames[i]
		scale := media.Find(h.Tracks, f.Track).TimeScale
		by := media.Rescale(origin, 1000, scale) + media.Rescale(lead, 1000, scale)
		f.DTS, f.PTS = f.DTS+by, f.PTS+by
		if i%2 == 0 {
			f.Duration = 0
		}
		chunks = m.AppendFragment(chunks, &f)
	}
	file := filepath.Join(t.TempDir(), "s.mp4")
	writeFile(t, file, bytes.Join(chunks, nil))
	ref := filepath.Join(t.TempDir(), "ref.mp4")
	writeFile(t, ref, src)
	for i, s := range []string{"0:0", "0:1"} {
		by := media.Rescale(lead, 1000, h.Tracks[i].TimeScale)
		want := packets(t, ref, s)
		for k, line := range want {
			var dts, pts int64
			var rest string
			if _, err := fmt.Sscanf(line, "%d %d", &dts, &pts); err != nil {
				t.Fatal(err)
			}
			rest = strings.SplitN(line, " ", 3)[2]
			want[k] = fmt.Sprintf("%d %d %s", dts+by, pts+by, rest)
		}
		compare(t, want, packets(t, file, s))
	}
	run(t, "ffmpeg", "-v", "error", "-i", file, "-f", "null", "-")
	if left := m.AppendFragment(nil, &media.Frame{Track: 99}); left != nil {
		t.Error("a frame of an unknown track is written")
	}
}

func TestInitSaysWhatItKnows(t *testing.T) {
	src := fragmented(t, "-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=25", "-vf", "setsar=4/3", "-c:v", "libx264",
		"-x264-params", "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv")
	h, frames := parseAll(t, src)
	track := h.Tracks[0]
	track.Language = "zh-Hans"
	out := rebuild(t, track, frames)
	file := filepath.Join(t.TempDir(), "x.mp4")
	writeFile(t, file, out)
	got := run(t, "ffprobe", "-v", "error", "-show_entries",
		"stream=sample_aspect_ratio,color_space,color_range,width,height:stream_tags=language", "-of", "default=nw=1", file)
	for _, want := range []string{"sample_aspect_ratio=4:3", "color_space=bt709", "color_range=tv", "width=64", "language=chi", "height=48"} {
		if want == "language=chi" {
			want = "language=zho"
		}
		if !strings.Contains(got, want) {
			t.Errorf("ffprobe does not read %s:\n%s", want, got)
		}
	}
	if again, _ := parseAll(t, out); again.Tracks[0].Language != "zh" {
		t.Errorf("language %q", again.Tracks[0].Language)
	}
}
