package transcode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limits of one child
const (
	childMemory = 2 << 30 // address space, bytes
	stderrKept  = 2 << 10
)

// child is a running FFmpeg.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr ring
	gone   func()
}

// start runs FFmpeg with the arguments, which are ours alone: nothing in them comes from outside. nice is its
// scheduling niceness. The child dies with ctx, and with its input: it reads a pipe that ends with us.
func (e *Engine) start(ctx context.Context, path string, nice int, args ...string) (*child, error) {
	c := &child{}
	args = append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "pipe"}, args...)
	c.cmd = exec.CommandContext(ctx, path, args...)
	c.cmd.Env = []string{"LC_ALL=C"}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Cancel = func() error { return syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }
	c.cmd.WaitDelay = 2 * time.Second
	c.cmd.Stderr = &c.stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.stdout, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	e.children.Store(c, nil)
	c.gone = func() { e.children.Delete(c) }
	pid := c.cmd.Process.Pid
	// Failing to bound or to calm the child is no reason to do without it.
	bound(pid)
	if nice != 0 {
		_ = unix.Setpriority(unix.PRIO_PROCESS, pid, nice)
	}
	return c, nil
}

// wait ends the child and says why it ended; both pipes must be done with.
func (c *child) wait() error {
	defer c.gone()
	err := c.cmd.Wait()
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if text := c.stderr.String(); errors.As(err, &exit) && text != "" {
		return fmt.Errorf("ffmpeg: %w: %s", err, text)
	}
	return fmt.Errorf("ffmpeg: %w", err)
}

// ring keeps the last bytes written to it.
type ring struct {
	mu   sync.Mutex
	data []byte
}

func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data = append(r.data, p[max(0, len(p)-stderrKept):]...)
	if n := len(r.data); n > stderrKept {
		r.data = append(r.data[:0], r.data[n-stderrKept:]...)
	}
	return len(p), nil
}

func (r *ring) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.TrimSpace(string(r.data))
}
