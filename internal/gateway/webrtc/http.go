package webrtc

import (
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/pion/sdp/v3"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/problem"
)

const (
	maxSDP        = 64 << 10
	maxMediaLines = 64
	typeSDP       = "application/sdp"
	typeFragment  = "application/trickle-ice-sdpfrag"
)

// ServeWHIP answers requests to a stream's WHIP endpoint, /{name}/whip (RFC 9725 section 4).
func (g *Gateway) ServeWHIP(w http.ResponseWriter, r *http.Request, name string) {
	g.serve(w, r, name, session.Publish, "whip")
}

// ServeWHEP answers requests to a stream's WHEP endpoint, /{name}/whep.
func (g *Gateway) ServeWHEP(w http.ResponseWriter, r *http.Request, name string) {
	g.serve(w, r, name, session.Play, "whep")
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, name string, action session.Action, protocol string) {
	cors(w)
	switch r.Method {
	case http.MethodOptions:
		w.Header().Set("Accept-Post", typeSDP)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		g.post(w, r, name, action, protocol)
	default:
		w.Header().Set("Allow", "OPTIONS, POST")
		problem.WriteStatus(w, r, http.StatusMethodNotAllowed, fault.New(fault.Unsupported, "method_not_allowed",
			"This address takes POST with an SDP offer.", "Give it to a "+strings.ToUpper(protocol)+" client."))
	}
}

// post opens a session from an offer.
func (g *Gateway) post(w http.ResponseWriter, r *http.Request, name string, action session.Action, protocol string) {
	res, err := g.admit(r, name, action, protocol) // first: nothing of a stranger's is read
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	var answer answer
	err = g.guard(func() error {
		offer, err := readOffer(r)
		if err != nil {
			return err
		}
		if action == session.Publish {
			answer, err = g.publish(r, res, offer)
		} else {
			answer, err = g.play(r, res, offer)
		}
		return err
	})
	if err != nil {
		res.session.Close(err)
		g.release(res)
		g.refuse(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", typeSDP)
	h.Set("Location", (&url.URL{Path: "/" + name + "/" + protocol + "/" + res.id}).EscapedPath())
	h.Set("ETag", res.etag)
	h.Set("Accept-Patch", typeFragment)
	if answer.notice != "" {
		h.Set("Weir-Notice", answer.notice)
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer.sdp)
}

// answer is what an accepted offer gets.
type answer struct {
	sdp    string
	notice string // what the viewer goes without, and why
}

// readOffer reads and checks the session description of a POST.
func readOffer(r *http.Request) (string, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != typeSDP {
		return "", fault.New(fault.Unsupported, "offer_not_sdp", "The request's body is not declared as application/sdp.",
			"Send the offer with Content-Type: application/sdp.")
	}
	body, err := readLimited(r)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(body, "\n") {
		body += "\r\n" // many leave out the end of the last line
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(body); err != nil || len(d.MediaDescriptions) == 0 {
		return "", fault.Wrap(err, fault.Invalid, "offer_malformed", "The SDP offer cannot be read.", "Send the offer as the browser made it.")
	}
	if len(d.MediaDescriptions) > maxMediaLines {
		return "", fault.New(fault.TooLarge, "offer_too_large", "The SDP offer has more than 64 media lines.", "Offer one video and one audio.")
	}
	return body, nil
}

func readLimited(r *http.Request) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxSDP+1))
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "offer_malformed", "The request's body broke off.", "Send it again.")
	}
	if len(body) > maxSDP {
		return "", fault.New(fault.TooLarge, "offer_too_large", "The SDP is larger than 64 KiB.", "Offer one video and one audio.")
	}
	return string(body), nil
}

// cors lets pages of any origin publish and play: the key is the protection, not the origin.
func cors(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "OPTIONS, POST, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
	h.Set("Access-Control-Expose-Headers", "Location, Link, ETag, Accept-Patch, Weir-Notice")
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Cache-Control", "no-store")
}

func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, err error) {
	g.count.refused.Add(1)
	f := fault.Of(err)
	problem.WriteStatus(w, r, status(f), f)
}

// status: what an endpoint cannot serve is "not acceptable" (RFC 9725 section 4.2), unless it is no SDP at all.
func status(f *fault.Error) int {
	if f.Kind == fault.Unsupported && f.Code != "offer_not_sdp" {
		return http.StatusNotAcceptable
	}
	return problem.Status(f)
}

// remote is the peer's address, looked at through trusted proxies.
func (g *Gateway) remote(r *http.Request) netip.AddrPort {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{} // no TCP peer (a test's recorder): no rule can match it
	}
	return g.door.Client(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), r.Header.Values("X-Forwarded-For"))
}

func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}
