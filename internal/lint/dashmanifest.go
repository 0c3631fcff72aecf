package lint

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// period is a Period with its place in time.
type period struct {
	node       *node
	id         string
	start, dur float64 // seconds; dur is 0 when unknown
}

// manifest is an MPD as it was read.
type manifest struct {
	root    *node
	url     string
	raw     string
	dynamic bool
	began   time.Time // availabilityStartTime
	periods []period
	reps    []*representation
}

// representation is a Representation of one fetch of the manifest.
type representation struct {
	node, set *node
	period    *period
	a         *addressing
	base      string
	key       string // the same in every fetch
}

func (r *representation) video() bool {
	return strings.HasPrefix(r.node.inherit("mimeType"), "video/") || r.set.get("contentType") == "video"
}

func (r *representation) audio() bool {
	return strings.HasPrefix(r.node.inherit("mimeType"), "audio/") || r.set.get("contentType") == "audio"
}

func (r *representation) webm() bool {
	return strings.HasSuffix(r.node.inherit("mimeType"), "/webm")
}

const representationsAtMost = 256

func newManifest(root *node, url, raw string) *manifest {
	m := &manifest{root: root, url: url, raw: raw, dynamic: root.get("type") == "dynamic"}
	m.began, _ = xsDate(root.get("availabilityStartTime"))
	kids := root.kids("Period")
	for i, n := range kids {
		p := period{node: n, id: n.get("id"), start: n.duration("start"), dur: n.duration("duration")}
		if before := len(m.periods) - 1; !n.has("start") && before >= 0 {
			p.start = m.periods[before].start + m.periods[before].dur
		}
		if p.dur == 0 && i+1 < len(kids) && kids[i+1].has("start") {
			p.dur = kids[i+1].duration("start") - p.start
		}
		if p.dur == 0 && i+1 == len(kids) && root.has("mediaPresentationDuration") {
			p.dur = root.duration("mediaPresentationDuration") - p.start
		}
		m.periods = append(m.periods, p)
	}
	for i := range m.periods {
		for j, set := range m.periods[i].node.kids("AdaptationSet") {
			for k, rep := range set.kids("Representation") {
				if len(m.reps) < representationsAtMost {
					key := fmt.Sprintf("%s/%s.%d/%s.%d", m.periods[i].id, set.get("id"), j, rep.get("id"), k)
					m.reps = append(m.reps, &representation{rep, set, &m.periods[i], addressingOf(rep), baseOf(rep, url), key})
				}
			}
		}
	}
	return m
}

// checkManifest holds one manifest against the rules that need nothing else.
func checkManifest(s scope, m *manifest) {
	root := m.root
	if root.name != "MPD" || root.space != dashSpace {
		s.addAt(root.line, root.name, "dash.namespace", clip(root.space+" "+root.name))
		return
	}
	checkSchema(s, root)
	checkType(s, m)
	checkPeriods(s, m)
	checkDelays(s, m)
	checkPromises(s, m)
	for i := range m.periods {
		sets := m.periods[i].node.kids("AdaptationSet")
		if len(sets) == 0 && m.periods[i].node.kid("EmptyAdaptationSet") == nil && m.periods[i].node.get("duration") != "PT0S" {
			s.addAt(m.periods[i].node.line, m.periods[i].node.label(), "dash.sets_missing")
		}
		for _, set := range sets {
			checkSet(s, m, set)
		}
	}
	for _, r := range m.reps {
		checkRepresentation(s, r)
		checkAddressing(s, m, r)
	}
	checkShared(s, m)
	checkLinks(s, m)
}

