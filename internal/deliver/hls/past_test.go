package hls

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/deliver"
	format "weir/internal/format/hls"
	"weir/internal/timeline"
)

// past is what the snapshot lists of the past, as deliver.List prepares it.
func (s *stage) past(over bool) deliver.View { return s.Past(over, timeline.Range{}, nil) }

// sheetText renders without sharing anything.
func (s *stage) sheetText(v deliver.View, sh sheet) []byte {
	sh.server, sh.name = deliver.New(deliver.Config{}, nil, s.Store, nil, nil), "live/show"
	return bytes.Join(sh.document(v).Pieces(), nil)
}

// twoRuns is footage of two runs: sound begins a segment late in the first and misses one in the middle; the second lacks
// the second language.
func twoRuns(t *testing.T) *stage {
	s := newStageOf(t, 3*time.Hour)
	s.TwoRuns(false)
	return s
}

func TestGoldenPast(t *testing.T) {
	s := twoRuns(t)
	defer s.Store.Close()
	closed := s.past(true)
	for file, sh := range map[string]sheet{
		"vod_v0.m3u8": {rendition: "v0", kind: format.TypeVOD}, "vod_a0.m3u8": {rendition: "a0", kind: format.TypeVOD},
		"vod_a1.m3u8": {rendition: "a1", kind: format.TypeVOD}, "vod_iframes.m3u8": {rendition: "v0", kind: format.TypeVOD, shape: pictures},
		"vod_ts.m3u8": {kind: format.TypeVOD, shape: muxed}, "vod_key.m3u8": {rendition: "a0", kind: format.TypeVOD, query: "key=K&s=TOKEN"},
	} {
		s.golden(t, file, s.sheetText(closed, sh))
	}
	s.Add("v0", 200*time.Millisecond, 500, false)
	open := s.past(false)
	s.golden(t, "event_v0.m3u8", s.sheetText(open, sheet{rendition: "v0", kind: format.TypeEvent}))
	m, err := Multivariant(Describe(open))
	if err != nil {
		t.Fatal(err)
	}
	m.IFrames, m.Query, m.Start = trickPlay(Describe(open)), "dvr&s=TOKEN", &format.Start{Offset: -30 * time.Second, Precise: true}
	s.golden(t, "index_past.m3u8", m.Append(nil))
	m, err = muxedMaster(Describe(open))
	if err != nil {
		t.Fatal(err)
	}
	s.golden(t, "index_ts.m3u8", m.Append(nil))
}

// TestPastCountsBack: when retention takes a run out of the middle, what is newer keeps its numbers.
func TestPastCountsBack(t *testing.T) {
	s := newStageOf(t, 3*time.Hour)
	defer s.Store.Close()
	for n := int64(1000); n < 1060; n += 20 {
		s.Begin(n, 2*time.Second, 0, "v0")
		s.Segments(3, "v0")
		s.TL.EndRun()
	}
	v := s.past(true)
	_, before, err := format.Parse(s.sheetText(v, sheet{rendition: "v0"}))
	if err != nil {
		t.Fatal(err)
	}
	v.Periods = append(v.Periods[:1:1], v.Periods[2])
	_, after, err := format.Parse(s.sheetText(v, sheet{rendition: "v0"}))
	if err != nil {
		t.Fatal(err)
	}
	if before.MediaSequence != 1000 || after.MediaSequence != 1003 || before.DiscontinuitySequence != 0 || after.DiscontinuitySequence != 1 {
		t.Errorf("%d %d, then %d %d", before.MediaSequence, before.DiscontinuitySequence, after.MediaSequence, after.DiscontinuitySequence)
	}
}

