package file

import (
	"bytes"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/outside"
	"weir/internal/testpattern"
)

func length(t testing.TB, path string) float64 {
	t.Helper()
	return seconds(t, probe(t, path, "-show_entries", "format=duration")[0])
}

// complete says whether every counter between two came once and in order.
func complete(t testing.TB, r testpattern.Report, first, last uint32) {
	t.Helper()
	if r.First != first || r.Last != last || r.Missing+r.Duplicates+r.OutOfOrder+r.Unreadable != 0 {
		t.Errorf("%d to %d wanted: %+v", first, last, r)
	}
}

// A publisher that comes back after a minute: one file without the minute.
func TestRunsAreJoined(t *testing.T) {
	for _, cut := range []string{"", "&cut=key"} {
		s := newStage(t, Config{})
		src := s.source(testpattern.Options{Audio: true})
		s.pattern(src, 0, 8*time.Second, nil)
		s.pattern(src, 69*time.Second, 6*time.Second, nil)
		s.pattern(src, 75100*time.Millisecond, 5*time.Second, nil) // a tenth later: nothing is closed up
		path := s.clip(3*time.Second, 79*time.Second, cut)
		r := judge(t, path)
		first, want := uint32(90), 5+6+0.1+3.9
		if cut != "" {
			first, want = 60, want+1
		}
		// The third run begins with counter 420, at 75.1 s; 79 s is 117 frames later.
		complete(t, r, first, 536)
		if d := length(t, path); math.Abs(d-want) > 0.05 {
			t.Errorf("it lasts %v s, not %v", d, want)
		}
		if sync := inSync(t, path); sync.Pairs < 12 || sync.Worst.Abs() > 40*time.Millisecond {
			t.Errorf("sound against picture: %+v", sync)
		}
	}
}

// What the server lost within a run is left out, without shifting sound against picture.
func TestHoles(t *testing.T) {
	n := epoch.Unix() / 2
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{Audio: true})
	s.pattern(src, 0, 24*time.Second, func(rendition string, k int64) bool {
		return k == n+3 || k == n+6 && rendition == "v0" || k == n+9 && rendition == "a0" // both, picture, sound
	})
	path := s.clip(0, 24*time.Second, "")
	r := judge(t, path)
	if r.Frames != 600 || r.Duplicates+r.OutOfOrder+r.Unreadable != 0 || r.Missing != 120 {
		t.Errorf("%+v", r)
	}
	if d := length(t, path); math.Abs(d-22) > 0.05 {
		t.Errorf("it lasts %v s", d)
	}
	if sync := inSync(t, path); sync.Pairs < 15 || sync.Worst.Abs() > 40*time.Millisecond {
		t.Errorf("sound against picture: %+v", sync)
	}
}

// Another size of picture goes on in the same track, with a sample entry of its own.
func TestChangedPicture(t *testing.T) {
	s := newStage(t, Config{})
	s.pattern(s.source(testpattern.Options{Audio: true}), 0, 6*time.Second, nil)
	s.pattern(s.source(testpattern.Options{Audio: true, Width: 640, Height: 360, FPS: 25}), 6*time.Second, 6*time.Second, nil)
	path := s.clip(0, 12*time.Second, "")
	if got := probe(t, path, "-show_entries", "stream=codec_name"); len(got) != 2 {
		t.Errorf("%v", got)
	}
	out := outside.Run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-vf", "scale=320:180:flags=area", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	if frames := len(out) / (width * height); frames != 180+150 {
		t.Errorf("%d pictures", frames)
	}
	out = outside.Run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-vf", "scale=640:360", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	second, ok := testpattern.ReadLuma(out[len(out)-640*360:], 640, 640, 360)
	if !ok || second.Counter != 149 {
		t.Errorf("the last picture is %+v %v", second, ok)
	}
	if sync := inSync(t, path); sync.Pairs < 10 || sync.Worst.Abs() > 40*time.Millisecond {
		t.Errorf("sound against picture: %+v", sync)
	}
}