func checkType(s scope, m *manifest) {
	root := m.root
	lacks := func(name, when string) {
		if !root.has(name) {
			s.addAt(root.line, "MPD", "dash.lacks", name, when)
		}
	}
	if !strings.Contains(root.get("profiles"), ":") && root.has("profiles") {
		s.addAt(root.line, "MPD", "dash.profiles", clip(root.get("profiles")))
	}
	if m.dynamic {
		lacks("availabilityStartTime", "of type dynamic")
		lacks("publishTime", "of type dynamic")
		if !root.has("mediaPresentationDuration") {
			lacks("minimumUpdatePeriod", "of type dynamic without mediaPresentationDuration")
		}
		if root.kid("UTCTiming") == nil {
			s.addAt(root.line, "MPD", "dash.utc_missing")
		}
		return
	}
	if n := len(m.periods); n > 0 && m.periods[n-1].node.get("duration") == "" {
		lacks("mediaPresentationDuration", "of type static whose last Period has no duration")
	}
	for _, name := range []string{"minimumUpdatePeriod", "timeShiftBufferDepth", "suggestedPresentationDelay"} {
		if root.has(name) {
			s.addAt(root.line, "MPD", "dash.static_attribute", name)
		}
	}
}

func checkPeriods(s scope, m *manifest) {
	if len(m.periods) == 0 {
		s.addAt(m.root.line, "MPD", "dash.periods_missing")
	}
	ids := map[string]bool{}
	for i, p := range m.periods {
		n := p.node
		if m.dynamic && p.id == "" {
			s.addAt(n.line, "Period", "dash.period_id")
		}
		if ids[p.id] && p.id != "" {
			s.addAt(n.line, n.label(), "dash.id_twice", "Period", p.id)
		}
		ids[p.id] = true
		if !n.has("start") && (m.dynamic && i == 0 || i > 0 && m.periods[i-1].dur == 0) {
			s.addAt(n.line, n.label(), "dash.period_start")
		}
		if i == 0 && !m.dynamic && p.start != 0 {
			s.addAt(n.line, n.label(), "dash.period_first", seconds(p.start))
		}
		if i == 0 {
			continue
		}
		before := m.periods[i-1]
		own := before.node.duration("duration")
		switch {
		case p.start < before.start:
			s.addAt(n.line, n.label(), "dash.period_order", seconds(p.start), seconds(before.start))
		case own > 0 && before.start+own > p.start+0.02:
			s.addAt(n.line, n.label(), "dash.period_overlap", seconds(p.start), seconds(before.start+own))
		case own > 0 && before.start+own < p.start-0.5:
			s.addAt(n.line, n.label(), "dash.period_gap", seconds(p.start-before.start-own))
		}
	}
	if total := m.root.duration("mediaPresentationDuration"); total > 0 && len(m.periods) > 0 {
		last := m.periods[len(m.periods)-1]
		if own := last.node.duration("duration"); own > 0 && math.Abs(last.start+own-total) > 0.5 {
			s.addAt(m.root.line, "MPD", "dash.total_wrong", seconds(total), seconds(last.start+own))
		}
		if last.start >= total {
			s.addAt(m.root.line, "MPD", "dash.total_wrong", seconds(total), seconds(last.start))
		}
	}
}

