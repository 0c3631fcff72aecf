// Package delivertest is what tests of documents stand on: a timeline that is filled by hand, and a server over it. What belongs here: what the tests of
// HLS and of DASH share. What does not: what they expect.
package delivertest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/internal/control/session"
	"weir/internal/deliver"
	"weir/internal/media"
	"weir/internal/presentation"
	"weir/internal/timeline"
)

// avcC is the configuration of a 64x64 High profile picture, level 1.0; aac is AAC-LC, 48 kHz, stereo.
var (
	avcC = []byte{1, 0x64, 0, 0x0a, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x0a, 1, 0, 2, 0x68, 0xee}
	aac  = []byte{0x11, 0x90}
)

// Tracks are what the renditions hold, by their names.
var Tracks = map[string]media.Track{
	"v0": {Kind: media.Video, Codec: media.H264, TimeScale: 90000, Config: avcC, Width: 1280, Height: 720, FrameRate: 30},
	"a0": {Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, Config: aac, SampleRate: 48000, Channels: 2},
	"a1": {Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, Config: aac, SampleRate: 48000, Channels: 1, Language: "ja"},
	"g0": {Kind: media.Audio, Codec: media.PCMA, TimeScale: 8000, SampleRate: 8000, Channels: 1},
}

// Stage drives the timeline of one stream and looks at it the way the handler does.
type Stage struct {
	Store *timeline.Store
	TL    *timeline.Timeline
	Run   timeline.Run     // the present one
	Next  map[string]int64 // the number of the next segment of each rendition
	Part  map[string]int   // the index of the next part

	seg, long time.Duration // the longest segment and part so far, as deliver.Stream keeps them
}

