// Package session is the one door: who may publish or play, how much, and when to
// stop, the same for every protocol. What belongs here: the order of the checks,
// the limits, the counting and ending of sessions, and the memory of who was
// refused. What does not: how keys and hooks answer (control/access, control/hook),
// what a stream is (hub) and anything of a wire.
package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"weir/internal/control/access"
	"weir/internal/fault"
	"weir/internal/streamname"
	"weir/internal/watch"
)

const (
	defaultIdle = 10 * time.Second
	maxKicked   = 1000
)

// rules is a Config made ready.
type rules struct {
	Config
	limiter *access.Limiter
}

// Door opens sessions. All methods are safe for concurrent use.
type Door struct {
	log     *slog.Logger
	rules   atomic.Pointer[rules]
	clients atomic.Uint64 // the last number that Number gave
	base    context.Context
	end     context.CancelCauseFunc

	mu       sync.Mutex
	closed   bool
	sessions map[string]*Session
	kicked   map[string]error // the latest kicked viewers without a connection, by ID
	tally    tally
	meter    meter
	timer    *time.Timer
	keysAt   time.Time      // when keys were last looked at; only the tick uses it
	ticking  sync.WaitGroup // the tick, and hooks that are being closed

	refusals refusals
	events   watch.List[Event]
}

// New returns a door. An invalid Config (see Validate) is an error of the program's
// caller: its rates that make no sense are left out. Close ends the door.
func New(c Config, log *slog.Logger) *Door {
	d := &Door{log: log, sessions: make(map[string]*Session), kicked: make(map[string]error), tally: newTally()}
	d.base, d.end = context.WithCancelCause(context.Background())
	d.SetConfig(c)
	return d
}

// SetConfig replaces limits, rates and rules. It ends no session.
func (d *Door) SetConfig(c Config) {
	c.Idle = cmp.Or(c.Idle, defaultIdle)
	if c.Policy == nil {
		c.Policy, _ = access.NewPolicy(access.Config{}) // nothing in it can be wrong
	}
	classes := c.Rates.classes()
	for class, r := range classes {
		if r.Validate() != nil {
			delete(classes, class)
		}
	}
	limiter, _ := access.NewLimiter(classes) // all are valid
	if old := d.rules.Load(); old != nil && old.Rates == c.Rates {
		limiter = old.limiter // a reload forgives nothing
	}
	if c.Keys != nil {
		c.Keys.OnRevoke(d.revoke)
	}
	old := d.rules.Swap(&rules{Config: c, limiter: limiter})
	d.mu.Lock()
	defer d.mu.Unlock()
	if old != nil && old.Hooks != nil && old.Hooks != c.Hooks && !d.closed {
		d.ticking.Go(old.Hooks.Close) // may take seconds: what was queued is still sent
	}
}

// Close ends all sessions and waits for the door's own work.
func (d *Door) Close() {
	stopping := fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	d.mu.Lock()
	d.closed = true
	if d.timer != nil && d.timer.Stop() {
		d.ticking.Done()
	}
	open := make([]*Session, 0, len(d.sessions))
	for _, s := range d.sessions {
		open = append(open, s)
	}
	d.mu.Unlock()
	for _, s := range open {
		s.Close(stopping)
	}
	d.end(stopping)
	d.ticking.Wait()
	if hooks := d.rules.Load().Hooks; hooks != nil {
		hooks.Close()
	}
	d.events.Close()
}

// Connect is asked at an RTMP connect, before a stream is named: address rules, the
// rate of connections and the on_connect hook.
func (d *Door) Connect(ctx context.Context, r Request) error {
	rules := d.rules.Load()
	if err := d.connect(ctx, rules, &r); err != nil {
		return d.refuse(&r, err)
	}
	return nil
}

func (d *Door) connect(ctx context.Context, rules *rules, r *Request) error {
	if r.Internal {
		return nil
	}
	r.Remote = unmapped(r.Remote)
	addr := r.Remote.Addr()
	publish, play := rules.Policy.Address(addr, string(Publish)), rules.Policy.Address(addr, string(Play))
	if publish != nil && play != nil {
		return publish
	}
	if err := rules.rate(addr, rateConnect); err != nil {
		return err
	}
	return d.askConnect(ctx, rules, r)
}

// Number gives a client the number by which hooks know it, whatever it speaks.
func (d *Door) Number() string { return strconv.FormatUint(d.clients.Add(1), 10) }

// Open lets somebody publish or play, or refuses with a fault whose message is for
// them. The checks come in this order: the name, the address, the rates, the limits,
// then who decides (see judge). ctx is asked about while hooks and keys are; the
// session's context descends from it.
func (d *Door) Open(ctx context.Context, r Request) (*Session, error) {
	rules := d.rules.Load()
	s, err := d.open(ctx, ctx, rules, &r)
	if err != nil {
		return nil, d.refuse(&r, err)
	}
	return s, nil
}