func checkDelays(s scope, m *manifest) {
	root := m.root
	buffer, depth, delay := root.duration("minBufferTime"), root.duration("timeShiftBufferDepth"), root.duration("suggestedPresentationDelay")
	if depth > 0 && depth < buffer {
		s.addAt(root.line, "MPD", "dash.depth_short", seconds(depth), seconds(buffer))
	}
	if _, ok := xsDuration(root.get("minBufferTime")); ok && buffer == 0 {
		s.addAt(root.line, "MPD", "dash.buffer_zero")
	}
	if delay > 0 && depth > 0 && delay > depth {
		s.addAt(root.line, "MPD", "dash.delay_outside", seconds(delay), seconds(depth))
	}
	low := false
	for _, r := range m.reps {
		low = low || !r.a.complete
	}
	services := root.kids("ServiceDescription")
	for i := range m.periods {
		services = append(services, m.periods[i].node.kids("ServiceDescription")...)
	}
	latency := false
	for _, d := range services {
		if rate := d.kid("PlaybackRate"); rate != nil {
			lo, hi := frameRate(rate.get("min")), frameRate(rate.get("max"))
			if lo > 1 || rate.has("max") && hi < 1 {
				s.addAt(rate.line, "PlaybackRate", "dash.playback_rate", rate.get("min"), rate.get("max"))
			}
		}
		for _, l := range d.kids("Latency") {
			latency = true
			checkLatencyReference(s, m, l)
			target, lo, hi := l.uint("target", 0), l.uint("min", 0), l.uint("max", math.MaxInt64)
			if target > 0 && (target < lo || target > hi) {
				s.addAt(l.line, "Latency", "dash.latency_order", lo, target, hi)
			}
			if at := float64(target) / 1000; m.dynamic && depth > 0 && at > depth {
				s.addAt(l.line, "Latency", "dash.latency_outside", seconds(at), seconds(depth))
			}
		}
	}
	if low && m.dynamic && !latency {
		s.addAt(root.line, "MPD", "dash.latency_missing")
	}
}

func checkSet(s scope, m *manifest, set *node) {
	reps := set.kids("Representation")
	where := set.label()
	if len(reps) == 0 {
		s.addAt(set.line, where, "dash.representations_missing")
	}
	if m.dynamic && !set.has("id") {
		s.addAt(set.line, where, "dash.set_id")
	}
	aligned := oneOf(set.get("segmentAlignment"), "true|1") || oneOf(set.get("subsegmentAlignment"), "true|1")
	if set.has("segmentAlignment") && !aligned || len(reps) > 1 && !aligned {
		s.addAt(set.line, where, "dash.alignment", len(reps))
	}
	video := strings.HasPrefix(set.get("mimeType"), "video") || set.get("contentType") == "video"
	sap := set.has("startWithSAP") || set.has("subsegmentStartsWithSAP")
	for _, r := range reps {
		video = video || strings.HasPrefix(r.get("mimeType"), "video")
		sap = sap || r.has("startWithSAP")
	}
	if video && !sap {
		s.addAt(set.line, where, "dash.sap_missing")
	}
	if set.has("lang") && !languageForm.MatchString(set.get("lang")) {
		s.addAt(set.line, where, "dash.lang_form", set.get("lang"))
	}
	checkKeyIDs(s, set)
	for _, n := range append(set.kids("Representation"), set) {
		checkSchemes(s, n)
	}
	checkDescriptors(s, set)
	if !video && !set.has("lang") && strings.HasPrefix(set.get("mimeType")+set.get("contentType"), "audio") {
		s.addAt(set.line, where, "dash.lang_missing")
	}
	for _, r := range reps {
		if most := frameRate(set.get("maxFrameRate")); most > 0 && frameRate(r.inherit("frameRate")) > most+0.001 {
			s.addAt(r.line, r.label(), "dash.over_set", "frameRate", r.inherit("frameRate"), "maxFrameRate", set.get("maxFrameRate"))
		}
	}
	for name, most := range map[string]string{"width": "maxWidth", "height": "maxHeight", "bandwidth": "maxBandwidth"} {
		for _, r := range reps {
			if limit := set.uint(most, 0); set.has(most) && r.uint(name, 0) > limit {
				s.addAt(r.line, r.label(), "dash.over_set", name, r.get(name), most, limit)
			}
		}
	}
}

