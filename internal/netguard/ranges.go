package netguard

import "net/netip"

// reservedRange is a range of the IANA special-purpose address registries
// (RFC 6890 and its updates) that is no place on the public Internet.
type reservedRange struct {
	prefix netip.Prefix
	what   string
}

// reservedRanges come before what netip knows by itself (loopback, private, …).
var reservedRanges = []reservedRange{
	{netip.MustParsePrefix("169.254.169.254/32"), "serves the credentials of cloud machines"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), "serves the credentials of cloud machines"},
	{netip.MustParsePrefix("0.0.0.0/8"), "is of this very network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "is behind a provider's address translation"},
	{netip.MustParsePrefix("192.0.0.0/24"), "is reserved for protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "is for documentation only"},
	{netip.MustParsePrefix("192.88.99.0/24"), "is a 6to4 relay"},
	{netip.MustParsePrefix("198.18.0.0/15"), "is for benchmarks only"},
	{netip.MustParsePrefix("198.51.100.0/24"), "is for documentation only"},
	{netip.MustParsePrefix("203.0.113.0/24"), "is for documentation only"},
	{netip.MustParsePrefix("240.0.0.0/4"), "is reserved"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "translates to a private IPv4 network"}, // RFC 8215
	{netip.MustParsePrefix("100::/64"), "is discarded"},
	{netip.MustParsePrefix("2001::/23"), "is reserved for protocols"}, // Teredo among them
	{netip.MustParsePrefix("2001:db8::/32"), "is for documentation only"},
	{netip.MustParsePrefix("3fff::/20"), "is for documentation only"},
	{netip.MustParsePrefix("5f00::/16"), "is for segment routing only"},
	{netip.MustParsePrefix("fec0::/10"), "is site-local"},
}

// embedding is a range whose addresses carry an IPv4 address at a byte offset.
type embedding struct {
	prefix netip.Prefix
	offset int
}

var embeddings = []embedding{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, RFC 4291 section 2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated, RFC 2765
}

// internal says why an unmapped address is not on the public Internet; "" if it is.
func internal(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "is not valid"
	case addr.IsUnspecified():
		return "is unspecified"
	case addr.IsLoopback():
		return "is this machine"
	case addr.IsMulticast():
		return "is a multicast group"
	}
	for _, r := range reservedRanges {
		if r.prefix.Contains(addr) {
			return r.what
		}
	}
	switch {
	case addr.IsPrivate():
		return "is in a private network"
	case addr.IsLinkLocalUnicast():
		return "is link-local"
	}
	for _, e := range embeddings {
		if e.prefix.Contains(addr) {
			b := addr.As16()
			return internal(netip.AddrFrom4([4]byte(b[e.offset : e.offset+4])))
		}
	}
	return ""
}

func unmapPrefix(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), p.Bits()-96).Masked()
	}
	return p.Masked()
}
