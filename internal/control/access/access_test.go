package access

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/control/catalog"
	"weir/internal/control/catalog/sqlite"
	"weir/internal/faketime"
	"weir/internal/fault"
)

// open opens the data folder as the server and the command line do.
func open(t *testing.T, dir string) (*Access, error) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := catalog.New(t.Context(), db, catalog.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return Open(t.Context(), store, dir, slog.New(slog.DiscardHandler))
}

func fresh(t *testing.T) *Access {
	t.Helper()
	a, err := open(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if fault.Code(err) != code {
		t.Fatalf("error %v, want the code %q", err, code)
	}
}

func ok[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestKeyLife(t *testing.T) {
	a, ctx := fresh(t), t.Context()
	k, secret, err := a.CreateKey(ctx, NewKey{Name: "studio", Pattern: "live/*"})
	wantCode(t, err, "")
	if !strings.HasPrefix(secret, "wk_") || len(secret) != 3+24+4 || strings.Contains(k.Masked, secret[3:20]) {
		t.Fatalf("secret %q, masked %q", secret, k.Masked)
	}

	grant, err := a.CheckKey(ctx, secret, "live/show", ActionPublish)
	wantCode(t, err, "")
	if grant.KeyID != k.ID || grant.KeyName != "studio" || !a.Valid(ctx, grant) {
		t.Fatalf("grant %+v", grant)
	}
	_, err = a.CheckKey(ctx, secret, "other/show", ActionPublish)
	wantCode(t, err, "key_wrong_stream")
	_, err = a.CheckKey(ctx, secret, "live/show", ActionPlay)
	wantCode(t, err, "key_wrong_action")
	for _, wrong := range []string{"", "wk_", secret[:30], secret + "a", strings.ToUpper(secret), "xx" + secret[2:], newSecret(keyPrefix, keySize)} {
		_, err = a.CheckKey(ctx, wrong, "live/show", ActionPublish)
		wantCode(t, err, "key_wrong")
	}

	// Showing gives the secret again and leaves a record.
	if again := ok[string](t)(a.ShowKey(ctx, k.ID, "owner", "console")); again != secret {
		t.Fatalf("shown %q, made %q", again, secret)
	}
	shown := ok[[]Showing](t)(a.Showings(ctx, k.ID, 10))
	if len(shown) != 1 || shown[0].Who != "owner" || shown[0].Via != "console" || time.Since(shown[0].At) > time.Minute {
		t.Fatalf("showings %+v", shown)
	}
	if k = ok[Key](t)(a.Key(ctx, k.ID)); k.ShownCount != 1 || k.LastUsedAt.IsZero() {
		t.Fatalf("key %+v", k)
	}

	// Rotation ends the old secret at once, and its grants.
	var revoked []string
	a.OnRevoke(func(id string) { revoked = append(revoked, id) })
	_, second, err := a.RotateKey(ctx, k.ID)
	wantCode(t, err, "")
	_, err = a.CheckKey(ctx, secret, "live/show", ActionPublish)
	wantCode(t, err, "key_wrong")
	if a.Valid(ctx, grant) {
		t.Error("the grant outlives the rotation")
	}
	grant = ok[Grant](t)(a.CheckKey(ctx, second, "live/show", ActionPublish))
	if again := ok[string](t)(a.ShowKey(ctx, k.ID, "owner", "api")); again != second {
		t.Fatalf("shown %q after the rotation to %q", again, second)
	}
	wantCode(t, a.DeleteKey(ctx, k.ID), "")
	_, err = a.CheckKey(ctx, second, "live/show", ActionPublish)
	wantCode(t, err, "key_wrong")
	if a.Valid(ctx, grant) || !a.Valid(ctx, Grant{}) || !slices.Equal(revoked, []string{k.ID, k.ID}) {
		t.Errorf("revoked %v", revoked)
	}
	wantCode(t, a.DeleteKey(ctx, k.ID), "key_unknown")
	_, err = a.ShowKey(ctx, k.ID, "owner", "api")
	wantCode(t, err, "key_unknown")
	_, _, err = a.RotateKey(ctx, k.ID)
	wantCode(t, err, "key_unknown")
}

func TestNewKeysAreChecked(t *testing.T) {
	a := fresh(t)
	for _, c := range []struct {
		key  NewKey
		code string
	}{
		{NewKey{}, "label_invalid"},
		{NewKey{Name: "a\x00b", Pattern: "live/*"}, "label_invalid"},
		{NewKey{Name: strings.Repeat("x", 101), Pattern: "live/*"}, "label_invalid"},
		{NewKey{Pattern: "live/.."}, "name_bad_char"},
		{NewKey{Pattern: "live/*", Actions: []string{"delete"}}, "action_unknown"},
		{NewKey{Name: "live/show"}, ""},
		{NewKey{Pattern: "*", Actions: []string{"play", "publish", "play"}}, ""},
	} {
		k, _, err := a.CreateKey(t.Context(), c.key)
		wantCode(t, err, c.code)
		if err == nil && (k.Name == "" || k.Pattern == "" || len(k.Actions) == 0 || len(k.Actions) > 2) {
			t.Errorf("key %+v", k)
		}
	}
	keys := ok[[]Key](t)(a.Keys(t.Context(), "", 10))
	if len(keys) != 2 || keys[0].Name != "live/show" || len(ok[[]Key](t)(a.Keys(t.Context(), keys[0].ID, 10))) != 1 {
		t.Fatalf("keys %+v", keys)
	}
}

func TestPublishKeyIsMadeOnce(t *testing.T) {
	a := fresh(t)
	ids := make([]string, 4)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			k, err := a.PublishKey(t.Context(), "live/show")
			if err != nil {
				t.Error(err)
			}
			ids[i] = k.ID
		})
	}
	wg.Wait()
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[3] {
		t.Fatalf("keys %v", ids)
	}
	_, err := a.PublishKey(t.Context(), "live/*")
	wantCode(t, err, "name_bad_char")
}

