package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/portholder"
)

// Gate is one listener, for people.
type Gate struct {
	Name    string // "http", "https", "rtmp", "rtmps", "webrtc"
	Address string // where it listens, with the real port
	Port    int    // 0 when it does not listen
	State   string // "on", "off" or "failed"
	Err     error
}

// Ready is what Run tells when everything listens.
type Ready struct {
	Gates     []Gate
	Addresses []Address
	DataDir   string
	Notices   []string // what is off, and why
	LoginPath string   // one-time sign-in, "" when the owner has a password
}

// gates owns the listeners and the goroutines that serve them.
type gates struct {
	log   *slog.Logger
	fatal chan error

	mu     sync.Mutex
	list   []Gate
	stops  []func()
	wg     sync.WaitGroup
	closed bool
}

func newGates(log *slog.Logger) *gates { return &gates{log: log, fatal: make(chan error, 1)} }

func (g *gates) failed(name, address string, err error) {
	g.mu.Lock()
	g.list = append(g.list, Gate{Name: name, Address: address, State: "failed", Err: err})
	g.mu.Unlock()
	g.log.Error("listener failed", "gateway", name, "address", address, "error", err)
}

func (g *gates) off(name string) {
	g.mu.Lock()
	g.list = append(g.list, Gate{Name: name, State: "off"})
	g.mu.Unlock()
}

func (g *gates) on(name string, addr net.Addr) {
	gate := Gate{Name: name, Address: addr.String(), State: "on"}
	switch a := addr.(type) {
	case *net.TCPAddr:
		gate.Port = a.Port
	case *net.UDPAddr:
		gate.Port = a.Port
	}
	g.mu.Lock()
	g.list = append(g.list, gate)
	g.mu.Unlock()
}

func (g *gates) all() []Gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Gate(nil), g.list...)
}

// port returns the port of a gate that is on, else 0.
func (g *gates) port(name string) int {
	for _, gate := range g.all() {
		if gate.Name == name {
			return gate.Port
		}
	}
	return 0
}

// off reports whether a listen address switches its gateway off.
func off(address string) bool { return address == "" || address == "off" }

// open listens and serves in a goroutine of its own. A port that is taken is reported and leaves the other gates alone.
func (g *gates) open(ctx context.Context, name, address string, conf *tls.Config, serve func(net.Listener) error, stop func()) {
	if off(address) {
		g.off(name)
		return
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		g.failed(name, address, portTaken(name, address, err))
		return
	}
	g.on(name, ln.Addr())
	if conf != nil {
		ln = tls.NewListener(ln, conf)
	}
	g.mu.Lock()
	g.stops = append(g.stops, stop)
	g.mu.Unlock()
	g.wg.Go(func() {
		err := serve(ln)
		g.mu.Lock()
		closing := g.closed
		g.mu.Unlock()
		if err != nil && !closing && !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			g.log.Error("listener ended", "gateway", name, "error", err)
			select {
			case g.fatal <- fmt.Errorf("%s: %w", name, err):
			default:
			}
		}
	})
}

func portTaken(name, address string, err error) error {
	_, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return fault.Wrap(err, fault.Invalid, "address_bad", "The address "+address+" for "+name+" cannot be listened on.", "Write it as :PORT or ADDRESS:PORT.")
	}
	who := ""
	if holder := portholder.Name("tcp", port); holder != "" {
		who = " " + holder + " holds it."
	}
	return fault.Wrap(err, fault.Conflict, "port_taken", "Port "+port+" for "+name+" cannot be opened."+who,
		"Stop that program, or choose another port with --"+name+".listen.")
}

// close stops all gates and waits for them.
func (g *gates) close() {
	g.mu.Lock()
	g.closed = true
	stops := g.stops
	g.mu.Unlock()
	for i := len(stops) - 1; i >= 0; i-- {
		stops[i]()
	}
	g.wg.Wait()
}

// openGates starts every listener of the configuration. It fails only when none could be opened.
func (s *Server) openGates(ctx context.Context) error {
	base := context.WithoutCancel(ctx)
	web := s.webServer(base)
	shutdown := func() {
		limit, cancel := context.WithTimeout(base, 2*time.Second)
		defer cancel()
		if web.Shutdown(limit) != nil {
			_ = web.Close() // long responses (live streams) have had their chance
		}
	}
	conf, err := s.tlsConfig()
	if err != nil {
		return err
	}
	s.gates.open(ctx, "http", s.cfg.HTTP.Listen, nil, web.Serve, shutdown)
	webTLS, rtmpTLS := conf.Clone(), conf
	webTLS.NextProtos = []string{"h2", "http/1.1"}
	s.gates.open(ctx, "https", s.cfg.HTTP.TLSListen, webTLS, web.Serve, func() {})
	s.openRTMP(ctx, "rtmp", s.cfg.RTMP.Listen, nil)
	s.openRTMP(ctx, "rtmps", s.cfg.RTMP.TLSListen, rtmpTLS)
	if s.webrtc != nil {
		udp, tcp := s.webrtc.Ports()
		host, _, _ := net.SplitHostPort(s.cfg.WebRTC.Listen) // it listens, so the address is well formed
		ip := net.ParseIP(host)
		if ip == nil {
			ip = net.IPv6unspecified
		}
		s.gates.on("webrtc", &net.UDPAddr{IP: ip, Port: max(udp, tcp)})
	} else if off(s.cfg.WebRTC.Listen) {
		s.gates.off("webrtc")
	}
	for _, g := range s.gates.all() {
		if g.State == "on" {
			return nil
		}
	}
	return fault.New(fault.Unavailable, "nothing_listens", "None of the ports could be opened.", "The lines above say which program holds each of them.")
}

func (s *Server) openRTMP(ctx context.Context, name, address string, conf *tls.Config) {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.gates.open(ctx, name, address, conf, func(ln net.Listener) error { return ignoreCanceled(s.rtmp.Serve(life, ln)) }, stop)
	if off(address) {
		stop()
	}
}

// How long a browser may take to send what belongs to its request, and to take its answer. Endless answers and large files
// renew the latter while they get on.
const (
	requestTime = 30 * time.Second
	answerTime  = 2 * time.Minute
)

func (s *Server) webServer(base context.Context) *http.Server {
	web := &http.Server{
		Handler:           timely(s.handler, requestTime),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      answerTime,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	s.crowd.attach(web)
	return web
}

// timely gives the body of a request a time to arrive in, read or not: net/http waits for one that nobody reads before it
// takes the next request. (Server.ReadTimeout would end the requests of viewers, which have no body and last for hours.)
func timely(next http.Handler, most time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(most)) // only tests have writers without deadlines
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) ownPorts() []uint16 {
	var ports []uint16
	for _, g := range s.gates.all() {
		if g.Port != 0 {
			ports = append(ports, uint16(g.Port))
		}
	}
	return ports
}
