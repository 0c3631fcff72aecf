package hook_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/internal/control/hook"
	"weir/internal/control/session"
	"weir/internal/fan"
	"weir/internal/gateway/rtmp"
	"weir/internal/hub"
)

const nginxModule = "/usr/lib/nginx/modules/ngx_rtmp_module.so"

// nginxWithRTMP starts Debian's nginx with its RTMP module, which calls the receiver
// for everything, and returns its address.
func nginxWithRTMP(t *testing.T, receiver string) string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		binary = "/usr/sbin/nginx"
	}
	_, missingBinary := os.Stat(binary)
	_, missingModule := os.Stat(nginxModule)
	_, missingFFmpeg := exec.LookPath("ffmpeg")
	if missingBinary != nil || missingModule != nil || missingFFmpeg != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nginx, libnginx-mod-rtmp and ffmpeg must be installed")
		}
		t.Skip("needs nginx, libnginx-mod-rtmp and ffmpeg")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()

	dir := t.TempDir()
	config := fmt.Sprintf(`load_module %s;
daemon off; master_process off; pid %s/pid; error_log %s/error.log info;
events {}
rtmp { server { listen %s; on_connect %[5]s/; on_disconnect %[5]s/;
	application live { live on; on_publish %[5]s/; on_play %[5]s/; on_publish_done %[5]s/; on_play_done %[5]s/; on_done %[5]s/;
		on_update %[5]s/; notify_update_timeout 1s; } } }
`, nginxModule, dir, dir, address, receiver)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := exec.Command(binary, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", file)
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Kill()
		_ = nginx.Wait()
	})
	for ctx := t.Context(); ; {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// events are what a publisher and a player give, with a hook for everything.
const events = 9

// drive has one publisher and one player come and go at an RTMP server, and gathers
// the bodies of the calls by event. Where an event comes for both, the player's counts.
func drive(t *testing.T, address string, bodies <-chan string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	publish := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10", "-t", "60",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "5", "-f", "flv", "rtmp://"+address+"/live/show-1?user=anna&note=x%20y&sig=a%2Fb=")
	if err := publish.Start(); err != nil {
		t.Fatal(err)
	}
	defer publish.Wait()
	defer cancel()
	seen := make(map[string]string)
	var playing *exec.Cmd
	for len(seen) < events {
		select {
		case body := <-bodies:
			form, err := url.ParseQuery(body)
			if err != nil {
				t.Fatalf("the body %q: %v", body, err)
			}
			event := form.Get("call")
			if event == string(hook.Done) && form.Get("who") == "" {
				continue // the publisher's; which client's comes first is nobody's promise, so the viewer's is waited for
			}
			if form.Get("user") == "" || seen[event] == "" {
				seen[event] = body
			}
			switch {
			case event == string(hook.UpdatePlay):
				_ = playing.Process.Kill()
			case event == string(hook.PlayDone):
				_ = publish.Process.Signal(os.Interrupt)
			case event == string(hook.UpdatePublish) && playing == nil:
				playing = exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-i", "rtmp://"+address+"/live/show-1?who=viewer", "-f", "null", "-")
				if err := playing.Start(); err != nil {
					t.Fatal(err)
				}
				defer playing.Wait()
			}
		case <-ctx.Done():
			t.Fatalf("only these events came: %v", seen)
		}
	}
	return seen
}

// receiver is a real HTTP server that allows everything and hands on the bodies.
func receiver(t *testing.T) (address string, bodies <-chan string) {
	t.Helper()
	c := make(chan string, 64)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c <- string(body)
	}))
	t.Cleanup(s.Close)
	return s.URL, c
}

