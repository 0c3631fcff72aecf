package netguard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"weir/internal/fault"
)

// prefixes reads address ranges separated by commas; what is none is an invalid one.
func prefixes(list string) (out []netip.Prefix) {
	for part := range strings.SplitSeq(list, ",") {
		p, _ := netip.ParsePrefix(part)
		out = append(out, p)
	}
	return out
}

// addresses reads what a name server answers, separated by commas; none is a failure.
func addresses(list string) (out []netip.Addr, err error) {
	for part := range strings.SplitSeq(list, ",") {
		if part == "" {
			continue
		}
		a, err := netip.ParseAddr(part)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// private is what netip itself knows to be no place on the public Internet.
func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
}

// resolutions are where FuzzResolve begins.
var resolutions = []struct {
	network, address, allow, answer string
	own                             uint16
}{
	{"tcp", "name.example:80", "127.0.0.1/32", "127.0.0.1", 0},
	{"tcp", "name.example:80", "127.0.0.0/8,10.0.0.0/8", "127.0.0.1,10.1.2.3", 0},
	{"tcp4", "name.example:1935", "127.0.0.1/32", "93.184.215.14,::ffff:127.0.0.1", 1935},
	{"tcp6", "[::1]:1935", "::1/128", "", 1935},
	{"tcp", "93.184.215.14:1935", "::ffff:192.168.7.0/120", "", 1935},
	{"tcp", "93.184.215.15:7", "10.0.0.0/8", "", 7},
	{"tcp", "name.example:80", "10.0.0.0/8", "", 0},
	{"tcp", "name.example:80", "10.0.0.0/8", "none", 0},
	{"udp", "127.0.0.1:80", "127.0.0.0/8", "", 0},
	{"tcp", "127.0.0.1:0", "127.0.0.0/8", "", 0},
	{"tcp", "127.0.0.1", "127.0.0.0/8", "", 0},
	{"tcp", "64:ff9b::7f00:1", "what", "", 0},
	{"tcp", "[64:ff9b::7f00:1]:9", "10.0.0.0/8", "", 0},
	{"tcp", "[fe80::1%lo]:9", "fe80::/10", "", 0},
	{"tcp", "169.254.169.254:80", "10.0.0.0/8", "", 0},
}

// FuzzResolve resolves an address with a name server that answers anything, under any list of exceptions, and connects where
// that leads to this test's own server. Nothing leaves the machine.
func FuzzResolve(f *testing.F) {
	for _, s := range resolutions {
		f.Add(s.network, s.address, s.allow, s.answer, s.own)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	f.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, network, address, allow, answer string, own uint16) {
		c := Config{Allow: prefixes(allow), OwnPorts: func() []uint16 { return []uint16{own} }}
		g, err := New(c)
		if valid := !slices.Contains(c.Allow, netip.Prefix{}); (err == nil) != valid {
			t.Fatalf("%v for %q", err, allow)
		}
		if err != nil {
			return
		}
		g.lookup = func(context.Context, string, string) ([]netip.Addr, error) { return addresses(answer) }
		g.local = func() ([]net.Addr, error) {
			if own == 7 {
				return nil, errors.New("unknown")
			}
			return []net.Addr{&net.IPNet{IP: net.IPv4(93, 184, 215, 14), Mask: net.CIDRMask(24, 32)}}, nil
		}
		targets, err := g.Resolve(t.Context(), address)
		if err != nil {
			if code := fault.Code(err); code != "address_invalid" && code != "address_unresolved" && code != "address_blocked" || len(targets) > 0 {
				t.Fatalf("%v, %v", err, targets)
			}
			if conn, err := g.DialContext(t.Context(), network, address); err == nil {
				_ = conn.Close()
				t.Fatalf("%q is connected to", address)
			}
			return
		}
		reachable := judgeTargets(t, g, address, targets, own)
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		if !reachable || strings.ContainsAny(host, "/?#@% \x00") {
			return
		}
		connects(t, g, network, net.JoinHostPort(host, port))
	})
}

// judgeTargets wants each target to be one that may be dialled. The answer is whether all of them are where this test listens.
func judgeTargets(t *testing.T, g *Guard, address string, targets []netip.AddrPort, own uint16) (reachable bool) {
	t.Helper()
	reachable = len(targets) > 0 && len(targets) <= maxAddresses
	for _, at := range targets {
		if private(at.Addr()) && !slices.ContainsFunc(*g.allow.Load(), func(p netip.Prefix) bool { return p.Contains(at.Addr()) }) {
			t.Fatalf("%v of %q may be dialled", at, address)
		}
		if at.Addr().IsLoopback() && at.Port() == own {
			t.Fatalf("%v is our own", at)
		}
		if g.control("tcp", at.String(), nil) != nil {
			t.Fatalf("%v is refused when it is dialled", at)
		}
		reachable = reachable && at.Addr() == netip.MustParseAddr("127.0.0.1")
	}
	return reachable
}

// connects tries an address that leads to this test's own server.
func connects(t *testing.T, g *Guard, network, address string) {
	t.Helper()
	conn, err := g.DialContext(t.Context(), network, address)
	if ours := network == "tcp" || network == "tcp4"; (err == nil) != ours {
		t.Fatalf("%s %s: %v", network, address, err)
	}
	if err == nil {
		_ = conn.Close()
	}
	u := url.URL{Scheme: "http", Host: address}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		return // no host name
	}
	client := g.HTTPClient()
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return // a host that HTTP does not take
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("%s is not ours", response.Status)
	}
}

// FuzzRedirect: only http and https are followed, never down from https, and never for long.
func FuzzRedirect(f *testing.F) {
	f.Add("http://h/", "http://h/x", uint8(1))
	f.Add("https://h/", "http://h/x", uint8(1))
	f.Add("https://h/", "https://h/x", uint8(6))
	f.Add("http://h/", "ftp://h/x", uint8(2))
	f.Add("http://h/", "//other/x", uint8(2))
	f.Fuzz(func(t *testing.T, from, to string, hops uint8) {
		base, err := url.Parse(from)
		if err != nil || hops == 0 {
			return
		}
		next, err := base.Parse(to)
		if err != nil {
			return
		}
		via := slices.Repeat([]*http.Request{{URL: base}}, int(hops))
		follow := checkRedirect(&http.Request{URL: next}, via) == nil
		if follow && (next.Scheme != "http" && next.Scheme != "https" || base.Scheme == "https" && next.Scheme == "http" || hops > maxRedirects) {
			t.Fatalf("%s leads to %s after %d", base, next, hops)
		}
	})
}