// TestPastOverHTTP: what a player asks for, from the multivariant playlist to the segments.
func TestPastOverHTTP(t *testing.T) {
	s := newSite(t, deliver.Config{})
	n := time.Now().Unix()/2 - 40
	s.Begin(n, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Segments(30, "v0", "a0")
	from, to := (n+5)*2, (n+15)*2
	for query, want := range map[string]struct {
		kind     string
		ended    bool
		segments int
	}{
		"dvr":                                    {"", false, 30},
		"from=-" + since(n+20) + "s":             {"", false, 10},
		"from=" + unix(from):                     {"EVENT", false, 25},
		"from=" + unix(from) + "&to=" + unix(to): {"VOD", true, 10},
	} {
		status, text, _ := s.Get("index.m3u8?" + query)
		m, _, err := format.Parse([]byte(text))
		if status != 200 || err != nil || m == nil || len(m.Variants) != 2 || len(m.IFrames) != 1 {
			t.Fatalf("%s: %d %v\n%s", query, status, err, text)
		}
		for _, uri := range []string{m.Variants[0].URI, m.Renditions[0].URI, m.IFrames[0].URI} {
			_, text, head := s.Get(uri)
			_, media, err := format.Parse([]byte(text))
			if err != nil || media.Type != want.kind || media.Ended != want.ended || media.PartTarget != 0 {
				t.Errorf("%s %s: %v\n%s", query, uri, err, text)
				continue
			}
			if k := len(media.Segments); k < want.segments || k > want.segments+1 {
				t.Errorf("%s %s: %d segments, want %d", query, uri, k, want.segments)
			}
			if cache := head.Get("Cache-Control"); strings.Contains(cache, "s-maxage=10") != want.ended {
				t.Errorf("%s %s: %s", query, uri, cache)
			}
			for _, address := range []string{media.Segments[0].URI, media.Segments[0].Map} {
				if strings.HasPrefix(address, "key-") {
					continue // needs real media
				}
				if status, b, _ := s.Get(address); status != 200 || len(b) == 0 {
					t.Errorf("%s %s: %d", query, address, status)
				}
			}
		}
	}
	for query, code := range map[string]string{
		"from=1000000&to=1000060": "no_footage", "from=x": "range_wrong", "form=avi": "form_unknown", "dvr&start=soon": "start_wrong",
		"from=-40h": "range_too_long",
	} {
		if _, text, _ := s.Get("index.m3u8?" + query); !strings.Contains(text, `"`+code+`"`) {
			t.Errorf("%s: %s", query, text)
		}
	}
	_, text, _ := s.Get("index.m3u8?from=1000000&to=1000060")
	if want := time.Unix(n*2, 0).UTC().Format("2006-01-02T15:04:05Z"); !strings.Contains(text, want) {
		t.Errorf("the nearest footage, %s, is not named: %s", want, text)
	}
}

func unix(n int64) string { return strconv.FormatInt(n, 10) }

// since is how many seconds ago segment n began, less a little.
func since(n int64) string { return strconv.FormatInt(time.Now().Unix()-2*n-1, 10) }

// TestEventKeepsItsBeginning: what the store has lost meanwhile stays listed as a gap.
func TestEventKeepsItsBeginning(t *testing.T) {
	s := newSiteOf(t, deliver.Config{}, 30*time.Second)
	n := time.Now().Unix()/2 - 60
	s.Begin(n, 2*time.Second, 0, "v0")
	s.Segments(10, "v0")
	query := "v0.m3u8?from=" + url.QueryEscape(unix(2*n))
	_, text, _ := s.Get(query)
	_, first, err := format.Parse([]byte(text))
	if err != nil || len(first.Segments) < 10 {
		t.Fatal(err, text)
	}
	s.Segments(20, "v0")
	_, text, _ = s.Get(query)
	_, later, err := format.Parse([]byte(text))
	if err != nil || len(later.Segments) < 30 || later.MediaSequence != first.MediaSequence {
		t.Fatalf("%v: %d segments from %d, before %d\n%s", err, len(later.Segments), later.MediaSequence, first.MediaSequence, text)
	}
	for i := range first.Segments {
		if later.Segments[i].URI != first.Segments[i].URI {
			t.Fatalf("segment %d was %s, is %s", i, first.Segments[i].URI, later.Segments[i].URI)
		}
	}
	if !later.Segments[0].Gap || later.Segments[29].Gap {
		t.Error("what is lost is not a gap, or what is there is")
	}
}

func TestOffset(t *testing.T) {
	s := twoRuns(t)
	defer s.Store.Close()
	v := s.past(true)
	for at, want := range map[int64]time.Duration{2000: 0, 2003: 3 * time.Second, 2030: 12 * time.Second, 2041: 13 * time.Second, 9999: 18 * time.Second} {
		if got := offset(v, time.Unix(at, 0)); got != want {
			t.Errorf("%d: %v, want %v", at, got, want)
		}
	}
	if got := offset(s.past(false), time.Unix(2041, 0)); got != -5*time.Second {
		t.Errorf("of a growing list: %v", got)
	}
}
