// Package httpstream is the gateway that plays live streams as one endless HTTP response: FLV, MPEG-TS and fragmented
// MP4, and FLV over WebSocket. What belongs here: the request, the lane's encoder, and handing the connection to fan.
// What does not: the bytes of the containers (format), who may watch (control/session), segments (deliver).
package httpstream

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"weir/internal/control/session"
	"weir/internal/fan"
	"weir/internal/fault"
	"weir/internal/hub"
	"weir/internal/problem"
)

// Config of the gateway. Zero values get the defaults.
type Config struct {
	Profile fan.Profile
	Wait    time.Duration // how long a viewer waits for a stream that is not there (default 3 s)
	Stall   time.Duration // a viewer behind TLS that takes nothing for so long is let go (default 15 s)
}

// Server plays streams over HTTP.
type Server struct {
	cfg   atomic.Pointer[Config]
	hub   *hub.Hub
	fan   *fan.Fan
	door  *session.Door
	log   *slog.Logger
	count struct{ opened, refused atomic.Uint64 }
}

// New returns the gateway.
func New(cfg Config, h *hub.Hub, f *fan.Fan, d *session.Door, log *slog.Logger) *Server {
	s := &Server{hub: h, fan: f, door: d, log: log}
	s.SetConfig(cfg)
	return s
}

// SetConfig replaces the configuration: Profile and Wait for viewers who come from then on.
func (s *Server) SetConfig(c Config) {
	c.Wait, c.Stall = cmp.Or(c.Wait, 3*time.Second), cmp.Or(c.Stall, 15*time.Second)
	s.cfg.Store(&c)
}

func (s *Server) config() *Config { return s.cfg.Load() }

// Stats are totals since the start.
type Stats struct{ Opened, Refused uint64 }

// Stats returns the totals.
func (s *Server) Stats() Stats {
	return Stats{Opened: s.count.opened.Load(), Refused: s.count.refused.Load()}
}

// ServeStream answers a request for a stream in the container ext: "flv", "ts" or "mp4".
func (s *Server) ServeStream(w http.ResponseWriter, r *http.Request, name, ext string) {
	openToAll(w.Header())
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		preflight(w.Header())
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", methods) // RFC 9110 15.5.6: 405 comes with it
	}
	if err := s.serve(w, r, name, ext); err != nil {
		s.count.refused.Add(1)
		problem.Write(w, r, err)
	}
}

// openToAll lets pages of other sites play: a stream that must not be seen is protected by its key.
func openToAll(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "*")
}

const methods = "GET, HEAD, OPTIONS"

// preflight answers what a page asks before a request with headers of its own, such as mpegts.js is configured to send.
func preflight(h http.Header) {
	h.Set("Allow", methods)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "*, Authorization") // * leaves this one out (Fetch, 4.9)
	h.Set("Access-Control-Max-Age", "86400")
}

// serve returns an error only while it can still be answered with a status.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, name, ext string) error {
	form, ok := forms[ext]
	if !ok {
		return fault.New(fault.NotFound, "form_unknown", "There is no stream."+ext+".", "Use stream.flv, stream.ts or stream.mp4.")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return fault.New(fault.Unsupported, "method_not_allowed", "A stream is read with GET.", "")
	}
	profile, err := s.profile(r)
	if err != nil {
		return err
	}
	socket := ext == "flv" && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	if r.Method == http.MethodHead {
		return s.head(w, name, form)
	}
	ses, err := s.door.Open(r.Context(), s.request(r, name, form, socket))
	if err != nil {
		return err
	}
	v := form.variant(r.URL.Query())
	lane, err := s.hub.Lane(r.Context(), ses.Name(), hub.LaneKey{Format: ext, Variant: v.key}, hub.Want{Tracks: v.tracks, Wait: s.config().Wait, Patient: true}, v.encoder)
	if err != nil {
		ses.Close(err)
		return err
	}
	defer lane.Close()
	if err := lane.Err(); err != nil {
		ses.Close(err)
		return err
	}
	s.count.opened.Add(1)
	p := play{server: s, session: ses, lane: lane, opt: fan.Options{Profile: profile, Sent: ses.Out}}
	switch {
	case socket:
		err = p.socket(w, r)
	case r.TLS == nil && r.ProtoMajor == 1:
		err = p.bare(w, form.mime)
	default:
		err = p.response(w, r, form.mime)
	}
	ses.Close(err)
	if err != nil && !gone(err) {
		s.log.Debug("viewer ended", "stream", name, "form", ext, "remote", r.RemoteAddr, "error", err)
	}
	return nil
}

func gone(err error) bool { return fault.Code(err) == "internal" } // the viewer closed its connection: everyday life

func (s *Server) profile(r *http.Request) (fan.Profile, error) {
	if p := r.URL.Query().Get("profile"); p != "" {
		return fan.ParseProfile(p)
	}
	return s.config().Profile, nil
}

func (s *Server) request(r *http.Request, name string, form form, socket bool) session.Request {
	protocol := form.protocol
	if socket {
		protocol = "ws-flv"
	}
	app, _, _ := strings.Cut(name, "/")
	return session.Request{
		Action: session.Play, Protocol: protocol, Name: name, Remote: s.client(r), Secure: r.TLS != nil,
		Query: r.URL.Query(), Args: r.URL.RawQuery, App: app, PageURL: r.Referer(), UserAgent: r.UserAgent(),
	}
}

