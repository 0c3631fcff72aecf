package deliver

import (
	"encoding/json"
	"net/http"

	"weir/internal/fault"
)

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

// problem is the body of RFC 9457 with Weir's code and remedy.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     string `json:"code"`
	Remedy   string `json:"remedy,omitempty"`
	Instance string `json:"instance"`
}

// WriteFault answers with application/problem+json. No cache keeps it: what is missing now may be there in a second.
func WriteFault(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	status := Status(f)
	h := w.Header()
	openToAll(h)
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	h.Del("Content-Range")
	h.Del("ETag")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if f.Kind == fault.Unavailable || f.Kind == fault.TooMany {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// The query may hold a key and stays out of the body.
	_ = json.NewEncoder(w).Encode(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: f.Message, Code: f.Code, Remedy: f.Remedy, Instance: r.URL.Path,
	})
}
