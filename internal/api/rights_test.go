package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"weir/internal/app/live"
	"weir/internal/control/access"
	"weir/internal/media"
)

// filled puts something into the parameters of a path.
func filled(path string) string {
	return strings.NewReplacer("{name}", "live%2Fshow", "{id}", "none").Replace(path)
}

// TestRights walks all routes: each declares a right, and refuses who has not got it.
func TestRights(t *testing.T) {
	w := newWorld(t)
	b := w.book()
	described := map[string]bool{}
	for path, methods := range b.Paths {
		for method, o := range methods {
			described[strings.ToUpper(method)+" "+path] = true
			if o.OperationID == "" {
				t.Errorf("%s %s has no operationId", method, path)
			}
			if _, ok := o.Responses["default"].Content["application/problem+json"]; !ok {
				t.Errorf("%s does not describe its errors", o.OperationID)
			}
		}
	}
	if len(w.api.routes) < 30 {
		t.Fatalf("only %d routes", len(w.api.routes))
	}
	// Which routes are open to everybody is a decision; here it is written down twice.
	open := []string{"get-session", "create-session", "delete-session", "watch", "list-watch", "get-openapi", "login-once"}
	scopes := access.Scopes()
	for _, r := range w.api.routes {
		key := r.Method + " " + r.Path
		if !described[key] && !slices.Contains([]string{"get-openapi", "login-once"}, r.ID) {
			t.Errorf("%s is not in openapi.json", key)
		}
		delete(described, key)
		if r.Right == public {
			if !slices.Contains(open, r.ID) {
				t.Errorf("%s is public", r.ID)
			}
			continue
		}
		if !slices.Contains(scopes, string(r.Right)) {
			t.Errorf("%s wants the right %q, which is none", r.ID, r.Right)
		}
		path := filled(r.Path)
		w.do(r.Method, path, "", nil).expect(http.StatusUnauthorized, "sign_in_needed")
		w.do(r.Method, path, "weir_pat_forged", nil).expect(http.StatusUnauthorized, "token_wrong")
		w.do(r.Method, path, "", nil, func(r *http.Request) { r.Header.Set("Authorization", "Basic b3duZXI6") }).expect(http.StatusUnauthorized, "token_wrong")
		w.do(r.Method, path, "", nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: "weir_web_forged"}) }).expect(http.StatusUnauthorized, "session_wrong")
		for _, scope := range scopes {
			may := scope == access.ScopeAdmin || scope == string(r.Right) || scope == access.ScopeStreamsWrite && string(r.Right) == access.ScopeStreamsRead
			if may && r.ID == "stream-events" {
				w.listen("", func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+w.token(scope)) }).stop()
				continue
			}
			a := w.do(r.Method, path, w.token(scope), nil)
			if refused := a.code() == "scope_missing"; refused == may {
				t.Errorf("%s with the scope %s: %d %s", r.ID, scope, a.status, a.body)
			} else if refused {
				a.expect(http.StatusForbidden, "scope_missing")
			}
		}
	}
	if len(described) > 0 {
		t.Errorf("in openapi.json, but no route: %v", described)
	}
}

// An operation that was registered past add, without a right, is nobody's.
func TestUndeclaredRight(t *testing.T) {
	w := newWorld(t)
	huma.Register(w.api.huma, huma.Operation{OperationID: "sneaky", Method: http.MethodGet, Path: base + "/sneaky"}, func(context.Context, *struct{}) (*struct{}, error) {
		t.Error("it was called")
		return nil, nil
	})
	w.do(http.MethodGet, base+"/sneaky", w.admin, nil).expect(http.StatusForbidden, "right_undeclared")
	a := &API{deps: w.api.deps, mux: http.NewServeMux(), routes: []route{{ID: "x"}}}
	if err := a.build(); err == nil {
		t.Error("an API with an undeclared right was built")
	}
}

