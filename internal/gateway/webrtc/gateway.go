package webrtc

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
)

// Gateway serves WHIP and WHEP.
type Gateway struct {
	cfg  atomic.Pointer[Config]
	hub  *hub.Hub
	door *session.Door
	log  *slog.Logger

	sockets
	fanOut
	api *webrtc.API // for publishers

	certificate tls.Certificate
	fingerprint string

	ctx  context.Context //nolint:containedctx // the life of the gateway: sessions outlive their requests
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex
	resources map[string]*resource
	perAddr   map[netip.Prefix]int
	closed    bool

	count counters
}

// sockets are the media ports.
type sockets struct {
	udp    *net.UDPConn
	six    bool // udp is an IPv6 socket
	port   *port
	tcp    *tcpPort
	udpMux ice.UDPMux
	tcpMux ice.TCPMux
}

// fanOut is what sends to viewers.
type fanOut struct {
	shards     []*shard
	turn       atomic.Uint32
	resend     sync.Mutex
	resender   *batch          // under resend
	sending    context.Context //nolint:containedctx // the life of the shards, which outlive the sessions
	endSending context.CancelFunc
	senders    sync.WaitGroup
}

type counters struct {
	publishers, viewers          atomic.Int64
	refused, panics              atomic.Uint64
	packetsIn, lostIn, keyAsked  atomic.Uint64
	askedAgain                   atomic.Uint64
	packetsOut, bytesOut, resent atomic.Uint64
	sendDropped                  atomic.Uint64
}

// Stats are the gateway's figures.
type Stats struct {
	Publishers, Viewers          int64
	Refused, Panics              uint64
	PacketsIn, LostIn            uint64 // of publishers
	AskedAgain                   uint64 // packets that publishers were asked for again
	KeyFramesAsked               uint64
	PacketsOut, BytesOut, Resent uint64 // to viewers
	SendDropped                  uint64 // packets that the socket did not take
}

// Stats gives the figures so far.
func (g *Gateway) Stats() Stats {
	c := &g.count
	return Stats{
		Publishers: c.publishers.Load(), Viewers: c.viewers.Load(), Refused: c.refused.Load(), Panics: c.panics.Load(),
		PacketsIn: c.packetsIn.Load(), LostIn: c.lostIn.Load(), AskedAgain: c.askedAgain.Load(), KeyFramesAsked: c.keyAsked.Load(),
		PacketsOut: c.packetsOut.Load(), BytesOut: c.bytesOut.Load(), Resent: c.resent.Load(), SendDropped: c.sendDropped.Load(),
	}
}

// New opens the media port and returns the gateway. Errors are faults: "webrtc_port_taken".
func New(cfg Config, h *hub.Hub, door *session.Door, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{hub: h, door: door, log: log, resources: map[string]*resource{}, perAddr: map[netip.Prefix]int{}}
	cfg = cfg.withDefaults()
	g.cfg.Store(&cfg)
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.sending, g.endSending = context.WithCancel(context.Background())
	if err := g.listen(); err != nil {
		g.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "webrtc_port_taken", "The WebRTC media port cannot be opened.",
			"Stop the other program that uses it, or choose another port (webrtc.listen).")
	}
	if err := g.prepareParts(); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// SetConfig replaces the configuration, but for the media ports, for sessions that begin from then on.
func (g *Gateway) SetConfig(c Config) {
	c.UDP, c.TCP = g.config().UDP, g.config().TCP
	c = c.withDefaults()
	g.cfg.Store(&c)
}

func (g *Gateway) config() *Config { return g.cfg.Load() }

func (g *Gateway) prepareParts() (err error) {
	if g.certificate, err = selfsign.GenerateSelfSigned(); err != nil {
		return err
	}
	g.fingerprint = fingerprint(g.certificate.Certificate[0])
	if g.api, err = g.publisherAPI(); err != nil {
		return err
	}
	return g.startShards()
}

// bufferSize of the one UDP socket that all peers share; the kernel halves what it does not allow.
const bufferSize = 4 << 20

