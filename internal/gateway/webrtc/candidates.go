package webrtc

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// candidates writes the host candidates of the machine for one request, most likely first: the address
// that the request reached, the one that the client named, the configured public ones, then all others.
// Loopback is offered to those only who came over it.
func (g *Gateway) candidates(r *http.Request) []string {
	local, named := requestAddrs(r)
	addrs := make([]netip.Addr, 0, 8)
	add := func(a netip.Addr) {
		a = a.Unmap().WithZone("")
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || slices.Contains(addrs, a) {
			return
		}
		if a.IsLoopback() && !local.IsLoopback() {
			return
		}
		addrs = append(addrs, a)
	}
	add(local)
	add(named)
	for _, a := range g.config().Addresses {
		add(a)
	}
	for _, a := range machineAddrs() {
		add(a)
	}
	const most = 16
	return g.candidateLines(addrs[:min(len(addrs), most)])
}

func (g *Gateway) candidateLines(addrs []netip.Addr) (lines []string) {
	udp, tcp := g.Ports()
	// RFC 8445 section 5.1.2.1: type preference 126 for host, then the local preference.
	for i, a := range addrs {
		if udp != 0 && listensTo(g.config().UDP, a) {
			priority := 126<<24 | (65535-i)<<8 | 255
			lines = append(lines, fmt.Sprintf("candidate:%d 1 udp %d %s %d typ host", i+1, priority, a, udp))
		}
	}
	for i, a := range addrs {
		if tcp != 0 && listensTo(g.config().TCP, a) {
			priority := 90<<24 | (65535-i)<<8 | 255 // below every UDP candidate
			lines = append(lines, fmt.Sprintf("candidate:%d 1 tcp %d %s %d typ host tcptype passive", 100+i, priority, a, tcp))
		}
	}
	return lines
}

// listensTo tells whether a socket bound to address hears packets for a. A public address is not ours to judge.
func listensTo(address string, a netip.Addr) bool {
	bound, err := netip.ParseAddrPort(listenAddress(address))
	if err != nil || bound.Addr().IsUnspecified() {
		return err != nil || a.Is4() || bound.Addr().Is6()
	}
	return bound.Addr() == a || !a.IsLoopback() && !bound.Addr().IsLoopback()
}

// requestAddrs gives the local address that the request came in at and the literal address that the client
// used: behind a container's port mapping only the latter is reachable.
func requestAddrs(r *http.Request) (local, named netip.Addr) {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			local = ap.Addr().Unmap()
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	named, _ = netip.ParseAddr(strings.Trim(host, "[]"))
	return local, named
}

func machineAddrs() (addrs []netip.Addr) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, p.Addr())
		}
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { // IPv4 first: it is what most home networks route
		switch {
		case a.Is4() == b.Is4():
			return 0
		case a.Is4():
			return -1
		default:
			return 1
		}
	})
	return addrs
}

// withCandidates replaces the candidates of an answer by ours, in its first media section: all others are bundled.
func withCandidates(answer string, candidates []string) string {
	var b strings.Builder
	done := false
	for line := range strings.Lines(answer) {
		if strings.HasPrefix(line, "a=candidate:") || strings.HasPrefix(line, "a=end-of-candidates") {
			continue
		}
		b.WriteString(line)
		if !done && strings.HasPrefix(line, "a=ice-pwd:") {
			done = true
			for _, c := range candidates {
				b.WriteString("a=" + c + "\r\n")
			}
			b.WriteString("a=end-of-candidates\r\n")
		}
	}
	return b.String()
}