// Another site's page cannot make the owner's browser change anything.
func TestCrossOrigin(t *testing.T) {
	w := newWorld(t)
	link, err := w.access.LoginLink(t.Context(), access.Owner)
	must(t, err)
	in := w.do(http.MethodGet, "/login/once?token="+link, "", nil, func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") })
	cookies := (&http.Response{Header: in.header}).Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/" || cookies[0].Name != "weir_session" {
		t.Fatalf("%v", cookies)
	}
	browser := withCookie(in)
	from := func(site string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }
	}
	key := map[string]string{"name": "live/show"}
	for _, site := range []string{"cross-site", "same-site"} {
		w.do(http.MethodPost, base+"/keys", "", key, browser, from(site)).expect(http.StatusForbidden, "cross_origin")
		w.do(http.MethodPost, base+"/session", "", map[string]string{"name": "owner", "password": "x"}, from(site)).expect(http.StatusForbidden, "cross_origin")
		w.do(http.MethodDelete, base+"/session", "", nil, browser, from(site)).expect(http.StatusForbidden, "cross_origin")
	}
	w.do(http.MethodPost, base+"/keys", "", key, browser, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }).expect(http.StatusForbidden, "cross_origin")
	w.do(http.MethodGet, base+"/keys", "", nil, browser, from("cross-site")).expect(http.StatusUnauthorized, "sign_in_needed")
	w.do(http.MethodPost, base+"/keys", "", key, browser, from("same-origin")).expect(http.StatusCreated, "")
	w.do(http.MethodPost, base+"/keys", "", key, browser, func(r *http.Request) { r.Header.Set("Origin", w.server.URL) }).expect(http.StatusCreated, "")
	w.do(http.MethodPost, base+"/keys", w.admin, key, from("cross-site")).expect(http.StatusCreated, "")
	var watch Watch
	w.do(http.MethodGet, base+"/watch/live%2Fshow", "", nil, browser, from("cross-site")).expect(http.StatusOK, "").into(&watch)
	if watch.IsOwner {
		t.Error("another site is told who the owner is")
	}
}

// Names hold slashes, which the path has as %2F, and letters of any script.
func TestNamesInPaths(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ path, name, code string }{
		{"live%2Fshow", "live/show", ""},
		{"show", "show", ""},
		{"a%2Fb%2Fc%2Fd", "a/b/c/d", ""},
		{"live%2F%E5%A0%B0", "live/堰", ""},
		{"live%2f%e5%a0%b0", "live/堰", ""},
		{"live%2Fa%20b", "", "name_bad_char"},
		{"live%2F..%2F..%2Fkeys", "", "name_bad_char"},
		{"a%2Fb%2Fc%2Fd%2Fe", "", "name_too_deep"},
		{"live%2F%00", "", "name_bad_char"},
		{"%FF", "", "name_bad_char"},
		{"live%2F", "", "name_empty"},
		{"live%252Fshow", "", "name_bad_char"},
		{strings.Repeat("a", 300), "", "name_too_long"},
	} {
		a := w.do(http.MethodGet, base+"/watch/"+c.path, "", nil)
		if c.code != "" {
			a.expect(http.StatusBadRequest, c.code)
			continue
		}
		var watch Watch
		a.expect(http.StatusOK, "").into(&watch)
		if watch.Name != c.name || watch.State != "idle" {
			t.Errorf("%s: %+v", c.path, watch)
		}
	}
	p := w.publish("live/堰")
	defer p.End(nil)
	var s Stream
	w.get("/streams/live%2F%E5%A0%B0", &s)
	if s.Thumbnail != "" || s.Tracks[0].Codecs != "mp4a.40.2" {
		t.Errorf("sound alone: %+v", s)
	}
	if at := thumbnail("live/堰", []live.Track{{Track: media.Track{Kind: media.Video}}}); at != "/live/%E5%A0%B0/poster.jpg" {
		t.Errorf("thumbnail at %s", at)
	}
	for name, want := range map[string]int{"live%2F%E5%A0%B0": 1, "live%2Fother": 0, "live": 0} {
		var page Page[Stream]
		w.get("/streams?name="+name, &page)
		if len(page.Items) != want || want == 1 && page.Items[0].Name != "live/堰" {
			t.Errorf("by the name %s: %+v", name, page.Items)
		}
	}
	w.do(http.MethodGet, base+"/streams/live/show", w.admin, nil).expect(http.StatusNotFound, "route_unknown")
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	keys := base + "/keys"
	w.do(http.MethodPost, keys, w.admin, "{").expect(http.StatusBadRequest, "request_invalid")
	w.do(http.MethodPost, keys, w.admin, "").expect(http.StatusBadRequest, "request_invalid")
	w.do(http.MethodPost, keys, w.admin, `{"name":7}`).expect(http.StatusUnprocessableEntity, "request_invalid")
	w.do(http.MethodPost, keys, w.admin, `{"name":"x","nonsense":1}`).expect(http.StatusUnprocessableEntity, "request_invalid")
	w.do(http.MethodPost, keys, w.admin, "name=x", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }).
		expect(http.StatusUnsupportedMediaType, "content_type_unknown")
	w.do(http.MethodPost, keys, w.admin, `{"name":"`+strings.Repeat("x", maxBody)+`"}`).expect(http.StatusRequestEntityTooLarge, "body_too_large")
	w.do(http.MethodGet, keys+"?limit=0", w.admin, nil).expect(http.StatusUnprocessableEntity, "request_invalid")
	w.do(http.MethodGet, keys+"?limit=201", w.admin, nil).expect(http.StatusUnprocessableEntity, "request_invalid")
	w.do(http.MethodGet, keys+"?cursor=***", w.admin, nil).expect(http.StatusBadRequest, "cursor_invalid")
	w.do(http.MethodGet, base+"/nothing", w.admin, nil).expect(http.StatusNotFound, "route_unknown")
	a := w.do(http.MethodPatch, keys, w.admin, nil).expect(http.StatusMethodNotAllowed, "method_not_allowed")
	if a.header.Get("Allow") != "GET, POST, HEAD" {
		t.Errorf("Allow: %s", a.header.Get("Allow"))
	}
	secret := "wrong-" + strings.Repeat("p", 2000)
	a = w.do(http.MethodPost, base+"/session", "", map[string]string{"name": "owner", "password": secret}).expect(http.StatusUnprocessableEntity, "request_invalid")
	if bytes.Contains(a.body, []byte("pppp")) {
		t.Errorf("the password comes back: %.200s", a.body)
	}
}

