package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"weir/internal/format/flv"
	"weir/internal/gateway/rtmp"
	"weir/internal/media"
	"weir/internal/testpattern"
)

const (
	streamRate = 2_500_000 // with sound and containers about 2.65 Mbit/s
	smallRate  = 400_000   // about 0.5 Mbit/s
	probes     = 5         // viewers that decode marks, for latency and for missing frames
)

func jobs() []job {
	var out []job
	for _, n := range []int{100, 500, 1000} {
		j := job{
			name: fmt.Sprintf("rtmp-%d", n), what: fmt.Sprintf("RTMP, one publisher of 2.65 Mbit/s, %d viewers", n),
			peers: []string{"weir", "nginx", "floor", "weir-relaxed"}, measure: fanout(n, false),
		}
		f := job{
			name: fmt.Sprintf("flv-%d", n), what: fmt.Sprintf("HTTP-FLV, one publisher of 2.65 Mbit/s, %d viewers; nginx by RTMP", n),
			peers: []string{"weir", "nginx", "floor", "weir-relaxed"}, measure: fanout(n, true),
		}
		if n == 500 {
			bars := []bar{
				{"weir", "cpu_s_per_gbit", 0.6, "nginx"}, {"weir", "cpu_s_per_gbit", 1.3, "floor"}, {"weir", "p99_ms", 60, ""},
				{"weir-relaxed", "cpu_s_per_gbit", 0.3, "nginx"}, {"weir", "missing", 0, ""},
			}
			j.bars, f.bars = bars, bars
		}
		if n == 1000 {
			bars := []bar{{"weir", "missing", 0, ""}, {"weir", "kib_per_viewer", 40, ""}, {"weir", "short_viewers", 0, ""}}
			j.bars, f.bars = bars, bars
		}
		out = append(out, j, f)
	}
	out = append(out, recordJobs()...)
	out = append(out, clipJob())
	out = append(out, pastJobs()...)
	return append(out,
		job{name: "latency", what: "RTMP to RTMP, 10 viewers", peers: []string{"weir-realtime", "nginx", "weir"}, measure: fanout(10, false),
			bars: []bar{{"weir-realtime", "p50_ms", 1, ""}}},
		job{name: "first-frame", what: "RTMP, from connecting to the first key frame", peers: []string{"weir", "nginx"}, measure: firstFrame,
			bars: []bar{{"weir", "first_key_frame_ms", 20, ""}}},
		job{name: "publishers-200", what: "200 publishers of 0.5 Mbit/s, nobody watches", peers: []string{"weir-plain", "nginx", "weir"}, measure: publishers(200),
			bars: []bar{{"weir-plain", "cpu_share", 2, "nginx"}, {"weir-plain", "mib_per_stream_beside_payload", 0.5, ""}}},
		job{name: "publishers-hls-100", what: "100 publishers of 0.5 Mbit/s with HLS", peers: []string{"weir", "nginx-hls"}, measure: publishers(100),
			bars: []bar{{"weir", "cpu_share", 2, "nginx-hls"}, {"weir", "mib_per_stream_beside_payload", 0.5, ""}}},
		job{name: "hls-delivery", what: "sealed HLS segments to 100 clients as fast as they can", peers: []string{"weir", "nginx"}, measure: segments,
			bars: []bar{{"weir", "cpu_s_per_gbit", 1.5, "nginx"}}},
		job{name: "start", what: "from exec to an accepted publisher; idle memory", peers: []string{"weir", "nginx"}, measure: startup,
			bars: []bar{{"weir", "accepted_ms", 150, ""}, {"weir", "idle_mib", 50, ""}}},
	)
}

func (p *peer) url(stream string) string {
	return fmt.Sprintf("rtmp://127.0.0.1:%d/live/%s", p.rtmp, stream)
}

// beside runs f in the background for as long as the returned function has not been called, which gives its error, each time.
func beside(ctx context.Context, f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	return sync.OnceValue(func() error { cancel(); return <-done })
}