// What the database holds must be worth nothing without the key file.
func TestSecretsAreSealed(t *testing.T) {
	dir := t.TempDir()
	a := ok[*Access](t)(open(t, dir))
	_, secret, err := a.CreateKey(t.Context(), NewKey{Pattern: "live/*"})
	wantCode(t, err, "")
	_, pat, err := a.CreateToken(t.Context(), "ci", []string{ScopeAdmin})
	wantCode(t, err, "")
	push := ok[Relay](t)(a.AddRelay(t.Context(), catalog.Push, Relay{Stream: "live/show", URL: "rtmp://a.example.com/live2/abcd-efgh-ijkl"}))
	for _, name := range []string{sqlite.File, sqlite.File + "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, clear := range []string{secret, secret[3:], pat, pat[9:], "abcd-efgh-ijkl"} {
			if strings.Contains(string(data), clear) || strings.Contains(string(data), base64.StdEncoding.EncodeToString([]byte(clear))) {
				t.Errorf("%s holds %q", name, clear)
			}
		}
	}
	if got := ok[[]Relay](t)(a.Relays(t.Context(), catalog.Push)); len(got) != 1 || got[0] != push {
		t.Fatalf("pushes %+v", got)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v", info.Mode(), err)
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, KeyFile)
	ok[*Access](t)(open(t, dir))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	ok[*Access](t)(open(t, dir)) // the same file again, tightened
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := os.Rename(path, path+".bak"); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, dir)
	wantCode(t, err, "secret_key_lost")
	if _, err := os.Stat(path); err == nil {
		t.Error("a new key file was made in place of the lost one")
	}
	if _, _, err := OpenVault(dir); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, dir) // another file does not fit the records
	wantCode(t, err, "secret_key_foreign")
	for _, text := range []string{"", "nonsense", keyFilePrefix + "!", keyFilePrefix + "YWJj"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = open(t, dir)
		wantCode(t, err, "secret_key_broken")
	}
}

func TestVaultsRaceForOneKeyFile(t *testing.T) {
	dir := t.TempDir()
	lookups := make([]string, 8)
	var wg sync.WaitGroup
	for i := range lookups {
		wg.Go(func() {
			v, _, err := OpenVault(dir)
			if err != nil {
				t.Error(err)
				return
			}
			lookups[i] = v.Lookup("a", "b")
		})
	}
	wg.Wait()
	if slices.Sort(lookups); lookups[0] == "" || lookups[0] != lookups[7] {
		t.Fatal("several key files were used")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
}

func TestSealHoldsThePlace(t *testing.T) {
	v, _, err := OpenVault(t.TempDir())
	wantCode(t, err, "")
	sealed := v.Seal("here", "secret")
	if got := ok[string](t)(v.Open("here", sealed)); got != "secret" || sealed == v.Seal("here", "secret") {
		t.Fatalf("opened %q", got)
	}
	damaged := []byte(sealed)
	damaged[len(damaged)-3] ^= 1
	for _, c := range [][2]string{{"there", sealed}, {"here", string(damaged)}, {"here", "1."}, {"here", ""}, {"here", "2." + sealed[2:]}} {
		_, err := v.Open(c[0], c[1])
		wantCode(t, err, "secret_unreadable")
	}
}

func TestTokens(t *testing.T) {
	a, ctx := fresh(t), t.Context()
	made, secret, err := a.CreateToken(ctx, "ci", []string{ScopeStreamsWrite})
	wantCode(t, err, "")
	id := ok[Identity](t)(a.Token(ctx, secret))
	if id.Kind != "token" || id.Name != "ci" || id.ID != made.ID {
		t.Fatalf("identity %+v", id)
	}
	for scope, want := range map[string]string{
		ScopeStreamsWrite: "", ScopeStreamsRead: "", ScopeKeysWrite: "scope_missing", ScopeAdmin: "scope_missing", "": "scope_missing",
	} {
		wantCode(t, id.Require(scope), want)
	}
	if admin := (Identity{scopes: []string{ScopeAdmin}}); !admin.Allows(ScopeKeysWrite) || (Identity{}).Allows(ScopeStreamsRead) {
		t.Error("admin is not all, or nobody is something")
	}
	_, _, err = a.CreateToken(ctx, "x", []string{"root"})
	wantCode(t, err, "scope_unknown")
	_, _, err = a.CreateToken(ctx, "x", nil)
	wantCode(t, err, "scope_unknown")
	_, _, err = a.CreateToken(ctx, "", []string{ScopeAdmin})
	wantCode(t, err, "label_invalid")
	if all := ok[[]Token](t)(a.Tokens(ctx, "", 10)); len(all) != 1 || all[0].LastUsedAt.IsZero() {
		t.Fatalf("tokens %+v", all)
	}
	wantCode(t, a.DeleteToken(ctx, made.ID), "")
	_, err = a.Token(ctx, secret)
	wantCode(t, err, "token_wrong")
	_, err = a.Token(ctx, "weir_pat_")
	wantCode(t, err, "token_wrong")
	wantCode(t, a.DeleteToken(ctx, made.ID), "token_unknown")
}

func TestUseIsWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Access{used: make(map[string]time.Time)}
		writes := 0
		for range 150 {
			if a.usedNow("k", time.Now()) {
				writes++
			}
			faketime.Pass(time.Second)
		}
		if writes != 3 {
			t.Errorf("%d writes in 150 s", writes)
		}
	})
}

