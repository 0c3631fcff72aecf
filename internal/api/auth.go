package api

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"weir/internal/control/access"
	"weir/internal/fault"
)

const (
	cookieName = "weir_session"
	classAPI   = "api"
	classLogin = "login"
	maxAgent   = 200
)

// caller is who makes a request. Of a public route it may be nobody.
type caller struct {
	identity access.Identity
	known    bool
	cookie   string // the web session's, when it was the proof
	remote   netip.AddrPort
	secure   bool
	agent    string
	request  *http.Request
}

type callerKey struct{}

func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c // every handler runs behind authorize, which puts one there
}

// who names the caller for records.
func (c *caller) who() string { return c.identity.Kind + " " + c.identity.Name }

// via is the way by which the caller came, for records.
func (c *caller) via() string {
	if c.identity.Kind == "user" {
		return "console"
	}
	return "api"
}

// authorize lets a request through to its operation, or refuses it. An operation
// that declares no right is refused for everybody.
func (a *API) authorize(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	need, declared := ctx.Operation().Metadata[accessMeta].(right)
	if !declared || need == "" {
		writeProblem(w, r, fault.New(fault.Forbidden, "right_undeclared", "Nobody may call this address: it declares no right.", "This is a mistake in the server; report it."))
		return
	}
	c, err := a.caller(r)
	if crossed := a.sameOrigin(r, c); crossed != nil {
		err = crossed
	}
	if need != public && err == nil {
		if !c.known {
			err = fault.New(fault.Unauthorized, "sign_in_needed", "This needs a signed-in user or an API token.", "Sign in, or send Authorization: Bearer with a token.")
		} else {
			err = c.identity.Require(string(need))
		}
	}
	if err != nil && (need != public || fault.Code(err) == "cross_origin") {
		writeProblem(w, r, a.failure(r.Context(), ctx.Operation().OperationID, err))
		return
	}
	next(huma.WithValue(ctx, callerKey{}, c))
}

// sameOrigin refuses a change that another site's page makes a signed-in browser ask
// for. Requests with a token are immune: no other site can add one.
func (a *API) sameOrigin(r *http.Request, c *caller) error {
	if c.known && c.cookie == "" {
		return nil
	}
	if err := a.cross.Check(r); err != nil {
		return fault.Wrap(err, fault.Forbidden, "cross_origin", "The request comes from a page of another site.", "Use the console under the address it is opened with, or an API token.")
	}
	return nil
}

// caller finds out who makes a request. Wrong proof is an error, none is not.
func (a *API) caller(r *http.Request) (*caller, error) {
	c := &caller{remote: a.remote(r), secure: secure(r), agent: clip(r.UserAgent()), request: r}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return c, fault.New(fault.Unauthorized, "token_wrong", "The Authorization header is not of the kind Bearer.", "Send Authorization: Bearer weir_pat_…")
		}
		id, err := a.deps.Access.Token(r.Context(), strings.TrimSpace(secret))
		c.identity, c.known = id, err == nil
		return c, err
	}
	cookie, err := r.Cookie(cookieName)
	// A page of another site gets no answer meant for the owner, not even a harmless one.
	if err != nil || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return c, nil //nolint:nilerr // no cookie is no error
	}
	id, err := a.deps.Access.Session(r.Context(), cookie.Value)
	c.identity, c.known = id, err == nil
	if err == nil {
		c.cookie = cookie.Value
	}
	return c, err
}

// remote is who asks, looked at through trusted proxies.
func (a *API) remote(r *http.Request) netip.AddrPort {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // of no address all share one rate
	return a.deps.Door.Client(peer, r.Header.Values("X-Forwarded-For"))
}

// secure reports whether the browser speaks TLS, here or to a proxy in front. Who
// lies about it only marks its own cookie.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// allow holds an address to its rate. Addresses of this machine are exempt, as at
// the door: a reverse proxy there stands for everybody.
func (a *API) allow(r *http.Request) error {
	addr := a.remote(r).Addr()
	class := classAPI
	if r.URL.Path == "/login/once" || r.URL.Path == base+"/session" && r.Method == http.MethodPost {
		class = classLogin
	}
	if class == classAPI && addr.Unmap().IsLoopback() {
		return nil
	}
	if ok, wait := a.limiter.Allow(addr, class); !ok {
		seconds := int(wait.Seconds()) + 1
		p := problemOf(fault.New(fault.TooMany, "rate_limited", "There were too many requests from this address.", fmt.Sprintf("Try again in %d seconds.", seconds)))
		p.retryAfter = seconds
		return p
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxAgent {
		s = s[:maxAgent]
	}
	return strings.ToValidUTF8(s, "")
}
