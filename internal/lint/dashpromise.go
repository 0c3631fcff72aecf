package lint

import (
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// calendarForm finds years and months in an xs:duration: they have no fixed length.
var calendarForm = regexp.MustCompile(`^-?P(\d+Y|\d+M)`)

// checkPromises holds what a manifest says of itself against what it holds: its profile, its clocks, its updates.
func checkPromises(s scope, m *manifest) {
	root := m.root
	profiles := strings.FieldsFunc(root.get("profiles"), func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(profiles, "urn:mpeg:dash:profile:isoff-on-demand:2011") && len(profiles) == 1 && m.dynamic {
		s.addAt(root.line, "MPD", "dash.profile_wrong", profiles[0], "type dynamic")
	}
	for _, r := range m.reps {
		if slices.Contains(profiles, "urn:mpeg:dash:profile:isoff-live:2011") && len(profiles) == 1 && (r.a.kind == "list" || r.a.kind == "base") {
			s.addAt(r.a.node.line, r.node.label(), "dash.profile_wrong", profiles[0], r.a.node.name)
			break
		}
	}
	for i := range m.periods {
		if n := m.periods[i].node; n.has("duration") && n.duration("duration") == 0 {
			s.addAt(n.line, n.label(), "dash.period_empty")
		}
	}
	if !m.dynamic {
		return
	}
	if kids := root.kids("UTCTiming"); len(kids) > 0 && !slices.ContainsFunc(kids, func(n *node) bool { return oneOf(n.get("schemeIdUri"), clocks) }) {
		s.addAt(kids[0].line, "UTCTiming", "dash.utc_scheme", clip(kids[0].get("schemeIdUri")))
	}
	ends, okE := xsDate(root.get("availabilityEndTime"))
	if made, ok := xsDate(root.get("publishTime")); ok && okE && !ends.After(made) {
		s.addAt(root.line, "MPD", "dash.ended", root.get("availabilityEndTime"), root.get("publishTime"))
	}
	checkRareUpdates(s, m)
}

// clocks are the schemes that the DASH-IF timing model leaves of those of clause 5.8.5.7.
const clocks = "urn:mpeg:dash:utc:http-xsdate:2014|urn:mpeg:dash:utc:http-iso:2014|urn:mpeg:dash:utc:http-head:2014|urn:mpeg:dash:utc:direct:2014"

// checkRareUpdates finds a manifest that lists its segments one by one and lets players come back long after the last.
func checkRareUpdates(s scope, m *manifest) {
	pause := m.root.duration("minimumUpdatePeriod")
	if m.root.has("mediaPresentationDuration") || pause == 0 {
		return
	}
	for _, r := range m.reps {
		if r.a.timeline == nil {
			return
		}
		list := r.a.timeline.kids("S")
		if len(list) == 0 || strings.HasPrefix(list[len(list)-1].get("r"), "-") {
			return
		}
		if length := r.a.nominal(); pause > 5*length+10 {
			s.addAt(m.root.line, "MPD", "dash.update_rare", seconds(pause), seconds(length))
			return
		}
	}
}

// checkDepth holds that the segments of the whole time shift buffer are listed, as far as they ever were.
func checkDepth(s scope, m *manifest, now time.Time) {
	depth := m.root.duration("timeShiftBufferDepth")
	promised := seconds(depth)
	if !m.root.has("timeShiftBufferDepth") { // everything since the start, then
		depth, promised = 1<<30, "not there, thus endless"
	}
	if depth == 0 || m.began.IsZero() {
		return
	}
	at := now.Sub(m.began).Seconds() - depth
	for _, r := range m.reps {
		if r.a.timeline == nil || r.period != &m.periods[0] {
			continue
		}
		list := r.slots(m, now)
		if len(list) == 0 {
			continue
		}
		slack := 2*list[0].dur + m.root.duration("minimumUpdatePeriod") + 2
		if first := list[0].start; first > max(at, r.period.start)+slack && first > r.period.start+list[0].dur {
			s.addAt(r.a.timeline.line, r.node.label(), "dash.depth_uncovered", promised, seconds(round(now.Sub(m.began).Seconds()-first, 1)))
		}
	}
}

// checkEnds holds that the time lines of picture and sound of a live Period reach equally far: an offset or a start that is
// wrong moves one against the other.
func checkEnds(s scope, m *manifest, now time.Time) {
	first, last := math.Inf(1), math.Inf(-1)
	longest := 0.0
	var behind *representation
	for _, r := range m.reps {
		if r.a.timeline == nil || r.period != &m.periods[len(m.periods)-1] || !r.video() && !r.audio() {
			continue
		}
		list := r.slots(m, now)
		if len(list) == 0 {
			continue
		}
		end := list[len(list)-1].start + list[len(list)-1].dur
		if end < first {
			first, behind = end, r
		}
		last = max(last, end)
		for _, one := range list {
			longest = max(longest, one.dur)
		}
	}
	if behind != nil && last-first > 1.5*longest+1 {
		s.addAt(behind.a.timeline.line, behind.node.label(), "dash.ends_apart", seconds(last-first))
	}
}

// checkEntries looks at how the S elements are numbered and repeated.
func checkEntries(s scope, r *representation) {
	next, known := r.a.start, true
	list := r.a.timeline.kids("S")
	for i, e := range list {
		repeat := number(e.get("r"))
		if repeat < 0 && i+1 < len(list) && list[i+1].has("t") {
			s.addAt(e.line, r.node.label(), "dash.timeline_open", e.get("r"))
		}
		if n := e.uint("n", next); n != next {
			if known {
				s.addAt(e.line, r.node.label(), "dash.timeline_number", n, next)
			}
			next, known = n, true
		}
		known = known && repeat >= 0
		next += max(repeat, 0) + 1
	}
}

const cencSpace = "urn:mpeg:cenc:2013"

// keyID is @cenc:default_KID as tenc writes it.
func keyID(n *node) (string, bool) {
	i := slices.IndexFunc(n.attrs, func(a xml.Attr) bool { return a.Name.Local == "default_KID" && a.Name.Space == cencSpace })
	if i < 0 {
		return "", false
	}
	return strings.ToLower(strings.ReplaceAll(n.attrs[i].Value, "-", "")), true
}

// protections are the ContentProtection elements that hold for a representation.
func (r *representation) protections() []*node {
	return slices.Concat(r.node.kids("ContentProtection"), r.set.kids("ContentProtection"))
}

// checkProtection holds ContentProtection against the init segment.
func checkProtection(s scope, r *representation, t *track) {
	where := r.node.label()
	list := r.protections()
	if t.encrypted && len(list) == 0 {
		s.addAt(r.node.line, where, "dash.protection_missing")
	}
	if !t.encrypted && len(list) > 0 {
		s.addAt(list[0].line, where, "dash.protection_needless")
	}
	for _, n := range list {
		if said := n.get("value"); strings.EqualFold(n.get("schemeIdUri"), protectionScheme) && said != "" && t.scheme != "" && !strings.EqualFold(said, t.scheme) {
			s.addAt(n.line, where, "dash.scheme_wrong", clip(said), t.scheme)
		}
		if kid, ok := keyID(n); ok && t.encrypted && t.kid != "" && kid != t.kid {
			s.addAt(n.line, where, "dash.kid_wrong", kid, t.kid)
		}
	}
}

// checkKeyIDs finds the generic descriptor without the key's id.
func checkKeyIDs(s scope, set *node) {
	for _, n := range append(set.kids("Representation"), set) {
		for _, c := range n.kids("ContentProtection") {
			if _, ok := keyID(c); !ok && c.get("schemeIdUri") == protectionScheme && !c.has("ref") {
				s.addAt(c.line, n.label(), "dash.kid_missing")
			}
		}
	}
}

// reference is an entry of sidx.
type reference struct {
	from, size int64
	dur        float64
}

// checkIndexTimes holds the durations and the start of sidx against the fragments that its references lead to.
func checkIndexTimes(s scope, where string, refs []reference, earliest float64, m *media, edit int64) {
	lead := m.leading()
	if lead == nil || lead.samples == 0 || len(m.starts) != len(m.spans) {
		return
	}
	scale := float64(lead.track.timescale)
	frame := lead.seconds() / float64(lead.samples)
	if have := float64(lead.minPTS-edit) / scale; math.Abs(have-earliest) > 1.5*frame && math.Abs(float64(lead.minPTS)/scale-earliest) > 1.5*frame {
		s.addAt(0, where, "dash.index_time", "the first segment", seconds(earliest), seconds(have))
	}
	for i, ref := range refs {
		from, to := int64(-1), lead.end
		for k, at := range m.spans {
			if at.from >= ref.from && from < 0 {
				from = m.starts[k]
			}
			if at.from >= ref.from+ref.size {
				to = m.starts[k]
				break
			}
		}
		if have := float64(to-from) / scale; from >= 0 && math.Abs(have-ref.dur) > 1.5*frame {
			s.addAt(0, where, "dash.index_time", fmt.Sprintf("the duration of reference %d", i+1), seconds(ref.dur), seconds(have))
			return
		}
	}
}