// Sound may come later, go, and come back in another codec.
func TestChangedSound(t *testing.T) {
	s := newStage(t, Config{})
	s.pattern(s.source(testpattern.Options{}), 0, 4*time.Second, nil)
	src := s.source(testpattern.Options{Audio: true})
	s.pattern(src, 4*time.Second, 6*time.Second, nil)
	s.pattern(s.source(testpattern.Options{}), 10*time.Second, 4*time.Second, nil)
	s.pattern(src, 14*time.Second, 6*time.Second, nil)
	path := s.clip(0, 20*time.Second, "")
	if r := judge(t, path); r.Frames != 600 || r.Unreadable != 0 {
		t.Errorf("%+v", r)
	}
	if sync := inSync(t, path); sync.Pairs < 10 || sync.Worst.Abs() > 40*time.Millisecond {
		t.Errorf("sound against picture: %+v", sync)
	}
	frames := fragments(t, "-f", "lavfi", "-i", "sine=d=4:r=48000", "-c:a", "libopus")
	r := s.begin(20*time.Second, frames.track)
	r.add(frames.at(20*time.Second, 0)...)
	r.end()
	path = s.clip(16*time.Second, 24*time.Second, "")
	got := probe(t, path, "-show_entries", "stream=codec_name,duration")
	if len(got) != 3 || !strings.Contains(strings.Join(got, " "), "opus") {
		t.Errorf("%v", got)
	}
	if n := len(outside.Run(t, "ffmpeg", "-v", "error", "-i", path, "-map", "0:a:1", "-f", "s16le", "-ac", "1", "-ar", "48000", "-")) / 2; n < 48000*4-2000 || n > 48000*4+2000 {
		t.Errorf("%d samples of the second sound", n)
	}
}

// clipFrames are the frames of a track that ffmpeg made.
type clipFrames struct {
	track  media.Track
	frames []media.Frame
}

func fragments(t testing.TB, args ...string) clipFrames {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.mp4")
	args = append(append([]string{"-v", "error"}, args...), "-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof", "-y", path)
	outside.Ask(t, "ffmpeg", args...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := cmaf.ParseInit(b)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := h.Frames(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	h.Tracks[0].ID = 1
	return clipFrames{h.Tracks[0], frames}
}

// at moves the frames so that the first is shown at an instant from the tests' epoch.
func (c *clipFrames) at(start time.Duration, track media.TrackID) []media.Frame {
	out := append([]media.Frame(nil), c.frames...)
	by := media.FromDuration(time.Duration(epoch.UnixNano())+start, c.track.TimeScale) - c.frames[0].PTS
	for i := range out {
		out[i].Track = max(track, 1)
		out[i].DTS, out[i].PTS = out[i].DTS+by, out[i].PTS+by
	}
	return out
}

// raw makes seconds of the test pattern as a file of pictures.
func (s *stage) raw(length time.Duration) string {
	s.t.Helper()
	src := s.source(testpattern.Options{})
	header, err := cmaf.Init(src.Tracks()...)
	if err != nil {
		s.t.Fatal(err)
	}
	out := bytes.NewBuffer(header)
	for src.Due() < length {
		f := src.Next(epoch)
		f.Duration = 3000
		out.Write(cmaf.AppendChunk(nil, &cmaf.Chunk{Frames: []media.Frame{f}}))
	}
	return s.save(out.Bytes())
}

// Pictures that are decoded in another order than shown: every one is there, wherever the cut is.
func TestPicturesOutOfOrder(t *testing.T) {
	for name, gop := range map[string][]string{"closed groups": {"-x264-params", "open-gop=0"}, "open groups": {"-x264-params", "open-gop=1"}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, Config{})
			frames := fragments(t, append([]string{"-i", s.raw(14 * time.Second), "-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-bf", "3", "-b_strategy", "0", "-g", "45"}, gop...)...)
			reordered := false
			for i := range frames.frames {
				reordered = reordered || frames.frames[i].CTS()*10 > int64(frames.track.TimeScale) // three frames
			}
			if !reordered {
				t.Fatal("nothing is out of order")
			}
			r := s.begin(0, frames.track)
			r.add(frames.at(0, 1)...)
			r.end()
			for _, c := range []struct {
				from, to    time.Duration
				cut         string
				first, last uint32
			}{
				{0, 14 * time.Second, "", 0, 419},
				{5 * time.Second, 9 * time.Second, "", 150, 269},
				{5033 * time.Millisecond, 8970 * time.Millisecond, "", 150, 269}, // a picture that began before is still shown
				{5 * time.Second, 9 * time.Second, "&cut=key", 135, 269},
			} {
				path := s.clip(c.from, c.to, c.cut)
				// An open group's first pictures are left out, and the decoder complains of that: only what is fatal counts.
				got := judge(t, path, "-v", "fatal")
				if got.First > c.first+1 || got.First < c.first || got.Last < c.last || got.Missing+got.Duplicates+got.OutOfOrder+got.Unreadable != 0 {
					t.Errorf("%v to %v%s: %+v", c.from, c.to, c.cut, got)
				}
				if c.cut == "" && got.Last != c.last {
					t.Errorf("%v to %v ends with %d", c.from, c.to, got.Last)
				}
			}
		})
	}
}

