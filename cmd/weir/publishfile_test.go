package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"weir/internal/fault"
	"weir/internal/outside"
)

// TestPublishEndsWithItsServer: a server that says goodbye ends weir publish with an error. It was taken for the end of the file, of which
// there was more to come, and nothing ended.
func TestPublishEndsWithItsServer(t *testing.T) {
	ffmpeg := outside.Need(t, "ffmpeg")
	t.Chdir(t.TempDir())
	ports := running(t)
	key := strings.TrimSpace(mustWeir(t, "key", "create", "live/*"))
	outside.Run(t, ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25", "-t", "2", "-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p", "film.mp4")
	for name, source := range map[string][]string{"file": {"film.mp4"}, "film": {"film.mp4", "--loop"}, "pattern": {"--pattern"}} {
		t.Run(name, func(t *testing.T) {
			address := goodbye(t, ports["rtmp"], 20_000)
			_, err := weir(t, append(append([]string{"publish"}, source...), fmt.Sprintf("rtmp://%s/live/%s?key=%s", address, name, key))...)
			if fault.Code(err) != "remote_gone" || strings.Contains(err.Error(), "by itself") {
				t.Errorf("%v", err)
			}
		})
	}
}

// goodbye is a way to a port that closes its own direction when so many bytes have gone there.
func goodbye(t *testing.T, port, after int) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		near, err := l.Accept()
		if err != nil {
			return
		}
		defer near.Close() //nolint:errcheck // over
		far, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()     //nolint:errcheck // over
		go io.Copy(near, far) //nolint:errcheck // ends with either
		_, _ = io.CopyN(far, near, int64(after))
		_ = near.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, near)
	}()
	return l.Addr().String()
}
