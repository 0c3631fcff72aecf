package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"
	gomp4 "github.com/abema/go-mp4"
	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/flac"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"weir/internal/codec"
	"weir/internal/testpattern"
)

// The judge's picture in the clips: small, so that many streams fit on two cores.
const (
	clipWidth, clipHeight, clipFPS = 320, 180, 25
)

// encoders are FFmpeg's arguments for what the matrix publishes.
var encoders = map[string][]string{
	"H.264":             {"-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline", "-bf", "0", "-g", "25", "-crf", "24"},
	"H.264 with B":      {"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-crf", "24"},
	"HEVC, codec id 12": {"-c:v", "libx265", "-preset", "ultrafast", "-crf", "24", "-x265-params", "log-level=none:keyint=25:min-keyint=25:bframes=0"},
	"HEVC, Enhanced":    {"-c:v", "libx265", "-preset", "ultrafast", "-crf", "24", "-x265-params", "log-level=none:keyint=25:min-keyint=25:bframes=0"},
	"AV1":               {"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "25", "-crf", "30", "-b:v", "0"},
	"VP9":               {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", "-b:v", "600k"},
	"AAC":               {"-c:a", "aac", "-b:a", "96k"},
	"MP3":               {"-c:a", "libmp3lame", "-ar", "44100"},
	"Opus":              {"-c:a", "libopus"},
	"AC-3":              {"-c:a", "ac3", "-b:a", "192k"},
	"FLAC":              {"-c:a", "flac", "-strict", "-2"},
}

// clip is one encoded track, as a file and as samples.
type clip struct {
	name, path string
	video      bool
	scale      int64
	samples    []mp4.FullSample
	trak       *mp4.TrakBox
}

// at gives the decoding and presentation time of a sample.
func (c *clip) at(i int) (dts, pts time.Duration) {
	s := &c.samples[i]
	unit := func(t int64) time.Duration { return time.Duration(t) * time.Second / time.Duration(c.scale) }
	return unit(int64(s.DecodeTime)), unit(int64(s.DecodeTime) + int64(s.CompositionTimeOffset))
}

// every is how long a sample lasts.
func (c *clip) every() time.Duration {
	a, _ := c.at(1)
	b, _ := c.at(2)
	return b - a
}

// patternFile writes the test pattern as an H.264 file that FFmpeg can make other codecs of.
func patternFile(t *testing.T, dir string, length time.Duration) string {
	t.Helper()
	src, err := testpattern.New(testpattern.Options{Width: clipWidth, Height: clipHeight, FPS: clipFPS, GOP: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	track := src.Tracks()[0]
	var b bytes.Buffer
	put := func(units [][]byte) {
		for _, u := range units {
			b.Write([]byte{0, 0, 0, 1})
			b.Write(u)
		}
	}
	put(codec.ParameterSets(&track))
	start := time.Now()
	for src.Due() < length {
		var units h264.AVCC
		if err := units.Unmarshal(src.Next(start.Add(src.Due())).Data); err != nil {
			t.Fatal(err)
		}
		put(units)
	}
	path := filepath.Join(dir, "pattern.h264")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// makeClip has FFmpeg encode the pattern or a tone, and mp4ff take the result apart.
func makeClip(t *testing.T, dir, pattern, name string, length time.Duration) *clip {
	t.Helper()
	args, ok := encoders[name]
	if !ok {
		t.Fatalf("no encoder for %s", name)
	}
	c := &clip{name: name, video: args[0] == "-c:v", path: filepath.Join(dir, url.PathEscape(name)+".mp4")}
	in := []string{"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-ac", "2"}
	if c.video {
		in = []string{"-r", strconv.Itoa(clipFPS), "-f", "h264", "-i", pattern}
	}
	all := slices.Concat([]string{"-nostdin", "-loglevel", "error", "-y"}, in, args,
		[]string{"-t", fmt.Sprintf("%.3f", length.Seconds()), "-movflags", "frag_keyframe+delay_moov+default_base_moof", "-frag_duration", "1000000", c.path})
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", all...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", all, err, out)
	}
	f, err := mp4.ReadMP4File(c.path)
	if err != nil {
		t.Fatal(err)
	}
	c.trak = f.Moov.Trak
	c.scale = int64(c.trak.Mdia.Mdhd.Timescale)
	for _, seg := range f.Segments {
		for _, frag := range seg.Fragments {
			samples, err := frag.GetFullSamples(f.Moov.Mvex.Trex)
			if err != nil {
				t.Fatal(err)
			}
			c.samples = append(c.samples, samples...)
		}
	}
	if len(c.samples) < 20 {
		t.Fatalf("%d samples of %s", len(c.samples), name)
	}
	return c
}

// track makes gortmplib's description of a clip.
func (c *clip) track(t *testing.T) *gortmplib.Track {
	t.Helper()
	stsd := c.trak.Mdia.Minf.Stbl.Stsd
	switch c.name {
	case "H.264", "H.264 with B":
		return &gortmplib.Track{Codec: &codecs.H264{SPS: stsd.AvcX.AvcC.SPSnalus[0], PPS: stsd.AvcX.AvcC.PPSnalus[0]}}
	case "HEVC, Enhanced":
		set := func(n hevc.NaluType) []byte { return stsd.HvcX.HvcC.GetNalusForType(n)[0] }
		return &gortmplib.Track{Codec: &codecs.H265{VPS: set(hevc.NALU_VPS), SPS: set(hevc.NALU_SPS), PPS: set(hevc.NALU_PPS)}}
	case "AV1":
		return &gortmplib.Track{Codec: &codecs.AV1{}}
	case "VP9":
		return &gortmplib.Track{Codec: &codecs.VP9{}}
	case "AAC":
		config := &mpeg4audio.AudioSpecificConfig{}
		if err := config.Unmarshal(stsd.Mp4a.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig); err != nil {
			t.Fatal(err)
		}
		return &gortmplib.Track{Codec: &codecs.MPEG4Audio{Config: config}}
	case "Opus":
		return &gortmplib.Track{Codec: &codecs.Opus{IDHeader: &opus.IDHeader{Version: 1, ChannelCount: 2, PreSkip: 312, InputSampleRate: 48000}}}
	case "AC-3":
		return &gortmplib.Track{Codec: &codecs.AC3{SampleRate: 48000, ChannelCount: 2}}
	case "FLAC":
		config := &flac.StreamInfo{}
		if err := config.Unmarshal(flacInfo(t, c.path)); err != nil {
			t.Fatal(err)
		}
		return &gortmplib.Track{Codec: &codecs.FLAC{StreamInfo: config}}
	}
	t.Fatalf("gortmplib has no %s", c.name)
	return nil
}

// flacInfo finds the STREAMINFO block in an MP4: a dfLa box has it behind its version and the block's own header.
func flacInfo(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte("dfLa"))
	if i < 0 || len(b) < i+46 {
		t.Fatal("no dfLa box")
	}
	return b[i+12 : i+46]
}

// write sends sample i.
func (c *clip) write(w *gortmplib.Writer, track *gortmplib.Track, i int) error {
	dts, pts := c.at(i)
	data := c.samples[i].Data
	switch c.name {
	case "H.264", "H.264 with B":
		var units h264.AVCC
		if err := units.Unmarshal(data); err != nil {
			return err
		}
		return w.WriteH264(track, pts, dts, units)
	case "HEVC, Enhanced":
		var units h264.AVCC
		if err := units.Unmarshal(data); err != nil {
			return err
		}
		return w.WriteH265(track, pts, dts, units)
	case "HEVC, codec id 12":
		return w.Conn.Write(&message.Video{
			ChunkStreamID: message.VideoChunkStreamID, MessageStreamID: 0x1000000, Codec: message.CodecH265,
			Type: message.VideoTypeAU, IsKeyFrame: c.samples[i].IsSync(), DTS: dts, PTSDelta: pts - dts, AU: data,
		})
	case "AV1":
		var tu av1.Bitstream
		if err := tu.Unmarshal(data); err != nil {
			return err
		}
		return w.WriteAV1(track, pts, tu)
	case "VP9":
		return w.WriteVP9(track, pts, data)
	case "AAC":
		return w.WriteMPEG4Audio(track, pts, data)
	case "Opus":
		return w.WriteOpus(track, pts, data)
	case "AC-3":
		return w.WriteAC3(track, pts, data)
	default:
		return w.WriteFLAC(track, pts, data)
	}
}

// publishPeer sends two clips in real time with gortmplib, until they end or ctx does.
func publishPeer(ctx context.Context, t *testing.T, address string, v, a *clip) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	c := &gortmplib.Client{URL: u, Publish: true}
	if err := c.Initialize(ctx); err != nil {
		return err
	}
	defer c.Close()
	w := &gortmplib.Writer{Conn: c, Tracks: []*gortmplib.Track{a.track(t)}}
	legacy := v.name == "HEVC, codec id 12"
	var picture *gortmplib.Track
	if !legacy {
		picture = v.track(t)
		w.Tracks = append(w.Tracks, picture)
	}
	if err := w.Initialize(); err != nil {
		return err
	}
	if legacy { // gortmplib reads and writes the form, its Writer just does not choose it
		if err := c.Write(v.legacyConfig(t)); err != nil {
			return err
		}
	}
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, j := 0, 0; i < len(v.samples) && j < len(a.samples); {
		next, track, n := v, picture, &i
		dts, _ := v.at(i)
		if other, _ := a.at(j); other < dts {
			next, track, n, dts = a, w.Tracks[0], &j, other
		}
		timer.Reset(time.Until(start.Add(dts)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if err := next.write(w, track, *n); err != nil {
			return err
		}
		*n++
	}
	return nil
}

// legacyConfig is the sequence header of HEVC under codec id 12.
func (c *clip) legacyConfig(t *testing.T) message.Message {
	t.Helper()
	var b bytes.Buffer
	if err := c.trak.Mdia.Minf.Stbl.Stsd.HvcX.HvcC.Encode(&b); err != nil {
		t.Fatal(err)
	}
	var box gomp4.HvcC
	if _, err := gomp4.Unmarshal(bytes.NewReader(b.Bytes()[8:]), uint64(b.Len()-8), &box, gomp4.Context{}); err != nil {
		t.Fatal(err)
	}
	return &message.Video{
		ChunkStreamID: message.VideoChunkStreamID, MessageStreamID: 0x1000000, Codec: message.CodecH265,
		Type: message.VideoTypeConfig, IsKeyFrame: true, HEVCConfig: &box,
	}
}

// publishFFmpeg sends two clips in real time with FFmpeg.
func publishFFmpeg(t *testing.T, address string, v, a *clip) *process {
	t.Helper()
	return spawn(t, "ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", v.path, "-re", "-i", a.path,
		"-map", "0:v", "-map", "1:a", "-c", "copy", "-f", "flv", address)
}