func checkRepresentation(s scope, r *representation) {
	n, where := r.node, r.node.label()
	mime := n.inherit("mimeType")
	if mime == "" {
		s.addAt(n.line, where, "dash.mime_missing")
	}
	if n.inherit("codecs") == "" && !strings.HasPrefix(mime, "text/") && !strings.HasPrefix(mime, "image/") && !strings.HasPrefix(mime, "application/ttml") {
		s.addAt(n.line, where, "dash.codecs_missing")
	}
	if kind := r.set.get("contentType"); kind != "" && mime != "" && (kind == "video" || kind == "audio") && !strings.HasPrefix(mime, kind+"/") {
		s.addAt(n.line, where, "dash.content_type", kind, mime)
	}
	if n.has("bandwidth") && n.uint("bandwidth", 0) == 0 {
		s.addAt(n.line, where, "dash.attribute_value", "bandwidth", "Representation", clip(n.get("bandwidth")))
	}
	if r.video() {
		checkShape(s, r)
		for _, name := range []string{"width", "height", "frameRate"} {
			if n.inherit(name) == "" {
				s.addAt(n.line, where, "dash.picture_missing", name)
			}
		}
	}
	if r.audio() {
		if n.inherit("audioSamplingRate") == "" {
			s.addAt(n.line, where, "dash.sound_missing", "audioSamplingRate")
		}
		if n.kid("AudioChannelConfiguration") == nil && r.set.kid("AudioChannelConfiguration") == nil {
			s.addAt(n.line, where, "dash.sound_missing", "AudioChannelConfiguration")
		}
	}
}

// checkShared finds ids that are there twice, and representations that lead to the same segments.
func checkShared(s scope, m *manifest) {
	for i := range m.periods {
		ids, sets, media := map[string]bool{}, map[string]bool{}, map[string]string{}
		for _, set := range m.periods[i].node.kids("AdaptationSet") {
			if id := set.get("id"); id != "" {
				if sets[id] {
					s.addAt(set.line, set.label(), "dash.id_twice", "AdaptationSet", id)
				}
				sets[id] = true
			}
		}
		for _, r := range m.reps {
			if r.period != &m.periods[i] {
				continue
			}
			id := r.node.get("id")
			if ids[id] && id != "" {
				s.addAt(r.node.line, r.node.label(), "dash.id_twice", "Representation", id)
			}
			ids[id] = true
			if r.a.kind == "" {
				continue
			}
			u, _ := expand(r.a.media, r.node, 1, 1)
			if full, err := resolve(r.base, u); err == nil && r.a.kind == "template" {
				if other, ok := media[full]; ok {
					s.addAt(r.node.line, r.node.label(), "dash.template_shared", other, id)
				}
				media[full] = id
			}
		}
	}
}

func checkAddressing(s scope, m *manifest, r *representation) {
	a, n := r.a, r.node
	where := n.label()
	kinds := 0
	for at := n; at != nil && at.name != "MPD"; at = at.parent {
		own := 0
		for _, k := range []string{"SegmentTemplate", "SegmentList", "SegmentBase"} {
			own += len(at.kids(k))
		}
		if own > 1 {
			s.addAt(at.line, at.label(), "dash.addressing_twice")
		}
		kinds += own
	}
	if kinds == 0 {
		if n.kid("BaseURL") == nil {
			s.addAt(n.line, where, "dash.addressing_missing")
		}
		return
	}
	if !a.complete && a.early == 0 {
		s.addAt(a.node.line, where, "dash.early_missing")
	}
	if a.early > 0 && a.complete && !math.IsInf(a.early, 0) && m.dynamic {
		s.addAt(a.node.line, where, "dash.complete_missing")
	}
	if length := a.nominal(); a.early > 0 && length > 0 && a.early >= length && !math.IsInf(a.early, 0) {
		s.addAt(a.node.line, where, "dash.early_long", seconds(a.early), seconds(length))
	}
	if !a.complete && m.dynamic && n.kid("ProducerReferenceTime") == nil && r.set.kid("ProducerReferenceTime") == nil {
		s.addAt(n.line, where, "dash.reference_missing")
	}
	checkReference(s, m, r)
	if a.kind == "template" {
		checkTemplate(s, r)
	}
	if a.timeline != nil {
		checkTimeline(s, m, r)
		checkEntries(s, r)
	}
}

