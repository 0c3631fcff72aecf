package access

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
	"weir/internal/fault"
	"weir/internal/streamname"
)

func TestPass(t *testing.T) {
	vault, _, err := OpenVault(t.TempDir())
	wantCode(t, err, "")
	synctest.Test(t, func(t *testing.T) {
		a := &Access{vault: vault}
		pass := a.Pass("private/show", time.Hour)
		check := func(pass, name, action, code string) {
			t.Helper()
			_, err := a.CheckKey(t.Context(), pass, name, action)
			wantCode(t, err, code)
		}
		check(pass, "private/show", ActionPlay, "")
		check(pass, "private/other", ActionPlay, "key_wrong")
		check(pass, "private/show", ActionPublish, "key_wrong")
		later := a.Pass("private/show", 2*time.Hour)
		check(later[:20]+pass[20:], "private/show", ActionPlay, "key_wrong") // a later time under an earlier seal
		for _, wrong := range []string{passPrefix, pass + "a", pass[:len(pass)-1] + "x", passPrefix + strings.Repeat("1", len(pass)-3)} {
			check(wrong, "private/show", ActionPlay, "key_wrong")
		}
		faketime.Pass(time.Hour + 2*time.Second)
		check(pass, "private/show", ActionPlay, "key_wrong")
		long := a.Pass("private/show", 1000*time.Hour)
		faketime.Pass(25 * time.Hour)
		check(long, "private/show", ActionPlay, "key_wrong")
		if s := a.Stats(); s.KeysAccepted != 1 || s.KeysRefused != 9 {
			t.Errorf("stats %+v", s)
		}
	})
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{"allow publish 10.0.0.0/8", "deny all", "deny play ::ffff:1.2.3.4/120", "allow local", "allow  x", "deny 1.2.3.4/33"} {
		f.Add(s, "10.1.2.3")
	}
	f.Fuzz(func(t *testing.T, text, from string) {
		p, err := NewPolicy(Config{Rules: []string{text}})
		if err != nil {
			if c := fault.Code(err); c != "rule_invalid" && c != "address_invalid" {
				t.Fatal(err)
			}
			return
		}
		addr, err := netip.ParseAddr(from)
		if err != nil {
			return
		}
		refused := p.Address(addr, ActionPublish) != nil
		if refused && !strings.HasPrefix(strings.TrimSpace(text), "deny") {
			t.Fatalf("%q refuses %s", text, addr)
		}
		if mapped := netip.AddrFrom16(addr.Unmap().As16()); refused != (p.Address(mapped, ActionPublish) != nil) {
			t.Fatalf("%q tells %s from its mapped form", text, addr)
		}
	})
}

func FuzzMaskURL(f *testing.F) {
	for _, s := range []string{"rtmp://h/app/SECRET", "https://u:SECRET@h/x?token=SECRET", "SECRET", "rtmp://h/SECRET?SECRET=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, prefix string) {
		const secret = "Zx9Qw7Secret"
		for _, address := range []string{
			"rtmp://h.example/app/" + secret, "rtmps://u:" + secret + "@h.example/app/x", "https://h.example/x?k=" + secret, "rtmp://h.example/a?x=1&y=" + secret,
		} {
			if got := MaskURL(address); strings.Contains(got, secret) {
				t.Fatalf("MaskURL(%q) = %q", address, got)
			}
		}
		_ = streamname.Quote(MaskURL(prefix)) // any text at all must do
	})
}

func FuzzSecrets(f *testing.F) {
	f.Add("wk_abcdefghijklmnopqrstuvwxabcd")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if wellFormed(s, keyPrefix, keySize) && len(s) != 31 {
			t.Fatalf("%q", s)
		}
		if masked := Mask(s); len(s) >= 31 && strings.Contains(masked, s[3:29]) {
			t.Fatalf("Mask(%q) = %q", s, masked)
		}
	})
}

// One wrong character anywhere is noticed without a look at the records.
func TestCheckCharacters(t *testing.T) {
	for range 20 {
		secret := newSecret(keyPrefix, keySize)
		if !wellFormed(secret, keyPrefix, keySize) {
			t.Fatalf("%q is not well formed", secret)
		}
		for i := len(keyPrefix); i < len(secret); i++ {
			for _, c := range "abz27" {
				if mistyped := secret[:i] + string(c) + secret[i+1:]; mistyped != secret && wellFormed(mistyped, keyPrefix, keySize) {
					t.Fatalf("%q passes for %q", mistyped, secret)
				}
			}
		}
	}
}
