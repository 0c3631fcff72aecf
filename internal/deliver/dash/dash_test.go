package dash

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"weir/internal/deliver"
	"weir/internal/fault"
	format "weir/internal/format/dash"
	"weir/internal/timeline"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

var update = flag.Bool("update", false, "rewrite the golden files")

const window = 30 * time.Second

func (s *stage) golden(t *testing.T, name string, got []byte) {
	t.Helper()
	s.Golden(t, name, got, *update)
	wellFormed(t, got)
}

func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Log("xmllint is not installed")
		return
	}
	cmd := exec.Command(lint, "--noout", "-")
	cmd.Stdin = bytes.NewReader(b)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("xmllint: %v\n%s", err, out)
	}
}

// mpd is what a player reads.
type mpd struct {
	Type    string `xml:"type,attr"`
	AST     string `xml:"availabilityStartTime,attr"`
	Publish string `xml:"publishTime,attr"`
	MUP     string `xml:"minimumUpdatePeriod,attr"`
	Total   string `xml:"mediaPresentationDuration,attr"`
	Loc     string `xml:"Location"`
	Periods []struct {
		ID    string `xml:"id,attr"`
		Start string `xml:"start,attr"`
		Sets  []struct {
			Type string `xml:"contentType,attr"`
			Reps []struct {
				ID   string   `xml:"id,attr"`
				Tmpl template `xml:"SegmentTemplate"`
			} `xml:"Representation"`
		} `xml:"AdaptationSet"`
	} `xml:"Period"`
}

type template struct {
	Scale int64  `xml:"timescale,attr"`
	PTO   int64  `xml:"presentationTimeOffset,attr"`
	Start int64  `xml:"startNumber,attr"`
	Media string `xml:"media,attr"`
	S     []struct {
		T *int64 `xml:"t,attr"`
		D int64  `xml:"d,attr"`
		R int64  `xml:"r,attr"`
	} `xml:"SegmentTimeline>S"`
}

func TestGolden(t *testing.T) {
	s := newStage(t)
	defer s.Store.Close()
	text := func() []byte {
		m, err := MPD(s.View(window), window, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.PublishTime = time.Unix(3000, 0)
		return m.Append(nil)
	}
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "v0", "a0", "a1")
	s.Segments(3, "v0", "a0", "a1")
	s.Add("v0", 200*time.Millisecond, 500, false)
	s.golden(t, "low.mpd", text())
	s.TL.EndRun()
	s.Begin(1020, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Add("v0", 200*time.Millisecond, 500, false)
	s.golden(t, "coming.mpd", text()) // the sound of the new run is still to come: its Period waits
	s.Segments(1, "v0", "a0")
	s.golden(t, "returned.mpd", text())
	s.TL.End()
	s.golden(t, "ended.mpd", text())
	plain := newStage(t)
	defer plain.Store.Close()
	s = plain
	s.Begin(1000, 4*time.Second, 0, "v0")
	s.Segments(3, "v0")
	s.Add("v0", time.Second, 500, false)
	s.golden(t, "plain.mpd", text())
}

// TestDependent: segments that no player can start at are not called random access points.
// TestPeriodsDoNotOverlap: the last frame of a run may last beyond the start of the next one.
func TestPeriodsDoNotOverlap(t *testing.T) {
	s := newStage(t)
	defer s.Store.Close()
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "v0")
	s.Segments(1, "v0")
	s.Add("v0", 2150*time.Millisecond, 10, true)
	s.Begin(1002, 2*time.Second, 200*time.Millisecond, "v0")
	s.Segments(1, "v0")
	m, err := MPD(s.View(window), window, 0, nil)
	if err != nil || len(m.Periods) != 2 || !m.Periods[0].End.Equal(m.Periods[1].Start) || !m.Periods[1].End.IsZero() {
		t.Errorf("%v %+v", err, m.Periods)
	}
}

