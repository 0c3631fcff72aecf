//go:build pprof

package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof" // registers on the default mux, which the server does not use
	"os"
)

// A binary built with -tags pprof shows its profiles on a loopback port, for whoever looks into a figure of the bench.
func init() { //nolint:gochecknoinits // only in this special build
	ln, err := net.Listen("tcp", "127.0.0.1:6060")
	if err != nil {
		return
	}
	fmt.Fprintln(os.Stderr, "profiles at http://"+ln.Addr().String()+"/debug/pprof/")
	go func() { _ = http.Serve(ln, nil) }() //nolint:gosec // ends with the process
}