func (d *Door) open(ctx, parent context.Context, rules *rules, r *Request) (*Session, error) {
	if r.Action != Publish && r.Action != Play {
		return nil, fault.New(fault.Internal, "action_unknown", fmt.Sprintf("There is no action %.20q.", string(r.Action)), "")
	}
	if err := streamname.Check(r.Name); err != nil {
		return nil, err
	}
	r.Remote = unmapped(r.Remote)
	if r.ClientID == "" {
		r.ClientID = d.Number()
	}
	s := &Session{
		door: d, id: ulid.MustNew(ulid.Now(), rand.Reader).String(), action: r.Action, protocol: r.Protocol, asked: r.Name, name: r.Name,
		remote: r.Remote, agent: clip(cmp.Or(r.UserAgent, r.Flashver)), since: time.Now(), internal: r.Internal,
	}
	if !r.Internal {
		if err := d.check(rules, s); err != nil {
			return nil, err
		}
		if err := d.judge(ctx, rules, r, s); err != nil {
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancelCause(parent)
	if err := d.add(rules, s); err != nil {
		s.cancel(err)
		return nil, err
	}
	if d.events.Some() {
		d.events.Tell(Event{Type: Opened, Info: s.info()})
	}
	return s, nil
}

// check is what can be said without asking anybody.
func (d *Door) check(rules *rules, s *Session) error {
	addr := s.remote.Addr()
	if err := rules.Policy.Address(addr, string(s.action)); err != nil {
		return err
	}
	class := ratePlay
	if s.action == Publish {
		class = ratePublish
	}
	if err := rules.rate(addr, class); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fits(rules.Limits, s) // asked again by add; here it spares the hook a call about nothing
}

func (r *rules) rate(addr netip.Addr, class string) error {
	if exempt(addr) {
		return nil
	}
	if ok, wait := r.limiter.Allow(addr, class); !ok {
		return limited(wait)
	}
	return nil
}

func exempt(addr netip.Addr) bool { return addr.Unmap().IsLoopback() }

func limited(wait time.Duration) error {
	return fault.New(fault.TooMany, "rate_limited", "There were too many attempts from this address.", fmt.Sprintf("Try again in %d seconds.", int(wait.Seconds())+1))
}

// add enters a session in the books, or refuses it over a limit.
func (d *Door) add(rules *rules, s *Session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Try again in a moment.")
	}
	if !s.internal {
		if err := d.fits(rules.Limits, s); err != nil {
			return err
		}
	}
	d.sessions[s.id] = s
	d.tally.add(s, 1)
	d.scheduleLocked()
	return nil
}

// remove is called once, by Close.
func (d *Door) remove(s *Session, cause error) {
	d.mu.Lock()
	if d.sessions[s.id] != s {
		d.mu.Unlock()
		return
	}
	delete(d.sessions, s.id)
	d.tally.add(s, -1)
	d.meter.leave(s)
	d.mu.Unlock()
	d.tellDone(s)
	if d.events.Some() {
		d.events.Tell(Event{Type: Closed, Info: s.info(), Cause: cause})
	}
}

// Sessions lists the sessions that the filter accepts (nil: all), the oldest first.
func (d *Door) Sessions(filter func(Info) bool) []Info {
	var list []Info
	for _, s := range d.all() {
		if info := s.info(); filter == nil || filter(info) {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID)) })
	return list
}

func (d *Door) all() []*Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*Session, 0, len(d.sessions))
	for _, s := range d.sessions {
		list = append(list, s)
	}
	return list
}

// Kick ends a session and reports whether there was one. cause is what the peer is
// told; nil says that the owner ended it.
func (d *Door) Kick(id string, cause error) bool {
	d.mu.Lock()
	s := d.sessions[id]
	if s == nil {
		d.mu.Unlock()
		return false
	}
	if cause == nil {
		cause = fault.New(fault.Forbidden, "kicked", "The session was ended by the server's owner.", "")
	}
	if !s.watch.touched.IsZero() {
		d.banLocked(id, cause)
	}
	d.mu.Unlock()
	s.Close(cause)
	return true
}

// banLocked keeps a kicked viewer from coming back by its next request; of too many
// kicked ones any is forgotten.
func (d *Door) banLocked(id string, cause error) {
	if len(d.kicked) >= maxKicked {
		for some := range d.kicked {
			delete(d.kicked, some)
			break
		}
	}
	d.kicked[id] = cause
}

// revoke ends the sessions that were opened with a key.
func (d *Door) revoke(keyID string) {
	for _, s := range d.all() {
		if s.grant.KeyID == keyID {
			s.Close(revoked(s.grant.KeyName))
		}
	}
}

func revoked(name string) error {
	return fault.New(fault.Forbidden, "key_revoked", fmt.Sprintf("The key %q was rotated or deleted.", name), "Copy the present key from the console.")
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// clip keeps what a stranger says of itself short.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
