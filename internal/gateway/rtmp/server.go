package rtmp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"weir/internal/fault"
	"weir/internal/format/rtmpmsg"
)

// Serve takes connections from ln, plain or TLS, until ctx ends or ln fails,
// and returns when all of its connections are gone. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var connections sync.WaitGroup
	defer connections.Wait()
	defer ln.Close() //nolint:errcheck // already failing or ending
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// Out of descriptors: the next one to be freed lets us go on.
			s.log.Warn("RTMP connection could not be accepted", "error", err)
			if !pause(ctx, 50*time.Millisecond) {
				return nil
			}
			continue
		}
		s.count.accepted.Add(1)
		connections.Go(func() { s.serve(ctx, conn) })
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// serve is one connection, from accepted to gone.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	s.count.connections.Add(1)
	defer s.count.connections.Add(-1)
	defer conn.Close() //nolint:errcheck // gone either way
	defer s.recovered(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	half := &halfOpen{conn: conn, ip: addrPort(conn).Addr()}
	perIP := s.config().PendingIP
	if half.ip.IsLoopback() {
		perIP = s.config().Pending // a proxy on this machine stands for everybody
	}
	if evicted := s.pending.add(half, perIP, s.config().Pending); evicted != nil {
		s.count.evicted.Add(1)
		_ = evicted.conn.Close()
	}
	defer s.pending.remove(half)

	_ = conn.SetDeadline(time.Now().Add(s.config().Handshake))
	if err := s.handshake(conn); err != nil {
		s.count.broken.Add(1)
		s.log.Debug("RTMP handshake failed", "remote", remoteText(conn), "error", err)
		return
	}
	half.progress.Store(1)
	_ = conn.SetReadDeadline(time.Now().Add(s.config().Admission))
	p := &peer{
		server: s, half: half, remote: addrPort(conn), client: s.door.Number(),
		link: newLink(conn, smallBuffer, rtmpmsg.StrangerLimits()), log: s.log.With("remote", remoteText(conn)),
	}
	_, p.secure = conn.(*tls.Conn)
	p.run(ctx)
}

// recovered ends one connection instead of the server when there is a bug.
func (s *Server) recovered(conn net.Conn) {
	if v := recover(); v != nil {
		s.count.panics.Add(1)
		s.log.Error("RTMP session failed", "remote", remoteText(conn), "panic", v, "stack", string(debug.Stack()))
	}
}

func (s *Server) handshake(conn net.Conn) error {
	hello := make([]byte, 1+rtmpmsg.HandshakeSize)
	// The first byte tells other protocols; who sends one is not let wait for 1536 more.
	if _, err := io.ReadFull(conn, hello[:1]); err != nil {
		return err
	}
	if hello[0] < 3 || hello[0] > 31 {
		return rtmpmsg.ErrBadHandshake
	}
	if _, err := io.ReadFull(conn, hello[1:]); err != nil {
		return err
	}
	random := make([]byte, 2*rtmpmsg.HandshakeSize)
	_, _ = rand.Read(random) // never fails, crypto/rand
	answer, err := rtmpmsg.ServerHello(hello, random, s.uptime())
	if err != nil {
		return err
	}
	if _, err := conn.Write(answer); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, hello[1:]) // C2, whatever it says
	return err
}

func addrPort(conn net.Conn) netip.AddrPort {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// sentence is what a refused peer is shown: the fault's message and remedy, without its cause.
func sentence(err error) string {
	f := fault.Of(err)
	if f == nil {
		return ""
	}
	if f.Remedy == "" {
		return f.Message
	}
	return f.Message + " " + f.Remedy
}
