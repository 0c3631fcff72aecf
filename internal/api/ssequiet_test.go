package api

import (
	"net/http/httptest"
	"testing"
	"time"
)

// armed is a writer that knows its deadline.
type armed struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (a *armed) SetWriteDeadline(t time.Time) error { a.deadline = t; return nil }

// Between events nobody is in a hurry: HTTP/2 resets a stream whose deadline passes even though nothing is written.
func TestEventsHaveNoDeadlineBetweenThem(t *testing.T) {
	a := &armed{ResponseRecorder: httptest.NewRecorder()}
	w := newEventWriter(a)
	w.text(": hello\n\n")
	if a.deadline.IsZero() {
		t.Error("a reader may take as long as it likes")
	}
	w.flush()
	if !a.deadline.IsZero() {
		t.Errorf("the deadline %v stands between two events", a.deadline)
	}
}
