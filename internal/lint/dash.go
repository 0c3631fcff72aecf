package lint

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"
)

// slot is a segment as a manifest tells of it.
type slot struct {
	number, t, d int64
	url          string
	span         span
	start        float64 // on the presentation's time line, in seconds
	dur          float64
	exact        bool // from a SegmentTimeline
}

// watched is a representation that is followed over several fetches.
type watched struct {
	sc     scope
	r      *representation // of the newest fetch
	got    map[int64]*loaded
	slots  map[int64]slot // of got, and of all that was announced
	loaded int
}

// dasher is the reading of one presentation.
type dasher struct {
	*linter
	sc      scope
	m       *manifest
	all     map[string]*watched
	order   []string
	skew    time.Duration // of the server's clock against ours
	edgeAt  time.Time
	edge    float64
	fetched time.Time
}

const dashTypes = "application/dash+xml|video/vnd.mpeg.dash.mpd"

func (l *linter) dash(ctx context.Context, res *resource) {
	d := &dasher{linter: l, sc: scope{l.c, res.url, res.url}, all: map[string]*watched{}}
	m := d.parse(res)
	if m == nil {
		return
	}
	period := 0.0
	if m.dynamic {
		l.live.Store(true)
		period = max(m.root.duration("minimumUpdatePeriod"), 1)
	}
	l.httpPlaylist(d.sc, res, dashTypes, period)
	d.clock(ctx, m)
	d.remote(ctx, m)
	d.take(ctx, m)
	if m.dynamic {
		d.progress(m)
		checkDepth(d.sc, m, time.Now().Add(d.skew))
		checkEnds(d.sc, m, time.Now().Add(d.skew))
	}
	for m.dynamic && time.Now().Before(l.until) && ctx.Err() == nil {
		pause := min(max(m.root.duration("minimumUpdatePeriod"), 0.5), 10)
		if !l.wait(ctx, time.Duration(pause*float64(time.Second))) {
			break
		}
		res, err := l.f.get(ctx, d.location(m, res.url), span{}, playlistAtMost)
		if err != nil || !res.ok() {
			if ctx.Err() == nil && err != errBudget {
				d.sc.add("serve.missing", "the manifest", errOr(err, res))
			}
			break
		}
		next := d.parse(res)
		if next == nil {
			break
		}
		checkUpdate(d.sc, m, next, time.Now().Add(d.skew))
		m = next
		d.take(ctx, m)
		d.progress(m)
	}
	d.measure()
}

func errOr(err error, res *resource) any {
	if err != nil {
		return err.Error()
	}
	return res.status
}

func (d *dasher) location(m *manifest, url string) string {
	if n := m.root.kid("Location"); n != nil {
		if u, err := resolve(url, strings.TrimSpace(n.text)); err == nil {
			return u
		}
	}
	return url
}

func (d *dasher) parse(res *resource) *manifest {
	d.playlists.Add(1)
	root, err := parseMPD(res.body)
	if err != nil {
		d.sc.add("dash.xml", err.Error())
		return nil
	}
	m := newManifest(root, res.url, string(res.body))
	checkManifest(d.sc, m)
	return m
}

// clock asks the sources of UTCTiming that can be asked by HTTP.
func (d *dasher) clock(ctx context.Context, m *manifest) {
	for _, n := range m.root.kids("UTCTiming") {
		scheme, value := n.get("schemeIdUri"), n.get("value")
		began := time.Now()
		var at time.Time
		ok := false
		switch {
		case strings.Contains(scheme, ":direct:"):
			at, ok = xsDate(value)
		case strings.Contains(scheme, ":http-xsdate:"), strings.Contains(scheme, ":http-iso:"), strings.Contains(scheme, ":http-head:"):
			u, err := resolve(m.url, value)
			if err != nil {
				break
			}
			res, err := d.f.get(ctx, u, span{}, 4096)
			if err == nil && res.ok() {
				at, ok = xsDate(strings.TrimSpace(string(res.body)))
				if head, e := time.Parse(time.RFC1123, res.header.Get("Date")); strings.Contains(scheme, "head") && e == nil {
					at, ok = head.Add(500*time.Millisecond), true
				}
			}
		default:
			continue
		}
		if !ok {
			d.sc.addAt(n.line, "UTCTiming", "dash.utc_broken", scheme, clip(value))
			continue
		}
		skew := at.Sub(began.Add(time.Since(began) / 2))
		if d.skew = skew; skew.Abs() > 1500*time.Millisecond {
			d.sc.addAt(n.line, "UTCTiming", "dash.utc_skew", scheme, seconds(skew.Seconds()))
		}
		return
	}
}

