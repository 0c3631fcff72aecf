package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever is asked, the answer is not our mistake, and an error is a whole problem.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/api/v1/streams/live%2Fshow", "", ""},
		{"GET", "/api/v1/streams", "limit=2&cursor=bGl2ZQ&state=live", ""},
		{"GET", "/api/v1/keys", "cursor=%2A&limit=-1", ""},
		{"POST", "/api/v1/keys", "", `{"name":"x","pattern":"live/*","actions":["play"]}`},
		{"POST", "/api/v1/keys", "", `{"name":null,"actions":[null]}`},
		{"POST", "/api/v1/tokens", "", `{"name":"x","scopes":["admin","fly"]}`},
		{"POST", "/api/v1/pulls", "", `{"stream":"live/x","url":"rtmp://203.0.113.1/a/b"}`},
		{"POST", "/api/v1/webhooks", "", `{"url":"https://203.0.113.1/","types":["stream.*"]}`},
		{"POST", "/api/v1/session", "", `{"name":"owner","password":"x"}`},
		{"PUT", "/api/v1/session/password", "", `{"password":"0123456789"}`},
		{"DELETE", "/api/v1/streams/a%2F..%2Fb/publisher", "", ""},
		{"GET", "/api/v1/watch/%FF", "key=wk_x", ""},
		{"GET", "/login/once", "token=weir_once_", ""},
		{"OPTIONS", "/api/v1/keys", "", ""},
		{"PATCH", "/api/../api//v1/./keys", "", "[]"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || method == "" || strings.Contains(path, "/events") || strings.Contains(path, "/test-sources") {
			t.Skip("no request, or one that goes on")
		}
		u.RawQuery = query
		r := &http.Request{Method: method, URL: u, Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + w.admin}}, Body: http.NoBody, RemoteAddr: "127.0.0.1:9"}
		if body != "" {
			r = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
			r.Method, r.URL, r.RemoteAddr = method, u, "127.0.0.1:9"
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+w.admin)
		}
		answer := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(answer, r)
		if answer.Code == http.StatusInternalServerError {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		var p Problem
		if answer.Code >= 400 && (json.Unmarshal(answer.Body.Bytes(), &p) != nil && method != http.MethodHead || method != http.MethodHead && (p.Code == "" || p.Detail == "")) {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
	})
}
