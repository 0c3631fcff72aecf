package hls

import (
	"testing"
	"time"

	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// A run of a VOD lasts as long in all lists, unless something else than the first frame of sound is missing.
func TestRunsLastEquallyLong(t *testing.T) {
	const epoch = int64(1_750_000_000)
	for _, c := range []struct {
		name        string
		late, short int64 // ms that sound begins later and ends earlier
		want        int64
	}{
		{"together", 0, 0, 4000}, {"late", 22, 0, 4000}, {"late and short", 20, 30, 4000}, {"early end of the picture", 10, -60, 4050}, {"a hole", 0, 500, 3500},
	} {
		seg := func(n, from, to, scale int64, complete bool) timeline.SegmentView {
			at := epoch*1000 + from
			return timeline.SegmentView{N: n, Start: at * scale / 1000, Duration: (to - from) * scale / 1000, Complete: complete}
		}
		p := presentation.Period{Run: timeline.RunView{
			Run: timeline.Run{SegmentDuration: 2 * time.Second, Renditions: []timeline.Rendition{
				{Name: "v0", Track: media.Track{Kind: media.Video, TimeScale: 90000}}, {Name: "a0", Track: media.Track{Kind: media.Audio, TimeScale: 48000}}}},
			Renditions: []timeline.RenditionView{
				{Segments: []timeline.SegmentView{seg(1, 0, 2000, 90000, true), seg(2, 2000, 4000, 90000, true)}},
				{Segments: []timeline.SegmentView{seg(1, c.late, 2010, 48000, true), seg(2, 2010, 4000-c.short, 48000, true)}}},
		}}
		for i, name := range []string{"v0", "a0"} {
			r := row{period: &p, rendition: &p.Run.Run.Renditions[i], segs: p.Run.Renditions[i].Segments}
			r.clock()
			r.even(2000)
			want := c.want
			if name == "v0" {
				want = max(want, 4000)
			}
			if got := r.times[1].to - r.times[0].from; got != want || r.times[0].to != r.times[1].from {
				t.Errorf("%s: %s lasts %d ms, want %d", c.name, name, got, want)
			}
		}
	}
}
