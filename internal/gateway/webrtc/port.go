package webrtc

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// port is the media port that all sessions share. Packets of viewers go straight to their transports; what is
// left is read by pion, for publishers.
type port struct {
	*net.UDPConn

	mu         sync.RWMutex
	ufrags     map[string]*transport
	addrs      map[netip.AddrPort]*transport
	publishers map[string]bool // the user names of those whose packets pion reads
}

func newPort(conn *net.UDPConn) *port {
	return &port{UDPConn: conn, ufrags: map[string]*transport{}, addrs: map[netip.AddrPort]*transport{}, publishers: map[string]bool{}}
}

// ReadFromAddrPort and WriteToAddrPort are the paths on which pion's mux does not allocate.
func (p *port) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := p.ReadFromUDPAddrPort(b)
		if err != nil {
			return n, from, err
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if t := p.find(b[:n], from); t != nil {
			t.receive(b[:n], path{udp: from})
			continue
		}
		return n, from, nil
	}
}

// WriteToAddrPort sends a datagram.
func (p *port) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return p.WriteToUDPAddrPort(b, to)
}

// ReadFrom is for readers without the other.
func (p *port) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.ReadFromAddrPort(b)
	return n, net.UDPAddrFromAddrPort(from), err
}

// find gives the transport that a packet is for: by its user name if it is a connectivity check, else by its source.
func (p *port) find(b []byte, from netip.AddrPort) *transport {
	if name := localUfrag(b); name != "" {
		return p.byUfrag(name)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.addrs[from]
}

func (p *port) byUfrag(name string) *transport {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.ufrags[name]
}

// add and remove enter and strike out a transport.
func (p *port) add(t *transport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ufrags[t.ufrag] = t
}

func (p *port) remove(t *transport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ufrags, t.ufrag)
	for _, a := range t.known {
		if p.addrs[a] == t {
			delete(p.addrs, a)
		}
	}
}

// expect enters the user name of a publisher, until the returned function is called.
func (p *port) expect(name string) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.publishers[name] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.publishers, name)
	}
}

func (p *port) expected(name string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.publishers[name]
}

// learn ties a source address to the transport whose key its check was signed with. Of many the oldest is forgotten: who is still
// there checks again. It is false once the transport is gone.
func (p *port) learn(t *transport, a netip.AddrPort) bool {
	const most = 16
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.addrs[a] == t {
		return true
	}
	if p.ufrags[t.ufrag] != t {
		return false
	}
	if len(t.known) >= most {
		if p.addrs[t.known[0]] == t {
			delete(p.addrs, t.known[0])
		}
		t.known = t.known[1:]
	}
	t.known = append(t.known, a)
	p.addrs[a] = t
	return true
}

// localUfrag reads our half of the user name of a STUN binding request (RFC 8445 section 7.2.2), without
// allocating for packets that are none.
func localUfrag(b []byte) string {
	const header, magic = 20, 0x2112a442
	if len(b) < header || b[0] != 0 || b[1] != 1 || binary.BigEndian.Uint32(b[4:]) != magic {
		return ""
	}
	for rest := b[header:]; len(rest) >= 4; {
		kind, n := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if n > len(rest)-4 {
			return ""
		}
		if stun.AttrType(kind) == stun.AttrUsername {
			name, _, _ := strings.Cut(string(rest[4:4+n]), ":")
			return name
		}
		rest = rest[min(4+(n+3)&^3, len(rest)):]
	}
	return ""
}

// tcpPort takes the connections of those who cannot use UDP (RFC 6544) and hands those of publishers to pion, as
// the net.Listener that it reads from.
type tcpPort struct {
	net.Listener
	port   *port
	others chan net.Conn
	done   chan struct{}
	wg     sync.WaitGroup
	slots  chan struct{}
}

const (
	tcpStrangers = 256 // connections that have not said yet whose they are
	tcpPatience  = 5 * time.Second
	maxFrame     = 8 << 10
)

func newTCPPort(l net.Listener, p *port) *tcpPort {
	t := &tcpPort{Listener: l, port: p, others: make(chan net.Conn), done: make(chan struct{}), slots: make(chan struct{}, tcpStrangers)}
	t.wg.Go(t.accept)
	return t
}

func (t *tcpPort) accept() {
	for {
		conn, err := t.Listener.Accept()
		if err != nil {
			return // closed
		}
		select {
		case t.slots <- struct{}{}:
			t.wg.Go(func() { t.sort(conn) })
		default:
			_ = conn.Close()
		}
	}
}

// sort reads the first frame of a connection, which is a check, and gives the connection to whom it is for. One for nobody
// is closed: pion would keep it for half a minute, and any number of them.
func (t *tcpPort) sort(conn net.Conn) {
	release := sync.OnceFunc(func() { <-t.slots })
	defer release()
	_ = conn.SetDeadline(time.Now().Add(tcpPatience))
	first, err := readFrame(conn, nil)
	if err != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	name := localUfrag(first)
	tr := t.port.byUfrag(name)
	if tr == nil && !t.port.expected(name) {
		_ = conn.Close()
		return
	}
	if tr == nil {
		head := binary.BigEndian.AppendUint16(nil, uint16(len(first)))
		select {
		case t.others <- &replayed{Conn: conn, head: append(head, first...)}:
		case <-t.done:
			_ = conn.Close()
		}
		return
	}
	release()
	tr.serveTCP(conn, first)
}

// Accept gives pion its next connection.
func (t *tcpPort) Accept() (net.Conn, error) {
	select {
	case c := <-t.others:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Close stops taking connections.
func (t *tcpPort) Close() error {
	select {
	case <-t.done:
		return nil
	default:
	}
	close(t.done)
	return t.Listener.Close()
}

// readFrame reads one packet with its length before it (RFC 4571) into buf, which grows.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n > maxFrame {
		return nil, io.ErrShortBuffer
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// replayed is a connection whose first bytes were read already.
type replayed struct {
	net.Conn
	head []byte
}

func (r *replayed) Read(b []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(b, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}