// take reads the segments of one fetch of the manifest that are new.
func (d *dasher) take(ctx context.Context, m *manifest) {
	d.m, d.fetched = m, time.Now()
	var now []*watched
	for _, r := range m.reps {
		w := d.all[r.key]
		if w == nil {
			name := m.url + "#" + r.key
			w = &watched{sc: scope{d.c, name, m.url}, got: map[int64]*loaded{}, slots: map[int64]slot{}}
			d.all[r.key] = w
			d.order = append(d.order, r.key)
		}
		w.r = r
		now = append(now, w)
	}
	each(now, func(w *watched) { d.segmentsOf(ctx, m, w) })
}

const slotsAtMost = 100000

// slots lists the segments that are available at an instant.
func (r *representation) slots(m *manifest, now time.Time) []slot {
	switch {
	case r.a.timeline != nil:
		return r.timelineSlots(m, now)
	case r.a.kind == "template" && r.a.duration > 0:
		return r.numberedSlots(m, now)
	case r.a.kind == "list":
		var list []slot
		for i, n := range r.a.node.kids("SegmentURL") {
			u, err := resolve(r.base, n.get("media"))
			if err != nil || len(list) >= slotsAtMost {
				continue
			}
			d := float64(r.a.duration) / float64(r.a.timescale)
			at := int64(i) * r.a.duration
			list = append(list, slot{number: r.a.start + int64(i), t: at + r.a.offset, d: r.a.duration, url: u, span: parseRange(n.get("mediaRange")), start: r.period.start + float64(i)*d, dur: d})
		}
		return list
	}
	return nil
}

func (r *representation) slot(number, t, d int64) slot {
	s := slot{number: number, t: t, d: d, dur: float64(d) / float64(r.a.timescale)}
	s.start = r.period.start + float64(t-r.a.offset)/float64(r.a.timescale)
	if r.a.kind == "list" {
		if list := r.a.node.kids("SegmentURL"); int(number-r.a.start) < len(list) && number >= r.a.start {
			n := list[number-r.a.start]
			s.url, _ = resolve(r.base, n.get("media")) // "" is not fetched
			s.span = parseRange(n.get("mediaRange"))
		}
	}
	return s
}

// address is where a slot's segment is; it is made for the few that are read.
func (r *representation) address(s slot) string {
	if s.url != "" || r.a.kind != "template" {
		return s.url
	}
	u, _ := expand(r.a.media, r.node, s.number, s.t)
	u, _ = resolve(r.base, u) // "" is not fetched
	return u
}

func (r *representation) timelineSlots(m *manifest, now time.Time) (list []slot) {
	entries := r.a.timeline.kids("S")
	at, number := int64(0), r.a.start
	for i, e := range entries {
		t, dur := e.uint("t", at), e.uint("d", 0)
		if e.has("n") {
			number = e.uint("n", number)
		}
		repeat, err := xsInt(e.get("r"))
		if dur == 0 || err {
			continue
		}
		if repeat < 0 {
			end := int64((r.period.dur) * float64(r.a.timescale))
			if i+1 < len(entries) && entries[i+1].has("t") {
				end = entries[i+1].uint("t", 0) - r.a.offset
			} else if r.period.dur == 0 {
				end = int64(now.Sub(m.began).Seconds()-r.period.start) * r.a.timescale
			}
			repeat = max((end-(t-r.a.offset))/dur-1, 0)
		}
		for range min(repeat+1, slotsAtMost) {
			if len(list) >= slotsAtMost {
				return list
			}
			s := r.slot(number, t, dur)
			s.exact = true
			list = append(list, s)
			t, number = t+dur, number+1
		}
		at = t
	}
	return list
}

