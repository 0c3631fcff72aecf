package lint

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkInit holds a Representation's attributes against its init segment.
func checkInit(s scope, r *representation, init *initSegment) {
	if len(init.tracks) == 0 {
		return
	}
	n, where, line := r.node, r.node.label(), r.node.line
	if len(init.tracks) > 1 {
		s.addAt(line, where, "dash.tracks", len(init.tracks))
	}
	t := init.tracks[0]
	mime := n.inherit("mimeType")
	if kind, _, _ := strings.Cut(mime, "/"); (kind == "video" || kind == "audio") && t.kind != kind {
		s.addAt(line, where, "dash.mime_wrong", mime, t.kind)
	} else if format, _, _ := strings.Cut(strings.ToLower(mime), ";"); t.kind == kind && !strings.HasSuffix(strings.TrimSpace(format), "/mp4") {
		s.addAt(line, where, "dash.mime_wrong", mime, t.kind+"/mp4")
	}
	if said := splitCodecs(n.inherit("codecs")); len(said) > 0 && t.codec != "" && !slices.ContainsFunc(said, func(c string) bool { return t.is(c) }) {
		s.addAt(line, where, "dash.codecs_wrong", strings.Join(said, ","), t.codec)
	}
	if r.a.kind == "template" && r.a.timescale != int64(t.timescale) && r.a.timeline != nil {
		s.addAt(r.a.node.line, where, "dash.timescale", r.a.timescale, t.timescale)
	}
	checkProtection(s, r, t)
	if t.video() && t.width > 0 {
		if w, h := attrOr(n, "width", t.width), attrOr(n, "height", t.height); w != t.width || h != t.height {
			s.addAt(line, where, "dash.size_wrong", w, h, t.width, t.height)
		}
	}
	if t.kind != "audio" {
		return
	}
	if rate := attrOr(n, "audioSamplingRate", t.rate); rate != t.rate && t.rate > 0 && rate != 2*t.rate {
		s.addAt(line, where, "dash.rate_wrong", rate, t.rate)
	}
	config := n.kid("AudioChannelConfiguration")
	if config == nil {
		config = r.set.kid("AudioChannelConfiguration")
	}
	if config != nil && (strings.HasSuffix(config.get("schemeIdUri"), ":23003:3:audio_channel_configuration:2011") || strings.HasSuffix(config.get("schemeIdUri"), "cicp:ChannelConfiguration")) &&
		!fits("uint", config.get("value")) {
		s.addAt(config.line, where, "dash.attribute_value", "value", "AudioChannelConfiguration", clip(config.get("value")))
	}
	if config != nil && strings.HasSuffix(config.get("schemeIdUri"), "audio_channel_configuration:2011") {
		if said, err := strconv.Atoi(config.get("value")); err == nil && said != t.channels && t.channels > 0 {
			s.addAt(config.line, where, "dash.channels_wrong", said, t.channels)
		}
	} else if config != nil && config.get("schemeIdUri") == "urn:mpeg:mpegB:cicp:ChannelConfiguration" {
		said, err := strconv.Atoi(config.get("value"))
		if n := channelsOf(said); err == nil && n > 0 && n != t.channels && t.channels > 0 {
			s.addAt(config.line, where, "dash.channels_wrong", n, t.channels)
		}
	}
}

func attrOr(n *node, name string, otherwise int) int {
	v, err := strconv.Atoi(n.inherit(name))
	if err != nil {
		return otherwise
	}
	return v
}

