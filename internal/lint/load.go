package lint

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// loaded is a segment that was fetched and read.
type loaded struct {
	media
	init  *initSegment
	initK string
	body  []byte // kept only while parts are compared with it
}

// bytesOf fetches a segment, an init segment or a part. what is its name in sentences. nil: it is reported already.
func (l *linter) bytesOf(ctx context.Context, s scope, what, url string, at span) []byte {
	l.segments.Add(1)
	res, err := l.f.get(ctx, url, at, segmentAtMost)
	switch {
	case err != nil && (ctx.Err() != nil || err == errBudget):
		return nil
	case err != nil:
		s.at(url).add("serve.missing", what, err.Error())
		return nil
	case !res.ok():
		s.at(url).add("serve.missing", what, strconv.Itoa(res.status)+" "+http.StatusText(res.status))
		return nil
	}
	if at.length > 0 && res.header != nil {
		if res.status != http.StatusPartialContent {
			s.at(url).add("serve.range_ignored", what, at.from, at.from+at.length-1)
			if int64(len(res.body)) >= at.from+at.length {
				return res.body[at.from : at.from+at.length]
			}
			return nil
		}
		l.contentRange(s.at(url), res, at)
	}
	if at.length > 0 && int64(len(res.body)) < at.length {
		s.at(url).add("serve.range_short", what, at.length, len(res.body))
	}
	if len(res.body) == 0 {
		s.at(url).add("serve.empty", what)
		return nil
	}
	if res.cut {
		return nil
	}
	if res.gzip && at.length == 0 && kindOfBody(res.body) != "" {
		s.at(url).add("serve.segment_gzip", what)
	}
	return res.body
}

// kindOfBody names what is compressed already: of text, gzip is welcome.
func kindOfBody(b []byte) string {
	if kind := plain(b); kind != "WebVTT" {
		return kind
	}
	return ""
}

func (l *linter) contentRange(s scope, res *resource, at span) {
	want := "bytes " + strconv.FormatInt(at.from, 10) + "-" + strconv.FormatInt(at.from+at.length-1, 10) + "/"
	if have := res.header.Get("Content-Range"); !strings.HasPrefix(have, want) && (int64(len(res.body)) >= at.length || have == "") {
		s.add("serve.content_range", clip(have), want+"…")
	}
}

// initOf fetches an init segment once.
func (l *linter) initOf(ctx context.Context, s scope, m *initRef) *initSegment {
	if m == nil {
		return nil
	}
	l.mu.Lock()
	have, ok := l.inits[m.key()]
	l.mu.Unlock()
	if ok {
		return have
	}
	var init *initSegment
	if body := l.bytesOf(ctx, s, "the init segment", m.url, m.span); body != nil {
		init = l.openInit(ctx, s, m, body)
		s.at(m.url).addAll(init.problems)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inits[m.key()] = init
	return init
}

// httpSegment looks once per place at how segments are served.
func (l *linter) httpSegment(ctx context.Context, s scope, url, kind string) {
	if !strings.HasPrefix(url, "http") || !l.once("segment of "+s.name) {
		return
	}
	res, err := l.f.get(ctx, url, span{0, 100}, segmentAtMost)
	if err != nil || !res.ok() {
		return
	}
	s = s.at(url)
	if res.status != http.StatusPartialContent {
		s.add("serve.ranges")
	}
	if l.apple && res.url != url {
		s.add("serve.redirect", clip(res.url))
	}
	if res.header.Get("Access-Control-Allow-Origin") == "" {
		s.add("serve.cors")
	}
	if res.header.Get("Cache-Control") == "" && res.header.Get("Expires") == "" {
		s.add("serve.segment_cache")
	}
	have := mimeOf(res)
	want := map[string]string{"fmp4": "video/mp4|audio/mp4|video/iso.segment|audio/iso.segment|application/mp4|video/quicktime", "ts": "video/mp2t", "adts": "audio/aac|audio/aacp|audio/mpeg|audio/mp4|audio/ac3|audio/eac3", "vtt": "text/vtt", "webm": "video/webm|audio/webm"}[kind]
	if want != "" && !oneOf(have, want) {
		s.add("serve.segment_type", clip(res.header.Get("Content-Type")), strings.ReplaceAll(want, "|", ", "))
	}
}

func mimeOf(res *resource) string {
	kind, _, _ := strings.Cut(res.header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// httpPlaylist looks at how a playlist or manifest is served. target is how long it stays true: 0 for ever.
func (l *linter) httpPlaylist(s scope, res *resource, types string, target float64) {
	if res.header == nil || !l.once("playlist "+s.url) {
		return
	}
	if have := mimeOf(res); !oneOf(have, types) {
		s.add("serve.playlist_type", clip(res.header.Get("Content-Type")), strings.ReplaceAll(types, "|", ", "))
	}
	if res.header.Get("Access-Control-Allow-Origin") == "" {
		s.add("serve.cors")
	}
	if only := res.header.Get("Access-Control-Allow-Origin"); only != "" && only != "*" {
		s.add("serve.cors_one", clip(only))
	}
	if !res.gzip && len(res.body) > 2000 {
		s.add("serve.gzip", len(res.body))
	}
	if age, err := strconv.ParseFloat(res.header.Get("Age"), 64); err == nil && target > 0 && age > target+1 {
		s.add("serve.playlist_old", seconds(age), seconds(target))
	}
	if age, ok := maxAge(res.header); target > 0 && ok && float64(age) > target {
		s.add("serve.playlist_cached", age, seconds(target))
	} else if target > 0 && !ok && res.header.Get("Cache-Control") == "" {
		s.add("serve.playlist_cache")
	}
	if len(res.body) > 1<<20 {
		s.add("serve.playlist_size", len(res.body))
	}
	if at, err := http.ParseTime(res.header.Get("Date")); err == nil && target > 0 && time.Since(at).Abs() > 5*time.Second {
		s.add("serve.date", seconds(time.Since(at).Seconds()))
	}
}

// maxAge is what a shared cache may keep the answer for.
func maxAge(h http.Header) (age int64, ok bool) {
	for v := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		v = strings.TrimSpace(v)
		if v == "no-store" || v == "no-cache" || v == "private" {
			return 0, true
		}
		if n, found := strings.CutPrefix(v, "max-age="); found {
			a, err := strconv.ParseInt(n, 10, 64)
			age, ok = a, err == nil
		}
	}
	return age, ok
}