// head answers what a GET would begin with.
func (s *Server) head(w http.ResponseWriter, name string, form form) error {
	if s.hub.Stream(name) == nil {
		return fault.New(fault.NotFound, "stream_unknown", "Nothing is published as "+name+".", "Start the encoder, or check the name in the address.")
	}
	w.Header().Set("Content-Type", form.mime)
	w.Header().Set("Cache-Control", "no-store")
	return nil
}

// play is one viewer's hold on a lane.
type play struct {
	server  *Server
	session *session.Session
	lane    *hub.Lane
	opt     fan.Options
}

// bare takes the connection from net/http and gives it to a shard: nothing but shared bytes is written any more.
func (p *play) bare(w http.ResponseWriter, mime string) error {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return fault.New(fault.Internal, "connection_odd", "The connection is no TCP connection.", "")
	}
	_ = tcp.SetDeadline(time.Time{}) // net/http's own limits were for the request
	head := "HTTP/1.1 200 OK\r\nContent-Type: " + mime + "\r\nCache-Control: no-store\r\nConnection: close\r\n" +
		"Access-Control-Allow-Origin: *\r\nX-Content-Type-Options: nosniff\r\n" + hub.ViaHeader + ": " + p.lane.Stream().Via() + "\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		return err
	}
	stop := context.AfterFunc(p.session.Context(), func() { _ = conn.Close() })
	defer stop()
	p.opt.Ended = func(error) { _ = conn.Close() }
	viewer, err := p.server.fan.Attach(tcp, p.lane, p.opt)
	if err != nil {
		return err
	}
	defer viewer.Close()
	var void [512]byte // a viewer has nothing to say; reading notices that it has gone
	for {
		if _, err = conn.Read(void[:]); err != nil {
			break
		}
	}
	if cause := context.Cause(p.session.Context()); cause != nil {
		return cause
	}
	if ended := viewer.Err(); ended != nil && ended != io.EOF { //nolint:errorlint // set by fan as it is
		return ended
	}
	return nil
}

// response writes through net/http, for TLS and HTTP/2.
func (p *play) response(w http.ResponseWriter, r *http.Request, mime string) error {
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(hub.ViaHeader, p.lane.Stream().Via())
	ctx, cancel := merge(r.Context(), p.session.Context())
	defer cancel()
	hurry := func() error { return rc.SetWriteDeadline(time.Now().Add(p.server.config().Stall)) }
	defer func() { _ = hurry() }() // net/http still has the end of the response to write
	// While nothing is written there is no deadline: HTTP/2 resets a stream whose deadline passes, whatever it does.
	rest := func() error { return rc.SetWriteDeadline(time.Time{}) }
	if err := rest(); err != nil {
		return err
	}
	return p.server.fan.Copy(ctx, p.lane, p.opt, func(bufs [][]byte) error {
		if err := hurry(); err != nil {
			return err
		}
		for _, b := range bufs {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		if err := rc.Flush(); err != nil {
			return err
		}
		return rest()
	})
}

// socket writes each flush as one binary WebSocket message.
func (p *play) socket(w http.ResponseWriter, r *http.Request) error {
	taken := &taking{ResponseWriter: w}
	ws, err := websocket.Accept(taken, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // playback is open to pages of other sites
	if err != nil {
		return nil // Accept has answered
	}
	ctx, cancel := merge(r.Context(), p.session.Context())
	// A viewer has nothing to say; reading answers its pings and notices that it has gone.
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		defer cancel()
		_, _, _ = ws.Reader(r.Context())
	}()
	defer func() {
		_ = taken.conn.Close()
		_ = ws.CloseNow()
		<-heard
	}()
	err = p.server.fan.Copy(ctx, p.lane, p.opt, func(bufs [][]byte) error {
		wctx, done := context.WithTimeout(ctx, p.server.config().Stall)
		defer done()
		m, err := ws.Writer(wctx, websocket.MessageBinary)
		if err != nil {
			return err
		}
		for _, b := range bufs {
			if _, err := m.Write(b); err != nil {
				return err
			}
		}
		return m.Close()
	})
	reason := "the stream has ended"
	if err != nil {
		reason = fault.Of(err).Message
	}
	// The closing handshake reads what the peer has announced to the end, however long it says that is.
	_ = taken.conn.SetReadDeadline(time.Now().Add(farewell))
	_ = ws.Close(websocket.StatusNormalClosure, reason[:min(len(reason), 120)])
	return err
}

const farewell = 2 * time.Second // for a peer to answer that the connection is closed

// taking keeps hold of the connection that a handler takes over.
type taking struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (t *taking) Hijack() (conn net.Conn, rw *bufio.ReadWriter, err error) {
	t.conn, rw, err = http.NewResponseController(t.ResponseWriter).Hijack()
	return t.conn, rw, err
}

// merge ends with either context.
func merge(a, b context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(a)
	stop := context.AfterFunc(b, func() { cancel(context.Cause(b)) })
	return ctx, func() { stop(); cancel(nil) }
}
