// Package lint judges HLS and DASH streams from outside, as a player meets them: it fetches what an address leads to, reads
// it, and says in words which rule is broken where.
//
// What belongs here: fetching within bounds, reading of playlists, manifests, MP4 and TS, and the rules. What does not:
// anything of the rooms that make streams. Judge and judged share nothing, so a mistake in our writer is not repeated by our
// reader; the readers here are therefore its own.
package lint

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
)

// Options bound a run.
type Options struct {
	For         time.Duration // how long a live stream is followed; 0: it is read once
	MaxSegments int           // per playlist or representation; 0: 60
	MaxBytes    int64         // in all; 0: 2 GiB
	Language    string        // of the sentences: en or zh-CN
	Client      *http.Client  // nil: a plain one
}

// linter is one run.
type linter struct {
	o         Options
	f         *fetcher
	c         *collector
	until     time.Time
	live      atomic.Bool
	apple     bool // HLS, so what Apple asks of delivery holds
	playlists atomic.Int64
	segments  atomic.Int64
	mu        sync.Mutex
	inits     map[string]*initSegment
	keys      map[string][]byte // by address
	seen      map[string]bool   // what is probed once
}

// Rules are all rules in a language, in their order.
func Rules(lang string) []Rule {
	all := slices.Concat(hlsTextRules, hlsMediaRules, hlsMultiRules, lowLatencyRules, mp4Rules, tsRules, httpRules, dashRules, dashLiveRules)
	if lang == "zh-CN" {
		for i := range all {
			if zh, ok := chinese[all[i].ID]; ok {
				all[i].Say, all[i].Remedy = zh.say, zh.remedy
			}
		}
	}
	return all
}

// Run reads a playlist or manifest by address or file name, with everything beneath. The error says why nothing could be read;
// what is wrong with what was read is in the report.
func Run(ctx context.Context, target string, o Options) (*Report, error) {
	began := time.Now()
	if o.MaxSegments <= 0 {
		o.MaxSegments = 60
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 2 << 30
	}
	client := o.Client
	if client == nil {
		client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: true}}
		defer client.CloseIdleConnections()
	}
	addr, local, err := address(target)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "lint_target", target+" is neither an address nor a file.", "Give the address of an .m3u8 or .mpd.")
	}
	l := &linter{o: o, f: &fetcher{client: client, bytesMax: o.MaxBytes, local: local}, c: newCollector(o.Language),
		until: began.Add(o.For), inits: map[string]*initSegment{}, keys: map[string][]byte{}, seen: map[string]bool{}}
	res, err := l.f.get(ctx, addr, span{}, playlistAtMost)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "lint_unreachable", target+" cannot be read.", "Check the address, and that the server is up.")
	}
	if !res.ok() {
		return nil, fault.New(fault.NotFound, "lint_refused", target+" is answered with "+http.StatusText(res.status)+".", "Check the address, and whether a viewing key is needed.")
	}
	report := &Report{Target: target, Kind: kindOf(res)}
	switch report.Kind {
	case "hls":
		l.hls(ctx, res)
	case "dash":
		l.dash(ctx, res)
	default:
		return nil, fault.New(fault.Unsupported, "lint_format", target+" is neither an HLS playlist nor a DASH manifest.", "Give the address of an .m3u8 or .mpd.")
	}
	report.Findings, report.Live = l.c.findings(), l.live.Load()
	report.Read = Read{int(l.playlists.Load()), int(l.segments.Load()), l.f.bytes.Load()}
	report.Took = time.Since(began)
	return report, nil
}

func kindOf(r *resource) string {
	name, _, _ := strings.Cut(r.url, "?")
	kind := r.header.Get("Content-Type")
	head := r.body[:min(len(r.body), 4096)]
	switch {
	case bytes.Contains(head, []byte("#EXTM3U")), strings.HasSuffix(name, ".m3u8"), strings.HasSuffix(name, ".m3u"), strings.Contains(kind, "mpegurl"):
		return "hls"
	case bytes.Contains(head, []byte("<MPD")), strings.HasSuffix(name, ".mpd"), strings.Contains(kind, "dash+xml"):
		return "dash"
	}
	return ""
}

// once says whether this is the first time for what.
func (l *linter) once(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.seen[what]
	l.seen[what] = true
	return first
}

// wait returns false when the run is over before d has passed.
func (l *linter) wait(ctx context.Context, d time.Duration) bool {
	if left := time.Until(l.until); d > left {
		d = left
	}
	if d <= 0 {
		return ctx.Err() == nil && time.Now().Before(l.until)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return time.Now().Before(l.until)
	}
}

// each runs f for all at once and waits.
func each[T any](list []T, f func(T)) {
	var wg sync.WaitGroup
	for _, v := range list {
		wg.Go(func() { f(v) })
	}
	wg.Wait()
}
