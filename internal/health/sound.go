package health

import (
	"math"
	"time"

	"weir/internal/codec"
	"weir/internal/media"
)

// What the timestamps of a frame may be off from the samples before it without being a hole, and how slowly old error is
// forgotten: clocks that differ by some parts in a million, as all clocks do, must never sum up to a finding.
const (
	holeInSound = 100 * time.Millisecond
	forget      = 60 * time.Second
)

// listen looks for silence and for timestamps that do not go at the pace of the samples.
func (m *meter) listen(f *media.Frame) {
	s := &m.sound
	switch quiet := codec.Silent(m.track, f.Data); {
	case !quiet:
		s.silent = false
	case !s.silent:
		s.silent, s.since = true, f.DTS
	}
	if m.started && s.samples > 0 {
		step := f.DTS - m.last
		off := m.track.Duration(step - int64(s.samples))
		if off.Abs() < holeInSound {
			s.error += off.Seconds()
		}
		s.error *= 1 - min(m.track.Duration(step).Seconds()/forget.Seconds(), 1)
	}
	s.samples = m.samples(f.Data)
}

// samples is the length of an audio frame in ticks, 0 when it cannot be told.
func (m *meter) samples(data []byte) int {
	rate := m.track.SampleRate
	if m.track.Codec == media.Opus {
		rate = 48000
	}
	n := codec.SampleDuration(m.track, data)
	if rate <= 0 || n == 0 {
		return 0
	}
	return int(media.Rescale(int64(n), uint32(rate), m.track.TimeScale))
}

func (m *meter) silentFor() time.Duration {
	if !m.sound.silent {
		return 0
	}
	return m.track.Duration(m.last - m.sound.since)
}

// together follows how far the timestamps of audio are from those of the video that arrives with it. Both come over
// one wire in the order they were made, so what the network does to them cancels out.
type together struct {
	audio, video time.Duration // newest DTS
	sum          time.Duration // since the last tick
	count        int
	ticks        int
	base         float64 // ms, of the beginning
	recent       [3]float64
	offset       float64
	known        bool
}

func (o *together) observe(kind media.Kind, dts time.Duration) {
	if kind == media.Audio {
		o.audio = dts
	} else {
		o.video = dts
	}
	if o.audio != 0 && o.video != 0 {
		o.sum += o.audio - o.video
		o.count++
	}
}

// tick closes a second. The first one is left out: encoders begin with what they had piled up.
func (o *together) tick() {
	if o.count == 0 {
		return
	}
	ms := float64(o.sum.Microseconds()) / 1000 / float64(o.count)
	o.sum, o.count = 0, 0
	o.recent[o.ticks%len(o.recent)] = ms
	o.ticks++
	switch {
	case o.ticks <= 1:
	case o.ticks <= 4:
		o.base += ms / 3
	default:
		o.known = true
	}
	o.offset = ms
}

// drift is how far audio and video have moved apart since the beginning, ms; a single odd second does not count.
func (o *together) drift() float64 {
	if !o.known {
		return 0
	}
	a, b, c := o.recent[0]-o.base, o.recent[1]-o.base, o.recent[2]-o.base
	return max(min(a, b), min(max(a, b), c)) // the median
}

// drift is the larger of what arrival and what the samples say, ms.
func (j *Judge) drift() float64 {
	d := j.together.drift()
	if a := j.audio(); a != nil {
		if e := a.sound.error * 1000; math.Abs(e) > math.Abs(d) {
			d = e
		}
	}
	return d
}
