package lint

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"
)

// rendition is a media playlist that is followed.
type rendition struct {
	sc      scope
	url     string
	role    string // variant, AUDIO, VIDEO, SUBTITLES or iframe
	tag     *tag   // that named it; nil for a lone media playlist
	media   []*tag // the EXT-X-MEDIA that name it
	imports map[string]string
	first   *playlist
	list    *playlist // the newest
	fetched time.Time
	changed time.Time // when it was last seen to grow
	got     map[int64]*loaded
	info    map[int64]*segment // of got
	budget  int
	parts   int // segments whose parts were compared
	hints   int
	gaps    int
	delta   bool
	failed  bool
}

const mpegurl = "application/vnd.apple.mpegurl|audio/mpegurl|application/x-mpegurl|audio/x-mpegurl"

// renditionsAtMost bounds what a hostile multivariant playlist makes us follow.
const renditionsAtMost = 64

func (l *linter) hls(ctx context.Context, res *resource) {
	sc := scope{l.c, res.url, res.url}
	l.apple = true
	p := parsePlaylist(res.url, string(res.body), nil)
	l.playlists.Add(1)
	l.addressed(sc, res)
	if !p.multi {
		r := l.rendition(sc, p, "variant", res.url)
		l.opened(r, res, p)
		l.follow(ctx, r)
		l.compare(ctx, nil, []*rendition{r})
		return
	}
	l.httpPlaylist(sc, res, mpegurl, 0)
	checkMulti(sc, p)
	if p.head.independent {
		l.once("independent")
	}
	all := l.gather(sc, p)
	each(all, func(r *rendition) { l.load(ctx, r) })
	each(all, func(r *rendition) { l.follow(ctx, r) })
	l.compare(ctx, p, all)
}

// addressed holds section 4: a playlist is known by its name or its type.
func (l *linter) addressed(s scope, res *resource) {
	u, err := url.Parse(res.url)
	if err != nil || res.header == nil {
		return
	}
	if !strings.HasSuffix(u.Path, ".m3u8") && !strings.HasSuffix(u.Path, ".m3u") && !oneOf(mimeOf(res), "application/vnd.apple.mpegurl|audio/mpegurl") {
		s.add("hls.playlist_name", clip(mimeOf(res)))
	}
}

func (l *linter) rendition(sc scope, multi *playlist, role, addr string) *rendition {
	return &rendition{sc: scope{sc.c, addr, addr}, url: addr, role: role, imports: multi.defined, got: map[int64]*loaded{}, info: map[int64]*segment{}, budget: l.o.MaxSegments}
}

// gather lists the media playlists of a multivariant playlist, each once.
func (l *linter) gather(sc scope, p *playlist) (all []*rendition) {
	add := func(role, addr string, t *tag) {
		r := find(all, addr)
		if r == nil && len(all) < renditionsAtMost {
			r = l.rendition(sc, p, role, addr)
			r.tag = t
			all = append(all, r)
		}
		if r != nil && t.name == "EXT-X-MEDIA" {
			r.media = append(r.media, t)
		}
	}
	for _, v := range p.variants {
		add("variant", v.url, v.tag)
	}
	for role, list := range map[string][]*tag{"": p.renders, "iframe": p.iframes} {
		for _, t := range list {
			u, err := resolve(p.url, t.get("URI"))
			if !t.has("URI") {
				continue
			}
			if err != nil {
				sc.addLine(t.line, "hls.uri_invalid", clip(t.get("URI")))
				continue
			}
			if role == "" {
				add(t.get("TYPE"), u, t)
			} else {
				add(role, u, t)
			}
		}
	}
	return all
}

// read fetches a media playlist. nil: reported, or not to be had.
func (l *linter) read(ctx context.Context, r *rendition, addr string) (*playlist, *resource) {
	res, err := l.f.get(ctx, addr, span{}, playlistAtMost)
	if err != nil {
		if ctx.Err() == nil && err != errBudget {
			r.sc.add("serve.missing", "the playlist", err.Error())
		}
		return nil, nil
	}
	l.playlists.Add(1)
	if !res.ok() {
		r.sc.add("serve.missing", "the playlist", res.status)
		return nil, nil
	}
	return parsePlaylist(r.url, string(res.body), r.imports), res
}

func (l *linter) load(ctx context.Context, r *rendition) {
	p, res := l.read(ctx, r, r.url)
	if p == nil {
		r.failed = true
		return
	}
	l.opened(r, res, p)
}

