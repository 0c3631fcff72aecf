package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"weir/internal/server"
)

// The box names no address at which nothing answers.
func TestTheBoxNamesWhatListens(t *testing.T) {
	on := func(name string, port int) server.Gate { return server.Gate{Name: name, Port: port, State: "on"} }
	for want, gates := range map[string][]server.Gate{
		"http://127.0.0.1:8080/login/once":  {on("http", 8080), on("https", 8443)},
		"https://127.0.0.1:8443/login/once": {{Name: "http", State: "failed", Err: io.EOF}, on("https", 8443)},
		"Console    is off":                 {{Name: "http", State: "off"}, on("rtmp", 1935)},
	} {
		var b bytes.Buffer
		printBox(&b, server.Ready{Gates: gates, LoginPath: "/login/once"})
		if !strings.Contains(b.String(), want) || strings.Contains(b.String(), ":0") {
			t.Errorf("without %q:\n%s", want, b.String())
		}
	}
}
