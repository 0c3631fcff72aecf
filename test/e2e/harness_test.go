// Package e2e judges the shipped binary from outside: it starts weir with its defaults on free ports, publishes with
// real encoders, and believes only what players, decoders and the judge's picture say.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the weir that the tests run, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weir-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "weir")
	build := exec.Command("go", "build", "-o", binary, "weir/cmd/weir")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building weir: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir) // a temporary folder
	os.Exit(code)
}

// need skips a test whose outside program is missing, and fails it in CI, where everything must be there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", p)
			}
			t.Skipf("%s is not installed", p)
		}
	}
}

// environment is ours without the switches of the tests: weir refuses WEIR_ variables that it does not know.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "WEIR_") })
}

// weir is a running server.
type weir struct {
	t     *testing.T
	cmd   *exec.Cmd
	data  string
	login string
	ports map[string]int
	logs  *tail
	token string
	args  []string
}

type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start runs weir on free loopback ports with the given extra flags and waits for its ready line.
func start(t *testing.T, flags ...string) *weir {
	t.Helper()
	w := &weir{t: t, data: t.TempDir(), logs: &tail{}, args: flags}
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	t.Cleanup(func() {
		w.stop()
		if log := w.logs.String(); strings.Contains(log, "panic") {
			t.Errorf("the server panicked:\n%s", log)
		} else if t.Failed() {
			t.Logf("server log:\n%.8000s", log)
		}
	})
	return w
}

func (w *weir) boot(http, rtmp, webrtc string) {
	w.t.Helper()
	args := append([]string{"serve", "--ready", "json", "--data_dir", w.data, "--http.listen", http, "--rtmp.listen", rtmp, "--webrtc.listen", webrtc}, w.args...)
	w.cmd = exec.Command(binary, args...)
	w.cmd.Dir = w.data
	w.cmd.Stderr, w.cmd.Env = w.logs, environment()
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		w.t.Fatalf("no ready line: %v\n%s", err, w.logs)
	}
	var ready struct {
		Ports map[string]int `json:"ports"`
		Login string         `json:"login_path"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		w.t.Fatalf("ready line %q: %v", line, err)
	}
	w.ports, w.login = ready.Ports, ready.Login
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
}

// stop ends the server as Ctrl-C does and waits for it.
func (w *weir) stop() {
	if w.cmd.ProcessState != nil {
		return
	}
	_ = w.cmd.Process.Signal(os.Interrupt)
	done := make(chan error, 1)
	go func() { done <- w.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			w.t.Errorf("weir ended with %v", err)
		}
	case <-time.After(15 * time.Second):
		_ = w.cmd.Process.Signal(syscall.SIGQUIT)
		w.t.Errorf("weir did not stop within 15 s: %v\n%s", <-done, w.logs)
	}
}

func (w *weir) http(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", w.ports["http"], path)
}

// rtmp is the address of a stream, with its publishing key unless key is "".
func (w *weir) rtmp(name, key string) string {
	u := fmt.Sprintf("rtmp://127.0.0.1:%d/%s", w.ports["rtmp"], name)
	if key != "" {
		u += "?key=" + key
	}
	return u
}

// run calls weir's command line on the server's data folder and returns what it printed.
func (w *weir) run(args ...string) string {
	w.t.Helper()
	cmd := exec.Command(binary, append(args, "--data_dir", w.data)...)
	cmd.Dir, cmd.Env = w.data, environment()
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("weir %s: %v\n%s", strings.Join(args, " "), err, &complaint)
	}
	return strings.TrimSpace(string(out))
}

func (w *weir) key(pattern string) string { return w.run("key", "create", pattern) }

// api calls the API as the owner's token and decodes the answer into out (nil: ignored).
func (w *weir) api(method, path string, in, out any) {
	w.t.Helper()
	if err := w.tryAPI(method, path, in, out); err != nil {
		w.t.Fatal(err)
	}
}

func (w *weir) tryAPI(method, path string, in, out any) error {
	if w.token == "" {
		w.token = w.run("token", "create", "e2e")
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, w.http("/api/v1"+path), body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// process is an outside program that runs beside the test and is ended with it.
type process struct {
	cmd  *exec.Cmd
	out  *tail
	done chan struct{}
	err  error
}

func spawn(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), out: &tail{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = p.out, p.out, environment()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// pattern publishes the judge's picture until the test ends or the process is killed.
func (w *weir) pattern(name, key string, flags ...string) *process {
	w.t.Helper()
	args := append([]string{"publish", "--pattern", w.rtmp(name, key), "--size", "640x360"}, flags...)
	p := spawn(w.t, binary, args...)
	w.waitLive(name)
	return p
}

// waitLive returns when the stream is live by the API.
func (w *weir) waitLive(name string) {
	w.t.Helper()
	eventually(w.t, 15*time.Second, name+" to be live", func() error {
		var s struct{ State string }
		if err := w.tryAPI(http.MethodGet, "/streams/"+url.PathEscape(name), nil, &s); err != nil {
			return err
		}
		if s.State != "live" {
			return errors.New("state " + s.State)
		}
		return nil
	})
}

// eventually polls until f succeeds.
func eventually(t *testing.T, limit time.Duration, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := f()
	for err != nil {
		select {
		case <-tick.C:
			err = f()
		case <-ctx.Done():
			t.Fatalf("waited %v for %s: %v", limit, what, err)
		}
	}
}

// seen is what play.mjs saw.
type seen struct {
	Engine     string   `json:"engine"`
	Errors     []string `json:"errors"`
	Waiting    int      `json:"waiting"`
	Unreadable int      `json:"unreadable"`
	MediaS     float64  `json:"media_s"`
	Presented  int      `json:"presented"`
	Span       int      `json:"span"`
	Share      float64  `json:"share"`
	GapMS      float64  `json:"longest_gap_ms"`
	P50        float64  `json:"latency_p50_ms"`
	P95        float64  `json:"latency_p95_ms"`
	Requests   []string `json:"requests"`
	// Loaded is when hls.js had what it requested, and when that segment ends by its playlist; both in Unix ms.
	Loaded [][2]float64 `json:"loaded"`
	Events [][]any      `json:"events"`
}

// askJudge gives a job to one of the programs that judge in a browser, and reads what it prints at its end.
func askJudge(t *testing.T, program string, job map[string]any, answer any) {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", program, string(in))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("judge: %v\n%s", err, &complaint)
	}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("judge printed %q: %v", out, err)
	}
}

// play has a browser play url with an engine for some seconds.
func play(t *testing.T, engine, url string, seconds int, low bool) seen {
	t.Helper()
	need(t, "node", "chromium")
	var s seen
	askJudge(t, "judge/play.mjs", map[string]any{"engine": engine, "url": url, "seconds": seconds, "low": low, "settle_ms": 3000}, &s)
	t.Logf("%s %s: %d of %d counters in %.1f s of media, waiting %d, latency p50 %.0f ms p95 %.0f ms, longest gap %.0f ms",
		engine, url, s.Presented, s.Span, s.MediaS, s.Waiting, s.P50, s.P95, s.GapMS)
	return s
}
