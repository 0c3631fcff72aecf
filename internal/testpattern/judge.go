package testpattern

import (
	"errors"
	"io"
	"slices"
	"time"
)

// Report is what a stretch of received frames amounts to.
type Report struct {
	Frames     int // pictures received, readable or not
	Unreadable int // without a mark that can be read
	Missing    int // counters between the lowest and the highest seen that never came
	Duplicates int // frames whose counter had come before
	OutOfOrder int // frames with a lower counter than the one before

	First, Last uint32 // the lowest and the highest counter

	LatencyP50, LatencyP95, LatencyP99, LatencyMax time.Duration // from the making of a frame to its arrival
	LongestGap                                     time.Duration // between the arrivals of two frames with different counters
}

// Tally collects marks as they arrive. Its memory grows by 12 bytes for each.
type Tally struct {
	unreadable int
	disorder   int
	counters   []uint32
	latencies  []time.Duration
	gap        time.Duration
	changed    time.Time // when the last new counter came
}

// Add counts a frame that arrived at a time, by whatever reader its mark was found.
func (t *Tally) Add(m Mark, arrived time.Time) {
	n := len(t.counters)
	switch {
	case n == 0:
		t.changed = arrived
	case m.Counter < t.counters[n-1]:
		t.disorder++
		fallthrough
	case m.Counter != t.counters[n-1]:
		t.gap = max(t.gap, arrived.Sub(t.changed))
		t.changed = arrived
	}
	t.counters = append(t.counters, m.Counter)
	t.latencies = append(t.latencies, arrived.Sub(time.UnixMilli(m.SentMS)))
}

// AddUnreadable counts a frame whose mark could not be read.
func (t *Tally) AddUnreadable() { t.unreadable++ }

// Report sums up what was added so far.
func (t *Tally) Report() Report {
	r := Report{
		Frames: len(t.counters) + t.unreadable, Unreadable: t.unreadable,
		OutOfOrder: t.disorder, LongestGap: t.gap,
	}
	if len(t.counters) == 0 {
		return r
	}
	counters := slices.Clone(t.counters)
	slices.Sort(counters)
	r.First, r.Last = counters[0], counters[len(counters)-1]
	distinct := len(slices.Compact(counters))
	r.Duplicates = len(t.counters) - distinct
	r.Missing = int(r.Last-r.First) + 1 - distinct
	latencies := slices.Clone(t.latencies)
	slices.Sort(latencies)
	r.LatencyP50 = percentile(latencies, 50)
	r.LatencyP95 = percentile(latencies, 95)
	r.LatencyP99 = percentile(latencies, 99)
	r.LatencyMax = percentile(latencies, 100)
	return r
}

// percentile is the smallest of the sorted values that p per cent of them do not exceed; there is at least one.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// JudgeVideo reads 8-bit luma planes without padding, as `ffmpeg -f rawvideo -pix_fmt gray` writes them, until r ends,
// and asks arrived for the time at which each one was complete. A plane cut off at the end is not counted.
func JudgeVideo(r io.Reader, width, height int, arrived func() time.Time) (Report, error) {
	var tally Tally
	err := eachPlane(r, width, height, func(y []byte) {
		at := arrived()
		if m, ok := ReadLuma(y, width, width, height); ok {
			tally.Add(m, at)
		} else {
			tally.AddUnreadable()
		}
	})
	return tally.Report(), err
}

// eachPlane calls see with each whole plane of r, in memory that it uses again.
func eachPlane(r io.Reader, width, height int, see func(y []byte)) error {
	y := make([]byte, width*height)
	for {
		switch _, err := io.ReadFull(r, y); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
		see(y)
	}
}
