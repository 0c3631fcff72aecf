package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"weir/internal/portholder"
)

// gate is a listener that the configuration asks for.
type gate struct {
	name, address, flag string
	udp                 bool
}

func (d *doctor) configured() []gate {
	s := &d.settings
	all := []gate{
		{"http", s.HTTP.Listen, "http.listen", false}, {"https", s.HTTP.TLSListen, "http.tls_listen", false},
		{"rtmp", s.RTMP.Listen, "rtmp.listen", false}, {"rtmps", s.RTMP.TLSListen, "rtmp.tls_listen", false},
		{"webrtc/tcp", s.WebRTC.Listen, "webrtc.listen", false}, {"webrtc/udp", s.WebRTC.Listen, "webrtc.listen", true},
	}
	return slices.DeleteFunc(all, func(g gate) bool { return g.address == "" || g.address == "off" })
}

// openPorts are what a firewall must let in, as ufw and firewalld write them.
func (d *doctor) openPorts() []string {
	var out []string
	for _, g := range d.configured() {
		_, port, err := net.SplitHostPort(g.address)
		if err != nil || port == "0" {
			continue
		}
		if g.udp {
			out = append(out, port+"/udp")
		} else {
			out = append(out, port+"/tcp")
		}
	}
	return out
}

// gates looks whether each port is free, or held by Weir itself.
func (d *doctor) gates(ctx context.Context) {
	for _, g := range d.configured() {
		closer, at, err := g.try(ctx)
		if err == nil {
			d.say(g.name, levelOK, g.address+" is free", "")
			if g.name == "http" {
				d.reach(ctx, closer.(net.Listener), at)
			} else if g.udp {
				d.datagram(closer.(net.PacketConn), at)
			}
			_ = closer.Close()
			continue
		}
		holder := g.holder()
		switch {
		case errors.Is(err, syscall.EADDRINUSE) && strings.HasPrefix(holder, "weir "):
			d.say(g.name, levelOK, g.address+" is held by "+holder, "")
			if g.name == "http" {
				d.reach(ctx, nil, g.address)
			}
		case errors.Is(err, syscall.EADDRINUSE):
			d.say(g.name, levelBad, g.address+" is taken by "+dash(holder), "Stop that program, or choose another port with --"+g.flag+".")
		case errors.Is(err, syscall.EACCES):
			d.say(g.name, levelBad, g.address+" may not be opened by this user", "Choose a port above 1023 with --"+g.flag+", or run: setcap cap_net_bind_service=+ep on the binary.")
		default:
			d.say(g.name, levelBad, fmt.Sprintf("%s cannot be opened: %v", g.address, err), "Write --"+g.flag+" as :PORT or ADDRESS:PORT.")
		}
	}
}

// try opens the port for a moment.
func (g gate) try(ctx context.Context) (io.Closer, string, error) {
	if g.udp {
		c, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", g.address)
		if err != nil {
			return nil, "", err
		}
		return c, c.LocalAddr().String(), nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", g.address)
	if err != nil {
		return nil, "", err
	}
	return ln, ln.Addr().String(), nil
}

// reach asks each own address over HTTP, as a browser on this machine would: the running server, or a stand-in on the free port.
func (d *doctor) reach(ctx context.Context, ln net.Listener, at string) {
	if ln != nil {
		stand := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }), ReadHeaderTimeout: time.Second}
		done := make(chan struct{})
		go func() { _ = stand.Serve(ln); close(done) }() // ends with Close
		defer func() { _ = stand.Close(); <-done }()
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return
	}
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, a := range ownAddresses(host) {
		address := "http://" + net.JoinHostPort(a.String(), port)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/livez", nil)
		if err != nil {
			continue
		}
		res, err := client.Do(req)
		if err != nil {
			d.say("address", levelWarn, address+" does not answer", "A firewall on this machine may block it; see the line firewall.")
			continue
		}
		_ = res.Body.Close()
		d.say("address", levelOK, address+" answers on this machine", "")
	}
}

// datagram sends one to each own address, as the media of WebRTC comes.
func (d *doctor) datagram(c net.PacketConn, at string) {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return
	}
	for _, a := range ownAddresses(host) {
		target := net.JoinHostPort(a.String(), port)
		if err := echo(c, target); err != nil {
			d.say("address", levelWarn, "udp "+target+" does not pass", "WebRTC will go over TCP on the same port; a firewall on this machine may block UDP.")
		}
	}
}

func echo(c net.PacketConn, target string) error {
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.WriteTo([]byte("weir doctor"), to); err != nil {
		return err
	}
	_, _, err = c.ReadFrom(make([]byte, 64))
	return err
}

// ownAddresses are the machine's, or the one that the listener is bound to.
func ownAddresses(host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil && !a.IsUnspecified() {
		return []netip.Addr{a}
	}
	var out []netip.Addr
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, n := range list {
		p, err := netip.ParsePrefix(n.String())
		if a := p.Addr().Unmap(); err == nil && !a.IsLinkLocalUnicast() {
			out = append(out, a)
		}
	}
	return out
}

// holder names the program at a port, as far as this user may see it.
func (g gate) holder() string {
	_, port, err := net.SplitHostPort(g.address)
	if err != nil {
		return ""
	}
	network := "tcp"
	if g.udp {
		network = "udp"
	}
	return portholder.Name(network, port)
}
