package lint

import (
	"math"
	"slices"
	"strings"
	"time"
)

// checkLinks holds what points from one element of a manifest to another, and what must lie within its Period.
func checkLinks(s scope, m *manifest) {
	for i := range m.periods {
		p := &m.periods[i]
		ids := map[string]bool{}
		for _, r := range m.reps {
			if r.period == p {
				ids[r.node.get("id")] = true
			}
		}
		for _, r := range m.reps {
			if r.period != p {
				continue
			}
			for _, name := range []string{"dependencyId", "associationId"} {
				for _, id := range strings.Fields(r.node.get(name)) {
					if !ids[id] || id == r.node.get("id") {
						s.addAt(r.node.line, r.node.label(), "dash.link_unresolved", name, id)
					}
				}
			}
			checkLastNumber(s, r)
		}
		checkSets(s, p)
		checkOffsets(s, m, p)
		for _, e := range p.node.kids("EventStream") {
			checkEventStream(s, p, e)
		}
	}
}

const switchingScheme = "urn:mpeg:dash:adaptation-set-switching:2016"

// checkSets holds that what names AdaptationSets of its Period names some that are there.
func checkSets(s scope, p *period) {
	sets := p.node.kids("AdaptationSet")
	ids := map[string]bool{}
	for _, set := range sets {
		ids[set.get("id")] = true
	}
	for _, n := range p.node.kids("Subset") {
		for _, id := range strings.Fields(n.get("contains")) {
			if !ids[id] {
				s.addAt(n.line, n.label(), "dash.link_unresolved", "contains", id)
			}
		}
	}
	for _, set := range sets {
		for _, n := range append(set.kids("SupplementalProperty"), set.kids("EssentialProperty")...) {
			if n.get("schemeIdUri") != switchingScheme {
				continue
			}
			for id := range strings.SplitSeq(n.get("value"), ",") {
				if id = strings.TrimSpace(id); !ids[id] {
					s.addAt(n.line, set.label(), "dash.link_unresolved", "value of "+n.name, id)
				}
			}
		}
	}
}

// checkOffsets holds that picture and sound of one clock have one presentationTimeOffset, and that a SegmentList covers its Period.
func checkOffsets(s scope, m *manifest, p *period) {
	var first *representation
	at := func(r *representation) float64 { // the newest media time listed
		list := r.slots(m, time.Time{})
		last := list[len(list)-1]
		return float64(last.t+last.d) / float64(r.a.timescale)
	}
	for _, r := range m.reps {
		if r.period != p {
			continue
		}
		if r.a.kind == "list" && !m.dynamic && p.dur > 0 && r.a.duration > 0 && r.a.timeline == nil {
			whole := float64(len(r.a.node.kids("SegmentURL"))) * r.a.nominal()
			if whole < p.dur-max(0.5, 0.6*r.a.nominal()) {
				s.addAt(r.a.node.line, r.node.label(), "dash.list_short", seconds(p.dur), seconds(whole))
			}
		}
		if r.a.timeline == nil || !m.dynamic || !r.video() && !r.audio() || len(r.slots(m, time.Time{})) == 0 {
			continue
		}
		if first == nil {
			first = r
			continue
		}
		x, y := float64(first.a.offset)/float64(first.a.timescale), float64(r.a.offset)/float64(r.a.timescale)
		if apart := math.Abs(x - y); apart > 0.3 && math.Abs(at(first)-at(r)) < 1.5*first.a.nominal() && apart < 60 {
			s.addAt(r.a.node.line, r.node.label(), "dash.offsets_apart", seconds(y), seconds(x))
		}
	}
}

// checkSwitching holds bitstreamSwitching: one init segment must do for all Representations of the set.
func checkSwitching(a, b *watched) {
	if !oneOf(a.r.set.get("bitstreamSwitching"), "true|1") {
		return
	}
	init := func(w *watched) *initSegment {
		for _, d := range w.got {
			if d.init != nil {
				return d.init
			}
		}
		return nil
	}
	if x, y := init(a), init(b); x != nil && y != nil && configs(x.tracks) != configs(y.tracks) {
		b.sc.addAt(b.r.set.line, b.r.set.label(), "dash.switching_wrong", a.r.node.get("id"), b.r.node.get("id"))
	}
}

// checkLastNumber holds endNumber against the SegmentTimeline that it ends (ISO/IEC 23009-1 clause 5.3.9.5.3).
func checkLastNumber(s scope, r *representation) {
	last := r.a.number("endNumber", -1)
	if r.a.timeline == nil || last < 0 {
		return
	}
	have := r.a.start - 1
	for _, e := range r.a.timeline.kids("S") {
		repeat := number(e.get("r"))
		if repeat < 0 {
			return
		}
		have += repeat + 1
	}
	if have != last {
		s.addAt(r.a.node.line, r.node.label(), "dash.end_number", last, have)
	}
}

// checkEventStream holds that the events of a Period are within it, and told apart by their ids.
func checkEventStream(s scope, p *period, e *node) {
	scale, offset := float64(max(e.uint("timescale", 1), 1)), e.uint("presentationTimeOffset", 0)
	seen := map[string]bool{}
	for _, v := range e.kids("Event") {
		at := float64(v.uint("presentationTime", 0)-offset) / scale
		if p.dur > 0 && at > p.dur || at < 0 && at+float64(v.uint("duration", 0))/scale < 0 {
			s.addAt(v.line, v.label(), "dash.event_outside", seconds(at), seconds(p.dur))
		}
		if id := v.get("id"); id != "" {
			if seen[id] {
				s.addAt(v.line, v.label(), "dash.id_twice", "Event", id)
			}
			seen[id] = true
		}
	}
}

// checkLatencyReference holds that Latency names a ProducerReferenceTime that is there (ISO/IEC 23009-1 clause K.4.2.2).
func checkLatencyReference(s scope, m *manifest, latency *node) {
	if !latency.has("referenceId") {
		return
	}
	named := func(n *node) bool {
		return slices.ContainsFunc(n.kids("ProducerReferenceTime"), func(p *node) bool { return p.get("id") == latency.get("referenceId") })
	}
	if len(m.reps) > 0 && !slices.ContainsFunc(m.reps, func(r *representation) bool { return named(r.node) || named(r.set) }) {
		s.addAt(latency.line, "Latency", "dash.link_unresolved", "referenceId", latency.get("referenceId"))
	}
}
