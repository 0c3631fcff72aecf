package api

import (
	"net/http"
	"testing"
)

func TestSmoke(t *testing.T) {
	w := newWorld(t)
	t.Logf("%s", w.do("GET", "/api/v1/session", "", nil).body)
	t.Logf("%s", w.do("GET", "/api/v1/system", w.admin, nil).expect(200, "").body)
	w.do("GET", "/api/v1/system", "", nil).expect(http.StatusUnauthorized, "sign_in_needed")
	t.Logf("%s", w.do("POST", "/api/v1/test-sources", w.admin, nil).body)
	t.Logf("%s", w.do("GET", "/api/v1/streams/live%2Ftest", w.admin, nil).body)
	t.Logf("%s", w.do("GET", "/api/v1/watch/live%2Ftest", "", nil).body)
	t.Logf("%s", w.do("POST", "/api/v1/keys", w.admin, "{\"nam\":1}").body)
	t.Logf("%s", w.do("PUT", "/api/v1/keys", w.admin, "{\"nam\":1}").body)
	t.Logf("%s", w.do("GET", "/api/v1/nothing", w.admin, nil).body)
	t.Logf("%s", w.do("GET", "/api/openapi.json", w.admin, nil).body[:300])
}
