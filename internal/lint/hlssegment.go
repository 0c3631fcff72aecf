package lint

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// segment fetches a media segment and holds it against its playlist and the segment before it.
func (l *linter) segment(ctx context.Context, r *rendition, p *playlist, g *segment) {
	r.got[g.msn], r.info[g.msn] = nil, g
	if g.gap {
		l.absent(ctx, r, g)
	}
	if g.gap || g.url == "" {
		return
	}
	s := r.sc.at(g.url)
	init := l.initOf(ctx, r.sc, g.init)
	if g.init != nil && init == nil {
		return
	}
	body := l.bytesOf(ctx, r.sc, "segment", g.url, g.span)
	if body == nil {
		return
	}
	d := &loaded{init: init, initK: g.init.key()}
	l.header(r.sc, g, init)
	if g.method != "" && !strings.HasPrefix(g.method, "SAMPLE-AES") {
		d.media = media{kind: "encrypted", size: len(body)}
		encrypted(s, g, body)
		r.got[g.msn] = d
		clear := l.open(ctx, s, g, body)
		if clear == nil || init != nil && len(init.tracks) == 0 {
			return
		}
		d.media = *parseSegment(clear, init)
		d.size = len(body)
	} else {
		d.media = *parseSegment(body, init)
		if g.method != "" && d.kind != "fmp4" {
			d.problems = nil // what is within samples cannot be read
		}
		keyed(s, g, d)
		l.keyOf(ctx, s, g.lock) // it must be there, and whole
	}
	s.addAll(d.problems)
	whollyThere(s, g, d)
	r.got[g.msn] = d
	l.httpSegment(ctx, r.sc, g.url, d.kind)
	l.contents(r, p, g, d)
	if before := r.got[g.msn-1]; before != nil {
		joint(s, g, before, d)
	}
	if len(g.parts) > 0 && g.method == "" && r.parts < 3 && !p.head.end {
		r.parts++
		l.partsOf(ctx, r, g, d, body)
	}
}

// absent holds that a gap is one: what EXT-X-GAP stands before has no media, and clients will not load it.
func (l *linter) absent(ctx context.Context, r *rendition, g *segment) {
	if !strings.HasPrefix(g.url, "http") || r.gaps >= 3 {
		return
	}
	r.gaps++
	at := g.span
	if at.length == 0 {
		at.length = 256
	}
	if res, err := l.f.get(ctx, g.url, at, segmentAtMost); err == nil && res.ok() && plain(res.body) != "" {
		r.sc.addLine(g.line, "hls.gap_there", g.msn, res.status)
	}
}

// encrypted looks at what can be seen of a segment in AES-128 without its key: whole blocks that are no media yet.
func encrypted(s scope, g *segment, body []byte) {
	if size := len(body); g.method == "AES-128" && size%16 != 0 {
		s.add("hls.key_padding", g.msn, size)
	}
	if kind := plain(body); kind != "" {
		s.add("hls.key_plain", g.msn, g.method, kind)
	}
}

// whollyThere finds tracks of the init segment of which a segment holds nothing.
func whollyThere(s scope, g *segment, d *loaded) {
	if d.kind != "fmp4" || d.init == nil || d.chunks == 0 {
		return
	}
	for _, t := range d.init.tracks {
		if r := d.of(t.kind); (t.kind == "video" || t.kind == "audio") && (r == nil || r.samples == 0) {
			s.add("mp4.track_empty", g.msn, t.id, t.kind)
		}
	}
}

// plain names what a segment is that is said to be encrypted as a whole and is not.
func plain(body []byte) string {
	switch {
	case len(body) > 188 && body[0] == 0x47 && body[188] == 0x47:
		return "MPEG-TS"
	case len(body) > 8 && looksLikeMP4(body):
		return "fragmented MP4"
	case bytes.HasPrefix(body, []byte("WEBVTT")):
		return "WebVTT"
	}
	return ""
}

