// Package portholder names the program that holds a port of this machine, so that a port that is taken can be told of with who took it. What belongs
// here: asking the kernel's tables. What does not: opening ports, and what is said of it.
package portholder

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// States of sockets in the kernel's tables (include/net/tcp_states.h): a TCP listener, and a UDP socket without a peer.
const (
	listening = "0A"
	unbound   = "07"
)

// Name is the holder of a port, a number or a service, of network "tcp" or "udp", as far as this user may see it: "nginx (process 4711)". It is empty where that cannot be told.
func Name(network, port string) string {
	number, err := net.LookupPort(network, port)
	if err != nil {
		return ""
	}
	state := listening
	if network == "udp" {
		state = unbound
	}
	for _, table := range []string{"/proc/net/" + network, "/proc/net/" + network + "6"} {
		if inode := socketInode(table, state, number); inode != "" {
			return socketOwner(inode)
		}
	}
	return ""
}

func socketInode(table, state string, port int) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // read only
	for s := bufio.NewScanner(f); s.Scan(); {
		col := strings.Fields(s.Text())
		if len(col) > 9 && col[3] == state && strings.HasSuffix(col[1], fmt.Sprintf(":%04X", port)) {
			return col[9]
		}
	}
	return ""
}

func socketOwner(inode string) string {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}