// fanout is one publisher and n viewers. Probes decode the marks: nothing may be missing; the others count bytes.
func fanout(n int, overHTTP bool) func(context.Context, *bench, *peer) (figures, error) {
	return func(ctx context.Context, b *bench, p *peer) (figures, error) {
		floor := p.name == "floor"
		if !floor {
			stop := beside(ctx, func(ctx context.Context) error { return publishPattern(ctx, p.url("bench"), streamRate) })
			defer stop() //nolint:errcheck // its failure shows as missing frames
			if err := settle(ctx, 2*time.Second); err != nil {
				return nil, err
			}
		}
		connect := playRTMP(p.rtmp, "live", "bench")
		flvURL := ""
		switch {
		case floor:
			connect = dialOnly(p.rtmp)
		case overHTTP && strings.HasPrefix(p.name, "weir"):
			flvURL = fmt.Sprintf("http://127.0.0.1:%d/live/bench/stream.flv", p.http)
			connect = get(flvURL)
		}
		before := p.memory()
		crowd, err := join(ctx, n, connect)
		if err != nil {
			return nil, err
		}
		defer crowd.leave()
		var watch *probe
		if !floor {
			watch = startProbes(ctx, p, flvURL)
			defer watch.stop()
		}
		if err := settle(ctx, 2*time.Second); err != nil {
			return nil, err
		}
		return window(ctx, b, p, crowd, watch, before)
	}
}

// window measures for the configured time.
func window(ctx context.Context, b *bench, p *peer, c *crowd, watch *probe, before int64) (figures, error) {
	if watch != nil {
		watch.reset()
	}
	start, cpu := c.snapshot(), p.cpu()
	began := time.Now()
	if err := settle(ctx, b.seconds); err != nil {
		return nil, err
	}
	end, spent, took := c.snapshot(), p.cpu()-cpu, time.Since(began)
	var total int64
	shares := make([]float64, len(end))
	for i := range end {
		total += end[i] - start[i]
		shares[i] = float64(end[i] - start[i])
	}
	sort.Float64s(shares)
	short := 0.0
	for _, s := range shares {
		if s < 0.9*middle(shares) { // one flush of 350 ms more or less at the window's edges is no loss
			short++
		}
	}
	gbit := float64(total) * 8 / 1e9
	f := figures{
		"cpu_s_per_gbit": spent.Seconds() / gbit, "gbit_per_s": gbit / took.Seconds(), "short_viewers": short,
		"kib_per_viewer": float64(p.memory()-before) / 1024 / float64(len(end)),
	}
	if watch != nil {
		watch.add(f)
	}
	return f, nil
}

func dialOnly(port int) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return dial(port) }
}

// probe is a few viewers that decode.
type probe struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	tally  []*testpattern.Tally
	took   []time.Duration // of all pictures that arrived, over all probes
}

func startProbes(ctx context.Context, p *peer, flvURL string) *probe {
	ctx, cancel := context.WithCancel(ctx)
	w := &probe{cancel: cancel}
	for i := range probes {
		w.tally = append(w.tally, &testpattern.Tally{})
		see := func(t []media.Track, f media.Frame) error {
			if media.Find(t, f.Track).Kind == media.Video {
				if mark, ok := testpattern.ReadSEI(f.Data, media.H264); ok {
					now := time.Now()
					took, known := departures.since(mark, now)
					w.mu.Lock()
					w.tally[i].Add(mark, now)
					if known {
						w.took = append(w.took, took)
					}
					w.mu.Unlock()
				}
			}
			return nil
		}
		w.wg.Go(func() {
			if flvURL != "" {
				_ = playFLV(ctx, flvURL, see) // ends with ctx; what it did not see is missing
				return
			}
			_ = rtmp.Play(ctx, rtmp.ClientConfig{URL: p.url("bench")}, see)
		})
	}
	return w
}

func (w *probe) stop() { w.cancel(); w.wg.Wait() }

