package session

import (
	"context"
	"maps"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/control/access"
	"weir/internal/control/hook"
	"weir/internal/fault"
)

// Action is what a session does with a stream.
type Action string

// The actions.
const (
	Publish Action = access.ActionPublish
	Play    Action = access.ActionPlay
)

// Request is what a gateway knows of somebody who asks to publish or to play.
type Request struct {
	Action   Action
	Protocol string         // "rtmp", "http-flv", "ws-flv", "http-ts", "http-fmp4", "hls", "dash", "whip", "whep", "push", "pull", "test"
	Name     string         // stream name, "live/show"
	Remote   netip.AddrPort // who asks, behind trusted proxies
	Secure   bool           // over TLS
	Key      string         // the stream or playback key as presented; empty: Query's "key"
	Query    url.Values     // what came after '?'

	App, TcURL, PageURL, SwfURL, Flashver string // as an RTMP connect has them; for hooks
	UserAgent                             string // the peer's software
	ClientID                              string // the connection's number, for hooks; empty: the door gives one

	Internal bool // the test source and the server's own pulls: no key and no hook is asked

	Args            string // what came after '?' as it was sent, for hooks; empty: Query, encoded
	Type            string // RTMP publish type, for hooks: "live", "record" or "append"
	Start, Duration int64  // RTMP play arguments in ms, for hooks
	Reset           bool   // RTMP play argument, for hooks
}

// Info describes a session for people.
type Info struct {
	ID, Protocol, Name, Remote, UserAgent, KeyName string

	Action            Action
	Since             time.Time
	BytesIn, BytesOut int64
	InBPS, OutBPS     int64             // over the last second
	Details           map[string]string // what the gateway told with SetDetail; may be nil
}

// Session is one publisher or one viewer, from authorised to gone. Its methods may
// be called from any goroutine.
type Session struct {
	door        *Door
	id          string
	asked, name string // before and after a hook's rename
	protocol    string
	agent       string
	action      Action
	remote      netip.AddrPort
	since       time.Time
	grant       access.Grant
	hooked      hooked
	internal    bool

	ctx    context.Context
	cancel context.CancelCauseFunc
	once   sync.Once

	in, out atomic.Int64
	watch   watched // guarded by the door's mutex

	mu      sync.Mutex
	details map[string]string
}

// hooked is what hooks know and want of a session.
type hooked struct {
	call     *hook.Call // nil: no hook wants to know of this session
	redirect string
	stamp    atomic.Uint32 // the stream's time in ms, for on_update
}

// ID names the session in the API. It cannot be guessed.
func (s *Session) ID() string { return s.id }

// Name is the stream's name. It differs from the request's when a hook renamed it.
func (s *Session) Name() string { return s.name }

// KeyName is the name of the key that let the session in; "" when none was asked.
func (s *Session) KeyName() string { return s.grant.KeyName }

// Redirect is an rtmp:// address to which a hook sends this publisher's stream, or
// from which it has this viewer's stream pulled; "" when there is none.
func (s *Session) Redirect() string { return s.hooked.redirect }

// Context ends when the session is closed or kicked; context.Cause is then the
// fault that ended it. It descends from the context given to Open.
func (s *Session) Context() context.Context { return s.ctx }

// In counts n bytes received.
func (s *Session) In(n int) { s.in.Add(int64(n)) }

// Out counts n bytes sent.
func (s *Session) Out(n int) { s.out.Add(int64(n)) }

// Stamp notes the stream's present time in ms, which on_update tells the receiver.
func (s *Session) Stamp(ms uint32) { s.hooked.stamp.Store(ms) }

// SetDetail adds one of a few facts worth showing to people, such as a codec.
func (s *Session) SetDetail(k, v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.details == nil {
		s.details = make(map[string]string, 2)
	}
	if _, known := s.details[k]; known || len(s.details) < 8 {
		s.details[k] = clip(v)
	}
}

// Close ends the session. The first cause counts; nil means that the peer left.
// The gateway that opened a session closes it, also after a kick; the door closes
// what it knows by Touch.
func (s *Session) Close(cause error) {
	s.once.Do(func() {
		ended := cause
		if ended == nil {
			ended = fault.New(fault.Unavailable, "closed", "The session has ended.", "")
		}
		s.cancel(ended)
		s.door.remove(s, cause)
	})
}

func (s *Session) info() Info {
	info := Info{
		ID: s.id, Action: s.action, Protocol: s.protocol, Name: s.name, Remote: s.remote.String(), UserAgent: s.agent,
		KeyName: s.grant.KeyName, Since: s.since, BytesIn: s.in.Load(), BytesOut: s.out.Load(),
		InBPS: s.watch.inBPS.Load(), OutBPS: s.watch.outBPS.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	info.Details = maps.Clone(s.details)
	return info
}