// header holds section 3.1.2: what an init segment must be beyond what the base format asks.
func (l *linter) header(s scope, g *segment, init *initSegment) {
	if init == nil || len(init.tracks) == 0 || !l.once("header "+g.init.key()) {
		return
	}
	s = s.at(g.init.url)
	if !slices.ContainsFunc(init.brands, func(b string) bool { return oneOf(b, iso6OrHigher) }) {
		s.add("mp4.brand", strings.Join(init.brands, ", "))
	}
	if init.lasts != "" {
		s.add("mp4.duration_set", init.lasts)
	}
}

// iso6OrHigher are the brands that include what iso6 asks.
const iso6OrHigher = "iso6|iso7|iso8|iso9|isoa|isob|isoc|cmfc|cmf2|cmff|cmfl|cmfs"

// contents holds one segment against what its playlist says of it.
func (l *linter) contents(r *rendition, p *playlist, g *segment, d *loaded) {
	s := r.sc.at(g.url)
	lead := d.leading()
	if g.bitrate > 0 && g.dur > 0 {
		if have := float64(d.size) * 8 / g.dur; math.Abs(have-g.bitrate) > 0.1*g.bitrate+1000 {
			s.add("hls.bitrate_wrong", g.msn, kbit(g.bitrate), kbit(have))
		}
	}
	if lead == nil || lead.samples == 0 {
		return
	}
	have, frame := lead.seconds(), lead.seconds()/float64(lead.samples)
	if off := have - g.dur; math.Abs(off) > math.Max(0.1, 1.5*frame) && lead.samples > 1 {
		s.add("hls.extinf_wrong", g.msn, g.durText, seconds(have))
	}
	if lead.track.video() {
		startsWithKey(s, g, lead, l.independent(p))
	}
	if !p.head.end && lead.tfdt32 {
		s.add("mp4.tfdt_32")
	}
	if a := d.of("audio"); a != nil && lead.track.video() && a.samples > 0 {
		if off := a.shown() - lead.shown(); math.Abs(off) > 0.15 {
			s.add("hls.av_apart", g.msn, seconds(off))
		}
	}
}

// independent says whether the playlist, or the one above it, promises segments that start with a key frame.
func (l *linter) independent(p *playlist) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.head.independent || l.seen["independent"]
}

// atKey says whether a segment starts with a key frame, as far as that can be told.
func (r *run) atKey() (starts, known bool) {
	switch {
	case r.track.encrypted:
		return r.firstSync, true
	case r.known:
		return r.random, true
	case r.track.timescale == 90000 && r.track.entry == "": // without NAL units the flags are all there is, and TS has none
		return false, false
	}
	return r.firstSync, true
}

// unpromised finds segments that all start with a key frame though no EXT-X-INDEPENDENT-SEGMENTS says so.
func (l *linter) unpromised(r *rendition) {
	n := 0
	for _, d := range r.got {
		if d == nil || d.leading() == nil || !d.leading().track.video() || d.leading().samples == 0 {
			continue
		}
		if starts, known := d.leading().atKey(); !starts || !known {
			return
		}
		n++
	}
	if n > 2 && r.role == "variant" && !l.independent(r.list) {
		r.sc.add("hls.independent_missing")
	}
}

// drift adds up what EXTINF is off over segments that were all read: one by one it may be too little to tell.
func (r *rendition) drift() {
	said, have := 0.0, 0.0
	for _, msn := range slices.Sorted(maps.Keys(r.got)) {
		d, g := r.got[msn], r.info[msn]
		if d == nil || d.leading() == nil || d.leading().samples < 2 || !strings.Contains(g.durText, ".") || r.role == "iframe" {
			continue
		}
		if one := d.leading().seconds(); math.Abs(g.dur-one) <= 0.1 { // more is told of the segment itself
			said, have = said+g.dur, have+one
		}
	}
	if off := said - have; math.Abs(off) > 0.4 && math.Abs(off) > 0.015*have {
		r.sc.add("hls.extinf_drift", seconds(said), seconds(have))
	}
}

