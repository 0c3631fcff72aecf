package lint

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ask adds delivery directives to an address.
func ask(addr string, directives ...string) string {
	u, err := url.Parse(addr)
	if err != nil {
		return addr
	}
	for i := 0; i+1 < len(directives); i += 2 {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += directives[i] + "=" + directives[i+1]
	}
	return u.String()
}

// blocking asks for the next part or segment and holds the answer against the question.
func (l *linter) blocking(ctx context.Context, r *rendition) (*playlist, bool) {
	msn, index := r.list.last()+1, len(r.list.trailing)
	addr := ask(r.url, "_HLS_msn", fmt.Sprint(msn))
	if r.list.head.partTarget > 0 {
		addr = ask(addr, "_HLS_part", fmt.Sprint(index))
	}
	if r.hints < 3 && len(r.list.hints) > 0 && time.Until(l.until) > 2*time.Second {
		r.hints++
		l.hint(ctx, r)
	}
	within, cancel := context.WithDeadline(ctx, l.until.Add(100*time.Millisecond))
	defer cancel()
	began := time.Now()
	res, err := l.f.get(within, addr, span{}, playlistAtMost)
	switch {
	case err != nil && within.Err() == nil && err != errBudget:
		r.sc.add("ll.blocking_failed", msn, index, err.Error())
		return nil, false
	case err != nil:
		if idle := time.Since(r.changed).Seconds(); idle > 1.5*r.list.head.target+1 && ctx.Err() == nil {
			r.sc.add("hls.stale", seconds(round(idle, 0)), seconds(1.5*r.list.head.target))
		}
		return nil, false
	case res.status == http.StatusServiceUnavailable || !res.ok():
		r.sc.add("ll.blocking_failed", msn, index, res.status)
		return nil, l.wait(ctx, time.Second)
	}
	l.playlists.Add(1)
	now := parsePlaylist(r.url, string(res.body), r.imports)
	if has := now.last() >= msn || r.list.head.partTarget > 0 && now.last() == msn-1 && len(now.trailing) > index; !has && !now.head.end {
		r.sc.add("ll.blocking_short", msn, index, seconds(round(time.Since(began).Seconds(), 2)))
		return now, l.wait(ctx, time.Second)
	}
	return now, true
}

// ahead asks, once, for the segment after the next: parts may be shorter than the way to the server is long, so that a server
// that holds nothing back looks like one that does.
func (l *linter) ahead(ctx context.Context, r *rendition, p *playlist) {
	c := p.head.control
	if c == nil || c.get("CAN-BLOCK-RELOAD") != "YES" || p.head.end {
		return
	}
	within, cancel := context.WithDeadline(ctx, l.until)
	defer cancel()
	msn, began := p.last()+2, time.Now()
	res, err := l.f.get(within, ask(r.url, "_HLS_msn", fmt.Sprint(msn)), span{}, playlistAtMost)
	if err != nil || !res.ok() {
		return // what a request for the next part fails with is told there
	}
	l.playlists.Add(1)
	if now := parsePlaylist(r.url, string(res.body), r.imports); now.last() < msn && !now.head.end {
		r.sc.add("ll.blocking_short", msn, "any", seconds(round(time.Since(began).Seconds(), 2)))
	}
}

// directives tries, once per playlist, what its server says it can.
func (l *linter) directives(ctx context.Context, r *rendition) {
	c := r.list.head.control
	if c == nil {
		return
	}
	if c.has("CAN-SKIP-UNTIL") {
		l.skip(ctx, r)
	}
	if c.get("CAN-BLOCK-RELOAD") != "YES" {
		return
	}
	brief, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	far := ask(r.url, "_HLS_msn", fmt.Sprint(r.list.last()+100))
	if res, err := l.f.get(brief, far, span{}, playlistAtMost); err != nil && ctx.Err() == nil && brief.Err() != nil {
		r.sc.add("ll.future_held")
	} else if err == nil && res.ok() {
		r.sc.add("ll.future_answered", res.status)
	}
	if r.list.head.partTarget == 0 {
		return
	}
	if res, err := l.f.get(ctx, ask(r.url, "_HLS_part", "0"), span{}, playlistAtMost); err == nil && res.status != http.StatusBadRequest {
		r.sc.add("ll.part_without_msn", res.status)
	}
}

