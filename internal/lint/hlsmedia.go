package lint

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// checkMedia holds one media playlist against the rules that need nothing else.
func checkMedia(s scope, p *playlist) {
	s.addAll(p.problems)
	if p.multi && p.media {
		s.add("hls.mixed")
	}
	checkVersion(s, p)
	checkDurations(s, p)
	checkKind(s, p)
	checkDates(s, p)
	checkRanges(s, p)
	checkStart(s, p)
	if p.head.skip != nil {
		s.addLine(p.head.skip.line, "ll.skip_unasked")
	}
	checkLowLatency(s, p)
}

// feature is what a playlist uses and the version that brought it (RFC 8216bis section 8).
type feature struct {
	version int
	name    string
	line    int
}

func features(p *playlist) (list []feature) {
	for _, t := range p.tags {
		switch t.name {
		case "EXTINF":
			if n, _, _ := strings.Cut(t.value, ","); strings.Contains(n, ".") {
				list = append(list, feature{3, "EXTINF with a fraction", t.line})
			}
		case "EXT-X-BYTERANGE", "EXT-X-I-FRAMES-ONLY":
			list = append(list, feature{4, t.name, t.line})
		case "EXT-X-MAP":
			if p.head.iframes {
				list = append(list, feature{5, "EXT-X-MAP with EXT-X-I-FRAMES-ONLY", t.line})
			} else {
				list = append(list, feature{6, "EXT-X-MAP", t.line})
			}
		case "EXT-X-KEY":
			if t.has("IV") {
				list = append(list, feature{2, "IV of EXT-X-KEY", t.line})
			}
			if t.has("KEYFORMAT") || t.has("KEYFORMATVERSIONS") || strings.HasPrefix(t.get("METHOD"), "SAMPLE-AES") {
				list = append(list, feature{5, "KEYFORMAT or SAMPLE-AES of EXT-X-KEY", t.line})
			}
		case "EXT-X-DEFINE":
			if t.has("QUERYPARAM") {
				list = append(list, feature{11, "QUERYPARAM of EXT-X-DEFINE", t.line})
			}
			list = append(list, feature{8, t.name, t.line})
		case "EXT-X-SKIP":
			list = append(list, feature{9, t.name, t.line})
			if t.has("RECENTLY-REMOVED-DATERANGES") {
				list = append(list, feature{10, "RECENTLY-REMOVED-DATERANGES of EXT-X-SKIP", t.line})
			}
		case "EXT-X-MEDIA":
			if t.has("INSTREAM-ID") && t.get("TYPE") != "CLOSED-CAPTIONS" {
				list = append(list, feature{13, "INSTREAM-ID of a TYPE other than CLOSED-CAPTIONS", t.line})
			} else if strings.HasPrefix(t.get("INSTREAM-ID"), "SERVICE") {
				list = append(list, feature{7, "INSTREAM-ID of a SERVICE", t.line})
			}
		}
		for i := range t.attrs {
			if strings.HasPrefix(t.attrs[i].name, "REQ-") {
				list = append(list, feature{12, t.attrs[i].name, t.line})
			}
		}
	}
	return list
}

func checkVersion(s scope, p *playlist) {
	need := 3 // below that, durations lose their fractions
	for _, f := range features(p) {
		if p.version < f.version {
			s.addLine(f.line, "hls.version_low", p.version, f.name, f.version)
			return
		}
		need = max(need, f.version)
	}
	switch c := p.head.control; { // what the server may answer counts, too
	case p.multi: // it may speak for its media playlists
		need = max(need, 10)
	case c != nil && c.has("CAN-SKIP-DATERANGES"):
		need = max(need, 10)
	case c != nil && c.has("CAN-SKIP-UNTIL"):
		need = max(need, 9)
	}
	if p.version > need {
		s.addLine(p.find("EXT-X-VERSION").line, "hls.version_high", p.version, need)
	}
}

func checkDurations(s scope, p *playlist) {
	h := &p.head
	if !h.hasTarget {
		s.add("hls.target_missing")
		return
	}
	if h.target == 0 && len(p.segments) > 0 {
		s.addLine(p.find("EXT-X-TARGETDURATION").line, "hls.target_zero")
	}
	seen := map[string]int{}
	run := 0
	for _, g := range p.segments {
		if math.Round(g.dur) > h.target {
			s.addLine(g.line, "hls.extinf_over_target", g.msn, g.durText, h.target)
		}
		if g.dur == 0 && g.durText != "" {
			s.addLine(g.line, "hls.extinf_zero", g.msn)
		}
		if g.disc {
			run++
		}
		key := fmt.Sprintf("%s#%d+%d", g.url, g.span.from, g.span.length)
		if before, ok := seen[key]; ok && before == run && !g.gap {
			s.addLine(g.line, "hls.segment_twice", g.msn)
		}
		seen[key] = run
	}
	if longest := longest(p); longest > 0 && h.target > 3*longest+1 && !h.iframes {
		s.addLine(p.find("EXT-X-TARGETDURATION").line, "hls.target_high", h.target, seconds(longest))
	}
	if n := len(p.segments); !h.end && h.kind == "" && n > 0 && p.duration() < 3*h.target-0.5 && h.msn > 0 {
		s.add("hls.window_short", seconds(p.duration()), seconds(h.target))
	}
}

