package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/internal/control/access"
	"weir/internal/fault"
)

const afterLogin = "/console"

// SessionInfo tells a browser who it is signed in as, and what it must know before.
type SessionInfo struct {
	SignedIn    bool      `json:"signed_in"`
	User        *UserInfo `json:"user,omitempty"`
	PasswordSet bool      `json:"password_set" doc:"Whether the owner has a password; without one the printed link is the way in"`
	Setup       string    `json:"setup" enum:"open,done" doc:"open while no password is set"`
	Version     string    `json:"version"`
	FFmpeg      FFmpeg    `json:"ffmpeg"`
}

// UserInfo names a user.
type UserInfo struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

type sessionOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      SessionInfo
}

type cookieOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

type signInInput struct {
	Body struct {
		Name     string `json:"name" maxLength:"100"`
		Password string `json:"password" maxLength:"1024"`
	}
}

type passwordInput struct {
	Body struct {
		Password string `json:"password" minLength:"10" maxLength:"1024"`
		Current  string `json:"current,omitempty" maxLength:"1024" doc:"The present password, where one is set"`
	}
}

func (a *API) sessionRoutes() {
	const tag = "session"
	add(a, op{id: "get-session", method: http.MethodGet, path: "/session", summary: "Who am I", tag: tag, right: public}, a.getSession)
	add(a, op{id: "create-session", method: http.MethodPost, path: "/session", summary: "Sign in with a password", tag: tag, right: public}, a.createSession)
	add(a, op{id: "delete-session", method: http.MethodDelete, path: "/session", summary: "Sign out", tag: tag, right: public, status: http.StatusNoContent}, a.deleteSession)
	add(a, op{id: "set-password", method: http.MethodPut, path: "/session/password", summary: "Set the owner's password", tag: tag, right: access.ScopeAdmin, status: http.StatusNoContent}, a.setPassword)
}

func (a *API) sessionInfo(ctx context.Context, id access.Identity, known bool) (SessionInfo, error) {
	info := SessionInfo{SignedIn: known, Version: a.deps.System.Version, FFmpeg: a.deps.System.FFmpeg(), Setup: "open"}
	if info.FFmpeg.Off == nil {
		info.FFmpeg.Off = []string{}
	}
	if known {
		info.User = &UserInfo{Name: id.Name, Role: id.Role}
	}
	set, err := a.deps.Access.PasswordSet(ctx, access.Owner)
	if err != nil && fault.Of(err).Kind != fault.NotFound { // there may be no owner yet
		return info, err
	}
	if info.PasswordSet = set; set {
		info.Setup = "done"
	}
	return info, nil
}

func (a *API) getSession(ctx context.Context, _ *struct{}) (*sessionOutput, error) {
	c := callerOf(ctx)
	info, err := a.sessionInfo(ctx, c.identity, c.known)
	return &sessionOutput{Body: info}, err
}

func (a *API) createSession(ctx context.Context, in *signInInput) (*sessionOutput, error) {
	c := callerOf(ctx)
	in2, err := a.deps.Access.Login(ctx, in.Body.Name, in.Body.Password, c.remote.Addr(), c.agent)
	if err != nil {
		return nil, err
	}
	info, err := a.sessionInfo(ctx, in2.Identity, true)
	return &sessionOutput{SetCookie: []http.Cookie{cookie(in2, c.secure)}, Body: info}, err
}

// cookie is the proof of a web session: no script reads it, and no other site sends it along.
func cookie(s access.SignedIn, secure bool) http.Cookie {
	return http.Cookie{
		Name: cookieName, Value: s.Cookie, Path: "/", Expires: s.Expires, MaxAge: int(time.Until(s.Expires).Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
}

func (a *API) deleteSession(ctx context.Context, _ *struct{}) (*cookieOutput, error) {
	c := callerOf(ctx)
	if c.cookie != "" {
		if err := a.deps.Access.Logout(ctx, c.cookie); err != nil {
			return nil, err
		}
	}
	return &cookieOutput{SetCookie: []http.Cookie{{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode}}}, nil
}

func (a *API) setPassword(ctx context.Context, in *passwordInput) (*struct{}, error) {
	c := callerOf(ctx)
	if c.identity.Kind != "user" {
		return nil, fault.New(fault.Forbidden, "sign_in_needed", "Only a signed-in user can set their password, not a token.", "Sign in, or run `weir user reset-password` on the server.")
	}
	return nil, a.deps.Access.SetPassword(ctx, c.identity.Name, in.Body.Current, in.Body.Password, c.cookie)
}

// loginOnce is where the link leads that the server prints.
func (a *API) loginOnce(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet { // HEAD would use the link up for nothing
		writeProblem(w, r, fault.New(fault.Invalid, "method_not_allowed", "The link is opened with GET.", "Open it in a browser."))
		return
	}
	s, err := a.deps.Access.UseLoginLink(r.Context(), r.URL.Query().Get("token"), a.remote(r).Addr(), clip(r.UserAgent()))
	if err != nil {
		// Who is signed in already and opens the link again wants the console.
		if c, _ := a.caller(r); c.known {
			http.Redirect(w, r, afterLogin, http.StatusSeeOther)
			return
		}
		refuseLogin(w, r, a.failure(r.Context(), "login-once", err))
		return
	}
	proof := cookie(s, secure(r))
	http.SetCookie(w, &proof)
	http.Redirect(w, r, afterLogin, http.StatusSeeOther)
}

// refuseLogin leads a person in a browser to the sign-in page, which says why in their language, and tells a program as always.
func refuseLogin(w http.ResponseWriter, r *http.Request, err error) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeProblem(w, r, err)
		return
	}
	http.Redirect(w, r, afterLogin+"?refused="+url.QueryEscape(problemOf(err).Code), http.StatusSeeOther)
}
