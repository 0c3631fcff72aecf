package transcode

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"log/slog"
	"testing"

	"weir/internal/fault"
	"weir/internal/media"
)

// plainKey encodes one picture of a colour.
func plainKey(t testing.TB, colour, size string, more ...string) (media.Track, media.Frame) {
	t.Helper()
	args := append([]string{"-f", "lavfi", "-i", "color=c=" + colour + ":s=" + size + ":r=25:d=0.04"}, more...)
	track, frames := made(t, append(args, "-c:v", "libx264", "-pix_fmt", "yuv420p")...)
	return track, frames[0]
}

func load(f media.Frame) func(context.Context) (media.Frame, error) {
	return func(context.Context) (media.Frame, error) { return f, nil }
}

// Every picture is in its place and keeps its shape; places that have none show the one before.
func TestSheet(t *testing.T) {
	wide, red := plainKey(t, "red", "640x360")
	_, green := plainKey(t, "lime", "640x360")
	tall, blue := plainKey(t, "blue", "180x320")
	square, white := plainKey(t, "white", "360x360", "-vf", "setsar=16/9") // shown as 16:9
	e := New(Config{}, slog.New(slog.DiscardHandler))
	lost := func(context.Context) (media.Frame, error) { return media.Frame{}, errors.New("lost") }
	broken := green
	broken.Data = bytes.Repeat([]byte{0, 0, 0, 1, 0xff}, 20)
	out, err := e.Sheet(context.Background(), Sheet{Width: 160, Height: 90, Columns: 4, Rows: 3}, []Shot{
		{Place: 0, Track: &wide, Load: lost},
		{Place: 1, Track: &wide, Load: load(red)},
		{Place: 2, Track: &wide, Load: load(broken)},
		{Place: 3, Track: &wide, Load: lost},
		{Place: 4, Track: &wide, Load: load(green)},
		{Place: 6, Track: &tall, Load: load(blue)},
		{Place: 7, Track: &square, Load: load(white)},
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(out))
	if err != nil || img.Bounds().Dx() != 640 || img.Bounds().Dy() != 270 {
		t.Fatalf("%v %v", img.Bounds(), err)
	}
	black, redC, greenC, blueC, whiteC := [3]int{0, 0, 0}, [3]int{255, 0, 0}, [3]int{0, 255, 0}, [3]int{0, 0, 255}, [3]int{255, 255, 255}
	for _, c := range []struct {
		place, x, y int // within the picture
		want        [3]int
	}{
		{0, 80, 45, black}, {1, 4, 4, redC}, {1, 155, 85, redC}, {2, 80, 45, redC}, {3, 80, 45, redC}, {4, 80, 45, greenC}, {5, 80, 45, greenC},
		{6, 80, 45, blueC}, {6, 10, 45, black}, {6, 150, 45, black}, {7, 5, 5, whiteC}, {7, 155, 85, whiteC}, {8, 80, 45, whiteC}, {11, 80, 45, whiteC},
	} {
		r, g, b, _ := img.At(c.place%4*160+c.x, c.place/4*90+c.y).RGBA()
		got := [3]int{int(r >> 8), int(g >> 8), int(b >> 8)}
		for i := range got {
			if d := got[i] - c.want[i]; d < -40 || d > 40 {
				t.Errorf("place %d at %d,%d: %v, want %v", c.place, c.x, c.y, got, c.want)
				break
			}
		}
	}
}

func TestSheetFaults(t *testing.T) {
	wide, red := plainKey(t, "red", "64x36")
	red.Data = []byte{0, 0, 0, 1, 0xff}
	shots := []Shot{{Track: &wide, Load: load(red)}}
	s := Sheet{Width: 16, Height: 16, Columns: 1, Rows: 1}
	if _, err := New(Config{}, slog.New(slog.DiscardHandler)).Sheet(context.Background(), s, shots); fault.Code(err) != "no_picture" {
		t.Error(err)
	}
	if _, err := New(Config{FFmpeg: "/nonexistent"}, slog.New(slog.DiscardHandler)).Sheet(context.Background(), s, shots); fault.Code(err) != "ffmpeg_missing" {
		t.Error(err)
	}
}
