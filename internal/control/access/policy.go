package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"weir/internal/fault"
	"weir/internal/streamname"
)

// Config says who may publish and play without being asked for more than an address.
type Config struct {
	// Rules are read from the first to the last, and the first that fits decides, as in
	// nginx: "allow publish 10.0.0.0/8", "deny play 1.2.3.4", "deny all all" or shorter "deny
	// all". Without a
	// fitting rule the address is allowed.
	Rules []string
	// PublishOpen are the addresses that may publish without a key: an address, a range
	// like 192.168.1.0/24, "local" (this machine and private networks) or "all".
	PublishOpen []string
	// PlayByKey are the streams, or patterns of streams, that need a key to be played.
	PlayByKey []string
	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	TrustedProxies []string
}

// Validate reports the first entry that makes no sense.
func (c Config) Validate() error {
	_, err := NewPolicy(c)
	return err
}

type rule struct {
	deny     bool
	action   string // "": both
	prefixes []netip.Prefix
	text     string
}

// Policy is a Config made ready. It does not change.
type Policy struct {
	rules   []rule
	open    []netip.Prefix
	byKey   []string
	proxies []netip.Prefix
}

// NewPolicy makes a policy.
func NewPolicy(c Config) (*Policy, error) {
	p := &Policy{byKey: slices.Clone(c.PlayByKey)}
	for _, text := range c.Rules {
		r, err := parseRule(text)
		if err != nil {
			return nil, err
		}
		p.rules = append(p.rules, r)
	}
	for _, pattern := range c.PlayByKey {
		if err := streamname.CheckPattern(pattern); err != nil {
			return nil, err
		}
	}
	var err error
	if p.open, err = parseAll(c.PublishOpen); err != nil {
		return nil, err
	}
	p.proxies, err = parseAll(c.TrustedProxies)
	return p, err
}

func parseRule(text string) (rule, error) {
	bad := fault.New(fault.Invalid, "rule_invalid", fmt.Sprintf("The address rule %.100q is not understood.", text),
		"Write allow or deny, then publish, play or all, then an address, a range or all: deny publish 10.0.0.0/8.")
	words := strings.Fields(text)
	if len(words) < 2 || len(words) > 3 || words[0] != "allow" && words[0] != "deny" {
		return rule{}, bad
	}
	r := rule{deny: words[0] == "deny", text: strings.Join(words, " ")}
	if len(words) == 3 {
		switch words[1] {
		case ActionPublish, ActionPlay:
			r.action = words[1]
		case "all": // both
		default:
			return rule{}, bad
		}
	}
	var err error
	r.prefixes, err = ParseAddresses(words[len(words)-1])
	return r, err
}

func parseAll(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		prefixes, err := ParseAddresses(text)
		if err != nil {
			return nil, err
		}
		all = append(all, prefixes...)
	}
	return all, nil
}

// ParseAddresses reads an address, a range in CIDR form, "local" (this machine and
// private networks) or "all".
func ParseAddresses(text string) ([]netip.Prefix, error) {
	switch text {
	case "all":
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, nil
	case "local":
		return []netip.Prefix{
			netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8"),
			netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
			netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
		}, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "address_invalid", fmt.Sprintf("%.100q is neither an address nor a range of addresses.", text),
			"Write 192.168.1.20, 192.168.1.0/24, 2001:db8::/32, local or all.")
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return []netip.Prefix{p.Masked()}, nil
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Address returns nil if the rules let an address do an action, or the fault address_denied.
func (p *Policy) Address(addr netip.Addr, action string) error {
	for _, r := range p.rules {
		if (r.action == "" || r.action == action) && contains(r.prefixes, addr) {
			if !r.deny {
				return nil
			}
			return fault.New(fault.Forbidden, "address_denied", fmt.Sprintf("The address %s may not %s here: the rule %q forbids it.", addr.Unmap(), action, r.text),
				"The administrator can change the rules in weir.yaml.")
		}
	}
	return nil
}

// OpenPublish reports whether an address may publish without a key.
func (p *Policy) OpenPublish(addr netip.Addr) bool { return contains(p.open, addr) }

// PlayByKey reports whether a stream needs a key to be played.
func (p *Policy) PlayByKey(name string) bool {
	return slices.ContainsFunc(p.byKey, func(pattern string) bool { return streamname.Match(pattern, name) })
}

// maxForwarded bounds how many proxies in a row are looked through.
const maxForwarded = 16

// Client is who makes a request: the peer itself, or, when the peer is a trusted
// proxy, the rightmost address in the values of X-Forwarded-For that is none. What
// stands left of that one could be anybody's writing.
func (p *Policy) Client(peer netip.AddrPort, forwardedFor []string) netip.AddrPort {
	client := netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	if len(p.proxies) == 0 || len(forwardedFor) == 0 {
		return client
	}
	hops := strings.Split(strings.Join(forwardedFor, ","), ",")
	for n := 0; n < maxForwarded && len(hops) > 0 && contains(p.proxies, client.Addr()); n++ {
		hop, ok := parseHop(hops[len(hops)-1])
		if !ok {
			break
		}
		client, hops = hop, hops[:len(hops)-1]
	}
	return client
}

// parseHop reads an address as proxies write it: bare, with a port, or in brackets.
func parseHop(text string) (netip.AddrPort, bool) {
	text = strings.TrimSpace(text)
	if hop, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(hop.Addr().Unmap(), hop.Port()), true
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	addr, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(addr.Unmap(), 0), err == nil
}
