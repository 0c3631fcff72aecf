package webrtc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/hub"
)

// Gateway serves WHIP and WHEP.
type Gateway struct {
	cfg  Config
	hub  *hub.Hub
	door *session.Door
	log  *slog.Logger

	udp    *net.UDPConn
	tcp    net.Listener
	udpMux ice.UDPMux
	tcpMux ice.TCPMux
	api    *webrtc.API // for publishers

	ctx  context.Context //nolint:containedctx // the life of the gateway: sessions outlive their requests
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex
	resources map[string]*resource
	perAddr   map[netip.Prefix]int
	closed    bool

	count counters
}

type counters struct {
	publishers, viewers          atomic.Int64
	refused, panics              atomic.Uint64
	packetsIn, lostIn, keyAsked  atomic.Uint64
	packetsOut, bytesOut, resent atomic.Uint64
	sendDropped                  atomic.Uint64
}

// Stats are the gateway's figures.
type Stats struct {
	Publishers, Viewers          int64
	Refused, Panics              uint64
	PacketsIn, LostIn            uint64 // of publishers
	KeyFramesAsked               uint64
	PacketsOut, BytesOut, Resent uint64 // to viewers
	SendDropped                  uint64 // packets that the socket did not take
}

// Stats gives the figures so far.
func (g *Gateway) Stats() Stats {
	c := &g.count
	return Stats{
		Publishers: c.publishers.Load(), Viewers: c.viewers.Load(), Refused: c.refused.Load(), Panics: c.panics.Load(),
		PacketsIn: c.packetsIn.Load(), LostIn: c.lostIn.Load(), KeyFramesAsked: c.keyAsked.Load(),
		PacketsOut: c.packetsOut.Load(), BytesOut: c.bytesOut.Load(), Resent: c.resent.Load(), SendDropped: c.sendDropped.Load(),
	}
}

// New opens the media port and returns the gateway. Errors are faults: "webrtc_port_taken".
func New(cfg Config, h *hub.Hub, door *session.Door, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{cfg: cfg.withDefaults(), hub: h, door: door, log: log, resources: map[string]*resource{}, perAddr: map[netip.Prefix]int{}}
	g.ctx, g.stop = context.WithCancel(context.Background())
	if err := g.listen(); err != nil {
		g.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "webrtc_port_taken", "The WebRTC media port cannot be opened.",
			"Stop the other program that uses it, or choose another port (webrtc.udp, webrtc.tcp).")
	}
	api, err := g.publisherAPI()
	if err != nil {
		g.Close()
		return nil, err
	}
	g.api = api
	return g, nil
}

// bufferSize of the one UDP socket that all peers share; the kernel halves what it does not allow.
const bufferSize = 4 << 20

func (g *Gateway) listen() error {
	if g.cfg.UDP != "" {
		pc, err := net.ListenPacket("udp", g.cfg.UDP)
		if err != nil {
			return err
		}
		g.udp = pc.(*net.UDPConn)
		_ = g.udp.SetReadBuffer(bufferSize)
		_ = g.udp.SetWriteBuffer(bufferSize)
		g.udpMux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: g.udp, Logger: quiet{}})
	}
	if g.cfg.TCP != "" {
		l, err := net.Listen("tcp", g.cfg.TCP)
		if err != nil {
			return err
		}
		g.tcp = l
		g.tcpMux = ice.NewTCPMuxDefault(ice.TCPMuxParams{Listener: l, Logger: quiet{}, ReadBufferSize: 64, WriteBufferSize: 1 << 20})
	}
	return nil
}

// Ports gives the UDP and TCP port numbers that are open, 0 for one that is not.
func (g *Gateway) Ports() (udp, tcp int) {
	if g.udp != nil {
		udp = g.udp.LocalAddr().(*net.UDPAddr).Port
	}
	if g.tcp != nil {
		tcp = g.tcp.Addr().(*net.TCPAddr).Port
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
	g.wg.Wait()
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
