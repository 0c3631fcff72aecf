package deliver

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
)

// A viewer of HLS or DASH has no connection. What makes one: the token that the first document hands out, in a
// cookie and in the addresses it lists; where a player sends neither, the same address and software mean the same
// viewer. So one viewer is one session, and requests with made-up tokens open no more sessions than requests without.
const (
	cookieName = "weir_viewer"
	tokenParam = "s"
	keyParam   = "key"

	defaultProtocol = "hls" // of a viewer that asks for segments only

	touchEvery = time.Second      // how often the door hears of a viewer
	forgetIdle = 10 * time.Minute // a token that was not used for so long is unknown
	maxViewers = 200_000
	// A client that keeps no token gets at most so many sessions in a window; then its requests share one.
	newPerWindow = 600
	window       = 30 * time.Second
)

// identity is what a request shows without a token.
type identity [16]byte

// viewer is one row of the table. The fields are guarded by viewers.mu, but given, which guards itself.
type viewer struct {
	token   string
	name    string
	proto   string // "hls" or "dash"
	id      identity
	key     string // the playback key that it came with
	session *session.Session
	seen    time.Time // the last request
	touched time.Time // the last time the door heard of it

	confirmed bool // its token has come back
	crowd     bool // stands for all newcomers of a network
	given     givens
}

// Given is how far the last media playlist went that a viewer got of a rendition (see presentation.Edge).
type Given struct {
	MSN   int64
	Part  int
	Whole bool // it was for one that reads no parts
	Parts bool // it has asked for parts
}

// maxGiven bounds the renditions of which a viewer's row says what it was given.
const maxGiven = 16

// givens are what one viewer was given, by rendition. They have a lock of their own: every reload asks and notes, which is
// no reason for all viewers to wait for each other.
type givens struct {
	mu sync.Mutex
	of map[string]Given
}

type viewers struct {
	door *session.Door

	mu        sync.Mutex
	byToken   map[string]*viewer
	byID      map[identity]*viewer // the latest viewer of that identity
	fresh     map[netip.Prefix]int // new viewers by network in the present window
	freshFrom time.Time
	swept     time.Time
}

func newViewers(door *session.Door) *viewers {
	return &viewers{
		door: door, byToken: make(map[string]*viewer), byID: make(map[identity]*viewer), fresh: make(map[netip.Prefix]int),
	}
}

func (v *viewers) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.byToken)
}

// Visit is one authorised request.
type Visit struct {
	Session *session.Session
	key     string
	token   string // "" where viewers share everything
	pinned  bool
	viewer  *viewer // nil where one row may stand for several players
}

// Keyed tells that the request showed a playback key: the answer is for this viewer alone.
func (v *Visit) Keyed() bool { return v.key != "" }

// Pinned tells that the viewer is known by the token in its address, so that the address of the next request must
// carry it too.
func (v *Visit) Pinned() bool { return v.pinned }

// Given is what this player was given of a rendition. It is not known of one without a token in its address, because such
// players may share a row, and the answers to them a cache.
func (v *Visit) Given(rendition string) (Given, bool) {
	if v.viewer == nil {
		return Given{}, false
	}
	given := &v.viewer.given
	given.mu.Lock()
	defer given.mu.Unlock()
	g, ok := given.of[rendition]
	return g, ok
}

// Give notes what this player is given.
func (v *Visit) Give(rendition string, g Given) {
	if v.viewer == nil {
		return
	}
	given := &v.viewer.given
	given.mu.Lock()
	defer given.mu.Unlock()
	if _, known := given.of[rendition]; !known && len(given.of) >= maxGiven {
		return
	}
	if given.of == nil {
		given.of = make(map[string]Given, 2)
	}
	given.of[rendition] = g
}

// Known tells that the address of the request has the token of one player.
func (v *Visit) Known() bool { return v.viewer != nil }

// Returns tells that the request carries the token of an earlier answer: the viewer is not new.
func (v *Visit) Returns(r *http.Request) bool { return r.URL.Query().Has(tokenParam) }

// Query is what child addresses carry, encoded; "" = nothing. The addresses of playlists carry the token always
// (pin), those of segments only together with a key: on an open stream all viewers share one media playlist.
func (v *Visit) Query(pin bool) string {
	q := ""
	if v.key != "" {
		q = keyParam + "=" + url.QueryEscape(v.key)
	}
	if v.token == "" || !pin && v.key == "" {
		return q
	}
	if q != "" {
		q += "&"
	}
	return q + tokenParam + "=" + v.token
}

// Enter lets a request for a stream in or refuses with a fault. first is set for the documents a player begins with
// (index.m3u8, index.mpd): there a viewer without a token gets one.
func (s *Server) Enter(w http.ResponseWriter, r *http.Request, name, protocol string, first bool, now time.Time) (Visit, error) {
	q := r.URL.Query()
	req := session.Request{
		Action: session.Play, Protocol: protocol, Name: name, Remote: remote(r), Secure: r.TLS != nil,
		Key: q.Get(keyParam), Query: q, UserAgent: r.UserAgent(),
	}
	token := q.Get(tokenParam)
	pinned := token != ""
	if !pinned {
		if c, err := r.Cookie(cookieName); err == nil {
			token = c.Value
		}
	}
	vw, fresh, err := s.viewers.find(&req, token, first && !s.cfg.SharedCache, now)
	if err != nil {
		return Visit{}, err
	}
	key := req.Key
	sess, err := s.viewers.touch(r.Context(), vw, &req, now)
	if err != nil {
		return Visit{}, err
	}
	v := Visit{Session: sess, key: key}
	if s.cfg.SharedCache {
		return v, nil
	}
	v.token, v.pinned = vw.token, pinned || fresh
	if pinned && token == vw.token && !vw.crowd {
		v.viewer = vw
	}
	if fresh {
		setCookie(w, r, name, vw.token)
	}
	return v, nil
}