func TestDependent(t *testing.T) {
	s := newStage(t)
	defer s.Store.Close()
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Segments(1, "v0", "a0")
	s.Part["v0"] = 1 // the next segment's first part is no random access point
	if err := s.TL.Append("v0", timeline.Part{N: 1001, Start: 1001 * 180000, DTS: 1001 * 180000, Duration: 18000, Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	m, err := MPD(s.View(window), window, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Periods[0].Sets[0].Dependent || m.Periods[0].Sets[1].Dependent || strings.Count(string(m.Append(nil)), "startWithSAP") != 1 {
		t.Errorf("%+v", m.Periods[0].Sets)
	}
}

func TestNotCarried(t *testing.T) {
	s := newStage(t)
	defer s.Store.Close()
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "g0")
	s.Segments(1, "g0")
	if _, err := MPD(s.View(window), window, 0, nil); fault.Code(err) != "codec_not_in_dash" {
		t.Error(err)
	}
}

var isoSeconds = regexp.MustCompile(`^PT([0-9.]+)S$`)

// TestManifestsAreOneStory: whatever a publisher does, a Period keeps its id and start, a segment address its number and
// time, the timeline has no holes within a Period, and the presentation time of media is its wall clock time.
func TestManifestsAreOneStory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before *format.MPD
		s := newStage(t)
		defer s.Store.Close()
		n, starts, times := int64(1000), map[string]string{}, map[string]int64{}
		s.Begin(n, 2*time.Second, 200*time.Millisecond, "v0", "a0")
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch k := rapid.IntRange(0, 9).Draw(t, "step"); {
			case k == 0:
				n = max(n, s.Next["v0"], s.Next["a0"]) + rapid.Int64Range(1, 5).Draw(t, "pause")
				s.Begin(n, 2*time.Second, 200*time.Millisecond, "v0", "a0")
			case k < 6:
				s.Segments(1, "v0", "a0")
			default:
				for _, name := range []string{"v0", "a0"} {
					if s.Part[name] < 9 {
						s.Add(name, 200*time.Millisecond, 10, false)
					}
				}
			}
			v := s.View(window)
			if v.Described() == nil {
				continue
			}
			m, err := MPD(v, window, 0, before)
			if err != nil {
				t.Fatal(err)
			}
			holdsOn(t, before, &m, v)
			before = &m
			var got mpd
			if err := xml.Unmarshal(m.Append(nil), &got); err != nil {
				t.Fatal(err)
			}
			for _, p := range got.Periods {
				if was, known := starts[p.ID]; known && was != p.Start {
					t.Fatalf("Period %s moved from %s to %s", p.ID, was, p.Start)
				}
				starts[p.ID] = p.Start
				sec, _ := strconv.ParseFloat(isoSeconds.FindStringSubmatch(p.Start)[1], 64)
				for _, set := range p.Sets {
					followTimeline(t, set.Reps[0].Tmpl, sec, times)
				}
			}
		}
	})
}

// holdsOn holds that what players read once does not shrink, and that it covers all that is listed.
func holdsOn(t *rapid.T, before, m *format.MPD, v deliver.View) {
	if m.MaxSegmentDuration < v.Segment || before != nil && m.MaxSegmentDuration < before.MaxSegmentDuration {
		t.Fatalf("the longest segment lasts %v, not %v", v.Segment, m.MaxSegmentDuration)
	}
	said := map[string]int{}
	for _, list := range []*format.MPD{before, m} {
		for i := 0; list != nil && i < len(list.Periods); i++ {
			for _, set := range list.Periods[i].Sets {
				for _, r := range set.Representations {
					key := list.Periods[i].ID + r.ID
					if r.Bandwidth < said[key] {
						t.Fatalf("%s: bandwidth shrinks from %d to %d", key, said[key], r.Bandwidth)
					}
					said[key] = r.Bandwidth
				}
			}
		}
	}
}

// followTimeline checks one template against what earlier manifests said of the same segments.
func followTimeline(t *rapid.T, tm template, start float64, times map[string]int64) {
	if off := float64(tm.PTO)/float64(tm.Scale) - start; off > 0.001 || off < -0.001 {
		t.Fatalf("presentation time is %v off the wall clock", off)
	}
	number, at := tm.Start, int64(0)
	for i, e := range tm.S {
		if e.T != nil {
			if i > 0 && *e.T != at {
				t.Fatal("a hole in the timeline")
			}
			at = *e.T
		}
		for range e.R + 1 {
			name := strings.Replace(tm.Media, "$Number$", strconv.FormatInt(number, 10), 1)
			if was, known := times[name]; known && was != at {
				t.Fatalf("%s moved from %d to %d", name, was, at)
			}
			times[name] = at
			at += e.D
			number++
		}
	}
}

func (s *site) mpd(file string) (mpd, string) {
	s.t.Helper()
	code, text, h := s.Get(file)
	if code != 200 || h.Get("Content-Type") != "application/dash+xml" {
		s.t.Fatal(code, text, h)
	}
	var m mpd
	if err := xml.Unmarshal([]byte(text), &m); err != nil {
		s.t.Fatal(err)
	}
	return m, text
}

