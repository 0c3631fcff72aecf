package console

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() server {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return server{fstest.MapFS{
		"stub.html":            file("stub"),
		"console.html":         file("console page"),
		"console.html.gz":      file("gz console page"),
		"embed.html":           file("embed page"),
		"assets/h/app-1a.js":   file("plain"),
		"assets/h/app-1a.js.b": file("other"),
		"assets/h/app-1a.js.br": file(
			"brotli"),
		"assets/h/app-1a.js.gz":   file("gzip"),
		"assets/weir-player.js":   file("player"),
		"assets/h/inter-1a.woff2": file("font"),
	}}
}

func get(t *testing.T, serve func(http.ResponseWriter, *http.Request), header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/x", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	serve(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	var b strings.Builder
	buf := make([]byte, 512)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

func TestAssetEncoding(t *testing.T) {
	for _, c := range []struct{ accept, body, encoding string }{
		{"gzip, deflate, br, zstd", "brotli", "br"},
		{"gzip, deflate", "gzip", "gzip"},
		{"br;q=0, gzip", "gzip", "gzip"},
		{"*", "brotli", "br"},
		{"*;q=0", "plain", ""},
		{"identity", "plain", ""},
		{"", "plain", ""},
		{"GZIP;Q=0.5", "gzip", "gzip"},
		{"br ; q = 0.000 , gzip;q=0", "plain", ""},
	} {
		res := get(t, func(w http.ResponseWriter, r *http.Request) {
			built().asset(w, r, "h/app-1a.js")
		}, "Accept-Encoding", c.accept)
		if got := body(t, res); got != c.body || res.Header.Get("Content-Encoding") != c.encoding {
			t.Errorf("Accept-Encoding %q: %q as %q, want %q as %q", c.accept, got, res.Header.Get("Content-Encoding"), c.body, c.encoding)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: no Vary, a shared cache would mix the forms", c.accept)
		}
	}
}

func TestAssetCaching(t *testing.T) {
	for _, c := range []struct {
		name, cache, kind string
		status            int
	}{
		{"h/app-1a.js", "public, max-age=31536000, immutable", "text/javascript; charset=utf-8", 200},
		{"/assets/h/inter-1a.woff2", "public, max-age=31536000, immutable", "font/woff2", 200},
		{"weir-player.js", "no-cache", "text/javascript; charset=utf-8", 200},
		{"h/app-1a.js.br", "", "", 404},
		{"../console.html", "", "", 404},
		{"h/../weir-player.js", "", "", 404},
		{"h", "", "", 404},
		{"", "", "", 404},
		{"nothing.js", "", "", 404},
	} {
		res := get(t, func(w http.ResponseWriter, r *http.Request) { built().asset(w, r, c.name) })
		if res.StatusCode != c.status {
			t.Errorf("%q: status %d, want %d", c.name, res.StatusCode, c.status)
			continue
		}
		if c.status != 200 {
			continue
		}
		if got := res.Header.Get("Cache-Control"); got != c.cache {
			t.Errorf("%q: Cache-Control %q, want %q", c.name, got, c.cache)
		}
		if got := res.Header.Get("Content-Type"); got != c.kind {
			t.Errorf("%q: Content-Type %q, want %q", c.name, got, c.kind)
		}
		if res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q: another page could not load the player", c.name)
		}
	}
}

func TestPageRevalidates(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) { built().page(w, r, Console) }
	first := get(t, serve, "Accept-Encoding", "gzip")
	tag := first.Header.Get("ETag")
	if first.Header.Get("Cache-Control") != "no-cache" || tag == "" {
		t.Fatalf("page: Cache-Control %q, ETag %q", first.Header.Get("Cache-Control"), tag)
	}
	if res := get(t, serve, "Accept-Encoding", "gzip", "If-None-Match", `"x", W/`+tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("same tag: status %d, want 304", res.StatusCode)
	}
	if res := get(t, serve, "If-None-Match", tag); res.StatusCode != http.StatusOK {
		t.Errorf("tag of another encoding: status %d, want 200", res.StatusCode)
	}
}

func TestPagePolicy(t *testing.T) {
	for entry, ancestors := range map[string]string{Console: "'self'", Embed: "*"} {
		res := get(t, func(w http.ResponseWriter, r *http.Request) { built().page(w, r, entry) })
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.HasSuffix(csp, "frame-ancestors "+ancestors) {
			t.Errorf("%s: %q", entry, csp)
		}
		for _, part := range strings.Split(csp, "; ") {
			if strings.HasPrefix(part, "script-src") && part != "script-src 'self'" {
				t.Errorf("%s lets in other scripts: %q", entry, part)
			}
		}
	}
}

func TestPageWithoutBuildSaysSo(t *testing.T) {
	bare := server{fstest.MapFS{"stub.html": &fstest.MapFile{Data: []byte("stub")}}}
	for _, entry := range []string{Console, Watch, Embed, "stub"} {
		res := get(t, func(w http.ResponseWriter, r *http.Request) { bare.page(w, r, entry) })
		if got := body(t, res); res.StatusCode != 200 || got != "stub" {
			t.Errorf("%s: %d %q, want the stub page", entry, res.StatusCode, got)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	w := httptest.NewRecorder()
	built().page(w, r, Console)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	r = httptest.NewRequest(http.MethodHead, "/", nil)
	w = httptest.NewRecorder()
	built().page(w, r, Console)
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "12" {
		t.Errorf("HEAD: %d, %d bytes, Content-Length %q", w.Code, w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

// TestEmbedded holds for both kinds of checkout: the stub is always there, and
// what was built is complete.
func TestEmbedded(t *testing.T) {
	if _, err := fs.Stat(FS(), stubFile); err != nil {
		t.Fatal(err)
	}
	if !Built() {
		t.Skip("the interface was not built here (npm run build in web/)")
	}
	for _, entry := range []string{Console, Watch, Embed} {
		page := entry
		res := get(t, func(w http.ResponseWriter, r *http.Request) { ServePage(w, r, page) })
		html := body(t, res)
		for _, piece := range strings.Split(html, `"/assets/`)[1:] {
			name, _, _ := strings.Cut(piece, `"`)
			if a := get(t, func(w http.ResponseWriter, r *http.Request) { ServeAsset(w, r, name) }); a.StatusCode != 200 {
				t.Errorf("%s asks for /assets/%s: %d", page, name, a.StatusCode)
			}
		}
		for _, piece := range strings.Split(html, "<script")[1:] {
			if !strings.Contains(piece[:strings.Index(piece, ">")], "src=") {
				t.Errorf("%s has an inline script, which the policy forbids", page)
			}
		}
	}
	res := get(t, func(w http.ResponseWriter, r *http.Request) { ServeAsset(w, r, "weir-player.js") })
	if res.StatusCode != 200 {
		t.Errorf("weir-player.js: %d", res.StatusCode)
	}
}
