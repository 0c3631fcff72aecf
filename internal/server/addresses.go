package server

import (
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// Address is one of this machine's addresses, for people to type.
type Address struct {
	Host        string
	Kind        string // "public", "lan" or "loopback"
	Recommended bool
}

// localAddresses lists the machine's addresses, the one to use first in front: bridges of containers and link-local
// addresses are left out, since nobody reaches them from elsewhere.
func localAddresses() []Address {
	var out []Address
	interfaces, err := net.Interfaces()
	if err != nil {
		return []Address{{Host: "127.0.0.1", Kind: "loopback", Recommended: true}}
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || virtual(i.Name) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				if kind := kindOf(p.Addr().Unmap()); kind != "" {
					out = append(out, Address{Host: p.Addr().Unmap().String(), Kind: kind})
				}
			}
		}
	}
	order := map[string]int{"lan": 0, "public": 1, "loopback": 2}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if long := strings.Contains(a.Host, ":"); long != strings.Contains(b.Host, ":") {
			return !long // nobody likes to type IPv6
		}
		return order[a.Kind] < order[b.Kind]
	})
	if len(out) > 0 {
		out[0].Recommended = true
	}
	return out
}

func virtual(name string) bool {
	for _, p := range []string{"docker", "br-", "veth", "virbr", "cni", "flannel", "tap"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func kindOf(a netip.Addr) string {
	switch {
	case a.IsLoopback() && a.Is4():
		return "loopback"
	case a.IsLoopback(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsUnspecified():
		return ""
	case a.IsPrivate():
		return "lan"
	}
	return "public"
}

// addresses are those under which the HTTP listener can be reached: all of the machine's, or the one it is bound to.
func (s *Server) addresses() []Address {
	host, _, err := net.SplitHostPort(s.cfg.HTTP.Listen)
	bound, perr := netip.ParseAddr(host)
	if err != nil || perr != nil || bound.IsUnspecified() {
		return localAddresses()
	}
	kind := kindOf(bound.Unmap())
	if kind == "" {
		kind = "loopback" // or link-local: nobody else reaches it
	}
	return []Address{{Host: bound.Unmap().String(), Kind: kind, Recommended: true}}
}

// describe is what listens where.
func (s *Server) describe() Ready {
	r := Ready{Gates: s.gates.all(), Addresses: s.addresses(), DataDir: s.cfg.DataDir}
	if abs, err := filepath.Abs(s.cfg.DataDir); err == nil {
		r.DataDir = abs
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		r.Notices = append(r.Notices, "FFmpeg is missing: thumbnails and the conversion of sound for WebRTC are off (apt-get install ffmpeg)")
	}
	if s.loginURL != "" {
		r.LoginPath = "/login/once?token=" + s.loginURL
	}
	return r
}
