package rtmp

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/internal/media"
	"weir/internal/outside"
)

// nginx starts Debian's nginx-rtmp with one application "live" that pulls "from" from upstream.
func nginx(t *testing.T, upstream string) (addr string) {
	t.Helper()
	outside.Need(t, "nginx")
	module := "/usr/lib/nginx/modules/ngx_rtmp_module.so"
	if _, err := os.Stat(module); err != nil {
		t.Skip("nginx has no RTMP module here")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // nginx cannot tell which port it took
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	_ = ln.Close()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`load_module %s; daemon off; worker_processes 1; error_log %s/error.log info; pid %s/pid;
events {} rtmp { access_log off; server { listen %s; application live { live on; } application from { live on; pull rtmp://%s/live/show name=show; } } }`,
		module, dir, dir, addr, upstream)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", file)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("nginx: %s%s", out.String(), log)
		}
	})
	waitFor(t, "nginx", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return addr
}

// TestNginx: the server most people come from takes our push, gives us its
// streams, and pulls ours.
func TestNginx(t *testing.T) {
	t.Parallel()
	s := newStack(t, Config{})
	addr := nginx(t, s.addr)
	v, a := makeClip(t, media.H264, 0), makeClip(t, media.AAC, 1)
	tracks, frames := merge(v, a)
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	done := make(chan error, 3)
	go func() {
		done <- Push(ctx, PushConfig{ClientConfig: ClientConfig{URL: "rtmp://" + addr + "/live/pushed"}, Fan: s.fan, Wait: 10 * time.Second}, s.hub, "live/show")
	}()
	go func() {
		_ = Pull(ctx, PullConfig{ClientConfig: ClientConfig{URL: "rtmp://" + addr + "/live/pushed"}, Idle: 3 * time.Second}, s.hub, "live/back")
		done <- nil
	}()
	count := make(chan int, 1)
	go func() {
		n := 0
		_ = Play(ctx, ClientConfig{URL: "rtmp://" + addr + "/from/show"}, func([]media.Track, media.Frame) error {
			if n++; n == 100 {
				return context.Canceled
			}
			return nil
		})
		count <- n
	}()
	back := subscribe(t, s.hub, "live/back")
	if err := Publish(ctx, ClientConfig{URL: s.url("live/show")}, tracks, paced(tracks, frames)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	gotTracks, got := back()
	if len(gotTracks) != 2 || len(got) < len(frames)/2 {
		t.Errorf("%d tracks and %d of %d frames came back through nginx", len(gotTracks), len(got), len(frames))
	}
	if n := <-count; n < 100 {
		t.Errorf("nginx pulled %d frames", n)
	}
}
