package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"weir/internal/control/catalog"
	"weir/internal/fault"
)

// Owner is the name of the one user there is so far.
const Owner = "owner"

// How long what signs in is good for.
const (
	SessionLife = 30 * 24 * time.Hour // a browser's cookie
	LinkLife    = 24 * time.Hour      // a one-time login link
)

const (
	loginAddress = "login by address"
	loginAccount = "login by account"
	linkPrefix   = "weir_once_"
	cookiePrefix = "weir_web_"
	loginSize    = 20 // bytes: 32 characters, 160 bits
)

// loginRate is five attempts a minute, for an address and for an account each.
var loginRate = Rate{PerSecond: 5.0 / 60, Burst: 5}

// SignedIn is a browser's new session; Cookie goes into the cookie and nowhere else.
type SignedIn struct {
	Identity Identity
	Cookie   string
	Expires  time.Time
}

// EnsureOwner makes the owner, without a password, when there is none yet.
func (a *Access) EnsureOwner(ctx context.Context) error {
	err := a.store.AddUser(ctx, catalog.User{ID: newID(), Name: Owner, Role: Owner, CreatedAt: time.Now().UTC()})
	if errors.Is(err, catalog.ErrExists) {
		return nil
	}
	return failed(err, "user")
}

// PasswordSet reports whether a user has a password.
func (a *Access) PasswordSet(ctx context.Context, name string) (bool, error) {
	u, err := a.store.UserByName(ctx, name)
	if err != nil {
		return false, failed(err, "user")
	}
	return u.PasswordHash != "", nil
}

// LoginLink makes a token that signs one browser in, once, within LinkLife.
func (a *Access) LoginLink(ctx context.Context, name string) (string, error) {
	u, err := a.store.UserByName(ctx, name)
	if err != nil {
		return "", failed(err, "user")
	}
	secret := newSecret(linkPrefix, loginSize)
	now := time.Now().UTC()
	err = a.store.AddLoginLink(ctx, catalog.LoginLink{
		Lookup: a.vault.Lookup("login link", secret), UserID: u.ID, CreatedAt: now, ExpiresAt: now.Add(LinkLife),
	})
	return secret, failed(err, "user")
}

// UseLoginLink signs in who has a login link, and uses the link up.
func (a *Access) UseLoginLink(ctx context.Context, secret string, from netip.Addr, agent string) (SignedIn, error) {
	in, err := a.useLoginLink(ctx, secret, from, agent)
	a.counts.login(err)
	return in, err
}

func (a *Access) useLoginLink(ctx context.Context, secret string, from netip.Addr, agent string) (SignedIn, error) {
	if err := a.allowLogin(loginAddress, from, ""); err != nil {
		return SignedIn{}, err
	}
	wrong := fault.New(fault.Unauthorized, "link_wrong", "This login link is used up, too old or incomplete.", "Start the server again for a new one, or run `weir user reset-password`.")
	if !wellFormed(secret, linkPrefix, loginSize) {
		return SignedIn{}, wrong
	}
	id, err := a.store.UseLoginLink(ctx, a.vault.Lookup("login link", secret), time.Now().UTC())
	if errors.Is(err, catalog.ErrNotFound) {
		return SignedIn{}, wrong
	}
	if err != nil {
		return SignedIn{}, failed(err, "user")
	}
	u, err := a.store.User(ctx, id)
	if err != nil {
		return SignedIn{}, failed(err, "user")
	}
	return a.signIn(ctx, u, agent)
}

// Login signs in who knows a user's password. Five attempts a minute are heard from
// an address and for an account.
func (a *Access) Login(ctx context.Context, name, password string, from netip.Addr, agent string) (SignedIn, error) {
	in, err := a.login(ctx, name, password, from, agent)
	a.counts.login(err)
	return in, err
}

func (a *Access) login(ctx context.Context, name, password string, from netip.Addr, agent string) (SignedIn, error) {
	if err := cmp.Or(a.allowLogin(loginAddress, from, ""), a.allowLogin(loginAccount, netip.Addr{}, name)); err != nil {
		return SignedIn{}, err
	}
	if len(password) > maxPassword {
		password = "" // not worth hashing, and no one's
	}
	u, err := a.store.UserByName(ctx, name)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return SignedIn{}, failed(err, "user")
	}
	ok, err := a.verifyPassword(ctx, u.PasswordHash, password)
	if err != nil {
		return SignedIn{}, fault.Of(err)
	}
	if !ok {
		return SignedIn{}, fault.New(fault.Unauthorized, "login_failed", "The name or the password is wrong.", "If you are locked out, run `weir user reset-password` on the server.")
	}
	return a.signIn(ctx, u, agent)
}

