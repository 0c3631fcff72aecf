package dash

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var epoch = time.Date(2026, 11, 22, 9, 0, 0, 481e6, time.UTC)

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	wellFormed(t, got)
}

// wellFormed asks encoding/xml and, where it is installed, xmllint.
func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Log("xmllint is not installed: only encoding/xml has read this")
		return
	}
	cmd := exec.Command(lint, "--noout", "-")
	cmd.Stdin = bytes.NewReader(b)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("xmllint: %v\n%s", err, out)
	}
}

func video(run string, start int64, low bool) AdaptationSet {
	a := AdaptationSet{ID: 1, ContentType: "video", Representations: []Representation{{
		ID: "v0", Codecs: "avc1.64001f", Bandwidth: 2_500_000, Width: 1280, Height: 720, FrameRate: 30000.0 / 1001,
		Template: Template{
			TimeScale: 90000, Offset: start, Init: "init-" + run + "-v0.mp4", Media: "seg-" + run + "-v0-$Number$.m4s", StartNumber: 897669342,
			Segments: []Segment{{start, 180180}, {start + 180180, 180180}, {start + 360360, 90000}, {start + 500000, 180000}},
		},
	}}}
	if low {
		a.Producer = &Producer{ID: 0, Wall: epoch, Media: start}
		a.Representations[0].Template.AvailabilityOffset = 1800 * time.Millisecond
	}
	return a
}

func audio(run string, start int64) AdaptationSet {
	return AdaptationSet{ID: 2, ContentType: "audio", Language: "en", Representations: []Representation{{
		ID: "a0", Codecs: "mp4a.40.2", Bandwidth: 128_000, SampleRate: 48000, Channels: 2,
		Template: Template{TimeScale: 48000, Offset: start, Init: "init-" + run + "-a0.mp4", Media: "seg-" + run + "-a0-$Number$.m4s",
			StartNumber: 897669342, Segments: []Segment{{start + 2, 96256}, {start + 96258, 96256}, {start + 192514, 96000}}},
	}}}
}

func live(low bool) MPD {
	m := MPD{
		PublishTime: epoch.Add(7 * time.Second), MinimumUpdatePeriod: 2 * time.Second, TimeShiftBufferDepth: 30 * time.Second,
		SuggestedDelay: 6 * time.Second, MinBufferTime: 2 * time.Second, MaxSegmentDuration: 2072 * time.Millisecond, UTCTiming: "index.mpd?utc",
		Periods: []Period{
			{ID: "r1795338684482", Start: epoch, Sets: []AdaptationSet{video("1795338684482", 161580481603290, low), audio("1795338684482", 86176256855088)}},
			{ID: "r1795338704482", Start: epoch.Add(20 * time.Second), Sets: []AdaptationSet{audio("1795338704482", 86176257815088)}},
		},
	}
	if low {
		m.LowLatency = true
		m.Latency = &Latency{Target: 3 * time.Second, Min: 2 * time.Second, Max: 6 * time.Second, MinRate: 0.96, MaxRate: 1.04}
	}
	return m
}

func TestGolden(t *testing.T) {
	plain := live(false)
	golden(t, "live.mpd", plain.Append(nil))
	low := live(true)
	golden(t, "lowlatency.mpd", low.Append(nil))
	own := live(false)
	own.Location, own.Query = "index.mpd?key=a%26b&s=T", `key=a%26b&s=T$x`
	golden(t, "query.mpd", own.Append(nil))
	ended := live(false)
	ended.MinimumUpdatePeriod, ended.End = 0, epoch.Add(26*time.Second)
	ended.Periods[1].End = ended.End
	golden(t, "ended.mpd", ended.Append(nil))
}

func TestEscape(t *testing.T) {
	w := &writer{}
	w.escape("a&b<c>\"d'\x00\uffff堰")
	if got := string(w.b); got != "a&amp;b&lt;c>&quot;d'堰" {
		t.Error(got)
	}
}

func TestRates(t *testing.T) {
	for rate, want := range map[float64]string{30: "30", 29.97: "30000/1001", 23.976: "24000/1001", 59.94: "60000/1001", 25: "25", 12.5: "12500/1000", 0.2: "200/1000", 29.9999: "30"} {
		if got := string(appendRate(nil, rate)); got != want {
			t.Errorf("%v: %s, want %s", rate, got, want)
		}
	}
	for n, want := range map[int]int{0: 0, 1: 1, 2: 2, 6: 6, 7: 11, 8: 12, 9: 0} {
		if got := channelConfiguration(n); got != want {
			t.Errorf("%d channels: %d, want %d", n, got, want)
		}
	}
}

// TestTimeline: whatever the segments, reading the S elements back gives them again.
func TestTimeline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var in []Segment
		at := rapid.Int64Range(0, 1<<50).Draw(t, "start")
		for range rapid.IntRange(0, 30).Draw(t, "n") {
			if rapid.IntRange(0, 5).Draw(t, "hole") == 0 {
				at += rapid.Int64Range(0, 1000).Draw(t, "gap")
			}
			d := rapid.SampledFrom([]int64{180000, 180180, 96256}).Draw(t, "d")
			in = append(in, Segment{at, d})
			at += d
		}
		w := &writer{}
		w.timeline(in)
		var x struct {
			S []struct {
				T *int64 `xml:"t,attr"`
				D int64  `xml:"d,attr"`
				R int    `xml:"r,attr"`
			}
		}
		if err := xml.Unmarshal([]byte("<x>"+string(w.b)+"</x>"), &x); err != nil {
			t.Fatal(err)
		}
		var out []Segment
		next := int64(0)
		for _, s := range x.S {
			if s.T != nil {
				next = *s.T
			}
			for range s.R + 1 {
				out = append(out, Segment{next, s.D})
				next += s.D
			}
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestConstantStart: the availability start does not depend on anything.
func TestConstantStart(t *testing.T) {
	for _, m := range []MPD{{}, live(true)} {
		if !strings.Contains(string(m.Append(nil)), ` availabilityStartTime="1970-01-01T00:00:00Z"`) {
			t.Error("availabilityStartTime moved")
		}
	}
}

func BenchmarkAppendMPD(b *testing.B) {
	m := live(true)
	buf := m.Append(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}
