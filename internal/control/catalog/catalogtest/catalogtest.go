// Package catalogtest is the conformance suite of catalogs: what every database
// behind package catalog must do. What belongs here: tests that know only the
// store's methods. What does not: anything of one database.
package catalogtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/internal/control/catalog"
)

// noon is when everything in the suite happens.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Run runs the suite; open gives an empty store each time.
func Run(t *testing.T, open func(t *testing.T) *catalog.Store) {
	for name, test := range map[string]func(*testing.T, *catalog.Store){
		"settings": settings, "keys": keys, "key pages": keyPages, "showings": showings, "rotate": rotate,
		"tokens": tokens, "users": users, "passwords": passwords, "web sessions": webSessions,
		"login links": loginLinks, "login link race": loginLinkRace, "relays": relays, "webhooks": webhooks, "deliveries": deliveries, "parallel": parallel,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func same[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func settings(t *testing.T, s *catalog.Store) {
	_, err := s.Setting(t.Context(), "a")
	wantErr(t, err, catalog.ErrNotFound)
	for _, value := range []string{"first", "second"} {
		got, err := s.InitSetting(t.Context(), "a", value)
		must(t, err)
		same(t, got, "first")
	}
}

func key(n int) catalog.Key {
	return catalog.Key{
		ID: fmt.Sprintf("k%03d", n), Name: "studio", Pattern: "live/直播", Actions: []string{"publish", "play"},
		Sealed: "sealed", Lookup: fmt.Sprintf("lookup%d", n), CreatedAt: noon,
	}
}

func keys(t *testing.T, s *catalog.Store) {
	must(t, s.AddKey(t.Context(), key(1)))
	wantErr(t, s.AddKey(t.Context(), key(1)), catalog.ErrExists)
	twin := key(2)
	twin.Lookup = key(1).Lookup
	wantErr(t, s.AddKey(t.Context(), twin), catalog.ErrExists)

	got, err := s.Key(t.Context(), "k001")
	must(t, err)
	same(t, got, key(1))
	got, err = s.KeyByLookup(t.Context(), "lookup1")
	must(t, err)
	same(t, got, key(1))
	_, err = s.KeyByLookup(t.Context(), "lookup2")
	wantErr(t, err, catalog.ErrNotFound)
	all, err := s.KeysByPattern(t.Context(), "live/直播")
	must(t, err)
	same(t, all, []catalog.Key{key(1)})

	must(t, s.UseKey(t.Context(), "k001", noon.Add(time.Second)))
	got, err = s.Key(t.Context(), "k001")
	must(t, err)
	same(t, got.LastUsedAt, noon.Add(time.Second))

	must(t, s.DeleteKey(t.Context(), "k001"))
	wantErr(t, s.DeleteKey(t.Context(), "k001"), catalog.ErrNotFound)
	_, err = s.Key(t.Context(), "k001")
	wantErr(t, err, catalog.ErrNotFound)
}

func keyPages(t *testing.T, s *catalog.Store) {
	for n := range 7 {
		must(t, s.AddKey(t.Context(), key(n)))
	}
	var ids []string
	after := ""
	for range 4 {
		page, err := s.Keys(t.Context(), after, 2)
		must(t, err)
		for _, k := range page {
			ids = append(ids, k.ID)
			after = k.ID
		}
	}
	same(t, ids, []string{"k000", "k001", "k002", "k003", "k004", "k005", "k006"})
}

func showings(t *testing.T, s *catalog.Store) {
	must(t, s.AddKey(t.Context(), key(1)))
	first := catalog.Showing{ID: "s1", KeyID: "k001", Who: "owner", Via: "console", At: noon}
	second := catalog.Showing{ID: "s2", KeyID: "k001", Who: "owner", Via: "api", At: noon.Add(time.Hour)}
	_, err := s.ShowKey(t.Context(), first)
	must(t, err)
	k, err := s.ShowKey(t.Context(), second)
	must(t, err)
	same(t, k.ShownCount, int64(2))
	same(t, k.Sealed, "sealed")
	all, err := s.Showings(t.Context(), "k001", 10)
	must(t, err)
	same(t, all, []catalog.Showing{second, first})
	_, err = s.ShowKey(t.Context(), catalog.Showing{ID: "s3", KeyID: "nobody", At: noon})
	wantErr(t, err, catalog.ErrNotFound)

	// A showing that cannot be recorded must not be counted either.
	if _, err := s.ShowKey(t.Context(), second); err == nil {
		t.Fatal("the same showing was recorded twice")
	}
	k, err = s.Key(t.Context(), "k001")
	must(t, err)
	same(t, k.ShownCount, int64(2))

	must(t, s.DeleteKey(t.Context(), "k001"))
	all, err = s.Showings(t.Context(), "k001", 10)
	must(t, err)
	same(t, len(all), 0)
}

func rotate(t *testing.T, s *catalog.Store) {
	must(t, s.AddKey(t.Context(), key(1)))
	must(t, s.RotateKey(t.Context(), "k001", "sealed anew", "new", noon.Add(time.Minute)))
	_, err := s.KeyByLookup(t.Context(), "lookup1")
	wantErr(t, err, catalog.ErrNotFound)
	k, err := s.KeyByLookup(t.Context(), "new")
	must(t, err)
	same(t, k.Sealed, "sealed anew")
	same(t, k.RotatedAt, noon.Add(time.Minute))
	wantErr(t, s.RotateKey(t.Context(), "nobody", "", "x", noon), catalog.ErrNotFound)
}

func tokens(t *testing.T, s *catalog.Store) {
	want := catalog.Token{ID: "t1", Name: "ci", Lookup: "l1", Scopes: []string{"streams:read", "admin"}, CreatedAt: noon}
	must(t, s.AddToken(t.Context(), want))
	wantErr(t, s.AddToken(t.Context(), want), catalog.ErrExists)
	got, err := s.TokenByLookup(t.Context(), "l1")
	must(t, err)
	same(t, got, want)
	must(t, s.UseToken(t.Context(), "t1", noon))
	all, err := s.Tokens(t.Context(), "", 10)
	must(t, err)
	want.LastUsedAt = noon
	same(t, all, []catalog.Token{want})
	must(t, s.DeleteToken(t.Context(), "t1"))
	wantErr(t, s.DeleteToken(t.Context(), "t1"), catalog.ErrNotFound)
	_, err = s.TokenByLookup(t.Context(), "l1")
	wantErr(t, err, catalog.ErrNotFound)
}

func owner(t *testing.T, s *catalog.Store) {
	t.Helper()
	must(t, s.AddUser(t.Context(), catalog.User{ID: "u1", Name: "owner", Role: "owner", CreatedAt: noon}))
}

func users(t *testing.T, s *catalog.Store) {
	owner(t, s)
	wantErr(t, s.AddUser(t.Context(), catalog.User{ID: "u2", Name: "owner"}), catalog.ErrExists)
	byName, err := s.UserByName(t.Context(), "owner")
	must(t, err)
	byID, err := s.User(t.Context(), "u1")
	must(t, err)
	same(t, byID, byName)
	same(t, byID, catalog.User{ID: "u1", Name: "owner", Role: "owner", CreatedAt: noon})
	_, err = s.UserByName(t.Context(), "nobody")
	wantErr(t, err, catalog.ErrNotFound)
}

func passwords(t *testing.T, s *catalog.Store) {
	owner(t, s)
	for _, lookup := range []string{"keep", "drop"} {
		must(t, s.AddWebSession(t.Context(), catalog.WebSession{Lookup: lookup, UserID: "u1", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}))
	}
	must(t, s.AddLoginLink(t.Context(), catalog.LoginLink{Lookup: "link", UserID: "u1", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}))
	must(t, s.SetPassword(t.Context(), "u1", "hash", "keep"))
	u, err := s.User(t.Context(), "u1")
	must(t, err)
	same(t, u.PasswordHash, "hash")
	_, err = s.WebSession(t.Context(), "keep", noon)
	must(t, err)
	_, err = s.WebSession(t.Context(), "drop", noon)
	wantErr(t, err, catalog.ErrNotFound)
	_, err = s.UseLoginLink(t.Context(), "link", noon)
	wantErr(t, err, catalog.ErrNotFound)
	wantErr(t, s.SetPassword(t.Context(), "nobody", "hash", ""), catalog.ErrNotFound)
}

func webSessions(t *testing.T, s *catalog.Store) {
	owner(t, s)
	want := catalog.WebSession{Lookup: "w1", UserID: "u1", Agent: "Firefox", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}
	must(t, s.AddWebSession(t.Context(), want))
	got, err := s.WebSession(t.Context(), "w1", noon.Add(59*time.Minute))
	must(t, err)
	same(t, got, want)
	_, err = s.WebSession(t.Context(), "w1", want.ExpiresAt)
	wantErr(t, err, catalog.ErrNotFound)
	must(t, s.DeleteWebSession(t.Context(), "w1"))
	wantErr(t, s.DeleteWebSession(t.Context(), "w1"), catalog.ErrNotFound)
	if err := s.AddWebSession(t.Context(), catalog.WebSession{Lookup: "w2", UserID: "nobody", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}); err == nil {
		t.Fatal("a session of nobody was stored")
	}
}

func loginLinks(t *testing.T, s *catalog.Store) {
	owner(t, s)
	for _, lookup := range []string{"a", "b"} {
		must(t, s.AddLoginLink(t.Context(), catalog.LoginLink{Lookup: lookup, UserID: "u1", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}))
	}
	id, err := s.UseLoginLink(t.Context(), "a", noon)
	must(t, err)
	same(t, id, "u1")
	_, err = s.UseLoginLink(t.Context(), "a", noon)
	wantErr(t, err, catalog.ErrNotFound)
	_, err = s.UseLoginLink(t.Context(), "b", noon.Add(time.Hour))
	wantErr(t, err, catalog.ErrNotFound)
}

func loginLinkRace(t *testing.T, s *catalog.Store) {
	owner(t, s)
	must(t, s.AddLoginLink(t.Context(), catalog.LoginLink{Lookup: "a", UserID: "u1", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}))
	var wg sync.WaitGroup
	won := make(chan string, 8)
	for range 8 {
		wg.Go(func() {
			if id, err := s.UseLoginLink(t.Context(), "a", noon); err == nil {
				won <- id
			}
		})
	}
	wg.Wait()
	same(t, len(won), 1)
}

func relays(t *testing.T, s *catalog.Store) {
	pull := catalog.Relay{ID: "r1", Direction: catalog.Pull, Stream: "live/a", SealedURL: "x", OnDemand: true, CreatedAt: noon}
	push := catalog.Relay{ID: "r2", Direction: catalog.Push, Stream: "live/a", SealedURL: "y", CreatedAt: noon}
	must(t, s.AddRelay(t.Context(), pull))
	must(t, s.AddRelay(t.Context(), push))
	wantErr(t, s.AddRelay(t.Context(), push), catalog.ErrExists)
	got, err := s.Relays(t.Context(), catalog.Pull)
	must(t, err)
	same(t, got, []catalog.Relay{pull})
	wantErr(t, s.DeleteRelay(t.Context(), catalog.Pull, "r2"), catalog.ErrNotFound)
	must(t, s.DeleteRelay(t.Context(), catalog.Push, "r2"))
	got, err = s.Relays(t.Context(), catalog.Push)
	must(t, err)
	same(t, len(got), 0)
}

func webhooks(t *testing.T, s *catalog.Store) {
	want := catalog.Webhook{ID: "h1", URL: "https://example.com/x", Sealed: "z", Types: []string{"stream.started", "stream.ended"}, CreatedAt: noon}
	must(t, s.AddWebhook(t.Context(), want))
	wantErr(t, s.AddWebhook(t.Context(), want), catalog.ErrExists)
	got, err := s.Webhooks(t.Context())
	must(t, err)
	same(t, got, []catalog.Webhook{want})
	must(t, s.DeleteWebhook(t.Context(), "h1"))
	wantErr(t, s.DeleteWebhook(t.Context(), "h1"), catalog.ErrNotFound)
}

func deliveries(t *testing.T, s *catalog.Store) {
	must(t, s.AddWebhook(t.Context(), catalog.Webhook{ID: "h1", URL: "https://example.com/x", Sealed: "z", CreatedAt: noon}))
	d := func(hook, event string, at time.Time) catalog.Delivery {
		return catalog.Delivery{WebhookID: hook, EventID: event, Type: "stream.started", Body: `{"name":"直播"}`, At: at}
	}
	all := func() []catalog.Delivery {
		got, err := s.Deliveries(t.Context(), noon)
		must(t, err)
		return got
	}
	a, b, c := d("h1", "e1", noon), d("h1", "e2", noon.Add(time.Minute)), d("h1", "e3", noon)
	must(t, s.SaveDeliveries(t.Context(), []catalog.Delivery{b, a, d("h0", "e1", noon), d("h1", "e0", noon.Add(-time.Second))}, nil))
	same(t, all(), []catalog.Delivery{a, b})
	must(t, s.SaveDeliveries(t.Context(), []catalog.Delivery{c, a}, []catalog.Delivery{{WebhookID: "h1", EventID: "e2"}, {WebhookID: "h1", EventID: "never"}}))
	same(t, all(), []catalog.Delivery{a, c})
	must(t, s.DeleteWebhook(t.Context(), "h1"))
	same(t, len(all()), 0)
}

// parallel holds that writers wait for one another instead of failing.
func parallel(t *testing.T, s *catalog.Store) {
	must(t, s.AddKey(t.Context(), key(0)))
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 5 {
				if _, err := s.ShowKey(t.Context(), catalog.Showing{ID: fmt.Sprintf("%d-%d", n, i), KeyID: "k000", At: noon}); err != nil {
					t.Errorf("showing %d-%d: %v", n, i, err)
				}
				if _, err := s.Keys(t.Context(), "", 5); err != nil {
					t.Errorf("list: %v", err)
				}
			}
		})
	}
	wg.Wait()
	k, err := s.Key(t.Context(), "k000")
	must(t, err)
	same(t, k.ShownCount, int64(40))
}
