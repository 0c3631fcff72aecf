package testpattern

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"testing"
	"time"

	"weir/internal/media"
	"weir/internal/outside"
)

var epoch = time.Date(2026, 11, 22, 9, 41, 38, 0, time.UTC)

// ffmpeg runs FFmpeg, told to stop at the first error, with in as its standard input, and returns its standard output.
func ffmpeg(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(outside.Need(t, "ffmpeg"), append([]string{"-v", "error", "-y", "-xerror", "-err_detect", "explode"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("ffmpeg: %v: %s", err, errs.String())
	}
	return out.Bytes()
}

// gray has FFmpeg decode a stream to luma planes.
func gray(t testing.TB, format string, stream []byte) []byte {
	t.Helper()
	return ffmpeg(t, stream, "-f", format, "-i", "-", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
}

func newSource(t testing.TB, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// streams makes frames for some time, sent exactly when they are due, and writes them as elementary streams.
func streams(t testing.TB, s *Source, length time.Duration) (h264, adts []byte) {
	t.Helper()
	h264 = annexB(h264, s.config.sps(), s.config.pps())
	for s.Due() < length {
		f := s.Next(epoch.Add(s.Due()))
		if f.Track == AudioTrack {
			adts = append(adts, adtsFrame(f.Data)...)
			continue
		}
		h264 = annexB(h264, units(t, f)...)
	}
	return h264, adts
}

// units cuts a sample into its NAL units.
func units(t testing.TB, f media.Frame) (nals [][]byte) {
	t.Helper()
	for b := f.Data; len(b) > 0; {
		size := int(binary.BigEndian.Uint32(b))
		if size == 0 || size > len(b)-4 {
			t.Fatalf("a NAL unit of %d bytes in %d", size, len(b))
		}
		nals = append(nals, b[4:4+size])
		b = b[4+size:]
	}
	return nals
}

func annexB(dst []byte, nals ...[]byte) []byte {
	for _, n := range nals {
		dst = append(append(dst, 0, 0, 0, 1), n...)
	}
	return dst
}

// adtsFrame puts an ADTS header of AAC-LC, 48 kHz, stereo before a frame.
func adtsFrame(raw []byte) []byte {
	n := len(raw) + 7
	return append([]byte{0xFF, 0xF1, 0x4C, 0x80 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC}, raw...)
}

func TestFFmpegReadsEveryCounter(t *testing.T) {
	for _, o := range []Options{
		{}, {Width: 640, Height: 360, FPS: 25, Bitrate: 500_000}, {Width: 320, Height: 180, FPS: 12, GOP: time.Second},
		{Width: 854, Height: 480, FPS: 60, Bitrate: 2_650_000}, {Width: 360, Height: 640, GOP: 1},
	} {
		s := newSource(t, o)
		stream, _ := streams(t, s, 3*time.Second)
		o = s.options
		arrived := epoch
		report, err := JudgeVideo(bytes.NewReader(gray(t, "h264", stream)), o.Width, o.Height, func() time.Time {
			defer func() { arrived = arrived.Add(time.Second / time.Duration(o.FPS)) }()
			return arrived.Add(70 * time.Millisecond)
		})
		if err != nil || report.Frames != 3*o.FPS || report.Unreadable+report.Missing+report.Duplicates+report.OutOfOrder != 0 {
			t.Errorf("%+v: %+v %v", o, report, err)
		}
		if d := report.LatencyP95 - 70*time.Millisecond; d.Abs() > 2*time.Millisecond {
			t.Errorf("%+v: latency %v", o, report.LatencyP95)
		}
	}
}

func TestMarkSurvivesX264At300Kbit(t *testing.T) {
	s := newSource(t, Options{})
	stream, _ := streams(t, s, 10*time.Second)
	small := ffmpeg(t, stream, "-f", "h264", "-r", "30", "-i", "-", "-c:v", "libx264", "-preset", "veryfast",
		"-b:v", "300k", "-maxrate", "300k", "-bufsize", "300k", "-g", "60", "-f", "h264", "-")
	rate := len(small) * 8 / 10
	report, err := JudgeVideo(bytes.NewReader(gray(t, "h264", small)), 1280, 720, time.Now)
	if err != nil || report.Frames != 300 || report.Unreadable+report.Missing+report.Duplicates != 0 || rate > 330_000 {
		t.Fatalf("%d bit/s: %+v %v", rate, report, err)
	}
	t.Logf("%d bit/s", rate)
}

func TestBeepIsOnTheSecond(t *testing.T) {
	_, adts := streams(t, newSource(t, Options{Width: 320, Height: 180, FPS: 1, Audio: true}), 20*time.Second)
	pcm := ffmpeg(t, adts, "-f", "aac", "-i", "-", "-f", "s16le", "-")
	beeps, err := Beeps(bytes.NewReader(pcm), sampleRate, channels)
	if err != nil || len(beeps) != 19 {
		t.Fatalf("%d beeps, want 19: %v %v", len(beeps), beeps, err)
	}
	for i, at := range beeps {
		if d := at - time.Duration(i+1)*time.Second; d.Abs() > time.Millisecond {
			t.Errorf("beep %d is %v from the second", i+1, d)
		}
	}
}

func TestFlashAndBeepAgreeInAFile(t *testing.T) {
	video, audio := streams(t, newSource(t, Options{Width: 640, Height: 360, FPS: 25, Audio: true}), 6*time.Second)
	dir := t.TempDir()
	for name, b := range map[string][]byte{"v.h264": video, "a.aac": audio} {
		if err := os.WriteFile(dir+"/"+name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, late := range []time.Duration{0, 200 * time.Millisecond, -80 * time.Millisecond} {
		file := dir + "/av.mkv"
		ffmpeg(t, nil, "-r", "25", "-i", dir+"/v.h264", "-itsoffset", late.String(), "-i", dir+"/a.aac", "-c", "copy",
			"-avoid_negative_ts", "disabled", file)
		// The sound is laid on the time of the picture: cut or silence at its beginning.
		pcm := ffmpeg(t, nil, "-i", file, "-vn", "-af", "aresample=async=1:first_pts=0", "-f", "s16le", "-")
		luma := ffmpeg(t, nil, "-i", file, "-an", "-f", "rawvideo", "-pix_fmt", "gray", "-")
		flashes, err := Flashes(bytes.NewReader(luma), 640, 360, 25)
		if err != nil {
			t.Fatal(err)
		}
		beeps, err := Beeps(bytes.NewReader(pcm), sampleRate, channels)
		if err != nil {
			t.Fatal(err)
		}
		sync, err := JudgeSync(flashes, beeps)
		if err != nil || sync.Pairs < 4 || (sync.Offset-late).Abs() > 2*time.Millisecond {
			t.Errorf("sound late by %v: %+v %v (flashes %v, beeps %v)", late, sync, err, flashes, beeps)
		}
	}
}