func xsInt(s string) (v int64, wrong bool) {
	if s == "" {
		return 0, false
	}
	if !fits("int", s) {
		return 0, true
	}
	return number(s), false
}

func (r *representation) numberedSlots(m *manifest, now time.Time) (list []slot) {
	d := float64(r.a.duration) / float64(r.a.timescale)
	from, to := int64(0), int64(math.Ceil(r.period.dur/d-1e-6))
	if m.dynamic {
		edge := now.Sub(m.began).Seconds() - r.period.start
		newest := int64(math.Floor(edge / d))
		if r.period.dur == 0 {
			to = newest
		}
		to = min(to, newest)
		if depth := m.root.duration("timeShiftBufferDepth"); depth > 0 {
			from = max(from, int64((edge-depth)/d)+1)
		}
	}
	to = min(to, from+slotsAtMost)
	for i := from; i < to; i++ {
		list = append(list, r.slot(r.a.start+i, i*r.a.duration+r.a.offset, r.a.duration))
	}
	return list
}

// segmentsOf reads what is new of a representation.
func (d *dasher) segmentsOf(ctx context.Context, m *manifest, w *watched) {
	r := w.r
	if r.a.kind == "base" || r.a.kind == "" {
		d.single(ctx, w)
		return
	}
	now := time.Now().Add(d.skew)
	list := r.slots(m, now)
	first := len(w.slots) == 0
	var init *initSegment
	if r.webm() {
		if ref := r.initRef(); first && ref != nil {
			d.bytesOf(ctx, w.sc, "the init segment", ref.url, ref.span)
		}
	} else if init = d.initOf(ctx, w.sc, r.initRef()); init != nil {
		checkInit(w.sc, r, init)
	}
	budget := d.o.MaxSegments
	var want []slot
	for i, s := range list {
		if _, have := w.slots[s.number]; have {
			continue
		}
		w.slots[s.number] = s
		most := budget
		if m.dynamic {
			most = budget / 2
		}
		if first && len(list) > most && i >= most/2 && i < len(list)-most/2 || first && m.dynamic && len(list) > most && i == 0 {
			continue // the middle, and the oldest, which may be going just now
		}
		want = append(want, s)
	}
	for _, s := range want {
		if w.loaded >= budget || ctx.Err() != nil {
			return
		}
		w.loaded++
		s.url = r.address(s)
		d.segment(ctx, w, s, init)
	}
}

func (r *representation) initRef() *initRef {
	if n := r.a.kid("Initialization"); n != nil {
		u, err := resolve(r.base, n.get("sourceURL"))
		if err != nil {
			return nil
		}
		return &initRef{line: n.line, url: u, span: parseRange(n.get("range"))}
	}
	if r.a.init == "" {
		return nil
	}
	u, _ := expand(r.a.init, r.node, 0, 0)
	u, err := resolve(r.base, u)
	if err != nil {
		return nil
	}
	return &initRef{url: u}
}

