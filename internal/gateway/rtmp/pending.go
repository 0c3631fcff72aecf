package rtmp

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// pending holds the connections that nobody let in yet. When one address, or
// the server, has too many of them, the oldest of those that got least far is
// closed: a flood of silent connections then cannot keep a publisher out, which is
// past them within milliseconds.
type pending struct {
	mu    sync.Mutex
	byIP  map[netip.Addr][]*halfOpen
	count int
}

// halfOpen is one such connection.
type halfOpen struct {
	conn     net.Conn
	ip       netip.Addr
	progress atomic.Int32 // 0 nothing received, 1 handshake done, 2 connected
}

// add takes a connection in and returns the one to be closed for it, or nil.
func (p *pending) add(h *halfOpen, perIP, total int) (evicted *halfOpen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byIP == nil {
		p.byIP = make(map[netip.Addr][]*halfOpen)
	}
	switch {
	case len(p.byIP[h.ip]) >= perIP:
		evicted = least(p.byIP[h.ip])
	case p.count >= total:
		evicted = p.leastOfAll()
	}
	if evicted != nil {
		p.drop(evicted)
	}
	p.byIP[h.ip] = append(p.byIP[h.ip], h)
	p.count++
	return evicted
}

// leastOfAll looks at the address with most pending connections.
func (p *pending) leastOfAll() *halfOpen {
	var most []*halfOpen
	for _, list := range p.byIP {
		if len(list) > len(most) {
			most = list
		}
	}
	return least(most)
}

// least is the oldest of those that got least far.
func least(list []*halfOpen) *halfOpen {
	var found *halfOpen
	for _, h := range list {
		if found == nil || h.progress.Load() < found.progress.Load() {
			found = h
		}
	}
	return found
}

// remove takes a connection out, because it was let in or is gone.
func (p *pending) remove(h *halfOpen) {
	p.mu.Lock()
	p.drop(h)
	p.mu.Unlock()
}

func (p *pending) drop(h *halfOpen) {
	list := p.byIP[h.ip]
	for i := range list {
		if list[i] == h {
			list = append(list[:i], list[i+1:]...)
			p.count--
			break
		}
	}
	if len(list) == 0 {
		delete(p.byIP, h.ip)
		return
	}
	p.byIP[h.ip] = list
}

func (p *pending) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}
