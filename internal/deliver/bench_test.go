package deliver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir/internal/control/session"
)

// fetch reads a URL again and again over one connection. The client's part of the cost is in the figures.
func fetch(b *testing.B, c *http.Client, url string, want int64) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(want)
	for b.Loop() {
		res, err := c.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		if n != want || err != nil {
			b.Fatal(n, err)
		}
		_ = res.Body.Close()
	}
}

// BenchmarkSegment: a finished segment of 660 kB from its file, by sendfile, and the same bytes from memory.
func BenchmarkSegment(b *testing.B) {
	r := newRig(b, Config{})
	r.begin(100)
	data := strings.Repeat("x", 66_000)
	for i := range 10 {
		r.part("v0", 100, i, data, i == 9)
	}
	r.part("v0", 101, 0, strings.Repeat(data, 10), false)
	b.Run("file", func(b *testing.B) { fetch(b, r.http.Client(), r.address(Segment, "v0", 100, 0), 660_000) })
	b.Run("memory", func(b *testing.B) { fetch(b, r.http.Client(), r.address(Part, "v0", 101, 0), 660_000) })
}

// BenchmarkPart: one part of 66 kB, as a low-latency player fetches them.
func BenchmarkPart(b *testing.B) {
	r := newRig(b, Config{})
	r.begin(100)
	r.part("v0", 100, 0, strings.Repeat("x", 66_000), false)
	fetch(b, r.http.Client(), r.address(Part, "v0", 100, 0), 66_000)
}

// BenchmarkDocument: a playlist that has been rendered and compressed already, without the network.
func BenchmarkDocument(b *testing.B) {
	d := NewDoc([]byte(strings.Repeat("#EXTINF:2.0,\nseg-1-v0-1.m4s\n", 100)))
	q := httptest.NewRequest("GET", "/live/show/v0.m3u8", nil)
	q.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		d.Serve(&nowhere{h: http.Header{}}, q, "text/plain", "no-cache")
	}
}

type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}

// BenchmarkEnter: what a request costs before it is answered: who it is, and whether they may.
func BenchmarkEnter(b *testing.B) {
	r := newRig(b, Config{})
	for name, query := range map[string]string{"token": "?s=", "none": ""} {
		b.Run(name, func(b *testing.B) {
			w := &nowhere{h: http.Header{}}
			q := httptest.NewRequest("GET", "/live/show/v0.m3u8", nil)
			v, err := r.srv.Enter(w, q, "live/show", "hls", true, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			if query != "" {
				q.URL.RawQuery = "s=" + v.token
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.srv.Enter(w, q, "live/show", "hls", false, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	if n := len(r.door.Sessions(func(i session.Info) bool { return i.Name == "live/show" })); n != 1 {
		b.Errorf("%d sessions", n)
	}
}