// TestServe: publishTime moves with the content only; a viewer without cookies is led back by Location and stays one.
func TestServe(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.Begin(1000, time.Second, 100*time.Millisecond, "v0", "a0")
	s.Segments(2, "v0", "a0")
	first, text := s.mpd("index.mpd")
	if !strings.HasPrefix(first.Loc, "index.mpd?s=") || strings.Contains(text, "m4s?") {
		t.Fatal(text)
	}
	if first.Type != "dynamic" || first.AST != "1970-01-01T00:00:00Z" || first.MUP == "" || first.Total != "" {
		t.Errorf("%+v", first)
	}
	again, _ := s.mpd(first.Loc)
	if again.Loc != first.Loc || again.Publish != first.Publish {
		t.Errorf("%+v", again)
	}
	s.Add("v0", 100*time.Millisecond, 10, false)
	s.Add("a0", 100*time.Millisecond, 10, false)
	opened, _ := s.mpd(first.Loc) // the open segments are listed
	s.Add("v0", 100*time.Millisecond, 10, false)
	grown, _ := s.mpd(first.Loc) // nothing new in the text
	if opened.Publish == again.Publish || grown.Publish != opened.Publish {
		t.Error(again.Publish, opened.Publish, grown.Publish)
	}
	_, text = s.mpd("index.mpd?key=K%261")
	if !strings.Contains(text, `$Number$.m4s?key=K%261&amp;s=`) || !strings.Contains(text, `<Location>index.mpd?key=K%261&amp;s=`) {
		t.Error("the key does not travel", text)
	}
	code, clock, h := s.Get("index.mpd?utc")
	if at, err := time.Parse(time.RFC3339, clock); code != 200 || err != nil || time.Since(at).Abs() > time.Second || h.Get("Cache-Control") != "no-store" {
		t.Error(code, clock, err, h)
	}
	s.TL.End()
	if last, text := s.mpd(first.Loc); last.MUP != "" || last.Total == "" {
		t.Error(text)
	}
}

// TestYoungStream: the manifest is not given out before a player has two segments to go on with.
func TestYoungStream(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.Begin(1000, time.Second, 100*time.Millisecond, "v0")
	s.Segments(1, "v0")
	got := make(chan string, 1)
	go func() { _, text := s.mpd("index.mpd"); got <- text }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.Server.Stats().Blocked == 0 {
		<-tick.C
	}
	s.Segments(1, "v0")
	if text := <-got; !strings.Contains(text, `d="90000" r="1"`) {
		t.Error(text)
	}
}

// TestSharedDocument: viewers with a cookie get one document, compressed once.
func TestSharedDocument(t *testing.T) {
	s := newSite(t, deliver.Config{SharedCache: true})
	s.Begin(1000, time.Second, 100*time.Millisecond, "v0", "a0")
	s.Segments(2, "v0", "a0")
	m, _ := s.mpd("index.mpd")
	n := s.Server.Stats().Renders
	for range 10 {
		if again, _ := s.mpd("index.mpd"); again.Loc != "" || again.Publish != m.Publish {
			t.Fatalf("%+v", again)
		}
	}
	if d := s.Server.Stats().Renders - n; d != 0 {
		t.Errorf("rendered %d times more", d)
	}
}

// TestNextSegmentWaits: a player that is ahead of the manifest is held, not refused.
func TestNextSegmentWaits(t *testing.T) {
	s := newSite(t, deliver.Config{})
	s.Begin(1000, time.Second, 100*time.Millisecond, "v0")
	s.Segments(1, "v0")
	a := deliver.Address{Kind: deliver.Segment, Run: s.Run.ID, Rendition: "v0", N: 1001}
	got := make(chan int, 1)
	go func() {
		res, err := s.HTTP.Client().Get(s.HTTP.URL + "/live/show/" + a.String())
		if err != nil {
			got <- -1
			return
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			got <- -2
			return
		}
		got <- len(b)
	}()
	s.Waiting(1)
	s.Add("v0", 100*time.Millisecond, 11, false)
	s.Add("v0", 100*time.Millisecond, 22, true)
	if n := <-got; n != 33 {
		t.Error(n)
	}
}

func BenchmarkMPD(b *testing.B) {
	s := newStage(b)
	defer s.Store.Close()
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Segments(16, "v0", "a0")
	v := s.View(window)
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		m, err := MPD(v, window, 0, nil)
		if err != nil {
			b.Fatal(err)
		}
		buf = m.Append(buf[:0])
	}
}
