package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// crowd bounds the connections over HTTP, so that strangers who hold thousands of them leave descriptors to the recorder
// and to RTMP. Over the bound each new one costs one of whoever has the most, first one that waits for nothing: a
// browser opens a new one when it needs it.
type crowd struct {
	most func() int

	mu      sync.Mutex
	open    map[net.Conn]visitor
	by      map[netip.Addr]int
	serial  uint64
	evicted uint64
}

type visitor struct {
	from   netip.Addr
	serial uint64
	state  http.ConnState
}

const (
	mostConnections = 1 << 16 // where the kernel would allow more, memory (25 KiB each) is the bound
	judged          = 32      // connections that are looked at, at random, to find one that is to go
)

func newCrowd(most func() int) *crowd {
	return &crowd{most: most, open: make(map[net.Conn]visitor), by: make(map[netip.Addr]int)}
}

// room is how many connections over HTTP there may be: three quarters of the descriptors.
func room() int {
	return min(mostConnections, descriptors()/4*3)
}

type crowdKey struct{}

// attach makes a server's connections known to the crowd.
func (c *crowd) attach(web *http.Server) {
	next := web.Handler
	web.ConnState = c.changed
	web.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, crowdKey{}, conn)
	}
	web.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer c.answered(r)
		next.ServeHTTP(w, r)
	})
}

// changed follows net/http, which says everything of a connection until a handler takes it over.
func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, known := c.open[conn]
	switch {
	case state == http.StateClosed:
		c.forget(conn)
	case state == http.StateNew:
		for len(c.open) >= c.most() && c.evict() {
		}
		c.serial++
		v = visitor{from: addressOf(conn), serial: c.serial}
		c.by[v.from]++
		c.open[conn] = v
	case known:
		v.state = state
		c.open[conn] = v
	}
}

// answered ends what changed does not hear of: a connection taken over ends with its handler.
func (c *crowd) answered(r *http.Request) {
	conn, ok := r.Context().Value(crowdKey{}).(net.Conn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[conn].state == http.StateHijacked {
		c.forget(conn)
	}
}

func (c *crowd) forget(conn net.Conn) {
	v, known := c.open[conn]
	if !known {
		return
	}
	delete(c.open, conn)
	if c.by[v.from]--; c.by[v.from] == 0 {
		delete(c.by, v.from)
	}
}

// evict closes one connection, and reports whether there was one.
func (c *crowd) evict() bool {
	var worst net.Conn
	seen := 0
	for conn := range c.open { // begins anywhere
		if worst == nil || c.sooner(c.open[conn], c.open[worst]) {
			worst = conn
		}
		if seen++; seen == judged {
			break
		}
	}
	if worst == nil {
		return false
	}
	c.forget(worst)
	c.evicted++
	if over, ok := worst.(interface{ NetConn() net.Conn }); ok {
		worst = over.NetConn() // the end of TLS is written, and the peer may not take it
	}
	_ = worst.Close()
	return true
}

// sooner says which of two is to go.
func (c *crowd) sooner(a, b visitor) bool {
	if x, y := a.waits(), b.waits(); x != y {
		return x
	}
	if x, y := c.by[a.from], c.by[b.from]; x != y {
		return x > y
	}
	return a.serial < b.serial
}

func (v visitor) waits() bool { return v.state == http.StateNew || v.state == http.StateIdle }

func addressOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// figures are the connections that are open, and those that were closed for newer ones.
func (c *crowd) figures() (open int, evicted uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), c.evicted
}
