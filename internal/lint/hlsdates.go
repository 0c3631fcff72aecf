package lint

import (
	"math"
	"slices"
	"strings"
	"time"
)

// dateRange is what the EXT-X-DATERANGE tags of one ID say together.
type dateRange struct {
	line  int
	attrs map[string]string
}

// dateRanges gathers the date ranges of a playlist by ID; clashes are reported to complain.
func (p *playlist) dateRanges(complain func(t *tag, what string)) (order []string, ranges map[string]*dateRange) {
	ranges = map[string]*dateRange{}
	for _, t := range p.tags {
		if t.name != "EXT-X-DATERANGE" {
			continue
		}
		r := ranges[t.get("ID")]
		if r == nil {
			r = &dateRange{t.line, map[string]string{}}
			ranges[t.get("ID")] = r
			order = append(order, t.get("ID"))
		}
		for i := range t.attrs {
			a := &t.attrs[i]
			if before, ok := r.attrs[a.name]; ok && before != a.value {
				complain(t, a.name+" is another than in the tag before it")
			}
			r.attrs[a.name] = a.value
		}
	}
	return order, ranges
}

// checkDateRanges holds section 4.4.5.1.
func checkDateRanges(s scope, p *playlist) {
	order, ranges := p.dateRanges(func(t *tag, what string) { s.addLine(t.line, "hls.daterange", t.get("ID"), what) })
	for _, id := range order {
		r := ranges[id]
		if what := r.fault(); what != "" {
			s.addLine(r.line, "hls.daterange", id, what)
		}
	}
	if len(order) > 0 && len(p.segments) > 0 && !slices.ContainsFunc(p.segments, func(g *segment) bool { return !g.pdt.IsZero() }) {
		s.addLine(ranges[order[0]].line, "hls.daterange", order[0], "there is no EXT-X-PROGRAM-DATE-TIME to place it by")
	}
}

func (r *dateRange) fault() string {
	next := r.attrs["END-ON-NEXT"] == "YES"
	start, err := time.Parse(time.RFC3339Nano, r.attrs["START-DATE"])
	end, noEnd := time.Parse(time.RFC3339Nano, r.attrs["END-DATE"])
	length := (&tag{attrs: []attr{{name: "DURATION", value: r.attrs["DURATION"]}}}).float("DURATION")
	cue := strings.Split(r.attrs["CUE"], ",")
	switch {
	case next && r.attrs["CLASS"] == "":
		return "END-ON-NEXT without CLASS"
	case next && (r.attrs["DURATION"] != "" || r.attrs["END-DATE"] != ""):
		return "END-ON-NEXT beside DURATION or END-DATE"
	case r.attrs["START-DATE"] == "":
		return "no tag of it has START-DATE"
	case err != nil:
		return "START-DATE is no date"
	case noEnd == nil && end.Before(start):
		return "it ends before it starts"
	case noEnd == nil && r.attrs["DURATION"] != "" && math.Abs(end.Sub(start).Seconds()-length) > 0.001:
		return "END-DATE is not START-DATE and DURATION"
	case r.attrs["CLASS"] == "com.apple.hls.interstitial" && (r.attrs["X-ASSET-URI"] == "") == (r.attrs["X-ASSET-LIST"] == ""):
		return "an interstitial needs exactly one of X-ASSET-URI and X-ASSET-LIST"
	case slices.Contains(cue, "PRE") && slices.Contains(cue, "POST"):
		return "CUE has both PRE and POST"
	}
	return ""
}

// checkPairDates holds section 6.2.4: playlists that have date ranges have the same. What came between two fetches is let be.
func checkPairDates(a, b *rendition) {
	quiet := func(*tag, string) {}
	known := func(r *rendition) map[string]*dateRange {
		_, all := r.first.dateRanges(quiet)
		_, late := r.list.dateRanges(quiet)
		for id, d := range late {
			all[id] = d
		}
		return all
	}
	x, y := known(a), known(b)
	if len(x) == 0 || len(y) == 0 {
		return
	}
	for _, pair := range [][2]map[string]*dateRange{{x, y}, {y, x}} {
		for id := range pair[0] {
			if pair[1][id] == nil {
				b.sc.add("hls.renditions_dateranges", id, a.url)
				return
			}
		}
	}
}

// checkOld finds dates that are far behind the clock though the playlist is live.
func checkOld(s scope, p *playlist) {
	for i := len(p.segments) - 1; i >= 0 && !p.head.end && p.head.kind == ""; i-- {
		if at, ok := p.dateOf(i); ok {
			if behind := time.Since(at).Seconds() - p.segments[i].dur; behind > 600 {
				s.addLine(p.segments[i].line, "hls.pdt_old", at.UTC().Format(time.RFC3339), seconds(round(behind, 0)))
			}
			return
		}
	}
}