// checkSlot holds a segment against what the manifest says of its time and its start.
func checkSlot(s scope, r *representation, at slot, d *loaded) {
	lead := d.leading()
	if lead == nil || lead.samples == 0 {
		return
	}
	where := r.node.label()
	scale := float64(lead.track.timescale)
	frame := lead.seconds() / float64(lead.samples)
	want := float64(at.t) / float64(r.a.timescale)
	off := lead.at() - float64(lead.track.edit)/scale - want
	if alt := float64(lead.first)/scale - want; math.Abs(alt) < math.Abs(off) {
		off = alt
	}
	slack := math.Max(0.1, 1.5*frame)
	if !at.exact {
		slack = math.Max(slack, at.dur/2)
	}
	if at.dur > 0 && math.Abs(off) > slack {
		s.addAt(0, where, "dash.time_wrong", at.number, seconds(want), seconds(off))
	}
	if have := lead.seconds(); at.exact && math.Abs(have-at.dur) > math.Max(0.1, 1.5*frame) || !at.exact && at.dur > 0 && have > 1.5*at.dur {
		s.addAt(0, where, "dash.duration_wrong", at.number, seconds(at.dur), seconds(have))
	}
	if !lead.track.video() {
		return
	}
	starts := lead.firstSync
	if lead.known && !lead.track.encrypted {
		starts = lead.random
	}
	if sap := r.node.inherit("startWithSAP"); !starts && (sap == "1" || sap == "2") {
		s.addAt(0, where, "dash.sap_wrong", at.number, sap)
	} else if !starts {
		s.addAt(0, where, "dash.sap_late", at.number)
	}
	if said := frameRate(r.node.inherit("frameRate")); said > 0 && lead.samples > 10 && (math.Abs(1/frame-said) > 0.05*said || lead.exactRate() > 0 && math.Abs(lead.exactRate()-said) > 0.0006*said) {
		s.addAt(r.node.line, where, "dash.frame_rate_wrong", r.node.inherit("frameRate"), round(1/frame, 3))
	}
}

// measureRate plays the segments through the buffer of clause 5.3.5.2: after minBufferTime at @bandwidth, no segment may come late.
func measureRate(s scope, m *manifest, w *watched) {
	said := float64(w.r.node.uint("bandwidth", 0))
	if said == 0 || len(w.got) == 0 {
		return
	}
	var bits, length float64
	worst := 0.0
	buffer := m.root.duration("minBufferTime")
	numbers := make([]int64, 0, len(w.got))
	for n := range w.got {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if i > 0 && numbers[i-1] != n-1 {
			bits, length = 0, 0
		}
		if lead := w.got[n].leading(); lead != nil && buffer > 0 { // its first picture must be there when minBufferTime is over
			worst = max(worst, float64(lead.head)*8/buffer)
		}
		bits += float64(w.got[n].size) * 8
		if lead := w.got[n].leading(); lead != nil {
			length += lead.seconds()
		} else {
			length += w.slots[n].dur // text has no samples to count
		}
		if length+buffer > 0 {
			worst = max(worst, bits/(length+buffer))
		}
	}
	if worst > 1.05*said {
		rule := "dash.bandwidth_low"
		if m.dynamic {
			rule = "dash.bandwidth_low_live"
		}
		s.addAt(w.r.node.line, w.r.node.label(), rule, kbit(said), kbit(worst), seconds(buffer))
	} else if length > 0 && said > 5*bits/length && said > 500000 {
		s.addAt(w.r.node.line, w.r.node.label(), "dash.bandwidth_high", kbit(said), kbit(bits/length))
	}
}

// checkAligned holds segmentAlignment: segments of the same number do not overlap others in time.
func checkAligned(a, b *watched) {
	if !oneOf(a.r.set.get("segmentAlignment"), "true|1") {
		return
	}
	for n, x := range a.got {
		y := b.got[n]
		if y == nil || x.leading() == nil || y.leading() == nil || x.leading().samples == 0 || y.leading().samples == 0 {
			continue
		}
		if off := y.leading().at() - x.leading().at(); math.Abs(off) > 0.02 {
			b.sc.addAt(b.r.set.line, b.r.set.label(), "dash.unaligned", n, seconds(off), a.r.node.get("id"), b.r.node.get("id"))
			return
		}
	}
}