// weir starts the RTMP gateway behind a door whose hooks call the receiver.
func weir(t *testing.T, receiver string) string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	app := hook.App{
		OnConnect: receiver, OnDisconnect: receiver, OnPublish: receiver, OnPlay: receiver, OnPublishDone: receiver, OnPlayDone: receiver,
		OnDone: receiver, OnUpdate: receiver, UpdateEvery: time.Second,
	}
	hooks, err := hook.New(hook.Config{Apps: map[string]hook.App{"live": app}}, (&net.Dialer{}).DialContext, log)
	if err != nil {
		t.Fatal(err)
	}
	h, f, d := hub.New(hub.Config{}, log), fan.New(fan.Config{}, log), session.New(session.Config{Hooks: hooks}, log)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rtmp.New(rtmp.Config{}, h, f, d, log).Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		<-served
		d.Close()
		f.Close()
		h.Close()
	})
	return listener.Addr().String()
}

// One receiver runs behind Debian's nginx-rtmp and behind Weir, with the same publisher
// and player. Taken apart and put together again, nginx's requests are the same bytes:
// the same fields, in the same order, with the same encoding. And both servers send the
// same fields with the same values, but for what is another at each run.
func TestShow_2_4_HooksAsNginxRTMP(t *testing.T) {
	address, bodies := receiver(t)
	nginx := drive(t, nginxWithRTMP(t, address), bodies)
	for event, body := range nginx {
		if got := hook.FormOf(callOf(t, hook.Event(event), body)); got != body {
			t.Errorf("%s\nnginx %s\nweir  %s", event, body, got)
		}
	}
	address, bodies = receiver(t)
	ours := drive(t, weir(t, address), bodies)
	for event, body := range nginx {
		compare(t, event, body, ours[event])
	}
}

func compare(t *testing.T, event, theirs, ours string) {
	t.Helper()
	t.Logf("%s\n  nginx %s\n  weir  %s", event, theirs, ours)
	if a, b := names(theirs), names(ours); a != b {
		t.Errorf("%s: nginx has the fields %s, Weir has %s", event, a, b)
	}
	a, _ := url.ParseQuery(theirs)
	b, _ := url.ParseQuery(ours)
	for field := range a {
		have, want := b.Get(field), a.Get(field)
		switch field {
		case "clientid", "epoch", "time", "timestamp": // of this run; they must be numbers
			if _, err := strconv.ParseUint(have, 10, 32); err != nil {
				t.Errorf("%s: %s is %q", event, field, have)
			}
			continue
		case "tcurl": // has the port
			u, err := url.Parse(have)
			if err != nil || u.Scheme != "rtmp" || u.Path != "/live" {
				t.Errorf("%s: tcurl is %q", event, have)
			}
			continue
		case "flashver": // nginx-rtmp keeps 31 bytes of it
			have = have[:min(len(have), 31)]
			if event == string(hook.Disconnect) { // of either connection, whichever was told last
				continue
			}
		}
		if have != want {
			t.Errorf("%s: %s is %q, nginx has %q", event, field, have, want)
		}
	}
}

// names are the names of a form's fields in their order.
func names(form string) string {
	var all []string
	for part := range strings.SplitSeq(form, "&") {
		name, _, _ := strings.Cut(part, "=")
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func callOf(t *testing.T, e hook.Event, body string) hook.Call {
	t.Helper()
	form, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) int64 { n, _ := strconv.ParseInt(form.Get(name), 10, 64); return n }
	addr, _ := netip.ParseAddr(form.Get("addr"))
	c := hook.Call{
		Event: e, Name: form.Get("name"), Type: form.Get("type"), Start: int64(int32(number("start"))), Duration: int64(int32(number("duration"))),
		Reset: form.Get("reset") == "1", Epoch: uint32(number("epoch")), Time: number("time"), Timestamp: uint32(number("timestamp")),
		Peer: hook.Peer{
			App: form.Get("app"), Flashver: form.Get("flashver"), SwfURL: form.Get("swfurl"), TcURL: form.Get("tcurl"),
			PageURL: form.Get("pageurl"), Addr: addr, ClientID: form.Get("clientid"),
		},
	}
	for _, start := range []string{"user=", "who="} { // where the client's arguments begin
		if at := strings.Index(body, "&"+start); at >= 0 {
			c.Args = body[at+1:]
		}
	}
	return c
}
