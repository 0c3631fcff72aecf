// Package netguard is the one dialer for addresses that strangers give us: pulls,
// pushes, webhooks, imports. What belongs here: deciding whether an IP address may
// be dialled, and dialling exactly the address that was decided on. What does not:
// which schemes a caller accepts, retries, and protocols.
package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"weir/internal/fault"
)

const (
	dialTimeout  = 10 * time.Second
	maxRedirects = 5
	maxAddresses = 16 // of one host name that are looked at
)

// Config says what may be dialled beyond the public Internet.
type Config struct {
	Allow    []netip.Prefix  // private networks that may be dialled all the same; see Local
	OwnPorts func() []uint16 // TCP ports this server listens on, never dialled on this machine; nil: none
}

// Validate reports the first prefix that makes no sense.
func (c Config) Validate() error {
	for _, p := range c.Allow {
		if !p.IsValid() {
			return fault.New(fault.Invalid, "address_invalid", "An allowed network is not a valid address range.", "Write it like 192.168.1.0/24.")
		}
	}
	return nil
}

// Guard dials. All methods are safe for concurrent use.
type Guard struct {
	allow    atomic.Pointer[[]netip.Prefix]
	ownPorts func() []uint16
	lookup   func(ctx context.Context, network, host string) ([]netip.Addr, error)
	local    func() ([]net.Addr, error)
}

// New returns a guard.
func New(c Config) (*Guard, error) {
	g := &Guard{ownPorts: c.OwnPorts, lookup: net.DefaultResolver.LookupNetIP, local: net.InterfaceAddrs}
	if err := g.SetAllow(c.Allow); err != nil {
		return nil, err
	}
	if g.ownPorts == nil {
		g.ownPorts = func() []uint16 { return nil }
	}
	return g, nil
}

// SetAllow replaces what may be dialled beyond the public Internet. Connections that are open stay.
func (g *Guard) SetAllow(list []netip.Prefix) error {
	if err := (Config{Allow: list}).Validate(); err != nil {
		return err
	}
	allow := make([]netip.Prefix, 0, len(list))
	for _, p := range list {
		allow = append(allow, unmapPrefix(p))
	}
	g.allow.Store(&allow)
	return nil
}

// Local is what an address written by the administrator may name, as in the
// configuration file: this machine and private networks, not the link-local
// addresses under which clouds serve credentials.
func Local() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
	}
}

// DialContext is like net.Dialer's for TCP. It resolves the host, refuses when any
// of its addresses may not be dialled (a name that is half inside is a trap), and
// dials the addresses it has checked, never the name again.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, fault.New(fault.Unsupported, "address_unsupported", fmt.Sprintf("The network %q is not TCP.", network), "")
	}
	targets, err := g.Resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: dialTimeout, Control: g.control}
	var failures []error
	for _, target := range targets {
		conn, err := dialer.DialContext(ctx, network, target.String())
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// control sees the address that the kernel is about to connect to: the last word.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return g.Check(target)
}

// Resolve gives the addresses behind "host:port", all of which may be dialled.
func (g *Guard) Resolve(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "address_invalid", "The address has no host and port.", "Write it like example.com:1935.")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return nil, fault.New(fault.Invalid, "address_invalid", fmt.Sprintf("The port %.16q is not a number from 1 to 65535.", portText), "")
	}
	addrs, err := g.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	targets := make([]netip.AddrPort, 0, len(addrs))
	for _, addr := range addrs {
		target := netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port))
		if err := g.Check(target); err != nil {
			return nil, err
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func (g *Guard) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs, err := g.lookup(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("no addresses")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "address_unresolved",
			fmt.Sprintf("The host name %.100q could not be resolved.", host), "Check the spelling and the DNS of this machine.")
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}

// Check returns nil if target may be dialled, or the fault "address_blocked".
func (g *Guard) Check(target netip.AddrPort) error {
	addr := target.Addr().Unmap().WithZone("")
	if g.own(addr, target.Port()) {
		return blocked(addr, "is this server itself", "A stream cannot be pulled from or pushed to the server it is on.")
	}
	if g.allowed(addr) {
		return nil
	}
	if why := internal(addr); why != "" {
		return blocked(addr, why, "If this is meant, the administrator can allow the network in weir.yaml.")
	}
	return nil
}

func blocked(addr netip.Addr, why, remedy string) error {
	return fault.New(fault.Forbidden, "address_blocked", fmt.Sprintf("The address %s %s and is not connected to.", addr, why), remedy)
}

func (g *Guard) allowed(addr netip.Addr) bool {
	return slices.ContainsFunc(*g.allow.Load(), func(p netip.Prefix) bool { return p.Contains(addr) })
}

func (g *Guard) own(addr netip.Addr, port uint16) bool {
	if !slices.Contains(g.ownPorts(), port) {
		return false
	}
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	interfaces, err := g.local()
	if err != nil {
		return true // not to know is no reason to trust
	}
	return slices.ContainsFunc(interfaces, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap().WithZone("") == addr
	})
}

// Transport returns an HTTP transport that dials through the guard and through no
// proxy, since a proxy would resolve the name again.
func (g *Guard) Transport() *http.Transport {
	return &http.Transport{
		DialContext:            g.DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  30 * time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
}

// HTTPClient returns a client for http and https addresses. It follows up to five
// redirects, each of which is resolved and checked anew. It has no time limit of
// its own: give requests a context.
func (g *Guard) HTTPClient() *http.Client {
	return &http.Client{Transport: g.Transport(), CheckRedirect: checkRedirect}
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return fault.New(fault.Forbidden, "address_blocked", fmt.Sprintf("A redirect to the scheme %.20q is not followed.", r.URL.Scheme), "")
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme == "http" {
		return fault.New(fault.Forbidden, "address_blocked", "A redirect from https to http is not followed.", "")
	}
	if len(via) > maxRedirects {
		return fault.New(fault.Forbidden, "too_many_redirects", fmt.Sprintf("The address redirects more than %d times.", maxRedirects), "")
	}
	return nil
}