// single reads a representation that is one file with a segment index (SegmentBase).
func (d *dasher) single(ctx context.Context, w *watched) {
	if w.loaded > 0 {
		return
	}
	w.loaded++
	body := d.bytesOf(ctx, w.sc, "the media file", w.r.base, span{})
	if body == nil || len(body) < 16 || string(body[4:8]) != "ftyp" {
		return
	}
	s := w.sc.at(w.r.base)
	list, whole := boxes(body, 0)
	if !whole {
		s.add("mp4.box_broken", "the media file")
	}
	i := slices.IndexFunc(list, func(b box) bool { return b.kind == "moof" || b.kind == "sidx" || b.kind == "styp" })
	if i < 0 {
		return
	}
	head := list[i].from
	init := parseInit(body[:head])
	s.addAll(init.problems)
	checkInit(w.sc, w.r, init)
	m := parseFragments(body[head:], init)
	m.problems = slices.DeleteFunc(m.problems, func(p problem) bool { return p.rule == "mp4.order" })
	s.addAll(m.problems)
	for k := range m.spans {
		m.spans[k].from += int64(head)
	}
	if k := slices.IndexFunc(list, func(b box) bool { return b.kind == "sidx" }); k >= 0 {
		d.index(s, w, list[k], list, m)
	}
	if p := w.r.period; !d.m.dynamic && p.dur > 0 && m.leading() != nil && m.leading().samples > 0 {
		if have := m.leading().seconds(); math.Abs(have-p.dur) > 1 {
			s.addAt(p.node.line, w.r.node.label(), "dash.length_wrong", seconds(p.dur), seconds(have))
		}
	}
	ld := &loaded{media: *m, init: init}
	w.got[1] = ld
	w.slots[1] = slot{number: 1}
	if r := w.r.a; r.kind == "base" {
		if at := parseRange(r.get("indexRange")); at.length > 0 && !slices.ContainsFunc(list, func(b box) bool {
			return b.kind == "sidx" && int64(b.from) >= at.from && int64(b.from+b.size) <= at.from+at.length
		}) {
			s.addAt(r.node.line, w.r.node.label(), "dash.index_range", r.get("indexRange"))
		}
		if at := w.r.initRef(); at != nil && at.span.length > 0 && (at.span.from+at.span.length > int64(head) || at.span.from+at.span.length < headerEnd(list)) {
			s.addAt(r.node.line, w.r.node.label(), "dash.init_range", at.span.from+at.span.length-1, head-1)
		}
	}
}

// index holds the references of sidx against the boxes they point at (ISO/IEC 14496-12 clause 8.16.3).
func (d *dasher) index(s scope, w *watched, sidx box, list []box, m *media) {
	c := &cursor{b: sidx.body}
	version, _ := c.full()
	c.take(4)
	scale := float64(max(c.u32(), 1))
	if has := w.r.a.get("timescale"); has != "" && float64(w.r.a.timescale) != scale {
		s.addAt(w.r.a.node.line, w.r.node.label(), "dash.index_scale", has, int64(scale))
	}
	var earliest float64
	if version == 0 {
		earliest = float64(c.u32()) / scale
	} else {
		earliest = float64(c.u64()) / scale
	}
	at := int64(sidx.from + sidx.size)
	if version == 0 {
		at += int64(c.u32())
	} else {
		at += int64(c.u64() & (1<<40 - 1)) //nolint:gosec // masked
	}
	c.u16()
	end := int64(list[len(list)-1].from + list[len(list)-1].size)
	var refs []reference
	for i := range c.u16() {
		size := int64(c.u32() & 0x7fffffff)
		refs = append(refs, reference{at, size, float64(c.u32()) / scale})
		c.take(4)
		if c.over {
			s.add("mp4.box_broken", "sidx")
			return
		}
		if !slices.ContainsFunc(list, func(b box) bool {
			return int64(b.from) == at && (b.kind == "moof" || b.kind == "styp" || b.kind == "prft" || b.kind == "emsg" || b.kind == "sidx")
		}) {
			s.addAt(0, w.r.node.label(), "dash.index_wrong", int(i)+1, at)
			return
		}
		if at += size; at > end || at < end && !slices.ContainsFunc(list, func(b box) bool { return int64(b.from) == at }) {
			s.addAt(0, w.r.node.label(), "dash.index_wrong", int(i)+1, at)
			return
		}
	}
	if len(m.runs) > 0 {
		checkIndexTimes(s, w.r.node.label(), refs, earliest, m, m.leading().track.edit)
	}
}

// checkUpdate holds a manifest against an earlier fetch (ISO/IEC 23009-1 clause 5.4).
func checkUpdate(s scope, was, now *manifest, at time.Time) {
	if was.root.get("availabilityStartTime") != now.root.get("availabilityStartTime") && !was.began.Equal(now.began) {
		s.addAt(now.root.line, "MPD", "dash.start_changed", was.root.get("availabilityStartTime"), now.root.get("availabilityStartTime"))
	}
	if was.root.get("id") != now.root.get("id") {
		s.addAt(now.root.line, "MPD", "dash.mpd_id_changed", was.root.get("id"), now.root.get("id"))
	}
	a, okA := xsDate(was.root.get("publishTime"))
	b, okB := xsDate(now.root.get("publishTime"))
	if okA && okB && b.Before(a) {
		s.addAt(now.root.line, "MPD", "dash.publish_back", was.root.get("publishTime"), now.root.get("publishTime"))
	} else if okA && okB && b.Equal(a) && was.raw != now.raw {
		s.addAt(now.root.line, "MPD", "dash.publish_same", now.root.get("publishTime"))
	}
	if okB && b.Sub(at) > 5*time.Second {
		s.addAt(now.root.line, "MPD", "dash.publish_future", seconds(b.Sub(at).Seconds()))
	}
	checkPeriodsKept(s, was, now, at)
	for _, r := range now.reps {
		if i := slices.IndexFunc(was.reps, func(o *representation) bool { return o.key == r.key }); i >= 0 {
			checkRepKept(s, was.reps[i], r, was, now, at)
		}
	}
}

