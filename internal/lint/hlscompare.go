package lint

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
)

// compare holds the media playlists against each other and the multivariant playlist against what was measured. multi is nil
// for a lone media playlist.
func (l *linter) compare(ctx context.Context, multi *playlist, all []*rendition) {
	all = slices.DeleteFunc(all, func(r *rendition) bool { return r.failed || r.list == nil })
	if multi == nil || len(all) == 0 {
		return
	}
	main := slices.DeleteFunc(slices.Clone(all), func(r *rendition) bool { return r.role == "iframe" || r.role == "SUBTITLES" })
	for _, r := range main[min(1, len(main)):] {
		checkPair(main[0], r)
	}
	for _, r := range all {
		checkAlike(all[0], r)
		checkKinds(r)
		if len(main) > 0 {
			checkCaptions(main[0], r)
		}
	}
	sc := scope{l.c, multi.url, multi.url}
	checkStartOf(sc, multi, all[0])
	for i, a := range main {
		for _, b := range main[i+1:] {
			if a.role == "variant" && b.role == "variant" {
				checkVariants(a, b)
			}
		}
	}
	if len(main) > 1 && main[0].list.head.partTarget > 0 {
		each(main, func(r *rendition) { l.reports(ctx, r, main) })
	}
	for _, r := range all {
		for _, t := range r.media {
			checkChannels(r, t)
		}
	}
	for _, v := range multi.variants {
		measure(sc, v, all)
		checkMuxed(sc, v, find(all, v.url), multi.renders)
	}
	for _, t := range multi.iframes {
		measureFrames(sc, multi, t, all)
	}
}

// checkPair holds section 6.2.4: what must be alike in all playlists of a presentation.
func checkPair(a, b *rendition) {
	s := b.sc
	p, q := a.first, b.first
	if p.head.target != q.head.target && p.head.hasTarget && q.head.hasTarget {
		s.add("hls.renditions_target", q.head.target, p.head.target, a.url)
	}
	if p.head.kind != q.head.kind {
		s.add("hls.renditions_type", orNone(q.head.kind), orNone(p.head.kind), a.url)
	}
	if _, dated := p.dateOfAny(); dated {
		if _, too := q.dateOfAny(); !too {
			s.add("hls.renditions_undated", a.url)
		}
	}
	if (p.head.partTarget > 0) != (q.head.partTarget > 0) || p.head.partTarget != q.head.partTarget {
		s.add("ll.renditions_part_target", seconds(q.head.partTarget), seconds(p.head.partTarget), a.url)
	}
	if p.head.end && q.head.end && math.Abs(p.duration()-q.duration()) > math.Max(p.head.target, 1) {
		s.add("hls.renditions_length", seconds(q.duration()), seconds(p.duration()), a.url)
	}
	if a.list.head.end != b.list.head.end && a.fetched.Sub(b.fetched).Abs().Seconds() < p.head.target {
		s.add("hls.renditions_end", a.url)
	}
	if !p.head.end && !q.head.end && math.Abs(float64(p.last()-q.last())) > 3 && p.head.target == q.head.target {
		s.add("hls.renditions_sequence", q.last(), p.last(), a.url)
	}
	if x, y := p.breaks(), q.breaks(); p.head.end && q.head.end && x != y {
		s.add("hls.renditions_discontinuities", y, x, a.url)
	}
	checkTimes(a, b)
}

// checkAlike holds what section 6.2.4 asks of all playlists, those of subtitles and I-frames too.
func checkAlike(a, b *rendition) {
	if a == b {
		return
	}
	p, q := &a.first.head, &b.first.head
	side := b.role == "iframe" || b.role == "SUBTITLES"
	if side && q.kind != "VOD" && p.hasTarget && q.hasTarget && p.target != q.target {
		b.sc.add("hls.renditions_target", q.target, p.target, a.url)
	}
	if x, y := controls(p.control), controls(q.control); x != y {
		b.sc.add("hls.renditions_control", orNone(y), orNone(x), a.url)
	}
	checkPairDates(a, b)
}

