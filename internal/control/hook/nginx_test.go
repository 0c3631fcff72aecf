package hook

import (
	"context"
	"fmt"
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

// The request that nginx-rtmp makes is taken apart into a Call, and the Call must
// give the same bytes again: the same fields, in the same order, with the same encoding.
func TestSameFormAsNginxRTMP(t *testing.T) {
	bodies := make(chan string, 64)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, 64<<10)
		n := 0
		for {
			m, err := r.Body.Read(body[n:])
			if n += m; err != nil {
				break
			}
		}
		bodies <- string(body[:n])
	}))
	defer receiver.Close()
	address := nginxWithRTMP(t, receiver.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	publish := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10", "-t", "60",
		"-c:v", "flv", "-g", "5", "-f", "flv", "rtmp://"+address+"/live/sh~(o)w?user=anna&note=x%20y&sig=a%2Fb=")
	if err := publish.Start(); err != nil {
		t.Fatal(err)
	}
	defer publish.Wait()
	seen := make(map[string]string)
	playing := (*exec.Cmd)(nil)
	for len(seen) < 9 {
		select {
		case body := <-bodies:
			form, err := url.ParseQuery(body)
			if err != nil {
				t.Fatalf("nginx sent %q: %v", body, err)
			}
			event := form.Get("call")
			seen[event] = body
			switch {
			case event == string(UpdatePlay):
				_ = playing.Process.Kill()
			case event == string(PlayDone):
				_ = publish.Process.Signal(os.Interrupt)
			case event == string(UpdatePublish) && playing == nil:
				playing = exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-i", "rtmp://"+address+"/live/sh~(o)w?who=viewer", "-f", "null", "-")
				if err := playing.Start(); err != nil {
					t.Fatal(err)
				}
				defer playing.Wait()
			}
		case <-ctx.Done():
			t.Fatalf("only these events came: %v", seen)
		}
	}
	for event, body := range seen {
		c := callOf(t, Event(event), body)
		if got := c.form(); got != body {
			t.Errorf("%s\nnginx %s\nweir  %s", event, body, got)
		} else {
			t.Logf("%s: %s", event, body)
		}
	}
}

func callOf(t *testing.T, e Event, body string) Call {
	t.Helper()
	form, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) int64 { n, _ := strconv.ParseInt(form.Get(name), 10, 64); return n }
	addr, _ := netip.ParseAddr(form.Get("addr"))
	c := Call{
		Event: e, Name: form.Get("name"), Type: form.Get("type"), Start: int64(int32(number("start"))), Duration: int64(int32(number("duration"))),
		Reset: form.Get("reset") == "1", Epoch: uint32(number("epoch")), Time: number("time"), Timestamp: uint32(number("timestamp")),
		Peer: Peer{
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