func (d *dasher) segment(ctx context.Context, w *watched, s slot, init *initSegment) {
	if s.url == "" {
		return
	}
	body := d.bytesOf(ctx, w.sc, "segment", s.url, s.span)
	if body == nil {
		return
	}
	if w.r.webm() {
		w.sc.addAt(w.r.node.line, w.r.node.label(), "dash.webm")
		d.httpSegment(ctx, w.sc, s.url, "webm")
		return
	}
	m := parseSegment(body, init)
	ld := &loaded{media: *m, init: init}
	w.got[s.number] = ld
	sc := w.sc.at(s.url)
	for _, p := range m.problems {
		switch p.rule {
		case "hls.map_missing":
			p.rule, p.args = "dash.init_missing", nil
		case "hls.vtt_map": // of HLS alone
			continue
		}
		sc.addAt(p.line, w.r.node.label(), p.rule, p.args...)
	}
	d.httpSegment(ctx, w.sc, s.url, m.kind)
	checkSlot(sc, w.r, s, ld)
	if at := float64(s.t) / float64(w.r.a.timescale); m.captions != nil && s.dur > 0 {
		if cue, ok := m.captions.stray(at, s.dur, s.dur+1); ok {
			sc.addAt(0, w.r.node.label(), "vtt.outside", s.number, seconds(at), seconds(at+s.dur), seconds(cue))
		}
	}
	checkEvents(sc, w.r, ld)
	if before := w.got[s.number-1]; before != nil && before.init == init {
		follows(sc, s.number, s.dur, before, ld, "dash.time_jump")
	}
}

// progress holds that a live presentation goes on, near the clock.
func (d *dasher) progress(m *manifest) {
	edge, length := 0.0, 1.0
	for _, r := range m.reps {
		if r.a.timeline == nil {
			return
		}
		list := r.slots(m, time.Now().Add(d.skew))
		if len(list) > 0 {
			last := list[len(list)-1]
			edge, length = max(edge, last.start+last.dur), max(length, last.dur)
		}
	}
	now := time.Now()
	depth := max(m.root.duration("timeShiftBufferDepth"), 30)
	if off := now.Add(d.skew).Sub(m.began).Seconds() - edge; !m.began.IsZero() && (off > depth || off < -length-2) {
		d.sc.addAt(m.root.line, "MPD", "dash.edge_wrong", seconds(off))
	}
	if edge > d.edge {
		d.edge, d.edgeAt = edge, now
		return
	}
	if idle := now.Sub(d.edgeAt).Seconds(); !d.edgeAt.IsZero() && idle > 3*length+m.root.duration("minimumUpdatePeriod")+1 {
		d.sc.add("dash.stale", seconds(round(idle, 0)))
	}
}

func (d *dasher) measure() {
	for _, key := range d.order {
		w := d.all[key]
		measureRate(w.sc, d.m, w)
	}
	for i, a := range d.order {
		for _, b := range d.order[i+1:] {
			if d.all[a].r.set == d.all[b].r.set {
				checkAligned(d.all[a], d.all[b])
				checkSwitching(d.all[a], d.all[b])
			}
		}
	}
	d.checkStart()
}

// checkStart holds that sound and picture of a Period begin together.
func (d *dasher) checkStart() {
	firsts := map[*period]map[string]float64{}
	for _, key := range d.order {
		w := d.all[key]
		lead, number := (*run)(nil), int64(math.MaxInt64)
		for n, ld := range w.got {
			if l := ld.leading(); l != nil && l.samples > 0 && n < number {
				lead, number = l, n
			}
		}
		if lead == nil || w.slots[number].start > w.r.period.start+w.slots[number].dur {
			continue
		}
		if firsts[w.r.period] == nil {
			firsts[w.r.period] = map[string]float64{}
		}
		at := lead.at() - float64(lead.track.edit)/float64(lead.track.timescale) - float64(w.r.a.offset)/float64(w.r.a.timescale)
		firsts[w.r.period][lead.track.kind] = at
	}
	for p, kinds := range firsts {
		v, okV := kinds["video"]
		a, okA := kinds["audio"]
		if okV && okA && math.Abs(v-a) > 0.3 {
			d.sc.addAt(p.node.line, p.node.label(), "dash.av_apart", seconds(a-v))
		}
		for _, kind := range slices.Sorted(func(yield func(string) bool) {
			for k := range kinds {
				if !yield(k) {
					return
				}
			}
		}) {
			if at := kinds[kind]; math.Abs(at) > 1 {
				d.sc.addAt(p.node.line, p.node.label(), "dash.offset_wrong", kind, seconds(at))
			}
		}
	}
}
