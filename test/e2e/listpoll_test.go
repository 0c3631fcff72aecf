package e2e

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

// listPoll fetches playlists and the manifest over and over, and holds what may never change.
type listPoll struct {
	w    *weir
	name string
	stop chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	problems []string
	fetched  map[string][32]byte // segment → what it held when it was first seen
	polls    int
}

func pollLists(t *testing.T, w *weir, name string) *listPoll {
	t.Helper()
	video, audio := renditions(t, w, name)
	p := &listPoll{w: w, name: name, stop: make(chan struct{}), fetched: map[string][32]byte{}}
	for _, rendition := range []string{video, audio} {
		r := &listRules{poll: p, rendition: rendition, place: map[string]int64{}, uri: map[int64]string{}}
		p.wg.Go(func() { p.each(func() { r.check(t) }) })
	}
	m := &manifestRules{poll: p, periods: map[string]string{}}
	p.wg.Go(func() { p.each(m.check) })
	t.Cleanup(p.end)
	return p
}

func (p *listPoll) each(f func()) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		f()
		select {
		case <-tick.C:
		case <-p.stop:
			return
		}
	}
}

func (p *listPoll) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.wg.Wait()
}

func (p *listPoll) complain(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) < 20 {
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
}

// finish fetches every segment again that is still there: a name has one content for ever.
func (p *listPoll) finish(t *testing.T) {
	t.Helper()
	p.end()
	again := 0
	for uri, sum := range p.fetched {
		b, status, err := get(p.w.beside(p.name, uri))
		if err != nil || status != 200 {
			continue // out of the window
		}
		again++
		if sha256.Sum256(b) != sum {
			t.Errorf("%s changed its content", uri)
		}
	}
	for _, s := range p.problems {
		t.Error(s)
	}
	t.Logf("%d fetches of lists, %d segments, %d of them fetched again at the end", p.polls, len(p.fetched), again)
	if p.polls < 20 || again < 2 {
		t.Errorf("too few to judge by")
	}
}

// fetch reads a list; "" when it could not be had, which is a problem.
func (p *listPoll) fetch(uri string) []byte {
	b, status, err := get(p.w.beside(p.name, uri))
	if err != nil || status != 200 {
		p.complain("%s: %d %v %.200s", uri, status, err, b)
		return nil
	}
	p.mu.Lock()
	p.polls++
	p.mu.Unlock()
	return b
}

// keep remembers what a segment holds.
func (p *listPoll) keep(uri string) {
	p.mu.Lock()
	_, known := p.fetched[uri]
	p.mu.Unlock()
	if known {
		return
	}
	b, status, err := get(p.w.beside(p.name, uri))
	if err != nil || status != 200 {
		p.complain("%s is listed and cannot be fetched: %d %v", uri, status, err)
		return
	}
	p.mu.Lock()
	p.fetched[uri] = sha256.Sum256(b)
	p.mu.Unlock()
}

// listRules are those of one media playlist over time.
type listRules struct {
	poll           *listPoll
	rendition      string
	sequence, gaps int64
	place          map[string]int64 // segment or part → media sequence number
	uri            map[int64]string
}

func (r *listRules) check(t *testing.T) {
	text := r.poll.fetch(r.rendition)
	if text == nil {
		return
	}
	l := parseMedia(t, text)
	if l.sequence < r.sequence || l.discontinuity < r.gaps {
		r.poll.complain("%s: media sequence %d after %d, discontinuity sequence %d after %d", r.rendition, l.sequence, r.sequence, l.discontinuity, r.gaps)
	}
	if l.ended {
		r.poll.complain("%s: the list says that the stream has ended", r.rendition)
	}
	r.sequence, r.gaps = l.sequence, l.discontinuity
	for i, s := range l.segments {
		n := l.sequence + int64(i)
		for _, part := range s.parts {
			r.same(part, n)
		}
		if s.uri == "" {
			continue
		}
		r.same(s.uri, n)
		if before, ok := r.uri[n]; ok && before != s.uri {
			r.poll.complain("%s: segment %d was %s and is %s", r.rendition, n, before, s.uri)
		}
		r.uri[n] = s.uri
		if s.gap {
			r.steps(l.segments, i)
			continue // nobody fetches it
		}
		r.poll.keep(s.uri)
	}
}

// steps holds the dates around a gap together.
func (r *listRules) steps(list []mediaSegment, i int) {
	for k := max(i, 1); k <= min(i+1, len(list)-1); k++ {
		from, err := time.Parse(time.RFC3339, list[k-1].time)
		to, err2 := time.Parse(time.RFC3339, list[k].time)
		if err != nil || err2 != nil || from.Add(seconds(list[k-1].duration)).Sub(to).Abs() > 500*time.Microsecond {
			r.poll.complain("%s: the date steps at %s: %s and %s s, then %s", r.rendition, list[i].uri, list[k-1].time, list[k-1].duration, list[k].time)
		}
	}
}

// same holds a name to the place where it was first seen.
func (r *listRules) same(uri string, n int64) {
	if before, ok := r.place[uri]; ok && before != n {
		r.poll.complain("%s is listed as %d and was as %d", uri, n, before)
	}
	r.place[uri] = n
}

var (
	startOfTime = regexp.MustCompile(`availabilityStartTime="([^"]*)"`)
	period      = regexp.MustCompile(`<Period [^>]*>`)
	idOf        = regexp.MustCompile(` id="([^"]*)"`)
	startOf     = regexp.MustCompile(` start="([^"]*)"`)
)

// manifestRules are those of the MPD over time.
type manifestRules struct {
	poll    *listPoll
	origin  string
	periods map[string]string // id → start
	order   []string          // ids in the order of their first sight
	first   int               // index in order of the oldest that is still listed
}

func (r *manifestRules) check() {
	text := string(r.poll.fetch("index.mpd"))
	if text == "" {
		return
	}
	m := startOfTime.FindStringSubmatch(text)
	if m == nil || r.origin != "" && m[1] != r.origin {
		r.poll.complain("availabilityStartTime %v, was %q", m, r.origin)
		return
	}
	r.origin = m[1]
	tags := period.FindAllString(text, -1)
	if len(tags) == 0 {
		r.poll.complain("no Period in the manifest")
	}
	at := r.first
	for i, tag := range tags {
		id, begin := idOf.FindStringSubmatch(tag), startOf.FindStringSubmatch(tag)
		if id == nil || begin == nil {
			r.poll.complain("a Period without id or start: %s", tag)
			return
		}
		k := slices.Index(r.order, id[1])
		if k < 0 {
			r.order = append(r.order, id[1])
			k = len(r.order) - 1
			r.periods[id[1]] = begin[1]
		}
		if r.periods[id[1]] != begin[1] {
			r.poll.complain("Period %s starts at %s and started at %s", id[1], begin[1], r.periods[id[1]])
		}
		if k < at || i > 0 && k != at {
			r.poll.complain("Period %s is out of order", id[1])
		}
		if i == 0 {
			r.first = k
		}
		at = k + 1
	}
}
