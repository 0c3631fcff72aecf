package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"weir/internal/fault"
	"weir/internal/server"
)

func serveCommand(o *options) *cobra.Command {
	var ready string
	c := &cobra.Command{
		Use: "serve", Short: "Run the server (also without any command)", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c, o, ready) },
	}
	c.Flags().StringVar(&ready, "ready", "", "print one line when everything listens: 'json' for programs")
	return c
}

func serve(c *cobra.Command, o *options, ready string) error {
	s, err := o.settings(c)
	if err != nil {
		return err
	}
	conf, err := o.config(s)
	if err != nil {
		return err
	}
	form, err := newHandler(os.Stderr, s.Log)
	if err != nil {
		return err
	}
	sink := newSink(form)
	log := slog.New(sink.handler())
	if os.Getenv("GOGC") == "" {
		// Nearly all of the heap is frames, which hold no pointers: collecting twice as often costs little and halves
		// what lies about waiting to be collected.
		debug.SetGCPercent(50)
	}
	editions, stop := o.follow(c, log)
	defer stop()
	srv, err := server.New(c.Context(), conf, log)
	if err != nil {
		return err
	}
	defer srv.Close()
	var reloading sync.WaitGroup
	reloading.Go(func() { newReloader(s, srv, sink, log).run(editions) })
	defer reloading.Wait()
	defer stop()
	err = srv.Run(c.Context(), func(r server.Ready) {
		if ready == "json" {
			printJSON(os.Stdout, r)
			return
		}
		printBox(os.Stdout, r, typed(c, os.Args[0]))
	})
	if c.Context().Err() != nil {
		log.Info("stopped")
	}
	return err
}

// readyLine is what programs read: the ports behind ":0".
type readyLine struct {
	PID   int            `json:"pid"`
	Ports map[string]int `json:"ports"`
	Data  string         `json:"data_dir"`
	Login string         `json:"login_path,omitempty"`
}

func printJSON(w io.Writer, r server.Ready) {
	line := readyLine{PID: os.Getpid(), Ports: map[string]int{}, Data: r.DataDir, Login: r.LoginPath}
	for _, g := range r.Gates {
		if g.State == "on" {
			line.Ports[g.Name] = g.Port
		}
	}
	_ = json.NewEncoder(w).Encode(line) // a closed standard output is the caller's choice
}

// typed is how a person calls weir beside this server: as it was called, and where the same data folder is meant.
func typed(c *cobra.Command, program string) string {
	words := []string{program}
	for _, name := range []string{"config", "data_dir"} {
		if f := c.Flag(name); f != nil && f.Changed {
			words = append(words, "--"+name, f.Value.String())
		}
	}
	for i, w := range words {
		if strings.ContainsAny(w, " '\"$\\") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// printBox tells a person where everything is, with addresses that can be typed on another machine.
func printBox(w io.Writer, r server.Ready, weir string) {
	ports := map[string]int{}
	for _, g := range r.Gates {
		ports[g.Name] = g.Port
	}
	host := "127.0.0.1"
	var also []string
	for i, a := range r.Addresses {
		if i == 0 {
			host = a.Host
		} else if len(also) < 3 {
			also = append(also, a.Host)
		}
	}
	scheme := "http"
	if ports[scheme] == 0 {
		scheme = "https"
	}
	base := fmt.Sprintf("%s://%s:%d", scheme, bracket(host), ports[scheme])
	lines := []string{"Weir 堰 " + version + " is running", ""}
	switch {
	case ports[scheme] == 0:
		lines = append(lines, "Console    is off: there is no port for HTTP")
	case r.LoginPath != "":
		lines = append(lines, "Open       "+base+r.LoginPath, "           (signs this browser in as owner; works once)")
	default:
		lines = append(lines, "Console    "+base+"/console")
	}
	if len(also) > 0 {
		lines = append(lines, "           also at "+strings.Join(also, ", "))
	}
	if p := ports["rtmp"]; p != 0 {
		lines = append(lines, "", fmt.Sprintf("Publish    rtmp://%s:%d/live   key: show?key=…", bracket(host), p), "           make a key: "+weir+" key create live/show")
		if ports[scheme] != 0 {
			lines = append(lines, "Watch      "+base+"/live/show")
		}
	}
	for _, g := range r.Gates {
		if g.State == "failed" {
			lines = append(lines, "", "OFF        "+g.Name+": "+fault.Of(g.Err).Message)
		}
	}
	for _, n := range r.Notices {
		lines = append(lines, "", "Note       "+n)
	}
	lines = append(lines, "", "Data       "+r.DataDir, "Stop       Ctrl-C")
	box(w, lines)
}

func bracket(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func box(w io.Writer, lines []string) {
	width := 0
	for _, l := range lines {
		width = max(width, columns(l))
	}
	bar := strings.Repeat("─", width+2)
	fmt.Fprintln(w, "┌"+bar+"┐")
	for _, l := range lines {
		fmt.Fprintln(w, "│ "+l+strings.Repeat(" ", width-columns(l))+" │")
	}
	fmt.Fprintln(w, "└"+bar+"┘")
}

// columns is the width of a line on a terminal: CJK characters take two.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x2E80 && r <= 0xFFDC {
			n++
		}
	}
	return n
}
