package server

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
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

// portHolder names the program that listens on a TCP port of this machine, as far as this user may see it.
func portHolder(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	inode := ""
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if inode = listenInode(table, n); inode != "" {
			break
		}
	}
	if inode == "" {
		return ""
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
			pid := strings.Split(link, "/")[2]
			name, err := os.ReadFile("/proc/" + pid + "/comm")
			if err != nil {
				return ""
			}
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}

// listenInode finds the socket that listens on a port in the kernel's table.
func listenInode(table string, port int) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer f.Close()
	const listening = "0A"
	for s := bufio.NewScanner(f); s.Scan(); {
		col := strings.Fields(s.Text())
		if len(col) > 9 && col[3] == listening && strings.HasSuffix(col[1], fmt.Sprintf(":%04X", port)) {
			return col[9]
		}
	}
	return ""
}
