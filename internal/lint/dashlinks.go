package lint

import (
	"slices"
	"strings"
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
		for _, e := range p.node.kids("EventStream") {
			checkEventStream(s, p, e)
		}
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