func startsWithKey(s scope, g *segment, lead *run, promised bool) {
	if starts, known := lead.atKey(); starts || !known {
		return
	}
	if promised {
		s.add("hls.not_independent", g.msn)
	} else {
		s.add("hls.key_frame_late", g.msn)
	}
}

// joint holds a segment against the one before it.
func joint(s scope, now *segment, a, b *loaded) {
	if now.disc && needless(a, b) {
		s.add("hls.discontinuity_needless", now.msn)
	}
	if now.disc || a.kind == "encrypted" || b.kind == "encrypted" || a.kind == "other" || b.kind == "other" {
		return
	}
	switch {
	case a.kind != b.kind:
		s.add("hls.discontinuity_missing", now.msn, "the container changes from "+a.kind+" to "+b.kind)
		return
	case a.init != nil && b.init != nil && a.initK != b.initK && configs(a.init.tracks) != configs(b.init.tracks):
		s.add("hls.discontinuity_missing", now.msn, "the init segment has another configuration")
		return
	case (a.kind == "ts" || a.kind == "adts") && layout(a.tracks) != layout(b.tracks):
		s.add("hls.discontinuity_missing", now.msn, "the tracks change from "+layout(a.tracks)+" to "+layout(b.tracks))
		return
	}
	follows(s, now.msn, now.dur, a, b, "hls.discontinuity_missing")
}

// needless says that a segment goes on from the one before it in every respect that EXT-X-DISCONTINUITY is for.
func needless(a, b *loaded) bool {
	if a.kind != "fmp4" && a.kind != "ts" || a.kind != b.kind || a.kind == "fmp4" && a.initK != b.initK || a.kind == "ts" && layout(a.tracks) != layout(b.tracks) {
		return false
	}
	for _, rb := range b.runs {
		ra := counterpart(&a.media, rb)
		if ra == nil || ra.samples == 0 || rb.samples == 0 {
			return false
		}
		gap := rb.first - ra.end
		if b.kind == "ts" {
			gap = wrap33(gap)
		}
		if math.Abs(float64(gap)) > 0.02*float64(rb.track.timescale) {
			return false
		}
	}
	return len(b.runs) > 0
}

// follows holds the times of all tracks over a joint. name is the later segment's; a jump breaks the rule jump.
func follows(s scope, name any, dur float64, a, b *loaded, jump string) {
	for _, rb := range b.runs {
		if ra := counterpart(&a.media, rb); ra != nil && ra.samples > 0 && rb.samples > 0 {
			along(s, name, dur, ra, rb, b.kind, jump)
		}
	}
	if a.kind == "ts" && a.lastPCR >= 0 && b.firstPCR >= 0 && !b.reset {
		if back := wrap33(a.lastPCR - b.firstPCR); back > 0 {
			s.add("ts.pcr_joint", name, seconds(float64(back)/90000))
		}
	}
	if a.kind == "fmp4" && a.sequence > 0 && b.firstSeq > 0 && b.firstSeq <= a.sequence {
		s.add("mp4.sequence", a.sequence, b.firstSeq)
	}
}

func along(s scope, name any, dur float64, ra, rb *run, kind, jump string) {
	scale := float64(rb.track.timescale)
	gap := rb.first - ra.end
	if kind != "fmp4" {
		gap = wrap33(gap)
	}
	frame := float64(rb.end-rb.first) / float64(max(rb.samples, 1)) / scale
	if kind == "adts" || kind == "ts" && rb.track.kind == "audio" {
		frame = math.Max(frame, 0.1) // their ends are estimates
	}
	if ra.rough {
		frame *= 2 // a PES packet holds many frames, and the last one of a segment may hold fewer
	}
	switch off := float64(gap) / scale; {
	case math.Abs(off) > math.Max(1.5, 0.75*dur):
		s.add(jump, name, "the time stamps of the "+rb.track.kind+" jump by "+seconds(off))
	case off > math.Max(0.75*frame, 0.02):
		s.add("seg.gap", name, seconds(off), rb.track.kind)
	case off < -math.Max(0.5*frame, 0.002):
		s.add("seg.overlap", name, seconds(-off), rb.track.kind)
	}
	if kind == "ts" && ra.lastCC != (rb.firstCC+15)&15 {
		s.add("ts.continuity_joint", name, rb.track.id)
	}
}

