package webrtc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4/packetio"

	"weir/internal/fault"
)

// transport is the connection to one viewer: ICE as its lite side (RFC 8445 section 2.5), which only answers
// checks, and DTLS as its passive side.
type transport struct {
	gateway *Gateway
	ufrag   string
	pwd     string
	known   []netip.AddrPort // under port.mu
	prints  []string         // the peer's certificate is one of these, as its SDP has them

	incoming *packetio.Buffer // DTLS records
	reports  func(b []byte)   // what to do with SRTCP
	heard    atomic.Int64     // Unix ns of the last packet that proves the peer
	chosen   chan struct{}    // closed once the peer has nominated a path

	mu      sync.Mutex
	path    path
	checked time.Time // when the peer last checked it
	conn    *dtls.Conn
	tcps    []*tcpPath
	gone    bool
	wg      sync.WaitGroup
}

// path is a way to the peer.
type path struct {
	udp netip.AddrPort
	tcp *tcpPath
}

func newTransport(g *Gateway, fingerprints []string, reports func([]byte)) *transport {
	t := &transport{
		gateway: g, ufrag: rand.Text()[:8], pwd: rand.Text(), prints: fingerprints, reports: reports,
		incoming: packetio.NewBuffer(), chosen: make(chan struct{}),
	}
	t.incoming.SetLimitCount(64)
	t.heard.Store(time.Now().UnixNano())
	g.port.add(t)
	return t
}

// close ends the transport: DTLS says goodbye, paths close, and nobody finds it any more.
func (t *transport) close() {
	t.mu.Lock()
	conn, tcps := t.conn, t.tcps
	t.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
	t.gateway.port.remove(t)
	t.mu.Lock()
	t.gone = true
	t.mu.Unlock()
	_ = t.incoming.Close()
	for _, c := range tcps {
		c.close()
	}
	t.wg.Wait()
}

// receive takes one packet off the wire; b is only lent (RFC 7983 tells the kinds apart by the first byte).
func (t *transport) receive(b []byte, from path) {
	if len(b) == 0 {
		return
	}
	switch first := b[0]; {
	case first < 4:
		t.check(b, from)
	case first >= 20 && first <= 63:
		t.heard.Store(time.Now().UnixNano())
		_, _ = t.incoming.Write(b) // full: DTLS sends again
	case first >= 128 && first <= 191 && len(b) >= 8 && b[1] >= 192 && b[1] <= 223:
		t.reports(b)
	}
}

// check answers a connectivity check (RFC 8445 section 7.3) and follows the peer's choice of path.
func (t *transport) check(b []byte, from path) {
	var m stun.Message
	if err := stun.Decode(b, &m); err != nil || m.Type != stun.BindingRequest {
		return
	}
	if stun.NewShortTermIntegrity(t.pwd).Check(&m) != nil {
		return // not from who read our answer
	}
	source := from.udp
	if from.tcp != nil {
		source = from.tcp.remote
	} else if !t.gateway.port.learn(t, source) {
		return
	}
	t.heard.Store(time.Now().UnixNano())
	reply, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: source.Addr().AsSlice(), Port: int(source.Port())},
		stun.NewShortTermIntegrity(t.pwd), stun.Fingerprint)
	if err != nil {
		return
	}
	t.write(reply.Raw, from)
	t.follow(from, m.Contains(stun.AttrUseCandidate), time.Now())
}

// leftPath is after how long without a check the chosen path is taken to be gone: peers check theirs every 2 to 6 s.
const leftPath = 3 * time.Second

// follow goes where the peer is: to the path that it nominates, and, because a NAT that gives it another address does so without a
// word to it, to one that it checks once the chosen one is quiet. Its checks are answered and so it would wait there for ever.
func (t *transport) follow(p path, nominated bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	chosen := t.path != (path{})
	switch {
	case chosen && p == t.path, nominated:
	case !chosen || now.Sub(t.checked) < leftPath:
		return
	}
	t.path, t.checked = p, now
	select {
	case <-t.chosen:
	default:
		close(t.chosen)
	}
}

// current is the path that the peer has chosen last.
func (t *transport) current() path {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.path
}

func (t *transport) write(b []byte, to path) {
	if to.tcp != nil {
		to.tcp.send(b)
		return
	}
	if t.gateway.udp != nil {
		_, _ = t.gateway.udp.WriteToUDPAddrPort(b, to.udp)
	}
}

