package lint

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// checkReload holds a playlist against an earlier fetch of it.
func checkReload(s scope, was, now *playlist) {
	if was.head.hasTarget && now.head.hasTarget && was.head.target != now.head.target {
		s.add("hls.target_changed", was.head.target, now.head.target)
	}
	if was.head.kind != now.head.kind {
		s.add("hls.type_changed", orNone(was.head.kind), orNone(now.head.kind))
	}
	if was.head.partTarget != now.head.partTarget && was.head.partTarget > 0 && !now.head.end {
		s.add("ll.part_target_changed", seconds(was.head.partTarget), seconds(now.head.partTarget))
	}
	if was.version > now.version {
		s.add("hls.version_back", was.version, now.version)
	}
	if was.head.end && !now.head.end {
		s.add("hls.endlist_gone")
	}
	if now.head.msn < was.head.msn {
		s.add("hls.media_sequence_back", was.head.msn, now.head.msn)
		return
	}
	if now.last() < was.last() {
		s.add("hls.segments_lost", was.last(), now.last())
	}
	removed := now.head.msn - was.head.msn
	if removed > 0 {
		checkRemoval(s, was, now, removed)
	}
	checkNumbers(s, was, now)
	checkSame(s, was, now)
	checkPartsKept(s, was, now)
	checkHint(s, was, now)
}

// checkHint holds the part that came against the one that was promised.
func checkHint(s scope, was, now *playlist) {
	i := slices.IndexFunc(was.hints, func(t *tag) bool { return t.get("TYPE") == "PART" })
	if i < 0 || now.head.end {
		return
	}
	hint := was.hints[i]
	msn, n := was.last()+1, len(was.trailing)
	parts := partsOf(now, msn)
	if now.last() >= msn && len(parts) == n { // the segment ended there, so the next part is of the next one
		msn, n = msn+1, 0
		parts = partsOf(now, msn)
	}
	if addr, err := resolve(was.url, hint.get("URI")); err == nil && n < len(parts) && parts[n].url == addr {
		if from := number(hint.get("BYTERANGE-START")); from != parts[n].span.from {
			s.addLine(hint.line, "ll.hint_wrong", fmt.Sprintf("%s from byte %d", clip(hint.get("URI")), from), fmt.Sprintf("that from byte %d", parts[n].span.from))
		}
	} else if err == nil && n < len(parts) {
		s.addLine(hint.line, "ll.hint_wrong", clip(hint.get("URI")), clip(parts[n].url))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func checkRemoval(s scope, was, now *playlist, removed int64) {
	if now.find("EXT-X-DISCONTINUITY-SEQUENCE") == nil && slices.ContainsFunc(was.segments, func(g *segment) bool { return g.disc }) {
		s.add("hls.discontinuity_sequence_missing")
	}
	switch {
	case was.head.kind == "EVENT" || was.head.kind == "VOD":
		s.add("hls.type_removes", was.head.kind, removed)
	case was.head.end:
		s.add("hls.type_removes", "ENDLIST", removed)
	case !now.head.end && now.duration() < 3*now.head.target-0.5:
		s.add("hls.removed_too_soon", seconds(now.duration()), seconds(3*now.head.target))
	}
}

// checkNumbers finds segments that stand under another number than before, and discontinuities that are miscounted.
func checkNumbers(s scope, was, now *playlist) {
	number := map[string]int64{}
	byMSN := map[int64]*segment{}
	times := map[string]int{} // a looped file is listed more than once
	for _, g := range was.segments {
		number[key(g)] = g.msn
		byMSN[g.msn] = g
		times[key(g)]++
	}
	for _, g := range now.segments {
		if n, ok := number[key(g)]; ok && n != g.msn && times[key(g)] == 1 {
			s.addLine(g.line, "hls.media_sequence_wrong", g.url, n, g.msn)
			return
		}
		if old := byMSN[g.msn]; old != nil && old.dseq != g.dseq && key(old) == key(g) {
			s.addLine(g.line, "hls.discontinuity_sequence", g.msn, old.dseq, g.dseq)
			return
		}
	}
	if now.head.dseq < was.head.dseq {
		s.add("hls.discontinuity_sequence", now.head.msn, was.head.dseq, now.head.dseq)
	}
}

func key(g *segment) string { return (&initRef{url: g.url, span: g.span}).key() }

// checkSame finds segments that changed under their number.
func checkSame(s scope, was, now *playlist) {
	for i, g := range now.segments {
		j := int(g.msn - was.head.msn)
		if j < 0 || j >= len(was.segments) {
			if was.head.end && g.msn > was.last() {
				s.addLine(g.line, "hls.added_after_end", g.msn)
			}
			continue
		}
		old := was.segments[j]
		what := ""
		switch {
		case key(old) != key(g):
			what = "its address"
		case math.Abs(old.dur-g.dur) > 1e-6:
			what = "its EXTINF"
		case old.disc != g.disc && i > 0 && j > 0:
			what = "its EXT-X-DISCONTINUITY"
		case old.init.key() != g.init.key():
			what = "its EXT-X-MAP"
		case !old.pdt.IsZero() && !g.pdt.IsZero() && old.pdt.Sub(g.pdt).Abs() > time.Millisecond:
			what = "its EXT-X-PROGRAM-DATE-TIME"
		case old.gap != g.gap:
			what = "its EXT-X-GAP"
		}
		if what != "" {
			s.addLine(g.line, "hls.segment_changed", g.msn, what)
		}
	}
	if was.head.end && now.last() != was.last() {
		s.add("hls.changed_after_end")
	}
}

// checkPartsKept finds parts that changed or vanished while their segment was still open.
func checkPartsKept(s scope, was, now *playlist) {
	if len(was.trailing) == 0 {
		return
	}
	msn := was.last() + 1
	parts := now.trailing
	if i := int(msn - now.head.msn - now.head.skipped); i >= 0 && i < len(now.segments) {
		parts = now.segments[i].parts
	} else if i != len(now.segments) {
		return
	}
	if len(parts) == 0 && now.last() >= msn {
		return // a finished segment need not list them
	}
	for i, a := range was.trailing {
		if i >= len(parts) {
			s.addLine(a.line, "ll.part_lost", msn, i)
			return
		}
		if parts[i].url != a.url || math.Abs(parts[i].dur-a.dur) > 1e-6 || parts[i].independent != a.independent || parts[i].span != a.span {
			s.addLine(parts[i].line, "ll.part_changed", msn, i)
			return
		}
	}
}