func counterpart(m *media, of *run) *run {
	for _, r := range m.runs {
		if r.track.id == of.track.id && r.track.kind == of.track.kind && r.track.timescale == of.track.timescale {
			return r
		}
	}
	return nil
}

func configs(tracks []*track) string {
	s := ""
	for _, t := range tracks {
		s += fmt.Sprint(t.id, t.kind, t.entry, t.config, ";")
	}
	return s
}

func layout(tracks []*track) string {
	var s []string
	for _, t := range tracks {
		one := t.kind + " " + t.codec
		if m := t.id; m > 1 { // the PID of TS; packed audio has none
			one += fmt.Sprintf(" of PID %d", m)
		}
		if t.kind == "audio" && t.rate > 0 {
			one += fmt.Sprintf(" (%d Hz, %d channels)", t.rate, t.channels)
		}
		s = append(s, one)
	}
	return strings.Join(s, " + ")
}

// withTables puts what a transport stream begins with before an I-frame out of its middle: without an EXT-X-MAP the resource
// itself must begin with PAT and PMT (section 4.4.3.6).
func (l *linter) withTables(ctx context.Context, r *rendition, g *segment, body []byte) []byte {
	if g.init != nil || g.span.from < 2*packetSize || len(body) < packetSize || body[0] != 0x47 || parseTS(body).leading() != nil {
		return body
	}
	head := l.bytesOf(ctx, r.sc, "the start of the I-frame's file", g.url, span{0, min(g.span.from/packetSize, 8) * packetSize})
	for n := 0; n+packetSize <= len(head); n += packetSize { // the tables only, up to the first frame
		if p := head[n : n+packetSize]; bytes.Contains(p[4:], []byte{0, 0, 1}) && p[1]&0x40 != 0 && (p[1]&0x1f != 0 || p[2] != 0) {
			head = head[:n]
		}
	}
	return append(slices.Clone(head), body...)
}

// iframe looks at an entry of an I-frame playlist: its range must hold one whole key frame.
func (l *linter) iframe(ctx context.Context, r *rendition, p *playlist, g *segment) {
	r.got[g.msn], r.info[g.msn] = nil, g
	if !p.head.iframes || g.gap || g.method != "" && (!strings.HasPrefix(g.method, "SAMPLE-AES") || g.init == nil) {
		return // encrypted entries cannot be looked into
	}
	init := l.initOf(ctx, r.sc, g.init)
	body := l.bytesOf(ctx, r.sc, "the I-frame", g.url, g.span)
	if body == nil {
		return
	}
	m := parseSegment(l.withTables(ctx, r, g, body), init)
	m.size = len(body)
	lead := m.leading()
	s := r.sc.at(g.url)
	r.got[g.msn] = &loaded{media: *m, init: init, initK: g.init.key()}
	if before, was := r.got[g.msn-1], r.info[g.msn-1]; before != nil && !g.disc && before.leading() != nil && lead != nil && lead.samples > 0 && before.leading().samples > 0 {
		if apart := lead.at() - before.leading().at(); math.Abs(apart-was.dur) > 0.1 && apart > 0 {
			s.addLine(was.line, "hls.iframe_duration", was.msn, was.durText, seconds(apart))
		}
	}
	switch {
	case lead == nil || lead.samples == 0:
		s.addLine(g.line, "hls.iframe_broken", g.msn)
	case lead.known && !lead.random || !lead.known && !lead.firstSync && m.kind == "fmp4":
		s.addLine(g.line, "hls.iframe_not_key", g.msn)
	}
	if m.kind == "fmp4" && len(m.spans) == 0 {
		s.addLine(g.line, "hls.iframe_broken", g.msn)
	}
	if lead != nil && lead.track.video() && lead.samples > 1 {
		s.addLine(g.line, "hls.iframe_more", g.msn, lead.samples)
	}
}