// A panic costs one answer, and is counted.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	add(w.api, op{id: "boom", method: http.MethodGet, path: "/boom", right: public}, func(context.Context, *struct{}) (*struct{}, error) { panic("boom") })
	w.do(http.MethodGet, base+"/boom", "", nil).expect(http.StatusInternalServerError, "internal")
	if w.api.Stats().Panics != 1 {
		t.Error("it was not counted")
	}
	w.do(http.MethodGet, base+"/session", "", nil).expect(http.StatusOK, "")
}

func TestRates(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.Limits.API = access.Rate{PerSecond: 0.001, Burst: 5} })
	as := func(addr string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Forwarded-For", addr) }
	}
	for range 5 {
		w.do(http.MethodGet, base+"/session", "", nil, as("192.0.2.1")).expect(http.StatusOK, "")
	}
	a := w.do(http.MethodGet, base+"/session", "", nil, as("192.0.2.1")).expect(http.StatusTooManyRequests, "rate_limited")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.do(http.MethodGet, base+"/session", "", nil, as("192.0.2.2")).expect(http.StatusOK, "")
	last := answer{}
	for range 8 { // six attempts a minute are too many, from one address or for one account
		last = w.do(http.MethodPost, base+"/session", "", map[string]string{"name": "owner", "password": "wrong password"}, as("192.0.2.3"))
	}
	last.expect(http.StatusTooManyRequests, "login_limited")
	for range 8 {
		last = w.do(http.MethodGet, "/login/once?token=x", "", nil, as("192.0.2.4"))
	}
	last.expect(http.StatusTooManyRequests, "login_limited")
}

// Pages go on where the last one ended, also when the list changes in between.
func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		_, _, err := w.access.CreateKey(t.Context(), access.NewKey{Name: fmt.Sprintf("key %d", i), Pattern: "live/*"})
		must(t, err)
	}
	var names []string
	cursor := ""
	for pages := 1; ; pages++ {
		var page Page[Key]
		w.get("/keys?limit=3&cursor="+cursor, &page)
		for _, k := range page.Items {
			names = append(names, k.Name)
		}
		if pages == 1 { // what was seen goes away
			must(t, w.access.DeleteKey(t.Context(), page.Items[2].ID))
		}
		if cursor = page.NextCursor; cursor == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if want := "key 0 key 1 key 2 key 3 key 4 key 5 key 6"; strings.Join(names, " ") != want {
		t.Errorf("%v", names)
	}
	for _, name := range []string{"live/c", "live/a", "live/b"} {
		defer w.publish(name).End(nil)
	}
	var page Page[Stream]
	w.get("/streams?limit=2", &page)
	first := page.NextCursor
	if len(page.Items) != 2 || page.Items[1].Name != "live/b" {
		t.Errorf("%+v", page)
	}
	page = Page[Stream]{}
	w.get("/streams?limit=2&cursor="+first, &page)
	if len(page.Items) != 1 || page.Items[0].Name != "live/c" || page.NextCursor != "" {
		t.Errorf("%+v", page)
	}
	page = Page[Stream]{}
	w.get("/streams?state=away", &page)
	if len(page.Items) != 0 {
		t.Errorf("%+v", page)
	}
	a := w.do(http.MethodGet, base+"/pulls", w.admin, nil)
	if !bytes.Contains(a.body, []byte(`"items":[]`)) {
		t.Errorf("an empty list is %s", a.body)
	}
}
