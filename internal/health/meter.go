package health

import (
	"time"

	"weir/internal/codec"
	"weir/internal/media"
)

const (
	buckets  = 32 // seconds of media that are remembered
	gops     = 8
	maxGap   = 500 * time.Millisecond // a longer step leaves a hole that people see
	newStart = 5 * time.Second        // a longer one is another beginning
	ctsNoise = 5 * time.Millisecond   // composition offsets are rounded to whole ms by FLV
	probesB  = 8                      // frames of a group that are looked into for B slices
)

// meter measures one track. Rates are measured over media time, which network jitter does not disturb.
type meter struct {
	track    *media.Track
	kind     media.Kind
	mayB     bool // the configuration allows reordering
	noConfig bool // H.264 or HEVC without parameter sets
	started  bool

	last    int64 // DTS
	frames  uint64
	gaps    int
	holes   time.Duration // since the last tick
	arrived time.Time

	ring  [buckets]bucket
	gop   group
	sound sound
}

// bucket is one second of media time.
type bucket struct {
	second        int64
	first         int64 // DTS
	frames        uint32
	bytes, inters uint32 // inters: without key frames
}

// group is what is known of the distances of key frames.
type group struct {
	key        int64 // DTS of the last key frame
	begun      bool
	spans      [gops]float32 // seconds
	count      int
	cts        [2]int64 // least and most in this group
	probed     int
	sawB       bool
	lastB      int64
	hadB       bool
	unusable   uint64 // key frames that no decoder can begin with
	unusableAt int64
}

// sound follows silence and the clock of the samples.
type sound struct {
	silent  bool
	since   int64   // DTS where the silence began
	error   float64 // seconds by which timestamps run ahead of the samples, lately
	samples int     // of the frame before, in ticks
}

func newMeter(t *media.Track) *meter {
	m := &meter{kind: t.Kind}
	m.retrack(t)
	return m
}

// retrack takes up a track whose description is new.
func (m *meter) retrack(t *media.Track) {
	same := m.track != nil && m.track.SameFormat(t)
	m.track = t
	if same {
		return
	}
	m.cut()
	m.mayB = t.Codec == media.H264 && codec.Reorder(t) != 0
	m.noConfig = (t.Codec == media.H264 || t.Codec == media.HEVC) && len(codec.ParameterSets(t)) == 0
}

// cut forgets what spans the border of two runs.
func (m *meter) cut() {
	m.started, m.gop.begun, m.gop.count = false, false, 0
	m.sound = sound{}
	m.ring = [buckets]bucket{}
}

func (m *meter) observe(f *media.Frame, arrival time.Time) {
	if m.started {
		step := m.track.Duration(f.DTS - m.last)
		switch {
		case step > newStart || step < -newStart:
			m.cut()
		case step > maxGap && !(m.kind == media.Video && step < 2*m.usual()):
			m.gaps++
			m.holes += step
		}
	}
	m.count(f)
	if m.kind == media.Video {
		m.picture(f)
	} else if m.kind == media.Audio {
		m.listen(f)
	}
	m.last, m.arrived, m.started = f.DTS, arrival, true
	m.frames++
}

// usual is the distance of frames of late, for streams that are slow on purpose.
func (m *meter) usual() time.Duration {
	if fps := m.fps(); fps > 0 {
		return time.Duration(float64(time.Second) / fps)
	}
	return newStart
}

func (m *meter) count(f *media.Frame) {
	second := f.DTS / int64(m.track.TimeScale)
	b := &m.ring[uint64(second)%buckets]
	if b.second != second || b.frames == 0 {
		*b = bucket{second: second, first: f.DTS}
	}
	b.frames++
	b.bytes += uint32(len(f.Data))
	if !f.Key {
		b.inters += uint32(len(f.Data))
	}
}

func (m *meter) picture(f *media.Frame) {
	g := &m.gop
	if f.Key {
		if g.begun {
			g.spans[g.count%gops] = float32(m.track.Duration(f.DTS - g.key).Seconds())
			g.count++
		}
		g.begun, g.key, g.probed, g.sawB = true, f.DTS, 0, false
		g.cts = [2]int64{f.CTS(), f.CTS()}
		if m.noConfig {
			m.unusable(f)
		}
		return
	}
	if g.sawB {
		return
	}
	g.cts[0], g.cts[1] = min(g.cts[0], f.CTS()), max(g.cts[1], f.CTS())
	g.sawB = m.track.Duration(g.cts[1]-g.cts[0]) > ctsNoise
	if !g.sawB && m.mayB && g.probed < probesB {
		g.probed++
		g.sawB = codec.IsB(m.track.Codec, f.Data)
	}
	if g.sawB {
		g.hadB, g.lastB = true, f.DTS
	}
}

func (m *meter) unusable(f *media.Frame) {
	if codec.HasParameterSets(m.track.Codec, f.Data) {
		m.noConfig = false // from here on decoders have what they need
		return
	}
	m.gop.unusable++
	m.gop.unusableAt = f.DTS
}

// span gives the sums over the last n full seconds, and their length.
func (m *meter) span(n int64) (frames, bytes uint64, length time.Duration) {
	if !m.started {
		return 0, 0, 0
	}
	now := m.last / int64(m.track.TimeScale)
	end := m.ring[uint64(now)%buckets].first
	begin := end
	for s := now - n; s < now; s++ {
		b := &m.ring[uint64(s)%buckets]
		if b.second != s || b.frames == 0 {
			continue
		}
		begin = min(begin, b.first)
		frames += uint64(b.frames)
		bytes += uint64(b.bytes)
	}
	return frames, bytes, m.track.Duration(end - begin)
}

func (m *meter) fps() float64 {
	frames, _, length := m.span(5)
	return per(frames, length)
}

func (m *meter) bps(seconds int64) int {
	_, bytes, length := m.span(seconds)
	return int(8 * per(bytes, length))
}

func per(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// open is the time since the last key frame.
func (m *meter) open() time.Duration {
	if !m.gop.begun {
		return 0
	}
	return m.track.Duration(m.last - m.gop.key)
}

// spans returns up to n of the last distances of key frames, the newest first, in seconds.
func (m *meter) spans(n int, dst []float32) []float32 {
	for i := range min(n, m.gop.count, gops) {
		dst = append(dst, m.gop.spans[(m.gop.count-1-i)%gops])
	}
	return dst
}

func (m *meter) bFrames() bool {
	return m.gop.hadB && m.track.Duration(m.last-m.gop.lastB) < 10*time.Second
}

func (m *meter) figures() TrackFigures {
	f := TrackFigures{
		ID: m.track.ID, FPS: round(m.fps(), 2), BitrateBPS: m.bps(10), NowBPS: m.bps(1),
		BFrames: m.bFrames(), Gaps: m.gaps, Frames: m.frames,
	}
	var room [5]float32
	for i, s := range m.spans(5, room[:0]) {
		if i == 0 {
			f.GOPSeconds = round(float64(s), 3)
		}
		f.MaxGOPSeconds = max(f.MaxGOPSeconds, round(float64(s), 3))
	}
	return f
}
