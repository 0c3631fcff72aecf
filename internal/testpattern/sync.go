package testpattern

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"time"

	"weir/internal/fault"
)

// Sync is how sound and picture stand to each other.
type Sync struct {
	Pairs  int           // flashes with a beep
	Offset time.Duration // the median of beep minus flash: positive when the sound is late
	Worst  time.Duration // the one farthest from zero
}

// JudgeSync pairs each flash with the nearest beep. Both are times from a common start; it fails if nothing pairs.
func JudgeSync(flashes, beeps []time.Duration) (Sync, error) {
	var offsets []time.Duration
	for _, f := range flashes {
		nearest := time.Second / 2 // farther off, it belongs to another second
		for _, b := range beeps {
			if (b - f).Abs() < nearest.Abs() {
				nearest = b - f
			}
		}
		if nearest != time.Second/2 {
			offsets = append(offsets, nearest)
		}
	}
	if len(offsets) == 0 {
		return Sync{}, fault.New(fault.Invalid, "sync_unseen", "No flash came with a beep within half a second.",
			"Let at least two seconds of the test pattern with sound be judged.")
	}
	slices.Sort(offsets)
	s := Sync{Pairs: len(offsets), Offset: offsets[len(offsets)/2], Worst: offsets[0]}
	if last := offsets[len(offsets)-1]; last.Abs() > s.Worst.Abs() {
		s.Worst = last
	}
	return s, nil
}

// lampLit is the mean luma of the lamp above which it is lit: dark it has about 40, lit 235.
const lampLit = 140

// Flashes reads luma planes as JudgeVideo does, at a constant frame rate, and returns when the lamp went from dark to lit. A lamp
// that is lit in the first picture does not count: it may have been so for longer.
func Flashes(r io.Reader, width, height int, fps float64) ([]time.Duration, error) {
	var times []time.Duration
	n, dark := 0, false
	err := eachPlane(r, width, height, func(y []byte) {
		lit := lampLevel(y, width, height) > lampLit
		if lit && dark {
			times = append(times, seconds(float64(n)/fps))
		}
		dark = !lit
		n++
	})
	return times, err
}

// lampLevel is the mean luma of the lamp in a picture of the card's own size.
func lampLevel(y []byte, width, height int) int {
	left, top, w, h := newLayout(width, height).lamp()
	sum := 0
	for row := top * 4; row < (top+h)*4; row++ {
		for _, v := range y[row*width+left*4 : row*width+(left+w)*4] {
			sum += int(v)
		}
	}
	return sum / (w * h * 16)
}

const (
	beepHertz  = 1000
	beepOnset  = 0.3 * 0.25             // of full scale: where a beep of the source begins to count
	beepQuiet  = 200 * time.Millisecond // that must go before
	beepSample = 40 * time.Millisecond  // that are looked at to tell the tone from a noise
	beepTone   = 0.5                    // share of their energy that must be the tone
)

// Beeps reads signed 16-bit little-endian samples, as `ffmpeg -f s16le` writes them, and returns when beeps of the source began.
// One that begins within 200 ms of the start does not count: the quiet before it was not heard.
func Beeps(r io.Reader, rate, channels int) ([]time.Duration, error) {
	ear := beepEar{rate: float64(rate)}
	in := bufio.NewReaderSize(r, 1<<16)
	sample := make([]byte, 2*channels)
	for {
		switch _, err := io.ReadFull(in, sample); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return ear.times, nil
		case err != nil:
			return ear.times, err
		}
		ear.hear(float64(int16(binary.LittleEndian.Uint16(sample))) / 32768)
	}
}

// beepEar listens to one channel, sample by sample.
type beepEar struct {
	rate         float64
	n            int // samples heard
	quiet        int // of them below the onset, at the end
	onset        int // where the sound at hand began
	listening    bool
	re, im, loud float64 // its part at the beep's frequency, and all of it
	times        []time.Duration
}

func (e *beepEar) hear(v float64) {
	if math.Abs(v) >= beepOnset {
		if !e.listening && float64(e.quiet) >= e.rate*beepQuiet.Seconds() {
			e.listening, e.onset = true, e.n
			e.re, e.im, e.loud = 0, 0, 0
		}
		e.quiet = 0
	} else {
		e.quiet++
	}
	if e.listening {
		e.weigh(v)
	}
	e.n++
}

// weigh adds a sample to the correlation with the tone, and decides when there are enough of them.
func (e *beepEar) weigh(v float64) {
	sin, cos := math.Sincos(2 * math.Pi * beepHertz * float64(e.n-e.onset) / e.rate)
	e.re, e.im, e.loud = e.re+v*cos, e.im+v*sin, e.loud+v*v
	count := float64(e.n - e.onset + 1)
	if count < e.rate*beepSample.Seconds() {
		return
	}
	e.listening = false
	if tone := 2 * (e.re*e.re + e.im*e.im) / count; tone > beepTone*e.loud {
		e.times = append(e.times, seconds(float64(e.onset)/e.rate))
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