// opened takes the first fetch of a media playlist.
func (l *linter) opened(r *rendition, res *resource, p *playlist) {
	r.list, r.first, r.fetched, r.changed = p, p, time.Now(), time.Now()
	if p.multi && !p.media {
		r.sc.add("hls.mixed")
		r.failed = true
		return
	}
	target := 0.0
	if !p.head.end {
		l.live.Store(true)
		target = p.head.target
	}
	l.addressed(r.sc, res)
	l.httpPlaylist(r.sc, res, mpegurl, target)
	checkMedia(r.sc, p)
	checkOld(r.sc, p)
	if r.role == "iframe" && !p.head.iframes {
		r.sc.add("hls.iframes_only_missing")
	} else if r.role != "iframe" && p.head.iframes && r.tag != nil {
		r.sc.add("hls.iframes_only_wrong")
	}
}

// follow reads the segments of a playlist, and goes on while it is live and time is left.
func (l *linter) follow(ctx context.Context, r *rendition) {
	if r.failed {
		return
	}
	l.segmentsOf(ctx, r, r.list)
	defer l.unpromised(r)
	defer r.drift()
	if r.list.head.end {
		return
	}
	if strings.HasPrefix(r.url, "http") {
		var wg sync.WaitGroup
		defer wg.Wait()
		l.directives(ctx, r)
		p := r.list
		wg.Go(func() { l.ahead(ctx, r, p) })
	}
	for time.Now().Before(l.until) && ctx.Err() == nil {
		now, ok := l.next(ctx, r)
		if !ok {
			return
		}
		if now == nil {
			continue
		}
		l.grown(r, now)
		l.segmentsOf(ctx, r, now)
		if now.head.end {
			l.after(ctx, r)
			return
		}
	}
}

// after looks once more at a playlist that was seen to end: nothing of it may change any more. A server may drop it, too.
func (l *linter) after(ctx context.Context, r *rendition) {
	pause := max(r.list.head.target, 1) + 1
	if !l.wait(ctx, time.Duration(pause*float64(time.Second))) {
		return
	}
	res, err := l.f.get(ctx, r.url, span{}, playlistAtMost)
	if err != nil || !res.ok() {
		return
	}
	l.playlists.Add(1)
	now := parsePlaylist(r.url, string(res.body), r.imports)
	checkReload(r.sc, r.list, now)
}

// grown takes a newer playlist.
func (l *linter) grown(r *rendition, now *playlist) {
	checkMedia(r.sc, now)
	checkReload(r.sc, r.list, now)
	at := time.Now()
	edge := now.last() != r.list.last() || len(now.trailing) != len(r.list.trailing) || now.head.end
	if edge {
		r.changed = at
	} else if idle := at.Sub(r.changed).Seconds(); idle > 1.5*now.head.target+1 && now.head.target > 0 {
		r.sc.add("hls.stale", seconds(round(idle, 0)), seconds(1.5*now.head.target))
	}
	r.list, r.fetched = now, at
}

// next waits for the next playlist: by blocking reload where it is offered, else by time.
func (l *linter) next(ctx context.Context, r *rendition) (*playlist, bool) {
	if c := r.list.head.control; c != nil && c.get("CAN-BLOCK-RELOAD") == "YES" && strings.HasPrefix(r.url, "http") {
		return l.blocking(ctx, r)
	}
	pause := max(r.list.head.target/2, 0.5)
	if !l.wait(ctx, time.Duration(pause*float64(time.Second))) {
		return nil, false
	}
	p, _ := l.read(ctx, r, r.url)
	return p, p != nil
}

// chosen are the segments of a playlist that are read: the newest of a live one, both ends of one that has ended, and both
// sides of each discontinuity.
func (r *rendition) chosen(p *playlist) (list []int) {
	n := len(p.segments)
	most, third := r.budget-len(r.got), r.budget/3
	if !p.head.end && len(r.got) == 0 {
		most = min(most, r.budget/2)
	}
	for i := range n {
		if _, have := r.got[p.segments[i].msn]; have {
			continue
		}
		if len(r.got) == 0 && n > most {
			near := p.segments[i].disc || i+1 < n && p.segments[i+1].disc
			atEnds := i >= n-third || p.head.end && i < third
			if !near && !atEnds {
				continue
			}
		}
		if len(list) < most {
			list = append(list, i)
		}
	}
	return list
}

func (l *linter) segmentsOf(ctx context.Context, r *rendition, p *playlist) {
	last := int64(-1)
	for msn := range r.got {
		last = max(last, msn)
	}
	for _, i := range r.chosen(p) {
		g := p.segments[i]
		if ctx.Err() != nil || len(r.got) >= r.budget || g.msn < last {
			continue
		}
		if r.role == "iframe" {
			l.iframe(ctx, r, p, g)
		} else {
			l.segment(ctx, r, p, g)
		}
	}
}