// NewStage keeps that much of the past in memory.
func NewStage(t interface{ Fatal(...any) }, window time.Duration) *Stage {
	s, err := timeline.NewStore(timeline.Config{Window: window}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tl, err := s.Open("live/show")
	if err != nil {
		t.Fatal(err)
	}
	return &Stage{Store: s, TL: tl}
}

// Begin starts a run; its id is the time of the test, so golden files replace it.
func (s *Stage) Begin(n int64, d, part time.Duration, names ...string) {
	r := timeline.Run{Start: time.Unix(0, n*int64(d)), FirstN: n, SegmentDuration: d, PartDuration: part}
	for _, name := range names {
		r.Renditions = append(r.Renditions, timeline.Rendition{Name: name, Track: Tracks[name], Init: []byte("init")})
	}
	run, err := s.TL.BeginRun(r)
	if err != nil {
		panic(err)
	}
	s.Run, s.Next, s.Part = run, map[string]int64{}, map[string]int{}
	for _, name := range names {
		s.Next[name] = n
	}
}

// Add appends a part of the given length.
func (s *Stage) Add(name string, length time.Duration, size int, last bool) {
	t := Tracks[name]
	n, step := s.Next[name], s.Run.SegmentDuration/10
	start := t.Ticks(time.Duration(n)*s.Run.SegmentDuration + time.Duration(s.Part[name])*step)
	p := timeline.Part{N: n, Index: s.Part[name], Start: start, DTS: start, Duration: t.Ticks(length),
		Independent: s.Part[name] == 0 || t.Kind == media.Audio, Data: make([]byte, size), Last: last}
	if p.Index == 0 && t.Kind == media.Video {
		p.Key = int64(size / 4)
	}
	if err := s.TL.Append(name, p); err != nil {
		panic(err)
	}
	s.Part[name]++
	if last {
		s.Next[name], s.Part[name] = n+1, 0
	}
}

// Segments appends n whole segments to each of the renditions.
func (s *Stage) Segments(n int, names ...string) {
	for range n {
		for _, name := range names {
			for s.Part[name] < 9 {
				s.Add(name, s.Run.SegmentDuration/10, 1000, false)
			}
			s.Add(name, s.Run.SegmentDuration/10, 1000, true)
		}
	}
}

// View is the live window, as deliver.Stream has it.
func (s *Stage) View(window time.Duration) deliver.View {
	p := presentation.Live("live/show", s.TL.Snapshot(), window)
	seg, part := p.Longest()
	s.seg, s.long = max(s.seg, seg), max(s.long, part)
	return deliver.View{Presentation: &p, Segment: s.seg, Part: s.long}
}

// Past is what a range lists, as deliver.List prepares it; over: nothing comes after it.
func (s *Stage) Past(over bool, r timeline.Range, before []presentation.Cut) deliver.View {
	snap, err := s.Store.Past(context.Background(), "live/show", r)
	if err != nil {
		panic(err)
	}
	snap.Ended = over
	p := presentation.Past("live/show", snap)
	p.FindCuts(before)
	seg, _ := p.Longest()
	return deliver.View{Presentation: &p, Segment: seg}
}

// TwoRuns appends footage of two runs: in the first, sound begins a segment late and misses one in the middle; the second lacks the second language.
// outage: towards the end of the first, all miss one.
func (s *Stage) TwoRuns(outage bool) {
	s.Begin(1000, 2*time.Second, 200*time.Millisecond, "v0", "a0", "a1")
	s.Segments(1, "v0")
	s.Next["a0"], s.Next["a1"] = 1001, 1001
	s.Segments(2, "v0", "a0", "a1")
	s.Segments(1, "v0")
	s.Next["a0"], s.Next["a1"] = 1004, 1004
	s.Segments(2, "v0", "a0", "a1")
	if outage {
		for name := range s.Next {
			s.Next[name]++
		}
		s.Segments(2, "v0", "a0", "a1")
	}
	s.TL.EndRun()
	s.Begin(1020, 2*time.Second, 200*time.Millisecond, "v0", "a0")
	s.Segments(3, "v0", "a0")
}

// Golden compares a document with a file of testdata, or writes it there; the run ids in it, which are the time, are given names first.
func (s *Stage) Golden(t *testing.T, name string, got []byte, update bool) {
	t.Helper()
	text := string(got)
	for i, r := range s.TL.Snapshot().Runs {
		text = strings.ReplaceAll(text, strconv.FormatUint(r.ID, 10), "RUN"+strconv.Itoa(i))
	}
	path := filepath.Join("testdata", name)
	if update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Document writes what an address asks for, if that is a document of its kind.
type Document func(w http.ResponseWriter, r *http.Request, name string, a deliver.Address) bool

// Site serves a stage over HTTP.
type Site struct {
	*Stage
	Server *deliver.Server
	HTTP   *httptest.Server
	t      *testing.T
}

// NewSite serves media, and the documents that documents writes.
func NewSite(t *testing.T, cfg deliver.Config, window time.Duration, documents func(*deliver.Server) Document) *Site {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &Site{Stage: NewStage(t, window), t: t}
	door := session.New(session.Config{}, log)
	s.Server = deliver.New(cfg, func(_ context.Context, name string) (*timeline.Timeline, error) { return s.Store.Get(name), nil }, s.Store, door, log)
	document := documents(s.Server)
	s.HTTP = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := strings.LastIndexByte(r.URL.Path, '/')
		name, a := r.URL.Path[1:i], deliver.ParseAddress(r.URL.Path[i+1:])
		if !document(w, r, name, a) {
			s.Server.ServeMedia(w, r, name, a, time.Now())
		}
	}))
	t.Cleanup(func() {
		s.Store.Close()
		s.HTTP.Close()
		door.Close()
	})
	return s
}

// Get asks for a file of the stream.
func (s *Site) Get(file string) (int, string, http.Header) {
	s.t.Helper()
	status, header, body := Get(s.t, s.HTTP, "/live/show/"+file)
	return status, string(body), header
}

// Get asks a server for what is at an address.
func Get(t testing.TB, server *httptest.Server, path string) (status int, header http.Header, body []byte) {
	t.Helper()
	return Ask(t, server, http.MethodGet, server.URL+path)
}

// Ask sends a request with headers, given as names and values, and reads the answer to its end.
func Ask(t testing.TB, server *httptest.Server, method, url string, headers ...string) (status int, header http.Header, body []byte) {
	t.Helper()
	q, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	res, err := server.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, body
}

// Waiting returns when n requests are held.
func (s *Site) Waiting(n int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.Server.Stats().Blocked < n {
		<-tick.C
	}
}
