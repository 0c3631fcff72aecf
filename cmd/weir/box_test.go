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
		printBox(&b, server.Ready{Gates: gates, LoginPath: "/login/once"}, "weir")
		if !strings.Contains(b.String(), want) || strings.Contains(b.String(), ":0") {
			t.Errorf("without %q:\n%s", want, b.String())
		}
	}
}

// What the box says about keys can be typed as it stands, and means this server's data folder.
func TestTheBoxSaysHowToMakeAKey(t *testing.T) {
	for args, want := range map[string]string{
		"":                                 "./bin/weir key create",
		"-c my.yaml":                       "./bin/weir --config my.yaml key create",
		"serve --data_dir /srv/x -c a.yml": "./bin/weir --config a.yml --data_dir /srv/x key create",
	} {
		top := root()
		c, rest, err := top.Find(strings.Fields(args))
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		printBox(&b, server.Ready{Gates: []server.Gate{{Name: "rtmp", Port: 1935, State: "on"}}}, typed(c, "./bin/weir"))
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q without %q:\n%s", args, want, b.String())
		}
		if said := typed(c, "/my weir's/weir"); !strings.HasPrefix(said, `'/my weir'\''s/weir'`) {
			t.Error(said)
		}
	}
}