// nominal is the usual length of a segment in seconds; 0 if unknown.
func (a *addressing) nominal() float64 {
	d := a.duration
	if d == 0 && a.timeline != nil {
		for _, e := range a.timeline.kids("S") {
			d = max(d, e.uint("d", 0))
		}
	}
	return float64(d) / float64(a.timescale)
}

func checkTemplate(s scope, r *representation) {
	a, where, line := r.a, r.node.label(), r.a.node.line
	if a.media == "" {
		s.addAt(line, where, "dash.template_media")
		return
	}
	if _, ok := expand(a.media, r.node, 1, 1); !ok {
		s.addAt(line, where, "dash.template_identifier", clip(a.media))
	}
	if _, ok := expand(a.init, r.node, 1, 1); !ok {
		s.addAt(line, where, "dash.template_identifier", clip(a.init))
	}
	one, _ := expand(a.media, r.node, 1, 1)
	two, _ := expand(a.media, r.node, 2, 2)
	if one == two {
		s.addAt(line, where, "dash.template_constant", clip(a.media))
	}
	if i, j := strings.Contains(a.init, "$Number"), strings.Contains(a.init, "$Time"); i || j {
		s.addAt(line, where, "dash.template_init", clip(a.init))
	}
	if mime := r.node.inherit("mimeType"); a.init == "" && a.kid("Initialization") == nil && !strings.HasPrefix(mime, "text/") && !strings.HasPrefix(mime, "image/") &&
		!strings.HasPrefix(mime, "application/ttml") {
		s.addAt(line, where, "dash.init_missing")
	}
	switch {
	case a.timeline != nil && a.duration > 0:
		s.addAt(line, where, "dash.duration_twice")
	case a.timeline == nil && a.duration == 0:
		s.addAt(line, where, "dash.duration_missing")
	}
	if strings.Contains(a.media, "$Time") && strings.Contains(a.media, "$Number") {
		s.addAt(line, where, "dash.template_both", clip(a.media))
	}
}

func checkTimeline(s scope, m *manifest, r *representation) {
	list := r.a.timeline.kids("S")
	where := r.node.label()
	if len(list) == 0 {
		s.addAt(r.a.timeline.line, where, "dash.timeline_empty")
	}
	at := int64(0)
	longest := m.root.duration("maxSegmentDuration")
	for i, e := range list {
		d, repeat := e.uint("d", 0), number(e.get("r"))
		if d == 0 && e.has("d") {
			s.addAt(e.line, where, "dash.timeline_zero")
		}
		t := e.uint("t", at)
		switch off := float64(t-at) / float64(r.a.timescale); {
		case i == 0:
		case t < at:
			s.addAt(e.line, where, "dash.timeline_back", t, at)
		case off > 0.002:
			s.addAt(e.line, where, "dash.timeline_gap", seconds(off), at)
		}
		if repeat < 0 && i+1 < len(list) && !list[i+1].has("t") {
			s.addAt(e.line, where, "dash.timeline_repeat", e.get("r"))
		}
		if length := float64(d) / float64(r.a.timescale); longest > 0 && length > longest+0.001 {
			s.addAt(e.line, where, "dash.max_segment", seconds(length), seconds(longest))
		}
		at = t + d*(max(repeat, 0)+1)
		if repeat < 0 {
			return
		}
	}
	end := float64(at-r.a.offset) / float64(r.a.timescale)
	if own := r.period.node.duration("duration"); m.dynamic && own > 0 && end > own+max(0.5, 1.5*r.a.nominal()) {
		s.addAt(r.a.timeline.line, where, "dash.timeline_length", seconds(own), seconds(end))
	}
	if !m.dynamic && r.period.dur > 0 && len(list) > 0 && math.Abs(end-r.period.dur) > max(0.5, 0.6*r.a.nominal()) {
		s.addAt(r.a.timeline.line, where, "dash.timeline_length", seconds(r.period.dur), seconds(end))
	}
}