func checkPeriodsKept(s scope, was, now *manifest, at time.Time) {
	depth := now.root.duration("timeShiftBufferDepth")
	for i, p := range was.periods {
		j := slices.IndexFunc(now.periods, func(q period) bool { return q.id == p.id })
		if j < 0 {
			ended := p.dur > 0 && depth > 0 && was.began.Add(time.Duration((p.start+p.dur+depth)*float64(time.Second))).Before(at.Add(5*time.Second))
			if !ended && p.id != "" {
				s.add("dash.period_gone", p.id)
			}
			continue
		}
		q := now.periods[j]
		if p.id != "" && p.start != q.start && (i > 0 || p.node.has("start")) {
			s.addAt(q.node.line, q.node.label(), "dash.period_moved", p.id, seconds(p.start), seconds(q.start))
		}
		if x, y := repKeys(was, p.id), repKeys(now, q.id); !slices.Equal(x, y) {
			s.addAt(q.node.line, q.node.label(), "dash.period_changed", p.id)
		}
	}
}

func repKeys(m *manifest, period string) (list []string) {
	for _, r := range m.reps {
		if r.period.id == period {
			list = append(list, r.key)
		}
	}
	slices.Sort(list)
	return list
}

func checkRepKept(s scope, was, now *representation, before, after *manifest, at time.Time) {
	for _, name := range []string{"codecs", "mimeType", "width", "height", "frameRate"} {
		if was.node.inherit(name) != now.node.inherit(name) {
			s.addAt(now.node.line, now.node.label(), "dash.representation_changed", name, was.node.inherit(name), now.node.inherit(name))
		}
	}
	if was.node.get("bandwidth") != now.node.get("bandwidth") {
		s.addAt(now.node.line, now.node.label(), "dash.bandwidth_changed", was.node.get("bandwidth"), now.node.get("bandwidth"))
	}
	if was.a.timescale != now.a.timescale || was.a.offset != now.a.offset || was.a.media != now.a.media || was.a.init != now.a.init {
		s.addAt(now.a.node.line, now.node.label(), "dash.addressing_changed")
		return
	}
	if was.a.timeline == nil || now.a.timeline == nil {
		if was.a.start != now.a.start {
			s.addAt(now.a.node.line, now.node.label(), "dash.addressing_changed")
		}
		return
	}
	byTime := map[int64]slot{}
	named := strings.Contains(now.a.media, "$Number") || now.a.kind == "list"
	old, list := was.slots(before, at), now.slots(after, at)
	for _, o := range old {
		byTime[o.t] = o
	}
	for _, n := range list {
		if o, ok := byTime[n.t]; ok && (o.number != n.number && named || o.url != n.url || o.d != n.d && n.number != old[len(old)-1].number) {
			s.addAt(now.a.timeline.line, now.node.label(), "dash.segment_changed", n.number, n.t)
			return
		}
	}
	if len(old) == 0 || len(list) == 0 {
		return
	}
	if a, b := old[len(old)-1], list[len(list)-1]; b.start+b.dur < a.start+a.dur-0.001 {
		s.addAt(now.a.timeline.line, now.node.label(), "dash.timeline_shrunk", seconds(a.start+a.dur-b.start-b.dur))
	}
	if first := list[0]; first.start > old[len(old)-1].start+1.5*old[len(old)-1].dur {
		s.addAt(now.a.timeline.line, now.node.label(), "dash.timeline_jump", seconds(first.start-old[len(old)-1].start))
	}
	if o := byTime[list[0].t]; o.number == 0 && list[0].t < old[len(old)-1].t && list[0].t > old[0].t {
		s.addAt(now.a.timeline.line, now.node.label(), "dash.segment_changed", list[0].number, list[0].t)
	}
}

// headerEnd is where the boxes end that an init segment must have.
func headerEnd(list []box) (end int64) {
	for _, b := range list {
		if b.kind == "ftyp" || b.kind == "moov" {
			end = int64(b.from + b.size)
		}
	}
	return end
}
