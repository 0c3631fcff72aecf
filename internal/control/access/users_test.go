package access

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"weir/internal/fault"
)

func withOwner(t *testing.T) *Access {
	t.Helper()
	a := fresh(t)
	for range 2 {
		if err := a.EnsureOwner(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

const password = "correct horse battery"

func TestOwnerSignsInByLinkAndPassword(t *testing.T) {
	a, ctx := withOwner(t), t.Context()
	if ok[bool](t)(a.PasswordSet(ctx, Owner)) {
		t.Fatal("there is a password before one was set")
	}
	_, err := a.Login(ctx, Owner, "", home, "")
	wantCode(t, err, "login_failed")

	link := ok[string](t)(a.LoginLink(ctx, Owner))
	in := ok[SignedIn](t)(a.UseLoginLink(ctx, link, home, "Firefox"))
	if in.Identity.Name != Owner || !in.Identity.Allows(ScopeAdmin) || time.Until(in.Expires) < 29*24*time.Hour {
		t.Fatalf("signed in %+v", in)
	}
	_, err = a.UseLoginLink(ctx, link, home, "Firefox")
	wantCode(t, err, "link_wrong")
	if id := ok[Identity](t)(a.Session(ctx, in.Cookie)); id.Kind != "user" || id.Role != Owner {
		t.Fatalf("identity %+v", id)
	}

	wantCode(t, a.SetPassword(ctx, Owner, "", "too short", in.Cookie), "password_short")
	wantCode(t, a.SetPassword(ctx, Owner, "", strings.Repeat("x", 300), in.Cookie), "password_long")
	wantCode(t, a.SetPassword(ctx, Owner, "", password, in.Cookie), "")
	second := ok[SignedIn](t)(a.Login(ctx, Owner, password, home, ""))
	if second.Cookie == in.Cookie {
		t.Error("two logins share a cookie")
	}
	wantCode(t, a.SetPassword(ctx, Owner, "wrong password", password+"!", in.Cookie), "password_wrong")
	wantCode(t, a.SetPassword(ctx, Owner, password, password+"!", in.Cookie), "")
	_, err = a.Session(ctx, second.Cookie)
	wantCode(t, err, "session_wrong")
	ok[Identity](t)(a.Session(ctx, in.Cookie)) // the browser that changed it stays

	wantCode(t, a.Logout(ctx, in.Cookie), "")
	wantCode(t, a.Logout(ctx, in.Cookie), "")
	_, err = a.Session(ctx, in.Cookie)
	wantCode(t, err, "session_wrong")
	_, err = a.Session(ctx, "weir_web_x")
	wantCode(t, err, "session_wrong")
}

func TestResetPassword(t *testing.T) {
	dir := t.TempDir()
	server := ok[*Access](t)(open(t, dir))
	wantCode(t, server.EnsureOwner(t.Context()), "")
	wantCode(t, server.SetPassword(t.Context(), Owner, "", password, ""), "")
	in := ok[SignedIn](t)(server.Login(t.Context(), Owner, password, home, ""))

	line := ok[*Access](t)(open(t, dir)) // the command line, while the server runs
	made := ok[string](t)(line.ResetPassword(t.Context(), Owner, ""))
	_, err := server.Session(t.Context(), in.Cookie)
	wantCode(t, err, "session_wrong")
	_, err = server.Login(t.Context(), Owner, password, home, "")
	wantCode(t, err, "login_failed")
	ok[SignedIn](t)(server.Login(t.Context(), Owner, made, home, ""))
	_, err = line.ResetPassword(t.Context(), "nobody", "")
	wantCode(t, err, "user_unknown")
	_, err = line.ResetPassword(t.Context(), Owner, "short")
	wantCode(t, err, "password_short")

	link := ok[string](t)(line.LoginLink(t.Context(), Owner))
	ok[SignedIn](t)(server.UseLoginLink(t.Context(), link, home, ""))
}

func TestLoginLimits(t *testing.T) {
	a := withOwner(t)
	try := func(name, from string) string {
		_, err := a.Login(t.Context(), name, password, netip.MustParseAddr(from), "")
		return fault.Code(err)
	}
	// By account: each from another address.
	for i := range 6 {
		want := "login_failed"
		if i == 5 {
			want = "login_limited"
		}
		if got := try(Owner, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String()); got != want {
			t.Errorf("attempt %d on the account: %s", i, got)
		}
	}
	// By address: each for another account, from one IPv6 network.
	for i := range 6 {
		want := "login_failed"
		if i == 5 {
			want = "login_limited"
		}
		if got := try(strings.Repeat("x", i+1), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}).String()); got != want {
			t.Errorf("attempt %d from the network: %s", i, got)
		}
	}
	if got := try("someone", "2001:db9::1"); got != "login_failed" {
		t.Errorf("another address and account: %s", got)
	}
}

func TestPasswordHashes(t *testing.T) {
	a := fresh(t)
	hash := ok[string](t)(a.hashPassword(t.Context(), password))
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || hash == ok[string](t)(a.hashPassword(t.Context(), password)) {
		t.Fatalf("hash %q", hash)
	}
	if !ok[bool](t)(a.verifyPassword(t.Context(), hash, password)) || ok[bool](t)(a.verifyPassword(t.Context(), hash, password+" ")) {
		t.Fatal("the hash does not tell the password from another")
	}
	for _, broken := range []string{
		"x", "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA", strings.Replace(hash, "m=19456", "m=99999999", 1), strings.Replace(hash, "t=2", "t=0", 1),
		strings.Replace(hash, "v=19", "v=16", 1), hash[:len(hash)-4], strings.Replace(hash, "p=1", "p=0", 1),
	} {
		_, err := a.verifyPassword(t.Context(), broken, password)
		wantCode(t, err, "password_unreadable")
	}
	a.hashing <- struct{}{}
	a.hashing <- struct{}{}
	if _, err := a.verifyPassword(cancelled(), hash, password); err == nil {
		t.Error("hashing did not wait for its turn")
	}
}