// A wall clock that is set back makes footage that lies twice at the same time: both are in the file, as they came.
func TestClockSetBack(t *testing.T) {
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{Audio: true})
	s.pattern(src, time.Hour, 6*time.Second, nil)
	s.pattern(src, 0, 6*time.Second, nil)
	path := s.clip(0, 2*time.Hour, "")
	complete(t, judge(t, path), 0, 359)
	if d := length(t, path); math.Abs(d-12) > 0.05 {
		t.Errorf("it lasts %v s", d)
	}
	if a := s.do(http.MethodGet, s.url(10*time.Second, 20*time.Second, "")); a.status != http.StatusNotFound || !bytes.Contains(a.body, []byte("no_footage")) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Every sound is in the file, under its language.
func TestLanguages(t *testing.T) {
	s := newStage(t, Config{})
	first := fragments(t, "-f", "lavfi", "-i", "sine=d=6:r=48000", "-c:a", "aac")
	tracks := []media.Track{first.track, first.track}
	tracks[0].Language, tracks[1].Language, tracks[1].ID = "en", "zh-Hant", 2
	r := s.begin(0, tracks...)
	one, two := first.at(0, 1), first.at(0, 2)
	for i := range one {
		r.add(one[i], two[i])
	}
	r.end()
	a := s.do(http.MethodGet, s.url(time.Second, 5*time.Second, ""))
	if ct := a.header.Get("Content-Type"); ct != "audio/mp4" {
		t.Error(ct)
	}
	path := s.save(a.body)
	got := strings.Join(probe(t, path, "-show_entries", "stream=codec_name:stream_tags=language"), " ")
	if !strings.Contains(got, "aac,eng") || !strings.Contains(got, "aac,zho") {
		t.Error(got)
	}
	if d := length(t, path); math.Abs(d-4) > 0.03 {
		t.Errorf("it lasts %v s", d)
	}
}

// Key frames may lie anywhere in the segments, not only where they begin.
func TestKeyFramesWithinSegments(t *testing.T) {
	s := newStage(t, Config{})
	r := s.begin(0, shifted(s.source(testpattern.Options{Audio: true}))...)
	src := s.source(testpattern.Options{Audio: true})
	r.more(src, 1990*time.Millisecond, 40*time.Second)
	r.end()
	for _, cut := range []string{"", "&cut=key"} {
		path := s.clip(35*time.Second, 39*time.Second, cut)
		got := judge(t, path)
		// Key frames are shown at 1.99 s and every two seconds on; the picture of 34.99 s is still shown at 35 s.
		if first := map[string]uint32{"": 991, "&cut=key": 960}[cut]; got.First > first || got.First+1 < first {
			t.Errorf("%+v", got)
		}
		if got.Last != 1110 || got.Missing+got.Duplicates+got.Unreadable != 0 {
			t.Errorf("%+v", got)
		}
		if st, err := os.Stat(path); err != nil || st.Size() > 3<<20 {
			t.Errorf("%d bytes for four seconds", st.Size())
		}
	}
}
