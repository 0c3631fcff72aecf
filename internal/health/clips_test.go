package health

import (
	"bytes"
	"context"
	"math"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/outside"
)

// clip is a real encode, its frames in the order in which an encoder sends them.
type clip struct {
	tracks []media.Track
	frames []media.Frame
}

// moving is a picture of which every part moves, so that rate control has something to do.
const moving = "testsrc2=s=320x180:r=%FPS%"

// recipe is a clip to be made.
type recipe struct {
	video, audio string // lavfi sources; "" = none
	fps, seconds string // default 30 and 14
	vcodec       string // default x264 at 600 kbit/s, GOP 2 s, no scene cuts, no B-frames
	acodec       string // default AAC
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

const x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p "

func (r recipe) make(t *testing.T) *clip {
	t.Helper()
	ffmpeg := outside.Need(t, "ffmpeg")
	var args []string
	if r.video != "" {
		args = append(args, "-f", "lavfi", "-i", strings.ReplaceAll(r.video, "%FPS%", or(r.fps, "30")))
	}
	if r.audio != "" {
		args = append(args, "-f", "lavfi", "-i", r.audio)
	}
	args = append(args, "-t", or(r.seconds, "14"))
	if r.video != "" {
		args = append(args, strings.Fields(or(r.vcodec, x264+"-b:v 600k -maxrate 600k -bufsize 600k -g 60 -sc_threshold 0"))...)
	}
	if r.audio != "" {
		args = append(args, strings.Fields(or(r.acodec, "-c:a aac -b:a 96k"))...)
	}
	args = append(args, "-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "500000", "pipe:1")
	return load(t, run(t, nil, ffmpeg, append([]string{"-v", "error", "-nostdin"}, args...)...))
}

func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, errs.String())
	}
	return out
}

func load(t *testing.T, mp4 []byte) *clip {
	t.Helper()
	h, err := cmaf.ParseInit(mp4)
	if err != nil {
		t.Fatal(err)
	}
	c := &clip{tracks: h.Tracks}
	if c.frames, err = h.Frames(nil, mp4); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(c.frames, func(a, b media.Frame) int { return int(c.at(&a) - c.at(&b)) })
	if len(c.frames) < 100 {
		t.Fatalf("the clip has only %d frames", len(c.frames))
	}
	return c
}

// at is the decode time of a frame on the clip's clock.
func (c *clip) at(f *media.Frame) int64 {
	return int64(media.ToDuration(f.DTS, media.Find(c.tracks, f.Track).TimeScale))
}

func (c *clip) first(kind media.Kind) *media.Track { return media.First(c.tracks, kind) }

// shift moves the timestamps of one kind of track by a time that depends on where they are.
func (c *clip) shift(kind media.Kind, by func(seconds float64) float64) *clip {
	t := c.first(kind)
	for i := range c.frames {
		if f := &c.frames[i]; f.Track == t.ID {
			d := int64(by(float64(f.DTS)/float64(t.TimeScale)) * float64(t.TimeScale))
			f.DTS, f.PTS = f.DTS+d, f.PTS+d
		}
	}
	return c
}

// measure is a Look by FFmpeg: it decodes the key frame to grey pixels.
func measure(t *testing.T) func(context.Context, *media.Track, media.Frame) (Picture, error) {
	ffmpeg := outside.Need(t, "ffmpeg")
	return func(_ context.Context, track *media.Track, key media.Frame) (Picture, error) {
		in, err := cmaf.Init(*track)
		if err != nil {
			return Picture{}, err
		}
		key.DTS, key.PTS, key.Duration = 0, 0, int64(track.TimeScale)
		in = cmaf.AppendChunk(in, &cmaf.Chunk{Frames: []media.Frame{key}})
		grey := run(t, in, ffmpeg, "-v", "error", "-f", "mp4", "-i", "pipe:0", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1")
		var sum, squares float64
		for _, p := range grey {
			sum += float64(p)
			squares += float64(p) * float64(p)
		}
		n := float64(len(grey))
		return Picture{Luma: sum / n, Spread: math.Sqrt(squares/n - sum/n*sum/n)}, nil
	}
}
