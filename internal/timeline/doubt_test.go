package timeline

import (
	"testing"
	"time"
)

// A clock that leaps is believed after as long as it leapt, at most a day, and at once when it comes back.
func TestDoubt(t *testing.T) {
	const year = 365 * 24 * time.Hour
	begin := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	type step struct{ up, wall, by time.Duration } // wall from begin on
	for name, steps := range map[string][]step{
		"as it should go":           {{0, 0, 0}, {10 * time.Hour, 10 * time.Hour, 0}},
		"corrected":                 {{0, 30 * time.Minute, 0}, {time.Minute, 0, 0}},
		"a time zone":               {{0, 8 * time.Hour, 8 * time.Hour}, {7 * time.Hour, 15 * time.Hour, 8 * time.Hour}, {8 * time.Hour, 16 * time.Hour, 0}},
		"set right":                 {{0, year, year}, {time.Hour, time.Hour, 0}, {2 * time.Hour, 2 * time.Hour, 0}},
		"set wrong while it runs":   {{time.Hour, time.Hour, 0}, {2 * time.Hour, year, year - 2*time.Hour}},
		"a year that was no error":  {{0, year, year}, {24*time.Hour - 1, year + 24*time.Hour - 1, year}, {24 * time.Hour, year + 24*time.Hour, 0}},
		"behind, then set right":    {{0, -year, 0}, {time.Minute, time.Minute, year}, {25 * time.Hour, 25 * time.Hour, 0}},
		"further and further ahead": {{0, 2 * time.Hour, 2 * time.Hour}, {time.Minute, 5 * time.Hour, 5*time.Hour - time.Minute}},
	} {
		d := doubt{wall: begin}
		for i, s := range steps {
			if by, _ := d.look(begin.Add(s.wall), s.up); by != s.by {
				t.Errorf("%s, step %d: put back by %v, want %v", name, i, by, s.by)
			}
		}
	}
}

// Footage does not go because the clock was wrong when the server started: it stays until the clock is believed.
func TestClockThatLeaptDeletesNothing(t *testing.T) {
	dir := t.TempDir()
	st := openDir(t, dir, Config{})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.segments(20)
	f.tl.EndRun()
	st.Close()
	f.store = openDir(t, dir, Config{Keep: func(string) Keep { return Keep{For: 72 * time.Hour} }})
	v := f.store.volume()
	newest, err := v.newest(t.Context())
	if err != nil || newest.IsZero() {
		t.Fatal(newest, err)
	}
	began := newest.Add(1000 * time.Hour)
	var clock doubt
	for _, c := range []struct {
		up   time.Duration
		left int // of picture and sound
	}{{time.Minute, 40}, {23 * time.Hour, 40}, {25 * time.Hour, 0}} {
		now := began.Add(c.up)
		by, err := v.disbelief(t.Context(), &clock, began, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.retain(t.Context(), now, now.Add(-by)); err != nil {
			t.Fatal(err)
		}
		if found, _ := f.checkPast(Range{}); found != c.left {
			t.Errorf("up for %v: %d segments are left, want %d", c.up, found, c.left)
		}
	}
}
