package testpattern

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/media"
)

// lumaOf spells cells out in samples with a stride of its own.
func lumaOf(c *card, n int64, m Mark, stride, height int) []byte {
	cells := c.draw(n, m, epoch)
	y := make([]byte, stride*height)
	for row := range height {
		for col := range min(stride, cells.Width*4) {
			y[row*stride+col] = cells.Y[row/4*cells.Width+col/4]
		}
	}
	return y
}

func anyMark(t *rapid.T) Mark {
	return Mark{
		Counter: rapid.Uint32().Draw(t, "counter"),
		SentMS:  rapid.Int64Range(0, 1<<timeBits-1).Draw(t, "sent"),
	}
}

func TestWhatIsDrawnIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := 2 * rapid.IntRange(160, 700).Draw(t, "width/2")
		height := 2 * rapid.IntRange(90, 400).Draw(t, "height/2")
		m := anyMark(t)
		c := newCard(width, height, rapid.IntRange(1, 120).Draw(t, "fps"))
		stride := width + rapid.IntRange(0, 64).Draw(t, "padding")
		y := lumaOf(c, rapid.Int64Range(0, 1<<40).Draw(t, "n"), m, stride, height)
		noise := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "noise")
		for i := range y {
			y[i] = uint8(max(0, min(255, int(y[i])+int(noise[i%61])/2-64)))
		}
		if got, ok := ReadLuma(y, stride, width, height); !ok || got != m {
			t.Fatalf("%+v %v, want %+v", got, ok, m)
		}
	})
}

func TestADamagedMarkIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMark(t)
		y := lumaOf(newCard(320, 180, 30), 0, m, 320, 180)
		block := rapid.IntRange(0, markBlocks-1).Draw(t, "block")
		invert := rapid.Bool().Draw(t, "invert")
		at := block/blocksInRow*blockSize*320 + block%blocksInRow*blockSize
		for row := range blockSize {
			for i := at + row*320; i < at+row*320+blockSize; i++ {
				if y[i] = 126; invert {
					y[i] = black
					if m.blocks()[block] == false {
						y[i] = white
					}
				}
			}
		}
		if got, ok := ReadLuma(y, 320, 320, 180); ok {
			t.Fatalf("block %d of %+v is damaged, read %+v", block, m, got)
		}
	})
}

func TestPicturesWithoutAMarkAreRefused(t *testing.T) {
	even := make([]byte, 320*16)
	half := make([]byte, 320*16)
	for i := range half {
		half[i] = uint8(i % 320 / 160 * 255)
	}
	for name, y := range map[string][]byte{"black": even, "two halves": half, "short": half[:100], "none": nil} {
		if m, ok := ReadLuma(y, 320, 320, 16); ok {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if _, ok := ReadLuma(half, 300, 300, 16); ok {
		t.Error("a picture too narrow has a mark")
	}
}

func TestSEIRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Mark{Counter: rapid.Uint32().Draw(t, "counter"), SentMS: rapid.Int64().Draw(t, "sent")}
		filler := rapid.IntRange(0, 3000).Draw(t, "filler")
		sample := appendFillerSEI(nil, filler)
		if d := len(sample) - filler; filler > 8 && (d < -1 || d > 1) {
			t.Fatalf("asked for %d bytes of filler, got %d", filler, len(sample))
		}
		sample = appendMarkSEI(sample, m)
		sample = append(sample, 0, 0, 0, 1, 0x65)
		if got, ok := ReadSEI(sample, media.H264); !ok || got != m {
			t.Fatalf("%+v %v, want %+v", got, ok, m)
		}
		if _, ok := ReadSEI(sample, media.AV1); ok {
			t.Fatal("found in AV1")
		}
	})
}

func TestSEIOfHEVC(t *testing.T) {
	m := Mark{Counter: 1, SentMS: epoch.UnixMilli()}
	h264 := appendMarkSEI(nil, m)
	hevc := append([]byte{0, 0, 0, 0, 39 << 1, 1}, h264[5:]...)
	binary.BigEndian.PutUint32(hevc, uint32(len(hevc)-4))
	if got, ok := ReadSEI(hevc, media.HEVC); !ok || got != m {
		t.Fatalf("%+v %v", got, ok)
	}
}

func FuzzReadSEI(f *testing.F) {
	f.Add(appendMarkSEI(appendFillerSEI(nil, 600), Mark{Counter: 1, SentMS: 2}))
	f.Add([]byte{0, 0, 0, 9, 6, 5, 255, 255, 255, 255, 255, 255, 255})
	f.Add([]byte{255, 255, 255, 255, 6, 5, 1})
	f.Fuzz(func(t *testing.T, sample []byte) {
		for _, codec := range []media.Codec{media.H264, media.HEVC, media.VP8} {
			if m, ok := ReadSEI(sample, codec); ok && codec == media.H264 {
				if again, ok := ReadSEI(appendMarkSEI(nil, m), codec); !ok || again != m {
					t.Fatalf("%+v, again %+v %v", m, again, ok)
				}
			}
		}
	})
}

func FuzzReadLuma(f *testing.F) {
	m := Mark{Counter: 77, SentMS: epoch.UnixMilli()}
	f.Add(lumaOf(newCard(320, 180, 30), 1, m, 320, 16), uint16(320), uint16(320), uint16(16))
	f.Add([]byte{1, 2, 3}, uint16(1000), uint16(320), uint16(16))
	f.Fuzz(func(t *testing.T, y []byte, stride, width, height uint16) {
		if m, ok := ReadLuma(y, int(stride), int(width), int(height)); ok && m.SentMS >= 1<<timeBits {
			t.Fatalf("%+v", m)
		}
	})
}

func TestTheLampLightsOnTheSecondOnly(t *testing.T) {
	for _, fps := range []int{1, 12, 25, 30, 60, 120} {
		c := newCard(640, 360, fps)
		for n := range int64(2 * fps) {
			y := lumaOf(c, n, Mark{}, 640, 360)
			since := time.Duration(n%int64(fps)) * time.Second / time.Duration(fps)
			if lit := lampLevel(y, 640, 360) > lampLit; lit != (since < 100*time.Millisecond) {
				t.Fatalf("%d fps, frame %d: lit %v", fps, n, lit)
			}
		}
	}
}
