package main

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed peers
var configs embed.FS

type bench struct {
	options
	dir, weir, self, nginx string
	n                      int
}

// peer is one running server.
type peer struct {
	name       string
	cmd        *exec.Cmd
	dir        string
	rtmp, http int
	started    time.Time
	ready      time.Time // of a server that says so
	data       string    // Weir's data folder
}

// freePort asks the kernel for a port that nobody uses now.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func (b *bench) folder() (string, error) {
	b.n++
	dir := filepath.Join(b.dir, strconv.Itoa(b.n))
	return dir, os.MkdirAll(filepath.Join(dir, "www"), 0o755)
}

// start runs the server of that name: weir, weir-relaxed, weir-realtime, weir-plain (no HLS), nginx, nginx-hls,
// nginx-record, mediamtx (recording) or floor.
func (b *bench) start(ctx context.Context, name string) (*peer, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	p := &peer{name: name, dir: dir}
	kind, variant, _ := strings.Cut(name, "-")
	switch kind {
	case "weir":
		return p, b.startWeir(ctx, p, variant)
	case "nginx":
		return p, b.startNginx(ctx, p, variant)
	case "mediamtx":
		return p, b.startMediaMTX(ctx, p)
	case "floor":
		return p, b.startReady(p, b.self, "floor")
	}
	return nil, fmt.Errorf("no peer %s", name)
}

func (b *bench) startWeir(ctx context.Context, p *peer, variant string) error {
	args := []string{"serve", "--ready", "json", "--data_dir", p.dir, "--http.listen", "127.0.0.1:0", "--rtmp.listen", "127.0.0.1:0",
		"--webrtc.listen", "", "--publish.open", "local", "--log.level", "warn"}
	if variant == "past" {
		a, err := b.archive(ctx)
		if err != nil {
			return err
		}
		args[4] = a.dir
		args = append(args, "--recording.dvr", "87600h") // retention must leave it alone
	}
	switch variant {
	case "relaxed", "realtime":
		args = append(args, "--streams.profile", variant)
	case "plain":
		args = append(args, "--segments.enabled", "false")
	}
	p.data = args[4]
	return b.startReady(p, b.weir, args...)
}

// token makes an API token for a running Weir.
func (b *bench) token(ctx context.Context, p *peer) (string, error) {
	out, err := exec.CommandContext(ctx, b.weir, "token", "create", "bench", "--data_dir", p.data).Output()
	return strings.TrimSpace(string(out)), err
}

// startReady runs a program that prints its ports as one line of JSON.
func (b *bench) startReady(p *peer, program string, args ...string) error {
	p.cmd = exec.Command(program, args...)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s did not get ready: %w", p.name, err)
	}
	var ready struct {
		Ports map[string]int `json:"ports"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		return err
	}
	p.ready = time.Now()
	p.rtmp, p.http = ready.Ports["rtmp"], ready.Ports["http"]
	return nil
}

func (b *bench) startNginx(ctx context.Context, p *peer, variant string) error {
	var err error
	if p.rtmp, err = freePort(); err != nil {
		return err
	}
	if p.http, err = freePort(); err != nil {
		return err
	}
	t, err := template.ParseFS(configs, "peers/nginx.conf")
	if err != nil {
		return err
	}
	module, err := firstFile("/usr/lib/nginx/modules/ngx_rtmp_module.so", "/usr/share/nginx/modules/ngx_rtmp_module.so")
	if err != nil {
		return err
	}
	conf := filepath.Join(p.dir, "nginx.conf")
	f, err := os.Create(conf)
	if err != nil {
		return err
	}
	err = t.Execute(f, map[string]any{"Module": module, "Dir": p.dir, "RTMP": p.rtmp, "HTTP": p.http, "HLS": variant == "hls", "Record": variant == "record"})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // its worker is another user
		return err
	}
	if folder := map[string]string{"hls": "hls", "record": "rec"}[variant]; folder != "" {
		if err := os.MkdirAll(filepath.Join(p.dir, folder), 0o777); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(p.dir, folder), 0o777); err != nil {
			return err
		}
	}
	p.cmd = exec.Command(b.nginx, "-c", conf, "-p", p.dir)
	p.cmd.Stderr = os.Stderr
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	return waitPort(ctx, p.rtmp)
}

// startMediaMTX runs MediaMTX with its recorder on.
func (b *bench) startMediaMTX(ctx context.Context, p *peer) error {
	var err error
	if p.rtmp, err = freePort(); err != nil {
		return err
	}
	t, err := template.ParseFS(configs, "peers/mediamtx.yml")
	if err != nil {
		return err
	}
	conf := filepath.Join(p.dir, "mediamtx.yml")
	f, err := os.Create(conf)
	if err != nil {
		return err
	}
	err = t.Execute(f, map[string]any{"Dir": p.dir, "RTMP": p.rtmp})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	p.cmd = exec.Command("mediamtx", conf)
	p.cmd.Stderr = os.Stderr
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	return waitPort(ctx, p.rtmp)
}

// here leaves out the peers that are not installed; nginx is required, all others are welcome.
func here(peers []string) []string {
	var out []string
	for _, name := range peers {
		if name == "mediamtx" {
			if _, err := exec.LookPath(name); err != nil {
				fmt.Printf("  (%s is not on PATH and is left out)\n", name)
				continue
			}
		}
		out = append(out, name)
	}
	return out
}

func firstFile(names ...string) (string, error) {
	for _, n := range names {
		if _, err := os.Stat(n); err == nil {
			return n, nil
		}
	}
	return "", fmt.Errorf("none of %v is there: apt-get install libnginx-mod-rtmp", names)
}

func waitPort(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// stop ends the server and waits for it.
func (p *peer) stop() {
	if p == nil || p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
}

// cpu is the processor time of the server's process tree so far.
func (p *peer) cpu() time.Duration {
	var total int64
	for _, pid := range p.tree() {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue
		}
		rest := string(b[strings.LastIndexByte(string(b), ')')+2:])
		f := strings.Fields(rest)
		user, _ := strconv.ParseInt(f[11], 10, 64)
		system, _ := strconv.ParseInt(f[12], 10, 64)
		total += user + system
	}
	const ticksPerSecond = 100 // USER_HZ on every Linux that Go runs on
	return time.Duration(total) * time.Second / ticksPerSecond
}

// memory is the resident memory of the process tree in bytes.
func (p *peer) memory() int64 {
	var total int64
	for _, pid := range p.tree() {
		b, err := os.ReadFile("/proc/" + pid + "/statm")
		if err != nil {
			continue
		}
		pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
		total += pages * int64(os.Getpagesize())
	}
	return total
}

func (p *peer) tree() []string {
	out := []string{strconv.Itoa(p.cmd.Process.Pid)}
	for i := 0; i < len(out); i++ {
		tasks, err := filepath.Glob("/proc/" + out[i] + "/task/*/children")
		if err != nil {
			continue
		}
		for _, t := range tasks {
			if b, err := os.ReadFile(t); err == nil {
				out = append(out, strings.Fields(string(b))...)
			}
		}
	}
	return out
}
