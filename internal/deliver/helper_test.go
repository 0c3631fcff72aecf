package deliver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir/internal/control/session"
	"weir/internal/media"
	"weir/internal/timeline"
)

// rig is a server with one live stream of one video and one audio rendition.
type rig struct {
	t     testing.TB
	store *timeline.Store
	tl    *timeline.Timeline
	door  *session.Door
	srv   *Server
	http  *httptest.Server
	run   timeline.Run
}

// newRig has the stream served over HTTP.
func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	var r *rig
	t.Cleanup(func() { r.http.Close() }) // last: closing the store answers what waits
	r = newStill(t, cfg)
	r.http = httptest.NewServer(http.HandlerFunc(r.serve))
	return r
}

// newStill is a rig without a network, for tests in fake time.
func newStill(t testing.TB, cfg Config) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := timeline.NewStore(timeline.Config{Dir: t.TempDir()}, log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: store, door: session.New(session.Config{}, log)}
	if r.tl, err = store.Open("live/show"); err != nil {
		t.Fatal(err)
	}
	r.srv = New(cfg, func(_ context.Context, name string) (*timeline.Timeline, error) { return store.Get(name), nil }, store, r.door, log)
	t.Cleanup(func() {
		store.Close()
		r.door.Close()
	})
	return r
}

// serve stands for the server's router; documents are enough of a page to have viewers.
func (r *rig) serve(w http.ResponseWriter, q *http.Request) {
	i := strings.LastIndexByte(q.URL.Path, '/')
	name, a := q.URL.Path[1:i], ParseAddress(q.URL.Path[i+1:])
	switch a.Kind {
	case Master, Manifest, Playlist:
		proto := "hls"
		if a.Kind == Manifest {
			proto = "dash"
		}
		v, err := r.srv.Enter(w, q, name, proto, a.Kind != Playlist, time.Now())
		if err != nil {
			WriteFault(w, q, err)
			return
		}
		st, err := r.srv.Stream(q.Context(), name)
		if err != nil {
			WriteFault(w, q, err)
			return
		}
		view := st.Now()
		d := st.Doc(a.String(), view.Version, func(*Doc) *Doc { return NewDoc([]byte(strings.Repeat(fmt.Sprintf("version %d\n", view.Version), 50))) })
		w.Header().Set("X-Query", v.Query(a.Kind != Playlist))
		d.Serve(w, q, "text/plain", "no-cache")
	default:
		r.srv.ServeMedia(w, q, name, a, time.Now())
	}
}

func (r *rig) begin(n int64) {
	r.t.Helper()
	run, err := r.tl.BeginRun(timeline.Run{
		Start: time.Unix(2*n, 0), FirstN: n, SegmentDuration: 2 * time.Second, PartDuration: 200 * time.Millisecond,
		Renditions: []timeline.Rendition{
			{Name: "v0", Track: media.Track{Kind: media.Video, TimeScale: 90000}, Init: []byte("init of video")},
			{Name: "a0", Track: media.Track{Kind: media.Audio, TimeScale: 48000}, Init: []byte("init of audio")},
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.run = run
}

func (r *rig) part(rendition string, n int64, index int, data string, last bool) {
	r.t.Helper()
	p := timeline.Part{N: n, Index: index, Start: n*180000 + int64(index)*18000, Duration: 18000, Independent: index == 0, Data: []byte(data), Last: last}
	if err := r.tl.Append(rendition, p); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) address(kind Kind, rendition string, n int64, index int) string {
	a := Address{Kind: kind, Rendition: rendition, Run: r.run.ID, N: n, Index: index}
	base := "http://still.example"
	if r.http != nil {
		base = r.http.URL
	}
	return base + "/live/show/" + a.String()
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (r *rig) do(method, url string, header ...string) answer {
	r.t.Helper()
	q, err := http.NewRequest(method, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	res, err := r.http.Client().Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func (r *rig) get(url string, header ...string) answer {
	r.t.Helper()
	return r.do(http.MethodGet, url, header...)
}
