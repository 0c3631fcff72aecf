package webrtc

import (
	"crypto/rand"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/problem"
)

// resource is one session as WHIP and WHEP clients see it: the address that POST answers with.
type resource struct {
	id       string
	etag     string
	protocol string
	since    time.Time
	remote   netip.AddrPort
	prefix   netip.Prefix
	session  *session.Session
	ufrag    string             // the peer's ICE user fragment, which trickled candidates must carry
	trickle  func(lines string) // hands over the peer's further candidates; may be nil
}

// admit asks the door and the limits.
func (g *Gateway) admit(r *http.Request, name string, action session.Action, protocol string) (*resource, error) {
	prefix := prefixOf(g.remote(r).Addr())
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return nil, fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Connect again in a moment.")
	case len(g.resources) >= g.config().Sessions, g.perAddr[prefix] >= g.config().PerAddress:
		return nil, fault.New(fault.TooMany, "too_many_webrtc_sessions", "There are too many WebRTC sessions at once.",
			"Try again later, or watch over HLS.")
	}
	g.perAddr[prefix]++
	g.mu.Unlock()
	s, err := g.door.Open(g.ctx, session.Request{
		Action: action, Protocol: protocol, Name: name, Remote: g.remote(r), Secure: r.TLS != nil,
		Key: bearer(r), Query: r.URL.Query(), PageURL: r.Header.Get("Referer"), UserAgent: r.UserAgent(),
	})
	g.mu.Lock()
	if err != nil {
		g.leave(prefix)
		return nil, err
	}
	res := &resource{
		id: rand.Text(), etag: `"` + rand.Text()[:12] + `"`, protocol: protocol, since: time.Now(), remote: g.remote(r), prefix: prefix, session: s,
	}
	g.resources[res.id] = res
	if action == session.Publish {
		g.count.publishers.Add(1)
	} else {
		g.count.viewers.Add(1)
	}
	return res, nil
}

// release forgets a session that has ended.
func (g *Gateway) release(res *resource) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.resources[res.id] == nil {
		return
	}
	delete(g.resources, res.id)
	g.leave(res.prefix)
	if res.protocol == "whip" {
		g.count.publishers.Add(-1)
	} else {
		g.count.viewers.Add(-1)
	}
}

// leave counts an address down; mu is held.
func (g *Gateway) leave(prefix netip.Prefix) {
	if g.perAddr[prefix]--; g.perAddr[prefix] <= 0 {
		delete(g.perAddr, prefix)
	}
}

// prefixOf is what counts as one address: an IPv4 address, or a /64 of IPv6.
func prefixOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// ServeResource answers requests to the address of a session, /{name}/whip/{id} or /{name}/whep/{id}.
func (g *Gateway) ServeResource(w http.ResponseWriter, r *http.Request, id string) {
	cors(w)
	if r.Method == http.MethodOptions {
		w.Header().Set("Accept-Patch", typeFragment)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	g.mu.Lock()
	res := g.resources[id]
	g.mu.Unlock()
	if res == nil {
		problem.WriteStatus(w, r, http.StatusNotFound, fault.New(fault.NotFound, "session_unknown", "There is no such session, or it has ended.", "Start a new one."))
		return
	}
	switch r.Method {
	case http.MethodDelete:
		res.session.Close(nil)
		w.WriteHeader(http.StatusOK)
	case http.MethodPatch:
		res.patch(w, r)
	default:
		w.Header().Set("Allow", "OPTIONS, PATCH, DELETE")
		problem.WriteStatus(w, r, http.StatusMethodNotAllowed, fault.New(fault.Unsupported, "method_not_allowed",
			"A session takes PATCH and DELETE.", ""))
	}
}

// patch takes trickled candidates (RFC 9725 section 4.3.2). ICE restarts, which other credentials tell, are not offered: section
// 4.3 asks for 422 then, 428 without a condition and 412 where it does not hold.
func (res *resource) patch(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != typeFragment {
		w.Header().Set("Accept-Patch", typeFragment)
		problem.WriteStatus(w, r, http.StatusUnsupportedMediaType, fault.New(fault.Unsupported, "patch_not_fragment",
			"PATCH takes application/trickle-ice-sdpfrag.", ""))
		return
	}
	switch match := r.Header.Values("If-Match"); {
	case strings.TrimSpace(strings.Join(match, "")) == "":
		problem.WriteStatus(w, r, http.StatusPreconditionRequired, fault.New(fault.Invalid, "if_match_missing",
			"PATCH needs If-Match with the session's ETag.", ""))
		return
	case !res.matches(match):
		problem.WriteStatus(w, r, http.StatusPreconditionFailed, fault.New(fault.Conflict, "if_match_wrong",
			"The ETag is not this session's.", "Start a new session."))
		return
	}
	body, err := readLimited(r)
	if err != nil {
		f := fault.Of(err)
		problem.WriteStatus(w, r, status(f), f)
		return
	}
	if ufrag := attribute(body, "ice-ufrag"); ufrag != "" && res.ufrag != "" && ufrag != res.ufrag {
		problem.WriteStatus(w, r, http.StatusUnprocessableEntity,
			fault.New(fault.Unsupported, "ice_restart_unsupported", "ICE restarts are not offered.", "Start a new session."))
		return
	}
	if res.trickle != nil {
		res.trickle(body)
	}
	w.WriteHeader(http.StatusNoContent)
}

// matches evaluates If-Match (RFC 9110 section 13.1.1): a list of tags, which a weak one never is, or "*" for whatever is there.
func (res *resource) matches(fields []string) bool {
	for tag := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == res.etag {
			return true
		}
	}
	return false
}

// attribute finds the first "a=name:value" line of an SDP or SDP fragment.
func attribute(body, name string) string {
	for line := range strings.Lines(body) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "a="+name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
