package thumb

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/blob"
	"weir/internal/blob/mem"
	"weir/internal/control/session"
	"weir/internal/deliver"
	"weir/internal/deliver/delivertest"
	"weir/internal/format/cmaf"
	"weir/internal/media"
	"weir/internal/segmenter"
	"weir/internal/timeline"
	"weir/internal/transcode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const stream = "live/展示"

// epoch is where the tests' footage begins: at the beginning of a window.
var epoch = time.Unix(1_750_000_200, 0).UTC()

// stage is a server with footage of one stream, whose brightness tells the time: it grows by 6 every 10 s of a window.
type stage struct {
	t     testing.TB
	store *timeline.Store
	blobs blob.Store
	srv   *Server
	http  *httptest.Server
	now   time.Time
}

func newStage(t testing.TB, ffmpeg string) *stage {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := timeline.NewStore(timeline.Config{Window: 24 * time.Hour}, log)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, store: store, blobs: mem.New(), now: epoch.Add(time.Hour)}
	door := session.New(session.Config{}, log)
	d := deliver.New(deliver.Config{}, func(_ context.Context, name string) (*timeline.Timeline, error) { return store.Get(name), nil }, store, door, log)
	s.srv = New(Config{Blobs: s.blobs}, store, d, transcode.New(transcode.Config{FFmpeg: ffmpeg}, log), log)
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch file := strings.TrimPrefix(r.URL.Path, "/"); {
		case IsSprite(file):
			s.srv.ServeSprite(w, r, stream, file, s.now)
		case file == "thumbs.vtt":
			s.srv.ServeVTT(w, r, stream, s.now)
		default:
			s.srv.ServeFrame(w, r, stream, s.now)
		}
	}))
	t.Cleanup(func() {
		s.http.Close()
		s.srv.Close()
		store.Close()
		door.Close()
	})
	return s
}

// record writes a run from one second of the film to another; size is that of its picture.
func (s *stage) record(from, to int, size string) {
	s.t.Helper()
	tl, err := s.store.Open(stream)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "nullsrc=s="+size+":r=1:d="+strconv.Itoa(to)+",geq=lum='16+mod(floor(T/10)\\,30)*6':cb=128:cr=128",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "2", "-bf", "0", "-pix_fmt", "yuv420p", "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "pipe:1")
	film, err := cmd.Output()
	if err != nil {
		s.t.Skip("ffmpeg cannot make the film: ", err)
	}
	h, err := cmaf.ParseInit(film)
	if err != nil {
		s.t.Fatal(err)
	}
	frames, err := h.Frames(nil, film)
	if err != nil {
		s.t.Fatal(err)
	}
	track := h.Tracks[0]
	header, err := cmaf.Init(track)
	if err != nil {
		s.t.Fatal(err)
	}
	const d = 2 * time.Second
	start := epoch.Add(time.Duration(from) * time.Second)
	run, err := tl.BeginRun(timeline.Run{
		Start: start, SegmentDuration: d, PartDuration: time.Second, FirstN: start.UnixNano() / int64(d),
		Renditions: []timeline.Rendition{{Name: "v0", Track: track, Init: header}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c := segmenter.NewCutter(&run, tl.Append)
	for _, f := range frames[from:to] {
		by := media.FromDuration(time.Duration(epoch.UnixNano()), track.TimeScale)
		f.DTS, f.PTS = f.DTS+by, f.PTS+by
		if err := c.Add(&f); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		s.t.Fatal(err)
	}
	tl.EndRun()
}

func (s *stage) get(path string) (status int, h http.Header, body []byte) {
	s.t.Helper()
	return delivertest.Get(s.t, s.http, "/"+path)
}

func (s *stage) picture(path string) image.Image {
	s.t.Helper()
	status, _, body := s.get(path)
	if status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, status, body)
	}
	img, err := jpeg.Decode(bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	return img
}

// ten is the ten seconds of the window that the brightness at a point tells.
func ten(img image.Image, x, y int) int {
	c, _, _, _ := img.At(x, y).RGBA()
	luma := float64(c>>8)*219/255 + 16 // the film is of limited range, the JPEG of full
	return int((luma-16)/6 + 0.5)
}

func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
}
