package lint

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const roleScheme = "urn:mpeg:dash:role:2011"

// roles are the values of roleScheme (ISO/IEC 23009-1 clause 5.8.5.5).
const roles = "caption|subtitle|main|alternate|supplementary|commentary|dub|description|sign|metadata|enhanced-audio-intelligibility|emergency|karaoke|easyreader|forced-subtitle|forced_subtitle"

// essentials begin the schemes that some players are known to read.
var essentials = []string{"urn:mpeg:", "http://dashif.org/", "http://www.dashif.org/", "https://dashif.org/", "urn:dvb:", "tag:dolby.com", "urn:dolby:", "urn:scte:", "urn:dts:"}

// checkDescriptors looks at the descriptors of a set and of its Representations.
func checkDescriptors(s scope, set *node) {
	for _, n := range append(set.kids("Representation"), set) {
		for _, d := range n.kids("EssentialProperty") {
			if id := d.get("schemeIdUri"); !slices.ContainsFunc(essentials, func(p string) bool { return strings.HasPrefix(id, p) }) {
				s.addAt(d.line, n.label(), "dash.essential_unknown", clip(id))
			}
		}
	}
	for _, name := range []string{"Role", "Accessibility"} {
		for _, d := range set.kids(name) {
			if d.get("schemeIdUri") == roleScheme && !oneOf(d.get("value"), roles) {
				s.addAt(d.line, set.label(), "dash.role_unknown", clip(d.get("value")))
			}
		}
	}
}

// ratio reads 16:9.
func ratio(text string) float64 {
	var a, b float64
	if n, err := fmt.Sscanf(text, "%f:%f", &a, &b); err != nil || n < 2 || b <= 0 {
		return 0
	}
	return a / b
}

// checkShape holds the picture's shape against the size and shape of its pixels.
func checkShape(s scope, r *representation) {
	w, h := attrOr(r.node, "width", 0), attrOr(r.node, "height", 0)
	said, pixel := ratio(r.set.get("par")), 1.0
	if sar := r.node.inherit("sar"); sar != "" {
		pixel = ratio(sar)
	}
	if said <= 0 || pixel <= 0 || w <= 0 || h <= 0 {
		return
	}
	// sizes are rounded to whole pixels, often to even ones
	if have := pixel * float64(w) / float64(h); math.Abs(have-said) > said*(0.02+4/float64(min(w, h))) {
		s.addAt(r.node.line, r.node.label(), "dash.par_wrong", r.set.get("par"), fmt.Sprintf("%dx%d", w, h), orNone(r.node.inherit("sar")))
	}
}

// checkReference holds ProducerReferenceTime against the time line: nothing is produced after it is offered, or long before.
func checkReference(s scope, m *manifest, r *representation) {
	if !m.dynamic || m.began.IsZero() {
		return
	}
	for _, n := range append(r.node.kids("ProducerReferenceTime"), r.set.kids("ProducerReferenceTime")...) {
		wall, ok := xsDate(n.get("wallClockTime"))
		if !ok || !n.has("presentationTime") {
			continue
		}
		at := float64(n.uint("presentationTime", 0)-r.a.offset)/float64(r.a.timescale) + r.period.start
		offered := m.began.Add(time.Duration((at + r.a.nominal()) * float64(time.Second)))
		if late := wall.Sub(offered); late > 2*time.Second || late < -before(m) {
			s.addAt(n.line, r.set.label(), "dash.reference_wrong", n.get("wallClockTime"), offered.UTC().Format(time.RFC3339))
			return
		}
	}
}

// before is how long before its offer media may have been produced: with a Latency, no longer than that allows.
func before(m *manifest) time.Duration {
	longest := time.Duration(0)
	for _, d := range m.root.kids("ServiceDescription") {
		for _, l := range d.kids("Latency") {
			longest = max(longest, time.Duration(max(l.uint("max", 0), 2*l.uint("target", 0)))*time.Millisecond)
		}
	}
	if longest == 0 || longest > 5*time.Minute {
		return 5 * time.Minute
	}
	return longest + time.Second
}

const resolveToZero = "urn:mpeg:dash:resolve-to-zero:2013"

// remote fetches what a manifest leaves to other files by xlink, where players must.
func (d *dasher) remote(ctx context.Context, m *manifest) {
	left := 8
	var walk func(n *node)
	walk = func(n *node) {
		for _, a := range n.attrs {
			if a.Name.Local != "href" || !strings.Contains(a.Name.Space, "xlink") || a.Value == resolveToZero || left == 0 {
				continue
			}
			left--
			u, err := resolve(m.url, a.Value)
			if err == nil && d.once("remote "+u) {
				if res, e := d.f.get(ctx, u, span{}, playlistAtMost); e != nil && e != errBudget || e == nil && !res.ok() {
					d.sc.addAt(n.line, n.label(), "dash.remote_broken", clip(a.Value), errOr(e, res))
				}
			}
		}
		for _, k := range n.children {
			walk(k)
		}
	}
	walk(m.root)
}

// channelsOf are the loudspeakers of ISO/IEC 23091-3, as far as a number tells them.
func channelsOf(configuration int) int {
	return map[int]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}[configuration]
}

// checkEvents holds that event messages are announced: players drop the others.
func checkEvents(s scope, r *representation, d *loaded) {
	for _, e := range d.events {
		if !slices.ContainsFunc(append(r.node.kids("InbandEventStream"), r.set.kids("InbandEventStream")...), func(n *node) bool {
			return n.get("schemeIdUri") == e[0] && (!n.has("value") || n.get("value") == e[1])
		}) {
			s.addAt(r.node.line, r.node.label(), "dash.event_untold", clip(e[0]), clip(e[1]))
		}
	}
}