// skip asks for a delta update and lays it over the full playlist.
func (l *linter) skip(ctx context.Context, r *rendition) {
	res, err := l.f.get(ctx, ask(r.url, "_HLS_skip", "YES"), span{}, playlistAtMost)
	if err != nil || !res.ok() {
		if ctx.Err() == nil {
			r.sc.add("ll.skip_failed", errOr(err, res))
		}
		return
	}
	l.playlists.Add(1)
	delta := parsePlaylist(r.url, string(res.body), r.imports)
	full, _ := l.read(ctx, r, r.url)
	if full == nil {
		return
	}
	checkDelta(r.sc, delta, full)
}

// checkDelta holds a delta update against the full playlist, fetched right after it.
func checkDelta(s scope, delta, full *playlist) {
	until := full.head.control.float("CAN-SKIP-UNTIL")
	if delta.head.skip == nil {
		if full.duration() > until+3*full.head.target {
			s.add("ll.skip_missing", seconds(until))
		}
		return
	}
	checkVersion(s, delta)
	s.addAll(delta.problems)
	if delta.head.skipped < 1 {
		s.addLine(delta.head.skip.line, "ll.skip_count", delta.head.skipped, "there must be at least one")
	}
	rest := delta.duration()
	for _, a := range delta.trailing {
		rest += a.dur
	}
	if rest < until-0.01 {
		s.addLine(delta.head.skip.line, "ll.skip_too_much", seconds(rest), seconds(until))
	}
	known := map[int64]*segment{}
	for _, g := range full.segments {
		known[g.msn] = g
	}
	for _, g := range delta.segments {
		f := known[g.msn]
		if f == nil && g.msn < full.head.msn {
			continue
		}
		if f == nil || key(f) != key(g) || f.durText != g.durText {
			s.addLine(delta.head.skip.line, "ll.skip_count", delta.head.skipped, fmt.Sprintf("segment %d is %s there and another in the full playlist", g.msn, g.url))
			return
		}
	}
}

// hint fetches what EXT-X-PRELOAD-HINT promises; the answer comes when the part is ready.
func (l *linter) hint(ctx context.Context, r *rendition) {
	for _, t := range r.list.hints[:min(len(r.list.hints), 2)] {
		l.hinted(ctx, r, t)
	}
}

func (l *linter) hinted(ctx context.Context, r *rendition, t *tag) {
	if !oneOf(t.get("TYPE"), "PART|MAP") {
		return
	}
	addr, err := resolve(r.url, t.get("URI"))
	if err != nil {
		return
	}
	at := span{number(t.get("BYTERANGE-START")), number(t.get("BYTERANGE-LENGTH"))}
	if t.has("BYTERANGE-START") && at.length == 0 {
		return // open ranges end with the part, which cannot be known here
	}
	body := l.bytesOf(ctx, r.sc, "the hinted part", addr, at)
	if body == nil {
		r.sc.addLine(t.line, "ll.hint_unresolved", clip(t.get("URI")))
		return
	}
}

// partsOf are the parts of a segment, finished or not.
func partsOf(p *playlist, msn int64) []part {
	if i := int(msn - p.head.msn - p.head.skipped); i >= 0 && i < len(p.segments) {
		return p.segments[i].parts
	} else if i == len(p.segments) {
		return p.trailing
	}
	return nil
}

