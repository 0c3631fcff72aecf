package telemetry

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Middleware times the requests that next answers. The route is the pattern of the
// net/http mux that served the request, so that addresses do not become labels.
func (r *Registry) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		m := &meter{ResponseWriter: w}
		defer func() {
			if m.stream() {
				return
			}
			r.requests.WithLabelValues(method(req.Method), route(req.Pattern), m.class()).Observe(time.Since(start).Seconds())
		}()
		next.ServeHTTP(m, req)
	})
}

func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return m
	}
	return "other"
}

// route takes the method off a pattern, which has a label of its own.
func route(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		pattern = path
	}
	if pattern == "" {
		return "other"
	}
	return pattern
}

// meter notes the status of an answer. It hides nothing that the writer below can
// do: files still leave by sendfile, and connections can be taken over.
type meter struct {
	http.ResponseWriter
	status   int
	hijacked bool
}

func (m *meter) class() string {
	if m.status == 0 {
		return "200"
	}
	return strconv.Itoa(m.status)
}

// stream reports an answer that lasts as long as its reader stays.
func (m *meter) stream() bool {
	kind := m.Header().Get("Content-Type")
	return m.hijacked || m.status == http.StatusSwitchingProtocols || strings.HasPrefix(kind, "text/event-stream") || strings.HasPrefix(kind, "video/") && m.Header().Get("Content-Length") == ""
}

func (m *meter) WriteHeader(status int) {
	if m.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// ReadFrom lets the writer below use sendfile.
func (m *meter) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := m.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{m.ResponseWriter}, r)
}

// Flush sends what is buffered.
func (m *meter) Flush() { _ = http.NewResponseController(m.ResponseWriter).Flush() }

// Hijack takes the connection over.
func (m *meter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	m.hijacked = true
	return http.NewResponseController(m.ResponseWriter).Hijack()
}
