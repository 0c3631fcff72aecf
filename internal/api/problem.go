package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"weir/internal/fault"
	"weir/internal/problem"
)

// Problem is the body of every error (RFC 9457), with Weir's code and remedy.
type Problem struct {
	Type     string        `json:"type" example:"about:blank"`
	Title    string        `json:"title" doc:"The HTTP status in words"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail" doc:"What happened and why, one sentence"`
	Code     string        `json:"code" doc:"Stable name of the error for programs" example:"key_wrong"`
	Remedy   string        `json:"remedy" doc:"What to do about it, one sentence; may be empty"`
	Instance string        `json:"instance,omitempty" doc:"The path that was asked for"`
	Errors   []FieldDetail `json:"errors,omitempty" nullable:"false" doc:"What is wrong with the request, field by field"`

	retryAfter int
}

// FieldDetail is what is wrong with one field of a request.
type FieldDetail struct {
	Location string `json:"location" example:"body.name"`
	Message  string `json:"message"`
}

// Error, GetStatus, GetHeaders and ContentType are what huma asks of an error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are the headers beside the body.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="weir"`) // RFC 9110, section 15.5.2 wants one
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	return h
}

// ContentType is that of RFC 9457.
func (p *Problem) ContentType(string) string { return problem.ContentType }

func statusOf(f *fault.Error) int {
	switch {
	case f.Code == "not_offered":
		return http.StatusNotImplemented
	case f.Kind == fault.Unsupported && f.Code != "method_not_allowed":
		return http.StatusUnprocessableEntity // the request's form is right, so it is no matter of media types
	}
	return problem.Status(f)
}

func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	f := fault.Of(err)
	p = &Problem{Type: "about:blank", Status: statusOf(f), Detail: f.Message, Code: f.Code, Remedy: f.Remedy}
	p.Title = http.StatusText(p.Status)
	if f.Kind == fault.Unavailable || f.Kind == fault.TooMany {
		p.retryAfter = 1
	}
	return p
}

// fromHuma turns what huma found wrong with a request into the same shape.
func fromHuma(e *huma.ErrorModel) *Problem {
	p := &Problem{Type: "about:blank", Title: http.StatusText(e.Status), Status: e.Status, Detail: "The request is not valid.", Code: "request_invalid",
		Remedy: "The shape of each request is described in /api/openapi.json."}
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		p.Code, p.Detail, p.Remedy = "body_too_large", fmt.Sprintf("The request's body is larger than %d bytes.", maxBody), "Send less."
	case http.StatusUnsupportedMediaType:
		p.Code, p.Detail, p.Remedy = "content_type_unknown", "The request's body is not JSON.", "Send Content-Type: application/json."
	case http.StatusRequestTimeout:
		p.Code, p.Detail, p.Remedy = "body_too_slow", "The request's body did not come in time.", "Send it again."
	case http.StatusInternalServerError:
		p.Code, p.Detail, p.Remedy = "internal", "Something failed inside the server.", "The log has the details."
		return p
	}
	for _, d := range e.Errors {
		// The value is left out: it may be a password.
		p.Errors = append(p.Errors, FieldDetail{Location: d.Location, Message: d.Message})
	}
	if len(p.Errors) > 0 && p.Code == "request_invalid" {
		p.Detail = fmt.Sprintf("The request is not valid: %s: %s.", p.Errors[0].Location, p.Errors[0].Message)
	} else if p.Code == "request_invalid" && e.Detail != "" {
		p.Detail = fmt.Sprintf("The request is not valid: %s.", e.Detail)
	}
	return p
}

// transform gives every error its path, and huma's own ones their shape.
func transform(ctx huma.Context, _ string, v any) (any, error) {
	if e, ok := v.(*huma.ErrorModel); ok {
		v = fromHuma(e)
	}
	if p, ok := v.(*Problem); ok {
		located := *p
		u := ctx.URL()
		located.Instance = u.EscapedPath() // the query may hold a secret
		return &located, nil
	}
	return v, nil
}

// writeProblem answers where huma is not.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := *problemOf(err)
	p.Instance = r.URL.EscapedPath()
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(p)
	}
}