// partsOf fetches the parts of a finished segment and lays them beside it.
func (l *linter) partsOf(ctx context.Context, r *rendition, g *segment, d *loaded, whole []byte) {
	var pieces [][]byte
	for i, a := range g.parts {
		if a.gap {
			return
		}
		b := l.bytesOf(ctx, r.sc, "part", a.url, a.span)
		if b == nil {
			return
		}
		pieces = append(pieces, b)
		if d.init != nil {
			checkPart(r.sc.at(a.url), g, i, parseFragments(b, d.init))
		}
	}
	joined := bytes.Join(pieces, nil)
	if bytes.Equal(joined, whole) {
		return
	}
	// section 3.2 asks for the same samples with the same timing, not for the same bytes around them
	m := parseSegment(joined, d.init)
	x, y := sampleCount(m), sampleCount(&d.media)
	if x != y {
		r.sc.at(g.url).add("ll.parts_differ", g.msn, len(pieces), x, y)
	}
	jumps := func(p problem) bool { return p.rule == "mp4.chunk_gap" }
	if i := slices.IndexFunc(m.problems, jumps); i >= 0 && !slices.ContainsFunc(d.problems, jumps) {
		r.sc.at(g.parts[0].url).addAll(m.problems[i : i+1])
	}
}

// sampleCount tells of each track how many samples there are, of how many bytes, and when.
func sampleCount(m *media) string {
	var list []string
	for _, r := range m.runs {
		list = append(list, fmt.Sprintf("%s: %d samples (%d bytes, sum %08x) from %s to %s", r.track.kind, r.samples, r.bytes, r.sum,
			seconds(float64(r.first)/float64(r.track.timescale)), seconds(float64(r.end)/float64(r.track.timescale))))
	}
	return strings.Join(list, ", ")
}

func checkPart(s scope, g *segment, i int, m *media) {
	s.addAll(m.problems)
	lead := m.leading()
	if lead == nil || lead.samples == 0 {
		return
	}
	a := g.parts[i]
	if off := lead.seconds() - a.dur; math.Abs(off) > math.Max(0.02, 1.1*lead.seconds()/float64(lead.samples)) {
		s.addLine(a.line, "ll.part_duration", g.msn, i, seconds(a.dur), seconds(lead.seconds()))
	}
	if !lead.track.video() {
		return
	}
	starts := lead.firstSync
	if lead.known {
		starts = lead.random
	}
	if a.independent && !starts {
		s.addLine(a.line, "ll.not_independent", g.msn, i)
	} else if !a.independent && starts {
		s.addLine(a.line, "ll.independent_untold", g.msn, i)
	}
}

// reports looks at EXT-X-RENDITION-REPORT: one for each other playlist, and near its newest part.
func (l *linter) reports(ctx context.Context, r *rendition, all []*rendition) {
	now, _ := l.read(ctx, r, r.url)
	if now == nil || now.head.end {
		return
	}
	told := map[string]bool{}
	for _, t := range now.reports {
		addr, err := resolve(r.url, t.get("URI"))
		o := findPath(all, addr)
		if err != nil || o == nil {
			r.sc.addLine(t.line, "ll.report_unknown", clip(t.get("URI")))
			continue
		}
		told[o.url] = true
		other, _ := l.read(ctx, o, o.url)
		if other == nil {
			continue
		}
		said := edge(now)
		if t.has("LAST-MSN") {
			said = number(t.get("LAST-MSN"))
		}
		if have := edge(other); said > have || said < have-2 {
			r.sc.addLine(t.line, "ll.report_wrong", clip(t.get("URI")), said, have)
		} else if n := len(partsOf(other, said)); t.has("LAST-PART") && n > 0 && number(t.get("LAST-PART")) >= int64(n) {
			r.sc.addLine(t.line, "ll.report_part", clip(t.get("URI")), t.get("LAST-PART"), said, n-1)
		}
	}
	for _, o := range all {
		if o != r && !told[o.url] {
			r.sc.add("ll.report_missing", o.url)
		}
	}
}

// edge is the media sequence number of the newest part.
func edge(p *playlist) int64 {
	if len(p.trailing) > 0 {
		return p.last() + 1
	}
	return p.last()
}
