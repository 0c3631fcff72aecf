package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestShow_2_3_WatchPageModes has the watch page play in each of its modes: the counter advances without a stall.
func TestShow_2_3_WatchPageModes(t *testing.T) {
	w := start(t)
	needUI(t, w)
	w.pattern("live/show", w.key("live/*"), "--bitrate", "800000")
	seconds := 8
	if os.Getenv("WEIR_LONG") != "" {
		seconds = 60
	}
	modes := []string{"whep", "flv", "ll-hls", "hls", "dash"}
	s := newScene(t, "watchpage", map[string]any{"url": w.http("/live/show"), "modes": modes, "seconds": seconds, "settle_ms": 2000})
	for _, mode := range modes {
		var v struct {
			seen
			Mode, Phase string
			First       float64 `json:"first_ms"`
		}
		s.await("watched", time.Duration(seconds+60)*time.Second, &v)
		t.Logf("%s: first picture after %.0f ms, %d of %d counters in %.1f s of media, waiting %d, latency p50 %.0f ms p95 %.0f ms",
			v.Mode, v.First, v.Presented, v.Span, v.MediaS, v.Waiting, v.P50, v.P95)
		if v.Mode != mode || v.Engine != mode || v.Phase != "playing" {
			t.Errorf("mode %s: %s plays by %s", mode, v.Phase, v.Engine)
		}
		v.judge(t, float64(seconds))
		// Sound that plays on over pictures that stand still is no stall to the player, but to the viewer.
		if v.Share < 0.75 {
			t.Errorf("mode %s: only %d of %d counters were shown", mode, v.Presented, v.Span)
		}
		if v.Span < seconds*30*9/10 {
			t.Errorf("mode %s: the counter advanced by %d in %d s", mode, v.Span, seconds)
		}
	}
}

// TestShow_2_3_PlainHTTPAddress opens the pages from another machine's place: a network namespace, where the server is a
// plain-http address that is not loopback and browsers take clipboard and camera away.
func TestShow_2_3_PlainHTTPAddress(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	need(t, "ip", "node", "chromium")
	host, inside := namespace(t)
	w := &weir{t: t, data: t.TempDir(), logs: &tail{}}
	w.boot(":0", ":0", ":0")
	t.Cleanup(w.stop)
	needUI(t, w)
	w.pattern("live/show", w.key("live/*"), "--bitrate", "800000")
	base := fmt.Sprintf("http://%s:%d", host, w.ports["http"])
	modes := []string{"whep", "flv", "hls"}
	s := newScene(t, "plainhttp", map[string]any{
		"link": base + w.login, "base": base, "name": "live/show", "lang": "en", "modes": modes,
		"words": map[string]string{"banner": "No password yet", "browser": "Browser", "camera": "Use the camera", "copyLink": "Copy link"},
	}, "ip", "netns", "exec", inside)
	var o struct {
		Origin                    string
		Secure, Clipboard, Camera bool
	}
	s.await("origin", 40*time.Second, &o)
	if o.Origin != base || o.Secure || o.Clipboard || o.Camera {
		t.Fatalf("this is not the case that was meant: %+v", o)
	}
	var c copied
	s.await("copied", 40*time.Second, &c)
	if want := fmt.Sprintf("rtmp://%s:%d/live", host, w.ports["rtmp"]); c.Server.Text != want || c.Server.Shown != want {
		t.Errorf("copied server %q shown as %q, want %q", c.Server.Text, c.Server.Shown, want)
	}
	if !strings.HasPrefix(c.Key.Text, "show?key=wk_") {
		t.Errorf("copied key %q", c.Key.Text)
	}
	var camera struct {
		Disabled bool
		Text     string
	}
	s.await("camera", 20*time.Second, &camera)
	if !camera.Disabled || !strings.Contains(camera.Text, "HTTPS") {
		t.Errorf("camera: disabled %v, and the page says %q", camera.Disabled, camera.Text)
	}
	for _, mode := range modes {
		var p struct {
			Mode, Engine string
			From, To     int64
		}
		s.await("played", 40*time.Second, &p)
		if p.Engine != mode || p.To-p.From < 45 {
			t.Errorf("mode %s: %+v", mode, p)
		}
	}
	var link struct{ Text string }
	s.await("link", 20*time.Second, &link)
	if link.Text != base+"/live/show" {
		t.Errorf("copied link %q", link.Text)
	}
}

// namespace makes a network namespace with one link to this machine and returns this machine's address on that link and the
// namespace's name.
func namespace(t *testing.T) (host, name string) {
	t.Helper()
	id := os.Getpid() % 60000
	name, link := fmt.Sprintf("weir-%d", id), fmt.Sprintf("weir%d", id)
	host = fmt.Sprintf("10.213.%d.%d", id/250, id%250)
	run := func(args ...string) {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v %s", strings.Join(args, " "), err, out)
		}
	}
	run("netns", "add", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() }) // takes the link along
	run("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
	run("addr", "add", host+"/32", "dev", link)
	run("link", "set", link, "up")
	there := "10.214" + strings.TrimPrefix(host, "10.213")
	run("route", "add", there+"/32", "dev", link)
	run("-n", name, "link", "set", "lo", "up")
	run("-n", name, "addr", "add", there+"/32", "dev", "eth0")
	run("-n", name, "link", "set", "eth0", "up")
	run("-n", name, "route", "add", host+"/32", "dev", "eth0")
	run("-n", name, "route", "add", "default", "via", host, "dev", "eth0", "onlink")
	return host, name
}
