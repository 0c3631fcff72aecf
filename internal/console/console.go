// Package console holds the built web interface inside the binary and hands its
// files out over HTTP: compressed as the reader likes, cached for ever where the
// name carries a hash, never cached where it does not.
//
// What belongs here: the embedded files and how they are served. What does not:
// routes, sessions, and any data the pages show; those are the API's.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// Pages that ServePage knows.
const (
	Console = "console"
	Watch   = "watch"
	Embed   = "embed"
)

const (
	stubFile = "stub.html"
	// hashedDir is where the build puts every file whose name carries a hash of
	// its bytes; such a name never means anything else, so it may be kept for ever.
	hashedDir = "assets/h/"
)

// FS returns the built interface: console.html, watch.html, embed.html and assets/.
// Where the interface was not built it holds only stub.html.
func FS() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil { // "dist" is a valid path, so this cannot be
		panic(err)
	}
	return sub
}

// Built reports whether the interface was built before this binary was.
func Built() bool { return server{FS()}.has(Console + ".html") }

// ServeAsset answers with the asset at name, which is the path below /assets/
// ("h/console-1a2b.js"). A name that does not exist is a plain 404.
func ServeAsset(w http.ResponseWriter, r *http.Request, name string) {
	server{FS()}.asset(w, r, name)
}

// ServePage answers with the page of that entry (Console, Watch, Embed), or, where
// the interface was not built, with a page that says so.
func ServePage(w http.ResponseWriter, r *http.Request, entry string) {
	server{FS()}.page(w, r, entry)
}

// server is separate from the embedded files so that the tests can bring their own.
type server struct{ files fs.FS }

func (s server) has(name string) bool {
	info, err := fs.Stat(s.files, name)
	return err == nil && info.Mode().IsRegular()
}

func (s server) asset(w http.ResponseWriter, r *http.Request, name string) {
	name = "assets/" + strings.TrimPrefix(strings.TrimPrefix(name, "/"), "assets/")
	if !fs.ValidPath(name) || !s.has(name) || encoded(name) {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	// The player is a script for other people's pages too, and module scripts are
	// fetched with CORS.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	cache := "no-cache"
	if strings.HasPrefix(name, hashedDir) {
		cache = "public, max-age=31536000, immutable"
	}
	h.Set("Cache-Control", cache)
	s.send(w, r, name)
}

func (s server) page(w http.ResponseWriter, r *http.Request, entry string) {
	name := entry + ".html"
	h := w.Header()
	h.Set("Content-Security-Policy", policy(entry))
	if !s.has(name) || entry+".html" == stubFile {
		name = stubFile
	}
	if entry != Embed {
		h.Set("X-Frame-Options", "SAMEORIGIN")
	}
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("Cache-Control", "no-cache")
	s.send(w, r, name)
}

// policy is the Content-Security-Policy of a page. Media Source hands the video
// element a blob: address and mpegts.js may start its worker from one. Inline
// styles stay allowed because the component library sets them; scripts do not.
func policy(entry string) string {
	ancestors := "'self'"
	if entry == Embed {
		ancestors = "*"
	}
	return strings.Join([]string{
		"default-src 'self'",
		"script-src 'self'",
		"style-src 'self' 'unsafe-inline'",
		"img-src 'self' data: blob:",
		"font-src 'self' data:",
		"media-src 'self' blob:",
		"worker-src 'self' blob:",
		"connect-src 'self' ws: wss:",
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors " + ancestors,
	}, "; ")
}

// send writes the file, from its compressed twin where there is one the reader accepts.
func (s server) send(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	body, encoding, err := s.pick(name, r.Header.Get("Accept-Encoding"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h.Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = bytes.NewReader(body).WriteTo(w) // the reader went away: nothing to tell anyone
}

// pick reads the smallest form of name that accept allows.
func (s server) pick(name, accept string) (body []byte, encoding string, err error) {
	for _, e := range [...]struct{ token, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !accepts(accept, e.token) {
			continue
		}
		if body, err = fs.ReadFile(s.files, name+e.suffix); err == nil {
			return body, e.token, nil
		}
	}
	body, err = fs.ReadFile(s.files, name)
	return body, "", err
}

// accepts reports whether an Accept-Encoding field (RFC 9110, section 12.5.3) allows
// the coding. A field that is absent allows only the plain form here, since a
// client that says nothing is often one that cannot decompress.
func accepts(field, coding string) bool {
	star := false
	for part := range strings.SplitSeq(field, ",") {
		token, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		allowed := !zeroWeight(params)
		switch strings.ToLower(strings.TrimSpace(token)) {
		case coding:
			return allowed
		case "*":
			star = allowed
		}
	}
	return star
}

// zeroWeight reports whether the parameters say q=0, which forbids the coding.
func zeroWeight(params string) bool {
	name, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return false
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return err == nil && q == 0
}

// matches implements If-None-Match by weak comparison (RFC 9110, section 13.1.2):
// a compressing proxy may have put W/ before our tag.
func matches(field, tag string) bool {
	for part := range strings.SplitSeq(field, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == tag || part == "*" {
			return true
		}
	}
	return false
}

func encoded(name string) bool {
	return strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz")
}

// contentType does not ask the machine's own table first: on a machine whose table
// calls .js text/plain, a browser would refuse every module.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".png":
		return "image/png"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}