func longest(p *playlist) (most float64) {
	for _, g := range p.segments {
		most = max(most, g.dur)
	}
	return most
}

func checkKind(s scope, p *playlist) {
	h := &p.head
	if h.kind == "VOD" && !h.end {
		s.add("hls.vod_open")
	}
	if h.kind == "EVENT" && h.msn > 0 {
		s.add("hls.event_start", h.msn)
	}
	for i, t := range p.tags {
		if t.name == "EXT-X-ENDLIST" && i+1 < len(p.tags) {
			s.addLine(t.line, "hls.endlist_early")
		}
	}
	checkDateRanges(s, p)
	if h.end && (len(p.hints) > 0 || len(p.trailing) > 0) {
		s.add("ll.hint_after_end")
	}
	if len(p.segments) == 0 && h.end {
		s.add("hls.empty")
	}
	if n := len(p.segments); n > 0 && p.segments[0].disc && h.msn == 0 && p.head.dseq == 0 && p.find("EXT-X-SKIP") == nil {
		s.addLine(p.segments[0].line, "hls.discontinuity_first")
	}
}

// dateOf is when a segment's first sample was, by its own tag or counted from an earlier one of the same run.
func (p *playlist) dateOf(i int) (time.Time, bool) {
	for j := i; j >= 0; j-- {
		g := p.segments[j]
		if !g.pdt.IsZero() {
			return g.pdt.Add(time.Duration((p.segments[i].start - g.start) * float64(time.Second))), true
		}
		if g.disc {
			break
		}
	}
	return time.Time{}, false
}

// checkDates holds PROGRAM-DATE-TIME against the durations: between neighbours, and added up over a run.
func checkDates(s scope, p *playlist) {
	base, last := -1, -1
	for i, g := range p.segments {
		if g.disc {
			base = -1
		}
		if g.pdt.IsZero() {
			continue
		}
		if last >= 0 && !g.pdt.After(p.segments[last].pdt) {
			s.addLine(g.line, "hls.pdt_back", g.msn)
		}
		if base >= 0 && last >= 0 {
			l, b := p.segments[last], p.segments[base]
			step := g.pdt.Sub(l.pdt).Seconds() - (g.start - l.start)
			drift := g.pdt.Sub(b.pdt).Seconds() - (g.start - b.start)
			if math.Abs(step) > 0.1 {
				s.addLine(g.line, "hls.pdt_jump", g.msn, seconds(step))
			} else if math.Abs(drift) > 0.25+0.001*float64(i-base) {
				s.addLine(g.line, "hls.pdt_drift", g.msn, seconds(drift), i-base)
			}
		}
		if base < 0 {
			base = i
		}
		last = i
	}
	if last < 0 && !p.head.end && len(p.segments) > 0 && !p.head.iframes {
		s.add("hls.pdt_missing")
	}
	if last < 0 || p.head.end {
		return
	}
	newest := p.segments[last]
	if time.Until(newest.pdt) > time.Minute {
		s.addLine(newest.line, "hls.pdt_future", newest.pdt.Format(time.RFC3339))
	}
}

// checkRanges looks at gaps and keys.
func checkRanges(s scope, p *playlist) {
	for _, g := range p.segments {
		gaps := 0
		for _, a := range g.parts {
			if a.gap {
				gaps++
			}
		}
		if gaps > 0 && !g.gap {
			s.addLine(g.line, "hls.gap_parts", g.msn)
		}
	}
	for _, t := range p.tags {
		if t.name == "EXT-X-KEY" && t.has("IV") && len(strings.TrimLeft(t.get("IV")[min(2, len(t.get("IV"))):], "0")) > 32 {
			s.addLine(t.line, "hls.attribute_value", t.name, "IV", clip(t.get("IV")))
		} else if t.name == "EXT-X-KEY" && t.has("IV") && len(t.get("IV")) < 34 {
			s.addLine(t.line, "hls.iv_short", clip(t.get("IV")))
		}
	}
}

func checkStart(s scope, p *playlist) {
	t := p.find("EXT-X-START")
	if t == nil || p.multi {
		return
	}
	at, whole := t.float("TIME-OFFSET"), p.duration()
	if math.Abs(at) > whole && whole > 0 {
		s.addLine(t.line, "hls.start_outside", seconds(at), seconds(whole))
	}
	if !p.head.end && -at < 3*p.head.target && at < 0 && p.head.partTarget == 0 {
		s.addLine(t.line, "hls.start_near_end", seconds(at), seconds(p.head.target))
	}
}

