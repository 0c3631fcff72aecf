package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/internal/fault"
)

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("ETag", `"x"`)
	r := httptest.NewRequest(http.MethodGet, "/live/x/stream.flv?key=secret", nil)
	Write(w, r, fault.New(fault.Unauthorized, "key_wrong", "The key is wrong.", "Copy it again."))
	var d Document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if w.Code != 401 || d.Code != "key_wrong" || d.Remedy != "Copy it again." || d.Instance != "/live/x/stream.flv" {
		t.Errorf("%d %+v", w.Code, d)
	}
	if strings.Contains(w.Body.String(), "secret") || w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v, body %s", w.Header(), w.Body)
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest(http.MethodGet, "/", nil), errors.New("open /etc/secret: denied"))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