// controls writes EXT-X-SERVER-CONTROL in one order.
func controls(t *tag) string {
	if t == nil {
		return ""
	}
	var list []string
	for i := range t.attrs {
		list = append(list, t.attrs[i].name+"="+t.attrs[i].value)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

func (p *playlist) dateOfAny() (int, bool) {
	for i := range p.segments {
		if _, ok := p.dateOf(i); ok {
			return i, true
		}
	}
	return 0, false
}

// place is a segment on the clocks of its playlist.
type place struct {
	media, date float64
	dated       bool
	dseq        int64
	dur         float64
	msn         int64
}

// places are the segments whose media times are known.
func (r *rendition) places() (list []place) {
	for msn, d := range r.got {
		if d == nil || d.leading() == nil || d.leading().samples == 0 || r.info[msn] == nil {
			continue
		}
		g := r.info[msn]
		pl := place{media: d.leading().shown(), dseq: g.dseq, dur: g.dur, msn: msn}
		for _, p := range []*playlist{r.first, r.list} {
			if i := int(msn - p.head.msn); i >= 0 && i < len(p.segments) {
				if at, ok := p.dateOf(i); ok {
					pl.date, pl.dated = float64(at.UnixMicro())/1e6, true
				}
			}
		}
		list = append(list, pl)
	}
	slices.SortFunc(list, func(a, b place) int { return int(a.msn - b.msn) })
	return list
}

// checkTimes holds the clocks and discontinuities of two playlists together, at segments that overlap in media time.
func checkTimes(a, b *rendition) {
	pa, pb := a.places(), b.places()
	if len(pa) == 0 || len(pb) == 0 {
		return
	}
	if a.first.head.end && pa[0].msn == a.first.head.msn && pb[0].msn == b.first.head.msn && math.Abs(pa[0].media-pb[0].media) > 0.3 {
		b.sc.add("hls.renditions_start", seconds(pb[0].media), seconds(pa[0].media), a.url)
	}
	for _, y := range pb {
		i := slices.IndexFunc(pa, func(x place) bool { return y.media+y.dur/2 >= x.media && y.media+y.dur/2 < x.media+x.dur })
		if i < 0 {
			continue
		}
		x := pa[i]
		if x.dated && y.dated {
			if off := (y.date - y.media) - (x.date - x.media); math.Abs(off) > 0.1 {
				b.sc.add("hls.renditions_dates", y.msn, seconds(off), a.url)
				return
			}
		}
		if x.dseq != y.dseq && x.dated && y.dated {
			b.sc.add("hls.renditions_discontinuity", y.msn, y.dseq, x.dseq, a.url)
			return
		}
	}
}

// checkVariants holds what makes switching between two variants of the same kind smooth.
func checkVariants(a, b *rendition) {
	for msn, x := range a.got {
		y := b.got[msn]
		if x == nil || y == nil || x.leading() == nil || y.leading() == nil || !x.leading().track.video() || !y.leading().track.video() {
			continue
		}
		if off := y.leading().at() - x.leading().at(); math.Abs(off) > 0.05 && math.Abs(off) < 60 {
			b.sc.add("hls.variants_unaligned", msn, seconds(off), a.url)
			return
		}
		if s, t := x.leading().track.timescale, y.leading().track.timescale; s != t && x.leading().track.entry == y.leading().track.entry {
			b.sc.add("mp4.timescales", t, s, a.url)
			return
		}
	}
}

func checkChannels(r *rendition, t *tag) {
	for _, d := range r.got {
		if d == nil || d.of("audio") == nil {
			continue
		}
		have := d.of("audio").track.channels
		said, _, _ := strings.Cut(t.get("CHANNELS"), "/")
		if n, err := strconv.Atoi(said); err == nil && have > 0 && n != have && !strings.Contains("ac-3 ec-3", d.of("audio").track.codec) {
			r.sc.add("hls.channels_wrong", t.get("NAME"), n, have)
		}
		return
	}
}

// tracksOf are the tracks that were found in a playlist, and whether any segment was read.
func (r *rendition) tracksOf() (list []*track) {
	seen := map[string]bool{}
	for _, d := range r.got {
		if d == nil {
			continue
		}
		for _, run := range d.runs {
			if t := run.track; run.samples > 0 && !seen[t.kind+t.codec] {
				seen[t.kind+t.codec] = true
				list = append(list, t)
			}
		}
	}
	return list
}

func find(all []*rendition, url string) *rendition {
	for _, r := range all {
		if r.url == url {
			return r
		}
	}
	return nil
}

// within says whether a playlist is of a group.
func (r *rendition) within(kind, group string) bool {
	return slices.ContainsFunc(r.media, func(t *tag) bool { return t.get("TYPE") == kind && t.get("GROUP-ID") == group })
}

// findPath finds a playlist by its address, or by its path where the report leaves a session's query out.
func findPath(all []*rendition, url string) *rendition {
	if r := find(all, url); r != nil {
		return r
	}
	path, _, _ := strings.Cut(url, "?")
	for _, r := range all {
		if p, _, _ := strings.Cut(r.url, "?"); p == path {
			return r
		}
	}
	return nil
}

// measure holds an EXT-X-STREAM-INF against its segments.
func measure(s scope, v variant, all []*rendition) {
	r := find(all, v.url)
	if r == nil {
		return
	}
	line := v.tag.line
	tracks := r.tracksOf()
	peak, average, known := r.rates()
	for _, kind := range []string{"AUDIO", "VIDEO", "SUBTITLES"} {
		most, mean := 0.0, 0.0
		for _, o := range all {
			if o.url != v.url && v.tag.has(kind) && o.within(kind, v.tag.get(kind)) {
				tracks = append(tracks, o.tracksOf()...)
				p, m, ok := o.rates()
				most, mean, known = max(most, p), max(mean, m), known && ok
			}
		}
		peak, average = peak+most, average+mean
	}
	if len(tracks) > 0 {
		checkCodecs(s, line, v.tag, tracks)
		checkPicture(s, line, v.tag, r, tracks)
	}
	if peak > 0 {
		checkRates(s, v.tag, peak, average, known && r.list.head.end)
	}
}

func checkRates(s scope, t *tag, peak, average float64, whole bool) {
	said, mean := t.float("BANDWIDTH"), t.float("AVERAGE-BANDWIDTH")
	switch {
	case whole && peak > 1.01*said+1:
		s.addLine(t.line, "hls.bandwidth_low", kbit(said), kbit(peak))
	case !whole && peak > 1.1*said:
		s.addLine(t.line, "hls.bandwidth_low_live", kbit(said), kbit(peak))
	case said > 4*peak && said > 200000:
		s.addLine(t.line, "hls.bandwidth_high", kbit(said), kbit(peak))
	}
	if mean > 0 && whole && average > 1.1*mean {
		s.addLine(t.line, "hls.average_low", kbit(mean), kbit(average))
	}
}

// rates are the peak segment bit rate (section 4.1: of contiguous segments between half and one and a half target durations,
// and half a second more) and the average; whole says that every segment was read.
func (r *rendition) rates() (peak, average float64, whole bool) {
	target := r.list.head.target
	var bits, dur float64
	n := 0
	for msn, d := range r.got {
		if d == nil || d.size == 0 {
			continue
		}
		n++
		bits, dur = bits+float64(d.size)*8, dur+r.info[msn].dur
		var b, t float64
		for k := msn; r.got[k] != nil && r.got[k].size > 0; k++ {
			b, t = b+float64(r.got[k].size)*8, t+r.info[k].dur
			if t > 1.5*target+0.5 {
				break
			}
			if t >= 0.5*target && t > 0 {
				peak = max(peak, b/t)
			}
		}
	}
	if dur > 0 {
		average = bits / dur
	}
	return peak, average, n >= len(r.list.segments)
}

func checkCodecs(s scope, line int, t *tag, tracks []*track) {
	said := append(splitCodecs(t.get("CODECS")), splitCodecs(strings.ReplaceAll(t.get("SUPPLEMENTAL-CODECS"), "/", ","))...)
	if len(splitCodecs(t.get("CODECS"))) == 0 {
		return
	}
	matched := map[string]bool{}
	for _, tr := range tracks {
		if tr.codec == "" {
			continue
		}
		like := ""
		exact := false
		for _, c := range said {
			if tr.is(c) {
				matched[c], exact = true, true
			} else if family(c) == family(tr.codec) || isVideo(c) && tr.video() {
				like = c
			}
		}
		switch {
		case exact:
		case like != "":
			matched[like] = true
			s.addLine(line, "hls.codecs_wrong", like, tr.codec)
		default:
			s.addLine(line, "hls.codecs_lacking", t.get("CODECS"), tr.codec)
		}
	}
	for _, c := range said {
		if f := family(c); !matched[c] && f != "wvtt" && f != "stpp" && t.get("AUDIO") == "" {
			s.addLine(line, "hls.codecs_extra", c)
		}
	}
}

func checkPicture(s scope, line int, t *tag, r *rendition, tracks []*track) {
	i := slices.IndexFunc(tracks, (*track).video)
	if i < 0 {
		return
	}
	v := tracks[i]
	if size := strconv.Itoa(v.width) + "x" + strconv.Itoa(v.height); t.has("RESOLUTION") && t.get("RESOLUTION") != size && v.width > 0 {
		s.addLine(line, "hls.resolution_wrong", t.get("RESOLUTION"), size)
	}
	samples, length := 0, 0.0
	for _, d := range r.got {
		if d != nil && d.of("video") != nil && d.of("video").samples > 1 {
			samples, length = samples+d.of("video").samples, length+d.of("video").seconds()
		}
	}
	if said, exact := t.float("FRAME-RATE"), steady(r); said > 0 && exact > 0 && math.Abs(exact-said) > 0.0006*said && math.Abs(exact-said) < 0.03*said {
		s.addLine(line, "hls.frame_rate_wrong", t.get("FRAME-RATE"), round(exact, 3))
	} else if said > 0 && length > 0 && math.Abs(float64(samples)/length-said) > 0.03*said {
		s.addLine(line, "hls.frame_rate_wrong", t.get("FRAME-RATE"), round(float64(samples)/length, 3))
	}
	checkRange(s, line, t, v)
	if f := family(v.codec); (f == "hvc1" || f == "hev1") && v.entry == "" {
		s.addLine(line, "hls.hevc_in_ts")
	} else if f == "hev1" || f == "avc3" {
		s.addLine(line, "hls.parameter_sets", f)
	}
}

// checkMuxed holds that a rendition without URI is in the variant's own segments (section 4.4.6.2.1).
func checkMuxed(s scope, v variant, r *rendition, renders []*tag) {
	if r == nil || r.role != "variant" {
		return
	}
	own := r.tracksOf()
	if len(own) == 0 || slices.ContainsFunc(own, func(t *track) bool { return t.kind == "audio" }) {
		return
	}
	for _, t := range renders {
		if t.get("TYPE") == "AUDIO" && t.get("GROUP-ID") == v.tag.get("AUDIO") && v.tag.has("AUDIO") && !t.has("URI") {
			s.addLine(t.line, "hls.rendition_absent", t.get("NAME"), clip(v.url))
		}
	}
}

// checkRange holds VIDEO-RANGE, which is SDR when it is not there, against the transfer characteristics (section 4.4.6.2).
func checkRange(s scope, line int, t *tag, v *track) {
	said, have := cmp.Or(t.get("VIDEO-RANGE"), "SDR"), "SDR"
	switch v.transfer {
	case 0:
		return
	case 16:
		have = "PQ"
	case 18:
		have = "HLG"
	}
	// HLG may be told in other ways than by 18
	if said != have && (said == "PQ" || have == "PQ" || v.transfer == 18 || v.transfer == 2) {
		s.addLine(line, "hls.range_wrong", said, v.transfer, have)
	}
}

func measureFrames(s scope, multi *playlist, t *tag, all []*rendition) {
	u, err := resolve(multi.url, t.get("URI"))
	if err != nil {
		return
	}
	r := find(all, u)
	if r == nil {
		return
	}
	if tracks := r.tracksOf(); len(tracks) > 0 {
		checkCodecs(s, t.line, t, tracks)
		checkPicture(s, t.line, t, r, tracks)
	}
	if peak, _, whole := r.rates(); whole && r.list.head.end && peak > 1.01*t.float("BANDWIDTH")+1 {
		s.addLine(t.line, "hls.bandwidth_low", kbit(t.float("BANDWIDTH")), kbit(peak))
	}
}