// checkLowLatency holds what low-latency HLS asks of one playlist.
func checkLowLatency(s scope, p *playlist) {
	h := &p.head
	parts := len(p.trailing)
	for _, g := range p.segments {
		parts += len(g.parts)
	}
	if parts > 0 && h.partTarget == 0 {
		s.add("ll.part_inf_missing")
		return
	}
	checkControl(s, p)
	if h.partTarget == 0 {
		return
	}
	for _, g := range p.segments {
		checkParts(s, p, g.parts, true, g)
	}
	checkParts(s, p, p.trailing, false, nil)
	if h.end {
		return
	}
	if h.control == nil || h.control.get("CAN-BLOCK-RELOAD") != "YES" {
		s.add("ll.blocking_missing")
	}
	kinds := map[string]int{}
	for _, t := range p.hints {
		if kinds[t.get("TYPE")]++; kinds[t.get("TYPE")] == 2 {
			s.addLine(t.line, "ll.hint_twice", t.get("TYPE"))
		}
	}
	if kinds["PART"] == 0 {
		s.add("ll.hint_missing")
	}
	checkEdge(s, p)
	if n := len(p.segments); n > 0 && len(p.segments[n-1].parts) == 0 && !p.segments[n-1].gap {
		s.addLine(p.segments[n-1].line, "ll.parts_missing", p.segments[n-1].msn)
	}
}

// checkEdge holds that parts stand only near the live edge, and that the hint is of one to come.
func checkEdge(s scope, p *playlist) {
	end := p.duration()
	for _, a := range p.trailing {
		end += a.dur
	}
	known := map[string]bool{}
	for _, g := range p.segments {
		at := g.start
		for _, a := range g.parts {
			// whole segments lose their parts at once, so the oldest may be a segment farther
			if at += a.dur; end-at > 4*p.head.target+p.head.partTarget {
				s.addLine(a.line, "ll.parts_old", g.msn, seconds(end-at), seconds(3*p.head.target))
			}
			known[a.url] = a.span.length == 0
		}
	}
	for _, a := range p.trailing {
		known[a.url] = a.span.length == 0
	}
	for _, t := range p.hints {
		if u, err := resolve(p.url, t.get("URI")); err == nil && known[u] && !t.has("BYTERANGE-START") {
			s.addLine(t.line, "ll.hint_known", clip(t.get("URI")))
		}
	}
}

func checkControl(s scope, p *playlist) {
	h := &p.head
	if h.control == nil {
		if h.partTarget > 0 {
			s.add("ll.part_hold_back_missing")
		}
		return
	}
	t := h.control
	back, skip := t.float("HOLD-BACK"), t.float("CAN-SKIP-UNTIL")
	if t.has("HOLD-BACK") && back < 3*h.target {
		s.addLine(t.line, "ll.hold_back_low", seconds(back), seconds(3*h.target))
	}
	if t.has("CAN-SKIP-UNTIL") && skip < 6*h.target {
		s.addLine(t.line, "ll.skip_until_low", seconds(skip), seconds(6*h.target))
	}
	if t.has("CAN-SKIP-DATERANGES") && !t.has("CAN-SKIP-UNTIL") {
		s.addLine(t.line, "ll.skip_dateranges")
	}
	if h.partTarget == 0 {
		return
	}
	switch hold := t.float("PART-HOLD-BACK"); {
	case !t.has("PART-HOLD-BACK"):
		s.addLine(t.line, "ll.part_hold_back_missing")
	case hold < 2*h.partTarget-1e-9:
		s.addLine(t.line, "ll.part_hold_back_low", seconds(hold), seconds(h.partTarget))
	case hold < 3*h.partTarget-1e-9:
		s.addLine(t.line, "ll.part_hold_back_short", seconds(hold), seconds(h.partTarget))
	}
}

func checkParts(s scope, p *playlist, parts []part, whole bool, g *segment) {
	sum := 0.0
	for i, a := range parts {
		sum += a.dur
		if a.dur > p.head.partTarget+1e-6 {
			s.addLine(a.line, "ll.part_long", seconds(a.dur), seconds(p.head.partTarget))
		}
		if a.dur < 0.85*p.head.partTarget-1e-6 && i+1 < len(parts) && !a.gap && !a.independent && !parts[i+1].gap {
			s.addLine(a.line, "ll.part_short", seconds(a.dur), seconds(0.85*p.head.partTarget))
		}
	}
	if whole && len(parts) > 0 && math.Abs(sum-g.dur) > 0.01+0.001*float64(len(parts)) {
		s.addLine(g.line, "ll.part_sum", g.msn, len(parts), seconds(sum), g.durText)
	}
}
