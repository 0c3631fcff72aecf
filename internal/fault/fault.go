// Package fault gives every error that a person may see a code, a sentence and
// a remedy. What belongs here: the error type and its kinds. What does not: the
// list of codes (each room names its own) and their translation (the UI's).
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is, so that each gateway can turn it
// into its own wire's answer (an HTTP status, an RTMP onStatus code, …).
type Kind uint8

// The kinds, from the caller's mistake to ours.
const (
	Internal     Kind = iota // our mistake; the message is safe to show, the cause is only logged
	Invalid                  // the request is malformed
	Unauthorized             // no or wrong credentials
	Forbidden                // known, and not allowed
	NotFound                 // no such thing
	Conflict                 // collides with what exists
	TooLarge                 // over a size limit
	TooMany                  // over a rate or count limit
	Unsupported              // understood, not offered
	Unavailable              // not now; trying again may help
)

// Error is an error with a stable code for machines, a sentence for people that
// names the cause, and a remedy that says what to do about it.
type Error struct {
	Kind    Kind
	Code    string // stable, snake_case, e.g. "key_wrong"
	Message string // what happened and why, one sentence
	Remedy  string // what to do, one sentence; may be empty
	Err     error  // the cause, for the log; may be nil
}

// New returns an error without a cause.
func New(kind Kind, code, message, remedy string) *Error {
	return &Error{Kind: kind, Code: code, Message: message, Remedy: remedy}
}

// Wrap returns an error that was caused by err.
func Wrap(err error, kind Kind, code, message, remedy string) *Error {
	return &Error{Kind: kind, Code: code, Message: message, Remedy: remedy, Err: err}
}

// Error gives the message, the remedy and the cause on one line.
func (e *Error) Error() string {
	s := e.Message
	if e.Remedy != "" {
		s += " " + e.Remedy
	}
	if e.Err != nil {
		s = fmt.Sprintf("%s (%v)", s, e.Err)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is a fault of the same code, so that sentinels work with errors.Is.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// Of returns the outermost fault in err's chain. Any other error comes back as
// an Internal fault with the code "internal" and err as its cause; nil stays nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return Wrap(err, Internal, "internal", "Something failed inside the server.", "The log has the details.")
}

// Code returns the code of err: "" for nil, "internal" for an error that is no fault.
func Code(err error) string {
	if err == nil {
		return ""
	}
	return Of(err).Code
}