func (w *probe) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.tally {
		*w.tally[i] = testpattern.Tally{}
	}
	w.took = nil
}

func (w *probe) add(f figures) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tally {
		r := t.Report()
		f["missing"] += float64(r.Missing)
		if r.Frames == 0 {
			f["missing"] += 1e6 // a probe that saw nothing must not pass for a perfect one
		}
	}
	if n := len(w.took); n > 0 {
		slices.Sort(w.took)
		f["p50_ms"], f["p99_ms"] = float64(w.took[n/2])/1e6, float64(w.took[n*99/100])/1e6
	}
}

func playFLV(ctx context.Context, url string, see func([]media.Track, media.Frame) error) error {
	body, err := get(url)(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	var demux flv.Demuxer
	r := flv.NewReader(body, 16<<20)
	for {
		tag, err := r.Next()
		if err != nil {
			return err
		}
		if tag.Type == flv.TagScript {
			continue
		}
		frames, err := demux.Tag(tag.Type, tag.Timestamp, tag.Body)
		if err != nil {
			return err
		}
		for _, f := range frames {
			if err := see(demux.Tracks(), f); err != nil {
				return err
			}
		}
	}
}

// firstFrame joins a running stream again and again.
func firstFrame(ctx context.Context, _ *bench, p *peer) (figures, error) {
	stop := beside(ctx, func(ctx context.Context) error { return publishPattern(ctx, p.url("bench"), streamRate) })
	defer stop() //nolint:errcheck // its failure shows as a join without a frame
	if err := settle(ctx, 2500*time.Millisecond); err != nil {
		return nil, err
	}
	var all []float64
	for range 20 {
		began := time.Now()
		err := rtmp.Play(ctx, rtmp.ClientConfig{URL: p.url("bench")}, func(t []media.Track, f media.Frame) error {
			if f.Key && media.Find(t, f.Track).Kind == media.Video {
				return io.EOF
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, float64(time.Since(began))/1e6)
		if err := settle(ctx, 130*time.Millisecond); err != nil { // anywhere in the group
			return nil, err
		}
	}
	sort.Float64s(all)
	return figures{"first_key_frame_ms": middle(all), "worst_ms": all[len(all)-1]}, nil
}

// publishers is n publishers and nobody who watches.
func publishers(n int) func(context.Context, *bench, *peer) (figures, error) {
	return func(ctx context.Context, b *bench, p *peer) (figures, error) {
		c, err := makeClip(smallRate, [2]int{640, 360})
		if err != nil {
			return nil, err
		}
		idle := p.memory()
		lost, stop := publishClips(ctx, p, c, n)
		defer stop()
		if err := settle(ctx, 8*time.Second); err != nil {
			return nil, err
		}
		cpu, began := p.cpu(), time.Now()
		if err := settle(ctx, b.seconds); err != nil {
			return nil, err
		}
		share := (p.cpu() - cpu).Seconds() / time.Since(began).Seconds()
		select {
		case err := <-lost:
			return nil, fmt.Errorf("a publisher was lost: %w", err)
		default:
		}
		used := float64(p.memory()-idle) / mib / float64(n)
		const window = 5 + 2 // seconds that Weir keeps: its window and the group in the making
		payload := float64(window) * (smallRate + 128_000) / 8 / mib
		return figures{"cpu_share": share, "mib_per_stream": used, "payload_mib_per_stream": payload, "mib_per_stream_beside_payload": used - payload}, nil
	}
}

// maker is who makes what p serves: a Weir of its own for nginx, which serves the same bytes from a file. end is called in any case.
func (b *bench) maker(ctx context.Context, p *peer) (source *peer, end func(), err error) {
	if p.name != "nginx" {
		return p, func() {}, nil
	}
	w, err := b.start(ctx, "weir")
	return w, w.stop, err
}

// segments downloads one sealed segment again and again; nginx serves the same bytes from a file.
func segments(ctx context.Context, b *bench, p *peer) (figures, error) {
	source, end, err := b.maker(ctx, p)
	defer end()
	if err != nil {
		return nil, err
	}
	stop := beside(ctx, func(ctx context.Context) error { return publishPattern(ctx, source.url("bench"), streamRate) })
	defer stop() //nolint:errcheck // its failure shows as a missing segment
	if err := settle(ctx, 7*time.Second); err != nil {
		return nil, err
	}
	url, body, err := sealedSegment(fmt.Sprintf("http://127.0.0.1:%d/live/bench/", source.http))
	if err != nil {
		return nil, err
	}
	if p != source {
		if err := stop(); err != nil {
			return nil, err
		}
		source.stop()
		if err := os.WriteFile(filepath.Join(p.dir, "www", "seg.m4s"), body, 0o644); err != nil {
			return nil, err
		}
		url = fmt.Sprintf("http://127.0.0.1:%d/seg.m4s", p.http)
	}
	cpu := p.cpu()
	total, err := hammer(ctx, url, int64(len(body)), 100, min(b.seconds, 20*time.Second))
	if err != nil {
		return nil, err
	}
	gbit := float64(total) * 8 / 1e9
	return figures{"cpu_s_per_gbit": (p.cpu() - cpu).Seconds() / gbit, "gbit": gbit, "segment_kb": float64(len(body)) / 1000}, nil
}

// sealedSegment finds the newest finished video segment.
func sealedSegment(base string) (url string, body []byte, err error) {
	text, err := fetch(base + "v0.m3u8")
	if err != nil {
		return "", nil, err
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "seg-") {
			url = base + strings.TrimSpace(line)
		}
	}
	if url == "" {
		return "", nil, errors.New("no finished segment")
	}
	body, err = fetch(url)
	return url, body, err
}

func fetch(url string) ([]byte, error) {
	resp, err := http.Get(url) //nolint:noctx // bounded by the server under test
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// hammer has n clients fetch url over lasting connections; each answer's length is checked.
func hammer(ctx context.Context, url string, size int64, n int, d time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, DisableCompression: true}}
	var mu sync.Mutex
	var total int64
	var failure error
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			buf := make([]byte, 64<<10)
			for ctx.Err() == nil {
				got, err := fetchOnce(ctx, client, url, buf)
				mu.Lock()
				if err == nil && got != size {
					err = fmt.Errorf("%d bytes instead of %d", got, size)
				}
				if err == nil {
					total += got
				} else if ctx.Err() == nil && failure == nil {
					failure = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return total, failure
}

func fetchOnce(ctx context.Context, client *http.Client, url string, buf []byte) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.CopyBuffer(onlyWriter{}, resp.Body, buf)
}

type onlyWriter struct{}

func (onlyWriter) Write(b []byte) (int, error) { return len(b), nil }

// startup measures from exec to the first publisher that was let in.
func startup(ctx context.Context, _ *bench, p *peer) (figures, error) {
	accepted := make(chan time.Time, 1)
	stop := beside(ctx, func(ctx context.Context) error {
		src, err := testpattern.New(testpattern.Options{Width: 320, Height: 180})
		if err != nil {
			return err
		}
		first := true
		return rtmp.Publish(ctx, rtmp.ClientConfig{URL: p.url("bench")}, src.Tracks(), func(ctx context.Context) (media.Frame, error) {
			if first {
				accepted <- time.Now()
				first = false
			}
			<-ctx.Done()
			return media.Frame{}, context.Cause(ctx)
		})
	})
	defer stop() //nolint:errcheck // it is ended on purpose
	var at time.Time
	select {
	case at = <-accepted:
	case <-time.After(10 * time.Second):
		return nil, errors.New("no publisher was let in")
	}
	if err := settle(ctx, time.Second); err != nil {
		return nil, err
	}
	return figures{"accepted_ms": float64(at.Sub(p.started)) / 1e6, "idle_mib": float64(p.memory()) / mib}, nil
}
