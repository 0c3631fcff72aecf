package dash

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

var tracks = map[string]media.Track{
	"v0": {Kind: media.Video, Codec: media.H264, TimeScale: 90000, Config: avcC, Width: 1280, Height: 720, FrameRate: 30},
	"a0": {Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, Config: aac, SampleRate: 48000, Channels: 2},
	"a1": {Kind: media.Audio, Codec: media.AAC, TimeScale: 48000, Config: aac, SampleRate: 48000, Channels: 1, Language: "ja"},
	"g0": {Kind: media.Audio, Codec: media.PCMA, TimeScale: 8000, SampleRate: 8000, Channels: 1},
}

// stage drives the timeline of one stream and looks at it the way the handler does.
type stage struct {
	store *timeline.Store
	tl    *timeline.Timeline
	run   timeline.Run
	next  map[string]int64
	part  map[string]int
	begun int
	seg   time.Duration // longest so far, as deliver.Stream keeps it
	long  time.Duration
}

func newStage(t interface{ Fatal(...any) }) *stage { return newStageOf(t, time.Minute) }

// newStageOf keeps that much of the past in memory.
func newStageOf(t interface{ Fatal(...any) }, window time.Duration) *stage {
	s, err := timeline.NewStore(timeline.Config{Window: window}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tl, err := s.Open("live/show")
	if err != nil {
		t.Fatal(err)
	}
	return &stage{store: s, tl: tl}
}

func (s *stage) ctx() context.Context { return context.Background() }

// begin starts a run; its id is the time of the test, so golden files replace it.
func (s *stage) begin(n int64, d, part time.Duration, names ...string) {
	r := timeline.Run{Start: time.Unix(0, n*int64(d)), FirstN: n, SegmentDuration: d, PartDuration: part}
	for _, name := range names {
		r.Renditions = append(r.Renditions, timeline.Rendition{Name: name, Track: tracks[name], Init: []byte("init")})
	}
	run, err := s.tl.BeginRun(r)
	if err != nil {
		panic(err)
	}
	s.run, s.next, s.part, s.begun = run, map[string]int64{}, map[string]int{}, s.begun+1
	for _, name := range names {
		s.next[name] = n
	}
}

// add appends a part of the given length.
func (s *stage) add(name string, length time.Duration, size int, last bool) {
	t := tracks[name]
	n, step := s.next[name], s.run.SegmentDuration/10
	start := t.Ticks(time.Duration(n)*s.run.SegmentDuration + time.Duration(s.part[name])*step)
	p := timeline.Part{N: n, Index: s.part[name], Start: start, DTS: start, Duration: t.Ticks(length),
		Independent: s.part[name] == 0 || t.Kind == media.Audio, Data: make([]byte, size), Last: last}
	if p.Index == 0 && t.Kind == media.Video {
		p.Key = int64(size / 4)
	}
	if err := s.tl.Append(name, p); err != nil {
		panic(err)
	}
	s.part[name]++
	if last {
		s.next[name], s.part[name] = n+1, 0
	}
}

// segments appends n whole segments to each of the renditions.
func (s *stage) segments(n int, names ...string) {
	for range n {
		for _, name := range names {
			for s.part[name] < 9 {
				s.add(name, s.run.SegmentDuration/10, 1000, false)
			}
			s.add(name, s.run.SegmentDuration/10, 1000, true)
		}
	}
}

func (s *stage) view(window time.Duration) deliver.View {
	p := presentation.Live("live/show", s.tl.Snapshot(), window)
	seg, part := p.Longest()
	s.seg, s.long = max(s.seg, seg), max(s.long, part)
	return deliver.View{Presentation: &p, Segment: s.seg, Part: s.long}
}

// site serves a stage over HTTP.
type site struct {
	*stage
	t    *testing.T
	srv  *deliver.Server
	http *httptest.Server
}

func newSite(t *testing.T, cfg deliver.Config) *site {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	st := newStageOf(t, 3*time.Hour)
	door := session.New(session.Config{}, log)
	s := &site{stage: st, t: t}
	s.srv = deliver.New(cfg, func(_ context.Context, name string) (*timeline.Timeline, error) { return st.store.Get(name), nil }, st.store, door, log)
	h := New(s.srv)
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := strings.LastIndexByte(r.URL.Path, '/')
		name, a := r.URL.Path[1:i], deliver.ParseAddress(r.URL.Path[i+1:])
		if a.Kind == deliver.Manifest {
			h.ServeMPD(w, r, name, time.Now())
			return
		}
		s.srv.ServeMedia(w, r, name, a, time.Now())
	}))
	t.Cleanup(func() {
		st.store.Close()
		s.http.Close()
		door.Close()
	})
	return s
}

func (s *site) get(file string) (int, string, http.Header) {
	s.t.Helper()
	res, err := s.http.Client().Get(s.http.URL + "/live/show/" + file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}
