package hub

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/media"
)

const day = 20000 * 24 * time.Hour

func TestClockCases(t *testing.T) {
	ms := func(v int64) int64 { return v * 90 }
	for _, c := range []struct {
		name  string
		raw   []int64         // ms
		wall  []time.Duration // since start; nil = follows raw
		want  []int64         // ms since start
		jumps int
	}{
		{name: "steady", raw: []int64{5000, 5033, 5066}, want: []int64{0, 33, 66}},
		{name: "jitter back is nudged", raw: []int64{0, 40, 30, 80}, want: []int64{0, 40, 40, 80}},
		{name: "jump back continues", raw: []int64{90000, 90040, 90080, 0, 40}, wall: []time.Duration{0, 40e6, 80e6, 120e6, 160e6}, want: []int64{0, 40, 80, 120, 160}, jumps: 1},
		{name: "jump forward continues", raw: []int64{0, 40, 3600000, 3600040}, wall: []time.Duration{0, 40e6, 80e6, 120e6}, want: []int64{0, 40, 80, 120}, jumps: 1},
		{name: "lag that stays is set right", raw: []int64{0, 40, 80, 120, 2000}, wall: []time.Duration{0, 40e6, 6e9, 61e8, 83e8}, want: []int64{0, 40, 80, 120, 7920}, jumps: 1},
		{name: "long lag is set right at once", raw: []int64{0, 40, 80}, wall: []time.Duration{0, 40e6, 11e9}, want: []int64{0, 40, 11000}, jumps: 1},
		{name: "what the network held back comes in a burst", raw: []int64{0, 40, 80, 4000, 6960}, wall: []time.Duration{0, 40e6, 7e9, 7e9, 7e9}, want: []int64{0, 40, 80, 4000, 6960}},
		{name: "a long silence is no jump", raw: []int64{0, 40, 30000}, wall: []time.Duration{0, 40e6, 30e9}, want: []int64{0, 40, 30000}},
		{name: "33 bits wrap", raw: []int64{95443677, 95443717, 40}, wall: []time.Duration{0, 40e6, 80e6}, want: []int64{0, 40, 81}},
		{name: "32 bits of milliseconds wrap", raw: []int64{1<<32 - 60, 1<<32 - 20, 20}, wall: []time.Duration{0, 40e6, 80e6}, want: []int64{0, 40, 80}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clk := newClock(0)
			jumps := 0
			for i, raw := range c.raw {
				wall := day + time.Duration(c.want[i])*time.Millisecond
				if c.wall != nil {
					wall = day + c.wall[i]
				}
				f := media.Frame{DTS: ms(raw), PTS: ms(raw) + ms(80)}
				v := clk.mapFrame(&f, 90000, wall)
				if v.reason != "" {
					jumps++
				}
				got := (media.ToDuration(f.DTS, 90000) - day).Round(time.Millisecond).Milliseconds()
				if got != c.want[i] {
					t.Errorf("frame %d at %d ms, want %d", i, got, c.want[i])
				}
				if f.CTS() != ms(80) {
					t.Errorf("frame %d: composition offset %d", i, f.CTS())
				}
			}
			if jumps != c.jumps {
				t.Errorf("%d jumps, want %d", jumps, c.jumps)
			}
		})
	}
}

func TestTracksStayInSyncOverAJump(t *testing.T) {
	clk := newClock(0)
	at := func(track media.TrackID, scale uint32, raw, wall time.Duration) time.Duration {
		f := media.Frame{Track: track, DTS: media.FromDuration(raw, scale)}
		clk.mapFrame(&f, scale, day+wall)
		return media.ToDuration(f.DTS, scale)
	}
	for i := range time.Duration(50) {
		wall := i * 40 * time.Millisecond
		raw := wall
		if i >= 25 {
			raw += time.Hour
		}
		v, a := at(0, 90000, raw, wall), at(1, 48000, raw+10*time.Millisecond, wall)
		if d := (a - v - 10*time.Millisecond).Abs(); d > time.Millisecond {
			t.Fatalf("frame %d: audio is %v off", i, d)
		}
	}
}

// Whatever a publisher's timestamps are, what comes out is strictly monotonic per track and near the wall clock.
func TestClockNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := newClock(day)
		last := map[media.TrackID]int64{}
		wall := day
		for range rapid.IntRange(2, 60).Draw(t, "frames") {
			wall += time.Duration(rapid.IntRange(0, 200).Draw(t, "step")) * time.Millisecond
			id := media.TrackID(rapid.IntRange(0, 2).Draw(t, "track"))
			dts := rapid.OneOf(rapid.Int64Range(0, 1<<20), rapid.Int64Range(-1<<40, 1<<40)).Draw(t, "dts")
			f := media.Frame{Track: id, DTS: dts, PTS: dts + rapid.Int64Range(-1<<40, 1<<40).Draw(t, "cts")}
			clk.mapFrame(&f, 90000, wall)
			if prev, ok := last[id]; ok && f.DTS <= prev {
				t.Fatalf("track %d: %d after %d", id, f.DTS, prev)
			}
			last[id] = f.DTS
			if behind := wall - media.ToDuration(f.DTS, 90000); behind > maxStep {
				t.Fatalf("%v behind the wall clock", behind)
			}
			if cts := media.ToDuration(f.CTS(), 90000).Abs(); cts > maxCTS {
				t.Fatalf("composition offset %v", cts)
			}
		}
	})
}

// Whatever comes first, a publication begins behind the end of the one before it.
func TestNothingLiesBeforeTheEndOfTheLastPublication(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floor := day + time.Duration(rapid.Int64Range(-2e9, 2e9).Draw(t, "floor"))
		clk := newClock(floor)
		scales := []uint32{90000, 48000, 1000}
		wall := day
		for range rapid.IntRange(1, 60).Draw(t, "frames") {
			wall += time.Duration(rapid.IntRange(0, 100).Draw(t, "step")) * time.Millisecond
			id := rapid.IntRange(0, 2).Draw(t, "track")
			sent := wall - day + time.Duration(rapid.IntRange(-300, 300).Draw(t, "skew"))*time.Millisecond
			f := media.Frame{Track: media.TrackID(id), DTS: media.FromDuration(sent, scales[id])}
			clk.mapFrame(&f, scales[id], wall)
			if least := media.FromDuration(floor, scales[id]); f.DTS < least {
				t.Fatalf("track %d begins at %d, before %d", id, f.DTS, least)
			}
		}
	})
}