// handshake waits for the peer to choose a path and for DTLS.
func (t *transport) handshake(ctx context.Context) (*sealer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.gateway.config().Handshake, t.gateway.errICE())
	defer cancel()
	select {
	case <-t.chosen:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	conn, err := dtls.Server((*dtlsWire)(t), &net.UDPAddr{}, &dtls.Config{
		Certificates:            []tls.Certificate{t.gateway.certificate},
		SRTPProtectionProfiles:  profiles(),
		ClientAuth:              dtls.RequireAnyClientCert,
		ExtendedMasterSecret:    dtls.RequireExtendedMasterSecret,
		FlightInterval:          100 * time.Millisecond,
		InsecureSkipVerifyHello: true, // ICE has proven the address; a cookie would cost a round trip
		LoggerFactory:           quiet{},
		VerifyConnection:        t.verify,
	})
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.conn = conn
	t.mu.Unlock()
	if err := conn.HandshakeContext(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fault.Wrap(err, fault.Invalid, "dtls_failed", "The encrypted connection did not come up.", "Try again; if it stays so, the client's DTLS does not fit.")
	}
	return newSealer(conn)
}

// verify holds the peer's certificate against the fingerprint of its offer (RFC 8122 section 5).
func (t *transport) verify(s *dtls.State) error {
	if len(s.PeerCertificates) == 0 || !slices.Contains(t.prints, fingerprint(s.PeerCertificates[0])) {
		return errors.New("webrtc: the certificate is not the one of the offer")
	}
	return nil
}

// fingerprint is the SHA-256 of a certificate as SDP writes it.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(parts, ":")
}

// over returns when the peer has closed DTLS.
func (t *transport) over() {
	var b [512]byte
	for {
		if _, err := t.conn.Read(b[:]); err != nil {
			return
		}
	}
}

// dtlsWire is the transport as DTLS sees it.
type dtlsWire transport

// ReadFrom gives the next record.
func (w *dtlsWire) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := w.incoming.Read(b)
	return n, &net.UDPAddr{}, err
}

// WriteTo sends a record to the peer, wherever it is now.
func (w *dtlsWire) WriteTo(b []byte, _ net.Addr) (int, error) {
	t := (*transport)(w)
	t.write(b, t.current())
	return len(b), nil
}

// Close ends reading.
func (w *dtlsWire) Close() error { return w.incoming.Close() }

// LocalAddr is not known and not needed.
func (w *dtlsWire) LocalAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline sets the reading deadline; writes do not wait.
func (w *dtlsWire) SetDeadline(d time.Time) error { return w.incoming.SetReadDeadline(d) }

// SetReadDeadline sets the reading deadline.
func (w *dtlsWire) SetReadDeadline(d time.Time) error { return w.incoming.SetReadDeadline(d) }

// SetWriteDeadline does nothing: writes do not wait.
func (w *dtlsWire) SetWriteDeadline(time.Time) error { return nil }

// tcpPath is a connection of one viewer. Its writer never makes the sender wait: what does not fit is lost, as it
// would be over UDP.
type tcpPath struct {
	conn   net.Conn
	remote netip.AddrPort
	queue  chan []byte
	done   chan struct{}
	once   sync.Once
}

const tcpQueue = 1024 // packets

func (c *tcpPath) close() {
	c.once.Do(func() {
		close(c.done)
		_ = c.conn.Close()
	})
}

// send queues a copy of b.
func (c *tcpPath) send(b []byte) bool {
	frame := append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(b)), uint16(len(b))), b...)
	select {
	case c.queue <- frame:
		return true
	default:
		return false
	}
}

// serveTCP reads a connection until it ends.
func (t *transport) serveTCP(conn net.Conn, first []byte) {
	remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	c := &tcpPath{
		conn: conn, remote: netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()),
		queue: make(chan []byte, tcpQueue), done: make(chan struct{}),
	}
	defer c.close()
	t.mu.Lock()
	const most = 4
	if t.gone || len(t.tcps) >= most {
		t.mu.Unlock()
		return
	}
	t.tcps = append(t.tcps, c)
	t.wg.Add(2)
	t.mu.Unlock()
	defer t.wg.Done()
	go func() {
		defer t.wg.Done()
		defer c.close()
		c.drain()
	}()
	buf := first
	for {
		t.receive(buf, path{tcp: c})
		var err error
		if buf, err = readFrame(conn, buf[:0]); err != nil {
			return
		}
	}
}

// drain writes what is queued, as much as there is in one write.
func (c *tcpPath) drain() {
	var bufs net.Buffers
	for {
		select {
		case b := <-c.queue:
			bufs = append(bufs[:0], b)
		case <-c.done:
			return
		}
		for len(bufs) < 64 && len(c.queue) > 0 {
			bufs = append(bufs, <-c.queue)
		}
		work := bufs
		if _, err := work.WriteTo(c.conn); err != nil {
			return
		}
	}
}
