package dash

import (
	"testing"
	"time"

	format "weir/internal/format/dash"
)

// A live manifest begins with the sound, once those who play are over the joint; what lacks a kind later, or is alike, stays.
func TestPeriodsWithoutSoundAreShed(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	const d, window = 2 * time.Second, time.Minute
	for _, c := range []struct {
		name  string
		kinds [][]string // of Periods that begin each ten seconds
		edge  int
		left  int
		depth time.Duration
	}{
		{"sound began a while ago", [][]string{{"video"}, {"video", "audio"}}, 32, 1, 22 * time.Second},
		{"it has just begun", [][]string{{"video"}, {"video", "audio"}}, 21, 2, window},
		{"two without", [][]string{{"video"}, {"video"}, {"video", "audio"}}, 42, 1, 22 * time.Second},
		{"it was there before", [][]string{{"video", "audio"}, {"video"}, {"video", "audio"}}, 42, 3, window},
		{"it has ended", [][]string{{"video", "audio"}, {"video"}}, 60, 2, window},
		{"the picture began late", [][]string{{"audio"}, {"video", "audio"}}, 50, 1, 40 * time.Second},
		{"one", [][]string{{"video"}}, 90, 1, window},
	} {
		m := format.MPD{TimeShiftBufferDepth: window}
		for i, kinds := range c.kinds {
			p := format.Period{Start: at(10 * i)}
			for _, kind := range kinds {
				p.Sets = append(p.Sets, format.AdaptationSet{ContentType: kind})
			}
			m.Periods = append(m.Periods, p)
		}
		last := m.Periods[len(m.Periods)-1].Start
		shed(&m, at(c.edge), d)
		if len(m.Periods) != c.left || !m.Periods[c.left-1].Start.Equal(last) || m.TimeShiftBufferDepth != c.depth {
			t.Errorf("%s: %d Periods, %v", c.name, len(m.Periods), m.TimeShiftBufferDepth)
		}
	}
}