var home = netip.MustParseAddr("192.0.2.7")

func TestWebhooksAndRelays(t *testing.T) {
	a, ctx := fresh(t), t.Context()
	w := ok[Webhook](t)(a.AddWebhook(ctx, "https://example.com/hook", []string{"stream.started"}))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(w.Secret, "whsec_"))
	if err != nil || len(raw) != 32 {
		t.Fatalf("secret %q", w.Secret)
	}
	if all := ok[[]Webhook](t)(a.Webhooks(ctx)); len(all) != 1 || all[0].Secret != w.Secret || !all[0].CreatedAt.Equal(w.CreatedAt) {
		t.Fatalf("webhooks %+v", all)
	}
	wantCode(t, a.DeleteWebhook(ctx, w.ID), "")
	wantCode(t, a.DeleteWebhook(ctx, w.ID), "webhook_unknown")
	_, err = a.AddWebhook(ctx, "ftp://example.com", nil)
	wantCode(t, err, "address_invalid")
	_, err = a.AddWebhook(ctx, "https://example.com", []string{"a b"})
	wantCode(t, err, "event_type_invalid")
	_, err = a.AddRelay(ctx, catalog.Pull, Relay{Stream: "live/..", URL: "rtmp://x/y"})
	wantCode(t, err, "name_bad_char")
	for _, bad := range []string{"", "file:///etc/passwd", "rtmp://", "http:x", "rtmp://x/" + strings.Repeat("y", maxURL)} {
		_, err = a.AddRelay(ctx, catalog.Pull, Relay{Stream: "live/a", URL: bad})
		wantCode(t, err, "address_invalid")
	}
	_, err = a.AddRelay(ctx, catalog.Push, Relay{Stream: "live/a", URL: "rtmp://x/?key=1"})
	wantCode(t, err, "rtmp_url_bad")
	_, err = a.AddRelay(ctx, catalog.Push, Relay{Stream: "live/a", URL: "http://x/y.flv"})
	wantCode(t, err, "address_invalid") // only pulls go over HTTP
	wantCode(t, a.DeleteRelay(ctx, catalog.Pull, "x"), "pull_unknown")
}

func TestMask(t *testing.T) {
	for url, want := range map[string]string{
		"rtmp://a.example.com/live2/abcd-efgh":       "rtmp://a.example.com/live2/••••",
		"rtmps://u:p@example.com:443/app/k?x=1&y":    "rtmps://u:••••@example.com:443/app/••••?x=••••&y=••••",
		"https://example.com/live/show.flv?token=tt": "https://example.com/live/show.flv?token=••••",
		"rtmp://example.com/app/key//":               "rtmp://example.com/app/••••",
		"rtmp://example.com/":                        "rtmp://example.com",
		"%zz":                                        "••••",
	} {
		if got := MaskURL(url); got != want {
			t.Errorf("MaskURL(%q) = %q, want %q", url, got, want)
		}
	}
	secret := newSecret(keyPrefix, keySize)
	if got := Mask(secret); got != "wk_••••"+secret[len(secret)-2:] {
		t.Errorf("Mask: %q", got)
	}
	if got := Mask("wk_abc"); got != "wk_••••" {
		t.Errorf("Mask: %q", got)
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestDatabaseFailureIsInternal(t *testing.T) {
	a := fresh(t)
	_, secret, err := a.CreateKey(t.Context(), NewKey{Pattern: "live/*"})
	wantCode(t, err, "")
	grant := ok[Grant](t)(a.CheckKey(t.Context(), secret, "live/a", ActionPublish))
	_, err = a.CheckKey(cancelled(), secret, "live/a", ActionPublish)
	wantCode(t, err, "catalog_failed")
	if !a.Valid(cancelled(), grant) {
		t.Error("a failing database ends running sessions")
	}
}
