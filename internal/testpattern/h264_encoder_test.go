package testpattern

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// planes spells the encoder's own reconstruction out in samples, cropped.
func planes(c *cells, width, height int) []byte {
	var out []byte
	for y := range height {
		for x := range width {
			out = append(out, c.Y[y/4*c.Width+x/4])
		}
	}
	for _, p := range [][]uint8{c.Cb, c.Cr} {
		for y := range height / 2 {
			for x := range width / 2 {
				out = append(out, p[y/4*c.Width/2+x/4])
			}
		}
	}
	return out
}

// scramble fills a share of the cells with noise of a given strength, so that every length of block and size of level occurs.
func scramble(r *rand.Rand, p []uint8, share float64, strength int) {
	for i := range p {
		if r.Float64() < share {
			p[i] = clip(int32(p[i]) + int32(r.IntN(2*strength+1)-strength))
		}
	}
}

func TestFFmpegDecodesWhatWeReconstruct(t *testing.T) {
	for _, c := range []h264Config{
		{Width: 320, Height: 192, FPS: 30}, {Width: 640, Height: 360, FPS: 25},
		{Width: 330, Height: 182, FPS: 1}, {Width: 1280, Height: 720, FPS: 60},
	} {
		t.Run(fmt.Sprintf("%dx%d", c.Width, c.Height), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(c.Width)))
			e, img := newH264Encoder(c), newCells(c.Width, c.Height)
			stream, want := annexB(nil, c.sps(), c.pps()), []byte(nil)
			for i := range 48 {
				share, strength := []float64{0.005, 0.05, 0.3, 1}[i%4], []int{1, 4, 30, 255}[i/4%4]
				for _, p := range [][]uint8{img.Y, img.Cb, img.Cr} {
					scramble(r, p, share, strength)
				}
				stream = annexB(stream, e.appendSlice(nil, img, i == 0 || i == 1 || i == 30))
				want = append(want, planes(e.recon, c.Width, c.Height)...)
				near(t, img.Y, e.recon.Y)
				near(t, img.Cb, e.recon.Cb)
				near(t, img.Cr, e.recon.Cr)
			}
			got := ffmpeg(t, stream, "-f", "h264", "-i", "-", "-fps_mode", "passthrough",
				"-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
			if !bytes.Equal(got, want) {
				t.Fatalf("the decoded pictures differ from the encoder's own (%d bytes, want %d)", len(got), len(want))
			}
		})
	}
}

// near fails when a cell came out more than one level from what was drawn.
func near(t *testing.T, drawn, got []uint8) {
	t.Helper()
	for i := range drawn {
		if d := int(drawn[i]) - int(got[i]); d < -1 || d > 1 {
			t.Fatalf("cell %d: drawn %d, decoded %d", i, drawn[i], got[i])
		}
	}
}

func TestH264Level(t *testing.T) {
	for _, c := range []struct {
		config h264Config
		want   byte
	}{
		{h264Config{Width: 1280, Height: 720, FPS: 30}, 31},
		{h264Config{Width: 1280, Height: 720, FPS: 60}, 32},
		{h264Config{Width: 1920, Height: 1080, FPS: 30}, 40},
		{h264Config{Width: 640, Height: 360, FPS: 30, Bitrate: 12e6}, 31},
		{h264Config{Width: 3840, Height: 2160, FPS: 60}, 52},
	} {
		if got := c.config.sps()[3]; got != c.want {
			t.Errorf("%+v: level %d, want %d", c.config, got, c.want)
		}
	}
}

func TestEmulationPrevention(t *testing.T) {
	got := appendNAL(nil, 6, []byte{0, 0, 0, 0, 0, 3, 0, 0, 4, 0, 0, 1})
	want := []byte{6, 0, 0, 3, 0, 0, 3, 0, 3, 0, 0, 4, 0, 0, 3, 1}
	if !bytes.Equal(got, want) {
		t.Fatalf("% x, want % x", got, want)
	}
}
