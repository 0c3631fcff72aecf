package file

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/control/session"
	"weir/internal/deliver"
	"weir/internal/deliver/delivertest"
	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/outside"
	"weir/internal/segmenter"
	"weir/internal/testpattern"
	"weir/internal/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	stream        = "live/展示"
	width, height = 320, 180
)

// epoch is where the tests' footage begins: in the past, so that ranges are over.
var epoch = time.Unix(1_750_000_000, 0).UTC()

// stage is a server with footage of one stream.
type stage struct {
	t     testing.TB
	dir   string
	store *timeline.Store
	tl    *timeline.Timeline
	door  *session.Door
	srv   *Server
	http  *httptest.Server
}

func newStage(t testing.TB, cfg Config) *stage {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	store, err := timeline.NewStore(timeline.Config{Dir: dir, Window: 24 * time.Hour}, log)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: dir, store: store, door: session.New(session.Config{}, log)}
	if s.tl, err = store.Open(stream); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	cfg.Live = store.Get
	d := deliver.New(deliver.Config{}, func(_ context.Context, name string) (*timeline.Timeline, error) { return store.Get(name), nil }, store, s.door, log)
	s.srv = New(cfg, store, d, log)
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.srv.ServeClip(w, r, stream, time.Now())
	}))
	t.Cleanup(func() {
		s.http.Close()
		s.srv.Close()
		stop()
		<-ended
		store.Close()
		s.door.Close()
	})
	return s
}

// run is a run that is being recorded.
type run struct {
	s      *stage
	cutter *segmenter.Cutter
	drop   func(rendition string, n int64) bool // segments that are lost
}

func (s *stage) begin(start time.Duration, tracks ...media.Track) *run {
	s.t.Helper()
	const d = 2 * time.Second
	at := epoch.Add(start)
	tr := timeline.Run{Start: at, SegmentDuration: d, PartDuration: 200 * time.Millisecond, FirstN: at.UnixNano() / int64(d)}
	n := map[media.Kind]int{}
	for _, t := range tracks {
		header, err := cmaf.Init(t)
		if err != nil {
			s.t.Fatal(err)
		}
		name := t.Kind.String()[:1] + strconv.Itoa(n[t.Kind])
		n[t.Kind]++
		tr.Renditions = append(tr.Renditions, timeline.Rendition{Name: name, Track: t, Init: header})
	}
	tr, err := s.tl.BeginRun(tr)
	if err != nil {
		s.t.Fatal(err)
	}
	r := &run{s: s}
	r.cutter = segmenter.NewCutter(&tr, func(name string, p timeline.Part) error {
		if r.drop != nil && r.drop(name, p.N) {
			if p.Index > 0 {
				return nil
			}
			p = timeline.Part{N: p.N, Start: p.Start, DTS: p.DTS, Duration: p.Duration, Gap: true, Last: true}
		}
		return s.tl.Append(name, p)
	})
	return r
}

// add writes frames whose times count from the tests' epoch.
func (r *run) add(frames ...media.Frame) {
	r.s.t.Helper()
	for i := range frames {
		if err := r.cutter.Add(&frames[i]); err != nil {
			r.s.t.Fatal(err)
		}
	}
}

func (r *run) end() {
	r.s.t.Helper()
	if err := r.cutter.Flush(); err != nil {
		r.s.t.Fatal(err)
	}
	r.s.tl.EndRun()
	if err := r.s.store.Flush(); err != nil {
		r.s.t.Fatal(err)
	}
}

// pattern records the test pattern from start on; its counter begins at 0 with each source.
func (s *stage) pattern(src *testpattern.Source, start, length time.Duration, drop func(string, int64) bool) {
	s.t.Helper()
	r := s.begin(start, shifted(src)...)
	r.drop = drop
	first := src.Due()
	for src.Due()-first < length {
		r.add(place(src, start-first))
	}
	r.end()
}

// shifted are a source's tracks, with numbers above 0.
func shifted(src *testpattern.Source) []media.Track {
	tracks := src.Tracks()
	for i := range tracks {
		tracks[i].ID++
	}
	return tracks
}

// place is the next frame of a source, moved so that its time 0 is at from the tests' epoch.
func place(src *testpattern.Source, at time.Duration) media.Frame {
	f := src.Next(epoch)
	scale := uint32(90000)
	if f.Track == testpattern.AudioTrack {
		scale = 48000
	}
	by := media.FromDuration(time.Duration(epoch.UnixNano())+at, scale)
	f.Track++
	f.DTS, f.PTS = f.DTS+by, f.PTS+by
	return f
}

func (s *stage) source(o testpattern.Options) *testpattern.Source {
	s.t.Helper()
	if o.Width == 0 {
		o.Width, o.Height = width, height
	}
	src, err := testpattern.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return src
}

// url of a range counted from the tests' epoch.
func (s *stage) url(from, to time.Duration, more string) string {
	return s.http.URL + "/clip.mp4?from=" + instant(epoch.Add(from)) + "&to=" + instant(epoch.Add(to)) + more
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *stage) do(method, url string, header ...string) answer {
	s.t.Helper()
	status, h, body := delivertest.Ask(s.t, s.http, method, url, header...)
	return answer{status, h, body}
}

// clip downloads a range into a file.
func (s *stage) clip(from, to time.Duration, more string) string {
	s.t.Helper()
	a := s.do(http.MethodGet, s.url(from, to, more))
	if a.status != http.StatusOK {
		s.t.Fatalf("%d: %s", a.status, a.body)
	}
	return s.save(a.body)
}

func (s *stage) save(b []byte) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// judge decodes a clip and reads the counters in its pictures.
func judge(t testing.TB, path string, more ...string) testpattern.Report {
	t.Helper()
	args := append([]string{"-v", "error", "-i", path}, more...)
	args = append(args, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	r, err := testpattern.JudgeVideo(bytes.NewReader(outside.Run(t, "ffmpeg", args...)), width, height, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// probe gives values that ffprobe prints for the selected entries.
func probe(t testing.TB, path string, args ...string) []string {
	t.Helper()
	args = append(append([]string{"-v", "error"}, args...), "-of", "csv=p=0", path)
	return strings.Fields(strings.TrimSpace(string(outside.Run(t, "ffprobe", args...))))
}