func (g *Gateway) listen() error {
	g.port = newPort(nil)
	if g.config().UDP != "" {
		pc, err := net.ListenPacket("udp", g.config().UDP)
		if err != nil {
			return err
		}
		g.udp = pc.(*net.UDPConn)
		_ = g.udp.SetReadBuffer(bufferSize)
		_ = g.udp.SetWriteBuffer(bufferSize)
		g.port.UDPConn = g.udp
		g.udpMux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: g.port, Logger: quiet{}})
	}
	if g.config().TCP != "" {
		l, err := g.listenTCP()
		if err != nil {
			return err
		}
		g.tcp = newTCPPort(l, g.port)
		g.tcpMux = ice.NewTCPMuxDefault(ice.TCPMuxParams{Listener: g.tcp, Logger: quiet{}, ReadBufferSize: 64, WriteBufferSize: 1 << 20})
	}
	return nil
}

// listenTCP opens the TCP port. Where any will do it is the UDP port's number, if that is free.
func (g *Gateway) listenTCP() (net.Listener, error) {
	host, number, err := net.SplitHostPort(g.config().TCP)
	if err == nil && number == "0" && g.udp != nil {
		udp, _ := g.Ports()
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(udp))); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", g.config().TCP)
}

// startShards starts the goroutines that send to viewers, one per processor.
func (g *Gateway) startShards() error {
	var plain atomic.Bool
	sender := func() (b *batch, err error) {
		if g.udp == nil {
			return nil, nil
		}
		b, err = newBatch(g.udp, &plain, &g.count)
		if err == nil {
			g.six = b.six
		}
		return b, err
	}
	var err error
	if g.resender, err = sender(); err != nil {
		return err
	}
	for range runtime.GOMAXPROCS(0) {
		b, err := sender()
		if err != nil {
			return err
		}
		s := &shard{gateway: g, batch: b, signal: make(chan struct{}, 1)}
		g.shards = append(g.shards, s)
		g.senders.Go(func() { s.run(g.sending) })
	}
	return nil
}

// shardOf spreads viewers evenly.
func (g *Gateway) shardOf() *shard {
	return g.shards[int(g.turn.Add(1))%len(g.shards)]
}

// Ports gives the UDP and TCP port numbers that are open, 0 for one that is not.
func (g *Gateway) Ports() (udp, tcp int) {
	if g.udp != nil {
		udp = g.udp.LocalAddr().(*net.UDPAddr).Port
	}
	if g.tcp != nil {
		tcp = g.tcp.Listener.Addr().(*net.TCPAddr).Port
	}
	return udp, tcp
}

// Close ends every session and frees the ports.
func (g *Gateway) Close() {
	g.mu.Lock()
	g.closed = true
	list := make([]*resource, 0, len(g.resources))
	for _, r := range g.resources {
		list = append(list, r)
	}
	g.mu.Unlock()
	for _, r := range list {
		r.session.Close(fault.New(fault.Unavailable, "server_stopping", "The server is stopping.", "Connect again in a moment."))
	}
	g.stop()
	g.wg.Wait() // every session has let go of its shard
	g.endSending()
	g.senders.Wait()
	if g.udpMux != nil {
		_ = g.udpMux.Close()
	}
	if g.tcpMux != nil {
		_ = g.tcpMux.Close()
	}
	if g.udp != nil {
		_ = g.udp.Close()
	}
	if g.tcp != nil {
		_ = g.tcp.Close()
		g.tcp.wg.Wait()
	}
}

// run starts the goroutine of a session; a panic in it ends only that session.
func (g *Gateway) run(r *resource, f func(ctx context.Context) error) {
	g.wg.Go(func() {
		defer g.release(r)
		err := g.guard(func() error { return f(r.session.Context()) })
		if err == nil || errors.Is(err, context.Canceled) {
			err = context.Cause(r.session.Context())
		}
		r.session.Close(err)
		g.log.Info("session ended", "protocol", r.protocol, "stream", r.session.Name(), "session", r.session.ID(),
			"after", time.Since(r.since).Round(time.Millisecond), "code", fault.Code(err), "cause", err)
	})
}

// guard turns a panic into an error.
func (g *Gateway) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			g.count.panics.Add(1)
			g.log.Error("panic in a session", "panic", p, "stack", stack())
			err = fault.New(fault.Internal, "internal", "Something failed inside the server.", "The log has the details.")
		}
	}()
	return f()
}
