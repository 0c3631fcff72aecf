package file

import (
	"io"
	"net/http"
	"testing"
	"time"

	"weir/internal/testpattern"
)

// live is a stream whose footage reaches up to now.
func (s *stage) live(src *testpattern.Source, from, length time.Duration) *run {
	s.t.Helper()
	r := s.begin(from, shifted(src)...)
	r.more(src, from, length)
	return r
}

// more records what a source makes until it has made so much; from is where its time 0 lies.
func (r *run) more(src *testpattern.Source, from, length time.Duration) {
	r.s.t.Helper()
	for src.Due() < length {
		r.add(place(src, from))
	}
}

// A range without an end is streamed while the footage grows, and ends with the stream.
func TestGrowingClip(t *testing.T) {
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{Audio: true})
	start := time.Since(epoch).Truncate(2*time.Second) - 20*time.Second
	r := s.live(src, start, 10*time.Second)
	res, err := s.http.Client().Get(s.http.URL + "/clip.mp4?from=" + instant(epoch.Add(start+5*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ContentLength >= 0 || res.Header.Get("Accept-Ranges") != "" || res.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	// More comes only after the first bytes have: it was not waited for.
	first := make([]byte, 1000)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	r.more(src, start, 14*time.Second)
	r.end()
	again := s.begin(start+14500*time.Millisecond, shifted(src)...)
	again.more(src, start+500*time.Millisecond, 18*time.Second)
	again.end()
	s.tl.End()
	rest, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	path := s.save(append(first, rest...))
	// The key frame before 5 s is counter 120.
	complete(t, judge(t, path), 120, 539)
	if sync := inSync(t, path); sync.Pairs < 13 || sync.Worst.Abs() > 40*time.Millisecond {
		t.Errorf("sound against picture: %+v", sync)
	}
	if st := s.srv.Stats(); st.Growing != 1 || st.Active != 0 {
		t.Errorf("%+v", st)
	}
}

// A growing range with an end stops there, and where the codec configuration changes.
func TestGrowingEnds(t *testing.T) {
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{})
	start := time.Since(epoch).Truncate(2 * time.Second)
	s.live(src, start, 12*time.Second)
	from, to := epoch.Add(start+2*time.Second), epoch.Add(start+9*time.Second)
	a := s.do(http.MethodGet, s.http.URL+"/clip.mp4?from="+instant(from)+"&to="+instant(to))
	complete(t, judge(t, s.save(a.body)), 60, 269)

	s = newStage(t, Config{})
	start -= 20 * time.Second
	s.pattern(s.source(testpattern.Options{}), start, 4*time.Second, nil)
	s.pattern(s.source(testpattern.Options{Width: 640, Height: 360}), start+4*time.Second, 4*time.Second, nil)
	a = s.do(http.MethodGet, s.http.URL+"/clip.mp4?from="+instant(epoch.Add(start)))
	complete(t, judge(t, s.save(a.body)), 0, 119)
}

// A reader that goes away leaves nothing behind, while the footage is there or still to come.
func TestReadersGo(t *testing.T) {
	s := newStage(t, Config{})
	src := s.source(testpattern.Options{Bitrate: 8_000_000})
	start := time.Since(epoch).Truncate(2*time.Second) - 20*time.Second
	s.live(src, start, 12*time.Second)
	from := "/clip.mp4?from=" + instant(epoch.Add(start))
	for _, url := range []string{from, from + "&to=" + instant(epoch.Add(start+10*time.Second))} {
		res, err := s.http.Client().Get(s.http.URL + url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(res.Body, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	s.http.Close() // waits for the handlers
	if st := s.srv.Stats(); st.Active != 0 {
		t.Errorf("%+v", st)
	}
}
