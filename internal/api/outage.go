package api

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// hookProbe is the shortest pause between two attempts to reach a receiver that is away when something new happens.
const hookProbe = 30 * time.Second

// outage is how long a receiver has been away, and when it is tried again. The zero value: it is there.
type outage struct {
	failures int       // attempts as planned that failed in a row
	last     time.Time // the latest attempt
	planned  time.Time // the next one; zero: the receiver is there
	floor    time.Time // not before, by the receiver's own word
	news     bool      // something has happened since the latest attempt, which is then made earlier
}

// away reports whether an answer (0: none) says that the receiver as a whole cannot be reached, so that the events behind
// this one need not be tried, and keep their order. Any other answer is about this one event.
func away(status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// note plans the next attempt after one that failed.
func (o *outage) note(now time.Time, backoff []time.Duration, retryAfter time.Duration) {
	if !now.Before(o.planned) {
		o.planned = now.Add(spread(backoff[min(o.failures, len(backoff)-1)]))
		o.failures++
	}
	o.last, o.floor = now, now.Add(retryAfter)
}

func (o *outage) over() { *o = outage{news: o.news} }

// until is when the receiver is tried again, zero if it is there.
func (o *outage) until() time.Time {
	if o.planned.IsZero() {
		return time.Time{}
	}
	at := o.planned
	if probe := o.last.Add(hookProbe); o.news && probe.Before(at) {
		at = probe
	}
	return later(at, o.floor)
}

// spread makes a pause up to a fifth longer, so that what failed together does not return together.
func spread(d time.Duration) time.Duration { return d + rand.N(d/5+1) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
