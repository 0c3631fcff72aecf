// Package problem answers HTTP requests with faults: RFC 9457 problem documents that carry Weir's code and
// remedy. What belongs here: the status of each kind of fault and the body. What does not: headers of a
// protocol (CORS, caching of media), which the caller sets before.
package problem

import (
	"encoding/json"
	"net/http"

	"weir/internal/fault"
)

// ContentType is the media type of a problem document.
const ContentType = "application/problem+json"

// Document is the body of RFC 9457 with Weir's code and remedy.
type Document struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     string `json:"code"`
	Remedy   string `json:"remedy,omitempty"`
	Instance string `json:"instance,omitempty"`
}

// Status is the HTTP status of a fault.
func Status(f *fault.Error) int {
	if f.Code == "method_not_allowed" {
		return http.StatusMethodNotAllowed
	}
	switch f.Kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.TooMany:
		return http.StatusTooManyRequests
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Write answers r with err. No cache keeps it: what is missing now may be there in a second.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	WriteStatus(w, r, Status(f), f)
}

// WriteStatus is Write with a status that the protocol prescribes.
func WriteStatus(w http.ResponseWriter, r *http.Request, status int, f *fault.Error) {
	h := w.Header()
	for _, k := range [...]string{"Content-Length", "Content-Encoding", "Content-Range", "ETag"} {
		h.Del(k)
	}
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="weir"`) // RFC 9110, section 15.5.2 wants one
	}
	if f.Kind == fault.Unavailable || f.Kind == fault.TooMany {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// The query may hold a key and stays out of the body. A failed write means that the peer has gone.
	_ = json.NewEncoder(w).Encode(Document{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: f.Message, Code: f.Code, Remedy: f.Remedy, Instance: r.URL.Path,
	})
}