func setCookie(w http.ResponseWriter, r *http.Request, name, token string) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: (&url.URL{Path: "/" + name}).EscapedPath(), HttpOnly: true,
		Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode, MaxAge: int(forgetIdle / time.Second),
	})
}

func remote(r *http.Request) netip.AddrPort {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// identify hashes what a request shows. Who came with a key is somebody else than a neighbour behind the same router
// who shows none.
func identify(r *session.Request, proto, agent string) identity {
	h := sha256.New()
	_, _ = h.Write(r.Remote.Addr().AppendTo(nil))
	for _, s := range [...]string{r.Name, proto, r.Key, agent} {
		_, _ = h.Write([]byte{0})
		_, _ = h.Write([]byte(s))
	}
	var id identity
	copy(id[:], h.Sum(nil))
	return id
}

// find gives the viewer that a request belongs to. fresh tells that its token must be handed out.
func (v *viewers) find(r *session.Request, token string, mayIssue bool, now time.Time) (vw *viewer, fresh bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sweepLocked(now)
	if known := v.byToken[token]; known != nil && known.fits(r) {
		known.seen, known.confirmed = now, true
		v.movedLocked(known, r)
		return known, false, nil
	}
	last := v.latestLocked(r, r.UserAgent)
	if last != nil && (!mayIssue || !last.confirmed) {
		// A player that never sends its token back is one viewer however often it asks.
		last.seen = now
		return last, mayIssue, nil
	}
	agent, crowd := r.UserAgent, false
	if !v.mayGrowLocked(r.Remote.Addr(), now) {
		agent, crowd = "", true // all newcomers of this network share one viewer for a while
		if last = v.latestLocked(r, agent); last != nil {
			last.seen = now
			return last, mayIssue, nil
		}
	}
	if len(v.byToken) >= maxViewers {
		return nil, false, fault.New(fault.Unavailable, "too_many_viewers", "The server has reached its limit of viewers.", "Try again later.")
	}
	proto := cmp.Or(r.Protocol, defaultProtocol)
	vw = &viewer{token: rand.Text()[:22], name: r.Name, proto: proto, id: identify(r, proto, agent), key: r.Key, seen: now, crowd: crowd}
	v.byToken[vw.token], v.byID[vw.id] = vw, vw
	return vw, mayIssue, nil
}

// movedLocked keeps a viewer findable without its token, also when it comes from another address now.
func (v *viewers) movedLocked(vw *viewer, r *session.Request) {
	if vw.crowd {
		return
	}
	shows := *r
	shows.Key = vw.key
	id := identify(&shows, vw.proto, r.UserAgent)
	if id != vw.id && v.byID[vw.id] == vw {
		delete(v.byID, vw.id)
	}
	vw.id = id
	v.byID[id] = vw
}

// latestLocked is the latest viewer that shows the same; a segment may be of either protocol.
func (v *viewers) latestLocked(r *session.Request, agent string) *viewer {
	if r.Protocol != "" {
		return v.byID[identify(r, r.Protocol, agent)]
	}
	hls, dash := v.byID[identify(r, "hls", agent)], v.byID[identify(r, "dash", agent)]
	if hls == nil || dash != nil && dash.seen.After(hls.seen) {
		return dash
	}
	return hls
}

// fits reports whether a request with the viewer's token may be the viewer's: a segment is of no protocol, and the
// token stands for the key it was given for, but not for another one.
func (vw *viewer) fits(r *session.Request) bool {
	return vw.name == r.Name && (r.Protocol == "" || r.Protocol == vw.proto) && (r.Key == "" || r.Key == vw.key)
}

// mayGrowLocked counts the new viewers of a network and reports whether one more gets a session of its own.
func (v *viewers) mayGrowLocked(a netip.Addr, now time.Time) bool {
	if now.Sub(v.freshFrom) >= window {
		clear(v.fresh)
		v.freshFrom = now
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return true
	}
	v.fresh[p]++
	return v.fresh[p] <= newPerWindow
}

func (v *viewers) sweepLocked(now time.Time) {
	if now.Sub(v.swept) < window {
		return
	}
	v.swept = now
	for token, vw := range v.byToken {
		if now.Sub(vw.seen) < forgetIdle {
			continue
		}
		delete(v.byToken, token)
		if v.byID[vw.id] == vw {
			delete(v.byID, vw.id)
		}
	}
}

// touch tells the door of the viewer, at most once in a while, and gives its session.
func (v *viewers) touch(ctx context.Context, vw *viewer, r *session.Request, now time.Time) (*session.Session, error) {
	v.mu.Lock()
	sess, key, recent := vw.session, vw.key, now.Sub(vw.touched) < touchEvery
	v.mu.Unlock()
	id := ""
	if sess != nil {
		if err := context.Cause(sess.Context()); err == nil {
			if recent {
				return sess, nil
			}
		} else if f := fault.Of(err); f.Kind == fault.Forbidden {
			return nil, f // kicked: the token is dead, whatever the door says of a newcomer
		}
		id = sess.ID()
	}
	if r.Key == "" {
		r.Key = key
	}
	r.Protocol = vw.proto
	next, err := v.door.Touch(ctx, *r, id, 0)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	vw.session, vw.touched = next, now
	return next, nil
}