func (a *Access) allowLogin(class string, from netip.Addr, name string) error {
	ok, wait := true, time.Duration(0)
	if class == loginAddress {
		ok, wait = a.logins.Allow(from, class)
	} else {
		// Hashed, so that a long name takes no memory.
		ok, wait = a.logins.AllowName(a.vault.Lookup("account", name), class)
	}
	if ok {
		return nil
	}
	return fault.New(fault.TooMany, "login_limited", "There were too many attempts to sign in.", fmt.Sprintf("Try again in %d seconds.", int(wait.Seconds())+1))
}

func (a *Access) signIn(ctx context.Context, u catalog.User, agent string) (SignedIn, error) {
	cookie := newSecret(cookiePrefix, loginSize)
	now := time.Now().UTC()
	s := catalog.WebSession{
		Lookup: a.vault.Lookup("web session", cookie), UserID: u.ID, Agent: clip(agent, 200), CreatedAt: now, ExpiresAt: now.Add(SessionLife),
	}
	if err := a.store.AddWebSession(ctx, s); err != nil {
		return SignedIn{}, failed(err, "session")
	}
	return SignedIn{Identity: identity(u), Cookie: cookie, Expires: s.ExpiresAt}, nil
}

func identity(u catalog.User) Identity {
	return Identity{Kind: "user", ID: u.ID, Name: u.Name, Role: u.Role, scopes: []string{ScopeAdmin}}
}

// Session returns who signed in with a cookie, or the fault session_wrong.
func (a *Access) Session(ctx context.Context, cookie string) (Identity, error) {
	wrong := fault.New(fault.Unauthorized, "session_wrong", "You are not signed in, or no longer.", "Sign in again.")
	if !wellFormed(cookie, cookiePrefix, loginSize) {
		return Identity{}, wrong
	}
	s, err := a.store.WebSession(ctx, a.vault.Lookup("web session", cookie), time.Now().UTC())
	if errors.Is(err, catalog.ErrNotFound) {
		return Identity{}, wrong
	}
	if err != nil {
		return Identity{}, failed(err, "session")
	}
	u, err := a.store.User(ctx, s.UserID)
	if err != nil {
		return Identity{}, failed(err, "user")
	}
	return identity(u), nil
}

// Logout ends the session of a cookie; that there is none is no error.
func (a *Access) Logout(ctx context.Context, cookie string) error {
	err := a.store.DeleteWebSession(ctx, a.vault.Lookup("web session", cookie))
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return failed(err, "session")
}

// SetPassword sets a user's password. Where one is set, current must be it. All
// other browsers of the user, those without the cookie keep, are signed out.
func (a *Access) SetPassword(ctx context.Context, name, current, password, keep string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	u, err := a.store.UserByName(ctx, name)
	if err != nil {
		return failed(err, "user")
	}
	if u.PasswordHash != "" {
		if err := a.allowLogin(loginAccount, netip.Addr{}, name); err != nil {
			return err
		}
		ok, err := a.verifyPassword(ctx, u.PasswordHash, current)
		if err != nil {
			return fault.Of(err)
		}
		if !ok {
			return fault.New(fault.Forbidden, "password_wrong", "The present password is wrong.", "If you forgot it, run `weir user reset-password` on the server.")
		}
	}
	return a.storePassword(ctx, u, password, keep)
}

// ResetPassword sets a user's password without asking for the present one, and signs
// all browsers of the user out. With "" it makes one. It returns the password.
func (a *Access) ResetPassword(ctx context.Context, name, password string) (string, error) {
	if password == "" {
		password = newSecret("", 10)
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	u, err := a.store.UserByName(ctx, name)
	if err != nil {
		return "", failed(err, "user")
	}
	return password, a.storePassword(ctx, u, password, "")
}

func (a *Access) storePassword(ctx context.Context, u catalog.User, password, keep string) error {
	hash, err := a.hashPassword(ctx, password)
	if err != nil {
		return fault.Of(err)
	}
	if keep != "" {
		keep = a.vault.Lookup("web session", keep)
	}
	return failed(a.store.SetPassword(ctx, u.ID, hash, keep), "user")
}

func clip(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
