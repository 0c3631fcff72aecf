package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignalsThatEndNothing holds that SIGHUP never ends a server, from its first moment on, and that one whose log nobody
// reads any more goes on.
func TestSignalsThatEndNothing(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	cmd := exec.Command(binary, "serve", "--ready", "json", "--data_dir", data, "--http.listen", "127.0.0.1:0", "--rtmp.listen", "off", "--webrtc.listen", "off", "--log.level", "debug")
	cmd.Dir, cmd.Env, cmd.Stderr = data, environment(), write
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		b := make([]byte, 4096)
		n, _ := out.Read(b)
		ready <- string(b[:n])
	}()
	// Between exec and main nobody can catch anything: the first signal comes when the program itself runs.
	eventually(t, 5*time.Second, "the data folder to be in use", func() error { _, err := os.Stat(filepath.Join(data, "catalog.db")); return err })
	for line := ""; line == ""; {
		_ = cmd.Process.Signal(syscall.SIGHUP)
		select {
		case line = <-ready:
			if line == "" {
				t.Fatalf("ended while it started: %v", cmd.Wait())
			}
		case <-time.After(5 * time.Millisecond):
		}
	}
	_ = read.Close() // from now on a line of the log is a write to a broken pipe
	for range 5 {
		_ = cmd.Process.Signal(syscall.SIGHUP) // each is told in the log
		pause(t, 100*time.Millisecond)
	}
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		t.Fatalf("ended with %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// TestFilesOfAnotherUser runs the server on a folder with files that root has made, as happens when it was run with sudo
// once: it and the doctor say which file that is and what to do.
func TestFilesOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "weir-operator-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "weir")
	text, err := os.ReadFile(binary)
	if err := errors.Join(err, os.WriteFile(program, text, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	as := func(uid uint32, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, append(args, "--data_dir", data, "--http.listen", "127.0.0.1:0", "--rtmp.listen", "off", "--webrtc.listen", "off")...)
		cmd.Dir, cmd.Env = dir, environment()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, NoSetGroups: true}}
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		err := cmd.Run()
		return said.String(), err
	}
	if said, err := as(0, "key", "create", "live/a"); err != nil { // makes the folder
		t.Fatal(said, err)
	}
	if err := os.MkdirAll(filepath.Join(data, "timeline", "open"), 0o750); err != nil {
		t.Fatal(err)
	}
	give := func(path string, uid int) {
		t.Helper()
		err := filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error { return errors.Join(err, os.Chown(p, uid, uid)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"secret.key", "catalog.db", "timeline", "."} {
		give(data, nobody)
		if said, err := as(nobody, "doctor"); err != nil || !strings.Contains(said, "ok    disk") {
			t.Errorf("a folder that is right: %v\n%s", err, said)
		}
		path := filepath.Join(data, name)
		if give(path, 0); name == "." {
			_ = os.Chmod(data, 0o700)
		}
		said, err := as(nobody, "serve")
		if err == nil || !strings.Contains(said, filepath.Clean(path)) || strings.Count(said, "\n") < 3 {
			t.Errorf("serve with root's %s: %v\n%s", name, err, said)
		}
		if said, err = as(nobody, "doctor"); err == nil || !strings.Contains(said, "bad   disk") {
			t.Errorf("doctor with root's %s: %v\n%s", name, err, said)
		}
	}
}

// figure wants a line among the metrics.
func (w *weir) figure(want string) error {
	text, _, err := get(w.http("/metrics"))
	if err == nil && !strings.Contains(string(text), "\n"+want) {
		err = errors.New("it is not among the metrics")
	}
	return err
}

// TestConfigFiguresAndAMistake holds the figures of /metrics against what the file is.
func TestConfigFiguresAndAMistake(t *testing.T) {
	w := start(t)
	figure := func(want string) {
		t.Helper()
		eventually(t, 5*time.Second, want, func() error { return w.figure(want) })
	}
	figure("weir_config_last_reload_successful 1\n")
	w.configure(t, "streams: {max: many}\n")
	figure("weir_config_last_reload_successful 0\n")
	w.configure(t, "streams: {max: 7}\n")
	figure("weir_config_last_reload_successful 1\n")
	figure(`weir_webhook_events_total{result="delivered"} 0`)
	w.api(http.MethodPost, "/webhooks", map[string]any{"url": "http://127.0.0.1:9/", "types": []string{"stream.*"}}, nil) // not allowed: it waits
	w.pattern("live/show", w.key("live/*"))
	figure("weir_webhook_events_waiting 1\n")
}
