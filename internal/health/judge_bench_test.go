package health

import (
	"encoding/binary"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"weir/internal/media"
)

// feed is an endless stream made of a real clip.
type feed struct {
	c      *clip
	n      int
	round  int64
	tracks map[media.TrackID]*media.Track
}

func newFeed(t *testing.T, r recipe) *feed {
	f := &feed{c: r.make(t), tracks: map[media.TrackID]*media.Track{}}
	for i := range f.c.tracks {
		f.tracks[f.c.tracks[i].ID] = &f.c.tracks[i]
	}
	return f
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (f *feed) next() (media.Frame, *media.Track, time.Time) {
	if f.n == len(f.c.frames) {
		f.n, f.round = 0, f.round+1
	}
	v := f.c.frames[f.n]
	f.n++
	t := f.tracks[v.Track]
	d := (epoch.Unix() + 14*f.round) * int64(t.TimeScale)
	v.DTS, v.PTS = v.DTS+d, v.PTS+d
	return v, t, time.Unix(0, int64(t.Duration(v.DTS)))
}

// The figures are checked here too, so that an allocation for each frame cannot slip in between benchmarks.
func TestObserveAllocatesNothing(t *testing.T) {
	f, j := newFeed(t, recipe{video: moving, audio: tone, vcodec: x264 + "-b:v 600k -bf 2 -g 60"}), NewJudge()
	observe := func() {
		v, track, at := f.next()
		j.Observe(&v, track, at)
	}
	for range 100 {
		observe()
	}
	if n := testing.AllocsPerRun(2000, observe); n > 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

func TestAJudgeIsSmall(t *testing.T) {
	const judges = 64
	f := newFeed(t, recipe{video: moving, audio: tone})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	all := make([]*Judge, judges)
	for i := range all {
		all[i] = NewJudge()
		for k := range 2 * pastSeconds {
			for range 5 {
				v, track, at := f.next()
				all[i].Observe(&v, track, at)
			}
			now := epoch.Add(time.Duration(k) * time.Second)
			all[i].Tick(now, Facts{Live: k%7 > 0, Tracks: f.c.tracks, Repairs: uint64(k)})
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / judges
	runtime.KeepAlive(all)
	runtime.KeepAlive(f)
	if each > 64<<10 || each < 8<<10 {
		t.Errorf("%d bytes for a stream", each)
	}
	t.Logf("%d bytes for a stream; %d points, %d events", each, len(all[0].History()), len(all[0].Events()))
	if n := len(all[0].History()); n != pastSeconds {
		t.Errorf("%d seconds of history", n)
	}
	if n := len(all[0].Events()); n != pastEvents {
		t.Errorf("%d events", n)
	}
}

func TestReportIsJSON(t *testing.T) {
	b, err := json.Marshal(NewJudge().Report())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"grade":"good"`, `"findings":[]`, `"tracks":[]`, `"av_offset_ms":0`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}

// Every rule has its words, and its values are what the sentence holds.
func TestEveryRuleHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules {
		message, remedy, values := words(r.code, sight{level: warn, a: 1, b: 2})
		if message == r.code || remedy == "" || seen[message] || len(values) == 0 && r.code != "audio_missing" {
			t.Errorf("%s: %q %q %v", r.code, message, remedy, values)
		}
		if strings.ContainsAny(message+remedy, "!") || !strings.HasSuffix(message, ".") || !strings.HasSuffix(remedy, ".") {
			t.Errorf("%s: the tone of %q %q", r.code, message, remedy)
		}
		seen[message] = true
	}
}

func BenchmarkObserve(b *testing.B) {
	video := media.Track{ID: 1, Kind: media.Video, Codec: media.H264, TimeScale: 90000, Width: 1280, Height: 720}
	audio := media.Track{ID: 2, Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, SampleRate: 48000, Channels: 2, Config: []byte{0x11, 0x90}}
	sound := []byte{0x21, 0x1b, 0x8f, 0x34, 0x12, 0x99, 0x00, 0x00}
	picture := make([]byte, 8000)
	binary.BigEndian.PutUint32(picture, 7996)
	copy(picture[4:], []byte{0x41, 0x9a, 0x24}) // a P slice
	j, n := NewJudge(), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		at := epoch.Add(time.Duration(n) * 20 * time.Millisecond)
		f := media.Frame{Track: 1, Key: n%100 == 0, DTS: n * 1800, PTS: n * 1800, Data: picture}
		t := &video
		if n%2 == 1 {
			f = media.Frame{Track: 2, Key: true, DTS: n * 960, PTS: n * 960, Data: sound}
			t = &audio
		}
		j.Observe(&f, t, at)
		n++
	}
}

func BenchmarkTick(b *testing.B) {
	j, facts := NewJudge(), Facts{Live: true, Tracks: []media.Track{{ID: 1}}}
	t := media.Track{ID: 1, Kind: media.Video, Codec: media.HEVC, TimeScale: 90000}
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		at := epoch.Add(time.Duration(n) * time.Second)
		j.Observe(&media.Frame{Track: 1, Key: n%2 == 0, DTS: n * 90000}, &t, at)
		j.Tick(at, facts)
		n++
	}
}
