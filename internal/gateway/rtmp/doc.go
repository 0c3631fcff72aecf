// Package rtmp is the gateway between RTMP (and HTTP-FLV pulled from other
// servers) and the hub: a server for publishers and players, and clients that
// push to, pull from, publish to and play from other servers.
//
// What belongs here: sockets, deadlines, the order of a session's commands,
// and limits on strangers. What does not: the bytes of messages
// (format/rtmpmsg) and of tags (format/flv), who may do what
// (control/session), writing to many viewers (fan), and retries (pipeline).
package rtmp

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"weir/internal/control/session"
	"weir/internal/fan"
	"weir/internal/hub"
)

// Config sets a server's limits. Zero values get the defaults.
type Config struct {
	Profile    fan.Profile   // how often players are written to
	Handshake  time.Duration // for the handshake (10 s)
	Admission  time.Duration // from the handshake to publish or play (20 s)
	Idle       time.Duration // a publisher that sends nothing for so long is let go (30 s)
	PlayWait   time.Duration // how long a player waits for a missing stream (10 s)
	PendingIP  int           // connections per address that are not yet admitted (50); loopback has no limit of its own
	Pending    int           // the same over all addresses (2000)
	LegacyHEVC bool          // HEVC as codec id 12 for players that declare nothing, instead of a refusal
	TakeOver   bool          // a new publisher with a valid key replaces the one that is there

	// Redirect is run when a hook answers with an rtmp:// address: it pushes the published stream there, or
	// pulls the played one from there, until ctx ends with the session. nil: such answers are ignored.
	Redirect func(ctx context.Context, action session.Action, name, to string)
}

func (c Config) withDefaults() Config {
	duration := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	duration(&c.Handshake, 10*time.Second)
	duration(&c.Admission, 20*time.Second)
	duration(&c.Idle, 30*time.Second)
	duration(&c.PlayWait, 10*time.Second)
	if c.PendingIP == 0 {
		c.PendingIP = 50
	}
	if c.Pending == 0 {
		c.Pending = 2000
	}
	return c
}

// Server takes RTMP connections.
type Server struct {
	cfg     atomic.Pointer[Config]
	hub     *hub.Hub
	fan     *fan.Fan
	door    *session.Door
	log     *slog.Logger
	start   time.Time
	pending pending
	rounds  rounds
	count   counters
}

type counters struct {
	connections, publishers, players            atomic.Int64
	accepted, refused, broken, evicted, panics  atomic.Uint64
	bytesIn, messagesIn, damaged, acknowledging atomic.Uint64
}

// Stats are the server's figures: what is now, and totals since its start.
type Stats struct {
	Connections, Publishers, Players, Pending int64
	Accepted                                  uint64 // connections
	Refused                                   uint64 // by the door, the hub or a dialect
	Broken                                    uint64 // ended by bytes that are no RTMP
	Evicted                                   uint64 // half-open, to make room for newer ones
	Panics                                    uint64
	BytesIn, MessagesIn                       uint64
	Damaged                                   uint64 // frames that could not be used
}

// New returns a server; Serve runs it.
func New(cfg Config, h *hub.Hub, f *fan.Fan, d *session.Door, log *slog.Logger) *Server {
	s := &Server{hub: h, fan: f, door: d, log: log, start: time.Now()}
	s.SetConfig(cfg)
	return s
}

// SetConfig replaces the configuration for connections and sessions that begin from then on.
func (s *Server) SetConfig(c Config) {
	c = c.withDefaults()
	s.cfg.Store(&c)
}

func (s *Server) config() *Config { return s.cfg.Load() }

// Stats returns the figures.
func (s *Server) Stats() Stats {
	c := &s.count
	return Stats{
		Connections: c.connections.Load(), Publishers: c.publishers.Load(), Players: c.players.Load(), Pending: int64(s.pending.size()),
		Accepted: c.accepted.Load(), Refused: c.refused.Load(), Broken: c.broken.Load(), Evicted: c.evicted.Load(),
		Panics: c.panics.Load(), BytesIn: c.bytesIn.Load(), MessagesIn: c.messagesIn.Load(), Damaged: c.damaged.Load(),
	}
}

func (s *Server) uptime() uint32 { return uint32(time.Since(s.start).Milliseconds()) }

// remoteText is how an address is shown to people.
func remoteText(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}
