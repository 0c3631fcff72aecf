package session

import (
	"slices"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/streamname"
)

const (
	attemptsPerName = 20
	attemptNames    = 1000
	refusalCodes    = 64
)

// Attempt is a refused attempt to publish. Attempts of one address for one reason in
// a row are one, with a Count.
type Attempt struct {
	At                          time.Time // of the latest
	Remote, Protocol, UserAgent string
	Code, Message, Remedy       string
	Count                       int
}

// refusals remembers refused publishers by stream name, for as many names as it may:
// the name longest without an attempt is forgotten first.
type refusals struct {
	mu     sync.Mutex
	byName map[string][]Attempt // the latest last
	byCode map[string]int64
}

// refuse counts and remembers a refusal, tells the watchers, and returns it as a fault.
func (d *Door) refuse(r *Request, err error) error {
	f := fault.Of(err)
	addr := r.Remote.Addr()
	if f.Code == "hook_refused" && !exempt(addr) {
		d.rules.Load().limiter.Allow(addr, rateRefused)
	}
	a := Attempt{
		At: time.Now(), Remote: r.Remote.String(), Protocol: r.Protocol, UserAgent: clip(r.UserAgent),
		Code: f.Code, Message: f.Message, Remedy: f.Remedy, Count: 1,
	}
	d.refusals.count(f.Code)
	if r.Action == Publish && streamname.Check(r.Name) == nil {
		a = d.refusals.keep(r.Name, a, addr.String())
	}
	d.events.Tell(Event{Type: Refused, Info: Info{Action: r.Action, Protocol: r.Protocol, Name: clip(r.Name), Remote: a.Remote, UserAgent: a.UserAgent}, Attempt: a})
	return f
}

func (x *refusals) count(code string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.byCode == nil {
		x.byCode = make(map[string]int64)
	}
	if _, known := x.byCode[code]; !known && len(x.byCode) >= refusalCodes {
		code = "other"
	}
	x.byCode[code]++
}

func (x *refusals) counts() map[string]int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	counts := make(map[string]int64, len(x.byCode))
	for code, n := range x.byCode {
		counts[code] = n
	}
	return counts
}

// keep stores an attempt and returns it with its count.
func (x *refusals) keep(name string, a Attempt, addr string) Attempt {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.byName == nil {
		x.byName = make(map[string][]Attempt)
	}
	list := x.byName[name]
	if list == nil && a.Code == "rate_limited" {
		return a // a flood of made-up names must not push out what somebody looks for
	}
	if list == nil && len(x.byName) >= attemptNames {
		x.forgetOldest()
	}
	if n := len(list); n > 0 && list[n-1].Code == a.Code && list[n-1].Protocol == a.Protocol && host(list[n-1].Remote) == addr {
		a.Count = list[n-1].Count + 1
		list[n-1] = a
		return a
	}
	if len(list) >= attemptsPerName {
		list = slices.Delete(list, 0, 1)
	}
	x.byName[name] = append(list, a)
	return a
}

func (x *refusals) forgetOldest() {
	oldest, at := "", time.Time{}
	for name, list := range x.byName {
		if last := list[len(list)-1].At; oldest == "" || last.Before(at) {
			oldest, at = name, last
		}
	}
	delete(x.byName, oldest)
}

// Attempts returns the refused attempts to publish a stream, the latest first.
func (d *Door) Attempts(name string) []Attempt {
	d.refusals.mu.Lock()
	defer d.refusals.mu.Unlock()
	list := slices.Clone(d.refusals.byName[name])
	slices.Reverse(list)
	return list
}
