package session

import (
	"context"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/fault"
)

// Action is what a session does with a stream.
type Action string

// The actions.
const (
	Publish Action = "publish"
	Play    Action = "play"
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
	Details           map[string]string // what the gateway told with SetDetail; may be nil
}

// Session is one publisher or one viewer, from authorised to gone. Its methods may
// be called from any goroutine.
type Session struct {
	door     *Door
	id       string
	action   Action
	protocol string
	name     string
	remote   netip.AddrPort
	agent    string
	since    time.Time
	redirect string

	ctx    context.Context
	cancel context.CancelCauseFunc
	once   sync.Once

	in, out atomic.Int64

	mu      sync.Mutex
	details map[string]string
}

// ID names the session in the API.
func (s *Session) ID() string { return s.id }

// Name is the stream's name. It differs from the request's when a hook renamed it.
func (s *Session) Name() string { return s.name }

// Redirect is an rtmp:// address to which a hook sends this publisher's stream, or
// from which it has this viewer's stream pulled; "" when there is none.
func (s *Session) Redirect() string { return s.redirect }

// Context ends when the session is closed or kicked; context.Cause is then the
// fault that ended it. It descends from the context given to Open.
func (s *Session) Context() context.Context { return s.ctx }

// In counts n bytes received.
func (s *Session) In(n int) { s.in.Add(int64(n)) }

// Out counts n bytes sent.
func (s *Session) Out(n int) { s.out.Add(int64(n)) }

// SetDetail adds one of a few facts worth showing to people, such as a codec.
func (s *Session) SetDetail(k, v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.details == nil {
		s.details = make(map[string]string, 2)
	}
	if _, known := s.details[k]; known || len(s.details) < 8 {
		s.details[k] = v
	}
}

// Close ends the session. The first cause counts; nil means that the peer left.
// The gateway that opened a session closes it, also after a kick.
func (s *Session) Close(cause error) {
	s.once.Do(func() {
		if cause == nil {
			cause = fault.New(fault.Unavailable, "closed", "The session has ended.", "")
		}
		s.cancel(cause)
		s.door.remove(s)
	})
}
