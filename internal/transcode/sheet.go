package transcode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"strconv"
	"time"

	"weir/internal/fault"
	"weir/internal/format/cmaf"
	"weir/internal/media"
)

const (
	sheetTimeout = 30 * time.Second
	sheetQuality = 70
)

// Sheet is the form of a picture of many small pictures, row by row. Width and Height, of one, are even.
type Sheet struct{ Width, Height, Columns, Rows int }

// Shot is a key frame for one place of a sheet. Load brings it when it is its turn, so that only one is in memory.
type Shot struct {
	Place int
	Track *media.Track
	Load  func(ctx context.Context) (media.Frame, error)
}

// Sheet decodes key frames and joins them to one JPEG. Shots come in the order of their places; places without one, or whose
// frame cannot be had, show what the place before shows. The shape of the pictures is kept. Errors: ffmpeg_missing, no_picture.
func (e *Engine) Sheet(ctx context.Context, s Sheet, shots []Shot) ([]byte, error) {
	info, err := e.Probe(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case e.sheets <- struct{}{}:
		defer func() { <-e.sheets }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, sheetTimeout)
	defer cancel()
	b := newBoard(s)
	for len(shots) > 0 {
		// Frames of one codec configuration share a child.
		n := 1
		for n < len(shots) && shots[n].Track.SameFormat(shots[0].Track) {
			n++
		}
		if err = errors.Join(err, e.shots(ctx, info.Path, b, shots[:n])); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		shots = shots[n:]
	}
	if b.filled == 0 {
		return nil, fault.Wrap(err, fault.Unavailable, "no_picture", "No picture could be made of this stream.", "The log has FFmpeg's messages.")
	}
	e.count.sheets.Add(1)
	return b.encode()
}

// shots decodes key frames of one configuration with one child, at the lowest priority.
func (e *Engine) shots(ctx context.Context, path string, b *board, shots []Shot) error {
	header, err := cmaf.Init(*shots[0].Track)
	if err != nil {
		return err
	}
	first, err := shots[0].Load(ctx)
	for err != nil { // the film begins with a picture
		if shots = shots[1:]; len(shots) == 0 || ctx.Err() != nil {
			return err
		}
		first, err = shots[0].Load(ctx)
	}
	c, err := e.start(ctx, path, 19, sheetArguments(b.sheet)...)
	if err != nil {
		return err
	}
	fed := make(chan error, 1)
	go func() {
		err := feedShots(ctx, c.stdin, header, first, shots)
		_ = c.stdin.Close()
		fed <- err
	}()
	err = b.read(c.stdout, shots)
	_, _ = io.Copy(io.Discard, c.stdout)
	feedErr := <-fed
	return errors.Join(err, feedErr, c.wait())
}

// sheetArguments let the child give one raw picture for each second of its input: where one cannot be decoded, the one
// before again, so that pictures and places stay together.
func sheetArguments(s Sheet) []string {
	w, h := strconv.Itoa(s.Width), strconv.Itoa(s.Height)
	fit := "fps=1,scale=w='max(2,min(" + w + ",trunc(" + h + "*dar/2)*2))':h='max(2,min(" + h + ",trunc(" + w + "/dar/2)*2))':flags=area," +
		"format=yuvj420p,pad=" + w + ":" + h + ":(ow-iw)/2:(oh-ih)/2,setsar=1"
	return []string{"-threads", "1", "-filter_threads", "1", "-f", "mp4", "-i", "pipe:0", "-map", "0:v:0",
		"-vf", fit, "-r", "1", "-f", "rawvideo", "-pix_fmt", "yuvj420p", "pipe:1"}
}

// feedShots writes the frames, of which f is the first, as a film of one per second. One that cannot be had is left out.
func feedShots(ctx context.Context, w io.Writer, header []byte, f media.Frame, shots []Shot) error {
	if _, err := w.Write(header); err != nil {
		return err
	}
	var buf []byte
	var lost error
	second := int64(shots[0].Track.TimeScale)
	for i := range len(shots) + 1 { // the last one comes twice: it lasts until the next
		if i > 0 && i < len(shots) {
			next, err := shots[i].Load(ctx)
			if err != nil {
				lost = err
				continue
			}
			f = next
		}
		f.Key, f.DTS, f.PTS, f.Duration = true, int64(i)*second, int64(i)*second, second
		buf = cmaf.AppendChunk(buf[:0], &cmaf.Chunk{Sequence: uint32(i + 1), Frames: []media.Frame{f}})
		if _, err := w.Write(buf); err != nil {
			return errors.Join(lost, err)
		}
	}
	return lost
}

// board is a sheet that is being filled.
type board struct {
	sheet  Sheet
	img    *image.YCbCr
	have   []bool
	filled int
}

func newBoard(s Sheet) *board {
	b := &board{sheet: s, have: make([]bool, s.Columns*s.Rows)}
	b.img = image.NewYCbCr(image.Rect(0, 0, s.Width*s.Columns, s.Height*s.Rows), image.YCbCrSubsampleRatio420)
	for i := range b.img.Cb { // black
		b.img.Cb[i], b.img.Cr[i] = 128, 128
	}
	return b
}

// read puts the pictures that a child makes into their places.
func (b *board) read(r io.Reader, shots []Shot) error {
	in := bufio.NewReaderSize(r, 64<<10)
	raw := make([]byte, b.sheet.Width*b.sheet.Height*3/2)
	for i := range shots {
		if _, err := io.ReadFull(in, raw); err != nil {
			return err
		}
		if p := shots[i].Place; p >= 0 && p < len(b.have) {
			b.put(p, raw)
			b.have[p] = true
			b.filled++
		}
	}
	return nil
}

// put draws a raw picture (planes Y, Cb, Cr; 4:2:0).
func (b *board) put(place int, raw []byte) {
	w, h := b.sheet.Width, b.sheet.Height
	x, y := place%b.sheet.Columns*w, place/b.sheet.Columns*h
	for row := range h {
		copy(b.img.Y[(y+row)*b.img.YStride+x:], raw[row*w:][:w])
	}
	cb, cr := raw[w*h:], raw[w*h*5/4:]
	for row := range h / 2 {
		at := (y/2+row)*b.img.CStride + x/2
		copy(b.img.Cb[at:], cb[row*w/2:][:w/2])
		copy(b.img.Cr[at:], cr[row*w/2:][:w/2])
	}
}

// take reads the picture of a place back.
func (b *board) take(place int) []byte {
	w, h := b.sheet.Width, b.sheet.Height
	x, y := place%b.sheet.Columns*w, place/b.sheet.Columns*h
	raw := make([]byte, 0, w*h*3/2)
	for row := range h {
		raw = append(raw, b.img.Y[(y+row)*b.img.YStride+x:][:w]...)
	}
	for _, plane := range [][]byte{b.img.Cb, b.img.Cr} {
		for row := range h / 2 {
			raw = append(raw, plane[(y/2+row)*b.img.CStride+x/2:][:w/2]...)
		}
	}
	return raw
}

// encode fills the places between and makes the JPEG.
func (b *board) encode() ([]byte, error) {
	var last []byte
	for i, have := range b.have {
		if have {
			last = b.take(i)
		} else if last != nil {
			b.put(i, last)
		}
	}
	var out bytes.Buffer
	err := jpeg.Encode(&out, b.img, &jpeg.Options{Quality: sheetQuality})
	return out.Bytes(), err
}
